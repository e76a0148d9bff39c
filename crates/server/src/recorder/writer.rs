//! The thread that writes: appends batches to the journal, answers the sources that asked, hands the events to the
//! monitor; and in between keeps states, writes snapshots and drops what is too old.
//!
//! Called by [`super::Recorder`] only. It blocks on the disk and never folds.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rollcall_model::{ClientState, ConnectionEvent};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::{BATCH_MAX, Duty, Inheritance, RecorderHealth};
use crate::clock;
use crate::fleet::Fleet;
use crate::journal::packed::PackedEvents;
use crate::journal::{Boot, Journal, JournalError};
use crate::source::Batch;

/// Events that wait in memory while the journal fails; beyond that the oldest are given up, counted and logged.
const UNWRITTEN_MAX: usize = 200_000;
/// How long after a failure the next batch tries again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// States that are kept in one go.
const KEEP_MAX: usize = 10_000;

/// What there is to do.
pub enum Task {
    /// These events were folded.
    Write(Batch),
    /// The states of these clients changed by what the log does not carry.
    Keep(HashSet<Box<str>>),
}

/// See the module.
pub struct Writer {
    fleet: Arc<Fleet>,
    journal: Arc<dyn Journal>,
    monitor: mpsc::Sender<Vec<ConnectionEvent>>,
    health: Arc<RecorderHealth>,
    /// Folded, and not yet in the journal, because it fails.
    unwritten: VecDeque<ConnectionEvent>,
    failed_at: Option<Instant>,
    given_up: u64,
    /// Whom to tell when everything so far is durable.
    marks: Vec<oneshot::Sender<()>>,
    changed: HashSet<Box<str>>,
    /// Ends of sessions of earlier runs that are not yet in the log.
    ends: PackedEvents,
    /// The runs with open ends; this one is the last.
    boots: Vec<Boot>,
    /// Dropped when there are no such ends any more.
    unfinished: Option<Sender<()>>,
    snapshot: Option<JoinHandle<Result<(), JournalError>>>,
}

impl Writer {
    pub fn new(
        fleet: Arc<Fleet>,
        journal: Arc<dyn Journal>,
        monitor: mpsc::Sender<Vec<ConnectionEvent>>,
        health: Arc<RecorderHealth>,
        inheritance: Inheritance,
    ) -> Self {
        let Inheritance { ends, mut boots, unfinished } = inheritance;
        let has_ends = !ends.is_empty();
        boots.push(Boot { started: clock::now(), alive: clock::now() });
        Self {
            fleet,
            journal,
            monitor,
            health,
            unwritten: VecDeque::new(),
            failed_at: None,
            given_up: 0,
            marks: Vec::new(),
            changed: HashSet::new(),
            ends,
            boots,
            unfinished: unfinished.filter(|_| has_ends),
            snapshot: None,
        }
    }

    /// Works until there will be no more tasks, and everything is done as far as the disk lets it.
    pub fn run(mut self, mut tasks: mpsc::Receiver<Task>) {
        self.keep();
        loop {
            let task = if self.ends.is_empty() || self.failed_at.is_some() {
                tasks.blocking_recv().ok_or(TryRecvError::Disconnected)
            } else {
                tasks.try_recv()
            };
            match task {
                Ok(Task::Write(batch)) => self.write(batch),
                Ok(Task::Keep(changed)) => {
                    self.changed.extend(changed);
                    self.upkeep();
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => break,
            }
            self.append_ends();
        }
        self.flush();
        while !self.ends.is_empty() && self.failed_at.is_none() {
            self.append_ends();
        }
        self.keep();
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
        self.marks.extend(batch.marks);
        let may_try = self.failed_at.is_none_or(|failed| failed.elapsed() >= RETRY_AFTER);
        if may_try {
            self.flush();
        }
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
                self.boots.drain(..self.boots.len() - 1);
                self.keep();
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
        let mut result = self.keep_changed();
        if result.is_ok() && self.ends.is_empty() && self.snapshot.is_none() && self.journal.needs_snapshot()
        {
            result = self.start_snapshot();
        }
        result = result.and_then(|()| self.journal.retain(clock::now()));
        let snapshot = self.finish_snapshot(false);
        self.note(Duty::Upkeep, result.and(snapshot));
    }

    /// Keeps the fact that the server is alive, and what has changed.
    fn keep(&mut self) {
        let result = self.keep_changed();
        self.note(Duty::Upkeep, result);
    }

    fn keep_changed(&mut self) -> Result<(), JournalError> {
        if let Some(boot) = self.boots.last_mut() {
            boot.alive = clock::now();
        }
        // A state that is kept has the ends of earlier sessions in it, which must be in the log before.
        if self.changed.is_empty() || !self.ends.is_empty() {
            return self.journal.keep(&[], &self.boots);
        }
        let ids: Vec<_> = self.changed.iter().cloned().collect();
        for ids in ids.chunks(KEEP_MAX) {
            let states: Vec<ClientState> = ids.iter().filter_map(|id| self.fleet.get(id)).collect();
            self.journal.keep(&states, &self.boots)?;
            for id in ids {
                self.changed.remove(id);
            }
        }
        Ok(())
    }

    fn start_snapshot(&mut self) -> Result<(), JournalError> {
        let (fleet, journal) = (Arc::clone(&self.fleet), Arc::clone(&self.journal));
        let write = move || journal.snapshot(&|sink| fleet.for_each(|state| sink(state)));
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
                (Some(error), Duty::Upkeep) => {
                    tracing::error!(%error, "the journal cannot be kept up; it is tried again");
                }
            }
        }
        is_good
    }
}
