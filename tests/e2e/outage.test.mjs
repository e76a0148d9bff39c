// The server dies, is killed, comes back; the page says what it knows. Each test has a server of its own.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';

import { launchBrowser, screenshot, SERVER_AWAY, withPage } from './browser.mjs';
import {
  attempt,
  cleanUp,
  connect,
  connectRaw,
  LIMIT_MS,
  mqttsPort,
  run,
  startServer,
  temporaryFolder,
  until,
  untilStatus,
} from './harness.mjs';

let browser;

before(async () => {
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await cleanUp();
});

/** Runs what the page says, as a reader would who has the library for it. */
function shell(line) {
  const own = line.replace(/^python3/, process.env.ROLLCALL_PYTHON ?? 'python3');
  execFileSync('/bin/sh', ['-c', own], { timeout: LIMIT_MS, stdio: 'pipe' });
}

const device = (name) => `d:acme01:thermo:${name}`;

test('after kill -9, clients that were connected are shown as disconnected by the server, inferred, and the log survives', async () => {
  const first = await startServer();
  const [online, gone] = [device('online'), device('gone')];
  await (await connect(first, gone)).goodbye();
  await untilStatus(first, gone, 'disconnected');
  await connectRaw(first, online);
  await untilStatus(first, online, 'connected');
  const stateOfGone = await first.state(gone);
  const killedAt = Date.now();
  await first.kill();

  const second = await startServer({ data: first.data });
  const state = await second.state(online);
  assert.equal(state.connectionStatus, 'disconnected');
  assert.equal(state.disconnectInitiator, 'server');
  assert.equal(state.certainty, 'inferred');
  assert.ok(Date.parse(state.lastDisconnectTime) >= Date.parse(state.lastConnectTime));
  assert.ok(
    Date.parse(state.lastDisconnectTime) <= killedAt + 2_000,
    `${state.lastDisconnectTime} is after the end`,
  );
  assert.deepEqual(await second.state(gone), stateOfGone, 'what was known stays as it was');
  const events = async (id) => (await second.log(id)).map((entry) => entry.event);
  assert.deepEqual(await events(gone), ['disconnect', 'connect']);
  assert.deepEqual(await events(online), ['disconnect', 'connect']);
  assert.equal((await second.log(online))[0].certainty, 'inferred');

  await withPage(browser, second, {}, async (dashboard) => {
    await dashboard.untilRow(online, { status: 'disconnected', initiator: 'server' });
    await dashboard.untilRow(gone, { status: 'disconnected', initiator: 'client' });
    await dashboard.untilLive();
    await connectRaw(second, online);
    await dashboard.untilRow(online, { status: 'connected' });
  });
  await second.stop();
});

test('a clean stop tells every client and the next start knows who ended what', async () => {
  const first = await startServer();
  const id = device('told');
  await connectRaw(first, id, { version: 5 });
  await untilStatus(first, id, 'connected');
  await first.stop();
  assert.equal(first.child.exitCode, 0, first.child.err);

  const second = await startServer({ data: first.data });
  const state = await second.state(id);
  assert.equal(state.connectionStatus, 'disconnected');
  assert.equal(state.disconnectInitiator, 'server');
  assert.equal(state.certainty, 'reported');
  assert.deepEqual([state.mqttReasonCode, state.closeCode], [0x8b, 93]);
  await second.stop();
});

test('the server stops while the page is open: the page says so, keeps what it knew, and recovers by itself', async () => {
  const first = await startServer();
  const id = device('watched');
  await (await connect(first, id)).goodbye();
  await untilStatus(first, id, 'disconnected');
  await withPage(browser, first, { allowed: SERVER_AWAY }, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.untilRow(id, { status: 'disconnected' });
    await dashboard.page.evaluate(() => (globalThis.notReloaded = true));

    await first.stop();
    await dashboard.untilIndicator('monitor', 'connecting', 'down');
    await dashboard.untilIndicator('api', 'connecting', 'down');
    assert.equal(await dashboard.row(id).count(), 1, 'the table keeps what it knew');
    await screenshot(dashboard.page, 'server-away-light');

    const second = await startServer({ data: first.data, http: first.httpPort, mqtt: first.mqttPort });
    await dashboard.untilLive();
    await connect(second, id);
    await dashboard.untilRow(id, { status: 'connected' });
    assert.equal(await dashboard.page.evaluate(() => globalThis.notReloaded), true);
    await second.stop();
  });
});

