// What stands between the page and its server goes wrong in part: the feed is refused while the API answers, a proxy answers
// in the server's place, clocks differ, much comes at once. The page says what is true as soon as it can know it again, and
// never anything else.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, putAway, reading, same, SERVER_AWAY, withPage } from './browser.mjs';
import { attempt, cleanUp, connect, connectRaw, importPast, startServer, until, untilStatus } from './harness.mjs';
import { startPlainWatson } from './plain-watson.mjs';
import { startProxy } from './proxy.mjs';

/** Within this the page has to show what it can know, on a busy machine: it asks every two seconds while nothing is told. */
const SOON_MS = 8_000;
const HOUR_MS = 3_600_000;
/** What a browser says of a proxy that knows nothing, too. */
const PROXY_AWAY = new RegExp(`status of 404|${SERVER_AWAY.source}`);

let browser;
let plain;

before(async () => {
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await plain?.stop();
  await cleanUp();
});

const device = (name) => `d:acme01:thermo:${name}`;
const numbered = (at) => device(`t-${String(at).padStart(4, '0')}`);

const timeAgo = (ms) => new Date(Date.now() - ms).toISOString();

/** The state of a client that was there for a moment, as the State API tells it: the more `at` is, the later it came. */
const past = (id, at, more = {}) => ({
  ...{ id, clientType: 'device', connectionStatus: 'disconnected', certainty: 'reported', recentConnects: 0 },
  ...{ lastConnectTime: timeAgo(3 * HOUR_MS - at * 1_000), lastDisconnectTime: timeAgo(3 * HOUR_MS - at * 1_000 - 500) },
  ...{ disconnectInitiator: 'network', mqttReasonCode: 128, closeCode: 91, ...more },
});

const importMany = (count) => importPast(Array.from({ length: count }, (_, at) => past(numbered(at), at)));

/** A page in front of a proxy in front of the server. */
const throughProxy = (proxy, query, body) => withPage(browser, proxy, { query, allowed: PROXY_AWAY }, body);

/** Whether the page of the open client says this. */
const says = async (dashboard, pattern) => pattern.test(await dashboard.get('panel').innerText());
const [ONLINE, OFFLINE] = [/Connected since/, /Offline since/];
const untilOpen = (dashboard, pattern, limitMs) =>
  until(`the page of the client says ${pattern}`, () => says(dashboard, pattern), limitMs);
const untilEntries = (dashboard, event, count, limitMs) =>
  until(`its log has ${count} of ${event}`, async () => (await dashboard.entries(event).count()) === count, limitMs);

// Only the feed told the page of a client that there was something new: without it the row changed and the page did not.
test('where no feed comes through, the page of a client follows its end as its row does', async () => {
  const [server, id] = [await startServer(), device('unheard')];
  const proxy = await startProxy(server);
  proxy.refusesFeeds = true;
  const client = await connect(server, id);
  await throughProxy(proxy, `?client=${id}&tab=log`, async (dashboard) => {
    await dashboard.untilRow(id, { status: 'connected' });
    await untilOpen(dashboard, ONLINE);
    await untilEntries(dashboard, 'connect', 1);
    await dashboard.untilIndicator('api', 'live');
    await client.lose();
    await untilStatus(server, id, 'disconnected');
    await untilOpen(dashboard, OFFLINE, SOON_MS);
    await untilEntries(dashboard, 'disconnect', 1, SOON_MS);
    await dashboard.untilRow(id, { status: 'disconnected', initiator: 'network' });
    assert.equal(proxy.fedAt.length, 0);
  });
});

// Nothing asked again: the page of the client said for ever that the server refused to answer.
test('a client that is opened while the API is away is shown when the API is back', async () => {
  const [server, id] = [await startServer(), device('not-yet')];
  const proxy = await startProxy(server);
  await connect(server, id);
  await throughProxy(proxy, '', async (dashboard) => {
    await dashboard.untilLive();
    proxy.answer = (path) => (path.startsWith('/api/') ? 503 : undefined);
    await dashboard.open(id);
    await untilOpen(dashboard, /refused to answer \(503\)/);
    await dashboard.untilIndicator('monitor', 'live');
    proxy.answer = () => undefined;
    await untilOpen(dashboard, ONLINE, SOON_MS);
    await untilEntries(dashboard, 'connect', 1, SOON_MS);
    await until('nothing is refused any more', async () => !(await says(dashboard, /503/)));
    await dashboard.untilLive();
  });
});

