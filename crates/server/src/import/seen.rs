//! Which events are in the log already, so that an import can be repeated.
//!
//! Asking the journal about every event would cost more than everything else. But the state of a client tells when the
//! newest entry of its log is: whatever is newer is new. Only the others are looked up, one by one.

use std::collections::HashMap;

use ahash::RandomState;
use rollcall_model::log::LogEntry;
use rollcall_model::{ClientState, ConnectionEvent, EventKind, Timestamp};

use crate::journal::{Journal, JournalError, LogQuery};

/// The most entries that one client can have in one millisecond and be told apart.
const SAME_TIME_MAX: u32 = 10_000;

/// What is known of the log.
pub struct Seen {
    hasher: RandomState,
    /// The time of a client's newest entry, or later, by the hash of its id. Two clients of one hash share the later
    /// time, which only makes for look-ups.
    newest: HashMap<u64, Timestamp, RandomState>,
    /// Clients that are not in the map have no entries; otherwise they may have some of refused attempts.
    is_complete: bool,
    /// The events of this batch by client, as positions in it: they are not in the journal yet.
    pending: HashMap<u64, Vec<usize>, RandomState>,
}

impl Seen {
    /// Of a journal without states, which is empty.
    pub fn nothing() -> Self {
        Self {
            hasher: RandomState::new(),
            newest: HashMap::default(),
            is_complete: true,
            pending: HashMap::default(),
        }
    }

    /// What a state of the journal tells of the log.
    pub fn learn(&mut self, state: &ClientState) {
        self.is_complete = false;
        self.note(&state.id, state.heard.max(state.last_refused));
    }

    fn note(&mut self, id: &str, time: Option<Timestamp>) {
        let Some(time) = time else { return };
        let newest = self.newest.entry(self.hasher.hash_one(id)).or_insert(time);
        *newest = time.max(*newest);
    }

    /// Takes the events of a batch that are not in the log; those that are go to the second list.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn sort_out(
        &mut self,
        journal: &dyn Journal,
        events: Vec<ConnectionEvent>,
    ) -> Result<(Vec<ConnectionEvent>, Vec<ConnectionEvent>), JournalError> {
        self.pending.clear();
        let (mut fresh, mut known) = (Vec::with_capacity(events.len()), Vec::new());
        for event in events {
            if !event.is_logged() {
                fresh.push(event);
                continue;
            }
            if self.is_known(journal, &fresh, &event)? {
                known.push(event);
            } else {
                let hash = self.hasher.hash_one(event.client_id.as_str());
                self.pending.entry(hash).or_default().push(fresh.len());
                self.note(&event.client_id, Some(event.time));
                fresh.push(event);
            }
        }
        Ok((fresh, known))
    }

    fn is_known(
        &self,
        journal: &dyn Journal,
        fresh: &[ConnectionEvent],
        event: &ConnectionEvent,
    ) -> Result<bool, JournalError> {
        let hash = self.hasher.hash_one(event.client_id.as_str());
        match self.newest.get(&hash) {
            Some(newest) if event.time > *newest => return Ok(false),
            // Of those who were only ever refused the fleet does not keep all.
            None if self.is_complete || !matches!(event.kind, EventKind::FailedConnect { .. }) => {
                return Ok(false);
            }
            _ => {}
        }
        let entry = LogEntry::from_event(event);
        let mut pending = self.pending.get(&hash).into_iter().flatten().filter_map(|at| fresh.get(*at));
        if pending.any(|other| other.time == event.time && LogEntry::from_event(other) == entry) {
            return Ok(true);
        }
        let page = journal.log(&LogQuery {
            client_id: event.client_id.clone(),
            from: Some(event.time),
            to: Some(event.time),
            events: Vec::new(),
            limit: SAME_TIME_MAX,
            offset: 0,
            after: None,
        })?;
        Ok(page.entries.into_iter().any(|other| Some(other) == entry))
    }
}
