// What stands beside the options of a filter: how many clients each would find. It is what the State API counts, among the
// clients that pass the other filters, and a click on the option finds that many.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, withPage } from './browser.mjs';
import { attempt, cleanUp, connect, importPast, startServer, until } from './harness.mjs';

/** How long ago the past clients came, left and were refused, in minutes: at least one for each span that is offered. */
const AGES = [4, 5, 6, 9, 11, 12, 13, 14, 45, 300, 310, 1_800, 4_000, 4_100, 12_000, 60_000];

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer({ data: importPast(past()) }), launchBrowser()]);
  await connect(server, 'd:acme01:pump:here');
  await attempt(server, 'a:acme01:refused', { user: 'nobody', password: 'guessed' });
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** States as the State API tells them: some are stale, some come and go, and three networks have them all. */
function past() {
  const ago = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();
  return AGES.map((age, at) => ({
    ...{ id: `d:acme01:${at % 3 === 0 ? 'pump' : 'thermo'}:t-${at}`, clientType: 'device', certainty: 'reported' },
    ...{ connectionStatus: 'disconnected', disconnectInitiator: 'network', mqttReasonCode: 128, closeCode: 91 },
    ...{ lastConnectTime: ago(2 * age), lastDisconnectTime: ago(age), lastActivityTime: ago(1.5 * age) },
    ...{ lastActivityEvent: 'mqttPublish', recentConnects: [0, 4, 7, 25][at % 4] },
    ...{ clientAddr: ['10.0.0.7', '10.0.0.8', '2001:db8::1', '10.0.0.7'][at % 4] },
    ...(at % 2 === 0 ? { lastRefusedTime: ago(3 * age) } : {}),
    ...(at % 5 === 0 ? { staleSince: ago(age / 2) } : {}),
  }));
}

const encoded = (pairs) => new URLSearchParams(pairs).toString();

/** How many clients pass the other filters and this one, by the State API. */
async function counted(others, filter) {
  const query = encoded([['_limit', '1'], ...others, ['_count', filter.join('=')]]);
  const { body } = await server.api(`/clientconnectionstates?${query}`);
  return Object.values(body.meta.counts)[0];
}

/** How many clients pass these filters, by the State API. */
async function found(filters) {
  const { body } = await server.api(`/clientconnectionstates?${encoded([['_limit', '1'], ...filters])}`);
  return body.meta.total_rows;
}

const OTHERS = { 'with no other filter': [], 'beside another filter': [['deviceType', 'thermo']] };
const journey = (others, body) =>
  withPage(browser, server, { query: `?${encoded(others)}` }, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.get('row').first().waitFor();
    await body(dashboard);
  });

const countOf = (option) => option.locator('.preset-count, .option-more');

/** Requires of each option that its count is that of the API; answers with the counts. `filterOf` tells the filter of one. */
async function checkCounts(options, others, filterOf) {
  const counts = [];
  for (const option of await options.all()) {
    const filter = await filterOf(option);
    const what = `${filter.join('=')} is counted`;
    // A minute that passes may make one less of it.
    counts.push(
      await until(what, async () => {
        const [shown, told] = [await countOf(option).innerText(), String(await counted(others, filter))];
        return shown === told && shown;
      }),
    );
  }
  return counts.map(Number);
}