// A default backend says 404 to everything. The page took that for a plain Watson server, for good: it dropped filters that
// only Rollcall has, the organisation and the count of stale clients, and the open client stayed unknown.
test('a proxy that answers 404 for a while does not make the page forget which server it has', async () => {
  const [byClient, byNetwork, stale, opened] = ['by-client', 'by-network', 'stale', 'opened'].map(device);
  const byItself = { disconnectInitiator: 'client', mqttReasonCode: 0, closeCode: 0 };
  const data = importPast([past(stale, 0, { ...byItself, staleSince: timeAgo(HOUR_MS) })]);
  const server = await startServer({ data });
  const proxy = await startProxy(server);
  for (const id of [byClient, opened]) await attempt(server, id);
  await (await connect(server, byNetwork)).lose();
  await throughProxy(proxy, '?disconnectInitiator=client', async (dashboard) => {
    const { page } = dashboard;
    const org = page.locator('.org');
    const filtered = [byClient, stale, opened];
    await dashboard.untilLive();
    await dashboard.untilIds(filtered);
    await dashboard.untilNumber('status-stale', 1);
    assert.equal(await org.innerText(), 'acme01');
    // The code for the page of a client is here.
    await dashboard.open(byClient);
    await untilOpen(dashboard, OFFLINE);
    await page.evaluate(() => (globalThis.notReloaded = true));

    proxy.answer = () => 404;
    proxy.cut();
    const before = proxy.asked.length;
    await dashboard.open(opened);
    await untilOpen(dashboard, /knows no client/);
    const hasAsked = (pattern, times) => () =>
      proxy.asked.slice(before).filter((path) => pattern.test(path)).length >= times;
    await until('the page has asked which server it is', hasAsked(/rollcall\/v1\/status/, 2));
    await until('it has asked for the clients', hasAsked(/clientconnectionstates\?/, 1));
    await until('it has tried the feed', hasAsked(/^\/mqtt/, 2));
    assert.deepEqual((await dashboard.ids()).sort(), filtered.sort(), 'what was known stays');

    proxy.answer = () => undefined;
    await dashboard.untilLive();
    const late = device('late');
    await attempt(server, late);
    await dashboard.untilIds([...filtered, late]);
    assert.equal(dashboard.parameters().get('disconnectInitiator'), 'client');
    assert.equal(await page.getByText('left out').count(), 0);
    assert.equal(await org.innerText(), 'acme01');
    await dashboard.untilNumber('status-stale', 1);
    // Of a client that is not known the feed tells: it is asked for every ten seconds only.
    await untilOpen(dashboard, OFFLINE, 12_000);
    assert.equal(await page.evaluate(() => globalThis.notReloaded), true);
  });
});

// The question whether the server is back brought its answer onto the page, pause or not.
test('a pause outlasts a restart of the server: what is shown stays as it was, and is true when the pause ends', async () => {
  const first = await startServer();
  const [open, comes, returns] = ['open', 'comes', 'returns'].map(device);
  await attempt(first, returns);
  await connectRaw(first, open);
  await withPage(browser, first, { allowed: SERVER_AWAY }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await dashboard.untilIds([open, returns]);
    await dashboard.open(open);
    await untilOpen(dashboard, ONLINE);
    await untilEntries(dashboard, 'connect', 1);
    await dashboard.untilNumber('status-connected', 1);
    const shown = async () => ({
      rows: await dashboard
        .get('row')
        .evaluateAll((rows) => rows.map((row) => `${row.dataset.clientId} ${row.dataset.status}`).sort()),
      connected: await dashboard.number('status-connected'),
      disconnected: await dashboard.number('status-disconnected'),
      total: await dashboard.number('total'),
      entries: await dashboard.entries().count(),
      isOnline: await says(dashboard, ONLINE),
    });
    await page.keyboard.press('p');
    await dashboard.untilIndicator('monitor', 'paused');
    const held = await shown();
    const rows = [`${open} connected`, `${returns} disconnected`];
    assert.deepEqual(held, { rows, connected: 1, disconnected: 1, total: 2, entries: 1, isOnline: true });

    await first.stop();
    await dashboard.untilIndicator('api', 'down', 'failed', 'connecting');
    assert.deepEqual(await shown(), held);
    const feed = page.waitForEvent('websocket');
    const second = await startServer({ data: first.data, http: first.httpPort, mqtt: first.mqttPort });
    await connect(second, comes);
    await connect(second, returns);
    await untilStatus(second, open, 'disconnected');
    await dashboard.untilIndicator('api', 'live');
    await (await feed).waitForEvent('framereceived');
    // Longer than the page waits before it asks again where no feed tells it anything.
    await page.waitForTimeout(2_500);
    assert.deepEqual(await shown(), held);

    await page.keyboard.press('p');
    await dashboard.untilLive();
    await dashboard.untilRow(open, { status: 'disconnected', initiator: 'server' });
    for (const id of [comes, returns]) await dashboard.untilRow(id, { status: 'connected' });
    await dashboard.untilNumber('status-connected', 2);
    await dashboard.untilNumber('status-disconnected', 1);
    await dashboard.untilNumber('total', 3);
    await untilOpen(dashboard, OFFLINE);
    await untilEntries(dashboard, 'disconnect', 1);
    await second.stop();
  });
});

