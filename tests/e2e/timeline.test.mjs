// The time line of a client with thousands of sessions: what is drawn stays little however much there is, and zooming,
// stepping and going back to all of it lead to each session.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, withPage } from './browser.mjs';
import { cleanUp, run, startServer, temporaryFolder, until } from './harness.mjs';

const ID = 'd:acme01:thermo:restless';
/** Two log entries each. */
const SESSIONS = 5_000;
/** A session every ten seconds, nine seconds long: nearly fourteen hours of the day that the line shows. */
const EVERY_MS = 10_000;
const LENGTH_MS = 9_000;
/** How sessions end in turn: by the client, by the server (keep-alive), by the network. */
const ENDS = [
  [0, 'The connection has completed normally.'],
  [160, 'The keep-alive ran out.'],
  [91, 'The connection was closed by the client or network.'],
];

let server;
let browser;

before(async () => {
  const data = temporaryFolder();
  const file = path.join(temporaryFolder(), 'past.ndjson');
  writeFileSync(file, past());
  const said = run(['import', '--data', data, '--org', 'acme01', file]);
  assert.equal(said.status, 0, said.stderr);
  [server, browser] = await Promise.all([startServer({ data }), launchBrowser()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

function past() {
  const first = Date.now() - SESSIONS * EVERY_MS - 600_000;
  const lines = [];
  for (let n = 0; n < SESSIONS; n++) {
    const from = first + n * EVERY_MS;
    const ConnectTime = new Date(from).toISOString();
    const common = {
      ClientAddr: '10.0.0.7',
      ClientID: ID,
      Port: 1883,
      Secure: false,
      Protocol: 'mqtt4',
      ConnectTime,
    };
    const [CloseCode, Reason] = ENDS[n % ENDS.length];
    const Time = new Date(from + LENGTH_MS).toISOString();
    lines.push({ Action: 'Connect', Time: ConnectTime, ...common });
    lines.push({ Action: 'Disconnect', Time, ...common, CloseCode, Reason });
  }
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

const journey = (body) =>
  withPage(browser, server, { query: `?client=${ID}&full=1` }, async (dashboard) => {
    await dashboard.untilLive();
    await until('everything was read', async () => /^5,000 sessions/.test(await told(dashboard)));
    await dashboard.get('timeline').focus();
    await body(dashboard, dashboard.page.keyboard);
  });

const told = (dashboard) => dashboard.get('timeline-told').innerText();

/** What is drawn: the elements, and the shapes of each kind. */
const drawn = (dashboard) =>
  dashboard.get('timeline').evaluate((line) => ({
    elements: line.querySelectorAll('*').length,
    width: line.clientWidth,
    shapes: Object.fromEntries(
      [...line.querySelectorAll('path[class]')].map((path) => [
        path.getAttribute('class'),
        path.getAttribute('d').match(/M/g).length,
      ]),
    ),
  }));

/** Chooses the newest session and zooms in until each is drawn by itself. */
async function zoomToSessions(dashboard, keyboard) {
  await keyboard.press('ArrowUp');
  await until('sessions are drawn one by one', async () => {
    await keyboard.press('+');
    const { bar = 0, 'bar many': many = 0 } = (await drawn(dashboard)).shapes;
    return many === 0 && bar > 0 && bar < 12;
  });
  await keyboard.press('ArrowUp');
}

test('ten thousand log entries are drawn as no more than there are pixels, zoomed or not', () =>
  journey(async (dashboard, keyboard) => {
    for (let zoomed = 0; zoomed < 8; zoomed++) {
      const { elements, width, shapes } = await drawn(dashboard);
      assert.ok(elements < 60, `${elements} elements`);
      const count = Object.values(shapes).reduce((sum, each) => sum + each, 0);
      assert.ok(count < 2 * width, `${count} shapes on ${width} px: ${JSON.stringify(shapes)}`);
      if (zoomed === 0) await screenshot(dashboard.page, 'timeline-many-light');
      await keyboard.press('+');
    }
  }));

test('zoomed in, every session shows by whom it was ended, within the drawing', () =>
  journey(async (dashboard, keyboard) => {
    await zoomToSessions(dashboard, keyboard);
    const { shapes } = await drawn(dashboard);
    for (const kind of ['sign-client', 'sign-server', 'sign-network'])
      assert.ok(shapes[kind] >= 1, JSON.stringify(shapes));
    const signs = shapes['sign-client'] + shapes['sign-server'] + shapes['sign-network'];
    assert.ok(Math.abs(signs - shapes.bar) <= 1, JSON.stringify(shapes));
    const boxes = await dashboard.get('timeline').evaluate((line) => {
      const of = (element) => element.getBoundingClientRect();
      const frame = of(line.querySelector('svg'));
      return [...line.querySelectorAll('[class^=sign]')].map(of).map((box) => ({
        isInside: box.top >= frame.top && box.bottom <= frame.bottom && box.right <= frame.right + 5,
        height: box.height,
      }));
    });
    for (const box of boxes) assert.ok(box.isInside && box.height >= 4, JSON.stringify(boxes));
    await screenshot(dashboard.page, 'timeline-signs-light');
  }));

test('the arrow keys step from session to session, beyond what is in view too', () =>
  journey(async (dashboard, keyboard) => {
    await zoomToSessions(dashboard, keyboard);
    const seen = [];
    for (let n = 0; n < 30; n++) {
      seen.push(await told(dashboard));
      await keyboard.press('ArrowUp');
      await until('another session is told', async () => (await told(dashboard)) !== seen.at(-1));
    }
    assert.equal(new Set(seen).size, 30);
    // Each ends as the ends go round, and back the same way.
    const why = (text) =>
      ['goodbye', 'keep-alive', 'connection lost'].findIndex((word) => text.includes(word));
    const ends = seen.map(why);
    assert.ok(
      ends.every((end, n) => n === 0 || end === (ends[n - 1] + 2) % 3),
      JSON.stringify(seen.slice(0, 4)),
    );
    for (const text of seen.reverse()) {
      await keyboard.press('ArrowDown');
      await until(`back at ${text}`, async () => (await told(dashboard)) === text);
    }
  }));

test('a double click shows all of it again', () =>
  journey(async (dashboard, keyboard) => {
    await zoomToSessions(dashboard, keyboard);
    await dashboard.get('timeline-zoomed').waitFor();
    const box = await dashboard.get('timeline').boundingBox();
    await dashboard.page.mouse.dblclick(box.x + box.width / 2, box.y + 35);
    await dashboard.get('timeline-zoomed').waitFor({ state: 'hidden' });
    await dashboard.page.mouse.move(box.x, box.y + box.height + 200);
    await until('all sessions are in view', async () => /^5,000 sessions/.test(await told(dashboard)));
  }));
