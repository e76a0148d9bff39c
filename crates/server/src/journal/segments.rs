//! The embedded journal: a folder of files that only grow at their end.
//!
//! Why not a database: an event costs one short record at the end of one file and its share of one `fdatasync`. A table
//! writes it twice (its own log, then its pages) and pays a random page for each row of an index by client. Whole
//! files are dropped at the end of their time, so the size is bounded to the byte without a vacuum. Every block and
//! every record has a checksum, so what a disk has garbled is told and not shown.
//!
//! ```text
//! journal/log-<sequence>.seg       events, in the order in which they were appended
//! journal/log-<sequence>.idx       where in it each client's are; made when the segment is full, or again
//! journal/states-<generation>.snap all states
//! journal/changes-<generation>.seg states that changed since by what the log does not carry; the server's lives
//! ```
//! Called by the recorder (one writer) and by the Connection Logs API (any number of readers, who never wait for a
//! write to reach the disk). Another process must not write meanwhile: `serve` locks the data folder.

mod block;
mod index;
mod layout_1;
mod log;
mod record;
mod segment;
mod states;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rollcall_model::{ClientState, ConnectionEvent, Timestamp};

use super::{Boot, EachState, Journal, JournalError, LogPage, LogQuery, Recovered, Retention};
use block::BlockError;
use log::Log;
use states::{Found, States};

pub(super) use record::EventRecord;

/// The most entries and changed states that a restart should have to read beside a snapshot.
const REPLAY_MAX: u64 = 300_000;
/// Snapshots take at most this share of the time: one part in so many.
const SNAPSHOT_SHARE: u32 = 10;

/// See the module.
pub struct SegmentJournal {
    log: Log,
    states: States,
    /// What was found when it was opened, until somebody asks.
    found: Mutex<Option<Found>>,
    /// Entries and states that were appended since the newest snapshot was begun.
    unsnapshotted: AtomicU64,
    is_snapshotting: AtomicBool,
    /// So many of them are too many.
    replay_max: u64,
    /// Not before this moment is there to be another snapshot.
    next_snapshot: Mutex<Instant>,
}

impl SegmentJournal {
    /// Opens or creates the journal in a data folder. A journal of the layout before, one file `journal.db`, is
    /// converted.
    ///
    /// # Errors
    /// When a file cannot be opened, is damaged, or was written by a later version. Nothing is deleted.
    pub fn open(data: &Path, retention: Retention) -> Result<Self, JournalError> {
        let directory = data.join("journal");
        layout_1::convert(data, &directory)?;
        let made = std::fs::create_dir_all(&directory).and_then(|()| block::sync_directory_of(&directory));
        made.map_err(|error| JournalError::Open {
            path: directory.display().to_string(),
            reason: error.to_string(),
        })?;
        Self::open_directory(&directory, retention)
    }

    fn open_directory(directory: &Path, retention: Retention) -> Result<Self, JournalError> {
        let (states, found) = States::open(directory)?;
        let log = Log::open(directory, retention, found.covers)?;
        let unsnapshotted = AtomicU64::new(found.changed.len() as u64 + log.rows_from(found.covers));
        Ok(Self {
            log,
            states,
            found: Mutex::new(Some(found)),
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

    /// Where the last entry of the log ends in its file, while there is one file.
    #[cfg(test)]
    fn log_bytes_of_files(&self) -> u64 {
        self.log.end()
    }

    /// Bytes that the log takes on the disk.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.log.disk_bytes()
    }
}

impl Journal for SegmentJournal {
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
        let begun = Instant::now();
        self.unsnapshotted.store(0, Ordering::Relaxed);
        let result = self.states.snapshot(self.log.end(), each);
        let pause = if result.is_ok() { begun.elapsed() * SNAPSHOT_SHARE } else { Duration::from_secs(10) };
        if result.is_err() {
            self.unsnapshotted.store(self.replay_max, Ordering::Relaxed);
        }
        *self.next_snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + pause;
        self.is_snapshotting.store(false, Ordering::Release);
        result
    }

    fn needs_snapshot(&self) -> bool {
        self.unsnapshotted.load(Ordering::Relaxed) >= self.replay_max
            && !self.is_snapshotting.load(Ordering::Relaxed)
            && *self.next_snapshot.lock().unwrap_or_else(PoisonError::into_inner) <= Instant::now()
    }

    fn retain(&self, now: Timestamp) -> Result<(), JournalError> {
        self.log.retain(now, self.states.needs_log_from())
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        match found {
            Some(found) => Ok(found.into_recovered()),
            None => Err(JournalError::Failed("the journal was recovered already".to_owned())),
        }
    }

    fn each(&self, from: u64, see: &mut dyn FnMut(ConnectionEvent) -> bool) -> Result<(), JournalError> {
        self.log.each(from, see)
    }

    fn log(&self, query: &LogQuery) -> Result<LogPage, JournalError> {
        self.log.page(query)
    }
}

/// The files in a directory that are named with a number between a prefix and a suffix, by that number.
fn files_named(directory: &Path, prefix: &str, suffix: &str) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let failed = |error: std::io::Error| JournalError::Open {
        path: directory.display().to_string(),
        reason: error.to_string(),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix)?.strip_suffix(suffix));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            found.push((number, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// An error in a file while the journal is opened, with what can be done.
fn opening(error: BlockError) -> JournalError {
    let (path, reason) = match error {
        BlockError::Io { path, reason } => (path, reason.to_string()),
        BlockError::Layout { path, layout } => {
            (path, format!("it has layout {layout}, which a later version wrote; start that version"))
        }
        BlockError::Damaged { path, position, reason } => {
            let reason = format!(
                "it is damaged at byte {position}: {reason}. Nothing was changed. Restore the file from a backup, \
                 or move it aside to start without what is in it"
            );
            (path, reason)
        }
    };
    JournalError::Open { path, reason }
}

impl From<BlockError> for JournalError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Io { .. } => Self::Failed(error.to_string()),
            BlockError::Layout { .. } | BlockError::Damaged { .. } => Self::Corrupt(error.to_string()),
        }
    }
}
