// The monitor feed for the pages that show other tables: MQTT 5 over the WebSocket that the dashboard uses, with the same
// subscriptions, and what a message says in the fields of a state. Written by hand, because it is ten times as fast as
// the usual library: what is compared is the tables.

const API = '/api/v0002/';
const TOPICS = ['iot-2/type/+/id/+/mon', 'iot-2/app/+/mon', 'iot-2/type/+/id/+/mon/act', 'iot-2/app/+/mon/act'];

export const FIELDS = [
  'id',
  'connectionStatus',
  'deviceType',
  'lastConnectTime',
  'lastDisconnectTime',
  'lastActivityTime',
  'lastActivityEvent',
  'disconnectInitiator',
  'mqttReasonCode',
];

/** A page of states: `{ results, meta: { total_rows } }`. */
export async function states(parameters) {
  const answer = await fetch(`${API}clientconnectionstates?${new URLSearchParams(parameters)}`);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Every state there is, some thousands at a time. */
export async function* allStates() {
  const answer = await fetch(`${API}export/states?format=ndjson`);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let rows = [];
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (rest + (value ?? '')).split('\n');
    rest = lines.pop();
    for (const line of lines) rows.push(JSON.parse(line));
    if (rows.length >= 20_000 || done) {
      yield rows;
      rows = [];
    }
    if (done) return;
  }
}

/** Connects; `tell` is called with what each WebSocket message said: `[id, changed fields]` for each event. */
export async function watch(tell) {
  const { monitorClientId } = await (await fetch('/api/rollcall/v1/status')).json();
  const socket = new WebSocket(`ws://${location.host}/mqtt`, 'mqtt');
  socket.binaryType = 'arraybuffer';
  let rest = new Uint8Array(0);
  await new Promise((resolve, reject) => {
    socket.onclose = () => reject(new Error('the feed is lost'));
    socket.onopen = () => socket.send(packet(0x10, [...text('MQTT'), 5, 2, 0, 60, 0, ...text(monitorClientId)]));
    socket.onmessage = ({ data }) => {
      let bytes = new Uint8Array(data);
      if (rest.length > 0) {
        const both = new Uint8Array(rest.length + bytes.length);
        both.set(rest);
        both.set(bytes, rest.length);
        bytes = both;
      }
      const changes = [];
      let at = 0;
      for (;;) {
        const found = next(bytes, at);
        if (!found) break;
        const { kind, start, end } = found;
        at = end;
        // CONNACK: subscribe, to no retained messages. SUBACK: live.
        if (kind === 2) {
          const topics = TOPICS.flatMap((topic) => [...text(topic), 0x20]);
          socket.send(packet(0x82, [0, 1, 0, ...topics]));
        } else if (kind === 9) resolve();
        else if (kind === 3) {
          const change = changeOf(payloadOf(bytes.subarray(start, end)));
          if (change) changes.push(change);
        }
      }
      rest = bytes.slice(at);
      if (changes.length > 0) tell(changes);
    };
  });
  setInterval(() => socket.send(packet(0xc0, [])), 20_000);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function text(value) {
  const bytes = encoder.encode(value);
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

function packet(first, body) {
  const length = [];
  for (let left = body.length; ;) {
    const digit = left % 128;
    left = Math.floor(left / 128);
    length.push(left > 0 ? digit | 0x80 : digit);
    if (left === 0) break;
  }
  return new Uint8Array([first, ...length, ...body]);
}

/** The next whole packet from `at` on: its type, and where its body is. */
function next(bytes, at) {
  let length = 0;
  for (let digit = 0; digit < 4; digit++) {
    const byte = bytes[at + 1 + digit];
    if (byte === undefined) return undefined;
    length |= (byte & 0x7f) << (7 * digit);
    if (byte < 0x80) {
      const start = at + 2 + digit;
      const end = start + length;
      return end <= bytes.length ? { kind: bytes[at] >> 4, start, end } : undefined;
    }
  }
  throw new Error('no MQTT');
}

/** What a PUBLISH of QoS 0 carries. Its properties are few: their length is one byte. */
function payloadOf(body) {
  const topic = (body[0] << 8) | body[1];
  return body.subarray(2 + topic + 1 + body[2 + topic]);
}

/** What an event changes: the rules of the dashboard, without its care for the order of arrival. */
function changeOf(payload) {
  if (payload.length === 0) return undefined;
  const event = JSON.parse(decoder.decode(payload));
  const { ClientID: id, Time: time } = event;
  switch (event.Action) {
    case 'Connect':
      return [
        id,
        {
          connectionStatus: 'connected',
          lastConnectTime: time,
          lastActivityTime: time,
          lastActivityEvent: 'mqttConnect',
          disconnectInitiator: null,
          mqttReasonCode: null,
        },
      ];
    case 'Disconnect': {
      if (event.CloseCode === 288) return undefined;
      const isByClient = event.Initiator === 'client';
      return [
        id,
        {
          connectionStatus: 'disconnected',
          lastDisconnectTime: time,
          disconnectInitiator: event.Initiator ?? null,
          mqttReasonCode: event.ReasonCode ?? null,
          ...(isByClient && { lastActivityTime: time, lastActivityEvent: 'mqttDisconnect' }),
        },
      ];
    }
    case 'Activity':
      return [id, { lastActivityTime: time, lastActivityEvent: event.Event }];
    default:
      return undefined;
  }
}
