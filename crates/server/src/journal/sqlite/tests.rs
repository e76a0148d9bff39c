//! The journal keeps what it was given, pages through it and survives being reopened.

use rollcall_model::event::MqttVersion;
use rollcall_model::log::LogEvent;
use rollcall_model::{Certainty, Counters, End, EventKind, Initiator, Peer, Protocol, SessionKey};

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
fn a_reopened_journal_gives_back_states_and_every_event_since_the_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let id = "quoted 'id' / + # 日本";
    let (first, second) = (connect(id, 0), disconnect(id, 50));
    let mut state = ClientState::new(id.to_owned());
    {
        let journal = SqliteJournal::open(directory.path()).unwrap();
        journal.append(std::slice::from_ref(&first)).unwrap();
        rollcall_model::fold(&mut state, &first);
        journal.checkpoint(std::slice::from_ref(&state), at(10)).unwrap();
        journal.append(&[second.clone(), refused(id, 60)]).unwrap();
    }
    let recovered = SqliteJournal::open(directory.path()).unwrap().recover().unwrap();
    assert_eq!(recovered.states, [state]);
    assert_eq!(recovered.newer, [second, refused(id, 60)]);
    assert_eq!(recovered.alive, Some(at(10)));
}

#[test]
fn a_log_is_read_newest_first_by_range_kind_and_page() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(directory.path()).unwrap();
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
fn a_file_that_is_no_journal_is_refused_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("journal.db"), vec![7_u8; 8192]).unwrap();
    let error = SqliteJournal::open(directory.path()).err().unwrap().to_string();
    assert!(error.contains("journal.db"), "{error}");
}

#[test]
fn a_range_of_the_log_is_replayed_over_all_clients_in_the_order_it_was_logged() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(directory.path()).unwrap();
    let events = [connect("a", 1), refused("b", 5), disconnect("a", 3), connect("c", 4), connect("d", 6)];
    journal.append(&events).unwrap();
    let mut replayed = Vec::new();
    journal.replay(at(3), at(6), &mut |event| replayed.push(event)).unwrap();
    assert_eq!(replayed, &events[1..4]);
}
