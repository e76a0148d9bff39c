//! What the store said of sessions and keys, for as long as nobody has changed it since: so that most requests are
//! judged without a thread that waits for the store.
//!
//! Asked by [`super::sessions`] and [`super::keys`] before the store. It never says more than the store would: its own
//! cheap count of changes, by this process or another, is read each time, and with the first change all is forgotten.
//! Refusals are not remembered.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::keys::KeyRow;
use super::sessions::Row;
use super::store::{data_version, lock};
use super::{Credentials, SessionId};

/// With more of either, all are forgotten and asked for again.
const REMEMBERED_MAX: usize = 10_000;
/// Many times what reading the count of changes takes, and too short to be noticed by what else this thread has to do.
const READING_MAX: Duration = Duration::from_micros(100);

/// See [`Credentials::changes`].
pub type Changes = (i64, u64);

#[derive(Default)]
pub struct Remembered(Mutex<Answers>);

#[derive(Default)]
struct Answers {
    /// What they are the answers of.
    changes: Option<Changes>,
    sessions: HashMap<SessionId, Row>,
    keys: HashMap<String, KeyRow>,
}

impl Answers {
    /// Forgets what was said before these changes.
    fn of(&mut self, changes: Changes) -> &mut Self {
        let is_full = self.sessions.len() > REMEMBERED_MAX || self.keys.len() > REMEMBERED_MAX;
        if self.changes != Some(changes) || is_full {
            *self = Self { changes: Some(changes), ..Self::default() };
        }
        self
    }
}

impl Credentials {
    pub(super) fn remembered_session(&self, id: &SessionId) -> Option<Row> {
        let changes = self.changes_now()?;
        lock(&self.remembered.0).of(changes).sessions.get(id).cloned()
    }

    pub(super) fn remembered_key(&self, key: &str) -> Option<KeyRow> {
        let changes = self.changes_now()?;
        lock(&self.remembered.0).of(changes).keys.get(key).cloned()
    }

    /// Notes what the store said after these changes: they must have been read before it was asked.
    pub(super) fn remember_session(&self, changes: Changes, id: SessionId, row: Row) {
        lock(&self.remembered.0).of(changes).sessions.insert(id, row);
    }

    /// As [`Self::remember_session`].
    pub(super) fn remember_key(&self, changes: Changes, key: String, row: KeyRow) {
        lock(&self.remembered.0).of(changes).keys.insert(key, row);
    }

    /// The changes so far; `None` while somebody else asks the store for longer than it takes to read them.
    fn changes_now(&self) -> Option<Changes> {
        let store = self.store.try_lock_for(READING_MAX)?;
        let version = data_version(&store);
        drop(store);
        let elsewhere =
            version.inspect_err(|error| tracing::warn!(%error, "the store tells no version")).ok()?;
        Some((elsewhere, self.revocations.load(Ordering::Acquire)))
    }
}
