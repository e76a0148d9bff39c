//! Many events in little memory: encoded as in the log, a third of what they take as values.
//!
//! A restart of a server with a million open sessions has a million ends to append while it answers already.

use std::collections::VecDeque;

use prost::Message as _;
use rollcall_model::ConnectionEvent;

use super::JournalError;
use super::segments::EventRecord;

/// Events in a pack: what is appended in one go.
const PACK: usize = 10_000;

/// A queue of events that belong to the log.
#[derive(Debug, Default)]
pub struct PackedEvents {
    /// Each has at most [`PACK`] events, each behind its length.
    packs: VecDeque<(usize, Vec<u8>)>,
    len: usize,
}

impl PackedEvents {
    /// Adds an event, if it is of a kind that is logged.
    pub fn push(&mut self, event: &ConnectionEvent) {
        let Some(record) = EventRecord::of(event) else { return };
        if self.packs.back().is_none_or(|(events, _)| *events == PACK) {
            self.packs.push_back((0, Vec::new()));
        }
        if let Some((events, bytes)) = self.packs.back_mut() {
            let encoded = record.encode_length_delimited(bytes);
            debug_assert!(encoded.is_ok(), "a vector has room for everything");
            *events += 1;
            self.len += 1;
        }
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The oldest events, some thousands; they stay until [`Self::drop_front`].
    ///
    /// # Errors
    /// When what was packed cannot be unpacked, which would be a bug.
    pub fn front(&self) -> Result<Vec<ConnectionEvent>, JournalError> {
        let Some((events, bytes)) = self.packs.front() else { return Ok(Vec::new()) };
        let mut rest = &bytes[..];
        let mut found = Vec::with_capacity(*events);
        while !rest.is_empty() {
            let record = EventRecord::decode_length_delimited(&mut rest);
            found.push(record.map_err(|error| JournalError::Corrupt(error.to_string()))?.into_event()?);
        }
        Ok(found)
    }

    /// Forgets the events that [`Self::front`] gives.
    pub fn drop_front(&mut self) {
        self.len -= self.packs.pop_front().map_or(0, |(events, _)| events);
    }
}
