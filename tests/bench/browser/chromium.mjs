// A page in Chromium: opened, worked by real input, and its renderer's memory and processor time.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';

import { processorMs } from './machine.mjs';
import { signIn } from './session.mjs';

export const EXECUTABLE = process.env.ROLLCALL_CHROMIUM ?? '/usr/bin/chromium';
const FOLDER = import.meta.dirname;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm' };
export const WINDOW = { width: 1440, height: 900 };

/** Opens `address` signed in with `key` and `token`. Pages under `/bench/` come from this folder. */
export async function openChromium({ url, key, token, address, probe, scale }) {
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: [
      ...['--no-sandbox', '--disable-dev-shm-usage', '--enable-precise-memory-info'],
      ...[`--force-device-scale-factor=${scale}`, `--window-size=${WINDOW.width},${WINDOW.height}`],
    ],
  });
  // Without a viewport of its own: the emulation of one is not the real device scale.
  const context = await browser.newContext({ viewport: null });
  // A page that comes from this folder has no address, so its server counts as somewhere else on this machine.
  await context.grantPermissions(['local-network-access']);
  const page = await context.newPage();
  // A small one: the dashboard itself, loaded twice, would not be the one that is measured.
  await page.goto(new URL('manifest.webmanifest', url).href);
  await page.evaluate(signIn, { key, token });
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.addInitScript({ content: probe });
  const pattern = `${url}bench/**`;
  await page.route(pattern, (route) => {
    const name = new URL(route.request().url()).pathname.replace('/bench/', '');
    const from = name.startsWith('node_modules/') ? path.dirname(FOLDER) : FOLDER;
    route.fulfill({ body: readFileSync(path.join(from, name)), contentType: TYPES[path.extname(name)] });
  });
  await page.goto(new URL(address, url).href, { waitUntil: 'commit' });

  const devtools = await browser.newBrowserCDPSession();
  const own = await context.newCDPSession(page);
  const renderer = async () => {
    const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
    const renderers = processInfo.filter(({ type }) => type === 'renderer');
    // The one that has worked most; a spare one waits beside it.
    return renderers.sort((a, b) => b.cpuTime - a.cpuTime)[0].id;
  };
  return {
    complaints,
    page,
    evaluate: (body, argument) => page.evaluate(body, argument),
    click: ({ x, y }) => page.mouse.click(x, y),
    press: (key) => page.keyboard.press(key),
    /** Its pages are loaded: whatever it asks from now on goes straight to the server, and is not reported. */
    async letGo() {
      await page.unroute(pattern);
      await stopReports(page);
    },
    pid: renderer,
    async collectGarbage() {
      for (let round = 0; round < 3; round++) await own.send('HeapProfiler.collectGarbage');
    },
    processorMs: async () => processorMs(await renderer()),
    screenshot: (path) => page.screenshot({ path }),
    close: () => browser.close(),
  };
}

/**
 * The driver has the browser report every message of every WebSocket to it, which takes half a core and shows in every figure.
 * Nothing public ends that.
 */
async function stopReports(page) {
  const session = page._connection?.toImpl?.(page)?.delegate?._mainFrameSession?._client;
  if (!session) throw new Error('this version of playwright-core has its DevTools session elsewhere');
  await session.send('Network.disable');
}
