//! Events: how fast they are folded, recorded durably and imported; and what a restart after a crash takes.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Context, ensure};
use rollcall_model::monitor::MonitorMessage;
use rollcall_model::{ConnectionEvent, Timestamp};
use rollcall_server::clock;
use rollcall_server::fleet::Fleet;

use crate::asking::{ACTIVITY, Asked};
use crate::baseline::Baseline;
use crate::data::Data;
use crate::machine;
use crate::measure::{Better, Row};
use crate::world::{Present, World};

/// Events that are committed in one go, as the recorder does.
const BATCH: usize = 10_000;

/// Memory that a client takes in the fleet: its state, its id, its place in the order.
pub fn fleet_memory(world: World) -> anyhow::Result<Row> {
    let resident = || machine::memory(std::process::id()).map(|memory| memory.resident);
    let before = resident()?;
    let fleet = Fleet::new();
    let mut events =
        world.past(world.sessions() - 1).chain(world.present()).chain(world.activity()).peekable();
    while events.peek().is_some() {
        fleet.apply(&events.by_ref().take(BATCH).collect::<Vec<_>>());
    }
    let each = resident()?.saturating_sub(before) as f64 / fleet.len() as f64;
    Ok(Row::figure("memory of a client in the fleet", "bytes", Better::Less, Some(250.0), each, None))
}

/// How many events a second one core folds.
pub fn fold(world: World, events: usize) -> anyhow::Result<Row> {
    eprintln!("folding …");
    let mut present = Present::new(world);
    let now = clock::now();
    let open: Vec<ConnectionEvent> = world.present().collect();
    let events: Vec<ConnectionEvent> = (0..events).map(|_| present.next(now, ACTIVITY).1).collect();
    let fleet = Fleet::new();
    open.chunks(BATCH).for_each(|batch| drop(fleet.apply(batch)));
    let ours = rate(events.len(), || {
        events.chunks(1_000).for_each(|batch| drop(fleet.apply(batch)));
        Ok(())
    })?;
    let mut baseline = Baseline::open(Path::new(":memory:"))?;
    for batch in open.chunks(BATCH) {
        baseline.fold(batch)?;
    }
    let few = &events[..events.len().min(200_000)];
    let theirs = rate(few.len(), || few.chunks(1_000).try_for_each(|batch| baseline.fold(batch)))?;
    Ok(Row::figure(
        "events folded in memory, one core",
        "/s",
        Better::More,
        Some(300_000.0),
        ours,
        Some(theirs),
    ))
}

fn rate(count: usize, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// Every client reconnects at once. Then the server is killed, and has to know all of it when it is back.
pub fn burst_and_restart(mut asked: Asked, data: &Data) -> anyhow::Result<Vec<Row>> {
    let world = data.world;
    eprintln!("{} clients reconnect …", world.clients);
    let clients = f64::from(world.clients);
    let start = clock::now();
    let before = machine::memory(asked.server.pid())?;
    let (events, seconds) = asked.server.ask("burst")?;
    let after = machine::memory(asked.server.pid())?;
    ensure!(events == u64::from(world.clients), "{events} clients reconnected");
    let path = since(start);
    let shown = asked.total(&path)?;
    ensure!(shown == events, "{shown} of {events} reconnects are shown");
    // Twice the interval at which states are written.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let folder = data.folder.clone();
    asked.server.kill()?;
    eprintln!("restarting after kill -9 …");
    let (again, restart) = Asked::start(&folder, world)?;
    let known = again.total(&path)?;
    ensure!(known == events, "after kill -9 only {known} of {events} reconnects are known");
    let theirs = record_in_sqlite(data)?;
    let peak = after.peak.saturating_sub(before.resident) as f64 / 1e6;
    Ok(vec![
        Row::figure(
            "events recorded durably, end to end",
            "/s",
            Better::More,
            Some(60_000.0),
            clients / seconds,
            Some(theirs),
        ),
        Row::figure(
            &format!("{} reconnects in a row until shown", world.clients),
            "s",
            Better::Less,
            Some(30.0 * clients / 1e6),
            seconds,
            Some(clients / theirs),
        ),
        Row::figure("memory that they take at the peak", "MB", Better::Less, None, peak, None),
        Row::figure("restart after kill -9, to the first page", "s", Better::Less, Some(3.0), restart, None),
    ])
}

fn since(time: Timestamp) -> String {
    format!("/api/v0002/clientconnectionstates?_limit=1&connectedAfter={time}")
}

fn record_in_sqlite(data: &Data) -> anyhow::Result<f64> {
    eprintln!("recording in SQLite …");
    let mut baseline = Baseline::open(&data.baseline)?;
    let mut present = Present::new(data.world);
    let now = clock::now();
    let count = data.world.clients.min(200_000);
    let events: Vec<_> = (0..count).map(|number| present.connect(number, now)).collect();
    rate(events.len(), || events.chunks(BATCH).try_for_each(|batch| baseline.record(batch)))
}

/// How many lines a second are imported into an empty folder.
pub fn import(data: &Data, lines: usize) -> anyhow::Result<Row> {
    eprintln!("importing …");
    let file = data.path("log.ndjson");
    let mut out = BufWriter::new(std::fs::File::create(&file)?);
    let mut count = 0;
    let past = (0..data.world.sessions()).flat_map(|round| data.world.past(round)).take(lines);
    for event in past {
        let message = MonitorMessage::from_event(&event).context("no message")?;
        serde_json::to_writer(&mut out, &message)?;
        out.write_all(b"\n")?;
        count += 1;
    }
    out.flush()?;
    drop(out);
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("import").arg("--data").arg(data.path("imported")).arg(&file);
    let ours = rate(count, || {
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && said.contains(&format!(" {count} logged")),
            "the import says {said}"
        );
        Ok(())
    })?;
    let theirs = rate(count, || import_into_sqlite(&file, &data.path("imported.db")))?;
    Ok(Row::figure("lines imported", "/s", Better::More, Some(150_000.0), ours, Some(theirs)))
}

/// The same with two threads as well: one reads and parses, one writes.
fn import_into_sqlite(file: &Path, database: &Path) -> anyhow::Result<()> {
    let mut baseline = Baseline::open(database)?;
    let (sender, batches) = mpsc::sync_channel::<Vec<ConnectionEvent>>(2);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut batch = Vec::with_capacity(5 * BATCH);
            for line in BufReader::with_capacity(1 << 20, std::fs::File::open(file)?).lines() {
                batch.push(serde_json::from_str::<MonitorMessage>(&line?)?.to_event());
                if batch.len() == 5 * BATCH {
                    sender.send(std::mem::take(&mut batch))?;
                }
            }
            sender.send(batch)?;
            anyhow::Ok(())
        });
        for batch in batches {
            baseline.record(&batch)?;
        }
        reader.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the reader panicked")))
    })
}
