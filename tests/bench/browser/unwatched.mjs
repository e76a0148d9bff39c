// A page in Chromium that nobody looks into: whether it grows. The driver of the other measurements listens to the network of
// its page, and the browser keeps every answer for it (up to 100 MB), in the page's own process.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { EXECUTABLE, WINDOW } from './chromium.mjs';
import { memoryMb } from './machine.mjs';
import { signIn } from './session.mjs';

/** Talks to a browser over the pipe of its remote debugging; nothing is listened to that is not asked for. */
function connect(browser) {
  const [, , , commands, answers] = browser.stdio;
  const waiting = new Map();
  let number = 0;
  let rest = '';
  answers.setEncoding('utf8');
  answers.on('data', (text) => {
    const messages = (rest + text).split('\0');
    rest = messages.pop();
    for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
      const answer = waiting.get(id);
      waiting.delete(id);
      if (error) answer?.reject(new Error(error.message));
      else answer?.resolve(result);
    }
  });
  browser.once('exit', () => {
    for (const answer of waiting.values()) answer.reject(new Error('the browser has gone'));
  });
  return (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      waiting.set(++number, { resolve, reject });
      commands.write(`${JSON.stringify({ id: number, method, params, sessionId })}\0`);
    });
}

/** The own memory of the page's process, in MB, once a minute for so many, garbage collected; the first after `settleMs`. */
export async function memoryOverTime({ url, key, token, address, minutes, settleMs }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'rollcall-bench-'));
  const browser = spawn(
    EXECUTABLE,
    [
      ...['--headless', '--no-sandbox', '--disable-dev-shm-usage', '--remote-debugging-pipe', '--no-first-run'],
      ...[`--user-data-dir=${folder}`, `--window-size=${WINDOW.width},${WINDOW.height}`, 'about:blank'],
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  try {
    const send = connect(browser);
    const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
    // Answers when the browser is there.
    const goTo = (page) => send('Page.navigate', { url: new URL(page, url).href }, sessionId);
    // A small page of the server: the dashboard itself, loaded twice, would not be the one that is measured.
    await goTo('manifest.webmanifest');
    const signing = { expression: `(${signIn})(${JSON.stringify({ key, token })})`, awaitPromise: true };
    const { exceptionDetails } = await send('Runtime.evaluate', signing, sessionId);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    await goTo(address);
    await sleep(settleMs);
    const pid = await rendererOf(send);
    const memory = async () => {
      for (let round = 0; round < 3; round++) await send('HeapProfiler.collectGarbage', {}, sessionId);
      return memoryMb(pid).own;
    };
    const seen = [await memory()];
    for (let left = minutes; left > 0; left--) {
      await sleep(Math.min(left, 1) * 60_000);
      seen.push(await memory());
    }
    const expression = 'document.querySelectorAll("[role=row]").length';
    const { result } = await send('Runtime.evaluate', { expression }, sessionId);
    if (result.value < 10) throw new Error(`the page that was left alone shows ${result.value} rows`);
    return seen;
  } finally {
    browser.kill('SIGKILL');
    await sleep(500);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The process of the page: the one that has worked most. */
async function rendererOf(send) {
  const { processInfo } = await send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer');
  return renderers.sort((a, b) => b.cpuTime - a.cpuTime)[0].id;
}
