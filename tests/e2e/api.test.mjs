// The interfaces that other programs use, as they find them: the binary's command line, MQTT through Debian's
// clients, and HTTP.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import {
  addDevice,
  attempt,
  cleanUp,
  connect,
  connectRaw,
  register,
  run,
  startServer,
  subscribe,
  temporaryFolder,
  until,
  untilStatus,
} from './harness.mjs';

/** Accepts clients without credentials: nobody registers a device there. */
let server;
/** Has registered devices, so that everybody presents credentials. */
let guarded;

before(async () => {
  [server, guarded] = await Promise.all([startServer(), startServer()]);
});

after(async () => {
  await Promise.all([server?.stop(), guarded?.stop()]);
  await cleanUp();
});

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const DEVICES = 'iot-2/type/+/id/+/mon';
const topicOf = (type, id) => `iot-2/type/${type}/id/${id}/mon`;

/** Waits for a message that satisfies this and returns it. */
const message = (subscriber, what, accept) =>
  until(what, () => subscriber.messages.find(({ payload, ...rest }) => accept(payload ?? {}, rest)));

describe('monitor topics', () => {
  test('a connect and a disconnect are told with the documented fields, live and not retained', async () => {
    const watcher = await subscribe(server, DEVICES);
    const topic = topicOf('thermo', 'told');
    const client = await connect(server, 'd:acme01:thermo:told');
    const connected = await message(
      watcher,
      'the connect',
      (m, { topic: t }) => t === topic && m.Action === 'Connect',
    );
    assert.equal(connected.retained, false, 'a live message carries no retain flag');
    assert.match(connected.payload.Time, TIME);
    const { Time, ConnectTime, ...rest } = connected.payload;
    assert.deepEqual(
      {
        ClientAddr: rest.ClientAddr,
        ClientID: rest.ClientID,
        Port: rest.Port,
        Secure: rest.Secure,
        Protocol: rest.Protocol,
      },
      {
        ClientAddr: '127.0.0.1',
        ClientID: 'd:acme01:thermo:told',
        Port: server.mqttPort,
        Secure: false,
        Protocol: 'mqtt4',
      },
    );

    await client.lose();
    const closed = await message(
      watcher,
      'the disconnect',
      (m, { topic: t }) => t === topic && m.Action === 'Disconnect',
    );
    assert.equal(closed.retained, false);
    assert.equal(closed.payload.CloseCode, 91);
    assert.equal(closed.payload.Reason, 'The connection was closed by the client or network.');
    assert.equal(closed.payload.ConnectTime, connected.payload.ConnectTime);
    assert.ok(closed.payload.Time >= connected.payload.Time);
    for (const counter of ['ReadBytes', 'ReadMsg', 'WriteBytes', 'WriteMsg']) {
      if (counter in closed.payload) assert.equal(typeof closed.payload[counter], 'number', counter);
    }
  });

  test('each protocol version has its name', async () => {
    const watcher = await subscribe(server, 'iot-2/type/versions/id/+/mon');
    for (const [version, name, shown] of [
      ['mqttv31', 'mqtt3', '3.1'],
      ['311', 'mqtt4', '3.1.1'],
      ['mqttv5', 'mqtt5', '5'],
    ]) {
      const id = `d:acme01:versions:${name}`;
      const client = await connect(server, id, { version });
      const { payload } = await message(watcher, name, (m) => m.ClientID === id && m.Action === 'Connect');
      assert.equal(payload.Protocol, name);
      assert.equal((await server.state(id)).mqttConnectProtocol, shown);
      await client.goodbye();
    }
  });

  test('who subscribes late gets the last message of each device, retained', async () => {
    await connect(server, 'd:acme01:late:online');
    const gone = await connect(server, 'd:acme01:late:gone');
    await gone.goodbye();
    await untilStatus(server, 'd:acme01:late:gone', 'disconnected');
    const late = await subscribe(server, 'iot-2/type/late/id/+/mon');
    await until('both messages', () => late.messages.length >= 2);
    const seen = Object.fromEntries(
      late.messages.map(({ topic, retained, payload }) => [topic, [retained, payload.Action]]),
    );
    assert.deepEqual(seen, {
      [topicOf('late', 'online')]: [true, 'Connect'],
      [topicOf('late', 'gone')]: [true, 'Disconnect'],
    });
  });

  test('an application that leaves clears its retained message', async () => {
    const watcher = await subscribe(server, 'iot-2/app/+/mon');
    const id = 'a:acme01:clears';
    const client = await connect(server, id);
    await message(watcher, 'the connect', (m) => m.ClientID === id && m.Action === 'Connect');
    const during = await subscribe(server, 'iot-2/app/clears/mon');
    await until('the retained connect', () => during.messages.some(({ retained }) => retained));
    await client.goodbye();
    const { retained } = await message(
      watcher,
      'the disconnect',
      (m) => m.ClientID === id && m.Action === 'Disconnect',
    );
    assert.equal(retained, false);
    await untilStatus(server, id, 'disconnected');

    const late = await subscribe(server, 'iot-2/app/+/mon');
    // A marker: what is retained comes before what happens after the subscription.
    await connect(server, 'a:acme01:marker');
    await message(late, 'the marker', (m) => m.ClientID === 'a:acme01:marker');
    assert.deepEqual(
      late.messages.filter(({ payload }) => payload?.ClientID === id),
      [],
    );
  });

  test('a failed attempt is told and not retained', async () => {
    const { clientId } = addDevice(guarded, 'refused', 'r-1');
    const marker = 'd:acme01:refused:marker';
    const watcher = await subscribe(guarded, 'iot-2/type/refused/id/+/mon', { id: 'a:acme01:watcher' });
    await attempt(guarded, clientId, { user: 'use-token-auth', password: 'guessed' });
    const failed = await message(watcher, 'the attempt', (m) => m.Action === 'FailedConnect');
    assert.equal(failed.payload.CloseCode, 180);
    assert.equal(failed.retained, false);
    const late = await subscribe(guarded, 'iot-2/type/refused/id/+/mon', { id: 'a:acme01:late' });
    await connect(guarded, marker, register(guarded, marker));
    await message(late, 'the marker', (m) => m.ClientID === marker);
    assert.deepEqual(
      late.messages.filter(({ payload }) => payload?.ClientID === clientId),
      [],
    );
  });

  test('a takeover is told with close code 288 and does not become the retained message', async () => {
    const id = 'd:acme01:taken:t-1';
    const watcher = await subscribe(server, 'iot-2/type/taken/id/+/mon');
    await connectRaw(server, id);
    await untilStatus(server, id, 'connected');
    await connectRaw(server, id);
    await message(watcher, 'the takeover', (m) => m.Action === 'Disconnect' && m.CloseCode === 288);
    const late = await subscribe(server, 'iot-2/type/taken/id/+/mon');
    const { payload } = await message(late, 'the retained message', (_, { retained }) => retained);
    assert.equal(payload.Action, 'Connect');
  });

  test('a filter with # is refused, in both versions', async () => {
    for (const version of ['311', 'mqttv5']) {
      for (const filter of ['#', 'iot-2/#', 'iot-2/type/#']) {
        const { child } = await subscribe(server, filter, { version });
        assert.match(
          child.out + child.err,
          /Subscribed \(mid: \d+\): (128|135|143|162)|denied/,
          `${filter} over ${version}`,
        );
      }
    }
  });

  test('nobody but the server publishes to a monitor topic', async () => {
    const watcher = await subscribe(server, 'iot-2/type/forged/id/+/mon');
    const forged = JSON.stringify({
      Action: 'Disconnect',
      Time: new Date().toISOString(),
      ClientID: 'd:acme01:forged:x',
    });
    for (const version of ['311', 'mqttv5']) {
      for (const qos of [0, 1]) {
        await attempt(server, `forger-${version}-${qos}`, {
          version,
          qos,
          topic: topicOf('forged', 'x'),
          message: forged,
        });
      }
    }
    await connect(server, 'd:acme01:forged:marker');
    await message(watcher, 'the marker', (m) => m.ClientID === 'd:acme01:forged:marker');
    assert.deepEqual(
      watcher.messages.filter(({ topic }) => topic === topicOf('forged', 'x')),
      [],
    );
    assert.equal(await server.state('d:acme01:forged:x'), undefined);
  });
});

