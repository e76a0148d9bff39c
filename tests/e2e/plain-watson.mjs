// A server that knows Watson's API and nothing more, in front of a real one: what the contract marks as Watson's passes,
// with the answers cut down to Watson's fields, and everything else is refused as Watson would: strangers before anything
// else. The page itself comes from the real server, as a proxy in front of somebody's Watson API would bring it. MQTT is
// 3.1.1 only, for applications of the key's organization.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';

import { basic } from './harness.mjs';

const STATE_FIELDS = [
  ...['id', 'clientType', 'connectionStatus', 'lastConnectTime', 'lastDisconnectTime'],
  ...['lastActivityEvent', 'lastActivityTime', 'mqttConnectProtocol'],
];
const MONITOR_FIELDS = [
  ...['Action', 'Time', 'ClientAddr', 'ClientID', 'Port', 'Secure', 'Protocol', 'User', 'ConnectTime'],
  ...['CloseCode', 'Reason', 'ReadBytes', 'ReadMsg', 'WriteBytes', 'WriteMsg'],
];
/** The topics that may be subscribed to: no level is empty, and `+` stands for a whole one. */
const LEVEL = String.raw`(\+|[^+#/]+)`;
const TOPIC = new RegExp(`^iot-2/(type/${LEVEL}/id/${LEVEL}|app/${LEVEL})/mon$`);
/** The largest page that Watson's documents ask for. */
const MAX_LIMIT = 100;
const API = '/api/v0002/';
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z?$/;

const pick = (from, names) =>
  Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));

const whole = (from, to) => (value) => /^\d+$/.test(value) && Number(value) >= from && Number(value) <= to;

const LIST_PARAMETERS = {
  connectionStatus: (value) => ['connected', 'disconnected'].includes(value),
  connectedAfter: (value) => ISO.test(value),
  lastConnectedAfter: (value) => ISO.test(value),
  deviceType: (value) => value !== '',
  deviceId: (value) => value !== '',
  _limit: whole(1, MAX_LIMIT),
  _bookmark: (value) => value !== '',
  _sort: (value) => value.split(',').every((field) => STATE_FIELDS.includes(field.replace(/^-/, ''))),
};
const LOG_PARAMETERS = {
  typeId: (value) => value !== '',
  deviceId: (value) => value !== '',
  limit: whole(1, 20),
  offset: whole(1, 1_000),
  fromTime: (value) => ISO.test(value),
  toTime: (value) => ISO.test(value),
};

/** The first parameter that Watson would refuse: unknown, repeated or with a value that it does not know. */
const wrong = (query, known) =>
  [...query].find(
    ([name, value]) => !Object.hasOwn(known, name) || query.getAll(name).length > 1 || !known[name](value),
  );

/**
 * Starts it in front of `server`. `.refused` lists what it did not pass, `.asked` what it did.
 * `unknown` is the status of what does not exist: a gateway in front may have one of its own. With `hangsUp` a subscription
 * that is not Watson's ends the connection, which MQTT 3.1.1 leaves to the server.
 */