for (const [how, others] of Object.entries(OTHERS)) {
  for (const [field, after, before, spans] of [
    ['lastConnectTime', 'connectedAfter', 'connectedBefore', 12],
    ['lastDisconnectTime', 'disconnectedAfter', 'disconnectedBefore', 12],
    ['lastActivityTime', 'activeAfter', 'activeBefore', 12],
    // Who was not refused since then is no filter of the API.
    ['lastRefusedTime', 'refusedAfter', null, 6],
  ]) {
    test(`${how}, each span of ${field} says how many clients it finds, and finds them`, () =>
      journey(others, async (dashboard) => {
        await dashboard.filter(field);
        const presets = dashboard.get('popup').locator('[data-preset]');
        const options = presets.and(dashboard.page.locator('[data-preset*="now-"]'));
        await options.first().waitFor();
        assert.equal(await options.count(), spans);
        const [any, all] = [presets.and(dashboard.page.locator('[data-preset="any"]')), await found(others)];
        await until('any time finds all', async () => (await countOf(any).innerText()) === String(all));
        const counts = await checkCounts(options, others, async (option) => {
          const preset = await option.getAttribute('data-preset');
          return preset.startsWith('before ') ? [before, preset.replace('before ', '')] : [after, preset];
        });
        // The longer the span, the more came in it, and the fewer have not come since.
        const [within, notSince] = [counts.slice(0, 6), counts.slice(6)];
        const inOrder = (numbers) => [...numbers].sort((a, b) => a - b);
        assert.deepEqual(within, inOrder(within));
        assert.deepEqual(notSince, inOrder(notSince).reverse());
        assert.ok(new Set(within).size >= 3, `the spans tell different numbers: ${counts}`);
        await screenshot(dashboard.page, `options-${field}-light`);
        for (const at of [1, 3]) {
          const [preset, text] = [await options.nth(at).getAttribute('data-preset'), await countOf(options.nth(at)).innerText()];
          await options.nth(at).click();
          await dashboard.untilParameter(after, preset);
          await dashboard.untilNumber('total', Number(text));
          // Chosen, it is counted as if it were not.
          await dashboard.filter(field);
          await until(`${preset} still says ${text}`, async () => (await countOf(options.nth(at)).innerText()) === text);
          assert.equal(await countOf(any).innerText(), String(all));
        }
      }));
  }

  test(`${how}, a least number of connects says how many clients it finds, and finds them`, () =>
    journey(others, async (dashboard) => {
      await dashboard.filter('recentConnects');
      const numbers = dashboard.get('popup').locator('[data-preset]');
      await numbers.first().waitFor();
      const counts = await checkCounts(numbers, others, async (option) => [
        'minRecentConnects',
        (await option.getAttribute('data-preset')).replace('least-', ''),
      ]);
      assert.ok(new Set(counts).size === 3, `the numbers differ: ${counts}`);
      await numbers.nth(1).click();
      await dashboard.untilParameter('minRecentConnects', '6');
      await dashboard.untilNumber('total', counts[1]);
    }));

  test(`${how}, stale and not stale say how many clients there are of each, and find them`, () =>
    journey(others, async (dashboard) => {
      await dashboard.filter('staleSince');
      const option = (name) => dashboard.page.locator('.option').filter({ has: dashboard.get(`stale-${name}`) });
      const untilCount = (name, count) =>
        until(`${name} is ${count}`, async () => (await countOf(option(name)).innerText()) === String(count));
      const [all, stale] = [await found(others), await found([...others, ['stale', 'true']])];
      assert.ok(stale > 0 && stale < all, `${stale} of ${all}`);
      for (let time = 0; time < 2; time++) {
        await untilCount('any', all);
        await untilCount('true', stale);
        await untilCount('false', all - stale);
        await dashboard.get('stale-true').check();
        await dashboard.untilParameter('stale', 'true');
        await dashboard.untilNumber('total', stale);
      }
    }));

  test(`${how}, the addresses that there are are offered with how many clients each has, and a network can be typed`, () =>
    journey(others, async (dashboard) => {
      const facets = encoded([['_limit', '1'], ...others, ['_facets', 'clientAddr']]);
      const { clientAddr } = (await server.api(`/clientconnectionstates?${facets}`)).body.meta.facets;
      await dashboard.filter('clientAddr');
      const offered = () =>
        dashboard
          .get('popup')
          .locator('.option')
          .evaluateAll((all) =>
            all.map((option) => [
              option.querySelector('input').dataset.testid.replace('option-', ''),
              option.querySelector('.option-more').innerText,
            ]),
          );
      const expected = Object.entries(clientAddr).map(([addr, count]) => [addr, String(count)]);
      assert.ok(expected.length >= 3, JSON.stringify(clientAddr));
      const inOrder = (pairs) => JSON.stringify(pairs.sort());
      await until('the addresses are offered', async () => inOrder(await offered()) === inOrder(expected));
      await dashboard.get('option-10.0.0.7').check();
      await dashboard.untilNumber('total', clientAddr['10.0.0.7']);

      await dashboard.get('option-10.0.0.7').uncheck();
      await dashboard.get('filter-type').fill('10.0.0.0/24');
      await dashboard.page.keyboard.press('Enter');
      await dashboard.untilParameter('clientAddr', '10.0.0.0/24');
      const network = await counted(others, ['clientAddr', '10.0.0.0/24']);
      assert.equal(network, clientAddr['10.0.0.7'] + clientAddr['10.0.0.8']);
      await dashboard.untilNumber('total', network);
      await until('the network is an option with its count', async () =>
        (await offered()).some(([addr, count]) => addr === '10.0.0.0/24' && count === String(network)),
      );
      await screenshot(dashboard.page, 'options-addresses-light');
    }));
}
