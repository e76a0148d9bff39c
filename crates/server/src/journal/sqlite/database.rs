//! One SQLite file: how it is opened, who reads it, and what its errors mean to an administrator.
//!
//! Used by the parts of the log and by the states. Knows no table.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};
use url::Url;

use super::super::JournalError;

/// Even with a write-ahead log a connection can find the file locked for a moment, as while another opens it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A part of the log has a connection of its own for reading, and there may be a hundred parts. What lies above the
/// leaves of the table and of its index fits.
const READER_CACHE_KIB: i64 = 768;
/// Pages after which what is in the write-ahead log is moved to its place.
const CHECKPOINT_PAGES: i64 = 512;
/// The layout of the files; a file of a later layout is refused.
pub const LAYOUT: i64 = 2;

/// The readers of a file. Each reads on a connection of its own, so that reading never waits for the writer.
#[derive(Debug)]
pub struct Database {
    pub path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    is_final: AtomicBool,
}

impl Database {
    pub const fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()), is_final: AtomicBool::new(false) }
    }

    /// Has the file read without locks and without a look for changes from now on, if all of it is in its place. To be
    /// called when nothing will be written any more.
    pub fn finish(&self) {
        let is_whole = || !std::fs::metadata(beside(&self.path, "-wal")).is_ok_and(|file| file.len() > 0);
        if !self.is_final.load(Ordering::Acquire) && is_whole() {
            // First, so that no other connection is made meanwhile; one that is being used still reads what it should.
            self.is_final.store(true, Ordering::Release);
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    pub fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.reader().map_err(|error| failed(&self.path, &error))?,
        };
        let result = read(&connection);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }

    fn reader(&self) -> Result<Connection, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match self.unlocked() {
            Some(address) => {
                Connection::open_with_flags(address.as_str(), flags | OpenFlags::SQLITE_OPEN_URI)?
            }
            None => Connection::open_with_flags(&self.path, flags)?,
        };
        connection.busy_timeout(BUSY_TIMEOUT)?;
        keep_plans(&connection)?;
        connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        Ok(connection)
    }

    /// The address that has SQLite read a file that is final without locks.
    fn unlocked(&self) -> Option<Url> {
        let path = self.is_final.load(Ordering::Acquire).then(|| std::path::absolute(&self.path).ok())??;
        let mut address = Url::from_file_path(path).ok()?;
        address.set_query(Some("immutable=1"));
        Some(address)
    }
}

/// A file that SQLite keeps beside a database.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a file for writing, and makes it with these tables when it is new.
///
/// # Errors
/// When it cannot be opened, is no database, or has another layout.
pub fn open_writer(path: &Path, schema: &str) -> Result<Connection, JournalError> {
    open_layout(path, schema, LAYOUT)
}

/// The same for a file with a layout of its own, which is [`LAYOUT`] or a later one that can still be read as that; a
/// file of an earlier one becomes one of this.
///
/// # Errors
/// As [`open_writer`].
pub fn open_layout(path: &Path, schema: &str, layout: i64) -> Result<Connection, JournalError> {
    let is_new = !path.exists();
    let mut connection = Connection::open(path).map_err(|error| opening(path, &error))?;
    let found = prepare(&mut connection, schema, layout).map_err(|error| opening(path, &error))?;
    if found != layout {
        let reason = format!("it has layout {found}, which a later version wrote; start that version");
        return Err(JournalError::Open { path: path.display().to_string(), reason });
    }
    if is_new {
        sync_parent(path).map_err(|error| JournalError::Open {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
    }
    Ok(connection)
}

/// Opens a file that is there for writing.
pub fn reopen_writer(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    keep_plans(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Without this a statement is compiled again for every new value of a parameter that its plan could depend on, which
/// takes longer than to look up a client.
fn keep_plans(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

fn prepare(connection: &mut Connection, schema: &str, layout: i64) -> Result<i64, rusqlite::Error> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    keep_plans(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let transaction = begin(connection)?;
    let known: Option<String> = transaction
        .query_row("SELECT name FROM sqlite_master WHERE name = 'meta'", [], |row| row.get(0))
        .optional()?;
    if known.is_none() {
        transaction.execute_batch(
            "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;",
        )?;
        transaction.execute_batch(schema)?;
        set_meta(&transaction, "layout", layout)?;
    }
    let found = meta(&transaction, "layout")?.unwrap_or(0);
    let is_earlier = (LAYOUT..layout).contains(&found);
    if is_earlier {
        set_meta(&transaction, "layout", layout)?;
    }
    transaction.commit()?;
    Ok(if is_earlier { layout } else { found })
}

/// A transaction that will write takes the lock at once: one that read first could not wait for it.
pub fn begin(connection: &mut Connection) -> Result<Transaction<'_>, rusqlite::Error> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

pub fn set_meta(connection: &Connection, key: &str, value: i64) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2")?
        .execute((key, value))
        .map(|_| ())
}

pub fn meta(connection: &Connection, key: &str) -> Result<Option<i64>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

/// Makes a file that was made in a directory survive a power failure.
pub fn sync_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// An error while a file is opened, with what can be done.
pub fn opening(path: &Path, error: &rusqlite::Error) -> JournalError {
    let advice = if is_damage(error) {
        ". Nothing was changed. Restore the file from a backup, or move it aside to start without what is in it"
    } else {
        ""
    };
    JournalError::Open { path: path.display().to_string(), reason: format!("{error}{advice}") }
}

/// An error while a file is read or written.
pub fn failed(path: &Path, error: &rusqlite::Error) -> JournalError {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => ". Look at the disk: it may be failing, gone, or read-only",
        _ => "",
    };
    let text = format!("{}: {error}{advice}", path.display());
    if is_damage(error) { JournalError::Corrupt(text) } else { JournalError::Failed(text) }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
