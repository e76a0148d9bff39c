// What the page asks and shows while it opens, and what it asks for when the reader scrolls far.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, withPage } from './browser.mjs';
import { cleanUp, connect, startServer, temporaryFolder, until } from './harness.mjs';

const ID = 'd:acme01:pump:opening';
const STATES = /\/clientconnectionstates\?/;
/** More than are asked for at once. */
const DEMO = 3_000;

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  await connect(server, ID);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

test('who is not signed in sees the sign-in page after one question, which is refused', async () => {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const asked = [];
    const complaints = [];
    page.on('request', (request) => {
      const { pathname } = new URL(request.url());
      if (pathname.startsWith('/api/')) asked.push(pathname);
    });
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    await page.goto(server.url);
    await page.locator('.sign-in input').first().waitFor();
    assert.deepEqual(asked, ['/api/rollcall/v1/status']);
    assert.equal(complaints.length, 1, complaints.join('\n'));
    assert.match(complaints[0], /401/);
  } finally {
    await context.close();
  }
});

test('nothing is painted before there are rows, and when they take long the page says that it is waiting', () =>
  withPage(browser, server, {}, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilIds([ID]);
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await page.route(STATES, async (route) => {
      await held;
      await route.continue();
    });
    // Time stands still until it is told to go on.
    await page.clock.install();
    const asked = page.waitForRequest(STATES);
    await page.goto(server.url);
    await asked;
    await page.locator('#grid').waitFor({ state: 'attached' });
    assert.equal(await page.locator('#grid').isVisible(), false);
    await page.clock.runFor(1_000);
    await page.locator('#grid').waitFor();
    assert.deepEqual(await dashboard.ids(), []);
    release();
    await dashboard.untilIds([ID]);
  }));

test('rows that came into view are asked for although others that have left it are still on their way', async () => {
  const data = ['--data', temporaryFolder()];
  const own = await startServer({
    args: ['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', ...data, '--demo', `${DEMO}`],
  });
  try {
    await until('the demo is there', async () => {
      const { body } = await own.api('/clientconnectionstates?_limit=1');
      return body.meta.total_rows === DEMO;
    });
    await withPage(browser, own, {}, async (dashboard) => {
      const { page } = dashboard;
      await dashboard.untilNumber('total', DEMO);
      const skipped = (url) => Number(new URL(url).searchParams.get('_skip'));
      const isFirst = (url) => STATES.test(url.href) && skipped(url) > 900 && skipped(url) < 1_100;
      let release;
      const held = new Promise((resolve) => (release = resolve));
      await page.route(isFirst, async (route) => {
        await held;
        // It may have been given up.
        await route.continue().catch(() => {});
      });
      const scrollTo = (row) => page.locator('#grid').evaluate((grid, row) => (grid.scrollTop = row * 32), row);
      const asked = page.waitForRequest((request) => isFirst(new URL(request.url())));
      await scrollTo(1_000);
      await asked;
      await scrollTo(2_500);
      await page.locator('[data-testid="row"][aria-rowindex="2510"]').waitFor();
      release();
    });
  } finally {
    await own.stop();
  }
});

// It was a white page.
for (const [what, pattern] of [
  ['the program', '**/*_bg.wasm'],
  ['its script', '**/rollcall-*.js'],
]) {
  test(`when ${what} does not load, the page says what can be done`, () =>
    withPage(browser, server, { allowed: /ERR_FAILED|Failed to (fetch|load)/ }, async (dashboard) => {
      // A reload while the sign-in link is being used would lose it.
      await dashboard.untilLive();
      const { page } = dashboard;
      await page.route(pattern, (route) => route.abort());
      await page.reload();
      const told = page.getByText('Rollcall has not loaded');
      await told.waitFor();
      await page.unroute(pattern);
      await page.reload();
      await page.locator('[data-testid="row"]').first().waitFor();
      assert.equal(await told.count(), 0);
    }));
}

test('without scripts the page says that it needs them', () =>
  withPage(browser, server, { javaScriptEnabled: false }, async ({ page }) => {
    // What is looked for by its text is not found in there.
    await page.locator('noscript p').waitFor();
  }));

