// Client ids are text from strangers. Whatever they hold, they are shown as text, and their rows open.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, withPage } from './browser.mjs';
import { cleanUp, connectRaw, startServer, until } from './harness.mjs';

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

const HOSTILE = {
  markup: 'hostile <img src=x onerror="globalThis.broken=1"><script>globalThis.broken=1</script>',
  quotes: `hostile "double" 'single' \`back\` \\ &amp; &lt;`,
  'a path and a query': 'hostile/../../admin?x=1&y=2#z %2F %00 %',
  'topic wildcards': 'hostile/+/#/$SYS',
  'a bidi override': 'hostile \u202Egnp.exe\u202C end',
  'combining marks and emoji': 'hostile Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L 👩‍👩‍👧‍👧 👍🏽',
  'spaces at both ends': ' hostile  with   spaces ',
  'a device id with a slash': 'd:acme01:hostile:a/b',
  javascript: 'javascript:globalThis.broken=1//hostile',
  '40 KiB': `hostile-long-${'0123456789abcdef'.repeat(2_560)}`,
};

for (const [name, id] of Object.entries(HOSTILE)) {
  test(`a client id with ${name} is shown as text and opens`, async () => {
    await connectRaw(server, id);
    const search = id.length > 1_000 ? 'hostile-long-' : id.trim();
    const query = `?search=${encodeURIComponent(search)}`;
    await withPage(browser, server, { query }, async (dashboard) => {
      const row = dashboard.get('row').first();
      await row.waitFor();
      assert.equal(await row.getAttribute('data-client-id'), id);
      assert.equal(await row.getAttribute('data-status'), 'connected');
      assert.equal(await row.locator('img, script').count(), 0);

      await row.click();
      await dashboard.get('panel').waitFor();
      await dashboard.entries('connect').first().waitFor();
      assert.equal(await dashboard.get('panel').locator('img, script, iframe').count(), 0);
      assert.deepEqual(await dashboard.widerThanScreen(), []);
      if (id.length < 1_000) await dashboard.untilParameter('client', id);
      assert.equal(await dashboard.page.evaluate(() => globalThis.broken), undefined);

      await dashboard.page.reload();
      await dashboard.get('panel').waitFor();
      await dashboard.entries('connect').first().waitFor();
    });
  });
}

test('hostile ids turn to disconnected live, like every other', async () => {
  const ids = Object.values(HOSTILE)
    .filter((id) => id.length < 1_000)
    .map((id) => `${id} leaves`);
  const sockets = await Promise.all(ids.map((id) => connectRaw(server, id)));
  await withPage(browser, server, { query: '?search=leaves' }, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.untilIds(ids);
    for (const socket of sockets) socket.destroy();
    await until('all rows are disconnected', async () => {
      const statuses = await dashboard
        .get('row')
        .evaluateAll((rows) => rows.map((row) => row.dataset.status));
      return statuses.length === ids.length && statuses.every((status) => status === 'disconnected');
    });
    await screenshot(dashboard.page, 'hostile-light');
  });
});