export async function startPlainWatson(server, { unknown = 404, hangsUp = false } = {}) {
  const plain = {
    ...{ key: server.key, refused: [], asked: [], mqttLevels: [], hangsUp, signInLink: () => plain.url },
    /** The organization of the key. */
    org: server.key.key.split('-')[1],
  };
  /** What was asked for with each bookmark: the rest must stay the same. */
  const walks = new Map();

  const refuse = (response, status, path, message) => {
    plain.refused.push(`${status} ${path}`);
    answerError(response, status, message);
  };
  const answerError = (response, status, message, properties = []) => {
    const challenge = status === 401 && { 'www-authenticate': 'Basic realm="Watson"' };
    response.writeHead(status, { 'content-type': 'application/json', ...challenge });
    const exception = { id: `CUDRS00${status}E`, properties };
    response.end(JSON.stringify({ message: `CUDRS00${status}E: ${message}`, exception }));
  };

  /** How a resource is cut down, or `undefined` for one that Watson does not have. */
  const resource = (path, query) => {
    if (path === 'config/clientstate') return { known: {}, cut: (body) => body };
    if (path === 'logs/connection') {
      const isNamed = query.has('typeId') && query.has('deviceId');
      const known = isNamed ? LOG_PARAMETERS : {};
      return { known, cut: (body) => body.map((entry) => pick(entry, ['message', 'timestamp'])) };
    }
    if (path === 'clientconnectionstates') {
      return {
        known: LIST_PARAMETERS,
        cut: ({ results, bookmark }) => {
          if (bookmark) walks.set(bookmark, withoutBookmark(query));
          return { results: results.map((state) => pick(state, STATE_FIELDS)), bookmark };
        },
      };
    }
    if (/^clientconnectionstates\/[^/]+$/.test(path)) {
      return { known: {}, cut: (state) => pick(state, STATE_FIELDS) };
    }
    return undefined;
  };
  const withoutBookmark = (query) => {
    const rest = new URLSearchParams(query);
    rest.delete('_bookmark');
    return rest.toString();
  };

  const answerApi = async (request, response, url) => {
    const { authorization } = request.headers;
    const path = url.pathname + url.search;
    const found = url.pathname.startsWith(API) && resource(url.pathname.slice(API.length), url.searchParams);
    if (authorization !== basic(plain.key).authorization) return refuse(response, 401, path, 'Not authorized.');
    if (!found || request.method !== 'GET') return refuse(response, unknown, path, 'There is no such resource.');
    const bad = wrong(url.searchParams, found.known);
    const bookmark = url.searchParams.get('_bookmark');
    if (bad) return refuse(response, 400, path, `The parameter ${bad[0]} is not valid.`);
    if (bookmark && walks.get(bookmark) !== withoutBookmark(url.searchParams)) {
      return refuse(response, 400, path, 'The other parameters must stay the same.');
    }
    plain.asked.push(path);
    const answer = await fetch(server.url.slice(0, -1) + path, { headers: { authorization } });
    const body = await answer.json();
    // What the real server says about it are its own words.
    if (!answer.ok) return answerError(response, answer.status, 'Not found.', body.exception?.properties);
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(found.cut(body)));
  };

  /** The page and its files: Watson has none of its own. */
  const answerFile = (request, response) => {
    const { cookie: _, ...headers } = request.headers;
    const options = { host: '127.0.0.1', port: server.httpPort, path: request.url, headers };
    const passed = http.request(options, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy());
    passed.end();
  };

  const gate = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://plain');
    if (!/^\/api(\/|$)/.test(url.pathname)) return answerFile(request, response);
    return answerApi(request, response, url).catch(() => response.destroy());
  });
  gate.on('upgrade', (request, socket) => bridge(request, socket, server, plain));
  gate.listen(0, '127.0.0.1');
  await once(gate, 'listening');
  plain.url = `http://127.0.0.1:${gate.address().port}/`;
  plain.stop = () => {
    gate.closeAllConnections();
    return new Promise((resolve) => gate.close(resolve));
  };
  return plain;
}

/** Brings MQTT over WebSocket to the real server, as far as Watson has it. */
function bridge(request, socket, server, plain) {
  const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(/, */);
  const status = request.url !== '/mqtt' ? 404 : protocols.includes('mqtt') ? 101 : 400;
  if (status !== 101) {
    plain.refused.push(`${status} ${request.url} for ${protocols}`);
    return socket.end(`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
  }
  const key = request.headers['sec-websocket-key'];
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n`,
  );
  const broker = net.connect(server.mqttPort, '127.0.0.1');
  const end = () => {
    socket.destroy();
    broker.destroy();
  };
  for (const side of [socket, broker]) side.on('error', end).on('close', end);
  /** By packet id, which of the topics that are subscribed to Watson does not have. */
  const unknown = new Map();
  const up = splitter(mqttLength, (packet) => {
    if (packet[0] >> 4 === 1) {
      const connect = connected(packet);
      plain.mqttLevels.push(connect.level);
      const code = refusal(connect, plain);
      if (code > 1) plain.refused.push(`CONNECT ${code} of ${connect.id}`);
      if (code > 0) return socket.end(frame(Buffer.from([0x20, 2, 0, code])));
    }
    if (packet[0] >> 4 === 8) {
      const [id, topics] = subscribed(packet);
      const isUnknown = topics.map((topic) => !TOPIC.test(topic));
      unknown.set(id, isUnknown);
      plain.refused.push(...topics.filter((_, n) => isUnknown[n]).map((topic) => `SUBSCRIBE ${topic}`));
      if (plain.hangsUp && isUnknown.includes(true)) return end();
    }
    return broker.write(packet);
  });
  const frames = splitter(frameLength, (bytes) => {
    const { opcode, payload } = unframe(bytes);
    if (opcode === 8) end();
    else if (opcode === 9) socket.write(frame(payload, 10));
    else if (opcode < 3) up(payload);
  });
  const down = splitter(mqttLength, (packet) => {
    const cut = cutDown(packet, unknown);
    if (cut) socket.write(frame(cut));
  });
  socket.on('data', frames);
  return broker.on('data', down);
}

/** The return code for who must not connect, or 0: an unacceptable protocol version, client id, user or password. */
function refusal({ level, id, user, password }, { key, org }) {
  if (level !== 4) return 1;
  if (!new RegExp(`^a:${org}:[A-Za-z0-9_.-]{1,36}$`).test(id)) return 2;
  return user === key.key && password === key.token ? 0 : 5;
}

/** A packet of the server as Watson would send it; `undefined` for one that it would not. */
function cutDown(packet, unknown) {
  const kind = packet[0] >> 4;
  const at = bodyOf(packet);
  if (kind === 9) {
    const refused = unknown.get(packet.readUInt16BE(at)) ?? [];
    const codes = refused.map((is, n) => (is ? 0x80 : packet[at + 2 + n]));
    return mqtt(packet[0], Buffer.concat([packet.subarray(at, at + 2), Buffer.from(codes)]));
  }
  if (kind !== 3) return packet;
  const end = at + 2 + packet.readUInt16BE(at);
  if (!packet.toString('utf8', at + 2, end).endsWith('/mon')) return undefined;
  const text = packet.toString('utf8', end);
  const payload = text === '' ? '' : JSON.stringify(pick(JSON.parse(text), MONITOR_FIELDS));
  return mqtt(packet[0], Buffer.concat([packet.subarray(at, end), Buffer.from(payload)]));
}

/** Calls `each` with every whole piece; `length` says how long the first one is, if that is known. */
function splitter(length, each) {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (let size = length(rest); size !== undefined && size <= rest.length; size = length(rest)) {
      const piece = rest.subarray(0, size);
      rest = rest.subarray(size);
      each(piece);
    }
  };
}

