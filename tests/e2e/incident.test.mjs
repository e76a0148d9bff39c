// Many clients are lost while somebody looks at the table: that is told there, with a way to those that are still away.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, violations, withPage } from './browser.mjs';
import { cleanUp, connectRaw, startServer, until } from './harness.mjs';

const idsOf = (type, count) =>
  Array.from({ length: count }, (_, at) => `d:acme01:${type}:t-${String(at).padStart(2, '0')}`);
const LOST = idsOf('thermo', 30);
const STAY = idsOf('pump', 30);

let browser;
let server;
let sockets;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  sockets = await Promise.all(LOST.map((id) => connectRaw(server, id)));
  await Promise.all(STAY.map((id) => connectRaw(server, id)));
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

// The table was full of green rows while forty thousand clients were away, and no word of it.
test('a mass disconnect is told above the table, leads to those that are still away, and can be put away', () =>
  withPage(browser, server, {}, async (dashboard) => {
    const { page } = dashboard;
    const alert = dashboard.get('alert');
    await dashboard.untilNumber('total', 60);
    assert.equal(await alert.count(), 0);
    for (const socket of sockets) socket.destroy();
    await alert.waitFor();
    await until('all are told', async () => /30 clients lost .*connection lost/s.test(await alert.innerText()));
    assert.match(await alert.innerText(), /30 still away/);
    assert.ok(await page.locator('.pages .lost').isVisible(), 'the tab of the overview has a mark');
    assert.deepEqual(await violations(page), []);
    await screenshot(page, 'alert-light');

    await alert.getByText('30 still away').click();
    await dashboard.untilIds(LOST);
    // Who comes back is not away.
    await Promise.all(LOST.slice(0, 10).map((id) => connectRaw(server, id)));
    await until('ten are back', async () => /20 still away/.test(await alert.innerText()));

    await dashboard.get('alert-hide').click();
    await alert.waitFor({ state: 'detached' });
    await page.reload();
    await page.locator('.pages .lost').waitFor();
    assert.equal(await alert.count(), 0, 'it stays put away');
    await dashboard.get('page-overview').click();
    assert.match(await dashboard.get('incidents').innerText(), /20 still away/);

    await Promise.all(LOST.slice(10).map((id) => connectRaw(server, id)));
    await dashboard.get('incident-back').waitFor();
    await page.locator('.pages .lost').waitFor({ state: 'hidden' });
  }));
