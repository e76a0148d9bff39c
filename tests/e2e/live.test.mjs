// A page that is open while things happen, as the person in front of it sees it: what changes is lit, what is being read
// stays where it is, a pause holds everything, and nothing is missed after a loss of the connection or in the background.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';

import { launchBrowser, putAway, reading, same, screenshot, SERVER_AWAY, withPage } from './browser.mjs';
import { cleanUp, connect, connectRaw, importPast, startServer, until, untilStatus } from './harness.mjs';

/** More rows than a screen shows. */
const MANY = 200;
const device = (name) => `d:acme01:thermo:${name}`;
const numbered = (at) => device(`reading-t-${String(at).padStart(3, '0')}`);
const [STALE, FRESH] = [device('doubtful-stale'), device('doubtful-fresh')];

const minutesAgo = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();

/** The state of a client that was lost an hour ago, as the State API tells it. */
const state = (id, more) => ({
  ...{ id, clientType: 'device', connectionStatus: 'disconnected', certainty: 'reported', recentConnects: 0 },
  ...{ lastConnectTime: minutesAgo(120), lastDisconnectTime: minutesAgo(60), disconnectInitiator: 'network' },
  ...{ mqttReasonCode: 128, closeCode: 91, ...more },
});

let server;
let browser;

before(async () => {
  const past = Array.from({ length: MANY }, (_, at) => state(numbered(at)));
  const data = importPast([...past, state(FRESH), state(STALE, { staleSince: minutesAgo(5) })]);
  [server, browser] = await Promise.all([startServer({ data }), launchBrowser()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** A journey on a page that shows only the clients whose id contains `search`. */
const journey = (search, body, options = {}) =>
  withPage(browser, server, { query: `?search=${search}`, ...options }, async (dashboard) => {
    await dashboard.untilLive();
    await body(dashboard);
  });

/** Records from now on which cells light up and which of them fade again (client and column), and the longest time that took. */
const watchCells = (page) =>
  page.evaluate(() => {
    globalThis.cells = { lit: [], faded: [], seconds: 0 };
    const note = (list) => (event) => {
      const cell = event.target.closest('[role="gridcell"]');
      if (!cell) return;
      list.push(`${cell.closest('[role="row"]').dataset.clientId} ${cell.className.match(/\bc-(\w+)/)[1]}`);
      globalThis.cells.seconds = Math.max(globalThis.cells.seconds, event.elapsedTime);
    };
    for (const name of ['animationstart', 'transitionrun'])
      document.addEventListener(name, note(globalThis.cells.lit));
    for (const name of ['animationend', 'transitionend'])
      document.addEventListener(name, note(globalThis.cells.faded));
  });

const cells = (page) => page.evaluate(() => globalThis.cells);

/** A client is lost before the eyes of the reader, and another one stays; `check` gets the ids of both. */
const loss = (search, check, options) =>
  journey(
    search,
    async (dashboard) => {
      const [lost, stays] = [device(`${search}-lost`), device(`${search}-stays`)];
      const client = await connect(server, lost);
      await connect(server, stays);
      for (const id of [lost, stays]) await dashboard.untilRow(id, { status: 'connected' });
      const isMoving = () => dashboard.page.evaluate(() => document.getAnimations().length > 0);
      await until('what came is not lit any more', async () => !(await isMoving()));
      await watchCells(dashboard.page);
      await client.lose();
      await dashboard.untilRow(lost, { status: 'disconnected', initiator: 'network' });
      await check(dashboard, lost);
      assert.equal(await isMoving(), false);
    },
    options,
  );

test('the cells that a message changes are lit, and no others, and soon look like the rest again', () =>
  loss('lit', async (dashboard, lost) => {
    const changed = ['connectionStatus', 'lastDisconnectTime', 'mqttReasonCode', 'disconnectInitiator'];
    const shown = [];
    for (const column of changed)
      if ((await dashboard.row(lost).locator(`.c-${column}`).count()) > 0) shown.push(`${lost} ${column}`);
    assert.ok(shown.length >= 3, shown.join());
    await until('they have faded', async () => (await cells(dashboard.page)).faded.length >= shown.length);
    const { lit, faded, seconds } = await cells(dashboard.page);
    assert.deepEqual(lit.sort(), shown.sort());
    assert.deepEqual(faded.sort(), shown);
    assert.ok(seconds >= 0.2 && seconds <= 2, `lit for ${seconds} s: long enough to be seen, and not for long`);
  }));

test('for who wants no motion, a change is there at once and nothing is lit', () =>
  loss(
    'still',
    async ({ page }) => {
      // It would begin with the next picture.
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      assert.deepEqual(await cells(page), { lit: [], faded: [], seconds: 0 });
    },
    { reducedMotion: 'reduce' },
  ));

test('the counts at the top and those in an open menu of a filter follow what happens', () =>
  journey('counted', async (dashboard) => {
    const untilCounts = async (connected, disconnected) => {
      for (const [status, count] of Object.entries({ connected, disconnected })) {
        await dashboard.untilNumber(`status-${status}`, count);
        const option = dashboard.page.locator('.option').filter({ has: dashboard.get(`option-${status}`) });
        await until(`the menu counts ${count} ${status}`, async () =>
          (await option.locator('.option-more').innerText()) === String(count),
        );
      }
      await dashboard.untilNumber('total', connected + disconnected);
    };
    const first = await connect(server, device('counted-1'));
    await dashboard.filter('connectionStatus');
    await untilCounts(1, 0);
    await connect(server, device('counted-2'));
    await untilCounts(2, 0);
    await first.lose();
    await untilCounts(1, 1);
    assert.ok(await dashboard.get('popup').isVisible(), 'the menu stayed open');
  }));

test('rows that come above what is being read wait behind a button that says how many, and are shown when it is pressed', () =>
  journey('reading-', async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilNumber('total', MANY);
    await dashboard.row(numbered(0)).waitFor();
    await page.locator('#grid').hover();
    await page.mouse.wheel(0, 2_000);
    let before;
    await until('the table is at rest further down', async () => {
      const seen = await reading(dashboard);
      const isAtRest = same(seen, before) && seen.every(([id]) => id > numbered(20));
      before = seen;
      return isAtRest;
    });
    const arrived = dashboard.page.locator('.arrived');
    assert.equal(await arrived.count(), 0);
    const first = [1, 2, 3].map((at) => device(`reading-a-${at}`));
    for (const id of first) await connectRaw(server, id);
    await until('the button says how many came', async () => /^3\b/.test(await arrived.innerText()));
    assert.deepEqual(await reading(dashboard), before, 'nothing moved under the eyes of the reader');
    await screenshot(page, 'arrived-above-light');
    await arrived.click();
    await until('they are shown', async () => same((await reading(dashboard)).slice(0, 3).map(([id]) => id), first));
    await arrived.waitFor({ state: 'detached' });
  }));

/** Counts the questions of the page to the server from now on, and the sockets that it opens. */
function countQuestions(page) {
  const seen = [];
  page.on('request', (request) => {
    if (new URL(request.url()).pathname.startsWith('/api/')) seen.push(request.url());
  });
  page.on('websocket', (socket) => seen.push(socket.url()));
  return seen;
}

test('a pause holds rows, counts and the open client as they are, and what happened meanwhile comes when it ends', () =>
  journey('held', async (dashboard) => {
    const { page } = dashboard;
    const [lost, comes] = [device('held-lost'), device('held-comes')];
    const client = await connect(server, lost);
    await dashboard.untilRow(lost, { status: 'connected' });
    await dashboard.open(lost);
    await until('its connect is listed', async () => (await dashboard.entries().count()) === 1);
    await dashboard.untilNumber('status-connected', 1);
    const shown = async () => ({
      ids: await dashboard.ids(),
      status: await dashboard.row(lost).getAttribute('data-status'),
      connected: await dashboard.number('status-connected'),
      disconnected: await dashboard.number('status-disconnected'),
      total: await dashboard.number('total'),
      entries: await dashboard.entries().count(),
    });
    await page.keyboard.press('p');
    await dashboard.untilIndicator('monitor', 'paused');
    const held = await shown();
    assert.deepEqual(held, { ids: [lost], status: 'connected', connected: 1, disconnected: 0, total: 1, entries: 1 });

    const asked = countQuestions(page);
    await client.lose();
    await connect(server, comes);
    await until('two events wait', async () => /\b2\b/.test(await dashboard.get('indicator-monitor').innerText()));
    // Longer than the page waits before it asks about what it was told.
    await page.waitForTimeout(2_000);
    assert.deepEqual(asked.filter((url) => /clientconnectionstates|logs/.test(url)), []);
    assert.deepEqual(await shown(), held);

    await page.keyboard.press('p');
    await dashboard.untilIndicator('monitor', 'live');
    await dashboard.untilRow(lost, { status: 'disconnected', initiator: 'network' });
    await dashboard.untilRow(comes, { status: 'connected' });
    await dashboard.untilNumber('status-disconnected', 1);
    await dashboard.untilNumber('total', 2);
    await until('its end is listed', async () => (await dashboard.entries('disconnect').count()) === 1);
  }));

/** Stands between the browser and the server. `.cut()` ends all connections and lets none through until `.mend()`. */
async function startCable() {
  const sockets = new Set();
  let isCut = false;
  const cable = net.createServer((client) => {
    if (isCut) return client.destroy();
    const upstream = net.connect(server.httpPort, '127.0.0.1');
    const end = () => [client, upstream].forEach((socket) => socket.destroy());
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end).on('close', () => sockets.delete(socket));
    }
    client.pipe(upstream).pipe(client);
  });
  cable.listen(0, '127.0.0.1').unref();
  await once(cable, 'listening');
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  const signInLink = () => {
    const link = new URL(server.signInLink());
    link.port = cable.address().port;
    return link.href;
  };
  return { signInLink, cut, mend: () => (isCut = false) };
}

test('when the connection was lost and events were missed, the table is read again', async () => {
  const cable = await startCable();
  const [lost, comes] = [device('missed-lost'), device('missed-comes')];
  const client = await connect(server, lost);
  await withPage(browser, cable, { query: '?search=missed', allowed: SERVER_AWAY }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await dashboard.untilRow(lost, { status: 'connected' });
    await page.evaluate(() => (globalThis.notReloaded = true));
    cable.cut();
    await dashboard.untilIndicator('monitor', 'down');
    await client.lose();
    await connect(server, comes);
    await untilStatus(server, lost, 'disconnected');
    await dashboard.untilRow(lost, { status: 'connected' });
    assert.deepEqual(await dashboard.ids(), [lost], 'the page cannot know');

    cable.mend();
    await dashboard.untilRow(lost, { status: 'disconnected', initiator: 'network' });
    await dashboard.untilRow(comes, { status: 'connected' });
    await dashboard.untilLive();
    await dashboard.untilNumber('status-connected', 1);
    await dashboard.untilNumber('status-disconnected', 1);
    assert.equal(await page.evaluate(() => globalThis.notReloaded), true);
  });
});

