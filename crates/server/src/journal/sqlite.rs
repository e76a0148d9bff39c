//! The embedded journal: SQLite files in the data folder, each with a write-ahead log and `synchronous=FULL`: what was
//! appended is on the disk.
//!
//! ```text
//! journal/log-<sequence>.db   one part of the log; only the newest is appended to
//! journal/states.db           all states as of a snapshot, those that changed since, the runs of the server
//! ```
//! The log is cut in parts because an index by client over all of it would cost every event a random page. A part is
//! indexed when it is full; until then its index is in memory. Retention drops whole files, so that the space is free
//! at once. States are not updated event by event: a snapshot and the log since give them.
//! Called by the recorder (one writer) and by the Connection Logs API (any number of readers, who never wait for a
//! write). Another process must not write meanwhile: `serve` and `import` lock the data folder.

mod database;
mod filter;
mod layout_1;
mod log;
mod part;
mod recent;
mod row;
mod states;
#[cfg(test)]
mod tests;
mod wanted;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rollcall_model::{ClientState, ConnectionEvent, Timestamp};

use super::{Boot, EachState, Journal, JournalError, LogPage, LogQuery, Recovered, Retention, WantedEntries};
use log::Log;
use states::States;

/// The most entries and changed states that a restart should have to read beside a snapshot, if there are not many
/// more states.
const REPLAY_MAX: u64 = 300_000;
/// Or one for so many states: a snapshot of a larger fleet takes longer, and so does the restart without them.
const STATES_PER_REPLAY: u64 = 3;
/// How long after a failed snapshot the next is tried.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(10);

/// See the module.
pub struct SqliteJournal {
    log: Log,
    states: States,
    /// Entries and states that were appended since the newest snapshot was begun.
    unsnapshotted: AtomicU64,
    is_snapshotting: AtomicBool,
    /// So many of them are too many.
    replay_max: u64,
    /// Not before this moment is there to be another snapshot: one has failed.
    next_snapshot: Mutex<Instant>,
}

impl SqliteJournal {
    /// Opens or creates the journal in a data folder. A journal of layout 1, one file `journal.db`, is converted.
    ///
    /// # Errors
    /// When a file cannot be opened, is damaged, or was written by a later version. Nothing is deleted.
    pub fn open(data: &Path, retention: Retention) -> Result<Self, JournalError> {
        let directory = data.join("journal");
        layout_1::convert(data, &directory)?;
        Self::open_directory(&directory, retention)
    }

    fn open_directory(directory: &Path, retention: Retention) -> Result<Self, JournalError> {
        std::fs::create_dir_all(directory).and_then(|()| database::sync_parent(directory)).map_err(
            |error| JournalError::Open { path: directory.display().to_string(), reason: error.to_string() },
        )?;
        let states = States::open(directory)?;
        let log = Log::open(directory, retention, states.covers())?;
        let unsnapshotted = AtomicU64::new(states.changes()? + log.rows_from(states.covers()));
        Ok(Self {
            log,
            states,
            unsnapshotted,
            replay_max: REPLAY_MAX,
            is_snapshotting: AtomicBool::new(false),
            next_snapshot: Mutex::new(Instant::now()),
        })
    }

    /// Asks for a snapshot after so many entries and changed states, instead of some hundred thousand.
    #[must_use]
    pub const fn snapshot_every(mut self, entries: u64) -> Self {
        self.replay_max = entries;
        self
    }

    /// Bytes that the log takes on the disk.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.log.disk_bytes()
    }
}

impl Journal for SqliteJournal {
    fn append(&self, events: &[ConnectionEvent]) -> Result<(), JournalError> {
        let appended = self.log.append(events)?;
        self.unsnapshotted.fetch_add(appended, Ordering::Relaxed);
        Ok(())
    }

    fn keep(&self, states: &[ClientState], boots: &[Boot]) -> Result<(), JournalError> {
        self.states.keep(states, boots)?;
        self.unsnapshotted.fetch_add(states.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn snapshot(&self, each: &EachState<'_>) -> Result<(), JournalError> {
        if self.is_snapshotting.swap(true, Ordering::Acquire) {
            return Err(JournalError::Failed("a snapshot is being written already".to_owned()));
        }
        let before = self.unsnapshotted.swap(0, Ordering::Relaxed);
        let result = self.states.snapshot(self.log.end(), each);
        if result.is_err() {
            self.unsnapshotted.fetch_add(before, Ordering::Relaxed);
            *self.next_snapshot.lock().unwrap_or_else(PoisonError::into_inner) =
                Instant::now() + SNAPSHOT_RETRY;
        }
        self.is_snapshotting.store(false, Ordering::Release);
        result
    }

    fn needs_snapshot(&self) -> bool {
        let due = self.replay_max.max(self.states.total() / STATES_PER_REPLAY);
        self.unsnapshotted.load(Ordering::Relaxed) >= due
            && !self.is_snapshotting.load(Ordering::Relaxed)
            && *self.next_snapshot.lock().unwrap_or_else(PoisonError::into_inner) <= Instant::now()
    }

    fn retain(&self, now: Timestamp) -> Result<(), JournalError> {
        self.log.retain(now, self.states.covers())
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.states.recover()
    }

    fn each(&self, from: u64, see: &mut dyn FnMut(ConnectionEvent) -> bool) -> Result<(), JournalError> {
        self.log.each(from, see)
    }

    fn each_client(&self, from: u64, see: &mut dyn FnMut(u64)) -> Result<(), JournalError> {
        self.log.each_client(from, see)
    }

    fn each_wanted(
        &self,
        wanted: &WantedEntries,
        see: &mut dyn FnMut(ConnectionEvent),
    ) -> Result<(), JournalError> {
        self.log.each_wanted(wanted, see)
    }

    fn log(&self, query: &LogQuery) -> Result<LogPage, JournalError> {
        self.log.page(query)
    }

    fn replay(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        see: &mut dyn FnMut(ConnectionEvent) -> bool,
    ) -> Result<(), JournalError> {
        self.log.replay(from, to, see)
    }
}

/// The parts of the log in a directory, by the sequence that they begin with, oldest first.
fn parts_in(directory: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let failed = |error: std::io::Error| JournalError::Open {
        path: directory.display().to_string(),
        reason: error.to_string(),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("log-")?.strip_suffix(".db"));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            found.push((number, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}
