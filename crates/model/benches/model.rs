//! What the contract itself costs, without fleet, journal or network: an event folded into a state, and every form of
//! JSON on the wire. One thread, 1,000 clients, criterion prints the time of one pass over them.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rollcall_model::diagnosis::diagnose;
use rollcall_model::event::{MqttVersion, Protocol};
use rollcall_model::log::LogEntry;
use rollcall_model::monitor::MonitorMessage;
use rollcall_model::query::Query;
use rollcall_model::{
    ActivityEvent, Certainty, ClientState, ConnectionEvent, Counters, End, EventKind, Initiator, Peer,
    SessionKey, StateDoc, Timestamp, fold,
};

const CLIENTS: u32 = 1_000;
const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const HOUR_MS: i64 = 3_600_000;

fn id(number: u32) -> String {
    format!("d:acme01:thermo{:02}:dev-{number:08}-c0ffee-{number:08}", number % 20)
}

fn start(number: u32, round: i64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() - (100 - round) * HOUR_MS + i64::from(number))
}

fn event(number: u32, time: Timestamp, kind: EventKind) -> ConnectionEvent {
    let [_, b, c, d] = number.to_be_bytes();
    let peer = Peer {
        addr: Some(format!("10.{b}.{c}.{d}")),
        port: Some(number as u16),
        server_port: Some(8883),
        protocol: Some(Protocol { version: MqttVersion::ALL[number as usize % 3], websocket: false }),
        secure: Some(true),
        user: Some("use-token-auth".to_owned()),
    };
    ConnectionEvent { client_id: id(number), time, peer, kind }
}

/// A session of each client: connect, one publish, and the network ends it.
fn session(round: i64) -> impl Iterator<Item = ConnectionEvent> {
    (0..CLIENTS).flat_map(move |number| {
        let opened = start(number, round);
        let session = SessionKey { start: opened, connection: u64::from(number) };
        let later = |ms| Timestamp::from_millis(opened.millis() + ms);
        let end = End {
            certainty: Certainty::Reported,
            time: later(HOUR_MS / 2),
            initiator: Some(Initiator::Network),
            mqtt_reason_code: Some(0x80),
            close_code: Some(91),
            reason: None,
            counters: Counters {
                read_msg: Some(7),
                read_bytes: Some(700),
                write_msg: Some(1),
                write_bytes: Some(70),
            },
        };
        [
            event(number, opened, EventKind::Connect { session, certainty: Certainty::Reported }),
            event(
                number,
                later(1_000),
                EventKind::Activity { session: Some(session), event: ActivityEvent::Publish },
            ),
            event(number, end.time, EventKind::Disconnect { session: Some(session), end }),
        ]
    })
}

/// The states after three sessions each.
fn states() -> Vec<ClientState> {
    let mut states: Vec<ClientState> = (0..CLIENTS).map(|number| ClientState::new(id(number))).collect();
    for round in 0..3 {
        for (n, event) in session(round).enumerate() {
            fold(&mut states[n / 3], &event);
        }
    }
    states
}

fn folding(c: &mut Criterion) {
    let mut group = c.benchmark_group("fold");
    group.throughput(Throughput::Elements(3 * u64::from(CLIENTS)));
    let events: Vec<ConnectionEvent> = session(3).collect();
    let states = states();
    group.bench_function("a session of each client", |b| {
        b.iter_batched_ref(
            || states.clone(),
            |states| {
                for (n, event) in events.iter().enumerate() {
                    fold(&mut states[n / 3], black_box(event));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn json(c: &mut Criterion) {
    let mut group = c.benchmark_group("json");
    let docs: Vec<StateDoc> = states().iter().map(|state| state.doc(NOW, None)).collect();
    let messages: Vec<MonitorMessage> =
        session(3).filter_map(|event| MonitorMessage::from_event(&event)).collect();
    let entries: Vec<LogEntry> = session(3).filter_map(|event| LogEntry::from_event(&event)).collect();
    both_ways(&mut group, "state", &docs);
    both_ways(&mut group, "monitor message", &messages);
    both_ways(&mut group, "log entry", &entries);
    group.finish();
}

/// Writes each into one buffer, and reads each from its text.
fn both_ways<T: serde::Serialize + serde::de::DeserializeOwned>(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    items: &[T],
) {
    let texts: Vec<String> = items.iter().filter_map(|item| serde_json::to_string(item).ok()).collect();
    assert_eq!(texts.len(), items.len(), "every {name} can be written");
    group.throughput(Throughput::Bytes(texts.iter().map(|text| text.len() as u64).sum()));
    let mut buffer = Vec::with_capacity(1 << 20);
    group.bench_function(format!("write {name}"), |b| {
        b.iter(|| {
            buffer.clear();
            for item in items {
                assert!(serde_json::to_writer(&mut buffer, black_box(item)).is_ok());
            }
        });
    });
    group.bench_function(format!("read {name}"), |b| {
        b.iter(|| {
            for text in &texts {
                assert!(serde_json::from_str::<T>(black_box(text)).is_ok());
            }
        });
    });
}

fn questions(c: &mut Criterion) {
    let mut group = c.benchmark_group("query");
    let pairs = [
        ("connectionStatus", "disconnected"),
        ("deviceType", "thermo01"),
        ("connectedAfter", "now-24h"),
        ("search", "dev-0000"),
        ("_sort", "-lastConnectTime"),
        ("_facets", "reason,closeCode"),
    ];
    group.bench_function("parse", |b| b.iter(|| Query::parse(black_box(pairs)).is_ok()));
    group.finish();
    let mut group = c.benchmark_group("diagnosis");
    let log: Vec<LogEntry> = (0..100)
        .flat_map(|round| session(round).filter(|event| event.client_id == id(7)).collect::<Vec<_>>())
        .filter_map(|event| LogEntry::from_event(&event))
        .collect();
    let state = states()[7].doc(NOW, None);
    group.throughput(Throughput::Elements(log.len() as u64));
    group.bench_function("one client", |b| b.iter(|| diagnose(black_box(&state), &log, &[], NOW)));
    group.finish();
}

criterion_group!(benches, folding, json, questions);
criterion_main!(benches);
