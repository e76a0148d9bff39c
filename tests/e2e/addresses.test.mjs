// The filter on addresses: how it is typed, taken back, turned around, and what leads to it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, withPage } from './browser.mjs';
import { attempt, cleanUp, startServer, untilStatus } from './harness.mjs';

let server;
let browser;
const ID = 'd:acme01:thermo:near';

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  await attempt(server, ID);
  await untilStatus(server, ID, 'disconnected');
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

const clients = (query, body) =>
  withPage(browser, server, { query }, async (dashboard) => {
    await dashboard.untilLive();
    await body(dashboard);
  });

test('a network is typed as a filter, and what is none is told before it is asked for', () =>
  clients('', async (dashboard) => {
    await dashboard.filter('clientAddr');
    const field = dashboard.get('filter-type');
    await field.fill('10.0.7.0/33');
    await field.press('Enter');
    await dashboard.page.getByText('no address and no network').waitFor();
    await screenshot(dashboard.page, 'filter-address-bad-light');
    assert.equal(dashboard.parameters().get('clientAddr'), null);
    await field.fill(' 127.0.0.9/8 ');
    await field.press('Enter');
    await dashboard.untilParameter('clientAddr', '127.0.0.0/8');
    await dashboard.untilIds([ID]);
    await screenshot(dashboard.page, 'filter-address-light');
    await dashboard.get('filter-is-not').click();
    await dashboard.untilParameter('clientAddr!', '127.0.0.0/8');
    await dashboard.untilIds([]);
    await dashboard.closePopup();
    await dashboard.get('chip-clientAddr').click();
    await dashboard.get('filter-done').click();
    await dashboard.page.locator('.chip-remove').first().click();
    await dashboard.untilIds([ID]);
  }));

test('the address of a client leads to all clients at this address', () =>
  clients(`?client=${ID}&tab=details&full=1`, async (dashboard) => {
    await dashboard.get('panel').locator('[data-field="clientAddr"]').click();
    await dashboard.untilParameter('clientAddr', '127.0.0.1');
    await dashboard.untilIds([ID]);
  }));
