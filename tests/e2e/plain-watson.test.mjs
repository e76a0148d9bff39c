// The dashboard in front of a server that knows Watson's API and nothing more (`plain-watson.mjs`): no totals, no jumps,
// no counts, few filters, MQTT 3.1.1, no sessions. Everything that can be done with that works, and what cannot says so.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, withPage } from './browser.mjs';
import { cleanUp, connect, importPast, startServer, until, untilStatus } from './harness.mjs';
import { startPlainWatson } from './plain-watson.mjs';

/** Two pages and a bit of the largest size. */
const IMPORTED = 230;
const PUMP = 'd:acme01:pump:p-1';
const TALKATIVE = 'd:acme01:valve:talkative';
/** What a page cannot know before it has asked: who it is for, which server it has, and whether a token is the right one. */
const PROBES = [
  '401 /api/rollcall/v1/status',
  '401 /api/v0002/config/clientstate',
  '404 /api/rollcall/v1/status',
];
/** What a browser says of the probes, and of a connection that is refused. */
const ALLOWED = /status of 40[14]|WebSocket connection to/;

/** The page leaves the server alone for ten times as long as reading everything took. */
const REST_MS = 60_000;

const start = Date.now() - 3_600_000;
const idOf = (n) => `d:acme01:thermo:t-${String(n).padStart(3, '0')}`;

let server;
let plain;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer({ data: importPast(past()) }), launchBrowser()]);
  await connect(server, PUMP);
  plain = await startPlainWatson(server);
});

after(async () => {
  await browser?.close();
  await plain?.stop();
  await server?.stop();
  await cleanUp();
});

/** A session of each of many devices, and many of one. */
function past() {
  const lines = [];
  const session = (ClientID, from, until, CloseCode) => {
    const ConnectTime = new Date(from).toISOString();
    const common = {
      ClientAddr: '10.0.0.7',
      ClientID,
      Port: 1883,
      Secure: false,
      Protocol: 'mqtt4',
      ConnectTime,
    };
    const end = { CloseCode, Reason: 'The connection was closed by the client or network.' };
    lines.push({ Action: 'Connect', Time: ConnectTime, ...common });
    lines.push({ Action: 'Disconnect', Time: new Date(until).toISOString(), ...common, ...end });
  };
  for (let n = 0; n < IMPORTED; n++) session(idOf(n), start + n * 1_000, start + 2_000_000 - n * 1_000, 91);
  for (let n = 0; n < 30; n++) session(TALKATIVE, start + n * 60_000, start + n * 60_000 + 30_000, 91);
  return lines;
}

/** Signed in with key and token, as one has to. */
const journey = (query, body) =>
  withPage(browser, plain, { query, allowed: ALLOWED }, async (dashboard) => {
    await dashboard.signIn(server.key);
    await dashboard.untilLive();
    await body(dashboard);
  });

/** The ids that the real server knows: those of the fleet, and of each page that ever watched it. */
async function allIds() {
  const { body } = await server.api('/clientconnectionstates?_limit=1000');
  return body.results.map((state) => state.id);
}

const untilTotal = (dashboard, text) =>
  until(`the footer says ${text}`, async () => (await dashboard.get('total').innerText()) === text);

test('key and token open it, wrong ones do not, and the page keeps them in its memory only', () =>
  withPage(browser, plain, { allowed: ALLOWED }, async (dashboard) => {
    await dashboard.signIn({ ...server.key, token: 'not-the-token' });
    await dashboard.get('sign-in-error').waitFor();
    await dashboard.signIn(server.key);
    await dashboard.untilLive();
    await dashboard.row(PUMP).waitFor();
    const kept = await dashboard.page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
    );
    assert.ok(!kept.includes(server.key.token));
    assert.ok(!(await dashboard.page.content()).includes(server.key.token));
    await dashboard.get('account').click();
    await dashboard.get('sign-out').click();
    await dashboard.get('sign-in-key').waitFor();
  }));