test('a row whose state is stale says so and looks so, until something is heard of its client', () =>
  journey('doubtful', async (dashboard) => {
    await dashboard.untilIds([STALE, FRESH]);
    const cell = (id, part) => dashboard.row(id).locator('.c-connectionStatus').locator(part);
    const looks = (id) =>
      cell(id, '.mark').evaluate((mark) => {
        const { borderTopStyle, borderTopColor, backgroundColor, backgroundImage } = getComputedStyle(mark);
        return JSON.stringify({ borderTopStyle, borderTopColor, backgroundColor, backgroundImage });
      });
    const word = (id) => cell(id, '.word').innerText();
    const isStale = (id) => dashboard.row(id).evaluate((row) => row.classList.contains('stale'));
    assert.deepEqual([await isStale(STALE), await isStale(FRESH)], [true, false]);
    assert.notEqual(await looks(STALE), await looks(FRESH), 'the mark is another one');
    // What it was last known to be, and since when that is in doubt.
    assert.match(await word(STALE), new RegExp(`^${await word(FRESH)}.`));
    assert.match(await cell(STALE, '.as-of').innerText(), /\d\d:\d\d/);
    assert.equal(await cell(FRESH, '.as-of').innerText(), '');
    await dashboard.untilNumber('status-stale', 1);
    await screenshot(dashboard.page, 'stale-light');
    await dashboard.open(STALE);
    await dashboard.get('panel').getByText(/This state is stale/).waitFor();
    await dashboard.page.keyboard.press('Escape');
    await dashboard.get('status-stale').click();
    await dashboard.untilIds([STALE]);
    await dashboard.get('status-stale').click();
    await dashboard.untilIds([STALE, FRESH]);

    await (await connect(server, STALE)).lose();
    await until('it is not stale any more', async () => !(await isStale(STALE)));
    await dashboard.untilRow(STALE, { status: 'disconnected' });
    assert.equal(await looks(STALE), await looks(FRESH));
    assert.equal(await word(STALE), await word(FRESH));
    assert.equal(await cell(STALE, '.as-of').innerText(), '');
    await dashboard.untilNumber('status-stale', 0);
  }));