describe('State API', () => {
  test('a client is described with the documented names and kinds of values', async () => {
    const id = 'd:acme01:described:t-1';
    const client = await connect(server, id);
    const connected = await server.state(id);
    assert.equal(connected.id, id);
    assert.equal(connected.clientType, 'device');
    assert.equal(connected.connectionStatus, 'connected');
    assert.match(connected.lastConnectTime, TIME);
    assert.match(connected.lastActivityTime, TIME);
    assert.equal(connected.mqttConnectProtocol, '3.1.1');
    for (const absent of [
      'disconnectInitiator',
      'mqttReasonCode',
      'closeCode',
      'reason',
      'lastDisconnectTime',
    ]) {
      assert.ok(!(absent in connected), `${absent} is absent while connected for the first time`);
    }

    client.say('{"d":{"celsius":21.5}}');
    await until(
      'the publish is the last activity',
      async () => (await server.state(id)).lastActivityEvent === 'mqttPublish',
    );
    await client.goodbye();
    const gone = await untilStatus(server, id, 'disconnected');
    assert.match(gone.lastDisconnectTime, TIME);
    assert.equal(gone.lastActivityEvent, 'mqttDisconnect');
    assert.deepEqual(
      [gone.disconnectInitiator, gone.mqttReasonCode, gone.closeCode, gone.certainty],
      ['client', 0, 0, 'reported'],
    );
    assert.equal(Object.values(gone).includes(null), false, 'absent, not null');
  });

  test('a disconnect by the network is no activity', async () => {
    const id = 'd:acme01:described:lost';
    const client = await connect(server, id);
    await client.lose();
    const state = await untilStatus(server, id, 'disconnected');
    assert.equal(state.lastActivityEvent, 'mqttConnect');
  });

  test('an id may be written with its colons as they are', async () => {
    await connect(server, 'd:acme01:colons:t-1');
    const { status, body } = await server.api('/clientconnectionstates/d:acme01:colons:t-1');
    assert.deepEqual([status, body.id], [200, 'd:acme01:colons:t-1']);
  });

  test('filters, sort and bookmark walk through all matches, once each', async () => {
    const ids = [];
    for (let number = 0; number < 5; number++) {
      const id = `d:acme01:walked:t-${number}`;
      ids.push(id);
      await (await connect(server, id)).goodbye();
    }
    const seen = [];
    let bookmark;
    do {
      const from = bookmark ? `&_bookmark=${encodeURIComponent(bookmark)}` : '';
      const { status, body } = await server.api(`/clientconnectionstates?deviceType=walked&_limit=2${from}`);
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body.meta.total_rows, 5);
      seen.push(...body.results.map(({ id }) => id));
      bookmark = body.bookmark;
    } while (bookmark);
    assert.deepEqual(seen, ids);
    const { body } = await server.api(
      '/clientconnectionstates?deviceType=walked&_sort=-lastConnectTime&_facets=connectionStatus',
    );
    assert.deepEqual(
      body.results.map(({ id }) => id),
      [...ids].reverse(),
    );
    assert.equal(body.meta.facets.connectionStatus.disconnected, 5);
  });

  test('an unknown client is a 404 that names it, a bad parameter a 400 that names it', async () => {
    const unknown = await server.api('/clientconnectionstates/d:acme01:nobody:x');
    assert.deepEqual([unknown.status, unknown.body.exception.properties], [404, ['d:acme01:nobody:x']]);
    const bad = await server.api('/clientconnectionstates?_limit=5000');
    assert.equal(bad.status, 400);
    assert.match(bad.body.message, /^CUDRS0007E/);
    assert.deepEqual(bad.body.violations[0].exception.properties, ['_limit', '5000']);
  });

  test('client state is enabled, and the API describes itself', async () => {
    assert.deepEqual((await server.api('/config/clientstate')).body, { enabled: true });
    const answer = await fetch(`${server.url}api/openapi.json`);
    const described = await answer.json();
    assert.match(described.openapi, /^3\./);
    const paths = Object.keys(described.paths);
    assert.ok(
      paths.some((name) => name.endsWith('/clientconnectionstates')),
      paths.join(' '),
    );
    assert.ok(
      paths.some((name) => name.endsWith('/logs/connection')),
      paths.join(' '),
    );
  });
});