/** Where the body of an MQTT packet begins. */
const bodyOf = (packet) => packet.findIndex((byte, at) => at > 0 && byte < 0x80) + 1;

function mqttLength(bytes) {
  const body = bodyOf(bytes);
  if (body === 0) return undefined;
  return bytes.subarray(1, body).reduce((sum, byte, at) => sum + (byte & 0x7f) * 128 ** at, body);
}

function mqtt(first, body) {
  const length = [];
  for (let left = body.length; ; left = Math.floor(left / 128)) {
    length.push((left % 128) | (left >= 128 ? 0x80 : 0));
    if (left < 128) break;
  }
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

/** The text at this place of a packet, and where it ends. */
function textAt(packet, at) {
  const end = at + 2 + packet.readUInt16BE(at);
  return [packet.toString('utf8', at + 2, end), end];
}

/** What a CONNECT says; of another version than 3.1.1 only which one it is. */
function connected(packet) {
  const start = bodyOf(packet);
  const [level, flags] = packet.subarray(start + 6);
  if (level !== 4) return { level };
  let at = start + 10;
  const next = () => {
    const [text, end] = textAt(packet, at);
    at = end;
    return text;
  };
  const id = next();
  const [user, password] = [flags & 0x80 ? next() : undefined, flags & 0x40 ? next() : undefined];
  return { level, id, user, password };
}

function subscribed(packet) {
  const topics = [];
  const start = bodyOf(packet);
  for (let at = start + 2; at < packet.length;) {
    const [topic, end] = textAt(packet, at);
    topics.push(topic);
    at = end + 1;
  }
  return [packet.readUInt16BE(start), topics];
}

/** A frame from the server, unmasked; binary unless `opcode` says otherwise. */
function frame(payload, opcode = 2) {
  const size = payload.length;
  if (size < 126) return Buffer.concat([Buffer.from([0x80 | opcode, size]), payload]);
  return Buffer.concat([Buffer.from([0x80 | opcode, 126, size >> 8, size & 0xff]), payload]);
}

/** Of a frame from a browser, which is masked and here always short. */
function frameLength(bytes) {
  if (bytes.length < 4) return undefined;
  const size = bytes[1] & 0x7f;
  return size < 126 ? 6 + size : 8 + bytes.readUInt16BE(2);
}

function unframe(bytes) {
  const at = (bytes[1] & 0x7f) < 126 ? 2 : 4;
  const mask = bytes.subarray(at, at + 4);
  const payload = Buffer.from(bytes.subarray(at + 4)).map((byte, n) => byte ^ mask[n % 4]);
  return { opcode: bytes[0] & 0x0f, payload };
}
