//! The thread that writes: appends batches to the journal, answers the sources that asked, hands the events to the
//! monitor; and in between keeps states, writes snapshots and drops what is too old.
//!
//! Called by [`super::Recorder`] only. It blocks on the disk and never folds.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rollcall_model::{ClientState, ConnectionEvent};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::progress::Progress;
use super::{BATCH_MAX, Changed, Duty, Inheritance, RecorderHealth};
use crate::clock;
use crate::fleet::Fleet;
use crate::journal::packed::PackedEnds;
use crate::journal::{Boot, Journal, JournalError};
use crate::source::Batch;

/// Events that wait in memory while the journal fails; beyond that the oldest are given up, counted and logged.
const UNWRITTEN_MAX: usize = 200_000;
/// How long after a failure the next batch tries again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What there is to do.
pub enum Task {
    /// These events were folded.
    Write(Batch),
    /// These states changed by what the log does not carry.
    Keep(Vec<ClientState>),
    /// An interval has passed.
    Upkeep,
}

/// See the module.
pub struct Writer {
    fleet: Arc<Fleet>,
    progress: Arc<Progress>,
    /// Gets the ids back of states that could not be kept.
    changed: Changed,
    journal: Arc<dyn Journal>,
    monitor: mpsc::Sender<Vec<ConnectionEvent>>,
    health: Arc<RecorderHealth>,
    /// Batches taken so far.
    taken: u64,
    /// Folded, and not yet in the journal, because it fails.
    unwritten: VecDeque<ConnectionEvent>,
    failed_at: Option<Instant>,
    /// Whether the states that were to be kept last could not be.
    states_failed: bool,
    given_up: u64,
    /// Whom to tell when everything so far is durable.
    marks: Vec<oneshot::Sender<()>>,
    /// Ends of sessions of earlier runs that are not yet in the log.
    ends: PackedEnds,
    /// The runs with open ends; this one is the last.
    boots: Vec<Boot>,
    /// Dropped when there are no such ends any more.
    unfinished: Option<Sender<()>>,
    snapshot: Option<JoinHandle<Result<(), JournalError>>>,
}

impl Writer {
    pub fn new(
        (fleet, progress, changed): (Arc<Fleet>, Arc<Progress>, Changed),
        journal: Arc<dyn Journal>,
        monitor: mpsc::Sender<Vec<ConnectionEvent>>,
        health: Arc<RecorderHealth>,
        inheritance: Inheritance,
    ) -> Self {
        let Inheritance { ends, mut boots, unfinished } = inheritance;
        let has_ends = !ends.is_empty();
        if ends.is_empty() {
            boots.clear();
        }
        boots.push(Boot { started: clock::now(), alive: clock::now() });
        Self {
            fleet,
            progress,
            changed,
            journal,
            monitor,
            health,
            taken: 0,
            unwritten: VecDeque::new(),
            failed_at: None,
            states_failed: false,
            given_up: 0,
            marks: Vec::new(),
            ends,
            boots,
            unfinished: unfinished.filter(|_| has_ends),
            snapshot: None,
        }
    }

    /// Works until there will be no more tasks, and everything is done as far as the disk lets it.
    pub fn run(mut self, mut tasks: mpsc::Receiver<Task>) {
        self.keep(&[]);
        loop {
            let task = if self.ends.is_empty() || self.failed_at.is_some() {
                tasks.blocking_recv().ok_or(TryRecvError::Disconnected)
            } else {
                tasks.try_recv()
            };
            match task {
                Ok(Task::Write(batch)) => self.write(batch),
                Ok(Task::Keep(states)) => self.keep(&states),
                Ok(Task::Upkeep) => self.upkeep(),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => break,
            }
            self.append_ends();
            self.snapshot_if_due();
        }
        self.flush();
        while !self.ends.is_empty() && self.failed_at.is_none() {
            self.append_ends();
        }
        self.keep(&[]);
        self.progress.end();
        let snapshot = self.finish_snapshot(true);
        self.note(Duty::Upkeep, snapshot);
        if !self.unwritten.is_empty() {
            tracing::error!(
                lost = self.unwritten.len(),
                "log entries were lost: the server stopped while the journal could not be written"
            );
        }
    }

    fn write(&mut self, batch: Batch) {
        let may_try = self.failed_at.is_none_or(|failed| failed.elapsed() >= RETRY_AFTER);
        if may_try {
            self.flush();
        }
        self.taken += 1;
        self.marks.extend(batch.marks);
        if self.unwritten.is_empty() && may_try {
            let result = self.journal.append(&batch.events);
            if !self.note_append(result) {
                self.hold_back(&batch.events);
            }
        } else {
            self.hold_back(&batch.events);
        }
        self.answer_marks();
        if !batch.events.is_empty() {
            // The monitor has gone only when the server is stopping.
            let _ = self.monitor.blocking_send(batch.events);
        }
    }

    /// Keeps events in memory until the journal can be written again.
    fn hold_back(&mut self, events: &[ConnectionEvent]) {
        self.unwritten.extend(events.iter().filter(|event| event.is_logged()).cloned());
        let surplus = self.unwritten.len().saturating_sub(UNWRITTEN_MAX);
        if surplus > 0 {
            self.unwritten.drain(..surplus);
            self.given_up += surplus as u64;
            // Whoever asked is told that not everything was recorded.
            self.marks.clear();
            tracing::error!(
                given_up = self.given_up,
                "log entries were given up: the journal cannot be written"
            );
        }
    }

