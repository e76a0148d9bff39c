//! A made-up fleet for the benchmarks: as many clients as wanted, always the same, with the mixture that a large
//! installation has. Ids have 40 bytes, addresses are IPv4, a tenth of the clients is not connected.

use rollcall_model::event::{MqttVersion, Protocol};
use rollcall_model::{
    ActivityEvent, Certainty, ClientState, ConnectionEvent, Counters, End, EventKind, Initiator, Peer,
    SessionKey, Timestamp, fold,
};

/// The moment at which the questions are asked.
pub const NOW_MS: i64 = 1_790_000_000_000;

pub fn now() -> Timestamp {
    Timestamp::from_millis(NOW_MS)
}

/// How many clients the benchmarks use: `ROLLCALL_BENCH_CLIENTS`, else a million.
pub fn clients() -> u32 {
    std::env::var("ROLLCALL_BENCH_CLIENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000)
}

/// Numbers that look random and are the same in every run.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

const TYPES: [&str; 20] = [
    "thermo01",
    "thermo02",
    "pump-std",
    "pump-big",
    "meter-el",
    "meter-h2o",
    "meter-gas",
    "gate-in",
    "gate-out",
    "camera-a",
    "camera-b",
    "truck-eu",
    "truck-us",
    "truck-ap",
    "kiosk-01",
    "locker01",
    "beacon-x",
    "wearable",
    "charger1",
    "charger2",
];

/// The id of a client: 40 bytes, of a device, now and then of a gateway, an application or something else.
pub fn id(number: u32) -> String {
    let random = scramble(u64::from(number));
    let device_type = TYPES[(random % 64 % 20) as usize];
    let text = match random >> 32 & 127 {
        0 => format!("a:acme01:app-{number:08}-"),
        1 => format!("sensor/{number:08}/"),
        2 => format!("g:acme01:{device_type}:gw-{number:08}-"),
        _ => format!("d:acme01:{device_type}:dev-{number:08}-"),
    };
    format!("{text}{random:016x}{random:016x}")[..40].to_owned()
}

fn time(random: u64, span_ms: u64) -> Timestamp {
    Timestamp::from_millis(NOW_MS - (random % span_ms) as i64)
}

fn peer(number: u32) -> Peer {
    let random = scramble(u64::from(number) ^ 0xADD4);
    let [_, b, c, d] = number.to_be_bytes();
    Peer {
        addr: Some(format!("10.{b}.{c}.{d}")),
        port: Some(random as u16),
        server_port: Some(if random & 1 << 20 == 0 { 1883 } else { 8883 }),
        protocol: Some(Protocol {
            version: MqttVersion::ALL[(random >> 24) as usize % 3],
            websocket: random >> 28 & 15 == 0,
        }),
        secure: Some(random & 1 << 20 != 0),
        user: Some("use-token-auth".to_owned()),
    }
}

pub fn connect(number: u32, time: Timestamp) -> ConnectionEvent {
    let session = SessionKey { start: time, connection: u64::from(number) };
    let kind = EventKind::Connect { session, certainty: Certainty::Reported };
    ConnectionEvent { client_id: id(number), time, peer: peer(number), kind }
}

pub fn disconnect(number: u32, start: Timestamp, time: Timestamp) -> ConnectionEvent {
    let random = scramble(u64::from(number) ^ 0xE4D);
    let (initiator, code, close) = match random % 8 {
        0..=2 => (Initiator::Network, 0x80, 91),
        3 | 4 => (Initiator::Client, 0, 0),
        5 => (Initiator::Server, 0x8D, 160),
        6 => (Initiator::Server, 0x87, 180),
        _ => (Initiator::Server, 0x8B, 93),
    };
    let end = End {
        certainty: if random >> 8 & 7 == 0 { Certainty::Inferred } else { Certainty::Reported },
        time,
        initiator: Some(initiator),
        mqtt_reason_code: Some(code),
        close_code: Some(close),
        reason: (random >> 16 & 15 == 0).then(|| format!("Maintenance window {}", random >> 20 & 31)),
        counters: Counters {
            read_msg: Some(random >> 30 & 1023),
            read_bytes: Some(random >> 30 & 0xF_FFFF),
            write_msg: Some(random >> 40 & 1023),
            write_bytes: Some(random >> 40 & 0xF_FFFF),
        },
    };
    let session = Some(SessionKey { start, connection: u64::from(number) });
    ConnectionEvent {
        client_id: id(number),
        time,
        peer: peer(number),
        kind: EventKind::Disconnect { session, end },
    }
}

pub fn activity(number: u32, time: Timestamp) -> ConnectionEvent {
    let event = ActivityEvent::ALL[1 + (scramble(u64::from(number)) >> 50) as usize % 4];
    let kind = EventKind::Activity { session: None, event };
    ConnectionEvent { client_id: id(number), time, peer: Peer::default(), kind }
}

/// When the newest session of a client started.
pub fn started(number: u32) -> Timestamp {
    time(scramble(u64::from(number) ^ 0x57A7), 30 * 86_400_000)
}

/// The state of a client.
pub fn state(number: u32) -> ClientState {
    let random = scramble(u64::from(number) ^ 0x5747E);
    let start = started(number);
    let mut state = ClientState::new(id(number));
    let mut see = |event: ConnectionEvent| fold(&mut state, &event);
    let before = start.plus_ms(-(random as i64 & 0xFFF_FFFF));
    if random & 3 != 0 {
        see(connect(number, before));
        see(disconnect(number, before, start.plus_ms(-1_000)));
    }
    see(connect(number, start));
    let until = NOW_MS - start.millis();
    see(activity(number, start.plus_ms((random >> 8) as i64 % (until + 1))));
    if random >> 3 & 15 == 0 || random >> 3 & 31 == 1 {
        see(disconnect(number, start, start.plus_ms((random >> 9) as i64 % (until + 1))));
    }
    if random >> 16 & 127 == 0 {
        let kind =
            EventKind::FailedConnect { mqtt_reason_code: Some(0x86), close_code: Some(180), reason: None };
        let time = time(random, 7 * 86_400_000);
        see(ConnectionEvent { client_id: id(number), time, peer: Peer::default(), kind });
    }
    state
}
