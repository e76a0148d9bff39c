// A server that knows Watson's API and nothing more, in front of a real one: what the contract marks as Watson's passes,
// with the answers cut down to Watson's fields, and everything else is refused as Watson would. The page itself comes
// from the real server, as a proxy in front of somebody's Watson API would bring it. MQTT is 3.1.1 only.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';

const STATE_FIELDS = [
  ...['id', 'clientType', 'connectionStatus', 'lastConnectTime', 'lastDisconnectTime'],
  ...['lastActivityEvent', 'lastActivityTime', 'mqttConnectProtocol'],
];
const MONITOR_FIELDS = [
  ...['Action', 'Time', 'ClientAddr', 'ClientID', 'Port', 'Secure', 'Protocol', 'User', 'ConnectTime'],
  ...['CloseCode', 'Reason', 'ReadBytes', 'ReadMsg', 'WriteBytes', 'WriteMsg'],
];
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

/** Starts it in front of `server`. `.refused` lists what it did not pass, `.asked` what it did. */
export async function startPlainWatson(server) {
  const plain = { key: server.key, refused: [], asked: [], mqttLevels: [], signInLink: () => plain.url };
  /** What was asked for with each bookmark: the rest must stay the same. */
  const walks = new Map();

  const refuse = (response, status, path, message) => {
    plain.refused.push(`${status} ${path}`);
    response.writeHead(status, { 'content-type': 'application/json' });
    const exception = { id: `CUDRS00${status}E`, properties: [] };
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
    if (!found || request.method !== 'GET') return refuse(response, 404, path, 'There is no such resource.');
    if (!authorization) return refuse(response, 401, path, 'Not authorized.');
    const bad = wrong(url.searchParams, found.known);
    const bookmark = url.searchParams.get('_bookmark');
    if (bad) return refuse(response, 400, path, `The parameter ${bad[0]} is not valid.`);
    if (bookmark && walks.get(bookmark) !== withoutBookmark(url.searchParams)) {
      return refuse(response, 400, path, 'The other parameters must stay the same.');
    }
    plain.asked.push(path);
    const answer = await fetch(server.url.slice(0, -1) + path, { headers: { authorization } });
    const body = await answer.json();
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(answer.ok ? found.cut(body) : body));
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
    if (!url.pathname.startsWith('/api/')) return answerFile(request, response);
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
      const level = packet[bodyOf(packet) + 6];
      plain.mqttLevels.push(level);
      // Unacceptable protocol version.
      if (level !== 4) return socket.end(frame(Buffer.from([0x20, 2, 0, 1])));
    }
    if (packet[0] >> 4 === 8) {
      const [id, topics] = subscribed(packet);
      unknown.set(
        id,
        topics.map((topic) => !topic.endsWith('/mon')),
      );
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
  broker.on('data', down);
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

function subscribed(packet) {
  const topics = [];
  const start = bodyOf(packet);
  for (let at = start + 2; at < packet.length;) {
    const end = at + 2 + packet.readUInt16BE(at);
    topics.push(packet.toString('utf8', at + 2, end));
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
