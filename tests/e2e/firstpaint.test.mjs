// What the first paint waits for: how much travels, and that the page does not move once it is on screen.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESKTOP, launchBrowser, PHONE } from './browser.mjs';
import { openMeasured } from './firstpaint.mjs';
import { attempt, cleanUp, connect, register, startServer, untilStatus } from './harness.mjs';

/** In bytes; `cargo xtask size` reports against the same number, per file. */
const BUDGET = 250_000;

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launchBrowser()]);
  for (const name of ['one', 'two', 'three']) {
    const id = `d:acme01:pump:${name}`;
    const login = register(server, id);
    await attempt(server, id, { ...login, password: 'guessed' });
    const client = await connect(server, id, login);
    if (name !== 'three') {
      await client.goodbye();
      await untilStatus(server, id, 'disconnected');
    }
  }
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

test('everything for the first paint is compressed and within its budget', async (t) => {
  const { files } = await openMeasured(browser, server, { viewport: DESKTOP });
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { name, bytes, encoding } of files)
    t.diagnostic(`${String(bytes).padStart(8)} ${name} ${encoding ?? ''}`);
  t.diagnostic(`${String(total).padStart(8)} in all, of ${BUDGET}`);

  for (const ending of ['.wasm', '.css', '.js', '/'])
    assert.ok(
      files.some(({ name }) => name.endsWith(ending)),
      `no ${ending} among ${JSON.stringify(files)}`,
    );
  const plain = files.filter(({ bytes, encoding }) => encoding !== 'br' && bytes >= 512);
  assert.deepEqual(plain, []);
  assert.ok(total <= BUDGET, `${total} bytes of ${BUDGET}: ${JSON.stringify(files, null, 1)}`);
});

for (const [size, viewport] of Object.entries({ desk: DESKTOP, phone: PHONE })) {
  test(`on a ${size} nothing moves while the page is built`, async () => {
    for (const locale of ['en', 'es', 'pt-BR', 'fr', 'ja', 'ko']) {
      const { shifts } = await openMeasured(browser, server, { viewport, locale });
      assert.deepEqual(shifts, [], locale);
    }
  });
}
