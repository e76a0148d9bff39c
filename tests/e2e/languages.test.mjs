// The page in each of its languages: it follows the browser, can be changed, is remembered, and fits a phone.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { launchBrowser, PHONE, screenshot, withPage } from './browser.mjs';
import { attempt, cleanUp, connect, register, startServer, until, untilStatus } from './harness.mjs';

const LOCALES = { en: 'en-US', es: 'es-ES', 'pt-BR': 'pt-BR', fr: 'fr-FR', ja: 'ja-JP', ko: 'ko-KR' };
const ID = 'd:acme01:thermo:lost-1';

const catalogue = (language) =>
  JSON.parse(readFileSync(new URL(`../../locales/${language}.json`, import.meta.url), 'utf8'));

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  const login = register(server, ID);
  const lost = await connect(server, ID, login);
  await attempt(server, ID, { ...login, password: 'guessed' });
  await lost.lose();
  await untilStatus(server, ID, 'disconnected');
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

const untilLanguage = (page, language) =>
  until(`the page is in ${language}`, () =>
    page.evaluate((wanted) => document.documentElement.lang === wanted, language),
  );

/** Controls and headings whose text is cut off without saying so. */
const clipped = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('button, a, label, h1, h2, h3, option, summary, [role=tab]')]
      .filter((element) => element.checkVisibility())
      .filter((element) => {
        const style = getComputedStyle(element);
        const isCut = element.scrollWidth > element.clientWidth + 1 && style.overflowX !== 'visible';
        return isCut && style.textOverflow !== 'ellipsis' && element.clientWidth > 1;
      })
      .map((element) => `${element.tagName} ${element.className}: ${element.textContent}`),
  );

for (const [language, locale] of Object.entries(LOCALES)) {
  test(`in ${language}, the page follows the browser and fits a phone, table, menus and client`, () =>
    withPage(browser, server, { locale, viewport: PHONE }, async (dashboard) => {
      const { page } = dashboard;
      await untilLanguage(page, language);
      await dashboard.untilRow(ID, { status: 'disconnected' });
      const texts = catalogue(language);
      await page.getByText(texts.status_connected, { exact: true }).first().waitFor();
      const looks = async (name) => {
        assert.deepEqual(await dashboard.widerThanScreen(), [], name);
        assert.deepEqual(await clipped(page), [], name);
        await screenshot(page, `${name}-phone-${language}`);
      };
      const brand = await page.locator('.brand').boundingBox();
      assert.ok(brand.y >= 4, `the title touches the edge: ${brand.y} px`);
      await looks('table');
      await page.locator('[data-opens="filters"]').click();
      await dashboard.get('popup').waitFor();
      await looks('filters');
      await dashboard.closePopup();
      await dashboard.open(ID);
      await dashboard.entries('disconnect').first().waitFor();
      await looks('client');
    }));
}

// Japanese has no blanks: where words are kept whole, lines end at the next comma.
test('Japanese sentences fill their lines', () =>
  withPage(browser, server, { locale: LOCALES.ja }, async (dashboard) => {
    await untilLanguage(dashboard.page, 'ja');
    await dashboard.open(ID);
    const sentence = dashboard.get('why').locator('p').first();
    const filled = await sentence.evaluate((element) => {
      const range = document.createRange();
      range.selectNodeContents(element);
      const widths = new Map();
      for (const { top, width } of range.getClientRects()) widths.set(top, (widths.get(top) ?? 0) + width);
      return [...widths.values()].slice(0, -1).map((width) => width / element.clientWidth);
    });
    assert.ok(filled.length > 0, 'it has several lines');
    assert.ok(filled.every((part) => part > 0.7), filled.join(' '));
  }));

test('a language that was chosen is remembered, and the time zone is the reader\u2019s', () =>
  withPage(browser, server, { locale: 'en-GB' }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilRow(ID, { status: 'disconnected' });
    await untilLanguage(page, 'en');
    await page.locator('select.language').selectOption('ja');
    await untilLanguage(page, 'ja');
    const title = catalogue('ja').field_last_disconnect;
    await page.getByText(title, { exact: true }).first().waitFor();
    await screenshot(page, 'table-desk-ja');
    await page.reload();
    await untilLanguage(page, 'ja');
    await page.getByText(title, { exact: true }).first().waitFor();
  }));

// The choice said one language and the page another.
test('a language that cannot be fetched is not shown as chosen', () =>
  withPage(browser, server, { locale: 'en-GB', allowed: /ERR_FAILED/ }, async ({ page }) => {
    await untilLanguage(page, 'en');
    await page.route('**/locales/fr.json', (route) => route.abort());
    const choice = page.locator('select.language');
    await choice.selectOption('fr');
    await until('English is chosen again', async () => (await choice.inputValue()) === 'en');
    await page.unroute('**/locales/fr.json');
    await choice.selectOption('fr');
    await untilLanguage(page, 'fr');
  }));
