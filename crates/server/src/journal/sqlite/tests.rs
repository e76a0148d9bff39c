//! The journal keeps what it was given, pages through it and survives being reopened, torn and garbled.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proptest::prelude::*;
use rollcall_model::event::MqttVersion;
use rollcall_model::log::LogEvent;
use rollcall_model::{Certainty, Counters, End, EventKind, Initiator, Peer, Protocol, SessionKey};

use super::super::LogCursor;
use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + ms)
}

fn peer() -> Peer {
    Peer {
        addr: Some("10.0.0.7".to_owned()),
        port: Some(50_000),
        server_port: Some(1883),
        protocol: Some(Protocol { version: MqttVersion::V5, websocket: true }),
        secure: Some(false),
        user: Some("user".to_owned()),
    }
}

fn open(directory: &Path) -> Result<SqliteJournal, JournalError> {
    SqliteJournal::open(directory, Retention::default())
}

/// With the smallest segments: a few hundred entries fill one.
fn open_small(directory: &Path) -> SqliteJournal {
    SqliteJournal::open(directory, Retention { max_age_ms: None, max_bytes: Some(1_000_000) }).unwrap()
}

fn keep_all(journal: &SqliteJournal, states: &[ClientState]) {
    journal
        .snapshot(&|sink| {
            states.iter().for_each(sink);
            Ok(())
        })
        .unwrap();
}

fn all(journal: &SqliteJournal) -> Vec<ConnectionEvent> {
    let mut events = Vec::new();
    journal
        .each(0, &mut |event| {
            events.push(event);
            true
        })
        .unwrap();
    events
}

fn event(id: &str, ms: i64, kind: EventKind) -> ConnectionEvent {
    ConnectionEvent { client_id: id.to_owned(), time: at(ms), peer: peer(), kind }
}

fn connect(id: &str, ms: i64) -> ConnectionEvent {
    let session = SessionKey { start: at(ms), connection: u64::MAX };
    event(id, ms, EventKind::Connect { session, certainty: Certainty::Reported })
}

fn disconnect(id: &str, ms: i64) -> ConnectionEvent {
    let end = End {
        certainty: Certainty::Inferred,
        time: at(ms),
        initiator: Some(Initiator::Network),
        mqtt_reason_code: Some(0x80),
        close_code: Some(91),
        reason: Some("own words".to_owned()),
        counters: Counters { read_msg: Some(3), ..Counters::default() },
    };
    event(id, ms, EventKind::Disconnect { session: None, end })
}

fn refused(id: &str, ms: i64) -> ConnectionEvent {
    event(
        id,
        ms,
        EventKind::FailedConnect { mqtt_reason_code: Some(0x86), close_code: Some(180), reason: None },
    )
}

fn query(id: &str) -> LogQuery {
    LogQuery {
        client_id: id.to_owned(),
        from: None,
        to: None,
        events: vec![],
        limit: 10,
        offset: 0,
        after: None,
    }
}

#[test]
fn a_log_is_read_newest_first_by_range_kind_and_page() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path()).unwrap();
    let events: Vec<_> = (0..7).flat_map(|i| [connect("a", i * 10), disconnect("a", i * 10 + 5)]).collect();
    journal.append(&events).unwrap();
    journal.append(&[connect("b", 1)]).unwrap();
    let page = journal.log(&LogQuery { limit: 3, ..query("a") }).unwrap();
    let times: Vec<_> = page.entries.iter().map(|entry| entry.timestamp).collect();
    assert_eq!(times, [at(65), at(60), at(55)]);
    let second = journal.log(&LogQuery { after: page.next, limit: 100, ..query("a") }).unwrap();
    assert_eq!((second.entries.len(), second.entries[0].timestamp, second.next), (11, at(50), None));
    let range =
        LogQuery { from: Some(at(10)), to: Some(at(20)), events: vec![LogEvent::Connect], ..query("a") };
    assert_eq!(journal.log(&range).unwrap().entries.len(), 2);
    assert_eq!(journal.log(&LogQuery { offset: 13, ..query("a") }).unwrap().entries.len(), 1);
    assert_eq!(journal.log(&query("nobody")).unwrap().entries, []);
}

