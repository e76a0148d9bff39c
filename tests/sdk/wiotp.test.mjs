// IBM's SDK for Node.js, unmodified, as somebody uses it who has changed nothing but its domain, key and token.
//
// What it cannot do itself, whatever the server:
// - It hands a query on as it is, one page each: walking through pages is up to its user (`getCustomConnectionState`).
// - It reads `options.mqtt.caFile` and then ignores it; the CA has to come from NODE_EXTRA_CA_CERTS.
// - For MQTT over WebSocket with TLS it knows the ports 433 (it means 443, which it would take for plain MQTT over TLS)
//   and 8883. On 8883 Rollcall speaks MQTT only, so the test uses 433 and leads it to the HTTPS port.
// - It tells nobody when a subscription is answered, so the tests look at the packets of the MQTT client that it offers
//   as `mqtt`.
// - After a connection is closed it keeps a timer for five minutes, and with it the process: the last hook stops that.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';

import { until } from '../e2e/harness.mjs';

const require = createRequire(import.meta.url);
require('./localhost.cjs');
const { ApplicationClient, ApplicationConfig, DeviceClient, GatewayClient } = require('@wiotp/sdk');
// The package does not export what configures devices and gateways from code: its own clients' modules do.
const { default: DeviceConfig } = require('@wiotp/sdk/dist/device/DeviceConfig');
const { default: GatewayConfig } = require('@wiotp/sdk/dist/gateway/GatewayConfig');

const { org, domain, key, token, tokens, ports, sensors, applications } = JSON.parse(process.env.ROLLCALL_SDK);
const made = [];

after(async () => {
  for (const client of made) {
    await leave(client);
    client.lostConnectionLog.clear();
  }
});

const TLS = {};
const PLAIN = { port: 1883, transport: 'tcp' };
const WEBSOCKET = { port: 433, transport: 'websockets' };
const options = (mqtt) => ({ domain, logLevel: 'silent', mqtt: { ...mqtt } });

function keep(client) {
  client.failures = [];
  client.on('error', (error) => client.failures.push(String(error)));
  made.push(client);
  return client;
}

const application = (appId, mqtt) =>
  keep(new ApplicationClient(new ApplicationConfig({ appId }, { key, token }, options(mqtt))));

function thing(clientId, mqtt, secret = tokens[clientId]) {
  const [kind, orgId, typeId, deviceId] = clientId.split(':');
  const [Client, Config] = kind === 'g' ? [GatewayClient, GatewayConfig] : [DeviceClient, DeviceConfig];
  return keep(new Client(new Config({ orgId, typeId, deviceId }, { token: secret }, options(mqtt))));
}

async function arrive(client) {
  client.connect();
  await until('the client is connected', () => {
    assert.deepEqual(client.failures, []);
    return client.isConnected();
  });
  return client;
}

async function leave(client) {
  if (!client.isConnected()) {
    client.disconnect();
    return;
  }
  const closed = once(client, 'close');
  client.disconnect();
  await closed;
}

const api = application('node-reader')._apiClient;
const states = async (query) => (await api.getCustomConnectionState(`?${query}`)).results;
const idsOf = (found) => found.map(({ id }) => id);
const sensor = (n) => `d:${org}:sensor:s-${String(n).padStart(3, '0')}`;

/** All pages of a query, 25 entries each unless it says otherwise. */
async function walk(query = '') {
  const pages = [];
  for (let bookmark; ; ) {
    const more = bookmark === undefined ? '' : `&_bookmark=${encodeURIComponent(bookmark)}`;
    const page = await api.getCustomConnectionState(`?${query}${more}`);
    pages.push(page.results);
    bookmark = page.bookmark;
    if (bookmark === undefined) return pages;
  }
}

test('the first page of all states has 25 and says how to go on', async () => {
  const page = await api.getConnectionStates();
  assert.equal(page.results.length, 25);
  assert.equal(typeof page.bookmark, 'string');
  assert.ok(page.meta.total_rows >= sensors + applications);
});

test('a walk by bookmark finds every client once', async () => {
  const pages = await walk('deviceType=sensor');
  assert.deepEqual(idsOf(pages.flat()), Array.from({ length: sensors }, (_, n) => sensor(n)));
  assert.deepEqual(
    pages.map((page) => page.length),
    [25, 25, 25, 25, sensors - 100],
  );
  const all = idsOf((await walk('_limit=40')).flat());
  assert.equal(new Set(all).size, all.length);
  assert.ok(all.length >= sensors + applications);
});

test('connected clients are found, page after page', async () => {
  const first = await api.getConnectedClientsConnectionStates();
  assert.equal(first.results.length, 25);
  const all = (await walk('connectionStatus=connected')).flat();
  assert.ok(all.every((state) => state.connectionStatus === 'connected'));
  const found = new Set(idsOf(all));
  for (let n = 0; n < applications; n += 1) assert.ok(found.has(`a:${org}:app-${n}`), `app-${n}`);
  assert.deepEqual(await states('connectionStatus=connected&deviceType=sensor'), []);
});