describe('Connection Logs API', () => {
  test('a bare array, newest first, in the wording that programs parse', async () => {
    const { clientId, token } = addDevice(guarded, 'logged', 'l-1');
    const login = { user: 'use-token-auth', password: token };
    await (await connect(guarded, clientId, login)).goodbye();
    await untilStatus(guarded, clientId, 'disconnected');
    await attempt(guarded, clientId, { ...login, password: 'guessed' });
    await (await connect(guarded, clientId, login)).lose();
    await untilStatus(guarded, clientId, 'disconnected');
    const logs = () => guarded.api('/logs/connection?typeId=logged&deviceId=l-1&_limit=7');
    // The state changes a moment before its entry is on the disk.
    await until('all five are in the log', async () => (await logs()).body.length === 5);
    const { body } = await logs();
    assert.ok(Array.isArray(body));
    assert.deepEqual(
      body.map(({ event }) => event),
      ['disconnect', 'connect', 'failedConnect', 'disconnect', 'connect'],
    );
    const who = "ClientID='d:acme01:logged:l-1', ClientIP=127\\.0\\.0\\.1";
    for (const [at, pattern] of [
      [0, /^Closed connection from 127\.0\.0\.1\. The connection was closed by the client or network\.$/],
      [1, new RegExp(`^Token auth succeeded: ${who}`)],
      [2, new RegExp(`^Token auth failed \\(.+\\): ${who}`)],
      [3, /^Closed connection from 127\.0\.0\.1\. The connection has completed normally\.$/],
    ]) {
      assert.match(body[at].message, pattern);
      assert.match(body[at].timestamp, TIME);
    }
    assert.deepEqual(
      [...body].sort((a, b) => (a.timestamp < b.timestamp ? 1 : -1)),
      body,
    );
  });

  test('ten entries unless asked for more, at most twenty, and an unknown device is a 404', async () => {
    const id = 'd:acme01:logged:busy';
    for (let number = 0; number < 6; number++) await (await connect(server, id)).goodbye();
    await until('12 entries', async () => (await server.log(id)).length === 12);
    const logs = (more) => server.api(`/logs/connection?typeId=logged&deviceId=busy${more}`);
    assert.equal((await logs('')).body.length, 10);
    assert.equal((await logs('&limit=20')).body.length, 12);
    assert.equal((await logs('&limit=20&offset=10')).body.length, 2);
    assert.equal((await logs('&limit=21')).status, 400);
    const [newest] = (await logs('&limit=1')).body;
    assert.ok((await logs(`&limit=20&fromTime=${newest.timestamp}`)).body.length < 12);
    assert.equal((await server.api('/logs/connection?typeId=logged&deviceId=nobody')).status, 404);
  });
});