#[test]
fn a_reopened_journal_gives_back_states_and_every_event_since_the_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let id = "quoted 'id' / + # 日本";
    let events = [connect(id, 0), disconnect(id, 50), refused(id, 60)];
    let mut state = ClientState::new(id.to_owned());
    let mut changed = ClientState::new("active".to_owned());
    changed.missed = Some(at(70));
    let boots = [Boot { started: at(1), alive: at(2) }];
    {
        let journal = open(directory.path()).unwrap();
        journal.append(&events[..1]).unwrap();
        rollcall_model::fold(&mut state, &events[0]);
        keep_all(&journal, std::slice::from_ref(&state));
        journal.append(&events[1..]).unwrap();
        journal.keep(std::slice::from_ref(&changed), &boots).unwrap();
    }
    let journal = open(directory.path()).unwrap();
    let recovered = journal.recover().unwrap();
    assert_eq!(recovered.states.collect::<Vec<_>>(), [state, changed]);
    assert_eq!(recovered.boots, boots);
    let mut newer = Vec::new();
    journal
        .each(recovered.sequence, &mut |event| {
            newer.push(event);
            true
        })
        .unwrap();
    assert_eq!(newer, events[1..]);
    assert_eq!(all(&journal), events);
}

/// What the log of one client must answer, said the slow way.
fn naive(events: &[(i64, ConnectionEvent)], query: &LogQuery) -> Vec<(LogCursor, Timestamp)> {
    let mut found: Vec<_> = events
        .iter()
        .filter(|(_, event)| event.client_id == query.client_id)
        .map(|(sequence, event)| LogCursor { time: event.time, sequence: *sequence })
        .filter(|cursor| query.from.is_none_or(|from| cursor.time >= from))
        .filter(|cursor| query.to.is_none_or(|to| cursor.time <= to))
        .collect();
    found.sort_by_key(|cursor| std::cmp::Reverse((cursor.time, cursor.sequence)));
    found.into_iter().skip(query.offset as usize).map(|cursor| (cursor, cursor.time)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Times out of order, as an import brings them, several segments, batches of any size.
    #[test]
    fn any_page_of_any_log_is_what_a_full_scan_gives(
        rows in prop::collection::vec((0_u8..4, 0_i64..300), 1..1_500), batch in 1_usize..400,
        from in prop::option::of(0_i64..300), to in prop::option::of(0_i64..300),
        limit in 1_u32..300, offset in 0_u32..20, reopens in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = open_small(directory.path());
        let events: Vec<_> = rows.iter().map(|(id, ms)| {
            let mut event = connect(&format!("client-{id}"), *ms);
            event.peer.user = Some("x".repeat(150));
            event
        }).collect();
        for batch in events.chunks(batch) {
            journal.append(batch).unwrap();
        }
        if reopens {
            drop(journal);
            journal = open_small(directory.path());
        }
        let numbered: Vec<_> = (0..).zip(all(&journal)).collect();
        let mut query = LogQuery { from: from.map(at), to: to.map(at), limit, offset, ..query("client-1") };
        let expected = naive(&numbered, &query);
        let mut times = Vec::new();
        loop {
            let page = journal.log(&query).unwrap();
            prop_assert!(page.entries.len() <= limit as usize);
            times.extend(page.entries.iter().map(|entry| entry.timestamp));
            let Some(next) = page.next else { break };
            prop_assert_eq!(page.entries.len(), limit as usize);
            query = LogQuery { after: Some(next), offset: 0, ..query };
        }
        prop_assert_eq!(times, expected.iter().map(|(_, time)| *time).collect::<Vec<_>>());
    }
}

/// Copies what is on the disk now, as a power failure would leave it, but for the end of one file.
fn copy_cut(from: &Path, to: &Path, name: &str, keep: u64) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        // The shared memory is rebuilt by whoever comes first.
        if path.extension().is_some_and(|extension| extension == "db-shm") {
            continue;
        }
        let target = to.join(path.file_name().unwrap());
        std::fs::copy(&path, &target).unwrap();
        if target.ends_with(name) {
            File::options().write(true).open(&target).unwrap().set_len(keep).unwrap();
        }
    }
}