// What had failed was tried again and again, whether or not anybody could see it.
test('a page that was failing when it was hidden asks nothing, and recovers when it is seen again', async () => {
  const [server, id] = [await startServer(), device('behind')];
  const proxy = await startProxy(server);
  const client = await connect(server, id);
  await throughProxy(proxy, `?client=${id}`, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await untilOpen(dashboard, ONLINE);
    let open = 0;
    page.on('request', () => (open += 1));
    for (const name of ['requestfinished', 'requestfailed']) page.on(name, () => (open -= 1));
    proxy.answer = () => 503;
    proxy.cut();
    await dashboard.get('failure').waitFor();
    await putAway(page, true);
    await until('everything is answered', () => open <= 0);
    const asked = proxy.asked.length;
    await client.lose();
    // Longer than the page waits before the first few attempts.
    await page.waitForTimeout(4_000);
    assert.deepEqual(proxy.asked.slice(asked), []);

    proxy.answer = () => undefined;
    await putAway(page, false);
    await dashboard.get('failure').waitFor({ state: 'hidden', timeout: SOON_MS });
    await dashboard.untilRow(id, { status: 'disconnected', initiator: 'network' });
    await untilOpen(dashboard, OFFLINE, SOON_MS);
    await dashboard.untilLive();
  });
});

/** Scrolls so many rows down, and answers with the rows in view when they are all there. */
async function scrollDown(dashboard, rows) {
  const height = await dashboard.get('row').first().evaluate((row) => row.getBoundingClientRect().height);
  await dashboard.page.locator('#grid').evaluate((grid, top) => (grid.scrollTop = top), rows * height);
  let before;
  await until('the table is at rest further down', async () => {
    const seen = await reading(dashboard);
    const isAtRest = same(seen, before) && seen.length > 10 && seen.every(([id]) => id !== '');
    before = seen;
    return isAtRest && (await dashboard.page.locator('#grid').evaluate((grid) => grid.scrollTop)) > 0;
  });
  return before;
}

async function untilArrived(dashboard, count) {
  const button = dashboard.page.locator('.arrived');
  const said = async () => ((await button.count()) > 0 ? button.innerText() : '');
  await until(`the button says that ${count} came`, async () => (await said()).startsWith(`${count} new`), SOON_MS).catch(
    async (error) => assert.equal(await said(), `${count} new ▲`, error.message),
  );
}

const connectAll = (server, ids) => Promise.all(ids.map((id) => connectRaw(server, id)));

// More came at once than the answer reaches: no row in view was in it, and the reader was somewhere else all of a sudden. The
// page asks where the rows in view are then; what comes within the two seconds after that moves the reader all the same.
for (const [order, query, nameOf] of [
  ['of their connects', '?_sort=-lastConnectTime', (at) => device(`new-${at}`)],
  ['of their ids', '', (at) => `a-${at}`],
]) {
  for (const [how, times] of [
    ['at once', 1],
    ['in three bursts', 3],
  ]) {
    test(`150 clients that come ${how} in the order ${order} leave the reader where he is, and are counted`, async () => {
      const server = await startServer({ data: importMany(3_000) });
      await withPage(browser, server, { query }, async (dashboard) => {
        await dashboard.untilLive();
        await dashboard.untilNumber('total', 3_000);
        const before = await scrollDown(dashboard, 100);
        for (let time = 0; time < times; time++) {
          const count = 150 / times;
          await connectAll(server, Array.from({ length: count }, (_, at) => nameOf(time * count + at)));
          await dashboard.untilNumber('total', 3_000 + (time + 1) * count);
        }
        await untilArrived(dashboard, 150);
        assert.deepEqual(await reading(dashboard), before, 'nothing moved under the eyes of the reader');
        await dashboard.page.locator('.arrived').click();
        await until('they are shown', async () => (await reading(dashboard))[0][0].startsWith(nameOf('')));
      });
    });
  }
}

