// A phone has little room: most of it is for the rows, and what is pressed is large enough for a finger.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, PHONE, screenshot, withPage } from './browser.mjs';
import { cleanUp, connect, startServer, untilStatus } from './harness.mjs';

let server;
let browser;
const IDS = Array.from({ length: 14 }, (_, at) => `d:acme01:thermo:pocket-${String(at).padStart(2, '0')}`);

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  for (const id of IDS) await connect(server, id);
  await (await connect(server, 'd:acme01:pump:gone')).lose();
  await untilStatus(server, 'd:acme01:pump:gone', 'disconnected');
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** What can be pressed and is lower or narrower than so many pixels. */
const small = (page, leastPx) =>
  page.evaluate((leastPx) => {
    const targets = document.querySelectorAll(':is(.top, .summary, .filters, .bottom) :is(a, button, input, select)');
    return [...targets]
      .filter((target) => target.checkVisibility())
      .map((target) => [target.dataset.testid ?? target.className, target.getBoundingClientRect()])
      .filter(([, { width, height }]) => width < leastPx || height < leastPx)
      .map(([name, { width, height }]) => `${name}: ${Math.round(width)} x ${Math.round(height)}`);
  }, leastPx);

/** Texts above the rows of which a part is not shown. */
const cut = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll(':is(.top, .summary, .filters) :is(a, button, .indicator, .word)')]
      .filter((part) => part.checkVisibility() && part.scrollWidth > part.clientWidth + 1)
      .map((part) => `${part.className || part.dataset.testid}: ${part.innerText}`),
  );

for (const locale of ['en-US', 'es-ES', 'fr-FR', 'ja-JP', 'ko-KR', 'pt-BR']) {
  test(`in ${locale} four fifths of a phone are for the rows, and all that is above them can be pressed and read`, () =>
    withPage(browser, server, { viewport: PHONE, hasTouch: true, isMobile: true, locale }, async (dashboard) => {
      const { page } = dashboard;
      await dashboard.untilLive();
      await dashboard.row(IDS[0]).waitFor();
      await screenshot(page, `pocket-${locale}${locale === 'en-US' ? '-light' : ''}`);
      const { y } = await dashboard.get('row').first().boundingBox();
      assert.ok(y <= PHONE.height / 5, `the first row begins at ${y} px of ${PHONE.height}`);
      for (const part of ['status-connected', 'status-disconnected', 'status-stale', 'search', 'account'])
        assert.ok(await dashboard.get(part).isVisible(), part);
      assert.deepEqual(await small(page, 32), []);
      assert.deepEqual(await cut(page), []);
      assert.deepEqual(await dashboard.widerThanScreen(), []);

      // The search says what it is, and takes a word.
      const search = dashboard.get('search');
      assert.ok((await search.boundingBox()).width >= 110);
      await dashboard.filterStatus('disconnected');
      await dashboard.untilIds(['d:acme01:pump:gone']);
      await dashboard.row('d:acme01:pump:gone').waitFor();
      await screenshot(page, `pocket-filtered-${locale}`);
      assert.ok((await dashboard.get('row').first().boundingBox()).y <= PHONE.height / 4);
    }));
}

for (const [size, viewport] of Object.entries({ desk: { width: 1440, height: 900 }, phone: PHONE })) {
  // It was the name on the button, and the role below it.
  test(`who came by a link and has no name is told once on a ${size} to be an administrator`, () =>
    withPage(browser, server, { viewport }, async (dashboard) => {
      const { page } = dashboard;
      await dashboard.untilLive();
      await dashboard.get('account').click();
      await dashboard.get('sign-out').waitFor();
      await screenshot(page, `account-once-${size}-light`);
      const said = (await page.locator('.account').innerText()).match(/administrator/g);
      assert.deepEqual(said, ['administrator']);
    }));
}

test('a link to the whole table is its address and nothing more', () =>
  withPage(browser, server, { permissions: ['clipboard-read', 'clipboard-write'] }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    const addresses = async () => {
      await page.keyboard.press('v');
      await dashboard.get('copy-link').click();
      await dashboard.get('copy-link').filter({ hasText: 'Copied' }).waitFor();
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      await dashboard.closePopup();
      return [copied, await dashboard.get('page-clients').evaluate((link) => link.href)];
    };
    assert.deepEqual(await addresses(), [server.url, server.url]);
    await dashboard.filterStatus('disconnected');
    await dashboard.untilIds(['d:acme01:pump:gone']);
    const filtered = `${server.url}?connectionStatus=disconnected`;
    assert.deepEqual(await addresses(), [filtered, filtered]);
    // The count that is chosen leads back to all.
    assert.equal(await dashboard.get('status-disconnected').evaluate((link) => link.href), server.url);
    await page.goto(filtered);
    await dashboard.untilIds(['d:acme01:pump:gone']);
    await page.goto(await dashboard.get('status-disconnected').evaluate((link) => link.href));
    await dashboard.untilIds([...IDS, 'd:acme01:pump:gone']);
  }));