/// A kill or a power failure can end a write anywhere. What was appended before is there, what was torn is not, and
/// writing goes on.
#[test]
fn a_log_that_ends_anywhere_within_its_last_write_keeps_all_before() {
    let directory = tempfile::tempdir().unwrap();
    let before = [connect("a", 0), disconnect("a", 1)];
    let journal = open(directory.path()).unwrap();
    journal.append(&before).unwrap();
    let files = directory.path().join("journal");
    let name = format!("log-{:020}.db-wal", 0);
    let size = || std::fs::metadata(files.join(&name)).unwrap().len();
    let whole = size();
    journal.append(&[connect("b", 2), connect("c", 3)]).unwrap();
    let end = size();
    assert!(whole < end);
    for cut in (whole..end).step_by(311) {
        let copy = tempfile::tempdir().unwrap();
        copy_cut(&files, &copy.path().join("journal"), &name, cut);
        let journal = open(copy.path()).unwrap();
        assert_eq!(all(&journal), before, "cut at {cut}");
        journal.append(&[connect("d", 4)]).unwrap();
        assert_eq!(all(&journal).len(), 3, "cut at {cut}");
        assert_eq!(journal.log(&query("d")).unwrap().entries.len(), 1);
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_with_its_name_and_stays_as_it_is() {
    for name in [format!("log-{:020}.db", 0), "states.db".to_owned()] {
        let directory = tempfile::tempdir().unwrap();
        drop(open(directory.path()).unwrap());
        let path = directory.path().join("journal").join(name);
        let garbage = b"garbage".repeat(2_000);
        std::fs::write(&path, &garbage).unwrap();
        let error = open(directory.path()).err().unwrap().to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains("move it aside"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), garbage);
    }
}

/// Earlier versions wrote states in JSON, into a file of layout 2.
#[test]
fn states_in_json_are_read_and_the_next_snapshot_has_them_in_the_encoding_of_today() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = ClientState::new("a".to_owned());
    rollcall_model::fold(&mut state, &connect("a", 1));
    drop(open(directory.path()).unwrap());
    let path = directory.path().join("journal/states.db");
    let frame = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
    serde_json::to_writer(&mut encoder, &state).unwrap();
    let earlier = rusqlite::Connection::open(&path).unwrap();
    earlier.execute("INSERT INTO snapshot VALUES (1, 1, ?1)", [encoder.finish().unwrap()]).unwrap();
    let meta = "INSERT INTO meta VALUES ('generation', 1), ('total', 1); UPDATE meta SET value = 2 WHERE key = 'layout'";
    earlier.execute_batch(meta).unwrap();
    drop(earlier);
    let journal = open(directory.path()).unwrap();
    assert_eq!(journal.recover().unwrap().states.collect::<Vec<_>>(), [state.clone()]);
    keep_all(&journal, std::slice::from_ref(&state));
    drop(journal);
    let layout = "SELECT value FROM meta WHERE key = 'layout'";
    let later = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(later.query_row(layout, [], |row| row.get::<_, i64>(0)).unwrap(), 3);
    assert_eq!(open(directory.path()).unwrap().recover().unwrap().states.collect::<Vec<_>>(), [state]);
    later.execute("UPDATE meta SET value = 4 WHERE key = 'layout'", []).unwrap();
    let error = open(directory.path()).err().unwrap().to_string();
    assert!(error.contains("layout 4") && error.contains("later version"), "{error}");
}

/// Bits that a disk has garbled are told, or are where nothing is; they never come out as other states.
#[test]
fn a_snapshot_with_a_wrong_bit_is_never_taken_for_other_states() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path()).unwrap();
    let states: Vec<_> = (0..500).map(|i| ClientState::new(format!("client-{i}"))).collect();
    keep_all(&journal, &states);
    drop(journal);
    let path = directory.path().join("journal/states.db");
    let good = std::fs::read(&path).unwrap();
    let mut told = 0;
    for at in (0..good.len()).step_by(61) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        let recovered = open(directory.path()).and_then(|journal| {
            let recovered = journal.recover()?;
            let found: Vec<_> = recovered.states.collect();
            recovered.failure.get().map_or(Ok(found), Err)
        });
        match recovered {
            Ok(found) => assert_eq!(found, states, "byte {at}"),
            Err(_) => told += 1,
        }
    }
    assert!(told > 10, "{told}");
}

