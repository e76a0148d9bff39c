// The parts of the page whose code comes after the first paint: that they come by themselves, and what is said if not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, withPage } from './browser.mjs';
import { attempt, cleanUp, register, startServer, until } from './harness.mjs';

const ID = 'd:acme01:pump:later';
const CODE = /\/later-.*\.wasm$/;

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  await attempt(server, ID, { ...register(server, ID), password: 'guessed' });
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

test('the code of all parts comes by itself, and then they open although the server has gone away', async () => {
  const own = await startServer();
  try {
    const allowed = /Failed to load resource|WebSocket|net::/;
    await withPage(browser, own, { allowed }, async (dashboard) => {
      const { page } = dashboard;
      await dashboard.untilLive();
      await until('the code has come', () =>
        page.evaluate(() =>
          performance.getEntriesByType('resource').some(({ name, responseEnd }) => /later-/.test(name) && responseEnd > 0),
        ),
      );
      await own.stop();
      await page.keyboard.press('?');
      await dashboard.get('popup').locator('dt, kbd, table').first().waitFor();
      assert.equal(await dashboard.get('part-missing').count(), 0);
    });
  } finally {
    await own.stop();
  }
});

test('a link to a client opens it before the rest of the page is at rest', () =>
  withPage(browser, server, { query: `?client=${encodeURIComponent(ID)}` }, (dashboard) =>
    dashboard.get('panel').getByText('later').first().waitFor(),
  ));

test('where the code cannot be had the page says so, goes on, and tries again when the part is opened again', async () => {
  const allowed = /Failed to load resource|Failed to fetch|net::|WebAssembly/;
  const query = `?client=${encodeURIComponent(ID)}`;
  await withPage(browser, server, { allowed }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await page.route(CODE, (route) => route.abort());
    await page.goto(server.url + query);
    await dashboard.get('part-missing').waitFor();
    assert.ok(await dashboard.get('reload').isVisible());
    await dashboard.untilLive();
    await page.unroute(CODE);
    await dashboard.get('close-client').click();
    await page.keyboard.press('?');
    await dashboard.get('popup').locator('dt, kbd, table').first().waitFor();
    assert.equal(await dashboard.get('part-missing').count(), 0);
  });
});
