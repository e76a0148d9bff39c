//! The recorder: the only writer.
//!
//! It takes batches of events from the sources' queue, folds them into the fleet, appends them to the journal and
//! hands them to the monitor, in that order; the statistics count them on the way. The folding is done here, the rest by a thread of its own
//! ([`writer`]), so that a batch is folded while the one before it reaches the disk. What a restart finds is taken in
//! by [`restore()`]. When the journal fails (a full disk), the fleet and the monitor go on; the unwritten events
//! wait in memory, bounded, and the failure is visible in the status.

mod progress;
mod refused;
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
use progress::Progress;
use refused::Refused;
use writer::{Task, Writer};

pub use restore::{Inheritance, end_open_sessions, replay, restore};

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
    keep: Option<String>,
    upkeep: Option<String>,
}

/// What failed, or works again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// Appending events.
    Append,
    /// Keeping states.
    Keep,
    /// Snapshots and retention.
    Upkeep,
}

impl RecorderHealth {
    /// Why the journal cannot be written now; `None` while it can.
    #[must_use]
    pub fn journal_error(&self) -> Option<String> {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        [&errors.append, &errors.keep, &errors.upkeep].into_iter().find_map(Clone::clone)
    }

    /// Notes how a duty went; says whether that is news.
    fn note(&self, duty: Duty, error: Option<String>) -> bool {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match duty {
            Duty::Append => &mut errors.append,
            Duty::Keep => &mut errors.keep,
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
    writer: Writer,
    progress: Arc<Progress>,
    /// The clients whose state has changed by what the log does not carry, and is not yet kept.
    changed: Changed,
    keep_interval: Duration,
}

/// Ids of clients; shared because the writer gives back those whose states it could not keep.
type Changed = Arc<Mutex<HashSet<Box<str>>>>;

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
        let (progress, changed) = (Arc::new(Progress::default()), Changed::default());
        let shared = (Arc::clone(&fleet), Arc::clone(&progress), Arc::clone(&changed));
        let writer = Writer::new(shared, journal, monitor, health, inheritance);
        Self { fleet, statistics, reconcile, writer, progress, changed, keep_interval: KEEP_INTERVAL }
    }

    /// Keeps changed states at other intervals than every two seconds.
    #[must_use]
    pub const fn keep_every(mut self, interval: Duration) -> Self {
        self.keep_interval = interval;
        self
    }

    /// Records until it is told to stop; then takes what is still in the queue, writes it, and returns.
    pub async fn run(self, mut stream: EventStream, mut stop: oneshot::Receiver<()>) {
        let Self { fleet, statistics, reconcile, writer, progress, changed, keep_interval } = self;
        let (work, waiting) = mpsc::channel(BATCHES_WAITING);
        let writing = tokio::task::spawn_blocking(move || writer.run(waiting));
        let mut keep = tokio::time::interval(keep_interval);
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut refused = Refused::default();
        loop {
            let sent = tokio::select! {
                batch = stream.next_batch(BATCH_MAX, clock::now) => {
                    let Some(mut batch) = batch else { break };
                    let left_out = refused.leave_out(&mut batch.events, &fleet);
                    progress.begin_fold();
                    fold(&fleet, &batch, &reconcile, &changed);
                    statistics.record(&batch.events, fleet.connected(), clock::now());
                    if !left_out.is_empty() {
                        statistics.record(&left_out, fleet.connected(), clock::now());
                    }
                    work.send(Task::Write(batch)).await.is_ok()
                }
                _ = keep.tick() => send_changed(&fleet, &changed, &work).await,
                // A sender that has gone means stop, too.
                _ = &mut stop, if !stream.is_closed() => {
                    stream.close();
                    true
                }
            };
            if !sent {
                break;
            }
        }
        // The writer has gone only when it panicked, which is passed on.
        send_changed(&fleet, &changed, &work).await;
        drop(work);
        if let Err(error) = writing.await {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// Has the changed states kept. They are taken here, between two batches, and go the way of the batches, so that the
/// log has every event in them before they are written.
async fn send_changed(fleet: &Fleet, changed: &Changed, work: &mpsc::Sender<Task>) -> bool {
    let ids: Vec<_> = changed.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
    for ids in ids.chunks(BATCH_MAX) {
        let states = ids.iter().filter_map(|id| fleet.get(id)).collect();
        if work.send(Task::Keep(states)).await.is_err() {
            return false;
        }
    }
    work.send(Task::Upkeep).await.is_ok()
}

fn fold(fleet: &Fleet, batch: &Batch, reconcile: &mpsc::Sender<Vec<String>>, changed: &Changed) {
    if batch.feed_interrupted {
        fleet.set_feed_lost(Some(clock::now()));
    }
    fleet.apply(&batch.events);
    let mut missed = Vec::new();
    let mut changed = changed.lock().unwrap_or_else(PoisonError::into_inner);
    for event in batch.events.iter().filter(|event| !event.is_logged()) {
        if !changed.contains(event.client_id.as_str()) {
            changed.insert(event.client_id.as_str().into());
        }
        if matches!(event.kind, EventKind::Missed) {
            missed.push(event.client_id.clone());
        }
    }
    drop(changed);
    if !missed.is_empty() {
        tracing::warn!(clients = missed.len(), "events were lost because the queue was full");
        // A reconciliation that is still under way will not know these; the next one will.
        let _ = reconcile.try_send(missed);
    }
}

#[cfg(test)]
mod tests;