/// A kill between the last entry of a part and its index.
#[test]
fn a_part_without_an_index_is_given_one_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path());
    let events: Vec<_> = (0..3_000).map(|i| connect(&format!("client-{}", i % 10), i)).collect();
    events.chunks(100).for_each(|batch| journal.append(batch).unwrap());
    drop(journal);
    let parts = parts_in(&directory.path().join("journal")).unwrap();
    let has_index = |path: &Path| {
        let connection = rusqlite::Connection::open(path).unwrap();
        let count = "SELECT count(*) FROM sqlite_master WHERE name = 'entry_by_client'";
        connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap() == 1
    };
    let first = &parts[0].1;
    assert!(parts.len() > 2 && has_index(first));
    let unmade = "DROP INDEX entry_by_client; DELETE FROM meta WHERE key = 'rows'";
    rusqlite::Connection::open(first).unwrap().execute_batch(unmade).unwrap();
    let everything = LogQuery { limit: 1_000, ..query("client-1") };
    let journal = open_small(directory.path());
    assert_eq!(journal.log(&everything).unwrap().entries.len(), 300);
    drop(journal);
    assert!(has_index(first));
    assert_eq!(open_small(directory.path()).log(&everything).unwrap().entries.len(), 300);
}

#[test]
fn a_log_that_is_written_for_long_stays_within_its_size_and_answers_about_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path());
    let mut largest = 0;
    for round in 0..400 {
        let events: Vec<_> = (0..100).map(|i| connect(&format!("client-{i}"), round * 100 + i)).collect();
        journal.append(&events).unwrap();
        if round % 10 == 0 {
            journal.snapshot(&|_| Ok(())).unwrap();
        }
        journal.retain(at(round * 100)).unwrap();
        largest = largest.max(journal.log_bytes());
    }
    // A little more than allowed: the part that is being written, and the index of the one before it.
    assert!((500_000..1_500_000).contains(&largest), "{largest}");
    let on_disk: u64 = std::fs::read_dir(directory.path().join("journal"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(on_disk < 1_800_000, "{on_disk}");
    let page = journal.log(&LogQuery { limit: 1_000, ..query("client-7") }).unwrap();
    assert_eq!(page.entries[0].timestamp, at(39_907));
    assert!((50..400).contains(&page.entries.len()), "{}", page.entries.len());
    drop(journal);
    assert_eq!(
        open_small(directory.path()).log(&LogQuery { limit: 1_000, ..query("client-7") }).unwrap(),
        page
    );
}

#[test]
fn entries_that_are_too_old_go_even_when_a_part_is_never_full() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { max_age_ms: Some(1_600), max_bytes: None };
    let journal = SqliteJournal::open(directory.path(), retention).unwrap();
    for ms in 0..50 {
        journal.append(&[connect("a", ms * 100)]).unwrap();
        journal.snapshot(&|_| Ok(())).unwrap();
        journal.retain(at(ms * 100)).unwrap();
    }
    let page = journal.log(&LogQuery { limit: 100, ..query("a") }).unwrap();
    let oldest = page.entries.last().unwrap().timestamp;
    assert!(oldest >= at(4_900 - 1_600 - 200) && oldest <= at(4_900 - 1_600), "{oldest}");
}

/// Two thousand entries of one client, which are more than one small part.
fn fill_parts(journal: &SqliteJournal) {
    let events: Vec<_> = (0..2_000).map(|i| connect("a", i)).collect();
    events.chunks(100).for_each(|batch| journal.append(batch).unwrap());
}

fn remove_newest_part(directory: &Path) {
    let parts = parts_in(&directory.join("journal")).unwrap();
    std::fs::remove_file(&parts.last().unwrap().1).unwrap();
}

/// That is what the message about a damaged file says. The states were made from what is gone, too.
#[test]
fn a_part_that_was_moved_aside_leaves_a_gap_and_the_log_goes_on_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path());
    fill_parts(&journal);
    keep_all(&journal, &[ClientState::new("a".to_owned())]);
    drop(journal);
    remove_newest_part(directory.path());
    let journal = open_small(directory.path());
    let left = all(&journal).len();
    assert!(left > 0 && left < 2_000, "{left}");
    journal.append(&[connect("a", 5_000)]).unwrap();
    let sequence = journal.recover().unwrap().sequence;
    drop(journal);
    let journal = open_small(directory.path());
    assert_eq!(all(&journal).len(), left + 1);
    let mut newer = 0;
    journal
        .each(sequence, &mut |_| {
            newer += 1;
            true
        })
        .unwrap();
    assert_eq!(newer, 1);
    assert_eq!(journal.log(&query("a")).unwrap().entries[0].timestamp, at(5_000));
}

