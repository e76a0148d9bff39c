//! The recorder against a real journal: what is recorded is found again, and a server that died is told as it was.

use rollcall_model::{Certainty, ConnectionStatus, Initiator, Peer, SessionKey, Timestamp};

use super::*;
use crate::journal::LogQuery;
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Boot, Retention};
use crate::source::{self, EventSink};
use crate::statistics::Range;

const ID: &str = "d:acme01:thermo:t-17";

fn connect(id: &str, ms: i64) -> ConnectionEvent {
    let start = Timestamp::from_millis(ms);
    ConnectionEvent {
        client_id: id.to_owned(),
        time: start,
        peer: Peer::default(),
        kind: EventKind::Connect {
            session: SessionKey { start, connection: 1 },
            certainty: Certainty::Reported,
        },
    }
}

fn open(directory: &std::path::Path) -> SqliteJournal {
    SqliteJournal::open(directory, Retention::default()).unwrap()
}

fn whole_log(id: &str) -> LogQuery {
    LogQuery {
        client_id: id.to_owned(),
        from: None,
        to: None,
        events: vec![],
        limit: 100,
        offset: 0,
        after: None,
    }
}

fn logged(journal: &SqliteJournal, id: &str) -> usize {
    journal.log(&whole_log(id)).unwrap().entries.len()
}

struct Bench {
    fleet: Arc<Fleet>,
    journal: Arc<SqliteJournal>,
    statistics: Arc<Statistics>,
    sink: EventSink,
    monitor: mpsc::Receiver<Vec<ConnectionEvent>>,
    stop: oneshot::Sender<()>,
    recorder: tokio::task::JoinHandle<()>,
}

impl Bench {
    fn start(directory: &std::path::Path) -> Self {
        let fleet = Arc::new(Fleet::new());
        let journal = Arc::new(open(directory));
        let inheritance = restore(&fleet, journal.as_ref()).unwrap();
        let statistics = Arc::new(Statistics::new(Timestamp::from_millis(0), 0));
        let (sink, stream) = source::queue(100);
        let (monitor_tx, monitor) = mpsc::channel(10);
        let (reconcile, _) = mpsc::channel(1);
        let health = Arc::new(RecorderHealth::default());
        let recorder = Recorder::new(
            Arc::clone(&fleet),
            Arc::<SqliteJournal>::clone(&journal),
            Arc::clone(&statistics),
            monitor_tx,
            reconcile,
            health,
            inheritance,
        );
        let (stop, stopped) = oneshot::channel();
        let recorder = tokio::spawn(recorder.run(stream, stopped));
        Self { fleet, journal, statistics, sink, monitor, stop, recorder }
    }

    /// Sends an event and waits until the monitor has it, which is when fleet and journal have it.
    async fn record(&mut self, event: ConnectionEvent) {
        self.sink.offer(event);
        self.monitor.recv().await.unwrap();
    }

    async fn stop(mut self) {
        self.stop.send(()).unwrap();
        self.monitor.close();
        self.recorder.await.unwrap();
    }
}

/// A copy of what is on the disk: what a kill at this moment would leave.
fn image(directory: &std::path::Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("journal")).unwrap();
    for file in std::fs::read_dir(directory.join("journal")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join("journal").join(file.file_name())).unwrap();
    }
    copy
}

#[tokio::test]
async fn after_a_kill_a_connected_client_is_told_as_disconnected_by_the_server_inferred() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = Bench::start(directory.path());
    first.record(connect(ID, 1_000)).await;
    let killed = image(directory.path());
    first.stop().await;
    let second = Bench::start(killed.path());
    let doc = second.fleet.doc(ID, clock::now()).unwrap();
    assert_eq!((doc.connection_status, doc.certainty), (ConnectionStatus::Disconnected, Certainty::Inferred));
    assert_eq!((doc.disconnect_initiator, doc.close_code), (Some(Initiator::Server), Some(93)));
    assert_eq!(doc.last_connect_time, Some(Timestamp::from_millis(1_000)));
    second.sink.committed().await.unwrap();
    let (fleet, journal) = (Arc::clone(&second.fleet), Arc::clone(&second.journal));
    second.stop().await;
    assert_eq!(logged(&journal, ID), 2);
    end_open_sessions(&fleet, journal.as_ref()).unwrap();
    assert_eq!(logged(&journal, ID), 2);
}

