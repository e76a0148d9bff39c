// An export over a network that breaks off: what has arrived stays, what is missing follows, and the file is the one that
// the server would have written in one piece. A TCP proxy stands between the browser and the server and cuts answers.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, SERVER_AWAY, withPage } from './browser.mjs';
import { basic, cleanUp, run, startServer, temporaryFolder, until } from './harness.mjs';

const CLIENTS = 12_000;
/** Ids that are hard to find again in a file. */
const ODD = ['=1+1', "'=1+1", "''=1", '-', "'", '"', 'a,b', 'two\nlines', 'ü%2F+&', '@', '\t', 'x'.repeat(3_000)];

let server;
let browser;

before(async () => {
  const data = temporaryFolder();
  const numbered = Array.from({ length: CLIENTS }, (_, at) => `d:acme01:thermo:t-${String(at).padStart(5, '0')}`);
  const line = (id, at) =>
    JSON.stringify({
      ...{ Action: 'Disconnect', Time: '2026-01-02T16:51:10.558Z', ConnectTime: '2026-01-02T16:00:00.000Z' },
      ...{ ClientAddr: '10.0.0.7', ClientID: id, Port: 40_000 + (at % 20_000), Secure: false, Protocol: 'mqtt4' },
      ...{ CloseCode: 91, Reason: 'closed, by "somebody"' },
    });
  const file = path.join(data, 'fleet.ndjson');
  writeFileSync(file, [...ODD, ...numbered].map(line).join('\n') + '\n');
  const imported = run(['import', '--data', data, '--org', 'acme01', file]);
  assert.equal(imported.status, 0, imported.stderr);
  [server, browser] = await Promise.all([startServer({ data }), launchBrowser()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await cleanUp();
});

/** An answer that is cut after so many bytes has brought rows. */
const LONG = 100_000;

/**
 * Passes everything on to the server, but ends the answer to the first question for an export after `cuts[0]` bytes, to the
 * next one after `cuts[1]`, and so on; a long one when `haveArrived` says so, as the browser gives up what it has not read.
 * `asked` are the paths of these questions.
 */
async function cuttingProxy(cuts, haveArrived) {
  const asked = [];
  const sockets = new Set();
  const proxy = net.createServer((client) => {
    const upstream = net.connect(server.httpPort, '127.0.0.1');
    let left = Infinity;
    let isLong = false;
    const end = () => [client, upstream].forEach((socket) => socket.destroy());
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    client.on('data', (bytes) => {
      const path = bytes.toString('latin1').match(/^GET (\/api\/v0002\/export\/states\S*)/)?.[1];
      if (path) {
        asked.push(path);
        left = cuts.shift() ?? Infinity;
        isLong = left >= LONG && left < Infinity;
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      const passed = bytes.subarray(0, Math.min(left, bytes.length));
      left -= bytes.length;
      if (left >= 0) return client.write(passed);
      upstream.pause();
      client.write(passed, () => (isLong ? haveArrived() : Promise.resolve()).then(end, end));
    });
  });
  proxy.listen(0, '127.0.0.1').unref();
  await once(proxy, 'listening');
  const signInLink = () => {
    const link = new URL(server.signInLink());
    link.port = proxy.address().port;
    return link.href;
  };
  const close = () => sockets.forEach((socket) => socket.destroy());
  return { signInLink, asked, close };
}

/** The file as the server writes it in one piece. */
const whole = async (format) => {
  const answer = await fetch(`${server.url}api/v0002/export/states?format=${format}`, { headers: basic(server.key) });
  return answer.text();
};

async function exporting(format, cuts, body) {
  let haveArrived;
  const proxy = await cuttingProxy(cuts, () => haveArrived());
  await withPage(browser, proxy, { allowed: SERVER_AWAY }, async (dashboard) => {
    let rows = 0;
    haveArrived = () =>
      until('more rows have arrived', async () => {
        const before = rows;
        rows = Number(await dashboard.get('export-progress').getAttribute('value'));
        return rows > before;
      });
    await dashboard.untilLive();
    await dashboard.page.keyboard.press('e');
    await dashboard.get(`export-${format}`).click();
    const download = dashboard.page.waitForEvent('download');
    await dashboard.get('export-start').click();
    await body?.(dashboard, proxy);
    const file = readFileSync(await (await download).path(), 'utf8');
    assert.match(await dashboard.get('export-done').innerText(), new RegExp(`12,0${ODD.length}`));
    const expected = await whole(format);
    assert.equal(file.length, expected.length);
    assert.ok(file === expected, 'the file is that of an export in one piece');
  }).finally(proxy.close);
  return proxy.asked;
}

for (const format of ['csv', 'ndjson']) {
  test(`an export as ${format} that is cut again and again ends complete, no row twice and none missing`, async () => {
    // Before the answer, among the odd ids, within rows, and in the middle of a long piece.
    const asked = await exporting(format, [0, 900, 4_700, 5_300, 150_000, 1_000_000]);
    // The browser asks once more by itself where an answer is empty.
    assert.ok(asked.length >= 7, asked.join('\n'));
    assert.ok(asked.slice(-2).every((path) => path.includes('_afterId=')), asked.join('\n'));
  });
}

test('an export that waits for the network says so, keeps what has arrived and goes on when asked', async () => {
  const cuts = [1_000_000, ...Array(1_000).fill(0)];
  const asked = await exporting('ndjson', cuts, async (dashboard, { asked }) => {
    const alert = dashboard.get('popup').getByRole('alert');
    await alert.filter({ hasText: /Cannot reach the server\. Retrying in/ }).waitFor();
    await until('it was tried again by itself', () => asked.length > 2);
    const bar = dashboard.get('export-progress');
    const arrived = Number(await bar.getAttribute('value'));
    assert.ok(arrived > 1_000, `${arrived} rows have arrived`);
    // Not when it is about to go on by itself.
    await alert.filter({ hasText: /Retrying in ([3-9]|\d\d)/ }).waitFor();
    cuts.length = 0;
    await dashboard.get('export-go-on').click();
    await dashboard.get('export-done').waitFor();
  });
  const after = asked.slice(1).map((path) => new URL(path, server.url).searchParams.get('_afterId'));
  assert.deepEqual([...new Set(after)].length, 1, 'each went on at the same row');
});

/** Selects the clients whose ids contain the text, and that are loaded. */
async function select(dashboard, text) {
  const { page } = dashboard;
  await dashboard.search(text);
  await dashboard.untilParameter('search', text);
  await until('the rows are those', async () => {
    const ids = await dashboard.ids();
    return ids.length > 0 && ids.every((id) => id.includes(text));
  });
  await page.locator('.heads input[type=checkbox]').click();
  await dashboard.get('selected').waitFor();
}

/** Saves what the open dialog offers, and gives what is in the file. */
async function save(dashboard, format) {
  await dashboard.get(`export-${format}`).click();
  const download = dashboard.page.waitForEvent('download');
  await dashboard.get('export-start').click();
  const file = readFileSync(await (await download).path(), 'utf8');
  const said = await dashboard.get('export-done').innerText();
  await dashboard.get('export-close').click();
  await dashboard.get('popup').waitFor({ state: 'hidden' });
  return { file, said };
}

// It saved all that match, whatever was selected.
test('what is selected is saved, and nothing else, also when it does not pass the filter any more; or all, when asked', () =>
  withPage(browser, server, {}, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await page.keyboard.press('e');
    assert.equal(await dashboard.get('export-selected').count(), 0);
    await dashboard.closePopup();
    await select(dashboard, 't-0012');
    await dashboard.search('a,b');
    await dashboard.row('a,b').locator('input').click();
    await dashboard.search('t-0500');
    await dashboard.untilIds(Array.from({ length: 10 }, (_, at) => `d:acme01:thermo:t-0500${at}`));
    assert.match(await dashboard.get('selected').innerText(), /^11 selected/);
    // In the field letters are letters.
    await page.locator('#grid').focus();
    const isIt = (id) => id.includes('t-0012') || id === 'a,b';

    await page.keyboard.press('e');
    assert.equal(await dashboard.get('export-selected').getAttribute('aria-pressed'), 'true');
    assert.equal(await dashboard.get('export-all').innerText(), 'All 10 that match');
    await dashboard.get('popup').getByText('11 clients, with all fields.').waitFor();
    await screenshot(page, 'export-selected-light');
    const ndjson = await save(dashboard, 'ndjson');
    assert.match(ndjson.said, /11/);
    const lines = (await whole('ndjson')).split('\n').filter((line) => line && isIt(JSON.parse(line).id));
    assert.equal(lines.length, 11);
    const parsed = (text) => text.trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(parsed(ndjson.file), parsed(lines.join('\n')));

    await page.keyboard.press('e');
    const csv = await save(dashboard, 'csv');
    const records = (await whole('csv')).split('\r\n');
    const expected = [records[0], ...records.filter((record) => /^"a,b"|t-0012\d,/.test(record)), ''];
    assert.equal(expected.length, 13);
    assert.equal(csv.file, expected.join('\r\n'));

    await page.keyboard.press('e');
    await dashboard.get('export-all').click();
    await dashboard.get('popup').getByText('10 clients, with all fields.').waitFor();
    const all = await save(dashboard, 'ndjson');
    assert.deepEqual(parsed(all.file).map(({ id }) => id.slice(-5)), Array.from({ length: 10 }, (_, at) => `0500${at}`));
  }));

test('many thousands that are selected are saved as they are in an export of all', () =>
  withPage(browser, server, { query: '?search=thermo' }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await dashboard.row('d:acme01:thermo:t-00000').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Control+a');
    await dashboard.get('select-all').click();
    await until('all are selected', async () => /^12,000 selected/.test(await dashboard.get('selected').innerText()));
    await page.keyboard.press('e');
    const { file, said } = await save(dashboard, 'csv');
    assert.match(said, /12,000/);
    const isIt = (record, at) => at === 0 || record.startsWith('d:acme01:thermo:t-');
    const expected = (await whole('csv')).split('\r\n').filter(isIt);
    assert.ok(file === [...expected, ''].join('\r\n'), 'the file is that of an export in one piece, without the others');
  }));

test('an export of what is selected says how far it is, waits while the server is away, and can be given up', () =>
  withPage(browser, server, { allowed: SERVER_AWAY }, async (dashboard) => {
    const { page } = dashboard;
    await dashboard.untilLive();
    await select(dashboard, 't-00');
    const count = await dashboard.number('selected');
    assert.ok(count > 30, `${count} are selected`);
    const asked = new Set();
    let isAway = true;
    await page.route('**/api/v0002/clientconnectionstates/*', (route) => {
      asked.add(route.request().url());
      return isAway && asked.size > 20 ? route.abort('connectionrefused') : route.continue();
    });
    await page.keyboard.press('e');
    await dashboard.get('export-start').click();
    await dashboard.get('popup').getByRole('alert').filter({ hasText: /Cannot reach the server/ }).waitFor();
    const bar = dashboard.get('export-progress');
    assert.deepEqual([await bar.getAttribute('value'), await bar.getAttribute('max')], ['18', `${count}`]);
    await dashboard.get('export-cancel').click();
    await dashboard.get('export-start').waitFor();
    assert.equal(await bar.isVisible(), false);
    asked.clear();
    await dashboard.get('export-start').click();
    await dashboard.get('export-go-on').waitFor();
    const download = page.waitForEvent('download');
    isAway = false;
    await dashboard.get('export-go-on').click();
    const file = readFileSync(await (await download).path(), 'utf8');
    assert.equal(file.split('\r\n').length, count + 2, 'each once, the heads, and the end of the last line');
  }));

// The button that was pressed is gone with each stage, and the focus was nowhere.
test('an export is started, given up in the middle and started again with one key, and leaves nothing behind', async () => {
  const cuts = [1_000_000];
  const proxy = await cuttingProxy(cuts, () => new Promise(() => {}));
  await withPage(browser, proxy, { allowed: SERVER_AWAY }, async (dashboard) => {
    const { page } = dashboard;
    const focused = (name) =>
      until(`the focus is on ${name}`, () => page.evaluate((one) => document.activeElement.dataset.testid === one, name));
    const opener = page.locator('[data-opens="export"]');
    await dashboard.untilLive();
    await page.keyboard.press('e');
    await dashboard.get('export-start').focus();
    await page.keyboard.press('Enter');
    await focused('export-cancel');
    const arrived = async () => Number(await dashboard.get('export-progress').getAttribute('value'));
    await until('some rows have arrived', async () => (await arrived()) > 1_000);
    assert.ok((await arrived()) < CLIENTS, 'not all of them');
    assert.match(await opener.innerText(), /^Exporting: \d+%$/);
    await focused('export-cancel');
    await page.keyboard.press('Enter');
    await focused('export-start');
    assert.equal(await dashboard.get('export-progress').isVisible(), false);
    assert.equal(await opener.innerText(), 'Export');

    const download = page.waitForEvent('download');
    await page.keyboard.press('Enter');
    const file = readFileSync(await (await download).path(), 'utf8');
    assert.ok(file === (await whole('csv')), 'the file is that of an export in one piece');
    await focused('export-close');
    await page.keyboard.press('Enter');
    await dashboard.get('popup').waitFor({ state: 'hidden' });
  }).finally(proxy.close);
});
