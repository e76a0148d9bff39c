//! Bytes that are no MQTT, or nearly: whatever comes to the broker's port or to `/mqtt`, the server goes on, does not
//! grow, and shows nobody as connected who is not. In a process of its own, so that its memory can be measured.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics, in its helpers too")]

use std::net::SocketAddr;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rollcall_model::ActivityEvent;
use rollcall_server::fleet::Fleet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

#[allow(dead_code, reason = "shared with the tests of the broker, which need more of it")]
#[path = "broker/harness.rs"]
mod harness;

use harness::{Connect, Raw, Running, packet, publish, start, string, subscribe};

/// How long streams are thrown, and how many at most.
const THROWING: Duration = Duration::from_secs(8);
const STREAMS_MAX: u64 = 6_000;
/// So many at least, or the test has tried nothing.
const STREAMS_MIN: u64 = 500;
const AT_A_TIME: u64 = 12;
/// More than the buffers of so many connections and the runtime's own; far less than one packet of the length that
/// some of the streams claim.
const GROWTH_MAX: u64 = 150 * 1024 * 1024;
/// The broker gives a half-finished connection up after this.
const ENDS_MAX: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_take_the_server_down() {
    let panics = count_panics();
    let mut running = start().await;
    let (mqtt, http) = (running.broker.mqtt_addr(), running.http().await);
    check_good_client(&mut running, "good-before").await;
    let before = resident_bytes();
    let seed =
        std::env::var("ROLLCALL_FUZZ_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("ROLLCALL_FUZZ_SEED={seed}");

    let thrown = throw(mqtt, http, seed).await;

    assert!(thrown >= STREAMS_MIN, "only {thrown} streams");
    assert_eq!(panics.load(Ordering::Relaxed), 0, "a part of the server panicked, ROLLCALL_FUZZ_SEED={seed}");
    check_good_client(&mut running, "good-after").await;
    let mut socket = open_websocket(http).await.unwrap();
    socket.send(Message::binary(Connect::new("good-websocket").bytes())).await.unwrap();
    running.connect_of("good-websocket").await;
    drop(socket);
    check_all_ended(&mut running, seed).await;
    let growth = resident_bytes().saturating_sub(before);
    println!("{thrown} streams, {} events, grown by {growth} bytes", running.seen.len());
    assert!(growth < GROWTH_MAX, "grown by {growth} bytes in {thrown} streams, ROLLCALL_FUZZ_SEED={seed}");
}

/// A panic in one of the runtime's tasks ends the task and nothing else, so that nobody would notice.
fn count_panics() -> Arc<AtomicU64> {
    let panics = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&panics);
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        counter.fetch_add(1, Ordering::Relaxed);
        usual(info);
    }));
    panics
}

/// A client that does everything right is served and reported.
async fn check_good_client(running: &mut Running, id: &str) {
    let mut client = Raw::connect(&running.broker, &Connect::new(id)).await;
    // Nothing that the others say or leave behind is about it.
    client.send(&subscribe(4, "good/#", 0)).await;
    assert_eq!(client.suback().await, 0);
    client.send(&publish(4, "good/1", 0, b"21.5")).await;
    let (first, body) = client.packet().await;
    assert_eq!((first & 0xF0, body.ends_with(b"21.5")), (0x30, true));
    running.connect_of(id).await;
    running.activity_of(id, ActivityEvent::Publish).await;
    client.disconnect().await;
    running.end_of(id).await;
}

/// Waits until the events of all clients together say that nobody is connected.
async fn check_all_ended(running: &mut Running, seed: u64) {
    let (start, mut probes) = (Instant::now(), 0);
    loop {
        probes += 1;
        check_good_client(running, &format!("probe-{probes}")).await;
        let fleet = Fleet::new();
        fleet.apply(&running.seen);
        let left = fleet.connected_ids();
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < ENDS_MAX, "still shown as connected: {left:?}, ROLLCALL_FUZZ_SEED={seed}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn throw(mqtt: SocketAddr, http: SocketAddr, seed: u64) -> u64 {
    let (start, thrown) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let throwers = (0..AT_A_TIME).map(|number| {
        let thrown = Arc::clone(&thrown);
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(seed.wrapping_add(number));
            while start.elapsed() < THROWING && thrown.fetch_add(1, Ordering::Relaxed) < STREAMS_MAX {
                let stream = stream(&mut random);
                if number % 4 == 0 {
                    throw_at_websocket(http, &stream, &mut random).await;
                } else {
                    throw_at_port(mqtt, &stream, &mut random).await;
                }
            }
        })
    });
    for thrower in throwers.collect::<Vec<_>>() {
        thrower.await.unwrap();
    }
    thrown.load(Ordering::Relaxed)
}

/// The server may close at any time, so that errors are as good as answers.
async fn throw_at_port(mqtt: SocketAddr, stream: &[u8], random: &mut StdRng) {
    let mut socket = TcpStream::connect(mqtt).await.unwrap();
    let _ = socket.write_all(stream).await;
    leave(socket, random).await;
}

/// The bytes in messages of any size, or in frames that are none.
async fn throw_at_websocket(http: SocketAddr, stream: &[u8], random: &mut StdRng) {
    let Ok(mut socket) = open_websocket(http).await else { return };
    if random.random_ratio(1, 8) {
        let _ = socket.get_mut().write_all(stream).await;
    } else {
        for part in stream.chunks(random.random_range(1..=64)) {
            if socket.send(Message::binary(part.to_vec())).await.is_err() {
                return;
            }
        }
    }
    leave(socket.into_inner(), random).await;
}