// The page called the moment at which it missed an answer the last one with live events: up to 18 seconds late.
test('a server that falls silent was heard last when it was, and nothing that is shown looks as if it were so now', async () => {
  const server = await startServer();
  const id = device('frozen');
  // What is still being asked for when the frozen server dies.
  const allowed = new RegExp(`${SERVER_AWAY.source}|ERR_SOCKET_NOT_CONNECTED`);
  await connectRaw(server, id);
  await withPage(browser, server, { allowed, timezoneId: 'UTC' }, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.untilRow(id, { status: 'connected' });
    await dashboard.open(id);
    const mark = (place) => dashboard.page.locator(`${place} .mark-connected`).first();
    const border = (place) => mark(place).evaluate((element) => getComputedStyle(element).borderStyle);
    const places = ['.row', '.summary', '[data-testid=panel] header'];
    for (const place of places) assert.notEqual(await border(place), 'dashed', place);

    server.child.kill('SIGSTOP');
    const silentFrom = Date.now();
    const indicator = dashboard.get('indicator-monitor');
    const isDown = async () => (await indicator.getAttribute('data-state')) === 'down';
    await until('the page misses the server', isDown, 2 * LIMIT_MS);
    const [since] = (await indicator.innerText()).match(/\d+:\d\d:\d\d/);
    const day = new Date(silentFrom).toISOString().slice(0, 10);
    const heardAt = Date.parse(`${day}T${since.padStart(8, '0')}Z`);
    assert.ok(heardAt <= silentFrom, `${since} is after ${new Date(silentFrom).toISOString()}`);

    // It still takes connections, so only time tells.
    await dashboard.get('failure').waitFor({ timeout: LIMIT_MS });
    assert.ok(Date.now() - silentFrom < 2 * LIMIT_MS);
    await dashboard.untilIndicator('api', 'down', 'failed');
    await screenshot(dashboard.page, 'server-frozen-light');
    await server.kill();
    for (const place of places) assert.equal(await border(place), 'dashed', place);
  });
});

test('what happened while the page could not hear it is there when it can again', async () => {
  const first = await startServer();
  const [lost, late] = [device('lost'), device('came-meanwhile')];
  await connectRaw(first, lost);
  await withPage(browser, first, { allowed: SERVER_AWAY }, async (dashboard) => {
    await dashboard.untilLive();
    await dashboard.untilRow(lost, { status: 'connected' });
    await dashboard.page.context().setOffline(true);
    await first.kill();
    const second = await startServer({ data: first.data, http: first.httpPort, mqtt: first.mqttPort });
    await attempt(second, late);
    await untilStatus(second, late, 'disconnected');
    await dashboard.page.context().setOffline(false);
    await dashboard.untilLive();
    await dashboard.untilRow(late, { status: 'disconnected', initiator: 'client' });
    await dashboard.untilRow(lost, { status: 'disconnected', initiator: 'server' });
    await second.stop();
  });
});

test('demo clients vanish from the default view when the demo is off, and can be asked for', async () => {
  const [data, real] = [temporaryFolder(), device('real')];
  const args = ['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', '--data', data, '--demo', '8'];
  const first = await startServer({ args });
  await attempt(first, real);
  await withPage(browser, first, {}, async (dashboard) => {
    await dashboard.untilNumber('total', 9);
    await dashboard.untilLive();
    await screenshot(dashboard.page, 'demo-light');
  });
  await first.stop();

  const second = await startServer({ data });
  await withPage(browser, second, {}, (dashboard) => dashboard.untilIds([real]));
  await withPage(browser, second, { query: '?deviceType=demo' }, (dashboard) =>
    dashboard.untilNumber('total', 8),
  );
  await second.stop();
});

test('the first run shows how to connect a client, with the real address', async () => {
  const server = await startServer();
  await withPage(browser, server, {}, async (dashboard) => {
    await dashboard.untilLive();
    const { page } = dashboard;
    await until('the page names the address', async () =>
      (await page.innerText('body')).includes(String(server.mqttPort)),
    );
    const command = (await page.locator('code, pre').allInnerTexts()).find((text) =>
      text.includes('mosquitto_pub'),
    );
    assert.ok(command, 'there is a command to copy');
    assert.ok(command.includes(String(server.mqttPort)), command);
    await screenshot(page, 'first-run-light');

    // Both at once: the first client that connects takes the commands away.
    const python = await page.getByText('python3 -c').innerText();
    shell(command);
    await dashboard.untilRow('hello-1', { status: 'disconnected', initiator: 'client' });
    shell(python);
    await dashboard.untilRow('hello-2', { status: 'disconnected', initiator: 'client' });
  });
  await server.stop();
});

test('where devices are registered, the first run says how to, and names what the clients of other machines need', async () => {
  const args = ['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', '--mqtts', '0.0.0.0:0', '--tls-self-signed'];
  const data = temporaryFolder();
  const server = await startServer({ data, args: [...args, '--data', data, '--demo', '0'] });
  const options = { ignoreHTTPSErrors: true };
  await withPage(browser, server, options, async (dashboard) => {
    const first = dashboard.get('first-run');
    await first.getByText('rollcall devices add').waitFor();
    const command = await first.getByText('mosquitto_pub').innerText();
    assert.match(command, new RegExp(`-p ${mqttsPort(server)} --cafile `));
    assert.match(command, /-u use-token-auth -P TOKEN/);
    await screenshot(dashboard.page, 'first-run-tls-light');
    const python = await first.getByText('python3 -c').innerText();
    const registered = await first.getByText('rollcall devices add').innerText();

    // As a reader would, with their own folder, and the token that the first command prints.
    const [, ...words] = registered.replace('DIR', data).split(' ');
    const { stdout } = run(words);
    const token = stdout.match(/token:? +(\S+)/i)?.[1];
    assert.ok(token, stdout);
    for (const line of [command, python]) shell(line.replaceAll('DIR', data).replace('TOKEN', token));
    await dashboard.untilRow('d:acme01:thermo:t-1', { status: 'disconnected', initiator: 'client' });
  });
  await server.stop();
});
