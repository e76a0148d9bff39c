//! The recorder against a real journal: what is recorded is found again, a server that died is told as it was,
//! and a full disk loses nothing while it lasts.

use rollcall_model::{ConnectionStatus, Peer, SessionKey};

use super::*;
use crate::journal::LogQuery;
use crate::journal::sqlite::SqliteJournal;
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

struct Bench {
    fleet: Arc<Fleet>,
    journal: Arc<SqliteJournal>,
    statistics: Arc<Statistics>,
    health: Arc<RecorderHealth>,
    sink: EventSink,
    monitor: mpsc::Receiver<Vec<ConnectionEvent>>,
    stop: oneshot::Sender<()>,
    recorder: tokio::task::JoinHandle<()>,
}

impl Bench {
    fn start(directory: &std::path::Path) -> Self {
        let fleet = Arc::new(Fleet::new());
        let journal = Arc::new(SqliteJournal::open(directory).unwrap());
        restore(&fleet, journal.as_ref(), journal.recover().unwrap()).unwrap();
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
            Arc::clone(&health),
        );
        let (stop, stopped) = oneshot::channel();
        let recorder = tokio::spawn(recorder.run(stream, stopped));
        Self { fleet, journal, statistics, health, sink, monitor, stop, recorder }
    }

    /// Sends an event and waits until the monitor has it, which is when fleet and journal have it.
    async fn record(&mut self, event: ConnectionEvent) {
        self.sink.offer(event);
        self.monitor.recv().await.unwrap();
    }

    fn logged(&self, id: &str) -> usize {
        let query = LogQuery {
            client_id: id.to_owned(),
            from: None,
            to: None,
            events: vec![],
            limit: 100,
            offset: 0,
            after: None,
        };
        self.journal.log(&query).unwrap().entries.len()
    }
}

#[tokio::test]
async fn after_a_kill_a_connected_client_is_told_as_disconnected_by_the_server_inferred() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = Bench::start(directory.path());
    first.record(connect(ID, 1_000)).await;
    // No stop: the process just ends, without a checkpoint.
    first.recorder.abort();
    let second = Bench::start(directory.path());
    let doc = second.fleet.doc(ID, clock::now()).unwrap();
    assert_eq!((doc.connection_status, doc.certainty), (ConnectionStatus::Disconnected, Certainty::Inferred));
    assert_eq!((doc.disconnect_initiator, doc.close_code), (Some(Initiator::Server), Some(93)));
    assert_eq!(doc.last_connect_time, Some(Timestamp::from_millis(1_000)));
    assert_eq!(second.logged(ID), 2);
}

/// A restart replayed the entries since the last checkpoint into memory, moved the checkpoint past them, and wrote
/// only the states of the clients that it found connected: the restart after it knew the others as before.
#[tokio::test]
async fn what_one_restart_replayed_the_next_one_still_knows() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(directory.path()).unwrap();
    let fleet = Fleet::new();
    fleet.apply(&[connect(ID, 1_000)]);
    journal.append(&[connect(ID, 1_000)]).unwrap();
    journal.checkpoint(&[fleet.get(ID).unwrap()], Timestamp::from_millis(1_500)).unwrap();
    let left = end_of_server(&fleet.get(ID).unwrap(), None, Certainty::Reported).unwrap();
    journal.append(&[left]).unwrap();
    for _ in 0..2 {
        let fleet = Fleet::new();
        assert_eq!(restore(&fleet, &journal, journal.recover().unwrap()).unwrap(), 0);
        assert_eq!(fleet.doc(ID, clock::now()).unwrap().certainty, Certainty::Reported);
    }
}

#[tokio::test]
async fn a_stop_records_what_is_in_the_queue() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(directory.path());
    for i in 0..50 {
        bench.sink.offer(connect(&format!("client-{i}"), 1_000 + i));
    }
    bench.stop.send(()).unwrap();
    bench.recorder.await.unwrap();
    bench.monitor.close();
    let recovered = bench.journal.recover().unwrap();
    assert_eq!((recovered.states.len(), recovered.newer.len()), (50, 0));
}

/// While the disk is full, entries wait in memory; the fleet goes on; the failure is visible; and when there is
/// space again, everything is written.
#[tokio::test]
async fn a_full_disk_is_visible_and_loses_no_event() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::start(directory.path());
    bench.record(connect(ID, 1_000)).await;
    bench.journal.limit_pages(1);
    let long = "x".repeat(60_000);
    bench.record(connect(&long, 2_000)).await;
    assert!(bench.health.journal_error().unwrap().contains("full"));
    assert!(bench.fleet.get(&long).unwrap().is_connected());
    bench.journal.limit_pages(1_000_000);
    bench.record(connect(ID, 3_000)).await;
    assert_eq!(bench.health.journal_error(), None);
    assert_eq!((bench.logged(&long), bench.logged(ID)), (1, 2));
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
