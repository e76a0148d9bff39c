// What the first paint waits for: how much travels, and that the page does not move once it is on screen.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESKTOP, launchBrowser, PHONE } from './browser.mjs';
import { openMeasured } from './firstpaint.mjs';
import { attempt, cleanUp, connect, connectRaw, register, startServer, untilStatus } from './harness.mjs';

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

const TABLET = { width: 900, height: 1100 };
const SIZES = Object.entries({ desk: DESKTOP, tablet: TABLET, phone: PHONE });

for (const [size, viewport] of SIZES) {
  test(`on a ${size} nothing moves while the page is built`, async () => {
    for (const locale of ['en', 'es', 'pt-BR', 'fr', 'ja', 'ko']) {
      const { shifts } = await openMeasured(browser, server, { viewport, locale });
      assert.deepEqual(shifts, [], locale);
    }
  });
}

test('what comes later is no larger than what was there before: the page counts as painted with its rows', async () => {
  const { first, largest } = await openMeasured(browser, server, { viewport: DESKTOP });
  assert.ok(largest <= first + 100, `the first paint after ${first} ms, the largest after ${largest} ms`);
});

test('nothing moves either when the page tells that many clients were lost', async () => {
  // One that lets everybody in.
  const open = await startServer();
  const lost = Array.from({ length: 30 }, (_, at) => connectRaw(open, `d:acme01:thermo:lost-${at}`));
  for (const socket of await Promise.all(lost)) socket.destroy();
  for (const [size, viewport] of SIZES) {
    for (const locale of ['en', 'fr']) {
      const { shifts } = await openMeasured(browser, open, { viewport, locale, last: 'alert' });
      assert.deepEqual(shifts, [], `${size}, ${locale}`);
    }
  }
});