// An answer about where the rows in view had been was dropped, and the same was asked again at once, over and over.
test('while more comes than an answer reaches, a page that is scrolled on asks no faster than ever', async () => {
  const server = await startServer({ data: importMany(3_000) });
  await withPage(browser, server, { query: '?_sort=-lastConnectTime' }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await dashboard.untilNumber('total', 3_000);
    await scrollDown(dashboard, 100);
    const asked = [];
    page.on('request', (request) => {
      const { pathname, search } = new URL(request.url());
      if (pathname.endsWith('/clientconnectionstates')) asked.push(search);
    });
    const come = (name) => connectAll(server, Array.from({ length: 150 }, (_, at) => device(`${name}-${at}`)));
    // Where they come slowly, each answer still has the rows that were in view, and nothing needs to be found.
    let rounds = 0;
    const bringUntilFound = (presses) =>
      until('it was asked where the rows are', async () => {
        rounds += 1;
        asked.length = 0;
        await come(`round-${rounds}`);
        for (let press = 0; press < presses; press++) await page.keyboard.press('PageDown');
        const isFound = () => asked.some((search) => search.includes('_placeOf='));
        return until('they are', isFound, 2_000).catch(() => false);
      });
    await bringUntilFound(0);
    await bringUntilFound(3);
    // Ten in a second, and what it asks beside: within two seconds of the first answer they are found.
    assert.ok(asked.length < 60, `it asked ${asked.length} times`);
    await dashboard.untilNumber('total', 3_000 + 150 * rounds);
  });
});

// The number on the button only ever grew.
test('clients that came above and went again are no longer counted as new', async () => {
  const server = await startServer();
  await connectAll(server, Array.from({ length: 80 }, (_, at) => `m-${String(at).padStart(2, '0')}`));
  await withPage(browser, server, { query: '?connectionStatus=connected' }, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.untilNumber('total', 80);
    const before = await scrollDown(dashboard, 20);
    const came = await connectAll(server, ['a-1', 'a-2', 'a-3', 'a-4', 'a-5']);
    await untilArrived(dashboard, 5);
    came.slice(0, 3).forEach((socket) => socket.destroy());
    await untilArrived(dashboard, 2);
    assert.deepEqual(await reading(dashboard), before);
    came.forEach((socket) => socket.destroy());
    await dashboard.page.locator('.arrived').waitFor({ state: 'detached' });
    assert.deepEqual(await reading(dashboard), before);
  });
});

// The options were sorted by their counts anew with every answer, and the one with the focus was made anew with them.
test('an open menu keeps its options in their places, and the focus where it is, while their counts change', async () => {
  const server = await startServer();
  const id = (type, at) => `d:acme01:${type}:${at}`;
  await connectAll(server, [id('aa', 1), id('aa', 2), id('aa', 3), id('bb', 1), id('bb', 2), id('cc', 1)]);
  await withPage(browser, server, {}, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await dashboard.untilNumber('total', 6);
    await dashboard.filter('deviceType');
    const options = () =>
      dashboard
        .get('popup')
        .locator('.option')
        .evaluateAll((all) =>
          all.map((option) => {
            const name = option.querySelector('input').dataset.testid.replace('option-', '');
            return `${name}: ${option.querySelector('.option-more').innerText}`;
          }),
        );
    const untilOptions = (...expected) => until(expected.join(), async () => same(await options(), expected));
    await untilOptions('aa: 3', 'bb: 2', 'cc: 1');
    const focused = () => page.evaluate(() => document.activeElement.dataset.testid);
    await until('an option has the focus', async () => {
      await page.keyboard.press('Tab');
      return (await focused()) === 'option-bb';
    });
    await page.evaluate(() => (globalThis.focused = document.activeElement));
    await connectAll(server, [id('cc', 2), id('cc', 3), id('cc', 4), id('zz', 1), id('zz', 2), id('bb', 3)]);
    await untilOptions('aa: 3', 'bb: 3', 'cc: 4', 'zz: 2');
    assert.equal(await focused(), 'option-bb');
    assert.equal(await page.evaluate(() => globalThis.focused === document.activeElement), true);
    await page.keyboard.press('Space');
    await dashboard.untilParameter('deviceType', 'bb');
  });
});

