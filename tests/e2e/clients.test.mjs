// The Clients page: columns, filters, sort, selection, export, views and keys, as an administrator uses them. One server
// with a small fleet for all tests; every test has its own page, and with it its own storage.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { launchBrowser, PHONE, same, screenshot, withPage } from './browser.mjs';
import {
  attempt,
  cleanUp,
  connect,
  connectRaw,
  importPast,
  startServer,
  until,
  untilStatus,
} from './harness.mjs';

let server;
let browser;

const device = (name, type) => `d:acme01:${type}:${name}`;
const ALIVE = [device('p-1', 'pump'), device('p-2', 'pump'), 'g:acme01:gw:north', 'weather station 7'];
const LEFT = device('t-left', 'thermo');
const LOST = device('t-lost', 'thermo');
const SILENT = device('m-silent', 'meter');
const ALL = [...ALIVE, LEFT, LOST, SILENT];

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  for (const id of ALIVE) await connect(server, id, { version: id.startsWith('g') ? 'mqttv5' : '311' });
  const left = await connect(server, LEFT);
  const lost = await connect(server, LOST);
  await connectRaw(server, SILENT, { keepAlive: 1 });
  await left.goodbye();
  await lost.lose();
  for (const id of [LEFT, LOST, SILENT]) await untilStatus(server, id, 'disconnected');
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** A journey on a page of its own that shows the whole fleet. */
const journey = (body, options = {}) =>
  withPage(browser, server, options, async (dashboard) => {
    await dashboard.untilLive();
    if (!options.query) await dashboard.untilIds(ALL);
    await body(dashboard, dashboard.page.keyboard);
  });

