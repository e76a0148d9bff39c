// The overview on every size of screen, in both themes: axe-core finds nothing, nothing scrolls sideways, nothing jumps.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, violations, withPage } from './browser.mjs';
import {
  attempt,
  cleanUp,
  connect,
  connectRaw,
  register,
  startServer,
  until,
  untilStatus,
} from './harness.mjs';

const SIZES = { 390: 844, 768: 1024, 1440: 900, 2560: 1300 };

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  const id = (name) => `d:acme01:thermo:${name}`;
  const ids = ['p-1', 'left', 'lost-in-a-tunnel-somewhere-between-two-cities'].map(id);
  const logins = Object.fromEntries(ids.map((id) => [id, register(server, id)]));
  for (let time = 0; time < 3; time++) {
    for (const id of ids) {
      const client = await connect(server, id, logins[id]);
      await (id === ids[1] ? client.goodbye() : client.lose());
      await untilStatus(server, id, 'disconnected');
    }
  }
  await connect(server, ids[0], logins[ids[0]]);
  for (let time = 0; time < 3; time++)
    await attempt(server, ids[1], { ...logins[ids[1]], password: 'guessed' });
  await connectRaw(server, id('silent'), { keepAlive: 1, ...register(server, id('silent')) });
  await untilStatus(server, id('silent'), 'disconnected');
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** All of it, however long. */
async function picture(dashboard, name, viewport) {
  const height = await dashboard.get('overview').evaluate((main) => main.scrollHeight);
  await dashboard.page.setViewportSize({ width: viewport.width, height: height + 120 });
  await screenshot(dashboard.page, name);
  await dashboard.page.setViewportSize(viewport);
}

for (const [width, height] of Object.entries(SIZES)) {
  for (const theme of ['light', 'dark']) {
    test(`at ${width} px in ${theme}, axe finds nothing and nothing scrolls sideways`, () => {
      const viewport = { width: Number(width), height };
      return withPage(browser, server, { viewport, theme, query: '?overview=1h' }, async (dashboard) => {
        await dashboard.untilLive();
        await dashboard.get('chart-ended').locator('.plot a').first().waitFor();
        await dashboard.get('list-silent').locator('li a').first().waitFor();
        assert.deepEqual(await dashboard.widerThanScreen(), []);
        assert.deepEqual(await violations(dashboard.page), []);
        await picture(dashboard, `overview-${width}-${theme}`, viewport);
        for (const chart of ['chart-connected', 'chart-flow', 'chart-ended']) {
          await dashboard.get(chart).getByTestId('toggle-table').click();
        }
        assert.deepEqual(await dashboard.widerThanScreen(), []);
        assert.deepEqual(await violations(dashboard.page), [], 'with the tables');
        if (theme === 'light') await picture(dashboard, `overview-tables-${width}`, viewport);
      });
    });
  }
}

test('every period has its charts, and what comes later moves nothing that is there', () =>
  withPage(browser, server, {}, async (dashboard) => {
    const { page } = dashboard;
    await page.evaluate(() => {
      globalThis.shift = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shift += entry.value;
      }).observe({ type: 'layout-shift', buffered: true });
    });
    for (const [period, step] of [
      ['24h', /30 min/],
      ['7d', /3 hr/],
      ['30d', /12 hr/],
      ['1h', /1 min/],
    ]) {
      if (period === '24h') await dashboard.get('page-overview').click();
      else await dashboard.get(`period-${period}`).click();
      await dashboard.untilParameter('overview', period);
      await until(`the charts are about ${period}`, async () =>
        step.test(await dashboard.get('chart-flow').locator('h2').innerText()),
      );
      await dashboard.get('chart-flow').locator('.plot a').first().waitFor();
      await picture(dashboard, `overview-period-${period}`, { width: 1440, height: 900 });
    }
    assert.ok((await page.evaluate(() => globalThis.shift)) < 0.01);
  }));

test('forced colours leave the shapes that can be told apart', () =>
  withPage(
    browser,
    server,
    { query: '?overview=1h', forcedColors: 'active', reducedMotion: 'reduce' },
    async (dashboard) => {
      await dashboard.get('chart-ended').locator('.plot a').first().waitFor();
      await picture(dashboard, 'overview-forced-colors', { width: 1440, height: 900 });
      const fills = await dashboard
        .get('chart-ended')
        .locator('.swatch rect')
        .evaluateAll((all) => all.map((rect) => rect.getAttribute('fill') ?? getComputedStyle(rect).fill));
      assert.equal(new Set(fills).size, 4, `${fills}`);
    },
  ));
