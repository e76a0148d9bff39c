// Runs a command beside a real server with TLS and a fleet, and ends as it ends:
//
//   node beside-server.mjs python -m pytest
//
// The command finds the CA where Python's `requests` and Node.js look for one, and the rest in ROLLCALL_SDK (JSON):
// the domain, an API key and its token, the tokens of the registered devices, the ports. Nothing else would have to
// be told to a program that was written for Watson IoT Platform.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

import {
  addKey,
  askOverTls,
  attempt,
  caOf,
  cleanUp,
  connectRaw,
  mqttsPort,
  register,
  startServer,
  temporaryFolder,
  until,
} from '../e2e/harness.mjs';

const ORG = 'acme01';
const SENSORS = 105;
const APPLICATIONS = 60;

const data = temporaryFolder();
const server = await startServer({
  data,
  args: [
    ...['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', '--mqtts', '127.0.0.1:0', '--tls-self-signed'],
    ...['--org', ORG, '--data', data],
  ],
});
const ca = caOf(server);
const application = addKey(server, 'viewer');
const rows = async (query) => (await askOverTls(server, `clientconnectionstates?_limit=1&${query}`)).meta.total_rows;

let exitCode = 1;
try {
  await seenOnce();
  const tokens = await registered();
  await applications();
  await history(tokens);
  exitCode = await run(process.argv.slice(2), tokens);
} finally {
  await server.stop();
  await cleanUp();
}
process.exitCode = exitCode;

/** Many devices that are gone: more than two pages of the Python SDK, more than four of the other. */
async function seenOnce() {
  const number = (n) => String(n).padStart(3, '0');
  for (let n = 0; n < SENSORS; n += 1) {
    const socket = await connectRaw(server, `d:${ORG}:sensor:s-${number(n)}`);
    socket.destroy();
  }
  const gone = 'deviceType=sensor&connectionStatus=disconnected';
  await until('all sensors are gone', async () => (await rows(gone)) === SENSORS);
}

/** What the tests connect. The first registration also ends the time of clients without credentials. */
async function registered() {
  const tokens = {};
  for (const [kind, id] of [
    ...['py', 'node'].flatMap((sdk) => [
      ['d', `${sdk}-device`],
      ['d', `${sdk}-plain`],
      ['g', `${sdk}-gateway`],
    ]),
    ['d', 'veteran'],
  ]) {
    const type = kind === 'g' ? 'hub' : 'valve';
    tokens[`${kind}:${ORG}:${type}:${id}`] = register(server, `${kind}:${ORG}:${type}:${id}`).password;
  }
  return tokens;
}

/** Clients that stay connected while the tests run, more than one page of them. */
async function applications() {
  for (let n = 0; n < APPLICATIONS; n += 1) {
    await connectRaw(server, `a:${ORG}:app-${n}`, { user: application.key, password: application.token });
  }
  await until('all applications are connected', async () => {
    return (await rows('clientType=application&connectionStatus=connected')) === APPLICATIONS;
  });
}

/** All four kinds of log entry, under one id. */
async function history(tokens) {
  const id = `d:${ORG}:valve:veteran`;
  const login = { user: 'use-token-auth', password: tokens[id] };
  await attempt(server, id, login);
  await attempt(server, id, { ...login, password: 'wrong' });
  const first = await connectRaw(server, id, login);
  const second = await connectRaw(server, id, login);
  if (!first.closed) await once(first, 'close');
  second.destroy();
  // Three connects, each with its end, and one refusal.
  const query = `logs/connection?clientId=${encodeURIComponent(id)}&limit=100`;
  await until('the log is complete', async () => (await askOverTls(server, query)).length === 7);
}

async function run([program, ...args], tokens) {
  const fixture = {
    org: ORG,
    domain: 'localhost',
    ...{ key: application.key, token: application.token, tokens, ca },
    // The SDKs connect to the ports of Watson IoT Platform, which `localhost.cjs` and `localhost.py` lead here.
    ports: { 443: server.httpPort, 433: server.httpPort, 1883: server.mqttPort, 8883: mqttsPort(server) },
    ...{ sensors: SENSORS, applications: APPLICATIONS },
  };
  const child = spawn(program, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      ROLLCALL_SDK: JSON.stringify(fixture),
      REQUESTS_CA_BUNDLE: ca,
      NODE_EXTRA_CA_CERTS: ca,
    },
  });
  const [code] = await once(child, 'close');
  return code ?? 1;
}
