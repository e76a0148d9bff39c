//! `kill -9` at any moment loses nothing that was acknowledged and leaves nothing half written.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead as _;
use std::path::Path;
use std::time::Duration;

use rollcall_model::{ClientState, ConnectionEvent, fold};
use rollcall_server::fleet::Fleet;
use rollcall_server::journal::Journal;
use rollcall_server::recorder::restore;

use crate::child::{self, Recording};
use crate::events::{event, number};

const KILLS: u64 = 50;

/// Fifty times: start, restore, record as fast as it goes with snapshots in between, be killed. After each, every
/// event up to the last one that was acknowledged is in the log once and in order, and the states are what the log
/// and the activity that was kept give.
#[test]
fn fifty_kills_under_load_lose_nothing_that_was_acknowledged_and_leave_nothing_half_written() {
    if child::is_child() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // For each event that was sent whether it was: after a kill the numbers go on behind the last one.
    let (mut next, mut sent, mut snapshots) = (0, Vec::new(), 0);
    for round in 0..KILLS {
        let durable = record_and_kill(directory.path(), next, round);
        let logged = logged(directory.path());
        let last = logged.iter().filter_map(number).next_back().map_or(0, |last| last + 1);
        sent.extend(next..durable.max(last));
        let expected: Vec<_> = sent.iter().map(|n| event(*n)).filter(ConnectionEvent::is_logged).collect();
        let own: Vec<_> = logged.iter().filter(|event| number(event).is_some()).cloned().collect();
        assert!(own == expected, "round {round}: {} of {} entries", own.len(), expected.len());
        check_states(directory.path(), &logged, &sent);
        next = durable.max(last);
        snapshots = snapshots.max(newest_snapshot(directory.path()));
    }
    assert!(next > 1_000 && snapshots > 0, "{next} events and {snapshots} snapshots are no load");
}

/// Returns the number behind the last event that was acknowledged.
fn record_and_kill(directory: &Path, first: u64, round: u64) -> u64 {
    let test =
        "kill::fifty_kills_under_load_lose_nothing_that_was_acknowledged_and_leave_nothing_half_written";
    let mut recording = Recording::start("", test, directory, first);
    recording.send(1_000_000);
    // The moment of the kill is what varies; nothing waits for it.
    std::thread::sleep(Duration::from_millis(round * 37 % 150));
    recording.process.kill().unwrap();
    recording.process.wait().unwrap();
    let lines = recording.output.lines().map_while(Result::ok);
    let durable = lines.filter_map(|line| line.strip_prefix("durable ")?.parse().ok());
    durable.max().unwrap_or(first)
}

fn logged(directory: &Path) -> Vec<ConnectionEvent> {
    let mut events = Vec::new();
    let journal = child::open(directory).unwrap();
    journal
        .each(0, &mut |event| {
            events.push(event);
            true
        })
        .unwrap();
    events
}

fn check_states(directory: &Path, logged: &[ConnectionEvent], sent: &[u64]) {
    let recovered = recovered(directory);
    let mut expected: BTreeMap<String, ClientState> = BTreeMap::new();
    let mut take = |event: &ConnectionEvent| {
        let state = || ClientState::new(event.client_id.clone());
        fold(expected.entry(event.client_id.clone()).or_insert_with(state), event);
    };
    logged.iter().for_each(&mut take);
    // Activity is kept at intervals: of each client up to some moment, and from then on none. All of it are messages, whose
    // time no entry of the log moves.
    // Some of it may have been kept behind the last entry of the log.
    let behind = sent.last().map_or(0, |last| last + 1);
    let activity = sent.iter().copied().chain(behind..behind + 10_000).map(event);
    let activity = activity.filter(|event| !event.is_logged());
    activity
        .filter(|event| {
            let state = recovered.get(&event.client_id);
            state.and_then(|state| state.last_publish).is_some_and(|until| event.time <= until)
        })
        .for_each(|event| take(&event));
    for (id, state) in &expected {
        assert_eq!(recovered.get(id), Some(state));
    }
    assert_eq!(recovered.len(), expected.len());
    let fleet = Fleet::new();
    restore(&fleet, &child::open(directory).unwrap()).unwrap();
    assert_eq!((fleet.len(), fleet.counts().connected), (expected.len(), 0));
}

/// The states as the disk has them, before anything is concluded from the kill.
fn recovered(directory: &Path) -> HashMap<String, ClientState> {
    let journal = child::open(directory).unwrap();
    let recovered = journal.recover().unwrap();
    let mut states: HashMap<_, _> = recovered.states.map(|state| (state.id.clone(), state)).collect();
    journal
        .each(recovered.sequence, &mut |event| {
            let state = || ClientState::new(event.client_id.clone());
            fold(states.entry(event.client_id.clone()).or_insert_with(state), &event);
            true
        })
        .unwrap();
    states
}

/// How many snapshots there were.
fn newest_snapshot(directory: &Path) -> i64 {
    let states = rusqlite::Connection::open(directory.join("journal/states.db")).unwrap();
    let generation =
        states.query_row("SELECT value FROM meta WHERE key = 'generation'", [], |row| row.get(0));
    generation.unwrap_or(0)
}