// It was in the time of this computer, beside times that were all in the server's.
test('on a computer whose clock is wrong, what is shown of a server that is gone is as old as the server says', async () => {
  const [server, id] = [await startServer(), device('skewed')];
  await connectRaw(server, id);
  await withPage(browser, server, { allowed: SERVER_AWAY, timezoneId: 'UTC' }, async (dashboard) => {
    const { page } = dashboard;
    await page.addInitScript((aheadMs) => {
      const { Date } = globalThis;
      globalThis.Date = class extends Date {
        constructor(...given) {
          super(...(given.length > 0 ? given : [Date.now() + aheadMs]));
        }
        static now = () => Date.now() + aheadMs;
      };
    }, 2 * HOUR_MS);
    // The sign-in has to be over.
    await dashboard.untilLive();
    const from = Date.now();
    await page.goto(`${server.url}?client=${id}`);
    await dashboard.untilLive();
    await untilOpen(dashboard, ONLINE);
    assert.ok((await page.evaluate(() => Date.now())) - Date.now() > HOUR_MS, 'the clock is wrong');
    await server.stop();
    const to = Date.now();
    const failure = dashboard.get('failure');
    await failure.waitFor();
    for (const place of [failure, dashboard.get('panel').locator('.outdated')]) {
      const told = async () => (await place.innerText()).match(/Showing (\d+:\d\d:\d\d)/)?.[1];
      const time = await until('it says of when it is', told);
      const day = new Date(to).toISOString().slice(0, 10);
      const shown = Date.parse(`${day}T${time.padStart(8, '0')}Z`);
      assert.ok(shown > from - 1_000 && shown <= to, `${time} is not from ${timeAgo(Date.now() - from)} on`);
    }
  });
});

// Each time that it lived, however short, the page took all for well, and came again after half a second.
test('a feed that is cut as soon as it lives is tried ever more seldom', async () => {
  const server = await startServer();
  const proxy = await startProxy(server);
  await throughProxy(proxy, '', async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.page.evaluate(() => {
      globalThis.lives = 0;
      const indicator = document.querySelector('[data-testid="indicator-monitor"]');
      const count = () => (globalThis.lives += indicator.dataset.state === 'live' ? 1 : 0);
      new MutationObserver(count).observe(indicator, { attributeFilter: ['data-state'] });
    });
    proxy.fedAt.length = 0;
    proxy.feedLivesMs = 200;
    proxy.cut();
    const from = Date.now();
    await until('it waits for three seconds', () => Date.now() - proxy.fedAt.at(-1) > 3_000, 12_000);
    assert.ok(proxy.fedAt.length < 10, `${proxy.fedAt.length} attempts in ${Date.now() - from} ms`);
    assert.ok((await dashboard.page.evaluate(() => globalThis.lives)) >= 2, 'it lived');
    proxy.feedLivesMs = undefined;
    await dashboard.untilLive();
  });
});

// Having read all rows, the page left the server alone for ten times as long, also when it had been away meanwhile.
test('in front of a plain server, a page that is seen again is right soon, however long reading takes', async () => {
  const server = await startServer({ data: importMany(1_000) });
  plain = await startPlainWatson(server);
  const proxy = await startProxy(plain);
  // Nothing is retained of an application: only reading tells that it is gone. It comes first in the order of the ids.
  const leaves = 'a:acme01:0-leaves';
  const client = await connect(server, leaves);
  // A page cannot know which server it has before it has asked.
  await withPage(browser, proxy, { allowed: /status of 40[14]|WebSocket connection to/ }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.signIn(server.key);
    await dashboard.untilLive();
    await dashboard.untilRow(leaves, { status: 'connected' });
    const grid = page.locator('#grid');
    await until('all rows were read', async () => {
      await grid.evaluate((grid) => (grid.scrollTop = grid.scrollHeight));
      return (await dashboard.get('total').innerText()).endsWith(' clients');
    });
    await grid.evaluate((grid) => (grid.scrollTop = 0));
    await dashboard.untilRow(leaves, { status: 'connected' });
    // They are read again, slowly.
    proxy.delayMs = 150;
    const before = proxy.asked.length;
    const pages = () => proxy.asked.slice(before).filter((path) => /clientconnectionstates\?/.test(path));
    const answered = [];
    page.on('requestfinished', (request) => answered.push(request.url()));
    const from = Date.now();
    for (let time = 0; time < 2; time++) await page.keyboard.press('p');
    await until('all rows were read again', () => pages().length >= 10 && answered.length >= pages().length);
    const readingMs = Date.now() - from;

    await putAway(page, true);
    await client.goodbye();
    await untilStatus(server, leaves, 'disconnected');
    await putAway(page, false);
    const isRight = async () => (await dashboard.row(leaves).getAttribute('data-status')) === 'disconnected';
    // It took ten times as long as reading, which takes long on a busy machine.
    await until('the row is right', isRight, Math.max(SOON_MS, 4 * readingMs));
  });
});