/** The names of the columns on screen, from left to right. */
const columns = (dashboard) =>
  dashboard.page
    .locator('.head[data-field]')
    .evaluateAll((heads) =>
      heads
        .sort((a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left)
        .map((head) => head.dataset.field),
    );

const cell = (dashboard, id, field) => dashboard.row(id).locator(`.c-${field}`);

test('columns are chosen, put in order by keyboard, remembered, and given back', () =>
  journey(async (dashboard, keyboard) => {
    const first = await columns(dashboard);
    assert.equal(first.length, 9);
    await keyboard.press('c');
    await dashboard.get('column-clientAddr').check();
    await dashboard.get('column-closeCode').check();
    await dashboard.get('column-deviceType').uncheck();
    const chosen = [...first.filter((name) => name !== 'deviceType'), 'clientAddr', 'closeCode'];
    await until('the columns are those chosen', async () => same(await columns(dashboard), chosen));

    await dashboard.get('column-closeCode').focus();
    await keyboard.press('Alt+ArrowUp');
    await dashboard.get('column-clientAddr-down').waitFor();
    const moved = [...chosen.slice(0, -2), 'closeCode', 'clientAddr'];
    await until('the last two are swapped', async () => same(await columns(dashboard), moved));
    await screenshot(dashboard.page, 'columns-light');
    await dashboard.closePopup();
    assert.equal(await cell(dashboard, LOST, 'closeCode').innerText(), '91');
    assert.match(await cell(dashboard, LOST, 'clientAddr').innerText(), /^127\.0\.0\.1/);

    await dashboard.page.reload();
    await until('the columns are remembered', async () => same(await columns(dashboard), moved));
    await dashboard.page.locator('[data-opens="columns"]').click();
    await dashboard.get('columns-reset').click();
    await until('the columns are as before', async () => same(await columns(dashboard), first));
  }));

test('a column is dragged to another place in the list', () =>
  journey(async (dashboard) => {
    await dashboard.page.locator('[data-opens="columns"]').click();
    const item = (name) => dashboard.page.locator(`.column:has([data-testid="column-${name}"])`);
    await item('mqttReasonCode').dragTo(item('id'));
    await until('the reason stands before the id', async () => {
      const names = await columns(dashboard);
      return names.indexOf('mqttReasonCode') < names.indexOf('id');
    });
  }));

test('every field of the state can be a column, and the table then scrolls sideways while the page does not', () =>
  journey(async (dashboard, keyboard) => {
    await keyboard.press('c');
    const boxes = dashboard.page.locator('.column input');
    await boxes.first().waitFor();
    assert.equal(await boxes.count(), 21);
    for (const box of await boxes.all()) await box.check();
    await dashboard.closePopup();
    await until('all columns', async () => (await columns(dashboard)).length === 21);
    const wide = await dashboard.widerThanScreen();
    assert.equal(wide.length, 1, wide.join('; '));
    assert.match(wide[0], /grid/);
    assert.equal(await cell(dashboard, LOST, 'secure').innerText(), 'no');
    assert.equal(await cell(dashboard, LOST, 'recentConnects').innerText(), '1');
    assert.equal(await cell(dashboard, LOST, 'deviceId').innerText(), 't-lost');
    await screenshot(dashboard.page, 'all-columns-light');
  }));

test('a column is made wider with the pointer and with the keyboard, and stays so', () =>
  journey(async (dashboard, keyboard) => {
    const head = dashboard.get('col-lastDisconnectTime');
    const width = async () => (await head.boundingBox()).width;
    const before = await width();
    const grip = await head.locator('.grip').boundingBox();
    const [x, y] = [grip.x + grip.width / 2, grip.y + grip.height / 2];
    await dashboard.page.mouse.move(x, y);
    await dashboard.page.mouse.down();
    await dashboard.page.mouse.move(x + 60, y, { steps: 4 });
    await dashboard.page.mouse.up();
    await until('it is 60 px wider', async () => Math.abs((await width()) - before - 60) < 3);
    await head.locator('button').focus();
    await keyboard.press('Shift+ArrowLeft');
    await until('it is 16 px narrower again', async () => Math.abs((await width()) - before - 44) < 3);
    await dashboard.page.reload();
    await until('the width is remembered', async () => Math.abs((await width()) - before - 44) < 3);
    await head.locator('.grip').dblclick();
    await until('the width is its own again', async () => Math.abs((await width()) - before) < 3);
  }));

test('a filter shows its options with counts, can be negated, edited, removed and cleared', () =>
  journey(async (dashboard, keyboard) => {
    await keyboard.press('f');
    await screenshot(dashboard.page, 'filters-light');
    await dashboard.get('add-deviceType').click();
    const option = (value) => dashboard.page.locator(`.option:has([data-testid="option-${value}"])`);
    await until('there are two pumps', async () => /2$/.test(await option('pump').innerText()));
    await dashboard.get('option-pump').check();
    await dashboard.untilIds(ALIVE.slice(0, 2));
    await until('the other types are still counted', async () => /2$/.test(await option('thermo').innerText()));
    await dashboard.get('option-thermo').check();
    await dashboard.untilIds([...ALIVE.slice(0, 2), LEFT, LOST]);
    await screenshot(dashboard.page, 'filter-type-light');

    await dashboard.get('filter-is-not').click();
    await dashboard.untilIds([ALIVE[2], ALIVE[3], SILENT]);
    assert.deepEqual(dashboard.parameters().getAll('deviceType!'), ['pump', 'thermo']);
    await dashboard.get('filter-done').click();

    await dashboard.filter('connectionStatus');
    await dashboard.get('option-connected').check();
    await dashboard.closePopup();
    await dashboard.untilIds([ALIVE[2], ALIVE[3]]);
    await dashboard.get('chip-connectionStatus').click();
    await dashboard.get('option-connected').uncheck();
    await dashboard.get('option-disconnected').check();
    await dashboard.closePopup();
    await dashboard.untilIds([SILENT]);
    await dashboard.get('chip').filter({ hasText: 'not' }).locator('.chip-remove').click();
    await dashboard.untilIds([LEFT, LOST, SILENT]);
    await dashboard.filter('disconnectInitiator');
    await dashboard.get('option-network').check();
    await dashboard.closePopup();
    await dashboard.untilIds([LOST]);
    await dashboard.get('clear-all').click();
    await dashboard.untilIds(ALL);
    assert.equal(dashboard.page.url().includes('?'), false);
  }));

test('a type is found by typing, and a code by its name or by its number', () =>
  journey(async (dashboard, keyboard) => {
    await dashboard.filter('deviceType');
    await dashboard.get('option-pump').waitFor();
    await dashboard.get('filter-type').fill('ther');
    await dashboard.get('option-pump').waitFor({ state: 'detached' });
    await dashboard.get('option-thermo').check();
    await dashboard.closePopup();
    await dashboard.untilIds([LEFT, LOST]);
    await dashboard.get('clear-all').or(dashboard.get('chip').locator('.chip-remove')).first().click();

    await dashboard.filter('mqttReasonCode');
    await dashboard.get('filter-type').fill('keep-alive');
    await dashboard.get('option-141').waitFor();
    await dashboard.get('filter-type').fill('0x8D');
    await keyboard.press('Enter');
    await dashboard.untilIds([SILENT]);
    assert.equal(dashboard.parameters().get('mqttReasonCode'), '141');
    await dashboard.get('filter-type').fill('banana');
    await keyboard.press('Enter');
    await dashboard.page.getByRole('alert').filter({ hasText: 'not understand' }).waitFor();
  }));

test('times are filtered by presets, by "not since" and from one time to another, in either zone', () =>
  journey(
    async (dashboard) => {
      await dashboard.filter('lastDisconnectTime');
      await dashboard.page.locator('[data-preset="now-1h"]').click();
      await dashboard.untilIds([LEFT, LOST, SILENT]);
      const again = () => dashboard.get('chip-lastDisconnectTime').click();
      await again();
      await dashboard.page.locator('[data-preset="before now-2d"]').click();
      await dashboard.untilIds([]);
      await dashboard.untilParameter('disconnectedBefore', 'now-2d');
      await again();
      await dashboard.page.locator('input[name="from"]').fill('2026-01-02T03:04');
      await dashboard.page.locator('input[name="to"]').fill('2099-12-31T12:00');
      // While it is typed: Berlin is an hour ahead of UTC in winter.
      const both = dashboard.page.locator('.both');
      await both.getByText('03:04').waitFor();
      await both.getByText('02:04').waitFor();
      await screenshot(dashboard.page, 'filter-time-light');
      await dashboard.page.locator('.popup button[type="submit"]').click();
      await dashboard.get('popup').waitFor({ state: 'hidden' });
      await dashboard.untilIds([LEFT, LOST, SILENT]);
      await dashboard.untilParameter('disconnectedAfter', '2026-01-02T02:04:00.000Z');

      const local = await cell(dashboard, LOST, 'lastDisconnectTime').locator('.at').innerText();
      await dashboard.get('zone').click();
      const inUtc = () => cell(dashboard, LOST, 'lastDisconnectTime').locator('.at').innerText();
      await until('the times are told in UTC', async () => (await inUtc()) !== local);
      await dashboard.get('chip-lastDisconnectTime').first().click();
      assert.equal(await dashboard.page.locator('input[name="from"]').inputValue(), '2026-01-02T02:04');
      await dashboard.closePopup();
      await dashboard.page.reload();
      await until('the zone is remembered', async () => /UTC/.test(await dashboard.get('zone').innerText()));
    },
    { timezoneId: 'Europe/Berlin' },
  ));

// It was taken, and nothing told why no client was left.
test('a range that ends before it begins is not taken, and says why', () =>
  journey(async (dashboard, keyboard) => {
    await dashboard.filter('lastDisconnectTime');
    const [from, to] = ['from', 'to'].map((name) => dashboard.get('popup').locator(`input[name="${name}"]`));
    const problem = dashboard.get('range-reversed');
    await from.fill('2026-01-02T10:00');
    for (const end of ['2026-01-02T10:00', '2026-01-01T10:00']) {
      await to.fill(end);
      assert.equal(await problem.isVisible(), false);
      await keyboard.press('Enter');
      await problem.waitFor();
      assert.equal(await to.getAttribute('aria-invalid'), 'true');
    }
    assert.equal(dashboard.parameters().get('disconnectedAfter'), null);
    await screenshot(dashboard.page, 'range-reversed-light');
    await to.fill('2099-01-01T10:00');
    await problem.waitFor({ state: 'hidden' });
    await keyboard.press('Enter');
    await dashboard.untilIds([LEFT, LOST, SILENT]);
    await dashboard.get('chip-lastDisconnectTime').click();
    // Empty is no limit.
    await from.fill('');
    await to.fill('');
    await keyboard.press('Enter');
    await dashboard.untilIds(ALL);
    assert.equal(dashboard.parameters().get('disconnectedBefore'), null);
  }, { timezoneId: 'America/New_York' }));

test('the remaining filters of the contract work from the menu', () =>
  journey(async (dashboard) => {
    await dashboard.filter('recentConnects');
    await dashboard.get('least').fill('1');
    await dashboard.get('least').press('Tab');
    await dashboard.untilParameter('minRecentConnects', '1');
    await dashboard.closePopup();
    await dashboard.filter('staleSince');
    await dashboard.get('stale-false').check();
    await dashboard.untilParameter('stale', 'false');
    await dashboard.closePopup();
    await dashboard.filter('closeCode');
    await dashboard.get('option-91').check();
    await dashboard.closePopup();
    await dashboard.untilIds([LOST]);
    await dashboard.filter('lastRefusedTime');
    await dashboard.page.locator('[data-preset="now-24h"]').click();
    await dashboard.untilParameter('refusedAfter', 'now-24h');
    await dashboard.get('no-match').waitFor();
    await dashboard.untilIds([]);
    // Without this filter alone the client is there again.
    await dashboard.get('chip').filter({ has: dashboard.get('chip-lastRefusedTime') }).locator('.chip-remove').click();
    await dashboard.untilIds([LOST]);
    await dashboard.untilParameter('closeCode', '91');
  }));

test('the menu sorts by a field that is no column, and a click with Shift sorts further', () =>
  journey(async (dashboard, keyboard) => {
    await keyboard.press('s');
    await screenshot(dashboard.page, 'sort-light');
    await dashboard.get('sort-closeCode').check();
    await dashboard.get('sort-descending').click();
    await dashboard.untilParameter('_sort', '-closeCode');
    await dashboard.closePopup();
    await until('the largest code is first', async () => (await dashboard.ids())[0] === SILENT);
    await dashboard.sort('deviceType');
    await dashboard.get('col-id').locator('button').click({ modifiers: ['Shift'] });
    await dashboard.untilParameter('_sort', 'deviceType,id');
  }));

const selectedIds = (dashboard) =>
  dashboard.page
    .locator('.row[aria-selected="true"][data-testid="row"]')
    .evaluateAll((rows) => rows.map((row) => row.dataset.clientId).sort());

test('rows are selected one by one, as a range and all; their ids are copied; nothing else loses them', () =>
  journey(
    async (dashboard, keyboard) => {
      const ids = await dashboard.ids();
      const check = (id) => dashboard.row(id).locator('.c-check');
      await check(ids[1]).click();
      await check(ids[3]).click({ modifiers: ['Shift'] });
      await dashboard.untilNumber('selected', 3);
      assert.deepEqual(await selectedIds(dashboard), ids.slice(1, 4).sort());
      await check(ids[2]).click();
      await dashboard.untilNumber('selected', 2);

      // By id: another order and rows that left the view change nothing.
      await dashboard.sort('id');
      await until('the order is turned', async () => (await dashboard.ids())[0] === [...ids].sort().at(-1));
      assert.deepEqual(await selectedIds(dashboard), [ids[1], ids[3]].sort());
      await screenshot(dashboard.page, 'selected-light');
      const every = dashboard.get('select-loaded');
      assert.deepEqual(await every.evaluate((box) => [box.checked, box.indeterminate]), [false, true]);
      await dashboard.get('copy-ids').click();
      await until('the page says so', async () => /Copied/.test(await dashboard.get('copy-ids').innerText()));
      const clipboard = () => dashboard.page.evaluate(() => navigator.clipboard.readText());
      assert.equal(await clipboard(), [ids[1], ids[3]].sort().join('\n'));
      await dashboard.get('select-none').click();

      await dashboard.page.locator('#grid').focus();
      await keyboard.press('Home');
      for (let step = 0; step < 2; step++) await keyboard.press('Shift+ArrowDown');
      await dashboard.untilNumber('selected', 3);
      await keyboard.press('Shift+ArrowUp');
      await dashboard.untilNumber('selected', 2);
      await keyboard.press('Control+a');
      await dashboard.untilNumber('selected', ALL.length);
      assert.deepEqual(await every.evaluate((box) => [box.checked, box.indeterminate]), [true, false]);
      await keyboard.press('Control+c');
      await until('all ids are copied', async () => (await clipboard()).split('\n').length === ALL.length);
      await keyboard.press('Escape');
      await dashboard.get('selected').waitFor({ state: 'hidden' });
      await keyboard.press('Space');
      await dashboard.untilNumber('selected', 1);
    },
    { permissions: ['clipboard-read', 'clipboard-write'] },
  ));

for (const format of ['csv', 'ndjson']) {
  test(`what is filtered is saved as ${format}, with every field of the state`, () =>
    journey(async (dashboard, keyboard) => {
      await dashboard.filterStatus('disconnected');
      await dashboard.untilIds([LEFT, LOST, SILENT]);
      await keyboard.press('e');
      await dashboard.get(`export-${format}`).click();
      await screenshot(dashboard.page, 'export-light');
      const [download] = await Promise.all([
        dashboard.page.waitForEvent('download'),
        dashboard.get('export-start').click(),
      ]);
      await dashboard.get('export-done').waitFor();
      assert.match(download.suggestedFilename(), new RegExp(`^clients-\\d{4}-\\d\\d-\\d\\d\\.${format}$`));
      const text = readFileSync(await download.path(), 'utf8');
      if (format === 'ndjson') {
        const states = text.trim().split('\n').map((line) => JSON.parse(line));
        assert.deepEqual(states.map((state) => state.id), [LEFT, LOST, SILENT].sort());
        assert.deepEqual(states.find((state) => state.id === LOST), await server.state(LOST));
        return;
      }
      const [head, ...rows] = text.trim().split('\r\n').map((line) => line.split(','));
      assert.equal(head.length, 21);
      assert.equal(rows.length, 3);
      const lost = rows.find((row) => row[head.indexOf('id')] === LOST);
      const state = await server.state(LOST);
      for (const name of ['connectionStatus', 'lastDisconnectTime', 'closeCode', 'disconnectInitiator'])
        assert.equal(lost[head.indexOf(name)], String(state[name]), name);
    }));
}

test('an export that fails says so, starts again when asked, and can be given up', () =>
  journey(
    async (dashboard, keyboard) => {
      const stream = /export\/states/;
      await dashboard.page.route(stream, (route) => route.abort());
      await keyboard.press('e');
      await dashboard.get('export-start').click();
      await dashboard.page.getByRole('alert').filter({ hasText: 'Cannot reach' }).first().waitFor();
      await dashboard.page.unroute(stream);
      await Promise.all([
        dashboard.page.waitForEvent('download'),
        dashboard.get('export-go-on').click(),
      ]);
      await dashboard.get('export-close').click();

      let held;
      await dashboard.page.route(stream, (route) => {
        held = route;
      });
      await keyboard.press('e');
      await dashboard.get('export-start').click();
      await until('the file is being asked for', () => held);
      await dashboard.get('export-cancel').click();
      await dashboard.get('export-start').waitFor();
      await held.continue().catch(() => {});
    },
    { allowed: /ERR_FAILED/ },
  ));

test('a ready-made view filters and sorts, and can be opened as a link', async () => {
  const [absent, stale] = [device('absent', 'thermo'), device('stale', 'thermo')];
  const own = await startServer({ data: importPast([leftDaysAgo(absent), staleState(stale)]) });
  const [alive, silent, lost, flapping] = ['alive', 'silent', 'lost', 'flapping'].map((name) => device(name, 'pump'));
  const refused = 'a:acme01:refused';
  await connect(own, alive);
  await connectRaw(own, silent, { keepAlive: 1 });
  for (const [id, times] of [[lost, 1], [flapping, 6]])
    for (let time = 0; time < times; time++) (await connectRaw(own, id)).destroy();
  await attempt(own, refused, { user: 'nobody', password: 'guessed' });
  for (const id of [silent, lost, flapping]) await untilStatus(own, id, 'disconnected');

  await withPage(browser, own, {}, async (dashboard) => {
    const { keyboard } = dashboard.page;
    await dashboard.untilLive();
    await dashboard.untilIds([absent, stale, alive, silent, lost, flapping, refused]);
    for (const [name, address, ids] of [
      ['network', 'connectionStatus=disconnected&disconnectInitiator=network&_sort=-lastDisconnectTime', [flapping, lost]],
      ['server', 'connectionStatus=disconnected&disconnectInitiator=server&_sort=-lastDisconnectTime', [silent]],
      ['connected', 'connectionStatus=connected&_sort=-lastConnectTime', [alive]],
      ['absent', 'connectionStatus=disconnected&disconnectedBefore=now-1d&_sort=-lastDisconnectTime', [absent]],
      ['refused', 'refusedAfter=now-24h&_sort=-lastRefusedTime', [refused]],
      ['flapping', 'minRecentConnects=6&_sort=-recentConnects', [flapping]],
      // Nobody can be connected and silent for an hour in less than an hour.
      [
        'silent',
        'connectionStatus=connected&connectedBefore=now-1h&publishedBefore=now-1h&_sort=lastPublishTime',
        [],
      ],
      ['stale', 'stale=true&_sort=staleSince', [stale]],
    ]) {
      await keyboard.press('v');
      if (name === 'network') await screenshot(dashboard.page, 'views-light');
      await dashboard.get(`view-${name}`).click();
      const inOrder = (pairs) => JSON.stringify([...pairs].sort());
      const expected = inOrder(new URLSearchParams(address));
      await until(`the address says ${address}`, () => inOrder(dashboard.parameters()) === expected);
      await dashboard.untilIds(ids, { inOrder: true });
    }
    await keyboard.press('v');
    const link = await dashboard.get('view-server').getAttribute('href');
    await withPage(browser, own, { query: link }, (second) => second.untilIds([silent]));
  });
  await own.stop();
});

const ago = (hours) => new Date(Date.now() - hours * 3_600_000).toISOString();

/** The monitor message of a client that said goodbye the day before yesterday. */
const leftDaysAgo = (id) => ({
  ...{ Action: 'Disconnect', Time: ago(48), ConnectTime: ago(49), ClientAddr: '10.0.0.7', ClientID: id, Port: 1883 },
  ...{ Secure: false, Protocol: 'mqtt4', CloseCode: 0, Reason: 'The connection has completed normally.' },
});

/** The state of a client of whom an event was lost, as the State API tells it. */
const staleState = (id) => ({
  ...{ id, clientType: 'device', connectionStatus: 'disconnected', certainty: 'reported', recentConnects: 0 },
  ...{ lastConnectTime: ago(4), lastDisconnectTime: ago(3), disconnectInitiator: 'client', closeCode: 0 },
  ...{ mqttReasonCode: 0, staleSince: ago(2) },
});

test('a view is saved by name, renamed, deleted, brought back, and shared by a link', () =>
  journey(
    async (dashboard, keyboard) => {
      await dashboard.filterStatus('disconnected');
      await dashboard.sort('deviceType');
      await keyboard.press('v');
      await dashboard.get('view-name').fill('Night shift');
      const saveAt = await dashboard.get('view-save').boundingBox();
      await dashboard.get('view-save').click();
      await dashboard.get('own-view').filter({ hasText: 'Night shift' }).waitFor();
      // A second click would have deleted the view, had its button come under the pointer.
      const under = ({ x, y }) => document.elementFromPoint(x, y)?.closest('[data-testid]')?.dataset.testid;
      const pointer = { x: saveAt.x + saveAt.width / 2, y: saveAt.y + saveAt.height / 2 };
      assert.equal(await dashboard.page.evaluate(under, pointer), 'view-save');
      await dashboard.get('own-rename').click();
      await dashboard.get('view-name').fill('Day shift');
      await keyboard.press('Enter');
      const own = dashboard.get('own-view').filter({ hasText: 'Day shift' });
      await own.waitFor();
      // No two views have one name.
      await dashboard.get('view-name').fill('Night shift');
      await keyboard.press('Enter');
      const line = (name) => dashboard.page.locator('.own-view').filter({ hasText: name });
      await line('Night shift').getByTestId('own-rename').click();
      await dashboard.get('view-name').fill('Day shift');
      await keyboard.press('Enter');
      await dashboard.get('view-taken').waitFor();
      await dashboard.get('view-name').fill('Late shift');
      await dashboard.get('view-taken').waitFor({ state: 'hidden' });
      await keyboard.press('Enter');
      await line('Late shift').getByTestId('own-delete').click();
      await line('Late shift').waitFor({ state: 'detached' });
      await line('Day shift').getByTestId('own-delete').click();
      await own.waitFor({ state: 'detached' });
      await dashboard.get('view-undo').click();
      await own.waitFor();
      await dashboard.get('copy-link').click();
      const link = new URL(await dashboard.page.evaluate(() => navigator.clipboard.readText()));
      assert.equal(link.origin, new URL(server.url).origin);
      await dashboard.closePopup();

      await dashboard.page.goto(server.url);
      await dashboard.untilIds(ALL);
      await keyboard.press('v');
      await own.click();
      await dashboard.untilIds([LEFT, LOST, SILENT]);
      await dashboard.untilParameter('_sort', 'deviceType');
      await withPage(browser, server, { query: link.search }, (second) =>
        second.untilIds([LEFT, LOST, SILENT]),
      );
    },
    { permissions: ['clipboard-read', 'clipboard-write'] },
  ));

test('the help lists the keys, and every key opens what it says', () =>
  journey(async (dashboard, keyboard) => {
    for (const [key, text] of [
      ['?', 'Keyboard'],
      ['f', 'Add a filter'],
      ['s', 'Sort'],
      ['c', 'Columns'],
      ['v', 'Views'],
      ['e', 'Export'],
    ]) {
      await keyboard.press(key);
      await dashboard.get('popup').getByRole('heading', { name: text, exact: true }).waitFor();
      if (key === '?') await screenshot(dashboard.page, 'help-light');
      await dashboard.closePopup();
    }
  }));

// It said that it had copied, whatever the browser said.
test('a browser that allows no copying is not said to have copied', () =>
  journey(async (dashboard) => {
    const { page } = dashboard;
    // As a policy of a company does it: neither way is open.
    await page.evaluate(() => {
      Document.prototype.execCommand = () => false;
    });
    // This refuses all others.
    await page.context().grantPermissions(['notifications']);
    await dashboard.row(LOST).locator('.c-check').click();
    await dashboard.get('copy-ids').click();
    await until('it is said', async () => /refused/.test(await dashboard.get('copy-ids').innerText()));
  }));

test('single letters can be switched off as shortcuts, and stay off', () =>
  journey(async (dashboard, keyboard) => {
    const { page } = dashboard;
    await keyboard.press('?');
    await dashboard.get('letters').uncheck();
    await dashboard.closePopup();
    await page.reload();
    await dashboard.get('row').first().waitFor();
    for (const key of ['f', '?', '/', 'p']) await keyboard.press(key);
    assert.equal(await dashboard.get('popup').isVisible(), false);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BODY');
    await page.locator('#grid').focus();
    await keyboard.press('ArrowDown');
    await page.locator('.row.active').waitFor();
    await page.locator('[data-opens="help"]').click();
    await dashboard.get('letters').check();
    await dashboard.closePopup();
    await keyboard.press('f');
    await dashboard.get('popup').waitFor();
  }));

// The focus was on nothing, and the next key began at the top of the page.
test('a button that is gone or moves when it is pressed by key leaves the focus near', () =>
  journey(async (dashboard, keyboard) => {
    const { page } = dashboard;
    const focused = () => page.evaluate(() => document.activeElement.dataset.testid ?? document.activeElement.id);
    await page.locator('[data-opens="columns"]').click();
    const up = dashboard.get('column-lastActivityTime-up');
    await up.focus();
    const place = () => up.evaluate((button) => [...document.querySelectorAll('.column')].indexOf(button.closest('.column')));
    const first = await place();
    for (const times of [1, 2]) {
      await keyboard.press('Enter');
      await until(`it is ${times} higher`, async () => (await place()) === first - times);
      await until('the button has the focus', async () => (await focused()) === 'column-lastActivityTime-up');
    }
    await dashboard.get('columns-reset').click();
    await dashboard.closePopup();

    await dashboard.filterStatus('disconnected');
    await dashboard.pickRange('disconnect', 'now-15m');
    await dashboard.get('clear-all').focus();
    await keyboard.press('Enter');
    await until('the table has the focus', async () => (await focused()) === 'grid');
  }));

test('the browser names the page by what is on it', () =>
  journey(async (dashboard, keyboard) => {
    const { page } = dashboard;
    const untilTitle = (title) => until(`the title is ${title}`, async () => (await page.title()) === title);
    await untilTitle('Clients · Rollcall');
    await dashboard.open(LOST);
    await untilTitle(`${LOST} · Rollcall`);
    await keyboard.press('Escape');
    await keyboard.press('g');
    await keyboard.press('o');
    await untilTitle('Overview · Rollcall');
  }));

test('on a phone the menus are sheets at the lower edge and nothing scrolls sideways', () =>
  journey(
    async (dashboard) => {
      await screenshot(dashboard.page, 'clients-phone-light');
      for (const name of ['filters', 'sort', 'views', 'export']) {
        await dashboard.page.locator(`[data-opens="${name}"]`).click();
        const box = await dashboard.get('popup').boundingBox();
        assert.deepEqual([box.x, box.width, box.y + box.height], [0, PHONE.width, PHONE.height], name);
        assert.deepEqual(await dashboard.widerThanScreen(), [], name);
        await screenshot(dashboard.page, `${name}-phone-light`);
        await dashboard.closePopup();
      }
      await dashboard.filter('deviceType');
      await dashboard.get('option-thermo').check();
      await screenshot(dashboard.page, 'filter-type-phone-light');
      await dashboard.closePopup();
      await dashboard.untilIds([LEFT, LOST]);
      assert.deepEqual(await dashboard.widerThanScreen(), []);
    },
    { viewport: PHONE },
  ));
