//! The recorder: the only writer.
//!
//! It takes batches of events from the sources' queue, folds them into the fleet, appends them to the journal
//! and hands them to the monitor, in that order; the statistics count them on the way. At intervals it checkpoints the states that changed. When the
//! journal fails (a full disk), the fleet and the monitor go on; the unwritten events wait in memory, bounded,
//! and the failure is visible in the status.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rollcall_model::{
    Certainty, ClientState, ConnectionEvent, Counters, End, EventKind, Initiator, Timestamp, reason,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::fleet::Fleet;
use crate::journal::{Journal, JournalError, Recovered};
use crate::source::EventStream;
use crate::statistics::Statistics;

/// The most events that are folded and committed in one go.
const BATCH_MAX: usize = 10_000;
/// Events that wait in memory while the journal fails; beyond that the oldest are given up, counted and logged.
const UNWRITTEN_MAX: usize = 200_000;
/// How often changed states, and the fact that the server is alive, are written.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(2);

/// What of the recorder others may see.
#[derive(Debug, Default)]
pub struct RecorderHealth {
    journal_error: Mutex<Option<String>>,
}

impl RecorderHealth {
    /// Why the journal cannot be written now; `None` while it can.
    #[must_use]
    pub fn journal_error(&self) -> Option<String> {
        self.journal_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, error: Option<String>) {
        *self.journal_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// See the module.
pub struct Recorder {
    fleet: Arc<Fleet>,
    journal: Arc<dyn Journal>,
    statistics: Arc<Statistics>,
    monitor: mpsc::Sender<Vec<ConnectionEvent>>,
    /// Gets the ids of clients that lost events, so that their source can say what is true.
    reconcile: mpsc::Sender<Vec<String>>,
    health: Arc<RecorderHealth>,
    unwritten: VecDeque<ConnectionEvent>,
    given_up: u64,
    dirty: HashSet<u32>,
}

impl Recorder {
    #[must_use]
    pub fn new(
        fleet: Arc<Fleet>,
        journal: Arc<dyn Journal>,
        statistics: Arc<Statistics>,
        monitor: mpsc::Sender<Vec<ConnectionEvent>>,
        reconcile: mpsc::Sender<Vec<String>>,
        health: Arc<RecorderHealth>,
    ) -> Self {
        let (unwritten, dirty) = (VecDeque::new(), HashSet::new());
        Self { fleet, journal, statistics, monitor, reconcile, health, unwritten, given_up: 0, dirty }
    }

    /// Records until it is told to stop; then takes what is still in the queue, writes it, and returns.
    pub async fn run(mut self, mut stream: EventStream, mut stop: oneshot::Receiver<()>) {
        let mut checkpoint = tokio::time::interval(CHECKPOINT_INTERVAL);
        checkpoint.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                batch = stream.next_batch(BATCH_MAX, clock::now) => {
                    let Some(batch) = batch else { break };
                    if batch.feed_interrupted {
                        self.fleet.set_feed_lost(Some(clock::now()));
                    }
                    self.record(batch.events).await;
                }
                _ = checkpoint.tick() => self.checkpoint().await,
                // A sender that has gone means stop, too.
                _ = &mut stop, if !stream.is_closed() => stream.close(),
            }
        }
        self.flush().await;
        self.checkpoint().await;
    }

