// The overview as an administrator uses it: numbers that agree with what clients did, links to exactly these clients, and
// a page that follows by itself. The fleet's clients are real; so is who cut them off.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, SERVER_AWAY, withPage } from './browser.mjs';
import {
  attempt,
  cleanUp,
  connect,
  connectRaw,
  register,
  startServer,
  until,
  untilStatus,
} from './harness.mjs';

const ONLINE = ['d:acme01:pump:on-1', 'd:acme01:pump:on-2', 'd:acme01:thermo:back-again'];
const LOST = ['d:acme01:thermo:lost-1', 'd:acme01:thermo:lost-2'];
const [LEFT, SILENT, BACK] = ['g:acme01:gw:left', 'd:acme01:meter:silent', ONLINE[2]];
const ALL = [...ONLINE, ...LOST, LEFT, SILENT];

let server;
let browser;
let logins;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  logins = Object.fromEntries(ALL.map((id) => [id, register(server, id)]));
  await (await connect(server, BACK, logins[BACK])).goodbye();
  for (const id of ONLINE) await connect(server, id, logins[id]);
  for (const id of LOST) await (await connect(server, id, logins[id])).lose();
  await (await connect(server, LEFT, logins[LEFT])).goodbye();
  await connectRaw(server, SILENT, { keepAlive: 1, ...logins[SILENT] });
  for (let time = 0; time < 3; time++)
    await attempt(server, ONLINE[0], { ...logins[ONLINE[0]], password: 'guessed' });
  for (const id of [...LOST, LEFT, SILENT]) await untilStatus(server, id, 'disconnected');
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

const overview = (body, options = {}) =>
  withPage(browser, options.of ?? server, { query: '?overview=1h', ...options }, async (dashboard) => {
    await dashboard.untilLive();
    await body(dashboard);
  });

/** The number that a link of the legend or a tile shows. */
const numberIn = async (locator) =>
  Number((await locator.locator('b').first().innerText()).replace(/\D/g, ''));

test('g o shows the overview and g c the clients, back goes back, and the filters wait', () =>
  withPage(browser, server, { query: '?connectionStatus=connected' }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilIds(ONLINE);
    await page.keyboard.press('g');
    await page.keyboard.press('o');
    await dashboard.get('overview').waitFor();
    await dashboard.untilParameter('overview', '24h');
    await dashboard.untilParameter('connectionStatus', 'connected');
    await dashboard.get('period-7d').click();
    await dashboard.untilParameter('overview', '7d');

    // The keys of the rows do nothing here.
    for (const key of ['j', 'k', 'ArrowDown', 'Enter', 'Escape']) await page.keyboard.press(key);
    await page.keyboard.press('g');
    await page.keyboard.press('c');
    await dashboard.untilIds(ONLINE);
    assert.equal(dashboard.parameters().get('overview'), null);
    await dashboard.get('page-overview').click();
    await dashboard.untilParameter('overview', '7d');
    await page.reload();
    await dashboard.get('overview').waitFor();
    await page.goBack();
    await dashboard.untilIds(ONLINE);
  }));

test('every number at the top leads to the clients that it counts', () =>
  overview(async (dashboard) => {
    for (const [tile, count, ids] of [
      ['tile-connected', 3, ONLINE],
      ['tile-disconnected', 4, [...LOST, LEFT, SILENT]],
      ['tile-connects', 8, ALL],
      ['tile-disconnects', 5, [...LOST, LEFT, SILENT, BACK]],
      ['tile-refused', 3, [ONLINE[0]]],
    ]) {
      const link = dashboard.get(tile).locator('a');
      await until(`${tile} shows ${count}`, async () => (await numberIn(link)) === count);
      await link.click();
      await dashboard.untilIds(ids);
      await dashboard.page.goBack();
      await dashboard.get('overview').waitFor();
    }
  }));

