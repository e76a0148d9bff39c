// What every end-to-end test needs: a real server, real MQTT clients, conditions that are waited for. Everything
// that is started here is killed when the test process ends, however it ends.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** How long a condition may take on a busy machine, in milliseconds. */
export const LIMIT_MS = 20_000;

export const BIN =
  process.env.ROLLCALL_BIN ?? path.resolve(import.meta.dirname, '../../target/debug/rollcall');

const children = new Set();
const folders = new Set();
const sockets = new Set();

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Kills what is left of servers and clients, so that the test process can end. Called once, after all tests. */
export async function cleanUp() {
  for (const socket of sockets) socket.destroy();
  const left = [...children].filter((child) => child.exitCode === null && child.signalCode === null);
  for (const child of left) child.kill('SIGKILL');
  await Promise.all(left.map((child) => ended(child)));
}

/** Polls until `probe` gives something truthy and returns that; fails with `what` and the last error. */
export async function until(what, probe, limitMs = LIMIT_MS) {
  const deadline = Date.now() + limitMs;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) assert.fail(`waited ${limitMs / 1000} s in vain: ${what} (last: ${last})`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

export function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'rollcall-e2e-'));
  folders.add(folder);
  return folder;
}

/** Starts a program and collects what it prints in `child.out` and `child.err`. */
export function start(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  children.add(child);
  child.out = '';
  child.err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (child.out += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (child.err += text));
  child.stdin.on('error', () => {});
  child.once('close', () => children.delete(child));
  return child;
}

/** Resolves when the program has ended and all its output has been read. */
export async function ended(child) {
  if (children.has(child)) await once(child, 'close');
  return child.exitCode;
}

/** Runs the server's binary to its end, with this environment on top of a clean one. */
export function run(args, env = {}) {
  const result = spawnSync(BIN, args, { env: environment(env), encoding: 'utf8', timeout: LIMIT_MS });
  assert.equal(result.error, undefined, `${BIN} ${args.join(' ')}: ${result.error}`);
  return result;
}

/** Makes a data folder of these monitor messages and states, as `rollcall import` does: a server can start with a past. */
export function importPast(lines) {
  const data = temporaryFolder();
  const file = path.join(data, 'past.ndjson');
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const { status, stderr } = run(['import', '--data', data, '--org', 'acme01', file]);
  assert.equal(status, 0, stderr);
  return data;
}

/** This process's environment without Rollcall's own variables, so that a developer's settings do no harm. */
function environment(extra) {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('ROLLCALL_'));
  return { ...Object.fromEntries(own), ...extra };
}

/** Starts the server on free ports (or those given) and waits until it says where it listens. */
export async function startServer({ data = temporaryFolder(), http = 0, mqtt = 0, args, env = {} } = {}) {
  const flags = args ?? [
    ...['--http', `127.0.0.1:${http}`, '--mqtt', `127.0.0.1:${mqtt}`],
    ...['--data', data, '--demo', '0'],
  ];
  const child = start(BIN, ['serve', ...flags], { env: environment(env) });
  await until('the server says where it listens', () => {
    assert.equal(child.exitCode, null, `the server ended: ${child.err}`);
    return child.out.includes('Ctrl-C stops it.');
  });
  const printed = (name) => child.out.match(new RegExp(`^${name}\\s+(\\S.*)$`, 'm'))[1];
  const url = printed('Dashboard');
  // Where the server keeps its data may be in the arguments, the environment or a file: it says so itself.
  const key = addKey({ data: printed('Data') }, 'admin');
  const links = [printed('Sign in')];
  const request = (path, options = {}) =>
    requestJson(`${url}api/v0002${path}`, { ...options, headers: { ...basic(key), ...options.headers } });
  const server = {
    child,
    data: printed('Data'),
    url,
    /** An API key and its token, role admin: for the API, and for applications on MQTT. */
    key,
    /** A link that signs a browser in, once. The first is the one that the server printed. */
    signInLink: () => links.pop() ?? runJson(['keys', 'link', '--data', server.data]).url,
    httpPort: Number(new URL(url).port),
    mqttPort: Number(printed('MQTT').match(/:(\d+)$/)[1]),
    /** Ends the server as Ctrl-C does. */
    stop: () => end(child, 'SIGINT'),
    /** Ends the server without a chance to tidy up. */
    kill: () => end(child, 'SIGKILL'),
    /** Reads JSON from the API; `status` and `headers` beside `body`. */
    api: request,
    /** The state of one client, or undefined. */
    state: async (id) => {
      const answer = await request(`/clientconnectionstates/${encodeURIComponent(id)}`);
      return answer.status === 200 ? answer.body : undefined;
    },
    /** The newest log entries of one client. */
    log: async (id) => {
      const answer = await request(`/logs/connection?limit=100&clientId=${encodeURIComponent(id)}`);
      return answer.status === 200 ? answer.body : [];
    },
  };
  return server;
}

