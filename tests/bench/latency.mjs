// From a TCP connect at the broker to the changed row in the browser: how long, in milliseconds, over 200 connects.
//
// Run by `cargo xtask bench`, with `ROLLCALL_BIN` naming the server's binary. Times are taken on one clock: this
// process and the browser both add their monotonic time to the wall clock of the same machine; the difference
// between the two is measured first and taken off.

import { once } from 'node:events';
import net from 'node:net';
import { performance } from 'node:perf_hooks';

import { launchBrowser, withPage } from '../e2e/browser.mjs';
import { cleanUp, connectPacket, connectRaw, LIMIT_MS, startServer } from '../e2e/harness.mjs';

const ROUNDS = 200;
const CLIENTS = 10;
const idOf = (number) => `d:acme01:bench:latency-${number % CLIENTS}`;
const now = () => performance.timeOrigin + performance.now();

const server = await startServer();
const browser = await launchBrowser();
try {
  const results = await measure();
  report(
    'seen in the document',
    results.map(({ seen }) => seen),
  );
  report(
    'next frame',
    results.map(({ painted }) => painted),
  );
} finally {
  await browser.close();
  await server.stop();
  await cleanUp();
}

async function measure() {
  for (let number = 0; number < CLIENTS; number++) (await connectRaw(server, idOf(number))).destroy();
  const results = [];
  await withPage(browser, server, { query: '?search=latency-' }, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.untilIds(Array.from({ length: CLIENTS }, (_, number) => idOf(number)));
    const { page } = dashboard;
    await page.evaluate(watchRows);
    const skew = await clockSkew(page);
    for (let round = 0; round < ROUNDS; round++)
      results.push(await connectOnce(dashboard, idOf(round), skew));
  });
  return results;
}

/** One client connects; milliseconds from its `connect()` until the row has changed, and until the frame after. */
async function connectOnce(dashboard, id, skew) {
  await dashboard.untilRow(id, { status: 'disconnected' });
  const changed = dashboard.page.evaluate((id) => globalThis.rowConnected(id), id);
  // Until the page is known to wait for this row.
  await dashboard.page.evaluate(() => 0);

  const packet = connectPacket(id);
  const started = now();
  const socket = net.connect(server.mqttPort, '127.0.0.1', () => socket.write(packet));
  socket.setNoDelay(true);
  await once(socket, 'data', { signal: AbortSignal.timeout(LIMIT_MS) });
  const { seen, painted } = await changed;
  socket.end(Buffer.from([0xe0, 0]));
  socket.resume();
  await once(socket, 'close');
  return { seen: seen - skew - started, painted: painted - skew - started };
}

/** How far the browser's clock is ahead of this process's, by the round trip that took the least time. */
async function clockSkew(page) {
  let best = { trip: Infinity, skew: 0 };
  for (let round = 0; round < 30; round++) {
    const before = now();
    const there = await page.evaluate(() => performance.timeOrigin + performance.now());
    const after = now();
    if (after - before < best.trip) best = { trip: after - before, skew: there - (before + after) / 2 };
  }
  return best.skew;
}

/** In the page: `rowConnected(id)` resolves when the row of this client turns to connected. */
function watchRows() {
  const clock = () => performance.timeOrigin + performance.now();
  const connected = (id) =>
    [...document.querySelectorAll('[data-testid="row"][data-status="connected"]')].some(
      (row) => row.dataset.clientId === id,
    );
  globalThis.rowConnected = (id) =>
    new Promise((resolve) => {
      const check = () => {
        if (!connected(id)) return;
        observer.disconnect();
        const seen = clock();
        requestAnimationFrame(() => resolve({ seen, painted: clock() }));
      };
      const observer = new MutationObserver(check);
      observer.observe(document.body, { subtree: true, childList: true, attributes: true });
      check();
    });
}

function report(name, values) {
  values.sort((a, b) => a - b);
  const at = (share) => values[Math.min(values.length - 1, Math.ceil(share * values.length) - 1)];
  const columns = { min: values[0], median: at(0.5), p95: at(0.95), p99: at(0.99), max: values.at(-1) };
  if (name === 'seen in the document') {
    console.log(`TCP connect to changed row, ms, ${values.length} connects`);
    console.log(
      `${''.padEnd(22)}${Object.keys(columns)
        .map((column) => column.padStart(9))
        .join('')}`,
    );
  }
  const cells = Object.values(columns).map((value) => value.toFixed(1).padStart(9));
  console.log(`${name.padEnd(22)}${cells.join('')}`);
}