test('the table scrolls on by bookmark to the last client, and counts what was read so far', () =>
  journey('', async (dashboard) => {
    const ids = await allIds();
    await untilTotal(dashboard, '100 so far');
    await until('what was read is counted', async () => {
      const counts = ['status-connected', 'status-disconnected'].map((name) =>
        dashboard.get(name).innerText(),
      );
      const [connected, disconnected] = (await Promise.all(counts)).map(
        (text) => /^(\d+) so far/.exec(text)?.[1],
      );
      return Number(connected) + Number(disconnected) === 100;
    });
    await screenshot(dashboard.page, 'plain-so-far-light');
    const seen = new Set();
    await dashboard.get('row').first().click();
    await dashboard.page.keyboard.press('Escape');
    await until('every client was seen', async () => {
      // Who leafs on before the next page is there passes over it.
      if ((await dashboard.page.locator('.row.skeleton:visible').count()) > 0) return false;
      for (const id of await dashboard.ids()) seen.add(id);
      await dashboard.page.keyboard.press('PageDown');
      // This page is a client, too, and came after the first rows.
      return ids.every((id) => id.startsWith('a:') || seen.has(id));
    });
    await untilTotal(dashboard, `${ids.length} clients`);
    assert.doesNotMatch(await dashboard.get('status-disconnected').innerText(), /so far/);
    // What was read is read again from time to time, and the reader stays where he is.
    const asked = plain.asked.length;
    const before = await dashboard.ids();
    await dashboard.page.keyboard.press('p');
    await dashboard.page.keyboard.press('p');
    await until('everything was read again', () => plain.asked.length >= asked + 3, REST_MS);
    await untilTotal(dashboard, `${ids.length} clients`);
    assert.deepEqual(await dashboard.ids(), before);
  }));

test('filters work: those that the server knows, and those that only the page knows', () =>
  journey('', async (dashboard) => {
    await dashboard.filterStatus('connected');
    // This page is a client, too.
    await dashboard.search('acme01:p');
    await dashboard.untilIds([PUMP]);
    await untilTotal(dashboard, '1 client');
    await dashboard.filterStatus('connected');
    // Found on the last page, whatever was read before.
    await dashboard.search('TALK');
    await dashboard.untilIds([TALKATIVE]);
    await untilTotal(dashboard, '1 client');
    await dashboard.search('acme01:p');
    await dashboard.untilIds([PUMP]);
    await dashboard.filter('deviceType');
    await dashboard.get('filter-type').fill('pump');
    await dashboard.page.keyboard.press('Enter');
    await dashboard.get('filter-is-not').click();
    await dashboard.closePopup();
    await dashboard.untilIds([]);
    await dashboard.page.getByText('No client matches').waitFor();
    await dashboard.search('t-22');
    await dashboard.untilIds(Array.from({ length: 10 }, (_, n) => idOf(220 + n)));
  }));

test('a filter that nobody passes says how far it has looked, and looking can be stopped and goes on where it was', () =>
  journey('', async (dashboard) => {
    const { page } = dashboard;
    // One page at a time, as slowly as the test wants.
    const held = [];
    await page.route(/clientconnectionstates\?/, (route) => held.push(route));
    const next = async () => {
      await until('a page is asked for', () => held.length > 0);
      await held.shift().continue();
    };
    await dashboard.search('nobody-has-this-id');
    await next();
    const looked = dashboard.get('looked');
    await until('the first page is looked through', async () => (await looked.innerText()) === 'looked through 100');
    await dashboard.get('stop-looking').click();
    await next();
    await until('so is the one on its way', async () => (await looked.innerText()) === 'looked through 200');
    assert.equal(await dashboard.get('total').innerText(), '0 so far');
    await screenshot(page, 'plain-stopped-light');
    // Nothing is asked for by itself: what comes next is asked for by the click.
    assert.equal(held.length, 0);
    const asked = page.waitForRequest(/clientconnectionstates\?.*_bookmark=/);
    await dashboard.get('stop-looking').click();
    await asked;
    await next();
    await page.unroute(/clientconnectionstates\?/);
    await dashboard.get('no-match').waitFor();
    assert.equal(await looked.isVisible(), false);
  }));