test('recently connected clients are found by a date in any spelling', async () => {
  const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
  // As the SDK's samples spell it, without zone, and with one, whose `+` the SDK leaves to its user to escape.
  for (const date of [hourAgo, hourAgo.slice(0, 19), hourAgo.replace('Z', '%2B00:00')]) {
    assert.equal((await api.getRecentConnectionStates(date)).results.length, 25, date);
  }
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  assert.deepEqual((await api.getRecentConnectionStates(inAnHour)).results, []);
});

test('the queries of the documentation are understood', async () => {
  assert.deepEqual(idsOf(await states('deviceType=sensor&deviceId=s-017')), [sensor(17)]);
  const recent = await states('_limit=100&_sort=-lastActivityTime');
  assert.equal(recent.length, 100);
  const times = recent.map((state) => state.lastActivityTime);
  assert.deepEqual(times, times.toSorted().reverse());
  const relative = encodeURIComponent('{currentTime-2D}');
  assert.equal((await states(`lastConnectedAfter=${relative}`)).length, 25);
});

test('one state is read by its client id', async () => {
  const state = await api.getConnectionState(sensor(42));
  assert.deepEqual(
    [state.id, state.clientType, state.connectionStatus, state.mqttConnectProtocol],
    [sensor(42), 'device', 'disconnected', '3.1.1'],
  );
  for (const name of ['lastConnectTime', 'lastDisconnectTime', 'lastActivityTime']) {
    assert.match(state[name], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, name);
  }
});

test('an unknown client is a 404 that names it, a bad value a 400 that says which', async () => {
  const nobody = `d:${org}:sensor:nobody`;
  await assert.rejects(api.getConnectionState(nobody), ({ response }) => {
    assert.equal(response.status, 404);
    assert.deepEqual(response.data.exception.properties, [nobody]);
    return true;
  });
  await assert.rejects(api.getCustomConnectionState('?_limit=many'), ({ response }) => {
    assert.equal(response.status, 400);
    assert.deepEqual(response.data.violations[0].exception.properties, ['_limit', 'many']);
    return true;
  });
});

test('a wrong token is a 401', async () => {
  const config = new ApplicationConfig({ appId: 'node-stranger' }, { key, token: 'wrong' }, options());
  const stranger = new ApplicationClient(config)._apiClient;
  await assert.rejects(stranger.getConnectionStates(), ({ response }) => response.status === 401);
});

test('the connection log of a device tells all four kinds, newest first', async () => {
  const { registry } = application('node-reader');
  const log = await registry.getDeviceConnectionLogs('valve', 'veteran');
  const times = log.map(({ timestamp }) => timestamp);
  assert.deepEqual(times, times.toSorted().reverse());
  const identity = `ClientID='d:${org}:valve:veteran', ClientIP=127.0.0.1`;
  const count = (pattern) => log.filter(({ message }) => pattern.test(message)).length;
  assert.equal(log.filter(({ message }) => message === `Token auth succeeded: ${identity}`).length, 3);
  assert.equal(count(/^Token auth failed \(.+\): ClientID=/), 1);
  assert.equal(count(/^Closed connection from 127\.0\.0\.1\. ./), 3);
  const ends = new Set(log.map(({ disconnectInitiator }) => disconnectInitiator));
  for (const who of ['client', 'server', 'network']) assert.ok(ends.has(who), who);
  await assert.rejects(
    registry.getDeviceConnectionLogs('valve', 'nobody'),
    ({ response }) => response.status === 404,
  );
});

test('devices are looked up and listed', async () => {
  const { registry } = application('node-reader');
  const device = await registry.getDevice('sensor', 's-001');
  assert.deepEqual([device.clientId, device.typeId, device.deviceId], [sensor(1), 'sensor', 's-001']);
  assert.ok(device.refs.clientState.endsWith(`/clientconnectionstates/${sensor(1)}`));
  assert.equal((await registry.listAllDevicesOfType('sensor')).results.length, 25);
  assert.equal((await api.getAllDevices({ _limit: 100 })).results.length, 100);
  await assert.rejects(registry.getDevice('sensor', 'nobody'), ({ response }) => response.status === 404);
});

/** Collects what arrives about one client: action, payload. An empty payload clears the status of one that left. */
function collect(watcher, event, clientId) {
  const seen = [];
  watcher.on(event, (...args) => {
    const text = String(args.at(-2));
    const payload = text === '' ? {} : JSON.parse(text);
    if (payload.ClientID === clientId) seen.push({ ...payload, names: args.slice(0, -2) });
  });
  return seen;
}

/** Waits until the server has answered the subscription that the SDK sends. */
async function answered(watcher, subscribe) {
  const acknowledged = new Promise((resolve) => {
    watcher.mqtt.on('packetreceive', (packet) => packet.cmd === 'suback' && resolve(packet.granted));
  });
  subscribe();
  assert.deepEqual(await acknowledged, [0]);
}

