//! This program, started again: it records events until it is killed or told to stop, and says what is durable.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rollcall_model::Timestamp;
use rollcall_server::fleet::Fleet;
use rollcall_server::journal::sqlite::SqliteJournal;
use rollcall_server::journal::{JournalError, Retention};
use rollcall_server::recorder::{Recorder, RecorderHealth, restore};
use rollcall_server::source;
use rollcall_server::statistics::Statistics;
use tokio::sync::{mpsc, oneshot};

use crate::events::event;

const DIRECTORY: &str = "ROLLCALL_TEST_CHILD";
const FIRST: &str = "ROLLCALL_TEST_FIRST";

/// Parts of 2 MB, so that some fill up.
const RETENTION: Retention = Retention { max_age_ms: None, max_bytes: Some(32 << 20) };

pub fn open(directory: &Path) -> Result<SqliteJournal, JournalError> {
    Ok(SqliteJournal::open(directory, RETENTION)?.snapshot_every(500))
}

/// Whether this process is the child; then it has done its work when this returns.
pub fn is_child() -> bool {
    let Ok(directory) = std::env::var(DIRECTORY) else { return false };
    let first = std::env::var(FIRST).unwrap().parse().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(record(&PathBuf::from(directory), first));
    true
}

/// Records the events from `first` on; writes the number behind the last durable one, or what is wrong, to standard
/// output. A line on standard input makes it record some more, its end ends the program.
async fn record(directory: &Path, first: u64) {
    let journal = Arc::new(open(directory).unwrap());
    let fleet = Arc::new(Fleet::new());
    let inheritance = restore(&fleet, journal.as_ref()).unwrap();
    let (sink, stream) = source::queue(1_000);
    let (monitor_tx, mut monitor) = mpsc::channel(10);
    let (reconcile, _) = mpsc::channel(1);
    let health = Arc::new(RecorderHealth::default());
    let statistics = Arc::new(Statistics::new(Timestamp::from_millis(0), 0));
    let recorder = Recorder::new(
        Arc::clone(&fleet),
        journal,
        statistics,
        monitor_tx,
        reconcile,
        Arc::clone(&health),
        inheritance,
    );
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(async move { while monitor.recv().await.is_some() {} });
    let recording = tokio::spawn(recorder.keep_every(Duration::from_millis(5)).run(stream, stopped));
    println!("ready");
    let (orders, mut input) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            orders.blocking_send(line.unwrap().parse::<u64>().unwrap()).unwrap();
        }
    });
    let mut next = first;
    while let Some(events) = input.recv().await {
        let end = next + events;
        while next < end {
            // Bursts of many sizes, the next one on its way while the one before is written.
            let burst = (next..(next + 1 + next % 97).min(end)).map(event);
            for event in burst {
                sink.send(event).await.unwrap();
                next += 1;
            }
            let (sink, durable, health) = (sink.clone(), next, Arc::clone(&health));
            let told = tokio::spawn(async move {
                let mut committed = std::pin::pin!(sink.committed());
                loop {
                    tokio::select! {
                        result = &mut committed => {
                            result.unwrap();
                            return println!("durable {durable}");
                        }
                        () = tokio::time::sleep(Duration::from_millis(50)) => {
                            if let Some(error) = health.journal_error() {
                                println!("failing {error}");
                            }
                        }
                    }
                }
            });
            if next == end {
                told.await.unwrap();
            }
        }
        println!("connected {}", fleet.counts().connected);
    }
    stop.send(()).unwrap();
    recording.await.unwrap();
}

/// The child as its parent sees it.
pub struct Recording {
    pub process: Child,
    pub input: ChildStdin,
    pub output: BufReader<ChildStdout>,
}

impl Recording {
    /// Starts the child, in a shell that first runs `prelude`; `test` is the full name of the test that calls.
    pub fn start(prelude: &str, test: &str, directory: &Path, first: u64) -> Self {
        let program = std::env::current_exe().unwrap();
        let command = format!("{prelude} exec \"$0\" \"$@\"");
        let mut process = Command::new("sh")
            .args(["-c", &command])
            .arg(program)
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, directory)
            .env(FIRST, first.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut recording = Self { process, input, output: BufReader::new(output) };
        recording.wait_for("ready");
        recording
    }

    /// Has it record so many events.
    pub fn send(&mut self, events: u64) {
        writeln!(self.input, "{events}").unwrap();
    }

    /// Reads on until a line starts with `word`, and returns the rest of that line.
    pub fn wait_for(&mut self, word: &str) -> String {
        let mut seen = String::new();
        loop {
            let start = seen.len();
            assert!(self.output.read_line(&mut seen).unwrap() > 0, "it ended before “{word}”: {seen}");
            if let Some((_, rest)) = seen[start..].split_once(word) {
                return rest.trim().to_owned();
            }
        }
    }
}