test('on the overview the keys of the table show the clients, and then do what they say', () =>
  overview(async (dashboard) => {
    const { page } = dashboard;
    const isFocused = (selector) =>
      until(`the focus is on ${selector}`, () => page.evaluate((one) => document.activeElement.matches(one), selector));
    await page.keyboard.press('/');
    await dashboard.untilIds(ALL);
    await isFocused('[data-testid=search]');
    await page.keyboard.type('lost');
    await dashboard.untilIds(LOST);
    for (const [key, name] of [
      ['f', 'Add a filter'],
      ['s', 'Sort'],
      ['c', 'Columns'],
      ['v', 'Views'],
      ['e', 'Export'],
    ]) {
      await page.goto(`${server.url}?overview=1h`);
      await dashboard.untilLive();
      await dashboard.get('overview').waitFor();
      await page.keyboard.press(key);
      await dashboard.get('popup').getByRole('heading', { name, exact: true }).waitFor();
      assert.equal(dashboard.parameters().get('overview'), null);
      await dashboard.closePopup();
      await isFocused('#grid');
    }
    await page.keyboard.press('?');
    await dashboard.get('popup').getByText('On the overview, / f s c v e go to the clients first.').waitFor();
  }));

// It asked for the rows again with every message, for nobody.
test('while the overview is shown the table asks nothing, and is right as soon as it is shown', async () => {
  const own = await startServer();
  const ids = Array.from({ length: 12 }, (_, at) => `d:acme01:thermo:rests-${String(at).padStart(2, '0')}`);
  await connect(own, ids[0]);
  await overview(
    async (dashboard) => {
      const { page } = dashboard;
      const rows = [];
      page.on('request', (request) => {
        const { pathname, searchParams } = new URL(request.url());
        // The overview itself asks for the clients that are silent longest.
        const isSilent = searchParams.get('_sort') === 'lastPublishTime';
        if (pathname.endsWith('/clientconnectionstates') && !isSilent) rows.push(request.url());
      });
      const tile = dashboard.get('tile-connected').locator('a');
      await until('the overview counts one', async () => (await numberIn(tile)) === 1);
      rows.length = 0;
      for (const id of ids.slice(1)) {
        await connect(own, id);
        await page.waitForTimeout(300);
      }
      await until('the overview counts all', async () => (await numberIn(tile)) === ids.length);
      assert.deepEqual(rows, []);
      await page.keyboard.press('g');
      await page.keyboard.press('c');
      await dashboard.untilIds(ids, { inOrder: true });
      assert.ok(rows.length >= 1, 'it asked at once');
      await dashboard.untilNumber('status-connected', ids.length);
      // And goes on from there.
      await connect(own, 'd:acme01:thermo:rests-99');
      await dashboard.row('d:acme01:thermo:rests-99').waitFor();
    },
    { of: own },
  );
  await own.stop();
});

/** The filter on who ended the connections, as the address has it. */
const initiators = (dashboard) => {
  const found = [...dashboard.parameters()].filter(([name]) => /^disconnectInitiator!?$/.test(name));
  const values = found.flatMap(([, value]) => value.split(','));
  return `${found[0]?.[0]}=${values.sort().join()}`;
};

test('who ended connections is told by bars, and each leads to those who are still away', () =>
  overview(async (dashboard) => {
    const legend = dashboard.get('chart-ended').locator('.chart-legend a');
    for (const [at, count, filter, ids] of [
      // The client that said goodbye and came back is counted, and not away.
      [0, 2, 'disconnectInitiator=client', [LEFT]],
      [1, 1, 'disconnectInitiator=server', [SILENT]],
      [2, 2, 'disconnectInitiator=network', LOST],
      [3, 0, 'disconnectInitiator!=client,network,server', []],
    ]) {
      await until(`number ${at} is ${count}`, async () => (await numberIn(legend.nth(at))) === count);
      await legend.nth(at).click();
      await until(`the address says ${filter}`, () => initiators(dashboard) === filter);
      await dashboard.untilIds(ids);
      await dashboard.page.goBack();
    }
    const bars = dashboard.get('chart-ended').locator('.plot a[data-kind="2"]');
    await bars.last().waitFor();
    const found = new Set();
    for (let at = 0; at < (await bars.count()); at++) {
      await bars.nth(at).press('Enter');
      await until('the table has rows', async () => (await dashboard.ids()).length > 0);
      for (const id of await dashboard.ids()) found.add(id);
      await dashboard.page.goBack();
      await bars.last().waitFor();
    }
    assert.deepEqual([...found].sort(), LOST);
  }));