const fleet = (search) => ({ lost: device(`${search}-lost`), comes: device(`${search}-comes`) });

/** What is on the screen when the page goes into the background, and how it shows that it has caught up. */
const PLACES = {
  'the table with an open menu': {
    search: 'behind-table',
    async arrange(dashboard) {
      await dashboard.filter('connectionStatus');
      await dashboard.get('option-connected').waitFor();
    },
    async hasCaughtUp(dashboard, { lost, comes }) {
      await dashboard.untilRow(lost, { status: 'disconnected', initiator: 'network' });
      await dashboard.untilRow(comes, { status: 'connected' });
      await dashboard.untilNumber('status-disconnected', 1);
    },
  },
  'the page of a client': {
    search: 'behind-client',
    async arrange(dashboard, { lost }) {
      await dashboard.open(lost);
      await dashboard.entries('connect').first().waitFor();
    },
    async hasCaughtUp(dashboard) {
      await dashboard.entries('disconnect').first().waitFor();
      await dashboard.get('why').waitFor();
    },
  },
  'the overview': {
    search: 'behind-overview',
    async arrange(dashboard) {
      await dashboard.get('page-overview').click();
      // As often as the log of the server has it.
      const { buckets } = (await server.api('/statistics?fromTime=now-1h&step=1h')).body;
      const losses = buckets.reduce((sum, { disconnects }) => sum + disconnects, 0);
      await dashboard.untilNumber('tile-disconnects', losses);
      return losses;
    },
    async hasCaughtUp(dashboard, _, losses) {
      await dashboard.untilNumber('tile-disconnects', losses + 1);
    },
  },
};