    async fn record(&mut self, events: Vec<ConnectionEvent>) {
        self.dirty.extend(self.fleet.apply(&events));
        self.statistics.record(&events, self.fleet.connected(), clock::now());
        self.unwritten.extend(events.iter().filter(|event| event.is_logged()).cloned());
        self.flush().await;
        let missed: Vec<String> = events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Missed))
            .map(|event| event.client_id.clone())
            .collect();
        if !missed.is_empty() {
            tracing::warn!(clients = missed.len(), "events were lost because the queue was full");
            // A reconciliation that is still under way will not know these; the next one will.
            let _ = self.reconcile.try_send(missed);
        }
        // The monitor has gone only when the server is stopping.
        let _ = self.monitor.send(events).await;
    }

    /// Appends what is not yet in the journal.
    async fn flush(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        let events: Vec<_> = self.unwritten.drain(..).collect();
        let journal = Arc::clone(&self.journal);
        let (events, result) = blocking(move || {
            let result = journal.append(&events);
            (events, result)
        })
        .await;
        if result.is_err() {
            self.unwritten = events.into();
            self.give_up_oldest();
        }
        self.note(result);
    }

    fn give_up_oldest(&mut self) {
        let surplus = self.unwritten.len().saturating_sub(UNWRITTEN_MAX);
        if surplus > 0 {
            self.unwritten.drain(..surplus);
            self.given_up += surplus as u64;
            tracing::error!(
                given_up = self.given_up,
                "log entries were given up: the journal cannot be written"
            );
        }
    }

    /// Writes the states that changed since the last checkpoint.
    async fn checkpoint(&mut self) {
        // While log entries wait, a checkpoint would claim that they are in the journal.
        self.flush().await;
        if !self.unwritten.is_empty() {
            return;
        }
        let slots: Vec<u32> = self.dirty.drain().collect();
        let (fleet, journal) = (Arc::clone(&self.fleet), Arc::clone(&self.journal));
        let (slots, result) = blocking(move || {
            let states: Vec<ClientState> = slots.iter().filter_map(|slot| fleet.state_at(*slot)).collect();
            let result = journal.checkpoint(&states, clock::now());
            (slots, result)
        })
        .await;
        if result.is_err() {
            self.dirty.extend(slots);
        }
        self.note(result);
    }

    /// Makes a failure, and its end, known once.
    fn note(&self, result: Result<(), JournalError>) {
        let known = self.health.journal_error();
        match result {
            Ok(()) if known.is_some() => {
                tracing::info!("the journal can be written again");
                self.health.set(None);
            }
            Ok(()) => {}
            Err(error) => {
                let error = error.to_string();
                if known.as_ref() != Some(&error) {
                    tracing::error!(%error, "the journal cannot be written; events wait in memory");
                }
                self.health.set(Some(error));
            }
        }
    }
}

/// Runs blocking work off the runtime's threads. A panic inside it is passed on.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Fills the fleet with what the journal knows, and ends the sessions that were open when the server died: its
/// broker died with it. When exactly they ended nobody saw; the last moment known is what is told, as inferred.
///
/// # Errors
/// When the journal cannot be written.
pub fn restore(fleet: &Fleet, journal: &dyn Journal, recovered: Recovered) -> Result<usize, JournalError> {
    fleet.load(recovered.states);
    // The checkpoint passes the replayed entries by, so the states that they changed belong into it.
    let replayed = fleet.apply(&recovered.newer);
    end_open_sessions(fleet, journal, recovered.alive, Certainty::Inferred, replayed)
}

/// Notes that the server ended every open session, and checkpoints their states and those in `changed` slots.
/// Returns how many sessions were open.
///
/// # Errors
/// When the journal cannot be written.
pub fn end_open_sessions(
    fleet: &Fleet,
    journal: &dyn Journal,
    alive: Option<Timestamp>,
    certainty: Certainty,
    changed: Vec<u32>,
) -> Result<usize, JournalError> {
    let ended: Vec<ConnectionEvent> = fleet
        .connected_ids()
        .iter()
        .filter_map(|id| fleet.get(id))
        .filter_map(|state| end_of_server(&state, alive, certainty))
        .collect();
    journal.append(&ended)?;
    let slots: HashSet<u32> = changed.into_iter().chain(fleet.apply(&ended)).collect();
    let states: Vec<ClientState> = slots.into_iter().filter_map(|slot| fleet.state_at(slot)).collect();
    journal.checkpoint(&states, clock::now())?;
    Ok(ended.len())
}

/// The event that ends the open session of a client because the server stopped.
fn end_of_server(
    state: &ClientState,
    alive: Option<Timestamp>,
    certainty: Certainty,
) -> Option<ConnectionEvent> {
    let session = state.current.as_ref()?;
    let time = alive.max(state.heard).max(Some(session.key.start))?;
    Some(ConnectionEvent {
        client_id: state.id.clone(),
        time,
        peer: session.peer.clone(),
        kind: EventKind::Disconnect {
            session: Some(session.key),
            end: End {
                certainty,
                time,
                initiator: Some(Initiator::Server),
                mqtt_reason_code: Some(0x8B),
                close_code: Some(reason::CLOSE_SERVER_SHUTDOWN),
                reason: None,
                counters: Counters::default(),
            },
        },
    })
}

#[cfg(test)]
mod tests;
