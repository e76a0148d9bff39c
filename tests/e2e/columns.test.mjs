// The columns as they are when nobody has changed them: no word that a cell or a head can say is cut off, in no language,
// nor one that is 40 % longer than the longest of English, as German is.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, withPage } from './browser.mjs';
import { cleanUp, connect, startServer, until, untilStatus } from './harness.mjs';

const LOCALES = { en: 'en-US', es: 'es-ES', 'pt-BR': 'pt-BR', fr: 'fr-FR', ja: 'ja-JP', ko: 'ko-KR' };
const ID = 'd:acme01:thermo:lost-1';
/** Whose words come from a closed list, and how their keys begin. */
const WORDS = {
  connectionStatus: /^status_(?:connected|disconnected|unknown)$/,
  disconnectInitiator: /^initiator_/,
  lastActivityEvent: /^activity_/,
  clientType: /^client_type_/,
  certainty: /^certainty_/,
  secure: /^(?:yes|no)$/,
};
/** Every column, as a link chooses them. */
const COLUMNS = [
  ...['connectionStatus', 'id', 'deviceType', 'lastConnectTime', 'lastDisconnectTime', 'lastActivityTime'],
  ...['lastActivityEvent', 'disconnectInitiator', 'mqttReasonCode', 'clientType', 'deviceId', 'clientAddr'],
  ...[
    'mqttConnectProtocol',
    'secure',
    'recentConnects',
    'lastRefusedTime',
    'closeCode',
    'reason',
    'certainty',
  ],
  'staleSince',
];

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  await (await connect(server, ID)).lose();
  await untilStatus(server, ID, 'disconnected');
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

const catalogue = (language) =>
  JSON.parse(readFileSync(new URL(`../../locales/${language}.json`, import.meta.url), 'utf8'));

/** The words of each of these columns that do not fit into its cell. */
const cut = (dashboard, words) =>
  dashboard.row(ID).evaluate((row, words) => {
    const found = [];
    for (const [field, texts] of Object.entries(words)) {
      const cell = row.querySelector(`.c-${field}`);
      const part = cell.querySelector('.word, .text');
      const before = part.textContent;
      for (const text of texts) {
        part.textContent = text;
        const fits = [cell, part].every((one) => one.scrollWidth <= one.clientWidth || one.clientWidth === 0);
        if (!fits) found.push(`${field}: ${text}`);
      }
      part.textContent = before;
    }
    return found;
  }, words);

for (const [language, locale] of Object.entries(LOCALES)) {
  test(`in ${language}, no word is cut off in a column that nobody changed`, () => {
    const viewport = { width: 2560, height: 900 };
    return withPage(
      browser,
      server,
      { locale, viewport, query: `?columns=${COLUMNS}` },
      async (dashboard) => {
        await dashboard.untilRow(ID, { status: 'disconnected' });
        await until(`the page is in ${language}`, () =>
          dashboard.page.evaluate((wanted) => document.documentElement.lang === wanted, language),
        );
        const texts = Object.entries(catalogue(language));
        const words = Object.fromEntries(
          Object.entries(WORDS).map(([field, keys]) => [
            field,
            texts.filter(([key]) => keys.test(key)).map(([, text]) => text),
          ]),
        );
        const cells = await cut(dashboard, words);
        const heads = await dashboard.page
          .locator('.head .name')
          .evaluateAll((names) =>
            names
              .filter((name) => name.scrollWidth > name.clientWidth || name.scrollHeight > name.clientHeight)
              .map((name) => name.textContent),
          );
        const times = await dashboard
          .row(ID)
          .locator('.c-time')
          .evaluateAll((cells) =>
            cells.filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.innerText),
          );
        assert.deepEqual({ cells, heads, times }, { cells: [], heads: [], times: [] });
        await screenshot(dashboard.page, `columns-${language}`);
      },
    );
  });
}

test('words as long as German ones fit into the columns that are shown unasked', () =>
  withPage(browser, server, {}, async (dashboard) => {
    await dashboard.untilRow(ID, { status: 'disconnected' });
    const german = {
      connectionStatus: ['verbunden', 'nicht verbunden', 'unbekannt'],
      lastActivityEvent: ['Verbindung', 'Abonnement', 'Abbestellung', 'Veröffentlichung'],
      disconnectInitiator: ['Client', 'Server', 'Netzwerk'],
    };
    assert.deepEqual(await cut(dashboard, german), []);
  }));