for (const [name, { search, arrange, hasCaughtUp }] of Object.entries(PLACES)) {
  test(`in the background, ${name} asks nothing, and catches up when it is seen again`, () =>
    journey(search, async (dashboard) => {
      const { page } = dashboard;
      const sockets = [];
      page.on('websocket', (socket) => sockets.push(socket));
      // From here on its sockets are known.
      await page.reload();
      await dashboard.untilLive();
      const clients = fleet(search);
      const client = await connect(server, clients.lost);
      await dashboard.untilRow(clients.lost, { status: 'connected' });
      const arranged = await arrange(dashboard, clients);
      let open = 0;
      page.on('request', () => (open += 1));
      for (const name of ['requestfinished', 'requestfailed']) page.on(name, () => (open -= 1));
      await putAway(page, true);
      await until('everything is answered', () => open <= 0);
      await until('nothing is listened to', () => sockets.length > 0 && sockets.every((socket) => socket.isClosed()));
      const asked = countQuestions(page);
      await client.lose();
      await connect(server, clients.comes);
      // Longer than any question of the dashboard waits.
      await page.waitForTimeout(6_000);
      assert.deepEqual(asked, []);
      await putAway(page, false);
      await hasCaughtUp(dashboard, clients, arranged);
      await dashboard.untilIndicator('monitor', 'live');
    }));
}
