// axe-core looks at the Clients page and at everything that opens over it, in both themes, on a desk and on a phone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESKTOP, launchBrowser, PHONE, screenshot, violations, withPage } from './browser.mjs';
import { cleanUp, connect, startServer, untilStatus } from './harness.mjs';

const LOST = 'd:acme01:thermo:lost';

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  await connect(server, 'd:acme01:pump:p-1');
  await (await connect(server, LOST)).lose();
  await untilStatus(server, LOST, 'disconnected');
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

for (const [size, viewport] of Object.entries({ desk: DESKTOP, phone: PHONE })) {
  for (const theme of ['light', 'dark']) {
    test(`axe finds nothing on a ${size} in ${theme}, whatever is open`, () =>
      withPage(browser, server, { viewport, theme, query: '?deviceType!=demo' }, async (dashboard) => {
        const { page } = dashboard;
        await dashboard.untilLive();
        await dashboard.untilIds(['d:acme01:pump:p-1', LOST]);
        await dashboard.row(LOST).locator('.c-check').click();
        const found = [];
        const look = async (name) => {
          found.push(...(await violations(page)).map((violation) => `${name}: ${violation}`));
          await screenshot(page, `axe-${name}-${size}-${theme}`);
        };
        await look('table');
        const names = ['filters', 'sort', 'views', 'export', ...(size === 'desk' ? ['columns', 'help'] : [])];
        for (const name of names) {
          await page.locator(`[data-opens="${name}"]`).click();
          await dashboard.get('popup').waitFor();
          await look(name);
          await dashboard.closePopup();
        }
        for (const field of ['deviceType', 'lastActivityTime', 'recentConnects', 'staleSince']) {
          await dashboard.filter(field);
          await look(field);
          await dashboard.closePopup();
        }
        assert.deepEqual(found, []);
      }));
  }
}
