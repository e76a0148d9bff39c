// The examples of docs/API.md, run as they stand there: each `sh` block in bash, one after the other, against a real
// server with TLS. The `json` or `text` block behind one must be what it prints: the same names and kinds of values,
// or the same text but for times, numbers and what is cut short with “…”.
//
// A block behind `<!-- not run -->` is for reading only.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import {
  addKey,
  askOverTls,
  BIN,
  caOf,
  cleanUp,
  connectRaw,
  LIMIT_MS,
  mqttsPort,
  register,
  startServer,
  temporaryFolder,
  until,
} from './harness.mjs';

const THERMOS = 30;

const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/API.md'), 'utf8');
const folder = temporaryFolder();
const data = path.join(folder, 'rollcall-data');
const variables = path.join(folder, 'variables');
let server;

before(async () => {
  mkdirSync(data);
  server = await startServer({
    data,
    args: [
      ...['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', '--mqtts', '127.0.0.1:0'],
      ...['--tls-self-signed', '--data', data],
    ],
  });
  for (let n = 1; n <= THERMOS; n += 1) {
    const id = `d:acme01:thermo:t-${100 + n}`;
    const socket = await connectRaw(server, id, register(server, id));
    // Some go: facets and filters have something to tell apart.
    if (n <= 5) socket.destroy();
  }
  const { key, token } = addKey(server, 'viewer');
  await connectRaw(server, 'a:acme01:console', { user: key, password: token });
  const counted = async (status) =>
    (await askOverTls(server, `clientconnectionstates?connectionStatus=${status}`)).meta.total_rows;
  await until('the fleet is complete', async () => {
    return (await counted('connected')) === THERMOS - 4 && (await counted('disconnected')) === 5;
  });
  const set = {
    ROLLCALL: server.url.replace('127.0.0.1', 'localhost').replace(/\/$/, ''),
    ...{ KEY: key, TOKEN: token, ORG: 'acme01' },
    ...{ MQTT_PORT: server.mqttPort, MQTTS_PORT: mqttsPort(server) },
    ...{ CA: caOf(server), CURL_CA_BUNDLE: caOf(server) },
  };
  const lines = Object.entries(set).map(([name, value]) => `export ${name}='${value}'\n`);
  writeFileSync(variables, lines.join(''));
});

after(async () => {
  await server?.stop();
  await cleanUp();
});

/** The fenced blocks: language, text, the line they begin at, and whether they are for reading only. */
function blocksOf(markdown) {
  const blocks = [];
  for (const match of markdown.matchAll(/^(<!-- not run -->\n)?```(\w+)\n([\s\S]*?)^```$/gm)) {
    const line = markdown.slice(0, match.index).split('\n').length;
    blocks.push({ isRun: match[1] === undefined, language: match[2], body: match[3], line });
  }
  return blocks;
}

/** Runs a block in bash; a variable that it sets is there for the blocks that follow. */
function shell(block) {
  const script = `set -euo pipefail\nset -a\n. '${variables}'\n${block}\nexport -p > '${variables}'\n`;
  const result = spawnSync('bash', ['-c', script], {
    cwd: folder,
    env: { ...process.env, PATH: `${path.dirname(BIN)}:${process.env.PATH}` },
    encoding: 'utf8',
    timeout: LIMIT_MS * 2,
  });
  assert.equal(result.status, 0, `it ends with ${result.status ?? result.signal}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

/** What a value of JSON is, without saying which. A list is as its first element is. */
function shape(value) {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shape(inner)]));
  }
  return typeof value === 'string' && new RegExp(`^${TIME.source}$`).test(value) ? 'time' : typeof value;
}

/** Text with its times and numbers taken for any. */
function pattern(expected) {
  const escape = (part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const parts = expected.trim().split(new RegExp(`(…|${TIME.source}|\\d+)`));
  const any = (part) => (part === '…' ? '.*' : /^\d+$/.test(part) ? '\\d+' : TIME.source);
  return new RegExp(`^${parts.map((part, n) => (n % 2 ? any(part) : escape(part))).join('')}$`);
}

const blocks = blocksOf(text);
const languages = new Set(['sh', 'json', 'text']);

for (const [n, block] of blocks.entries()) {
  if (block.language !== 'sh' || !block.isRun) continue;
  const first = block.body.trim().split('\n')[0];
  test(`docs/API.md, line ${block.line}: ${first}`, () => {
    const printed = shell(block.body).replaceAll('\r', '').trim();
    const expected = blocks[n + 1];
    if (expected === undefined || expected.language === 'sh' || !expected.isRun) return;
    if (expected.language === 'json') {
      assert.deepEqual(shape(JSON.parse(printed)), shape(JSON.parse(expected.body)), printed);
    } else {
      assert.match(printed, pattern(expected.body));
    }
  });
}

test('docs/API.md has examples, and no block that this test would pass over', () => {
  assert.ok(blocks.filter(({ isRun, language }) => isRun && language === 'sh').length >= 20);
  for (const { language, line } of blocks) assert.ok(languages.has(language), `line ${line}: ${language}`);
  assert.equal(text.match(/^```/gm).length, blocks.length * 2);
});