test('beside the counts is the past hour in a line, which leads to the overview', () =>
  withPage(browser, server, {}, async (dashboard) => {
    await dashboard.untilLive();
    const list = dashboard.page.locator('.list');
    const before = await list.boundingBox();
    const trend = dashboard.get('trend');
    await trend.waitFor();
    assert.match(await trend.innerText(), /^\s*\+[\d,]+\s+−[\d,]+\s+(per min|so far)\s*$/);
    // A server that counts since some minutes has no line to show, and a speck says nothing.
    const lines = await trend.locator('polyline').evaluateAll((all) => all.map((line) => line.getAttribute('points')));
    for (const points of lines) assert.ok(points.split(' ').length >= 10, points);
    assert.deepEqual(await list.boundingBox(), before, 'nothing moved');
    await screenshot(dashboard.page, 'trend-light');
    await trend.click();
    await dashboard.untilParameter('overview', '1h');
    await dashboard.get('overview').waitFor();
  }));

test('a reason leads to who is away because of it, a name to the client', () =>
  overview(async (dashboard) => {
    const reasons = dashboard.get('list-reasons').locator('a');
    await reasons.filter({ hasText: '0x8D' }).click();
    await dashboard.untilIds([SILENT]);
    await dashboard.page.goBack();
    await dashboard.get('list-refused').locator('a').filter({ hasText: 'on-1' }).click();
    await dashboard.get('panel').waitFor();
    await dashboard.untilParameter('client', ONLINE[0]);
    await dashboard.untilIds([ONLINE[0]]);
    await dashboard.page.goBack();
    await dashboard.get('list-addresses').locator('a').filter({ hasText: '127.0.0.1' }).click();
    await dashboard.untilParameter('clientAddr', '127.0.0.1');
    await dashboard.untilIds(ALL);
    await dashboard.page.goBack();
    const silent = dashboard.get('list-silent').locator('li a');
    await until('all who are connected are listed', async () => (await silent.count()) === ONLINE.length);
  }));

test('behind a chart is a table with the numbers of the API', () =>
  overview(async (dashboard) => {
    const chart = dashboard.get('chart-flow');
    await chart.locator('.plot a').first().waitFor();
    await chart.getByTestId('toggle-table').click();
    assert.equal(await chart.getByTestId('toggle-table').getAttribute('aria-pressed'), 'true');
    assert.equal(await chart.locator('.chart-drawing').isVisible(), false);
    const sums = () =>
      chart
        .locator('tbody')
        .evaluate((body) =>
          [...body.rows].reduce(
            ([connects, disconnects], row) => [
              connects + Number(row.cells[1].innerText),
              disconnects + Number(row.cells[2].innerText),
            ],
            [0, 0],
          ),
        );
    // A minute that begins moves both on, one after the other.
    let told;
    await until('the table has the numbers of the API', async () => {
      const { buckets } = (await server.api('/statistics?fromTime=now-1h&step=1m')).body;
      const sum = (name) => buckets.reduce((total, bucket) => total + bucket[name], 0);
      told = [await sums(), [sum('connects'), sum('disconnects')]];
      return JSON.stringify(told[0]) === JSON.stringify(told[1]);
    }).catch((error) => assert.deepEqual(...told, error.message));
    assert.ok(told[0].every((number) => number > 0), `something was counted: ${told[0]}`);
    await chart.locator('tbody a').first().click();
    await dashboard.untilParameter('overview', null);
    await dashboard.get('row').first().waitFor();
  }));

test('the arrow keys move between marks, which say what they are, and Enter follows', () =>
  overview(async (dashboard) => {
    const chart = dashboard.get('chart-connected');
    const stop = chart.locator('.plot a[tabindex="0"]');
    await stop.waitFor();
    assert.equal(await stop.count(), 1, 'one stop of the Tab key');
    await stop.focus();
    const focused = () => dashboard.page.evaluate(() => document.activeElement.getAttribute('aria-label'));
    // A later minute, so that there are two points.
    const marks = chart.locator('.plot a');
    await until('there are two points', async () => (await marks.count()) > 1, 90_000);
    await dashboard.page.keyboard.press('End');
    const newest = await focused();
    assert.match(newest, /connected 3$/);
    await dashboard.page.keyboard.press('ArrowLeft');
    await until('another mark has the focus', async () => (await focused()) !== newest);
    assert.ok(
      (await chart.locator('.readout').innerText()).startsWith((await focused()).split(': connected')[0]),
    );
    await dashboard.page.keyboard.press('End');
    assert.equal(await focused(), newest);
    await dashboard.page.keyboard.press('Enter');
    await dashboard.untilIds(ONLINE);
  }));

