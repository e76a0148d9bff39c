//! How fast the journal is, on this disk: `cargo bench -p rollcall-server --bench journal [-- CLIENTS ROWS]`.
//!
//! Appends, durable; the recorder end to end; a client's last 20 entries while events arrive; a snapshot; a restart
//! after a clean stop and after a kill. Prints a line for each. Needs about 2.5 GB in `TMPDIR` for the default, a
//! million clients and ten million entries.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rollcall_model::event::MqttVersion;
use rollcall_model::{
    Certainty, ConnectionEvent, Counters, End, EventKind, Initiator, Peer, Protocol, SessionKey, Timestamp,
};
use rollcall_server::fleet::Fleet;
use rollcall_server::journal::sqlite::SqliteJournal;
use rollcall_server::journal::{Boot, Journal, LogQuery, Retention};
use rollcall_server::recorder::{Recorder, RecorderHealth, restore};
use rollcall_server::source;
use rollcall_server::statistics::Statistics;
use tokio::sync::{mpsc, oneshot};

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: u64 = 10_000;
const START_MS: i64 = 1_790_000_000_000;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let numbers: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let clients = numbers.first().copied().unwrap_or(1_000_000);
    let rows = numbers.get(1).copied().unwrap_or(10_000_000);
    let directory = tempfile::tempdir()?;
    end_to_end(directory.path(), clients)?;
    killed(directory.path())?;
    append(directory.path(), clients, rows)?;
    read(directory.path(), clients)?;
    restart(directory.path(), clients)?;
    Ok(())
}

/// The client `i`, with an id of 40 bytes.
fn id(i: u64) -> String {
    format!("d:acme01:thermometer:device-number-{i:06}")
}

/// The event number `n`: connects and disconnects of all clients, in an order without pattern.
fn event(n: u64, clients: u64) -> ConnectionEvent {
    let i = n.wrapping_mul(7_919) % clients;
    let round = n / clients;
    let time = Timestamp::from_millis(START_MS + n.cast_signed() / 10);
    let session =
        SessionKey { start: Timestamp::from_millis(START_MS + (round & !1).cast_signed()), connection: i };
    let peer = Peer {
        addr: Some(format!("10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255)),
        port: Some(50_000),
        server_port: Some(1883),
        protocol: Some(Protocol { version: MqttVersion::V311, websocket: false }),
        secure: Some(false),
        user: None,
    };
    let kind = if round.is_multiple_of(2) {
        EventKind::Connect { session, certainty: Certainty::Reported }
    } else {
        let end = End {
            certainty: Certainty::Reported,
            time,
            initiator: Some(Initiator::Network),
            mqtt_reason_code: Some(0x80),
            close_code: Some(91),
            reason: None,
            counters: Counters { read_msg: Some(12), read_bytes: Some(4_321), ..Counters::default() },
        };
        EventKind::Disconnect { session: Some(session), end }
    };
    ConnectionEvent { client_id: id(i), time, peer, kind }
}

fn open(directory: &Path) -> Result<SqliteJournal> {
    Ok(SqliteJournal::open(directory, Retention::default())?)
}

/// Every client connects, through the queue and the recorder; then the process would be killed.
fn end_to_end(directory: &Path, clients: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let journal = Arc::new(open(directory)?);
    let fleet = Arc::new(Fleet::new());
    let inheritance = restore(&fleet, journal.as_ref())?;
    let (sink, stream) = source::queue(100_000);
    let (monitor_tx, mut monitor) = mpsc::channel(64);
    let (reconcile, _) = mpsc::channel(1);
    let health = Arc::new(RecorderHealth::default());
    let statistics = Arc::new(Statistics::new(Timestamp::from_millis(START_MS), 0));
    let recorder = Recorder::new(fleet, journal, statistics, monitor_tx, reconcile, health, inheritance);
    let (stop, stopped) = oneshot::channel();
    runtime.block_on(async move {
        tokio::spawn(async move { while monitor.recv().await.is_some() {} });
        let recording = tokio::spawn(recorder.run(stream, stopped));
        let begun = Instant::now();
        for n in 0..clients {
            sink.send(event(n, clients)).await?;
        }
        sink.committed().await?;
        tell("recorder, end to end, durable", clients, begun.elapsed());
        println!("resident {} MB", resident_mb());
        // As a kill would: no session is ended, nothing is summed up.
        let _ = stop.send(());
        recording.await?;
        Ok(())
    })
}

/// What a start does after that, with every session open.
fn killed(directory: &Path) -> Result<()> {
    let begun = Instant::now();
    let journal = open(directory)?;
    tell("open after a kill", 1, begun.elapsed());
    let fleet = Fleet::new();
    let mut inheritance = restore(&fleet, &journal)?;
    tell("restart after a kill, all sessions open, until it can answer", fleet.len() as u64, begun.elapsed());
    println!("resident {} MB, {} open", resident_mb(), fleet.counts().connected);
    let (begun, ends) = (Instant::now(), inheritance.ends.len() as u64);
    while !inheritance.ends.is_empty() {
        let ends = inheritance.ends.front()?;
        journal.append(&ends)?;
        inheritance.ends.drop_front(ends.len());
    }
    tell("ends written behind it", ends, begun.elapsed());
    Ok(())
}

fn append(directory: &Path, clients: u64, rows: u64) -> Result<()> {
    let journal = open(directory)?;
    let (mut inside, mut slowest) = (Duration::ZERO, Duration::ZERO);
    for first in (0..rows).step_by(BATCH as usize) {
        let batch: Vec<_> = (first..first + BATCH).map(|n| event(n, clients)).collect();
        let begun = Instant::now();
        journal.append(&batch)?;
        inside += begun.elapsed();
        slowest = slowest.max(begun.elapsed());
    }
    tell("append, durable, batches of 10,000", rows, inside);
    println!("slowest batch {} ms", slowest.as_millis());
    println!("bytes for each entry {}", journal.log_bytes() / rows);
    Ok(())
}

/// The last 20 entries of a client while 2,000 events a second arrive.
fn read(directory: &Path, clients: u64) -> Result<()> {
    let journal = open(directory)?;
    let done = AtomicBool::new(false);
    let mut times = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(|| {
            let mut n = 0;
            while !done.load(Ordering::Relaxed) {
                let batch: Vec<_> = (n..n + 20).map(|n| event(n, clients)).collect();
                n += 20;
                if let Err(error) = journal.append(&batch) {
                    println!("append: {error}");
                }
                std::thread::sleep(Duration::from_millis(6));
            }
        });
        for k in 0..20_000_u64 {
            let client_id = id(k.wrapping_mul(104_729) % clients);
            let query = LogQuery {
                client_id,
                from: None,
                to: None,
                events: vec![],
                limit: 20,
                offset: 0,
                after: None,
            };
            let begun = Instant::now();
            let page = journal.log(&query)?;
            times.push(begun.elapsed());
            assert!(!page.entries.is_empty());
        }
        done.store(true, Ordering::Relaxed);
        Ok(())
    })?;
    times.sort_unstable();
    let us = |share: usize| times.get(times.len() * share / 1_000).map_or(0, Duration::as_micros);
    println!("last 20 entries: p50 {} µs, p99 {} µs, p99.9 {} µs", us(500), us(990), us(999));
    Ok(())
}