/// What was being written is gone before there were states, so that the newest file left is one that is full.
#[test]
fn nothing_is_added_to_a_part_that_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path());
    fill_parts(&journal);
    drop(journal);
    remove_newest_part(directory.path());
    let journal = open_small(directory.path());
    assert!(!journal.log(&query("a")).unwrap().entries.is_empty());
    journal.append(&[connect("a", 5_000), connect("new", 5_000)]).unwrap();
    for id in ["a", "new"] {
        assert_eq!(journal.log(&query(id)).unwrap().entries[0].timestamp, at(5_000), "{id}");
    }
}

/// Parts are given their index, and read without locks from then on, while they are asked.
#[test]
fn whoever_asks_meanwhile_gets_every_entry() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path());
    let (appended, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    let least = appended.load(Ordering::Acquire);
                    let all = LogQuery { limit: 10_000, ..query("client-7") };
                    let found = journal.log(&all).unwrap().entries.len();
                    assert!(found >= least, "{found} of {least}");
                }
            });
        }
        for round in 0..120 {
            let events: Vec<_> = (0..100).map(|i| connect(&format!("client-{}", i % 50), round)).collect();
            journal.append(&events).unwrap();
            appended.fetch_add(2, Ordering::Release);
        }
        is_over.store(true, Ordering::Release);
    });
    assert!(parts_in(&directory.path().join("journal")).unwrap().len() > 5);
}

#[test]
fn retention_never_takes_what_a_restart_needs() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path());
    let events: Vec<_> = (0..20_000).map(|i| connect("a", i)).collect();
    events.chunks(100).for_each(|batch| journal.append(batch).unwrap());
    journal.retain(at(0)).unwrap();
    assert_eq!(all(&journal).len(), 20_000);
}

/// In parts with an index and in the one that grows; two entries of one client and time are both told.
#[test]
fn entries_that_are_looked_up_together_are_all_those_of_the_clients_and_times() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open_small(directory.path());
    let events: Vec<_> =
        (0..3_000).map(|i| connect(&format!("client-{}", i % 11), i * 7_919 % 500)).collect();
    events.chunks(100).for_each(|batch| journal.append(batch).unwrap());
    let mut wanted = WantedEntries::default();
    let key = |event: &ConnectionEvent| (super::super::id_hash(&event.client_id), event.time);
    events.iter().step_by(50).map(key).for_each(|(client, time)| wanted.add(client, time));
    wanted.add(super::super::id_hash("nobody"), at(3));
    wanted.add(super::super::id_hash("client-1"), at(700));
    let found = |journal: &SqliteJournal| {
        let mut found = Vec::new();
        journal.each_wanted(&wanted, &mut |event| found.push(format!("{event:?}"))).unwrap();
        found.sort();
        found
    };
    let mut expected: Vec<_> = events
        .iter()
        .filter(|event| wanted.has(key(event).0, event.time))
        .map(|event| format!("{event:?}"))
        .collect();
    expected.sort();
    assert!(expected.len() >= 60);
    assert_eq!(found(&journal), expected);
    drop(journal);
    assert_eq!(found(&open_small(directory.path())), expected);
    let nothing = &mut |_| panic!("nothing was asked for");
    open_small(directory.path()).each_wanted(&WantedEntries::default(), nothing).unwrap();
}

#[test]
fn a_range_of_the_log_is_replayed_over_all_clients_in_the_order_it_was_logged() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path()).unwrap();
    let events = [connect("a", 1), refused("b", 5), disconnect("a", 3), connect("c", 4), connect("d", 6)];
    journal.append(&events).unwrap();
    let mut replayed = Vec::new();
    let mut see = |event| {
        replayed.push(event);
        true
    };
    journal.replay(Some(at(3)), Some(at(6)), &mut see).unwrap();
    assert_eq!(replayed, &events[1..4]);
}