test('what happens moves the numbers without a reload, and nothing moves while the page is paused', async () => {
  const own = await startServer();
  await overview(
    async (dashboard) => {
      await dashboard.get('overview-empty').waitFor();
      await screenshot(dashboard.page, 'overview-empty-light');
      await dashboard.page.evaluate(() => (globalThis.notReloaded = true));
      const tile = dashboard.get('tile-connected').locator('a');
      const client = await connect(own, 'd:acme01:thermo:live');
      await until('one is connected', async () => (await numberIn(tile)) === 1);
      await dashboard.get('overview-empty').waitFor({ state: 'detached' });

      await dashboard.page.keyboard.press('p');
      await client.lose();
      await untilStatus(own, 'd:acme01:thermo:live', 'disconnected');
      const flow = dashboard.get('chart-flow').locator('.chart-legend a').last();
      assert.equal(await numberIn(flow), 0);
      await dashboard.page.keyboard.press('p');
      // Without waiting for the next question, which comes every 15 seconds when nothing is heard.
      await until('the loss is counted', async () => (await numberIn(flow)) === 1, 6_000);
      assert.equal(await numberIn(tile), 0);
      assert.equal(await dashboard.page.evaluate(() => globalThis.notReloaded), true);
    },
    { of: own },
  );
  await own.stop();
});

/** Says goodbye, with a reason in MQTT 5. */
const leave = (socket, reason) => socket.write(Buffer.from(reason === undefined ? [0xe0, 0] : [0xe0, 1, reason]));

test('the same reason is told apart by who ended the connection, and leads to those clients', async () => {
  const own = await startServer();
  const [cut, complains, polite] = ['cut', 'complains', 'polite'].map((name) => `d:acme01:thermo:${name}`);
  const [cutSocket, complaining, leaving] = await Promise.all([
    connectRaw(own, cut),
    connectRaw(own, complains, { version: 5 }),
    connectRaw(own, polite, { version: 5 }),
  ]);
  cutSocket.destroy();
  leave(complaining, 0x80);
  leave(leaving);
  for (const id of [cut, complains, polite]) await untilStatus(own, id, 'disconnected');
  const { buckets } = (await own.api('/statistics?fromTime=now-1h&step=1h')).body;
  const told = buckets.map((bucket) => bucket.reasonsByInitiator).filter((one) => one.network);
  assert.deepEqual(told, [{ client: { 0: 1, 128: 1 }, network: { 128: 1 } }]);
  await overview(
    async (dashboard) => {
      const reasons = dashboard.get('list-reasons').locator('a');
      for (const [text, ids] of [
        [/^network: connection lost/, [cut]],
        [/^client: the client reported/, [complains]],
        [/^client: said goodbye/, [polite]],
      ]) {
        await reasons.filter({ hasText: text }).click();
        await dashboard.untilIds(ids);
        await dashboard.page.goBack();
      }
      await screenshot(dashboard.page, 'overview-reasons-light');
    },
    { of: own },
  );
  await own.stop();
});

