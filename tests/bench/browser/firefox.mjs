// A page in Firefox, driven by geckodriver over WebDriver.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { WINDOW } from './chromium.mjs';
import { commandOf, descendants, memoryMb, processorMs } from './machine.mjs';
import { signIn } from './session.mjs';

const DRIVER = process.env.ROLLCALL_GECKODRIVER ?? 'geckodriver';
/** How long a collection may take. */
const COLLECTED_MS = 1_500;
const KEYS = { ArrowDown: '\uE015', Escape: '\uE00C' };

/** Opens `address` signed in with `key` and `token`. */
export async function openFirefox({ url, key, token, address, probe }) {
  const driver = spawn(DRIVER, ['--port', '0', '--log', 'info', '--allow-system-access'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const base = await listening(driver);
  const send = async (method, path, body) => {
    const answer = await fetch(`${base}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const { value } = await answer.json();
    if (value?.error) throw new Error(`${value.error}: ${value.message}`);
    return value;
  };
  const options = { args: ['-headless', `--width=${WINDOW.width}`, `--height=${WINDOW.height}`] };
  const capabilities = { alwaysMatch: { browserName: 'firefox', 'moz:firefoxOptions': options } };
  const session = await send('POST', '/session', { capabilities });
  const own = `/session/${session.sessionId}`;
  const browserPid = session.capabilities['moz:processID'];
  const kill = () => {
    driver.kill();
    try {
      process.kill(browserPid);
    } catch {
      // It has ended with its session.
    }
  };
  process.on('exit', kill);
  await send('POST', `${own}/timeouts`, { script: 120_000 });
  // A script has a global object of its own; what it leaves behind has to be on the page's.
  const run = (body, args = []) =>
    send('POST', `${own}/execute/async`, { script: `const globalThis = window; ${body}`, args });
  const evaluate = (body, argument) =>
    run(
      `const [argument, done] = arguments;
       Promise.resolve((${body})(argument)).then(done, (error) => done({ failed: String(error) }));`,
      [argument ?? null],
    );

  await send('POST', `${own}/window/rect`, WINDOW);
  await send('POST', `${own}/url`, { url });
  const refusal = await evaluate(signIn, { key, token });
  if (refusal) throw new Error(refusal.failed);
  await send('POST', `${own}/url`, { url: new URL(address, url).href });
  await run(`${probe}; arguments[0]();`);

  const pid = () => {
    const tabs = descendants(browserPid).filter((pid) => /-contentproc.* tab$/.test(commandOf(pid).trim()));
    return tabs.sort((a, b) => memoryMb(b).own - memoryMb(a).own)[0];
  };
  const actions = (...sources) => send('POST', `${own}/actions`, { actions: sources });
  return {
    complaints: [],
    evaluate,
    click: ({ x, y }) =>
      actions({
        type: 'pointer',
        id: 'mouse',
        actions: [
          { type: 'pointerMove', x: Math.round(x), y: Math.round(y), duration: 0 },
          { type: 'pointerDown', button: 0 },
          { type: 'pointerUp', button: 0 },
        ],
      }),
    press: (key) =>
      actions({
        type: 'key',
        id: 'keyboard',
        actions: [
          { type: 'keyDown', value: KEYS[key] ?? key },
          { type: 'keyUp', value: KEYS[key] ?? key },
        ],
      }),
    letGo: async () => {},
    pid: async () => pid(),
    /** What the button of about:memory does: all processes give back what they do not need. Nobody tells when they have. */
    async collectGarbage() {
      const context = (context) => send('POST', `${own}/moz/context`, { context });
      await context('chrome');
      try {
        for (let round = 0; round < 3; round++) {
          const script = `Services.obs.notifyObservers(null, 'child-mmu-request');`;
          await send('POST', `${own}/execute/sync`, { script, args: [] });
          await sleep(COLLECTED_MS);
        }
      } finally {
        await context('content');
      }
    },
    processorMs: async () => processorMs(pid()),
    async close() {
      await send('DELETE', own).catch(() => {});
      process.off('exit', kill);
      driver.kill();
      await once(driver, 'close');
    },
  };
}

/** Where the driver says that it listens, on whichever of its outputs. */
function listening(driver) {
  return new Promise((resolve, reject) => {
    driver.on('error', reject);
    driver.on('close', () => reject(new Error(`${DRIVER} has ended`)));
    for (const input of [driver.stdout, driver.stderr]) {
      createInterface({ input }).on('line', (line) => {
        const address = line.match(/Listening on (\S+:\d+)/)?.[1];
        if (address) resolve(`http://${address}`);
      });
    }
  });
}
