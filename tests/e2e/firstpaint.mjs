// Opens the dashboard in a fresh browser profile and records how its first paint goes: used by a test, which asserts
// what does not depend on the machine, and by a benchmark, which prints times.

import { once } from 'node:events';

import { Dashboard } from './browser.mjs';
import { LIMIT_MS } from './harness.mjs';

/** For so long after the last part has come the page is watched, in milliseconds. */
const WATCHED_MS = 500;

/**
 * Opens the dashboard in `locale` with an empty cache, `slowdown` times slower than the machine is, until it is live and the parts
 * are there that come after the first paint, up to that with the hook `last`.
 *
 * Returns the page's files of the first paint (`name`, `bytes` on the wire, content `encoding`), the layout `shifts` (each with its value
 * and what moved) and, in milliseconds since the navigation, the first and the largest contentful paint, when the table
 * showed its first row, and when it was live.
 */
export async function openMeasured(browser, server, { viewport, locale = 'en', slowdown = 1, last = 'trend' }) {
  const context = await browser.newContext({ viewport, locale });
  context.setDefaultTimeout(LIMIT_MS);
  try {
    const page = await context.newPage();
    // The session first: a sign-in link takes a detour.
    await page.goto(server.signInLink());
    const first = new Dashboard(page);
    await first.untilLive();
    await page.goto('about:blank');

    const devtools = await context.newCDPSession(page);
    const files = new Map();
    devtools.on('Network.responseReceived', ({ requestId, response, type }) => {
      const url = new URL(response.url);
      if (url.origin !== new URL(server.url).origin || url.pathname.startsWith('/api/')) return;
      if (type === 'WebSocket') return;
      const header = (name) =>
        Object.entries(response.headers).find(([each]) => each.toLowerCase() === name)?.[1];
      const bytes = Number(header('content-length'));
      files.set(requestId, { name: url.pathname, bytes, encoding: header('content-encoding') });
    });
    await devtools.send('Network.enable');
    await devtools.send('Network.setCacheDisabled', { cacheDisabled: true });
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: slowdown });
    await devtools.send('Runtime.enable');
    await devtools.send('Runtime.addBinding', { name: 'tellFirstRow' });
    const firstRow = once(devtools, 'Runtime.bindingCalled', { signal: AbortSignal.timeout(LIMIT_MS) });
    await page.addInitScript(observe);

    // The page itself tells when it has painted: whatever looks for elements from here is a script of 300 kB, which the page
    // would have to compile before its rows.
    await page.goto(server.url, { waitUntil: 'commit' });
    const [{ payload }] = await firstRow;
    const rowAt = Number(payload);
    // What comes after the first rows, the first paint has not waited for.
    const waitedFor = [...files.values()];
    const dashboard = new Dashboard(page);
    await dashboard.untilLive();
    await dashboard.get(last).waitFor({ state: 'attached' });
    await page.waitForTimeout(WATCHED_MS);
    // Whatever is still to be painted is painted.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const seen = await page.evaluate(() => globalThis.paintTimes());
    return { files: waitedFor, rowAt, ...seen };
  } finally {
    await context.close();
  }
}

/** In the page, before anything else: collects what the browser tells of its paints. */
function observe() {
  const shifts = [];
  let largest = 0;
  const place = ({ x, y, width, height }) => `${x},${y} ${width}x${height}`;
  const movement = ({ node, previousRect, currentRect }) =>
    `${place(previousRect)} -> ${place(currentRect)} ${node?.outerHTML?.slice(0, 120) ?? node}`;
  const onShift = (list) => {
    for (const { value, sources } of list.getEntries()) shifts.push({ value, moved: sources.map(movement) });
  };
  const onLargest = (list) => {
    for (const entry of list.getEntries()) largest = entry.startTime;
  };
  const shiftObserver = new PerformanceObserver(onShift);
  const largestObserver = new PerformanceObserver(onLargest);
  shiftObserver.observe({ type: 'layout-shift', buffered: true });
  largestObserver.observe({ type: 'largest-contentful-paint', buffered: true });
  new MutationObserver((_, observer) => {
    if (!document.querySelector('[data-testid="row"]')) return;
    const at = String(performance.now());
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => globalThis.tellFirstRow(at)));
  }).observe(document, { subtree: true, childList: true });
  globalThis.paintTimes = () => {
    onShift({ getEntries: () => shiftObserver.takeRecords() });
    onLargest({ getEntries: () => largestObserver.takeRecords() });
    const first = performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
    return { first, largest, shifts };
  };
}
