//! A data folder without a server: for the commands that read or write it while no server runs.
//!
//! It is locked as a server locks it, so neither can start while the other works. Nothing here ends the sessions that
//! were open when a server died: the next server does.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rollcall_model::Timestamp;

use crate::fleet::Fleet;
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Boot, Journal, JournalError, Recovered, Retention};
use crate::recorder::replay;
use crate::serve::{ServeError, lock_data};

/// What lies in it.
pub struct DataFolder {
    pub journal: Arc<dyn Journal>,
    /// Every client as the journal knows it.
    pub fleet: Fleet,
    /// Runs of a server whose open sessions are not ended yet.
    boots: Vec<Boot>,
    /// Held as long as this lives.
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    #[error("a server is running on the data folder {0}; stop it first")]
    InUse(String),
    #[error("there is no data folder {0}")]
    Missing(String),
    #[error("cannot use {path} as the data folder: {reason}")]
    Unusable { path: String, reason: String },
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl DataFolder {
    /// Opens a folder, making it if need be.
    ///
    /// # Errors
    /// When a server uses it, or the journal in it cannot be read.
    pub fn open_or_create(path: &Path) -> Result<Self, DataFolderError> {
        let shown = || path.display().to_string();
        let lock = lock_data(path).map_err(|error| match error {
            ServeError::Locked(folder) => DataFolderError::InUse(folder),
            ServeError::Data { path, reason } => {
                DataFolderError::Unusable { path, reason: reason.to_string() }
            }
            other => DataFolderError::Unusable { path: shown(), reason: other.to_string() },
        })?;
        // What is to go from the log is the server's to decide, which knows for how long it is to be kept.
        let journal = SqliteJournal::open(path, Retention::default())?;
        let Recovered { states, sequence, boots, failure, .. } = journal.recover()?;
        let fleet = Fleet::new();
        fleet.load(states);
        if let Some(error) = failure.get() {
            return Err(error.into());
        }
        replay(&fleet, &journal, sequence)?;
        Ok(Self { journal: Arc::new(journal), fleet, boots, _lock: lock })
    }

    /// Opens a folder that is there.
    ///
    /// # Errors
    /// As [`Self::open_or_create`], and when there is none.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        if !path.is_dir() {
            return Err(DataFolderError::Missing(path.display().to_string()));
        }
        Self::open_or_create(path)
    }

    /// The last moment at which a server is known to have been alive.
    #[must_use]
    pub fn alive(&self) -> Option<Timestamp> {
        self.boots.iter().map(|boot| boot.alive).max()
    }

    /// Keeps the states of the fleet. Everything in them must be in the log. `newest` is the time of the newest event:
    /// where no server ever ran, that is the last sign of life.
    ///
    /// # Errors
    /// When nothing was kept.
    pub fn save(&self, newest: Timestamp) -> Result<(), JournalError> {
        self.journal.snapshot(&|sink| {
            self.fleet.for_each(|state| sink(state));
            Ok(())
        })?;
        if self.boots.is_empty() {
            let boot = Boot { started: Timestamp::from_millis(0), alive: newest };
            return self.journal.keep(&[], &[boot]);
        }
        Ok(())
    }
}