describe('command line', () => {
  /** One clear line on stderr that says all of this, a non-zero exit, nothing on stdout. */
  const refuses = (args, ...parts) => {
    const { status, stderr, stdout } = run(args);
    assert.notEqual(status, 0);
    assert.equal(stdout, '');
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    for (const part of parts) assert.ok(stderr.includes(part), `“${stderr.trimEnd()}” does not say ${part}`);
  };
  const serve = (http, mqtt, data) => [
    'serve',
    '--http',
    `127.0.0.1:${http}`,
    '--mqtt',
    `127.0.0.1:${mqtt}`,
    '--data',
    data,
    '--demo',
    '0',
  ];

  test('a taken port is one clear line', () => {
    refuses(serve(server.httpPort, 0, temporaryFolder()), `127.0.0.1:${server.httpPort}`);
    refuses(serve(0, server.mqttPort, temporaryFolder()), `127.0.0.1:${server.mqttPort}`);
  });

  test('a folder that cannot be used is one clear line', () => {
    const file = path.join(temporaryFolder(), 'a-file');
    writeFileSync(file, '');
    refuses(serve(0, 0, path.join(file, 'data')), path.join(file, 'data'));
  });

  test('a folder that another server uses is one clear line', () => {
    refuses(serve(0, 0, server.data), server.data);
  });

  test('an unknown key in the configuration file is one clear line', () => {
    const config = path.join(temporaryFolder(), 'rollcall.toml');
    writeFileSync(config, 'htpp = "127.0.0.1:0"\n');
    refuses(['serve', '--config', config, '--data', temporaryFolder()], 'htpp', config);
    refuses(['serve', '--config', `${config}.missing`, '--data', temporaryFolder()], `${config}.missing`);
  });

  test('--help explains every subcommand and every flag of serve', () => {
    const help = (...args) => {
      const { status, stdout } = run([...args, '--help']);
      assert.equal(status, 0);
      return stdout;
    };
    assert.match(help(), /serve\s+\S.*\n[^]*devices\s+\S.*\n[^]*keys\s+\S/);
    const described = help('serve');
    for (const name of ['http', 'mqtt', 'data', 'org', 'demo', 'config']) {
      assert.match(described, new RegExp(`--${name} <[^]*?ROLLCALL_${name.toUpperCase()}`), name);
    }
    for (const command of ['add', 'list', 'remove']) {
      assert.match(help('devices'), new RegExp(`${command}\\s+\\S`));
      assert.match(help('devices', command), /--data/);
    }
    for (const command of ['add', 'list', 'revoke', 'link']) {
      assert.match(help('keys'), new RegExp(`${command}\\s+\\S`));
      assert.match(help('keys', command), /--data/);
    }
    assert.match(run(['--version']).stdout, /^rollcall \d+\.\d+\.\d+/);
  });

  test('flags, environment and file say the same things', async () => {
    const settings = () => ({
      http: '127.0.0.1:0',
      mqtt: '127.0.0.1:0',
      data: temporaryFolder(),
      org: 'acme77',
      demo: 3,
    });
    const asFlags = (all) => Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const asEnv = (all) =>
      Object.fromEntries(
        Object.entries(all).map(([name, value]) => [`ROLLCALL_${name.toUpperCase()}`, String(value)]),
      );
    const asFile = (all) => {
      const file = path.join(temporaryFolder(), 'rollcall.toml');
      writeFileSync(
        file,
        Object.entries(all)
          .map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`)
          .join(''),
      );
      return file;
    };
    for (const [how, options] of [
      ['flags', { args: asFlags(settings()) }],
      ['environment', { args: [], env: asEnv(settings()) }],
      ['file', { args: ['--config', asFile(settings())] }],
      [
        'flags over environment over file',
        {
          args: [...asFlags({ org: 'acme77' }), '--config', asFile({ ...settings(), org: 'file', demo: 1 })],
          env: asEnv({ org: 'environment', demo: 3 }),
        },
      ],
    ]) {
      const configured = await startServer(options);
      await until(`three demo clients of acme77 (${how})`, async () => {
        const { body } = await configured.api('/clientconnectionstates?search=acme77:demo');
        return body.meta.total_rows === 3;
      });
      await configured.stop();
    }
  });
});

describe('demo fleet', () => {
  test('demo clients arrive, are marked as such, and can be told from real ones', async () => {
    const args = [
      '--http',
      '127.0.0.1:0',
      '--mqtt',
      '127.0.0.1:0',
      '--data',
      temporaryFolder(),
      '--demo',
      '20',
    ];
    const demo = await startServer({ args });
    const count = async (query) =>
      (await demo.api(`/clientconnectionstates?_limit=1&${query}`)).body.meta.total_rows;
    await until('all demo clients are known', async () => (await count('deviceType=demo')) === 20);
    assert.equal(await count('deviceType!=demo'), 0);
    await until(
      'something has been refused, taken over, dropped',
      async () => {
        const ends = ['client', 'server', 'network'].map((initiator) =>
          count(`disconnectInitiator=${initiator}`),
        );
        return (await Promise.all(ends)).every((number) => number > 0);
      },
      40_000,
    );
    await demo.stop();
    assert.equal(demo.child.exitCode, 0);
  });
});
