//! The recorder: the only writer.
//!
//! It takes batches of events from the sources' queue, folds them into the fleet, appends them to the journal and
//! hands them to the monitor, in that order; the statistics count them on the way. The folding is done here, the rest by a thread of its own
//! ([`writer`]), so that a batch is folded while the one before it reaches the disk. What a restart finds is taken in
//! by [`restore()`]. When the journal fails (a full disk), the fleet and the monitor go on; the unwritten events
//! wait in memory, bounded, and the failure is visible in the status.

mod restore;
mod writer;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rollcall_model::{ConnectionEvent, EventKind};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::fleet::Fleet;
use crate::journal::Journal;
use crate::source::{Batch, EventStream};
use crate::statistics::Statistics;

pub use restore::{Inheritance, end_open_sessions, restore};

/// The most events that are folded and committed in one go.
const BATCH_MAX: usize = 10_000;
/// Batches that wait for the disk, beside the one that is on its way there.
const BATCHES_WAITING: usize = 1;
/// How often states that changed without a log entry, and the fact that the server is alive, are written.
const KEEP_INTERVAL: Duration = Duration::from_secs(2);

/// What of the recorder others may see.
#[derive(Debug, Default)]
pub struct RecorderHealth {
    errors: Mutex<Errors>,
}

#[derive(Debug, Default)]
struct Errors {
    append: Option<String>,
    upkeep: Option<String>,
}

/// What failed, or works again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// Appending events.
    Append,
    /// Keeping states, snapshots, retention.
    Upkeep,
}

impl RecorderHealth {
    /// Why the journal cannot be written now; `None` while it can.
    #[must_use]
    pub fn journal_error(&self) -> Option<String> {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        errors.append.clone().or_else(|| errors.upkeep.clone())
    }

    /// Notes how a duty went; says whether that is news.
    fn note(&self, duty: Duty, error: Option<String>) -> bool {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match duty {
            Duty::Append => &mut errors.append,
            Duty::Upkeep => &mut errors.upkeep,
        };
        let is_news = *known != error;
        *known = error;
        is_news
    }
}

/// See the module.
pub struct Recorder {
    fleet: Arc<Fleet>,
    statistics: Arc<Statistics>,
    /// Gets the ids of clients that lost events, so that their source can say what is true.
    reconcile: mpsc::Sender<Vec<String>>,
    writer: writer::Writer,
    /// The clients whose state has changed by what the log does not carry.
    changed: HashSet<Box<str>>,
}

impl Recorder {
    /// `inheritance` is what [`restore()`] left to do.
    #[must_use]
    pub fn new(
        fleet: Arc<Fleet>,
        journal: Arc<dyn Journal>,
        statistics: Arc<Statistics>,
        monitor: mpsc::Sender<Vec<ConnectionEvent>>,
        reconcile: mpsc::Sender<Vec<String>>,
        health: Arc<RecorderHealth>,
        inheritance: Inheritance,
    ) -> Self {
        let writer = writer::Writer::new(Arc::clone(&fleet), journal, monitor, health, inheritance);
        Self { fleet, statistics, reconcile, writer, changed: HashSet::new() }
    }

    /// Records until it is told to stop; then takes what is still in the queue, writes it, and returns.
    pub async fn run(self, mut stream: EventStream, mut stop: oneshot::Receiver<()>) {
        let Self { fleet, statistics, reconcile, writer, mut changed } = self;
        let (work, waiting) = mpsc::channel(BATCHES_WAITING);
        let writing = tokio::task::spawn_blocking(move || writer.run(waiting));
        let mut keep = tokio::time::interval(KEEP_INTERVAL);
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let task = tokio::select! {
                batch = stream.next_batch(BATCH_MAX, clock::now) => {
                    let Some(batch) = batch else { break };
                    fold(&fleet, &batch, &reconcile, &mut changed);
                    statistics.record(&batch.events, fleet.connected(), clock::now());
                    writer::Task::Write(batch)
                }
                _ = keep.tick() => writer::Task::Keep(std::mem::take(&mut changed)),
                // A sender that has gone means stop, too.
                _ = &mut stop, if !stream.is_closed() => {
                    stream.close();
                    continue;
                }
            };
            if work.send(task).await.is_err() {
                break;
            }
        }
        // The writer has gone only when it panicked, which is passed on.
        let _ = work.send(writer::Task::Keep(changed)).await;
        drop(work);
        if let Err(error) = writing.await {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

fn fold(
    fleet: &Fleet,
    batch: &Batch,
    reconcile: &mpsc::Sender<Vec<String>>,
    changed: &mut HashSet<Box<str>>,
) {
    if batch.feed_interrupted {
        fleet.set_feed_lost(Some(clock::now()));
    }
    fleet.apply(&batch.events);
    let mut missed = Vec::new();
    for event in batch.events.iter().filter(|event| !event.is_logged()) {
        if !changed.contains(event.client_id.as_str()) {
            changed.insert(event.client_id.as_str().into());
        }
        if matches!(event.kind, EventKind::Missed) {
            missed.push(event.client_id.clone());
        }
    }
    if !missed.is_empty() {
        tracing::warn!(clients = missed.len(), "events were lost because the queue was full");
        // A reconciliation that is still under way will not know these; the next one will.
        let _ = reconcile.try_send(missed);
    }
}

#[cfg(test)]
mod tests;
