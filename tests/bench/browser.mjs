// How the dashboard does in a browser while monitor messages arrive, beside AG Grid Community and Perspective: each shows the
// same fleet of the same server, sorted by the last activity, and is worked by real input.
//
// Run by `cargo xtask bench --browser`, with `ROLLCALL_BENCH` naming the program that has the server and the load. Each
// table is opened for each rate in a browser of its own: first nothing is touched, for frames and for how far the top row
// is behind; then keys are pressed, sort and filter clicked, and the table scrolled to anywhere.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { openChromium } from './browser/chromium.mjs';
import { openFirefox } from './browser/firefox.mjs';
import { load, memoryMb } from './browser/machine.mjs';
import { brief, printTable } from './browser/table.mjs';
import { memoryOverTime } from './browser/unwatched.mjs';

const { values: given } = parseArgs({
  options: {
    cache: { type: 'string' },
    clients: { type: 'string', default: '1000000' },
    minutes: { type: 'string', default: '0.5' },
    only: { type: 'string', default: 'ours,scale2,firefox,aggrid,perspective' },
    rates: { type: 'string', default: '1000,10000' },
  },
});
const RATES = given.rates.split(',').map(Number);
const MINUTES = Number(given.minutes);
/** How many in a hundred events are activity of connected clients; the others come and go. */
const ACTIVITY = 50;
/** How long nothing is touched before it counts, and while it does. */
const WARM_UP_MS = 4_000;
const STEADY_MS = 12_000;
/** How long a page that is left alone may take until its memory counts. */
const SETTLE_MS = 20_000;
const KEYS = 60;
const CLICKS = 12;
const SCROLLS = 24;

const SORTED = '?_sort=-lastActivityTime';
const SUBJECTS = {
  ours: { name: 'Rollcall', open: openChromium, address: SORTED, scale: 1 },
  scale2: { name: 'Rollcall, scale 2', open: openChromium, address: SORTED, scale: 2 },
  firefox: { name: 'Rollcall, Firefox', open: openFirefox, address: SORTED },
  aggrid: { name: 'AG Grid', open: openChromium, address: 'bench/aggrid.html', scale: 1 },
  perspective: { name: 'Perspective', open: openChromium, address: 'bench/perspective.html', scale: 1 },
};
const POINTS = {
  ours: { sort: '[data-testid="col-id"]', filter: '[data-testid="status-disconnected"]' },
  others: { sort: '#sort', filter: '#filter' },
};
POINTS.scale2 = POINTS.firefox = POINTS.ours;
POINTS.aggrid = POINTS.perspective = POINTS.others;

const probe = readFileSync(path.join(import.meta.dirname, 'browser/probe.js'), 'utf8');
const stage = await openStage();
console.log(
  `${stage.clients} clients, sorted by the last activity; load ${load().toFixed(2)} before anything is measured.`,
);
const results = {};
try {
  for (const name of given.only.split(',')) {
    results[name] = {};
    for (const rate of RATES) {
      console.log(`measuring ${SUBJECTS[name].name} at ${rate} messages/s …`);
      results[name][rate] = await measure(name, rate).catch((error) => ({ failed: error }));
      if (name === 'ours' && MINUTES > 0 && rate === Math.max(...RATES))
        results[name][rate].grownMb = await grown(rate);
      const { failed } = results[name][rate];
      console.log(`  ${failed ? (failed.stack ?? failed) : brief(results[name][rate])}`);
    }
  }
} finally {
  await stage.close();
}
printTable(results, RATES, SUBJECTS, MINUTES);
const isFailed = Object.values(results).some((rates) => RATES.some((rate) => rates[rate].failed));
process.exit(isFailed ? 1 : 0);

async function measure(name, rate) {
  const { open, address, scale } = SUBJECTS[name];
  const start = performance.now();
  const driver = await open({ ...stage.access, address, probe, scale });
  try {
    await ready(driver);
    const result = { loadMs: performance.now() - start };
    await driver.letGo();
    // Forgets what was active before.
    await stage.activity();
    const begun = Date.now();
    await stage.ask(`rate ${rate} ${ACTIVITY}`);
    await sleep(WARM_UP_MS);
    const since = await driver.evaluate(() => globalThis.probe.now());
    Object.assign(result, await steady(driver, begun));
    if (name === 'firefox' && MINUTES > 0 && rate === Math.max(...RATES)) {
      const before = await memory(driver);
      await sleep(MINUTES * 60_000);
      result.grownMb = (await memory(driver)).own - before.own;
    }
    result.inputMs = await inputs(driver);
    result.sortMs = await sorts(driver, POINTS[name].sort);
    result.filterMs = await filters(driver, POINTS[name].filter);
    result.scrollMs = await scrolls(driver);
    const tasks = await driver.evaluate((since) => globalThis.probe.tasks(since), since);
    const canTell = await driver.evaluate(() => globalThis.probe.supports('longtask'));
    Object.assign(result, { longestMs: canTell ? Math.max(0, ...tasks) : NaN, tasks });
    result.memory = await memory(driver);
    if (driver.complaints.length > 0) console.log(`  the page complained: ${driver.complaints.slice(0, 3).join('; ')}`);
    return result;
  } finally {
    await stage.ask(`rate 0 0`);
    await driver.close();
  }
}

/** What the dashboard grows by in a browser of its own that is left alone. */
async function grown(rate) {
  await stage.ask(`rate ${rate} ${ACTIVITY}`);
  try {
    const seen = await memoryOverTime({ ...stage.access, address: SORTED, minutes: MINUTES, settleMs: SETTLE_MS });
    console.log(`  own memory, left alone, minute by minute: ${seen.map((mb) => mb.toFixed(0)).join(' ')} MB`);
    return seen.at(-1) - seen[0];
  } finally {
    await stage.ask(`rate 0 0`);
  }
}

