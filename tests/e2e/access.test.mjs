// Who gets in: keys and sign-in links made by the command line beside a running server, over HTTP and MQTT.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';

import {
  addDevice,
  addKey,
  attempt,
  basic,
  cleanUp,
  connect,
  connectRaw,
  requestJson,
  run,
  runJson,
  startServer,
  subscribe,
  temporaryFolder,
  until,
} from './harness.mjs';

let server;

before(async () => {
  server = await startServer();
});

after(async () => {
  await server?.stop();
  await cleanUp();
});

const SESSION = 'api/rollcall/v1/session';
const STATES = 'api/v0002/clientconnectionstates';
const status = async (path, headers = {}, of = server) => (await fetch(of.url + path, { headers })).status;
const signIn = (body, headers = {}) =>
  fetch(server.url + SESSION, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const cookieOf = (answer) => ({ cookie: answer.headers.get('set-cookie').split(';')[0] });
const codeOf = (link) => new URL(link).hash.replace('#code=', '');

test('a key made beside a running server opens the API at once, and a revoked one closes at once', async () => {
  const made = addKey(server, 'viewer', '--name', 'Control room');
  assert.match(made.key, /^a-acme01-[0-9a-z]{10}$/);
  assert.deepEqual(Object.keys(made).sort(), ['key', 'name', 'role', 'token']);
  assert.equal(await status(STATES), 401);
  assert.equal(await status(STATES, basic(made)), 200);
  const listed = runJson(['keys', 'list', '--data', server.data]);
  const { added, ...rest } = listed.find(({ key }) => key === made.key);
  assert.ok(Date.parse(added) <= Date.now());
  assert.deepEqual(rest, { key: made.key, role: 'viewer', name: 'Control room' });
  assert.ok(!run(['keys', 'list', '--data', server.data]).stdout.includes(made.token));
  assert.deepEqual(runJson(['keys', 'revoke', made.key, '--data', server.data]), {
    key: made.key,
    revoked: true,
  });
  assert.equal(await status(STATES, basic(made)), 401);
  const again = run(['keys', 'revoke', made.key, '--data', server.data]);
  assert.notEqual(again.status, 0);
  assert.match(again.stderr, new RegExp(`^rollcall: there is no key ${made.key}.*\n$`));
});

test('an application connects with its key, and is thrown out when the key is revoked', async () => {
  const { key, token } = addKey(server, 'viewer');
  const login = { user: key, password: token };
  const socket = await connectRaw(server, 'a:acme01:console', login);
  assert.notEqual((await attempt(server, 'a:acme01:other', { ...login, password: 'x' })).exitCode, 0);
  const closed = once(socket, 'close');
  runJson(['keys', 'revoke', key, '--data', server.data]);
  await closed;
  assert.notEqual((await attempt(server, 'a:acme01:console', login)).exitCode, 0);
  const [refusal] = await server.log('a:acme01:console');
  assert.match(refusal.message, /^Token auth failed \(API key or token is invalid\): ClientID='a:acme01:console'/);
  assert.ok(!JSON.stringify(server.child.err).includes(token));
});

test('the printed link signs a browser in, once, and a restart does not sign it out', async () => {
  const first = await startServer();
  const link = first.signInLink();
  assert.ok(link.startsWith(`${first.url}#code=`), link);
  const body = JSON.stringify({ code: codeOf(link) });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(first.url + SESSION, { method: 'POST', headers, body });
  assert.equal(answer.status, 200);
  assert.match(
    answer.headers.get('set-cookie'),
    /^rollcall_session=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/; Max-Age=604800$/,
  );
  assert.equal((await fetch(first.url + SESSION, { method: 'POST', headers, body })).status, 401);
  const cookie = cookieOf(answer);
  assert.equal(await status(STATES, cookie, first), 200);
  await first.kill();
  const second = await startServer({ data: first.data });
  const { body: who } = await requestJson(second.url + SESSION, { headers: cookie });
  assert.deepEqual([who.role, who.org], ['admin', 'acme01']);
  await second.stop();
});

test('another link is made beside a running server, and who signs out is out', async () => {
  const link = runJson(['keys', 'link', '--data', server.data]);
  assert.equal(codeOf(link.url), link.code);
  assert.ok(link.url.startsWith(server.url));
  const cookie = cookieOf(await signIn({ code: link.code }));
  assert.equal(await status(STATES, cookie), 200);
  const out = await fetch(server.url + SESSION, { method: 'DELETE', headers: cookie });
  assert.equal(out.status, 204);
  assert.match(out.headers.get('set-cookie'), /^rollcall_session=;.*Max-Age=0/);
  assert.equal(await status(STATES, cookie), 401);
});

test('a page of another site cannot sign anybody in', async () => {
  const answer = await signIn(server.key, { origin: 'https://evil.example' });
  assert.equal(answer.status, 403);
  assert.equal((await signIn(server.key, { origin: server.url.slice(0, -1) })).status, 200);
});

test('the first device ends the time without credentials, and the demo fleet goes on', async () => {
  const args = ['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', '--data', temporaryFolder(), '--demo', '10'];
  const own = await startServer({ args });
  assert.match(own.child.out, /^Anonymous devices are accepted: none is registered\..*rollcall devices add TYPE ID$/m);
  const connected = async (query) =>
    (await own.api(`/clientconnectionstates?connectionStatus=connected&_limit=1&${query}`)).body.meta.total_rows;
  await until('the demo fleet is there', async () => (await connected('deviceType=demo')) >= 8);
  const before = await subscribe(own, 'iot-2/type/+/id/+/mon');
  await until('anybody may watch on a first try', () => before.messages.length > 0);
  await connect(own, 'd:acme01:thermo:anonymous');

  const { clientId, token } = addDevice(own, 'thermo', 'registered');
  await until('the anonymous are gone', async () => (await connected('deviceType!=demo')) === 0);
  assert.notEqual((await attempt(own, 'd:acme01:thermo:anonymous')).exitCode, 0);
  await connect(own, clientId, { user: 'use-token-auth', password: token });
  assert.ok((await connected('deviceType=demo')) >= 6, 'the demo fleet has tokens of its own');
  const refused = await subscribe(own, 'iot-2/type/+/id/+/mon', {
    id: clientId,
    user: 'use-token-auth',
    password: token,
  });
  assert.match(refused.child.out + refused.child.err, /Subscribed \(mid: \d+\): 128|denied/);
  await own.stop();
  assert.ok(!/panicked/.test(own.child.err), own.child.err);
});

test('a key takes the organisation of the server that uses the folder', async () => {
  const data = temporaryFolder();
  assert.match(runJson(['keys', 'add', '--role', 'viewer', '--data', data]).key, /^a-acme01-/);
  const args = ['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', '--data', data, '--org', 'acme77'];
  const other = await startServer({ args });
  assert.match(other.key.key, /^a-acme77-/);
  assert.equal(await status(STATES, basic(other.key), other), 200);
  const foreign = addKey(other, 'admin', '--org', 'acme01');
  assert.equal(await status(STATES, basic(foreign), other), 403);
  await other.stop();
});
