//! Which events are in the log already, so that an import can be repeated.
//!
//! Asking the journal about every event would cost more than everything else. But the state of a client tells when the
//! newest entry of its log is: whatever is newer is new. Only the others are looked up, those of a batch together.

use std::collections::HashMap;

use ahash::RandomState;
use rollcall_model::log::LogEntry;
use rollcall_model::{ClientState, ConnectionEvent, EventKind, Timestamp};

use crate::journal::{Journal, JournalError, WantedEntries, id_hash};

/// What is known of the log.
pub struct Seen {
    /// The time of a client's newest entry, or later, by the hash of its id. Two clients of one hash share the later
    /// time, which only makes for look-ups.
    newest: HashMap<u64, Timestamp, RandomState>,
    /// Clients that are not in the map have no entries; otherwise they may have some of refused attempts.
    is_complete: bool,
}

impl Seen {
    /// Of a journal without states, which is empty.
    pub fn nothing() -> Self {
        Self { newest: HashMap::default(), is_complete: true }
    }

    /// What a state of the journal tells of the log.
    pub fn learn(&mut self, state: &ClientState) {
        self.is_complete = false;
        self.note(&state.id, state.heard.max(state.last_refused));
    }

    fn note(&mut self, id: &str, time: Option<Timestamp>) {
        let Some(time) = time else { return };
        let newest = self.newest.entry(id_hash(id)).or_insert(time);
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
        let doubtful: Vec<bool> =
            events.iter().map(|event| event.is_logged() && self.may_be_known(event)).collect();
        let mut logged =
            Logged::read(journal, events.iter().zip(&doubtful).filter(|(_, is)| **is).map(|(e, _)| e))?;
        let (mut fresh, mut known) = (Vec::with_capacity(events.len()), Vec::new());
        for (event, is_doubtful) in events.into_iter().zip(doubtful) {
            // Only what is doubtful can be twice in a batch: the second one is not newer than the first.
            if is_doubtful && logged.has(&event) {
                known.push(event);
                continue;
            }
            logged.add(&event);
            fresh.push(event);
        }
        Ok((fresh, known))
    }

    /// Whether an event has to be looked for in the log; notes that it is there from now on.
    fn may_be_known(&mut self, event: &ConnectionEvent) -> bool {
        let newest = self.newest.get(&id_hash(&event.client_id));
        let may_be = match newest {
            Some(newest) => event.time <= *newest,
            // Of those who were only ever refused the fleet does not keep all.
            None => !self.is_complete && matches!(event.kind, EventKind::FailedConnect { .. }),
        };
        self.note(&event.client_id, Some(event.time));
        may_be
    }
}

/// The entries that the events in doubt are compared with: those of the same clients and times in the log, and those
/// of the batch itself, which are not in the log yet.
struct Logged {
    wanted: WantedEntries,
    entries: HashMap<(u64, Timestamp), Vec<LogEntry>, RandomState>,
}

impl Logged {
    fn read<'a>(
        journal: &dyn Journal,
        doubtful: impl Iterator<Item = &'a ConnectionEvent>,
    ) -> Result<Self, JournalError> {
        let mut wanted = WantedEntries::default();
        doubtful.for_each(|event| wanted.add(id_hash(&event.client_id), event.time));
        let mut entries = HashMap::<_, Vec<_>, _>::default();
        journal.each_wanted(&wanted, &mut |event| {
            entries.entry(key(&event)).or_default().extend(LogEntry::from_event(&event));
        })?;
        Ok(Self { wanted, entries })
    }

    fn has(&self, event: &ConnectionEvent) -> bool {
        let entry = LogEntry::from_event(event);
        self.entries
            .get(&key(event))
            .is_some_and(|same| same.iter().any(|other| Some(other) == entry.as_ref()))
    }

    /// Takes in an event that will be in the log, if another one of the batch may be the same.
    fn add(&mut self, event: &ConnectionEvent) {
        let (client, time) = key(event);
        if self.wanted.has(client, time) {
            self.entries.entry((client, time)).or_default().extend(LogEntry::from_event(event));
        }
    }
}

fn key(event: &ConnectionEvent) -> (u64, Timestamp) {
    (id_hash(&event.client_id), event.time)
}