test('a tab is one client however often it is loaded, and a second tab is another', () =>
  journey('', async (dashboard) => {
    const { page } = dashboard;
    const watchers = async () =>
      (await allIds()).filter((id) => id.startsWith('a:acme01:rollcall-')).length;
    const before = await watchers();
    for (let time = 0; time < 2; time++) {
      await page.reload();
      await dashboard.signIn(server.key);
      await dashboard.untilLive();
    }
    assert.equal(await watchers(), before);
    // While the page lives, a copy of the tab finds nothing of it.
    const kept = await page.evaluate(() => JSON.stringify(sessionStorage) + JSON.stringify(localStorage));
    assert.doesNotMatch(kept, /rollcall-client/);
    assert.ok(!kept.includes(server.key.token));
    const other = await page.context().newPage();
    await other.goto(plain.url);
    await new dashboard.constructor(other).signIn(server.key);
    await until('the other tab is a client of its own', async () => (await watchers()) === before + 1);
  }));

test('only what the server tells is offered to filter and sort by, and a link that wants more is told so', () =>
  journey('?disconnectInitiator=network&_sort=-closeCode', async (dashboard) => {
    const leftOut = dashboard.get('chip').filter({ hasText: 'left out' });
    await leftOut.filter({ hasText: 'Ended by: network' }).waitFor();
    // The order is that of the ids, and says so.
    await dashboard.page.locator('[data-testid="col-id"][aria-sort="ascending"]').waitFor();
    await untilTotal(dashboard, '100 so far');
    await dashboard.page.locator('[data-opens="filters"]').click();
    await dashboard.get('add-lastConnectTime').waitFor();
    assert.equal(await dashboard.get('add-disconnectInitiator').count(), 0);
    await screenshot(dashboard.page, 'plain-filters-light');
    await dashboard.closePopup();
    await dashboard.page.locator('[data-opens="sort"]').click();
    await dashboard.get('sort-lastActivityTime').waitFor();
    assert.equal(await dashboard.get('sort-closeCode').count(), 0);
    await dashboard.closePopup();
    await dashboard.page.locator('[data-opens="views"]').click();
    await dashboard.get('view-silent').waitFor();
    assert.equal(await dashboard.get('view-network').count(), 0);
    await dashboard.get('view-silent').click();
    await dashboard.untilParameter('connectionStatus', 'connected');
    await dashboard.untilParameter('activeBefore', 'now-1h');
    await leftOut.waitFor({ state: 'hidden' });
    // Nobody who is connected has been silent for so long.
    await dashboard.get('no-match').waitFor();
    await dashboard.untilIds([]);
  }));

test('the order is that of the server, from page to page', () =>
  journey('', async (dashboard) => {
    await dashboard.search('thermo');
    await dashboard.sort('lastDisconnectTime');
    await dashboard.untilParameter('_sort', '-lastDisconnectTime');
    await until('the last to leave comes first', async () => (await dashboard.ids())[0] === idOf(0));
    await dashboard.get('row').first().click();
    await dashboard.page.keyboard.press('Escape');
    await until('the first to leave comes last', async () => {
      await dashboard.page.keyboard.press('End');
      return (await dashboard.ids()).at(-1) === idOf(IMPORTED - 1);
    });
    await untilTotal(dashboard, `${IMPORTED} clients`);
  }));

