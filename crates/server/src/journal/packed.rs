//! Ends of sessions in little memory: a small part of what they take as events.
//!
//! A restart of a server with a million open sessions has a million ends to append while it answers already. Called by
//! the recorder.

use std::collections::VecDeque;

use rollcall_model::{ConnectionEvent, EventKind, Session};

use super::JournalError;
use super::encoding::{read_session, write_session};
use crate::codec::{Reader, Writer};

/// Ends in a pack: what is appended in one go.
const PACK: usize = 10_000;

/// A queue of sessions that have ended.
#[derive(Debug, Default)]
pub struct PackedEnds {
    /// Full packs, oldest first.
    packs: VecDeque<Vec<u8>>,
    /// The pack that is being filled, and how many ends are in it.
    open: (Writer, usize),
    len: usize,
}

impl PackedEnds {
    /// Adds a session of a client, which must have an end.
    pub fn push(&mut self, client_id: &str, session: &Session) {
        let (writer, count) = &mut self.open;
        writer.text(client_id);
        write_session(writer, session, 0);
        *count += 1;
        self.len += 1;
        if *count == PACK {
            self.close();
        }
    }

    fn close(&mut self) {
        let (writer, count) = &mut self.open;
        if *count > 0 {
            self.packs.push_back(lz4_flex::compress_prepend_size(&writer.bytes));
            writer.bytes.clear();
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

    /// The oldest ends as events, some thousands; they stay until [`Self::drop_front`].
    ///
    /// # Errors
    /// When what was packed cannot be unpacked, which would be a bug.
    pub fn front(&mut self) -> Result<Vec<ConnectionEvent>, JournalError> {
        if self.packs.is_empty() {
            self.close();
        }
        let Some(pack) = self.packs.front() else { return Ok(Vec::new()) };
        let bytes = lz4_flex::decompress_size_prepended(pack)
            .map_err(|error| JournalError::Corrupt(error.to_string()))?;
        let mut reader = Reader::new(&bytes);
        let mut events = Vec::with_capacity(PACK.min(self.len));
        while !reader.is_at_end() {
            let event = read_end(&mut reader);
            events.push(event.ok_or_else(|| JournalError::Corrupt("an end that waits is torn".to_owned()))?);
        }
        Ok(events)
    }

    /// Forgets the ends that [`Self::front`] gave, which were `count`.
    pub fn drop_front(&mut self, count: usize) {
        self.packs.pop_front();
        self.len -= count;
    }
}

fn read_end(reader: &mut Reader<'_>) -> Option<ConnectionEvent> {
    let client_id = reader.text()?.to_owned();
    end_of(client_id, read_session(reader, 0)?)
}

/// The event that ends a session; `None` while it has no end.
#[must_use]
pub fn end_of(client_id: String, session: Session) -> Option<ConnectionEvent> {
    let end = session.end?;
    Some(ConnectionEvent {
        client_id,
        time: end.time,
        peer: session.peer,
        kind: EventKind::Disconnect { session: Some(session.key), end },
    })
}