/** Waits for the first rows. */
async function ready(driver) {
  const isReady = () => globalThis.probe && globalThis.subject?.top() !== undefined && globalThis.subject.isSettled();
  for (const deadline = Date.now() + 300_000; ;) {
    if (await driver.evaluate(isReady)) return;
    if (Date.now() > deadline) throw new Error(`no rows: ${driver.complaints.join('; ')}`);
    await sleep(200);
  }
}

/** Frames, and how far the top row is behind, while nobody touches anything. */
async function steady(driver, begun) {
  const before = await driver.processorMs();
  await driver.evaluate(() => globalThis.probe.start());
  const start = performance.now();
  await sleep(STEADY_MS);
  const { frames, tops } = await driver.evaluate(() => globalThis.probe.stop());
  const elapsed = performance.now() - start;
  const after = await driver.processorMs();
  const activity = await stage.activity();
  const deltas = frames.slice(1).map((at, index) => at - frames[index]);
  const behind = tops.map(([painted, text]) => {
    // The newest of its times that can have been told by then. Without one, the top row is older than the load.
    const told = activity.get(numberOf(text))?.findLast((time) => time <= painted);
    return painted - (told ?? begun);
  });
  return {
    framesPerSecond: (deltas.length * 1_000) / (frames.at(-1) - frames[0]),
    frameMs: deltas,
    behindMs: behind,
    busy: (after.ran - before.ran) / elapsed,
    waited: (after.waited - before.waited) / elapsed,
  };
}

/** The number of a made-up client is in its id. */
function numberOf(id) {
  return Number(id.match(/-(\d{7})-/)?.[1]);
}

async function memory(driver) {
  await driver.collectGarbage();
  return memoryMb(await driver.pid());
}

/** From a key to the next paint: Event Timing, which counts what is faster than 16 ms as nothing, so 16 is taken. */
async function inputs(driver) {
  await driver.click(await driver.evaluate(() => globalThis.probe.point()));
  await sleep(500);
  await driver.evaluate(() => globalThis.probe.forget());
  for (let number = 0; number < KEYS; number++) {
    await driver.press('ArrowDown');
    await sleep(70);
  }
  await sleep(300);
  const { told, own, isTold } = await driver.evaluate(() => ({
    told: globalThis.probe.interactions(),
    own: globalThis.probe.inputs(),
    isTold: 'interactionCount' in performance,
  }));
  await driver.press('Escape');
  if (!isTold) return own;
  return [...told, ...Array(Math.max(0, KEYS - told.length)).fill(16)];
}

/** From a click on the sort to its rows; each click turns the order of the ids around. */
async function sorts(driver, selector) {
  const ends = [await stage.firstId('id'), await stage.firstId('-id')];
  await driver.evaluate(() => (globalThis.subject.scroller().scrollTop = 0));
  await sleep(300);
  const times = [];
  for (let click = 0; click < CLICKS && !isHopeless(times); click++)
    times.push(await clicked(driver, selector, 'top', ends[click % 2]));
  return times;
}

async function filters(driver, selector) {
  const times = [];
  for (let click = 0; click < CLICKS && !isHopeless(times); click++)
    times.push(await clicked(driver, selector, 'filtered', click % 2 === 0));
  return times;
}

/** Whether waiting for more would tell nothing. */
function isHopeless(times) {
  return times.filter((ms) => ms === Infinity).length >= 3;
}

async function clicked(driver, selector, condition, argument) {
  await driver.evaluate(([condition, argument]) => void globalThis.probe.expect(condition, argument), [
    condition,
    argument,
  ]);
  await driver.click(await driver.evaluate((selector) => globalThis.probe.point(selector), selector));
  const ms = await driver.evaluate(() => globalThis.probe.result());
  await sleep(250);
  return ms ?? Infinity;
}

async function scrolls(driver) {
  const times = [];
  for (let number = 1; number <= SCROLLS && !isHopeless(times); number++) {
    // Everywhere, in no order.
    const share = (number * 0.618_034) % 1;
    times.push((await driver.evaluate((share) => globalThis.probe.scroll(share), share)) ?? Infinity);
    await sleep(250);
  }
  return times;
}

/** The server with its fleet and its load: a process that takes commands by line and answers each. */
async function openStage() {
  const program = process.env.ROLLCALL_BENCH;
  const child = spawn(program, ['stage', '--cache', given.cache, '--clients', given.clients], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  process.on('exit', () => child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the server has ended');
    return JSON.parse(value);
  };
  const { url, key, token, folder } = await answer();
  const ask = (command) => {
    child.stdin.write(`${command}\n`);
    return answer();
  };
  const file = path.join(folder, 'activity');
  return {
    clients: Number(given.clients).toLocaleString('en'),
    access: { url, key, token },
    ask,
    /** When each client was active since the last call: milliseconds since 1970, by the client's number. */
    async activity() {
      await ask(`activity ${file}`);
      const times = new Map();
      for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
        const [number, time] = line.split(' ').map(Number);
        if (!times.has(number)) times.set(number, []);
        times.get(number).push(time);
      }
      return times;
    },
    async firstId(sort) {
      const authorization = `Basic ${Buffer.from(`${key}:${token}`).toString('base64')}`;
      const answer = await fetch(`${url}api/v0002/clientconnectionstates?_sort=${sort}&_limit=1`, {
        headers: { authorization },
      });
      return (await answer.json()).results[0].id;
    },
    async close() {
      child.stdin.end();
      const isRunning = child.exitCode === null && child.signalCode === null;
      if (isRunning) await once(child, 'close');
    },
  };
}