test('a mass disconnect is an incident, and leads to its clients and nearly nobody else', async () => {
  const own = await startServer();
  const names = (type, count) =>
    Array.from({ length: count }, (_, at) => `d:acme01:${type}:mass-${String(at).padStart(2, '0')}`);
  const [ids, others] = [names('thermo', 24), names('pump', 26)];
  const connectAll = (all) => Promise.all(all.map((id) => connectRaw(own, id)));
  const [sockets, otherSockets, [polite]] = await Promise.all(
    [ids, others, ['d:acme01:thermo:polite']].map(connectAll),
  );
  // Two leave by themselves in the middle of it.
  for (const socket of sockets.slice(0, 12)) socket.destroy();
  await untilStatus(own, ids[11], 'disconnected');
  leave(polite);
  leave(otherSockets[0]);
  for (const id of ['d:acme01:thermo:polite', others[0]]) await untilStatus(own, id, 'disconnected');
  for (const socket of sockets.slice(12)) socket.destroy();
  await until(
    'the server tells the incident',
    async () => (await own.api('/incidents?fromTime=now-1h')).body.incidents?.[0]?.clients === 24,
  );
  await connectAll(ids.slice(0, 2));
  await overview(
    async (dashboard) => {
      const incident = dashboard.get('incidents').locator('li[data-cause="network"]');
      await incident.waitFor();
      assert.match(await incident.innerText(), /24 clients lost/);
      await screenshot(dashboard.page, 'overview-incident-light');
      assert.match(await dashboard.get('incident-hint').innerText(), /^The second also shows who left .*since\.$/);
      assert.equal(await dashboard.get('incident-away').innerText(), '22 still away');
      await dashboard.get('incident-clients').click();
      await dashboard.untilNumber('total', 25);
      await dashboard.untilParameter('deviceType', 'thermo');
      await dashboard.page.goBack();
      await dashboard.get('incident-away').click();
      await dashboard.untilIds(ids.slice(2));
      // What they share is told of each of them, too.
      await dashboard.open(ids[5]);
      const finding = dashboard.get('finding');
      await finding.locator('summary').click();
      assert.match(await finding.innerText(), /100% of them: Type: thermo/);
      await screenshot(dashboard.page, 'finding-mass-light');
      await finding.getByText('Type: thermo').click();
      await dashboard.untilParameter('deviceType', 'thermo');
      await dashboard.page.goBack();
      await dashboard.page.goBack();
      await dashboard.page.goBack();
      // The numbers of a server that has just begun to count are of its minutes, not of an hour.
      assert.doesNotMatch(await dashboard.get('tile-disconnects').innerText(), /past 1 hr/);
    },
    { of: own },
  );
  await own.stop();
});

test('when the server stops, the numbers stay and say how old they are', async () => {
  const own = await startServer();
  await connectRaw(own, 'd:acme01:thermo:kept');
  await overview(
    async (dashboard) => {
      const tile = dashboard.get('tile-connected').locator('a');
      await until('one is connected', async () => (await numberIn(tile)) === 1);
      await own.kill();
      await dashboard.get('overview-failure').waitFor();
      await dashboard
        .get('overview-failure')
        .filter({ hasText: /Showing \d\d:\d\d/ })
        .waitFor();
      assert.equal(await numberIn(tile), 1);
      await screenshot(dashboard.page, 'overview-away-light');
      const second = await startServer({ data: own.data, http: own.httpPort, mqtt: own.mqttPort });
      await dashboard.get('overview-failure').waitFor({ state: 'detached' });
      await until('nobody is connected', async () => (await numberIn(tile)) === 0);
      await second.stop();
    },
    { of: own, allowed: SERVER_AWAY },
  );
});

test('a server that does not count is told apart from a fleet where nothing happens', () =>
  withPage(browser, server, { allowed: /404/ }, async (dashboard) => {
    const { page } = dashboard;
    // As a plain Watson server answers.
    const lacks = (route) =>
      route.fulfill({ status: 404, contentType: 'application/json', body: '{"message":"no such path"}' });
    for (const path of ['statistics', 'incidents']) await page.route(`**/api/v0002/${path}?*`, lacks);
    await dashboard.get('page-overview').click();
    await dashboard.get('overview-missing').waitFor();
    assert.equal(await dashboard.get('chart-connected').isVisible(), false);
    await dashboard.get('list-silent').locator('li a').first().waitFor();
    await screenshot(page, 'overview-missing-light');
  }));

// The tiles counted from the beginning of the half hour in which the server was started, and the line beside the counts told
// of the minute before the start, in which nothing could happen.
test('what a server tells soon after its start is about the time since', async () => {
  const own = await startServer();
  await connect(own, 'd:acme01:thermo:first');
  await withPage(browser, own, {}, async (dashboard) => {
    await dashboard.untilLive();
    const trend = dashboard.get('trend');
    await until(
      'the connect is told',
      async () => /^\s*\+1\s+−0\s+(per min|so far)\s*$/.test(await trend.innerText()),
      90_000,
    );
    await dashboard.get('page-overview').click();
    for (const period of ['1h', '24h', '7d', '30d']) {
      await dashboard.get(`period-${period}`).click();
      await dashboard.untilParameter('overview', period);
      const tile = dashboard.get('tile-connects');
      await until(`since the start, of ${period}`, async () =>
        /past [12] min( \d+ sec)?$/.test((await tile.innerText()).trim()),
      );
      // What the first bucket has before the time that is asked for is missed by nobody.
      assert.equal(await dashboard.get('overview-incomplete').count(), 0, period);
    }
  });
  await own.stop();
});
