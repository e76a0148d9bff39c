//! The file `identity.db`: its tables, its privacy, and the settings that the command line must know of the
//! server.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::{Credentials, Holder, IdentityError};

const FILE: &str = "identity.db";
/// A second process may hold the write lock for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS devices (
        client_id TEXT PRIMARY KEY,
        token_hash TEXT NOT NULL,
        added_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS keys (
        key TEXT PRIMARY KEY,
        token_hash TEXT NOT NULL,
        role TEXT NOT NULL,
        org TEXT NOT NULL,
        name TEXT,
        added_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sessions (
        hash BLOB PRIMARY KEY,
        key TEXT,
        role TEXT NOT NULL,
        org TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        used_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS links (
        hash BLOB PRIMARY KEY,
        expires_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS settings (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;";

const ORG: &str = "org";
const URL: &str = "url";

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn open(directory: &Path) -> Result<Connection, IdentityError> {
    let path = directory.join(FILE);
    create_private(&path).map_err(|source| IdentityError::Create { path: path.clone(), source })?;
    Connection::open(&path).and_then(prepared).map_err(|source| IdentityError::Open { path, source })
}

pub fn in_memory() -> Result<Connection, IdentityError> {
    Ok(prepared(Connection::open_in_memory()?)?)
}

fn prepared(store: Connection) -> Result<Connection, rusqlite::Error> {
    store.busy_timeout(BUSY_TIMEOUT)?;
    store.pragma_update(None, "journal_mode", "WAL")?;
    store.execute_batch(SCHEMA)?;
    Ok(store)
}

/// Creates the file for its owner only; an existing one is left as it is.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

/// Changes with each write of another connection.
pub fn data_version(store: &Connection) -> Result<i64, rusqlite::Error> {
    store.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

impl Credentials {
    /// Honours only keys of this organisation from now on, and tells the command line where the dashboard is.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn serve(&self, org: &str, url: &str) -> Result<(), IdentityError> {
        self.org.get_or_init(|| org.to_owned());
        let store = self.store.lock();
        for (name, value) in [(ORG, org), (URL, url)] {
            store.execute(
                "INSERT INTO settings (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = ?2 WHERE value <> ?2",
                (name, value),
            )?;
        }
        Ok(())
    }

    /// The organisation of the server that uses this store, if one has.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn served_org(&self) -> Result<Option<String>, IdentityError> {
        Ok(self.setting(ORG)?)
    }

    /// Where the dashboard of the server that uses this store is, if one has.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn served_url(&self) -> Result<Option<String>, IdentityError> {
        Ok(self.setting(URL)?)
    }

    fn setting(&self, name: &str) -> Result<Option<String>, rusqlite::Error> {
        self.store
            .lock()
            .query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0))
            .optional()
    }

    /// A number that changes when somebody may have lost a right: when another process has written to the store,
    /// or this one has taken something away.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn changes(&self) -> Result<(i64, u64), IdentityError> {
        let elsewhere = data_version(&self.store.lock())?;
        Ok((elsewhere, self.revocations.load(Ordering::Acquire)))
    }

    /// Whether the right that this gave still exists.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn holds(&self, holder: &Holder) -> Result<bool, IdentityError> {
        Ok(match holder {
            Holder::Nobody => !self.has_devices()?,
            Holder::Device(client_id) => self.device_hash(client_id)?.is_some(),
            Holder::Key(key) => self.has_key(key)?,
            Holder::Session(id) => self.session(id)?.is_some(),
            Holder::Process => true,
        })
    }

    pub(super) fn note_revocation(&self) {
        self.revocations.fetch_add(1, Ordering::AcqRel);
    }
}