async function end(child, signal) {
  child.kill(signal);
  await ended(child);
}

/** The header that authenticates with an API key. */
export const basic = ({ key, token }) => ({
  authorization: `Basic ${Buffer.from(`${key}:${token}`).toString('base64')}`,
});

/** Asks and reads JSON: `status`, `headers` and `body`. */
export async function requestJson(url, options) {
  const answer = await fetch(url, options);
  const text = await answer.text();
  let body = text;
  try {
    body = JSON.parse(text);
  } catch {
    // Not JSON: the text is the body.
  }
  return { status: answer.status, headers: answer.headers, body };
}

/**
 * Reads from the API of a server with a certificate of its own making, given what follows `/api/v0002/`. Node.js
 * takes further CAs for `fetch` only before a process starts, and the server makes its CA later.
 */
export async function askOverTls(server, pathAndQuery) {
  const options = { ca: readFileSync(caOf(server)), headers: basic(server.key) };
  const [answer] = await once(https.get(`${server.url}api/v0002/${pathAndQuery}`, options), 'response');
  const text = (await answer.setEncoding('utf8').toArray()).join('');
  assert.equal(answer.statusCode, 200, `${pathAndQuery}: ${text}`);
  return JSON.parse(text);
}

/** The CA that a server with `--tls-self-signed` has made. */
export const caOf = (server) => path.join(server.data, 'tls', 'ca.pem');

/** The port of MQTT over TLS. */
export const mqttsPort = (server) => Number(server.child.out.match(/^MQTT TLS\s.*:(\d+)$/m)[1]);

/** Runs the server's binary with `--json` and reads its answer. */
export function runJson(args) {
  const result = run([...args, '--json']);
  assert.equal(result.status, 0, result.stderr);
  return JSON.parse(result.stdout);
}

/** Makes an API key: `key` and `token`. */
export const addKey = (server, role, ...more) =>
  runJson(['keys', 'add', '--role', role, ...more, '--data', server.data]);

/** Registers a device: `clientId` and `token`. From then on the server accepts nobody without credentials. */
export const addDevice = (server, type, id) =>
  runJson(['devices', 'add', type, id, '--data', server.data]);

/** Registers a client by its id and returns what it has to present. */
export function register(server, id) {
  const { user, token } = runJson(['devices', 'add', '--client-id', id, '--data', server.data]);
  return { user, password: token };
}

/** Waits until the API says that the client has this status, and returns the state. */
export function untilStatus(server, id, status) {
  return until(`${id} is ${status}`, async () => {
    const state = await server.state(id);
    return state?.connectionStatus === status && state;
  });
}

/** What a client presents where a test gives nothing: an application the server's key, the others nothing. */
const login = (server, id, { user, password }) =>
  user === undefined && /^[aA]:/.test(id)
    ? { user: server.key.key, password: server.key.token }
    : { user, password };

const credentials = ({ user, password }) => [
  ...(user === undefined ? [] : ['-u', user]),
  ...(password === undefined ? [] : ['-P', password]),
];