async fn open_websocket(
    http: SocketAddr,
) -> Result<tokio_tungstenite::WebSocketStream<TcpStream>, tokio_tungstenite::tungstenite::Error> {
    let mut request = format!("ws://{http}/mqtt").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "mqtt".parse().unwrap());
    let stream = TcpStream::connect(http).await.unwrap();
    Ok(tokio_tungstenite::client_async(request, stream).await?.0)
}

/// At once or after a look at what the server says, in order or with a reset.
async fn leave(mut socket: TcpStream, random: &mut StdRng) {
    if random.random() {
        let mut answer = [0; 256];
        let _ = tokio::time::timeout(Duration::from_millis(20), socket.read(&mut answer)).await;
    }
    if random.random() {
        let _ = socket.set_zero_linger();
    }
}

/// Some packets, most of them spoiled; often behind a CONNECT that is right, because nothing is read before it.
fn stream(random: &mut StdRng) -> Vec<u8> {
    let packets = packets(random.random_range(0..40));
    let mut stream = Vec::new();
    if random.random_ratio(2, 3) {
        stream.extend(&packets.choose(random).unwrap().1);
    }
    let version = *packets.choose(random).map(|(version, _)| version).unwrap();
    let bodies = bodies(version);
    for _ in 0..random.random_range(1..6) {
        let mut bytes = bodies.choose(random).unwrap().clone();
        if random.random_ratio(3, 4) {
            spoil(&mut bytes, random);
        }
        stream.extend(bytes);
    }
    if random.random_ratio(1, 4) {
        spoil(&mut stream, random);
    }
    stream
}

/// CONNECT packets of every version, under one of a few ids, so that they also take over from each other.
fn packets(number: u32) -> Vec<(u8, Vec<u8>)> {
    let id = format!("d:acme01:thermo:bad-{number}");
    let connect = |version| Connect::new(&id).version(version).keep_alive(30);
    let properties = [0x11, 0, 0, 0, 60, 0x21, 0, 5, 0x26, 0, 1, b'k', 0, 1, b'v'];
    vec![
        (3, Connect::new("short").version(3).bytes()),
        (4, connect(4).bytes()),
        (4, connect(4).will("plant/last", b"gone").bytes()),
        (4, connect(4).persistent().bytes()),
        (5, connect(5).bytes()),
        (5, connect(5).properties(&properties).user("ann", "secret").bytes()),
        (5, connect(5).persistent().will("plant/last", b"gone").bytes()),
        (4, Connect::new("").bytes()),
        (4, Connect::new(&"x".repeat(20_000)).bytes()),
    ]
}

/// What a client may send after its CONNECT, and what it may not.
fn bodies(version: u8) -> Vec<Vec<u8>> {
    let filters = ["plant/+/t", "#", "iot-2/type/+/id/+/mon", "$SYS/#", "a/#/b", "+", "", "$share/g/plant/1"];
    let mut bodies: Vec<_> = filters.iter().map(|filter| subscribe(version, filter, 2)).collect();
    for (qos, topic) in
        [(0, "plant/1"), (1, "plant/1"), (2, "iot-2/type/thermo/id/x/mon"), (3, "plant/1"), (0, "a/+")]
    {
        bodies.push(publish(version, topic, qos, b"{\"t\":21.5}"));
    }
    bodies.extend([
        packet(0xA2, &[&[0, 3][..], &string("plant/1")].concat()),
        packet(0x62, &[0, 2]),
        packet(0x40, &[0, 2]),
        packet(0x50, &[0, 2]),
        packet(0x70, &[0, 2]),
        packet(0xC0, &[]),
        packet(0xE0, &[]),
        packet(0xE0, &[0x04, 0]),
        packet(0xF0, &[0x18, 0]),
        packet(0x20, &[0, 0]),
        packet(0xD0, &[]),
        packet(0x00, &[]),
        Connect::new("again").version(version).bytes(),
    ]);
    bodies
}

fn spoil(bytes: &mut Vec<u8>, random: &mut StdRng) {
    let at = random.random_range(0..bytes.len().max(1)).min(bytes.len().saturating_sub(1));
    match random.random_range(0..8) {
        0 => bytes.truncate(at),
        1 if !bytes.is_empty() => bytes[at] ^= 1 << random.random_range(0..8),
        2 if !bytes.is_empty() => bytes[at] = random.random(),
        // A remaining length of 256 MiB, or one with more bytes than there may be.
        3 if bytes.len() > 1 => drop(bytes.splice(1..2, [0xFF, 0xFF, 0xFF, 0x7F])),
        4 if bytes.len() > 1 => drop(bytes.splice(1..2, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF])),
        // A length inside that leads beyond the end.
        5 if bytes.len() > 4 => drop(bytes.splice(2..4, [0xFF, 0xFF])),
        // What is no UTF-8, and what MQTT forbids in text: a NUL and half a surrogate pair.
        6 => {
            let text: &[u8] = [&b"\xFF\xFE"[..], b"\xC3\x28", b"\0", b"\xED\xA0\x80"].choose(random).unwrap();
            bytes.splice(at..at, text.iter().copied());
        }
        _ => {
            let noise: Vec<u8> = (0..random.random_range(1..200)).map(|_| random.random()).collect();
            bytes.splice(at..at, noise);
        }
    }
}

/// The memory of this process that is in use, as Linux counts it.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
