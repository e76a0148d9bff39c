// What a screen reader gets: the browser's own accessibility tree of every page, where the reader is in a table of which
// only some rows exist, and what is said unasked.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { launchBrowser, SERVER_AWAY, withPage } from './browser.mjs';
import { cleanUp, connect, connectRaw, run, startServer, temporaryFolder, until } from './harness.mjs';

const CLIENTS = 3_000;
const idOf = (at) => `d:acme01:thermo:t-${String(at).padStart(4, '0')}`;
const LIVE = 'd:acme01:pump:live';

let server;
let browser;

before(async () => {
  const data = temporaryFolder();
  const line = (_, at) =>
    JSON.stringify({
      ...{ Action: 'Disconnect', Time: new Date(Date.UTC(2026, 0, 2, 12, 0, at)).toISOString() },
      ...{ ConnectTime: '2026-01-02T10:00:00.000Z', ClientAddr: '10.0.0.7', ClientID: idOf(at), Port: 40_000 },
      ...{ Secure: false, Protocol: 'mqtt4', CloseCode: 91, Reason: 'closed' },
    });
  const file = path.join(data, 'fleet.ndjson');
  writeFileSync(file, Array.from({ length: CLIENTS }, line).join('\n') + '\n');
  assert.equal(run(['import', '--data', data, '--org', 'acme01', file]).status, 0);
  [server, browser] = await Promise.all([startServer({ data }), launchBrowser()]);
  await connectRaw(server, LIVE);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** The accessibility tree: of each node its role, its name and whether it takes the focus. */
async function tree(page) {
  const cdp = await page.context().newCDPSession(page);
  const { nodes } = await cdp.send('Accessibility.getFullAXTree');
  await cdp.detach();
  return nodes
    .filter((node) => !node.ignored)
    .map(({ role, name, properties = [], childIds, nodeId, parentId }) => ({
      ...{ nodeId, parentId, childIds, role: role?.value, name: (name?.value ?? '').trim() },
      ...Object.fromEntries(properties.map((property) => [property.name, property.value.value])),
    }));
}

/** What takes the focus and has no name. */
const nameless = (nodes) =>
  nodes.filter(({ focusable, name }) => focusable && name === '').map(({ role, nodeId }) => `${role} ${nodeId}`);

async function requireNames(dashboard, where) {
  const nodes = await tree(dashboard.page);
  assert.ok(nodes.some(({ focusable }) => focusable), where);
  assert.deepEqual(nameless(nodes), [], where);
  const heads = nodes.filter(({ role }) => role === 'heading');
  assert.ok(heads.length > 0 && heads.every(({ name }) => name !== ''), `${where} has headings with names`);
  return nodes;
}

/** Records what live regions say from now on: the text and when. */
async function listen(page) {
  await page.evaluate(() => {
    globalThis.said = [];
    const regions = '[role="status"], [role="alert"], [aria-live]';
    const tell = (region) => {
      const text = region.textContent.trim();
      if (text && region.checkVisibility()) globalThis.said.push(text);
    };
    new MutationObserver((changes) => {
      const found = new Set();
      for (const { target, addedNodes } of changes) {
        const element = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
        const region = element?.closest(regions);
        if (region) found.add(region);
        for (const node of addedNodes)
          if (node.nodeType === Node.ELEMENT_NODE)
            for (const inner of [node, ...node.querySelectorAll(regions)])
              if (inner.matches(regions)) found.add(inner);
      }
      found.forEach(tell);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
}

const said = (page) => page.evaluate(() => globalThis.said);

const untilSaid = (page, text) =>
  until(`a screen reader is told ${text}`, async () => (await said(page)).some((one) => text.test(one)));

test('everything that takes the focus has a name, on every page and in every dialog', () =>
  withPage(browser, server, { allowed: /status of 401/ }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await dashboard.get('row').first().waitFor();
    await requireNames(dashboard, 'clients');
    for (const name of ['filters', 'sort', 'columns', 'views', 'export', 'help']) {
      await page.locator(`[data-opens="${name}"]`).first().click();
      await dashboard.get('popup').locator('button, input, kbd').nth(1).waitFor();
      const nodes = await requireNames(dashboard, name);
      const dialog = nodes.find(({ role }) => role === 'dialog');
      assert.ok(dialog?.name, `the dialog ${name} has a name`);
      assert.ok(dialog.modal, `the dialog ${name} is modal`);
      assert.ok(!nodes.some(({ role }) => role === 'grid'), 'what lies behind it is not there');
      await dashboard.closePopup();
    }
    await dashboard.open(LIVE);
    await dashboard.entries('connect').first().waitFor();
    await requireNames(dashboard, 'client');
    await page.keyboard.press('Escape');
    await dashboard.get('page-overview').click();
    await dashboard.get('chart-connected').locator('.plot a').first().waitFor({ state: 'attached' });
    const nodes = await requireNames(dashboard, 'overview');
    assert.ok(nodes.filter(({ role }) => role === 'table').length >= 3, 'a table behind each chart');
    await page.context().clearCookies();
    await page.reload();
    await dashboard.get('sign-in-key').waitFor();
    await requireNames(dashboard, 'sign-in');
  }));

test('in a table of which only some rows exist, each says which of how many it is', () =>
  withPage(browser, server, { query: '?_sort=id' }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await dashboard.untilNumber('total', CLIENTS + 1);
    const grid = page.locator('#grid');
    assert.equal(await grid.getAttribute('aria-rowcount'), String(CLIENTS + 2), 'all rows and the heads');
    const columns = Number(await grid.getAttribute('aria-colcount'));
    await grid.focus();
    await page.keyboard.press('End');
    const last = dashboard.row(idOf(CLIENTS - 1));
    await last.waitFor();
    const placed = await dashboard.get('row').evaluateAll((rows) =>
      rows
        .filter((row) => row.checkVisibility() && row.dataset.clientId)
        .map((row) => [
          Number(row.getAttribute('aria-rowindex')),
          row.dataset.clientId,
          [...row.querySelectorAll('[role="gridcell"]')].map((cell) => Number(cell.getAttribute('aria-colindex'))),
        ]),
    );
    for (const [index, id, cells] of placed) {
      // In the order of the ids the pump is before all thermos, and the heads are the first row.
      const expected = id === LIVE ? 2 : Number(id.match(/\d+$/)[0]) + 3;
      assert.equal(index, expected, id);
      assert.deepEqual(cells, Array.from({ length: columns }, (_, at) => at + 1));
    }
    const nodes = await tree(page);
    const active = await grid.getAttribute('aria-activedescendant');
    assert.equal(await page.locator(`[id="${active}"]`).getAttribute('data-client-id'), idOf(CLIENTS - 1));
    const rows = nodes.filter(({ role }) => role === 'row');
    assert.ok(rows.some(({ name }) => name.includes(idOf(CLIENTS - 1))), 'a row is called by what is in it');
    assert.equal(nodes.filter(({ role }) => role === 'columnheader').length, columns);
    const sorted = await page.locator('[aria-sort="ascending"]').count();
    assert.equal(sorted, 1);
  }));

// A screen reader was told "21:0420m ago": the space between the two was only seen.
test('the time in a cell and how long ago it is are heard as two things', () =>
  withPage(browser, server, { query: '?deviceType=pump' }, async (dashboard) => {
    await dashboard.row(LIVE).waitFor();
    const cells = (await tree(dashboard.page)).filter(({ role, name }) => role === 'gridcell' && / ago$/.test(name));
    assert.ok(cells.length > 0, 'there are cells with times');
    for (const { name } of cells) assert.match(name, /^\d\d:\d\d \d+\s?\w+ ago$/);
  }));

test('what a filter and an order come to is said, once each', () =>
  withPage(browser, server, {}, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await dashboard.untilNumber('total', CLIENTS + 1);
    await listen(page);
    await dashboard.search('thermo:t-00');
    await untilSaid(page, /^100 clients\./);
    await dashboard.sort('lastDisconnectTime');
    await untilSaid(page, /^100 clients\. .*Last disconnect: Descending/);
    await dashboard.search('nobody');
    await untilSaid(page, /^0 clients\./);
    const all = await said(page);
    assert.ok(all.length <= 5, all.join('\n'));
    assert.equal(new Set(all).size, all.length, all.join('\n'));
  }));

test('at a thousand messages a second a screen reader is told the numbers every ten seconds, and no more', async () => {
  const own = await startServer();
  await withPage(browser, own, {}, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    let arrived = 0;
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => (arrived += payload.toString('latin1').split('"Action":').length - 1)),
    );
    // From here on its messages are counted.
    await page.reload();
    await dashboard.untilLive();
    await listen(page);
    const [began, before] = [Date.now(), arrived];
    // Clients that come and go as fast as they can, until the page has said twice what became of it.
    let isOver = false;
    const churn = async (worker) => {
      for (let round = 0; !isOver; round++) {
        const sockets = await Promise.all(
          Array.from({ length: 25 }, (_, at) => connectRaw(own, `d:acme01:thermo:w${worker}-${(round % 40) * 25 + at}`)),
        );
        // They say goodbye: so many losses would be an incident, which is said, too.
        for (const socket of sockets) socket.end(Buffer.from([0xe0, 0]));
      }
    };
    const workers = [0, 1, 2, 3].map(churn);
    const seconds = () => (Date.now() - began) / 1_000;
    const rate = () => Math.round((arrived - before) / seconds());
    await until('two announcements', async () => (await said(page)).length >= 2, 60_000);
    await until('a thousand messages a second arrive, for ten seconds', () => seconds() >= 10 && rate() >= 1_000, 60_000)
      .catch((error) => assert.fail(`${error.message}: ${rate()} a second`));
    isOver = true;
    await Promise.all(workers);
    const all = await said(page);
    const most = Math.ceil((Date.now() - began) / 10_000) + 2;
    assert.ok(all.length <= most, `${all.length} announcements: ${all.join('\n')}`);
    assert.ok(all.every((text) => /^[\d,]+ clients?\. [\d,]+ connected\./.test(text)), all.join('\n'));
  });
  await own.stop();
});

test('that the connection is lost and that it is back is said, and not each attempt', async () => {
  const own = await startServer();
  await connect(own, 'd:acme01:thermo:kept');
  await withPage(browser, own, { allowed: SERVER_AWAY }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await listen(page);
    await own.kill();
    await untilSaid(page, /Cannot reach the server/);
    await untilSaid(page, /no live events since/);
    // Some attempts later.
    const asked = [];
    page.on('requestfailed', (request) => asked.push(request.url()));
    await until('it was tried again', () => asked.length >= 3);
    const second = await startServer({ data: own.data, http: own.httpPort, mqtt: own.mqttPort });
    await dashboard.untilLive();
    await untilSaid(page, /^live$/);
    const all = await said(page);
    for (const text of [/Cannot reach the server/, /no live events since/, /^live$/])
      assert.equal(all.filter((one) => text.test(one)).length, 1, all.join('\n'));
    await second.stop();
  });
});
