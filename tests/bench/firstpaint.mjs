// How long the page takes to its first and its largest contentful paint, with an empty cache, on a processor slowed four
// times: the median of several loads, in milliseconds.
//
// Run by `cargo xtask bench`, with `ROLLCALL_BIN` naming the server's binary.

import { DESKTOP, launchBrowser } from '../e2e/browser.mjs';
import { openMeasured } from '../e2e/firstpaint.mjs';
import { cleanUp, connectRaw, startServer } from '../e2e/harness.mjs';

const LOADS = 7;
const CLIENTS = 60;

const server = await startServer();
const browser = await launchBrowser();
try {
  for (let number = 0; number < CLIENTS; number++)
    // With a goodbye: who is lost with many others is told above the table.
    (await connectRaw(server, `d:acme01:bench:paint-${number}`)).end(Buffer.from([0xe0, 0]));
  console.log(`First paint, ms since the navigation, median of ${LOADS} loads (fastest to slowest)`);
  for (const slowdown of [1, 4]) {
    const loads = [];
    for (let load = 0; load < LOADS; load++)
      loads.push(await openMeasured(browser, server, { viewport: DESKTOP, slowdown }));
    const bytes = loads[0].files.reduce((sum, file) => sum + file.bytes, 0);
    console.log(`processor slowed ${slowdown} times, ${bytes} bytes`);
    report('first contentful', loads.map(({ first }) => first));
    report('largest contentful', loads.map(({ largest }) => largest));
    report('first row', loads.map(({ rowAt }) => rowAt));
    const shift = Math.max(...loads.map(({ shifts }) => shifts.reduce((sum, { value }) => sum + value, 0)));
    console.log(`  ${'layout shift'.padEnd(20)}${String(shift).padStart(9)}`);
  }
} finally {
  await browser.close();
  await server.stop();
  await cleanUp();
}

function report(name, values) {
  values.sort((a, b) => a - b);
  const [middle, ...ends] = [values[values.length >> 1], values[0], values.at(-1)].map((value) => value.toFixed(0));
  console.log(`  ${name.padEnd(20)}${middle.padStart(9)}  (${ends.join(' to ')})`);
}