    /// Appends what is not yet in the journal, oldest first, as far as it goes.
    fn flush(&mut self) {
        while !self.unwritten.is_empty() {
            let waiting = self.unwritten.make_contiguous();
            let batch = &waiting[..waiting.len().min(BATCH_MAX)];
            let (written, result) = (batch.len(), self.journal.append(batch));
            if !self.note_append(result) {
                return;
            }
            self.unwritten.drain(..written);
        }
        self.answer_marks();
    }

    fn answer_marks(&mut self) {
        if self.unwritten.is_empty() {
            self.progress.set_appended(self.taken);
            for mark in self.marks.drain(..) {
                // Whoever asked need not have waited for the answer.
                let _ = mark.send(());
            }
        }
    }

    /// Appends some of the ends of sessions of earlier runs.
    fn append_ends(&mut self) {
        if self.ends.is_empty() || !self.unwritten.is_empty() {
            return;
        }
        let result = self.ends.front().and_then(|events| {
            self.journal.append(&events)?;
            Ok(events.len())
        });
        let appended = result.as_ref().map_or(0, |count| *count);
        if self.note_append(result.map(|_| ())) {
            self.ends.drop_front(appended);
            if self.ends.is_empty() {
                self.unfinished = None;
                // Only this run has open ends.
                self.boots.drain(..self.boots.len().saturating_sub(1));
                self.keep(&[]);
            }
        }
    }

    /// What is to be done at intervals.
    fn upkeep(&mut self) {
        self.flush();
        if !self.unwritten.is_empty() {
            return;
        }
        self.failed_at = None;
        self.keep(&[]);
        let result = self.journal.retain(clock::now());
        let snapshot = self.finish_snapshot(false);
        self.note(Duty::Upkeep, result.and(snapshot));
    }

    /// Starts a snapshot when there is too much beside the last one: in a burst that is sooner than the next interval.
    fn snapshot_if_due(&mut self) {
        let is_possible = self.ends.is_empty() && self.unwritten.is_empty() && self.failed_at.is_none();
        if !is_possible || !self.journal.needs_snapshot() {
            return;
        }
        if self.snapshot.as_ref().is_some_and(JoinHandle::is_finished) {
            let before = self.finish_snapshot(false);
            if !self.note(Duty::Upkeep, before) {
                return;
            }
        }
        if self.snapshot.is_none()
            && let Err(error) = self.start_snapshot()
        {
            self.note(Duty::Upkeep, Err(error));
        }
    }

    /// Keeps states, and the fact that the server is alive.
    fn keep(&mut self, states: &[ClientState]) {
        if let Some(boot) = self.boots.last_mut() {
            boot.alive = clock::now();
        }
        // A state must not be kept before the log has what is folded into it, the ends of earlier sessions included.
        let is_allowed = self.ends.is_empty() && self.unwritten.is_empty();
        let result = self.journal.keep(if is_allowed { states } else { &[] }, &self.boots);
        if !states.is_empty() && (!is_allowed || result.is_err()) {
            let ids = states.iter().map(|state| Box::from(state.id.as_str()));
            self.changed.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
        }
        if !states.is_empty() {
            self.states_failed = result.is_err();
        }
        // A few bytes may find room where the states found none, which is no end of the trouble.
        if result.is_err() || !self.states_failed {
            self.note(Duty::Keep, result);
        }
    }

    fn start_snapshot(&mut self) -> Result<(), JournalError> {
        let (fleet, journal) = (Arc::clone(&self.fleet), Arc::clone(&self.journal));
        let progress = Arc::clone(&self.progress);
        let write = move || {
            journal.snapshot(&|sink| {
                fleet.for_each(|state| sink(state));
                progress.wait_for_log()
            })
        };
        let started = std::thread::Builder::new().name("snapshot".to_owned()).spawn(write);
        let thread =
            started.map_err(|error| JournalError::Failed(format!("no thread for a snapshot: {error}")))?;
        self.snapshot = Some(thread);
        Ok(())
    }

    /// Takes the result of a snapshot that is done, or waits for it.
    fn finish_snapshot(&mut self, waits: bool) -> Result<(), JournalError> {
        match self.snapshot.take_if(|thread| waits || thread.is_finished()).map(JoinHandle::join) {
            Some(Err(_)) => Err(JournalError::Failed("writing a snapshot panicked".to_owned())),
            Some(Ok(result)) => result,
            None => Ok(()),
        }
    }

    fn note_append(&mut self, result: Result<(), JournalError>) -> bool {
        self.failed_at = result.is_err().then(Instant::now);
        self.note(Duty::Append, result)
    }

    /// Makes a failure, and its end, known once; says whether it was none.
    fn note(&self, duty: Duty, result: Result<(), JournalError>) -> bool {
        let error = result.err().map(|error| error.to_string());
        let is_good = error.is_none();
        if self.health.note(duty, error.clone()) {
            match (error, duty) {
                (None, _) => tracing::info!(?duty, "the journal can be written again"),
                (Some(error), Duty::Append) => {
                    tracing::error!(%error, "the journal cannot be written; events wait in memory");
                }
                (Some(error), Duty::Keep | Duty::Upkeep) => {
                    tracing::error!(%error, "the journal cannot be kept up; it is tried again");
                }
            }
        }
        is_good
    }
}