fn restart(directory: &Path, clients: u64) -> Result<()> {
    let journal = open(directory)?;
    let fleet = Fleet::new();
    let states: Vec<ConnectionEvent> = (0..clients).map(|n| event(n, clients)).collect();
    states.chunks(BATCH as usize).for_each(|batch| {
        fleet.apply(batch);
    });
    drop(states);
    let begun = Instant::now();
    journal.snapshot(&|sink| {
        fleet.for_each(|state| sink(state));
        Ok(())
    })?;
    tell("snapshot", clients, begun.elapsed());
    let now = Timestamp::from_millis(START_MS + 9_000_000);
    journal.keep(&[], &[Boot { started: Timestamp::from_millis(START_MS), alive: now }])?;
    drop((journal, fleet));
    for _ in 0..3 {
        let begun = Instant::now();
        let journal = open(directory)?;
        let opened = begun.elapsed();
        let states = journal.recover()?.states.count() as u64;
        tell("states read and decoded", states, begun.elapsed());
        drop(journal);
        let begun = Instant::now();
        let journal = open(directory)?;
        let fleet = Fleet::new();
        tell("opened again", 1, begun.elapsed());
        restore(&fleet, &journal)?;
        tell("restart behind a snapshot, until it can answer", fleet.len() as u64, begun.elapsed());
        println!("  of which open {:.2} s; resident {} MB", opened.as_secs_f64(), resident_mb());
    }
    Ok(())
}

fn tell(what: &str, count: u64, time: Duration) {
    let rate = count as f64 / time.as_secs_f64();
    println!(
        "{what}: {count} in {:.2} s, {rate:.0}/s; {:.2} s of processor so far",
        time.as_secs_f64(),
        processor_s()
    );
}

/// Seconds that the processors spent on this process: what the figures would be on an idle machine.
fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // User and system time in hundredths of a second.
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The resident set of this process.
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kb = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kb.unwrap_or(0) / 1_024
}