/**
 * A client that stays connected, without a subscription: Debian's `mosquitto_pub`, which publishes the lines it
 * is given. `.say(text)` publishes, `.goodbye()` disconnects, `.lose()` kills it with all its buffers.
 */
export async function connect(
  server,
  id,
  { version = '311', topic = 'iot-2/evt/status/fmt/json', ...rest } = {},
) {
  const child = start('mosquitto_pub', [
    ...['-h', '127.0.0.1', '-p', String(server.mqttPort), '-V', version],
    ...['-i', id, '-t', topic, '-l', ...credentials(login(server, id, rest))],
  ]);
  await untilStatus(server, id, 'connected');
  return {
    child,
    say: (text) => child.stdin.write(`${text}\n`),
    async goodbye() {
      child.stdin.end();
      await ended(child);
    },
    async lose() {
      child.kill('SIGKILL');
      await ended(child);
    },
  };
}

/** One attempt to connect; resolves to the exit code and what the client said. */
export async function attempt(server, id, options = {}) {
  const child = start('mosquitto_pub', [
    ...['-h', '127.0.0.1', '-p', String(server.mqttPort), '-V', options.version ?? '311'],
    ...['-i', id, '-t', options.topic ?? 'iot-2/evt/status/fmt/json', '-m', options.message ?? '{}'],
    ...['-q', String(options.qos ?? 0), ...credentials(login(server, id, options))],
  ]);
  await ended(child);
  return child;
}

/** A subscriber: Debian's `mosquitto_sub`. `.messages` is what came: topic, retained, payload, text. */
export async function subscribe(
  server,
  filter,
  { id = `watcher-${process.hrtime.bigint()}`, version = '311', ...rest } = {},
) {
  // Line by line: into a pipe, it would keep its answers to itself until it ends.
  const child = start('stdbuf', [
    ...['-oL', 'mosquitto_sub', '-h', '127.0.0.1', '-p', String(server.mqttPort), '-V', version],
    ...['-i', id, '-t', filter, '-F', '%r %t %p', '-d', ...credentials(login(server, id, rest))],
  ]);
  await until(`${filter} is answered`, () => /Subscribed \(mid|refused|error/i.test(child.out + child.err));
  return {
    child,
    id,
    get messages() {
      const lines = child.out.split('\n').slice(0, -1);
      return lines.flatMap((line) => {
        const match = line.match(/^([01]) (\S+) ?(.*)$/);
        if (!match) return [];
        const text = match[3];
        return [
          { retained: match[1] === '1', topic: match[2], text, payload: text ? JSON.parse(text) : undefined },
        ];
      });
    },
  };
}

const text = (value) => {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
};

/** A CONNECT packet of MQTT 3.1.1 or 5, clean start. */
export function connectPacket(id, { version = 4, keepAlive = 60, user, password } = {}) {
  const flags = 0x02 | (user === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  const rest = Buffer.concat([
    text('MQTT'),
    Buffer.from([version, flags, keepAlive >> 8, keepAlive & 0xff]),
    version === 5 ? Buffer.from([0]) : Buffer.alloc(0),
    text(id),
    user === undefined ? Buffer.alloc(0) : text(user),
    password === undefined ? Buffer.alloc(0) : text(password),
  ]);
  const length = [];
  for (let left = rest.length; ;) {
    const digit = left % 128;
    left = Math.floor(left / 128);
    length.push(left > 0 ? digit | 0x80 : digit);
    if (left === 0) break;
  }
  return Buffer.concat([Buffer.from([0x10, ...length]), rest]);
}

/**
 * A client that behaves worse than any library lets one: after CONNECT it does nothing by itself, neither ping nor
 * reconnect. Resolves to its socket when the server has accepted it.
 */
export async function connectRaw(server, id, options = {}) {
  const socket = net.connect(server.mqttPort, '127.0.0.1');
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(connectPacket(id, { ...options, ...login(server, id, options) }));
  const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(LIMIT_MS) });
  const code = answer[3];
  assert.deepEqual([answer[0], code], [0x20, 0], `the server refused ${id.slice(0, 60)} with code ${code}`);
  return socket;
}
