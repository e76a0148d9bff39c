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
      // The style for paper comes after the first rows.
      await until('all style is here', () =>
        page.evaluate(() => [...document.querySelectorAll('link[rel="stylesheet"]')].every(({ sheet }) => sheet)),
      );
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

/** Everything that opens over the clients page, and how wide it may have to be. */
const DIALOGS = ['filters', 'sort', 'columns', 'views', 'export', 'help'];

/** What scrolls within itself: on paper nobody scrolls. */
const cutOff = (dashboard, selector) =>
  dashboard.page.evaluate((selector) => {
    const all = [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
    const isCut = (element) =>
      getComputedStyle(element).overflowY !== 'visible' && element.scrollHeight > element.clientHeight + 1;
    return all.filter(isCut).map((element) => `${element.tagName}.${element.className}`);
  }, selector);

/** Whether a control can be told from what it lies on: a frame, a ground or an underline. */
const bareControls = (dashboard, within) =>
  dashboard.page.evaluate((within) => {
    const controls = [...document.querySelectorAll(`${within} :is(button.primary, input, progress)`)];
    const isBare = (element) => {
      const { borderTopStyle, borderTopColor, backgroundColor, appearance } = getComputedStyle(element);
      const ground = getComputedStyle(document.querySelector(within)).backgroundColor;
      const hasFrame = borderTopStyle !== 'none' && borderTopColor !== ground;
      return appearance === 'none' && !hasFrame && backgroundColor === ground;
    };
    return controls.filter((element) => element.checkVisibility() && isBare(element)).map((one) => one.outerHTML);
  }, within);

for (const theme of ['light', 'dark']) {
  test(`in forced ${theme} colours, dialogs have an edge and show what is chosen and where the focus is`, () =>
    withPage(browser, server, { theme, forcedColors: 'active' }, async (dashboard) => {
      await dashboard.untilLive();
      for (const name of DIALOGS) {
        await dashboard.page.locator(`[data-opens="${name}"]`).first().click();
        const popup = dashboard.get('popup');
        await popup.locator('button, input, kbd').nth(1).waitFor();
        const edge = await popup.evaluate((element) => {
          const { borderTopStyle, borderTopColor, backgroundColor } = getComputedStyle(element);
          return borderTopStyle === 'solid' && borderTopColor !== backgroundColor;
        });
        assert.ok(edge, `${name} has an edge`);
        assert.deepEqual(await bareControls(dashboard, '.popup'), [], name);
        for (const chosen of await popup.locator('.chosen').all())
          assert.equal(await chosen.evaluate((element) => getComputedStyle(element).outlineStyle), 'solid');
        await dashboard.page.keyboard.press('Tab');
        const focus = await dashboard.page.evaluate(() => {
          const { activeElement } = document;
          // From the last control of a dialog the focus goes to the browser's own.
          if (activeElement === document.body || activeElement.matches('dialog')) return true;
          const { outlineStyle, outlineWidth } = getComputedStyle(activeElement);
          return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
        });
        assert.ok(focus, `${name} shows where the focus is`);
        assert.deepEqual(await violations(dashboard.page), [], name);
        await screenshot(dashboard.page, `forced-dialog-${name}-${theme}`);
        await dashboard.closePopup();
      }
    }));

  test(`in forced ${theme} colours, the sign-in page shows its fields, its button and what is wrong`, () =>
    withPage(
      browser,
      server,
      { theme, forcedColors: 'active', allowed: /status of 401/ },
      async (dashboard) => {
        await dashboard.untilLive();
        await dashboard.page.context().clearCookies();
        await dashboard.page.reload();
        await dashboard.signIn({ key: 'a-acme01-nobody', token: 'wrong' });
        await dashboard.get('sign-in-error').waitFor();
        assert.deepEqual(await bareControls(dashboard, '.sign-in'), []);
        assert.deepEqual(await violations(dashboard.page), []);
        await screenshot(dashboard.page, `forced-sign-in-${theme}`);
      },
    ));
}

test('on paper, an open dialog is alone, light and whole', () =>
  withPage(browser, server, { theme: 'dark', viewport: { width: 900, height: 420 } }, async (dashboard) => {
    await dashboard.untilLive();
    for (const name of ['help', 'columns', 'export']) {
      await dashboard.page.keyboard.press({ help: '?', columns: 'c', export: 'e' }[name]);
      await dashboard.get('popup').locator('button, input, kbd').nth(1).waitFor();
      await dashboard.page.emulateMedia({ media: 'print' });
      assert.equal(await dashboard.get('grid').or(dashboard.page.locator('#grid')).first().isVisible(), false);
      assert.deepEqual(await cutOff(dashboard, '.popup, .popup *'), [], name);
      await screenshot(dashboard.page, `print-dialog-${name}`);
      const pdf = await dashboard.page.pdf({ preferCSSPageSize: true });
      assert.ok(pdf.toString('latin1').match(/\/Type\s*\/Page\b/g).length <= 2, name);
      await dashboard.page.emulateMedia({ media: null });
      await dashboard.closePopup();
    }
  }));

test('on paper, the sign-in page is light and whole', () =>
  withPage(
    browser,
    server,
    { theme: 'dark', viewport: { width: 900, height: 420 }, allowed: /status of 401/ },
    async (dashboard) => {
      await dashboard.untilLive();
      await dashboard.page.context().clearCookies();
      await dashboard.page.reload();
      await dashboard.get('sign-in-key').waitFor();
      await dashboard.page.emulateMedia({ media: 'print' });
      const paper = await dashboard.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      assert.ok(Math.min(...paper.match(/\d+/g).slice(0, 3).map(Number)) > 240, paper);
      assert.deepEqual(await cutOff(dashboard, 'body, .sign-in'), []);
      await screenshot(dashboard.page, 'print-sign-in');
    },
  ));
