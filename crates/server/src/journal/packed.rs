//! Many events in little memory: as compressed JSON, a small part of what they take as values.
//!
//! A restart of a server with a million open sessions has a million ends to append while it answers already.

use std::collections::VecDeque;

use rollcall_model::ConnectionEvent;

use super::JournalError;

/// Events in a pack: what is appended in one go.
const PACK: usize = 10_000;

/// A queue of events.
#[derive(Debug, Default)]
pub struct PackedEvents {
    /// Full packs, oldest first.
    packs: VecDeque<Vec<u8>>,
    /// The pack that is being filled, and how many events are in it.
    open: (Vec<u8>, usize),
    len: usize,
}

impl PackedEvents {
    /// Adds an event.
    pub fn push(&mut self, event: &ConnectionEvent) {
        let (bytes, count) = &mut self.open;
        let written = serde_json::to_writer(&mut *bytes, event);
        debug_assert!(written.is_ok(), "every event has its JSON, and a vector has room for it");
        *count += 1;
        self.len += 1;
        if *count == PACK {
            self.close();
        }
    }

    fn close(&mut self) {
        let (bytes, count) = &mut self.open;
        if *count > 0 {
            self.packs.push_back(lz4_flex::compress_prepend_size(bytes));
            bytes.clear();
            *count = 0;
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
    pub fn front(&mut self) -> Result<Vec<ConnectionEvent>, JournalError> {
        if self.packs.is_empty() {
            self.close();
        }
        let Some(pack) = self.packs.front() else { return Ok(Vec::new()) };
        let corrupt = |error: &dyn std::fmt::Display| JournalError::Corrupt(error.to_string());
        let bytes = lz4_flex::decompress_size_prepended(pack).map_err(|error| corrupt(&error))?;
        serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| corrupt(&error))
    }

    /// Forgets the events that [`Self::front`] gave, which were `count`.
    pub fn drop_front(&mut self, count: usize) {
        self.packs.pop_front();
        self.len -= count;
    }
}
