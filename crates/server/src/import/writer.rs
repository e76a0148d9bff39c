//! The writing half of an import: folds what a batch says, appends it to the journal, and keeps the states at the
//! end. Killed in between, it leaves a journal that a server can start from: log entries without states are what
//! every restart replays.

use rollcall_model::{
    ActivityEvent, ClientState, ConnectionEvent, EventKind, Peer, StateDoc, Timestamp, merge,
};

use super::Tally;
use super::line::Record;
use super::seen::Seen;
use crate::data_folder::DataFolder;
use crate::journal::JournalError;

pub struct Writer {
    /// `None` in a dry run.
    open: Option<Open>,
}

struct Open {
    folder: DataFolder,
    seen: Seen,
    /// The time of the newest event.
    newest: Option<Timestamp>,
}

impl Writer {
    /// A writer for a dry run: it only counts.
    pub const fn idle() -> Self {
        Self { open: None }
    }

    pub fn new(folder: DataFolder) -> Self {
        let mut seen = Seen::nothing();
        folder.fleet.for_each(|state| seen.learn(state));
        Self { open: Some(Open { folder, seen, newest: None }) }
    }

    /// Takes in what a batch says. Afterwards its log entries are durable.
    ///
    /// # Errors
    /// When the journal fails; then nothing of the batch was kept.
    pub fn take(&mut self, records: Vec<Record>, tally: &mut Tally) -> Result<(), JournalError> {
        let (mut events, mut states, mut docs) = (Vec::with_capacity(records.len()), Vec::new(), Vec::new());
        for record in records {
            match record {
                Record::Event(event) => events.push(event),
                Record::State(state) => states.push(*state),
                Record::Doc(doc) => docs.push(*doc),
            }
        }
        let logged = events.iter().filter(|event| event.is_logged()).count() as u64;
        tally.activity += events.len() as u64 - logged;
        tally.states += (states.len() + docs.len()) as u64;
        let Some(open) = &mut self.open else {
            tally.logged += logged;
            return Ok(());
        };
        let known = open.record(events)?;
        (tally.logged, tally.known) = (tally.logged + logged - known, tally.known + known);
        for state in states {
            open.merge(state);
        }
        for doc in docs {
            open.take_doc(&doc);
        }
        Ok(())
    }

    /// Keeps the states.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn finish(self, tally: &mut Tally) -> Result<(), JournalError> {
        let Some(open) = self.open else { return Ok(()) };
        tally.strangers = open.folder.fleet.refused_strangers_dropped();
        open.folder.save(open.newest.unwrap_or_else(crate::clock::now))
    }
}

impl Open {
    /// Returns how many of the events were in the log already.
    fn record(&mut self, events: Vec<ConnectionEvent>) -> Result<u64, JournalError> {
        self.newest = self.newest.max(events.iter().map(|event| event.time).max());
        let (fresh, known) = self.seen.sort_out(self.folder.journal.as_ref(), events)?;
        if fresh.iter().any(ConnectionEvent::is_logged) {
            self.folder.journal.append(&fresh)?;
        }
        self.folder.fleet.apply(&fresh);
        // Folding again what was folded changes nothing, and what was not is made up for.
        self.folder.fleet.apply(&known);
        Ok(known.len() as u64)
    }

    fn merge(&mut self, state: ClientState) {
        self.newest = self.newest.max(state.heard);
        let mut merged =
            self.folder.fleet.get(&state.id).unwrap_or_else(|| ClientState::new(state.id.clone()));
        merge(&mut merged, state);
        self.folder.fleet.put(&merged);
    }

    /// What the API tells of a client cannot be merged: the sessions in it are made up. It is taken for clients that
    /// are not known; for the others only when they were last active.
    fn take_doc(&mut self, doc: &StateDoc) {
        if !self.folder.fleet.contains(&doc.id) {
            return self.merge(doc.to_state());
        }
        let activity = doc.last_activity_time.zip(doc.last_activity_event);
        let message = doc.last_publish_time.map(|time| (time, ActivityEvent::Publish));
        let refused = doc.last_refused_time;
        let events: Vec<_> = activity
            .into_iter()
            .chain(message)
            .map(|(time, event)| told(doc, time, activity_of(event)))
            .chain(refused.map(|time| told(doc, time, REFUSED)))
            .collect();
        self.folder.fleet.apply(&events);
    }
}

const fn activity_of(event: ActivityEvent) -> EventKind {
    EventKind::Activity { session: None, event }
}

const REFUSED: EventKind =
    EventKind::FailedConnect { mqtt_reason_code: None, close_code: None, reason: None };

fn told(doc: &StateDoc, time: Timestamp, kind: EventKind) -> ConnectionEvent {
    ConnectionEvent { client_id: doc.id.clone(), time, peer: Peer::default(), kind }
}