for (const [name, mqtt, protocol, port] of [
  ['TLS', TLS, 'mqtt4', 8883],
  ['plain MQTT', PLAIN, 'mqtt4', 1883],
  ['WebSocket with TLS', WEBSOCKET, 'mqtt4-ws', 433],
]) {
  for (const which of [['valve', 'node-device'], []]) {
    test(`device status arrives over ${name}, subscribed as ${which.join('/') || '+'}`, async () => {
      const clientId = `d:${org}:valve:node-device`;
      const watcher = await arrive(application('node-watcher', mqtt));
      const seen = collect(watcher, 'deviceStatus', clientId);
      await answered(watcher, () => watcher.subscribeToDeviceStatus(...which));
      // What a run before has left comes first, as the retained message.
      const device = await arrive(thing(clientId, mqtt));
      const connect = await until('the connect arrives', () => seen.find((one) => one.Action === 'Connect'));
      assert.deepEqual(connect.names, ['valve', 'node-device']);
      assert.deepEqual(
        [connect.ClientAddr, connect.Protocol, connect.Port, connect.Secure],
        ['127.0.0.1', protocol, ports[port], mqtt !== PLAIN],
      );

      const late = await arrive(application('node-late', mqtt));
      const known = collect(late, 'deviceStatus', clientId);
      await answered(late, () => late.subscribeToDeviceStatus(...which));
      await until('the retained status arrives', () => known.length > 0);
      assert.equal(known[0].Time, connect.Time);

      await new Promise((resolve) => device.publishEvent('status', 'json', { open: true }, 1, resolve));
      await leave(device);
      const isEnd = (one) => one.Action === 'Disconnect' && one.ConnectTime === connect.ConnectTime;
      const disconnect = await until('the disconnect arrives', () => seen.find(isEnd));
      assert.ok(disconnect.Time >= connect.Time);
      assert.ok(disconnect.ReadMsg >= 1);
      for (const client of [watcher, late]) await leave(client);
    });
  }
}

for (const [name, mqtt] of [
  ['TLS', TLS],
  ['WebSocket with TLS', WEBSOCKET],
]) {
  for (const which of ['node-seen', undefined]) {
    test(`application status arrives over ${name}, subscribed as ${which ?? '+'}`, async () => {
      const watcher = await arrive(application('node-watcher', mqtt));
      const seen = collect(watcher, 'appStatus', `a:${org}:node-seen`);
      await answered(watcher, () => watcher.subscribeToAppStatus(which));
      const other = await arrive(application('node-seen', mqtt));
      await until('the connect arrives', () => seen.find((one) => one.Action === 'Connect'));
      assert.deepEqual(seen[0].names, ['node-seen']);
      await leave(other);
      await until('the disconnect arrives', () => seen.find((one) => one.Action === 'Disconnect'));
      await leave(watcher);

      // Nothing is retained for an application that left.
      const late = await arrive(application('node-late', mqtt));
      const known = collect(late, 'appStatus', `a:${org}:node-seen`);
      const alive = collect(late, 'appStatus', `a:${org}:app-0`);
      await answered(late, () => late.subscribeToAppStatus());
      await until('the retained status of another arrives', () => alive.length > 0);
      await answered(late, () => late.subscribeToAppStatus('node-seen'));
      assert.deepEqual(known, []);
      await leave(late);
    });
  }
}

for (const [kind, clientId] of [
  ['device', `d:${org}:valve:node-plain`],
  ['gateway', `g:${org}:hub:node-gateway`],
]) {
  for (const [name, mqtt] of [
    ['TLS', TLS],
    ['plain MQTT', PLAIN],
    ['WebSocket with TLS', WEBSOCKET],
  ]) {
    test(`a ${kind} comes, publishes and goes over ${name}, as what it is`, async () => {
      const state = (what, probe) =>
        until(what, async () => {
          const [found] = await states(`deviceId=${clientId.split(':')[3]}`);
          return found !== undefined && probe(found) && found;
        });
      const client = await arrive(thing(clientId, mqtt));
      await new Promise((resolve) => client.publishEvent('status', 'json', { a: 1 }, 1, resolve));
      const live = await state('the API tells of the event', (it) => it.lastActivityEvent === 'mqttPublish');
      assert.deepEqual(
        [live.id, live.clientType, live.connectionStatus, live.mqttConnectProtocol, live.secure],
        [clientId, kind, 'connected', '3.1.1', mqtt !== PLAIN],
      );
      await leave(client);
      const gone = await state('the API tells of the end', (it) => it.connectionStatus === 'disconnected');
      assert.deepEqual([gone.disconnectInitiator, gone.lastActivityEvent], ['client', 'mqttDisconnect']);
    });
  }
}

test('a device with a wrong token is told so, and its attempt is in the log', async () => {
  const clientId = `d:${org}:valve:node-plain`;
  const device = thing(clientId, TLS, 'wrong');
  device.connect();
  await until('the device is refused', () => device.failures.some((text) => /not authorized|bad user/i.test(text)));
  await leave(device);
  const { registry } = application('node-reader');
  await until('the log tells of it', async () => {
    const log = await registry.getDeviceConnectionLogs('valve', 'node-plain');
    return log.some(({ message }) => message.startsWith('Token auth failed ('));
  });
});