/// A restart ends the sessions of the run before it in memory and writes that to the log while it answers. Killed in
/// between, the next restart wrote no end for a client that had come back meanwhile, or one with the time of the
/// wrong run.
#[tokio::test]
async fn a_restart_that_was_killed_before_it_wrote_the_ends_is_made_up_for_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let boots = [(0, 2_000), (5_000, 7_000)].map(|(started, alive)| Boot {
        started: Timestamp::from_millis(started),
        alive: Timestamp::from_millis(alive),
    });
    let journal = open(directory.path());
    // “back” came back in the second run, “gone” did not; of neither the first run's end was written.
    journal.append(&[connect("back", 1_000), connect("gone", 1_500), connect("back", 6_000)]).unwrap();
    journal.keep(&[], &boots).unwrap();
    drop(journal);
    let fleet = Fleet::new();
    let journal = open(directory.path());
    let mut inheritance = restore(&fleet, &journal).unwrap();
    let ends: Vec<_> = inheritance
        .ends
        .front()
        .unwrap()
        .iter()
        .map(|end| (end.client_id.clone(), end.time.millis()))
        .collect();
    let expected = [("back", 2_000), ("back", 7_000), ("gone", 2_000)];
    assert_eq!(ends, expected.map(|(id, time)| (id.to_owned(), time)));
    assert!(fleet.connected_ids().is_empty());
}

#[tokio::test]
async fn a_stop_records_what_is_in_the_queue() {
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::start(directory.path());
    for i in 0..50 {
        bench.sink.offer(connect(&format!("client-{i}"), 1_000 + i));
    }
    let journal = Arc::clone(&bench.journal);
    bench.stop().await;
    let mut entries = 0;
    journal
        .each(0, &mut |_| {
            entries += 1;
            true
        })
        .unwrap();
    assert_eq!(entries, 50);
}

#[tokio::test]
async fn a_clean_stop_leaves_nothing_to_replay_and_every_state() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(directory.path());
    bench.record(connect(ID, 1_000)).await;
    let (fleet, journal) = (Arc::clone(&bench.fleet), Arc::clone(&bench.journal));
    bench.stop().await;
    assert_eq!(end_open_sessions(&fleet, journal.as_ref()).unwrap(), 1);
    let state = fleet.get(ID).unwrap();
    drop(journal);
    let journal = open(directory.path());
    let recovered = journal.recover().unwrap();
    assert_eq!((recovered.changed.len(), recovered.boots.len()), (0, 0));
    assert_eq!(recovered.states.collect::<Vec<_>>(), [state]);
    assert_eq!(recovered.failure.get().map(|error| error.to_string()), None);
}

/// Activity is not in the log, so it has to come back from what is kept beside it.
#[tokio::test]
async fn what_a_client_did_is_known_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(directory.path());
    bench.record(connect(ID, 1_000)).await;
    let kind = EventKind::Activity { session: None, event: rollcall_model::ActivityEvent::Publish };
    let time = Timestamp::from_millis(9_000);
    bench.record(ConnectionEvent { client_id: ID.to_owned(), time, peer: Peer::default(), kind }).await;
    // A stop keeps it and ends no session, as an interval would.
    bench.stop().await;
    let second = Bench::start(directory.path());
    assert_eq!(second.fleet.get(ID).unwrap().last_activity.unwrap().0, time);
}

#[tokio::test]
async fn what_is_recorded_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(directory.path());
    let before = clock::now();
    bench.record(connect(ID, before.millis())).await;
    let range = Range::new(before.plus_ms(-120_000), clock::now().plus_ms(1), None, clock::now().plus_ms(1));
    let buckets = bench.statistics.series(range.unwrap()).buckets;
    assert_eq!(buckets.iter().map(|bucket| bucket.connects).sum::<u64>(), 1);
    assert_eq!(buckets.last().unwrap().connected, Some(1));
}

/// Whoever tries ids filled the log with failed attempts, and the fleet, as fast as they could be refused.
#[tokio::test]
async fn a_flood_of_failed_attempts_is_counted_whole_and_recorded_in_part() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(directory.path());
    bench.record(connect(ID, 1_000)).await;
    let now = clock::now();
    let refusal = |id: String| ConnectionEvent {
        time: now,
        kind: EventKind::FailedConnect { mqtt_reason_code: Some(0x87), close_code: None, reason: None },
        ..connect(&id, 0)
    };
    bench.monitor.close();
    for number in 0..400 {
        bench.sink.send(refusal(format!("made-up-{number}"))).await.unwrap();
        bench.sink.send(refusal(ID.to_owned())).await.unwrap();
    }
    let (fleet, journal) = (Arc::clone(&bench.fleet), Arc::clone(&bench.journal));
    let statistics = Arc::clone(&bench.statistics);
    bench.stop().await;
    let of_client = journal.log(&LogQuery { limit: 1_000, ..whole_log(ID) }).unwrap().entries.len();
    assert!((200..300).contains(&of_client), "{of_client}");
    let recorded = (0..400).filter(|number| logged(&journal, &format!("made-up-{number}")) == 1).count();
    assert!((200..300).contains(&recorded), "{recorded}");
    assert_eq!(fleet.len(), 1 + recorded);
    let range = Range::new(now.plus_ms(-120_000), clock::now().plus_ms(1), None, clock::now().plus_ms(1));
    let buckets = statistics.series(range.unwrap()).buckets;
    let counted: u64 = buckets.iter().map(|bucket| bucket.refused).sum();
    assert_eq!(counted, 800);
}
