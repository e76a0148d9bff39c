// Every page in the system's own colours (forced colours) and on paper: shapes and choices can still be told, nothing is
// cut off that can be read by scrolling on a screen, and paper is light.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, violations, withPage } from './browser.mjs';
import { attempt, cleanUp, connect, register, startServer, until, untilStatus } from './harness.mjs';

const LOST = 'd:acme01:thermo:lost';
const PUMP = 'd:acme01:pump:p-1';

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  const logins = Object.fromEntries([LOST, PUMP].map((id) => [id, register(server, id)]));
  for (let n = 0; n < 12; n++) {
    await (await connect(server, LOST, logins[LOST])).lose();
    await untilStatus(server, LOST, 'disconnected');
  }
  await attempt(server, LOST, { ...logins[LOST], password: 'guessed' });
  await connect(server, PUMP, logins[PUMP]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** The pages: how each is opened, and what shows that it is there. */
const PAGES = {
  clients: ['', async (dashboard) => dashboard.row(LOST).waitFor()],
  client: [
    `?client=${LOST}&full=1`,
    async (dashboard) => {
      await dashboard.entries('failedConnect').first().waitFor();
      await until(
        'the time line is drawn',
        async () => (await dashboard.get('timeline').locator('path.bar').count()) > 0,
      );
    },
  ],
  overview: [
    '?overview=1h',
    async (dashboard) => dashboard.get('chart-ended').locator('.plot a').first().waitFor(),
  ],
};

/** Of each kind of shape on the page, whether anything of it can be seen on the page's own ground. */
const shapes = (dashboard) =>
  dashboard.page.evaluate(() => {
    const ground = getComputedStyle(document.body).backgroundColor;
    const isSeen = (element) => {
      const style = getComputedStyle(element);
      const { backgroundColor, backgroundImage, borderTopStyle, borderTopColor } = style;
      const isFilled = ![ground, 'rgba(0, 0, 0, 0)', 'transparent'].includes(backgroundColor);
      return (
        isFilled || backgroundImage !== 'none' || (borderTopStyle !== 'none' && borderTopColor !== ground)
      );
    };
    const all = [...document.querySelectorAll('.mark, .lamp')].filter((element) => element.checkVisibility());
    return Object.fromEntries(all.map((element) => [element.className, isSeen(element)]));
  });

for (const [name, [query, untilThere]] of Object.entries(PAGES)) {
  for (const theme of ['light', 'dark']) {
    test(`in forced ${theme} colours, the ${name} page shows its shapes and what is chosen`, () =>
      withPage(browser, server, { query, theme, forcedColors: 'active' }, async (dashboard) => {
        await dashboard.untilLive();
        await untilThere(dashboard);
        const seen = await shapes(dashboard);
        assert.ok(Object.keys(seen).length > 0);
        assert.deepEqual(
          Object.entries(seen).filter(([, is]) => !is),
          [],
        );
        const chosen = dashboard.page.locator('.pages a[aria-current]');
        assert.equal(await chosen.evaluate((link) => getComputedStyle(link).outlineStyle), 'solid');
        if (name === 'clients') {
          await dashboard.filterStatus('disconnected');
          const count = dashboard.get('status-disconnected');
          await until('what is chosen has a frame', async () =>
            count.evaluate((link) => getComputedStyle(link).outlineStyle === 'solid'),
          );
        }
        assert.deepEqual(await violations(dashboard.page), []);
        await screenshot(dashboard.page, `forced-${name}-${theme}`);
      }));
  }

  test(`on paper, the ${name} page is light, whole and without what can only be clicked`, () =>
    withPage(browser, server, { query, theme: 'dark' }, async (dashboard) => {
      await dashboard.untilLive();
      await untilThere(dashboard);
      const { page } = dashboard;
      await page.emulateMedia({ media: 'print' });
      const [paper, ink] = await page.evaluate(() => {
        const { backgroundColor, color } = getComputedStyle(document.body);
        return [backgroundColor, color].map((text) => Math.max(...text.match(/\d+/g).map(Number)));
      });
      assert.ok(paper > 240 && ink < 60, `${paper} ${ink}`);
      const buttons = page.locator('.top button, .panel header button, .bottom button');
      for (const button of await buttons.all()) assert.equal(await button.isVisible(), false);
      const cut = await page.evaluate(() =>
        [...document.querySelectorAll('.panel-body, .overview, body')]
          .filter((element) => !element.matches('body') || document.querySelector('.panel, .overview'))
          .filter((element) => {
            const isOpen = getComputedStyle(element).overflowY === 'visible';
            return !isOpen && element.scrollHeight > element.clientHeight + 1;
          })
          .map((element) => element.className || element.tagName),
      );
      assert.deepEqual(cut, []);
      await screenshot(page, `print-${name}`);
      const pdf = await page.pdf({ preferCSSPageSize: true });
      if (process.env.ROLLCALL_SCREENSHOTS) {
        mkdirSync(process.env.ROLLCALL_SCREENSHOTS, { recursive: true });
        writeFileSync(path.join(process.env.ROLLCALL_SCREENSHOTS, `print-${name}.pdf`), pdf);
      }
      const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g).length;
      assert.ok(pages >= 1 && pages <= 4, `${pages} pages`);
    }));
}
