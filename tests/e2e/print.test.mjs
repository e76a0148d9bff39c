// The table on paper: what an administrator filtered and not what happens to be on screen, up to a thousand rows, with
// how many of how many and by which filters.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, withPage } from './browser.mjs';
import { cleanUp, run, startServer, temporaryFolder, until } from './harness.mjs';

const [THERMOS, PUMPS] = [1_200, 300];

let server;
let browser;

before(async () => {
  const data = temporaryFolder();
  const names = (type, count) =>
    Array.from({ length: count }, (_, at) => `d:acme01:${type}:p-${String(at).padStart(4, '0')}`);
  const line = (id, at) =>
    JSON.stringify({
      ...{ Action: 'Disconnect', Time: new Date(Date.UTC(2026, 0, 2, 12, 0, at)).toISOString() },
      ...{ ConnectTime: '2026-01-02T10:00:00.000Z', ClientAddr: '10.0.0.7', ClientID: id, Port: 40_000 + at },
      ...{ Secure: false, Protocol: 'mqtt4', CloseCode: 91, Reason: 'closed' },
    });
  const file = path.join(data, 'fleet.ndjson');
  writeFileSync(file, [...names('thermo', THERMOS), ...names('pump', PUMPS)].map(line).join('\n') + '\n');
  assert.equal(run(['import', '--data', data, '--org', 'acme01', file]).status, 0);
  [server, browser] = await Promise.all([startServer({ data }), launchBrowser()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** In front of a printer that prints nothing and counts: what lies on paper stays to be looked at. */
const printing = (query, body) =>
  withPage(browser, server, { query }, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.page.evaluate(() => {
      globalThis.printed = 0;
      window.print = () => (globalThis.printed += 1);
    });
    // What prints comes with all that the first rows do not need, and so do dialogs.
    await dashboard.page.keyboard.press('e');
    await dashboard.get('export-start').waitFor();
    await dashboard.closePopup();
    await body(dashboard);
  });

const untilPrinted = (dashboard, times) =>
  until('it is printed', async () => (await dashboard.page.evaluate(() => globalThis.printed)) === times);

/** The first cells of the rows on paper. */
const idsOnPaper = (dashboard) =>
  dashboard
    .get('on-paper')
    .locator('tbody')
    .evaluate((body) => [...body.rows].map((row) => [...row.cells].find((cell) => /^d:/.test(cell.innerText)).innerText));

const listed = async (query) => (await server.api(`/clientconnectionstates?${query}`)).body.results.map(({ id }) => id);

test('the print key prints the filtered rows in their order, up to a thousand, and says how many of how many', () =>
  printing('?deviceType=thermo&_sort=-lastDisconnectTime', async (dashboard) => {
    await dashboard.untilNumber('total', THERMOS);
    await dashboard.page.keyboard.press('Control+p');
    await untilPrinted(dashboard, 1);
    const paper = dashboard.get('on-paper');
    assert.equal(await paper.isVisible(), false, 'the screen does not show it');
    await dashboard.page.emulateMedia({ media: 'print' });
    assert.equal(await paper.isVisible(), true);
    assert.equal(await dashboard.page.locator('#grid').isVisible(), false);
    const text = await paper.innerText();
    assert.match(text, /Rows 1 to 1,000 of 1,200/);
    assert.match(text, /Type: thermo/);
    assert.match(text, /Last disconnect ▼/);
    assert.doesNotMatch(text, /ago/);
    const expected = await listed('deviceType=thermo&_sort=-lastDisconnectTime&_limit=1000');
    assert.deepEqual(await idsOnPaper(dashboard), expected);
    await screenshot(dashboard.page, 'print-rows');
    // The next one is of what is filtered then.
    await dashboard.page.emulateMedia({ media: null });
    await dashboard.search('thermo:p-00');
    await dashboard.untilNumber('total', 100);
    await dashboard.page.keyboard.press('Escape');
    await dashboard.page.keyboard.press('Control+p');
    await untilPrinted(dashboard, 2);
    assert.equal(await paper.count(), 1);
    assert.match(await paper.textContent(), /Rows 1 to 100 of 100/);
  }));

test('the dialog of exports has a button that prints, and what the browser prints has many pages', () =>
  printing('?deviceType=pump', async (dashboard) => {
    await dashboard.untilNumber('total', PUMPS);
    await dashboard.page.keyboard.press('e');
    await dashboard.get('print').click();
    await untilPrinted(dashboard, 1);
    assert.deepEqual(await idsOnPaper(dashboard), await listed('deviceType=pump&_limit=1000'));
    const pdf = await dashboard.page.pdf({ preferCSSPageSize: true });
    const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g).length;
    assert.ok(pages >= 4 && pages <= 20, `${pages} pages`);
    await dashboard.get('on-paper').waitFor({ state: 'detached' });
  }));

test('without the key, from the menu of the browser, paper has the rows that the page holds and says which', () =>
  printing('?deviceType=thermo', async (dashboard) => {
    await dashboard.untilNumber('total', THERMOS);
    await until('the code for it is there', async () => {
      await dashboard.page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
      return (await dashboard.get('on-paper').count()) === 1;
    });
    const ids = await idsOnPaper(dashboard);
    assert.ok(ids.length >= 20);
    assert.deepEqual(ids, await listed(`deviceType=thermo&_limit=${ids.length}`));
    assert.match(await dashboard.get('on-paper').textContent(), new RegExp(`Rows 1 to ${ids.length} of 1,200`));
    await dashboard.page.evaluate(() => window.dispatchEvent(new Event('afterprint')));
    assert.equal(await dashboard.get('on-paper').count(), 0);
  }));
