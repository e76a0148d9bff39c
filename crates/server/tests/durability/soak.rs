//! A server that records for long: the folder stays within the size that it was given.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rollcall_model::Timestamp;
use rollcall_server::fleet::Fleet;
use rollcall_server::journal::sqlite::SqliteJournal;
use rollcall_server::journal::{Journal, LogQuery, Retention};
use rollcall_server::recorder::{Recorder, RecorderHealth, restore};
use rollcall_server::source;
use rollcall_server::statistics::Statistics;
use tokio::sync::{mpsc, oneshot};

use crate::events::{event, id, number};

const LOG_BYTES_MAX: u64 = 8 << 20;
/// The log, the part that grows, the index that is built, the states, and what SQLite has not yet moved to its place.
const FOLDER_BYTES_MAX: u64 = 2 * LOG_BYTES_MAX;
/// About 900 bytes each: ten times the size that is allowed.
const ENTRIES: u64 = 90_000;
const BATCH: u64 = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_the_size_of_the_log_is_recorded_beside_readers_and_the_folder_stays_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { max_age_ms: None, max_bytes: Some(LOG_BYTES_MAX) };
    let journal = SqliteJournal::open(directory.path(), retention).unwrap().snapshot_every(2_000);
    let (fleet, journal) = (Arc::new(Fleet::new()), Arc::new(journal));
    let inheritance = restore(&fleet, journal.as_ref()).unwrap();
    let (sink, stream) = source::queue(5_000);
    let (monitor_tx, mut monitor) = mpsc::channel(10);
    let health = Arc::new(RecorderHealth::default());
    let recorder = Recorder::new(
        fleet,
        Arc::<SqliteJournal>::clone(&journal),
        Arc::new(Statistics::new(Timestamp::from_millis(0), 0)),
        monitor_tx,
        mpsc::channel(1).0,
        Arc::clone(&health),
        inheritance,
    );
    let (stop, stopped) = oneshot::channel();
    let watching = tokio::spawn(async move { while monitor.recv().await.is_some() {} });
    let recording = tokio::spawn(recorder.keep_every(Duration::from_millis(5)).run(stream, stopped));
    let is_over = Arc::new(AtomicBool::new(false));
    let reading = read_beside(&journal, &is_over);

    let (mut logged, mut largest, mut next) = (0, 0, 0);
    while logged < ENTRIES {
        let events: Vec<_> = (next..next + BATCH).map(event).filter(|event| event.is_logged()).collect();
        next += BATCH;
        logged += events.len() as u64;
        for mut event in events {
            event.peer.user = Some("x".repeat(600));
            sink.send(event).await.unwrap();
        }
        sink.committed().await.unwrap();
        largest = largest.max(bytes_in(directory.path()));
        assert!(largest < FOLDER_BYTES_MAX, "{largest} bytes after {logged} entries");
    }
    is_over.store(true, Ordering::Relaxed);
    let pages = reading.join().unwrap();
    stop.send(()).unwrap();
    recording.await.unwrap();
    watching.await.unwrap();
    assert_eq!(health.journal_error(), None);
    assert!(largest > LOG_BYTES_MAX / 2, "{largest} bytes are no test of a bound");
    assert!(pages > 0);

    // What is left is the newest, whole, and a restart needs nothing that has gone.
    let mut left = Vec::new();
    let mut see = |event: rollcall_model::ConnectionEvent| {
        left.extend(number(&event));
        true
    };
    journal.each(0, &mut see).unwrap();
    let expected = (0..next).filter(|n| event(*n).is_logged());
    let newest: Vec<_> = expected.skip(usize::try_from(logged).unwrap() - left.len()).collect();
    assert!(left == newest && left.len() > 1_000, "{} of {logged} entries are left", left.len());
    assert!((left.len() as u64) < logged / 5, "{} of {logged} entries are left", left.len());
    drop(journal);
    let fleet = Fleet::new();
    restore(&fleet, &SqliteJournal::open(directory.path(), retention).unwrap()).unwrap();
    assert_eq!(fleet.len(), 40);
}

/// Reads the log of one client after the other, as the API does, until it is over; returns how many pages it got.
fn read_beside(journal: &Arc<SqliteJournal>, is_over: &Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    let (journal, is_over) = (Arc::clone(journal), Arc::clone(is_over));
    std::thread::spawn(move || {
        let mut pages = 0;
        while !is_over.load(Ordering::Relaxed) {
            let query = LogQuery {
                client_id: id(pages),
                from: None,
                to: None,
                events: Vec::new(),
                limit: 20,
                offset: 0,
                after: None,
            };
            let page = journal.log(&query).unwrap();
            assert!(page.entries.is_sorted_by(|newer, older| newer.timestamp >= older.timestamp));
            pages += 1;
        }
        pages
    })
}

fn bytes_in(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory.join("journal")).unwrap();
    // A part may go between being listed and being looked at.
    files.filter_map(|file| file.unwrap().metadata().ok()).map(|file| file.len()).sum()
}