test('clients come and go on the page by MQTT 3.1.1, and how they went stays known', () =>
  journey('', async (dashboard) => {
    plain.mqttLevels.length = 0;
    await dashboard.page.reload();
    await dashboard.signIn(server.key);
    await dashboard.untilLive();
    // Version 5 was refused, whichever page asked last.
    assert.deepEqual(plain.mqttLevels.slice(-2), [5, 4]);
    const client = await connect(server, idOf(3));
    await dashboard.untilRow(idOf(3), { status: 'connected' });
    await client.lose();
    const row = await dashboard.untilRow(idOf(3), { status: 'disconnected' });
    const why = () => row.locator('.c-mqttReasonCode').innerText();
    await until('the row says why', async () => /connection lost/.test(await why()));
    const asked = plain.asked.length;
    await dashboard.page.keyboard.press('p');
    await dashboard.page.keyboard.press('p');
    await until('the list was read again', () => plain.asked.length > asked, REST_MS);
    assert.match(await why(), /connection lost/);
  }));

// The counts followed only when everything was read again.
test('a client that comes or goes is counted at once among those that were read', () =>
  // Without the pages of other tests, which are clients, too, and may be going.
  journey('?deviceType=thermo', async (dashboard) => {
    await untilTotal(dashboard, '100 so far');
    await dashboard.page.route(/clientconnectionstates\?/, () => {});
    const connected = await dashboard.number('status-connected');
    const untilConnected = async (count) => {
      await dashboard.untilNumber('status-connected', count);
      await dashboard.untilNumber('status-disconnected', 100 - count);
    };
    await untilConnected(connected);
    const client = await connect(server, idOf(5));
    await untilConnected(connected + 1);
    await client.lose();
    await untilConnected(connected);
  }));

// Rows that nobody knows yet cannot be in a range: it was not drawn at all.
test('a range that is drawn to the end ends with the last row that was read', () =>
  journey('', async (dashboard) => {
    const { page } = dashboard;
    await untilTotal(dashboard, '100 so far');
    await page.route(/clientconnectionstates\?/, () => {});
    await page.locator('#grid').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Shift+End');
    await dashboard.untilNumber('selected', 100);
  }));

test('the page of a client has its log, page by page, its sessions and its time line', () =>
  journey(`?client=${TALKATIVE}&tab=log`, async (dashboard) => {
    await until('the newest entries are there', async () => (await dashboard.entries().count()) >= 20);
    assert.match(await dashboard.get('story').innerText(), /^Offline since/);
    await screenshot(dashboard.page, 'plain-client-light');
    // Scrolling reads on, and so does the button. A full page may have another after it: only an empty one says that it has not.
    const older = dashboard.get('log-older');
    await until('nothing older is there', async () => {
      if (await older.isVisible()) await older.click({ timeout: 1_000 }).catch(() => {});
      return !(await older.isVisible());
    });
    assert.equal(await dashboard.entries().count(), 60);
    assert.equal(await dashboard.entries('connect').count(), 30);
    await until('the time line tells all sessions', async () =>
      /30 sessions/.test(await dashboard.get('timeline-told').innerText()),
    );
    await dashboard.get('tab-sessions').click();
    await until('all sessions are listed', async () => (await dashboard.get('session').count()) === 30);
  }));

test('what is filtered is saved as a file, page by page', () =>
  journey('?search=thermo', async (dashboard) => {
    await dashboard.get('row').first().waitFor();
    await dashboard.page.keyboard.press('e');
    await dashboard.get('export-ndjson').click();
    const [download] = await Promise.all([
      dashboard.page.waitForEvent('download'),
      dashboard.get('export-start').click(),
    ]);
    const lines = readFileSync(await download.path(), 'utf8')
      .trim()
      .split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).id),
      Array.from({ length: IMPORTED }, (_, n) => idOf(n)),
    );
  }));

test('the overview says what this server does not tell, and lists who is silent', () =>
  journey('?overview=1h', async (dashboard) => {
    await dashboard.get('overview-missing').waitFor();
    await dashboard.get('list-silent').locator('li a').first().waitFor();
    assert.equal(await dashboard.get('chart-flow').isVisible(), false);
    await screenshot(dashboard.page, 'plain-overview-light');
  }));

test('nothing was asked that such a server does not know, but which server it is', () =>
  assert.deepEqual([...new Set(plain.refused)].sort(), PROBES));
