//! The embedded journal: one SQLite file in the data directory.
//!
//! Write-ahead log, one transaction per batch, `synchronous=FULL`: what was appended is on the disk. The log is
//! append-only; states are kept at checkpoints, so that an event costs one row and not a row and an update.
//! Called by the recorder (one writer) and by the Connection Logs API (readers with connections of their own).

mod row;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rollcall_model::log::LogEntry;
use rollcall_model::{ClientState, ConnectionEvent, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Journal, JournalError, LogCursor, LogPage, LogQuery, Recovered};

/// Even with a write-ahead log a connection can find the file locked for a moment, as while another opens it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The layout of the file; a file of a later layout is refused.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
-- `state` is null for clients that have log entries but no checkpointed state yet.
CREATE TABLE client (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT);
CREATE TABLE log (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    client INTEGER NOT NULL,
    time INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    session_start INTEGER, connection INTEGER, certainty INTEGER, initiator INTEGER,
    mqtt_reason_code INTEGER, close_code INTEGER, reason TEXT,
    addr TEXT, port INTEGER, server_port INTEGER, protocol INTEGER, secure INTEGER, user TEXT,
    read_msg INTEGER, read_bytes INTEGER, write_msg INTEGER, write_bytes INTEGER
);
CREATE INDEX log_by_client ON log (client, time, sequence);
";

/// See the module.
pub struct SqliteJournal {
    path: PathBuf,
    writer: Mutex<Connection>,
    /// Idle connections of readers.
    readers: Mutex<Vec<Connection>>,
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl SqliteJournal {
    /// Opens or creates `journal.db` in a directory.
    ///
    /// # Errors
    /// When the file cannot be opened, is no journal, or was written by a later version.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join("journal.db");
        let failed = |reason: String| JournalError::Open { path: path.display().to_string(), reason };
        let mut writer = Connection::open(&path).map_err(|error| failed(error.to_string()))?;
        prepare(&mut writer).map_err(|error| failed(error.to_string()))?;
        let version: i64 = writer
            .query_row("SELECT value FROM meta WHERE key = 'schema'", [], |row| row.get(0))
            .map_err(|error| failed(error.to_string()))?;
        if version != SCHEMA_VERSION {
            return Err(failed(format!(
                "it has layout {version}, this version reads layout {SCHEMA_VERSION}"
            )));
        }
        Ok(Self { path, writer: Mutex::new(writer), readers: Mutex::new(Vec::new()) })
    }

    /// Makes the disk full, as far as SQLite can tell.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        let set = self.writer().pragma_update(None, "max_page_count", pages);
        assert!(set.is_ok() || pages == 1, "{set:?}");
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `read` on a connection of its own, so that reading never waits for the writer.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&self.path, flags)?;
                connection.busy_timeout(BUSY_TIMEOUT)?;
                connection
            }
        };
        let result = read(&connection);
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }
}

fn prepare(writer: &mut Connection) -> Result<(), rusqlite::Error> {
    writer.busy_timeout(BUSY_TIMEOUT)?;
    writer.pragma_update(None, "journal_mode", "WAL")?;
    writer.pragma_update(None, "synchronous", "FULL")?;
    let transaction = begin(writer)?;
    let known: Option<String> = transaction
        .query_row("SELECT name FROM sqlite_master WHERE name = 'meta'", [], |row| row.get(0))
        .optional()?;
    if known.is_none() {
        transaction.execute_batch(SCHEMA)?;
        set_meta(&transaction, "schema", SCHEMA_VERSION)?;
    }
    transaction.commit()
}

/// A transaction that will write takes the lock at once: one that read first could not wait for it.
fn begin(writer: &mut Connection) -> Result<Transaction<'_>, rusqlite::Error> {
    writer.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn set_meta(transaction: &Transaction<'_>, key: &str, value: i64) -> Result<(), rusqlite::Error> {
    transaction
        .prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2")?
        .execute(params![key, value])
        .map(|_| ())
}

fn meta(connection: &Connection, key: &str) -> Result<Option<i64>, rusqlite::Error> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

/// The number of a client, which is made when the client is new.
fn client_no(transaction: &Transaction<'_>, id: &str) -> Result<i64, rusqlite::Error> {
    let known = transaction
        .prepare_cached("SELECT no FROM client WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    if let Some(no) = known {
        return Ok(no);
    }
    transaction.prepare_cached("INSERT INTO client (id) VALUES (?1)")?.execute([id])?;
    Ok(transaction.last_insert_rowid())
}

impl Journal for SqliteJournal {
    fn append(&self, events: &[ConnectionEvent]) -> Result<(), JournalError> {
        let mut writer = self.writer();
        let transaction = begin(&mut writer)?;
        for event in events.iter().filter(|event| event.is_logged()) {
            let client = client_no(&transaction, &event.client_id)?;
            row::insert(&transaction, client, event)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn checkpoint(&self, states: &[ClientState], alive: Timestamp) -> Result<(), JournalError> {
        let mut writer = self.writer();
        let transaction = begin(&mut writer)?;
        {
            let mut keep = transaction.prepare_cached(
                "INSERT INTO client (id, state) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET state = ?2",
            )?;
            for state in states {
                let text =
                    serde_json::to_string(state).map_err(|error| JournalError::Failed(error.to_string()))?;
                keep.execute(params![state.id, text])?;
            }
        }
        let newest: Option<i64> =
            transaction.query_row("SELECT max(sequence) FROM log", [], |row| row.get(0))?;
        set_meta(&transaction, "checkpoint", newest.unwrap_or(0))?;
        set_meta(&transaction, "alive", alive.millis())?;
        transaction.commit()?;
        Ok(())
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        self.read(|connection| {
            let mut states = Vec::new();
            let mut statement = connection.prepare("SELECT state FROM client WHERE state IS NOT NULL")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let text =
                    row.get_ref(0)?.as_str().map_err(|error| JournalError::Corrupt(error.to_string()))?;
                states.push(
                    serde_json::from_str(text).map_err(|error| JournalError::Corrupt(error.to_string()))?,
                );
            }
            let checkpoint = meta(connection, "checkpoint")?.unwrap_or(0);
            let mut newer = Vec::new();
            let mut statement = connection.prepare(row::SELECT_NEWER)?;
            let mut rows = statement.query([checkpoint])?;
            while let Some(row) = rows.next()? {
                newer.push(row::read(row, row.get("id")?)?);
            }
            let alive = meta(connection, "alive")?.map(Timestamp::from_millis);
            Ok(Recovered { states, newer, alive })
        })
    }

    fn log(&self, query: &LogQuery) -> Result<LogPage, JournalError> {
        self.read(|connection| read_log(connection, query))
    }

    fn each(&self, from: u64, see: &mut dyn FnMut(ConnectionEvent) -> bool) -> Result<(), JournalError> {
        self.read(|connection| {
            let mut statement = connection.prepare(row::SELECT_FROM)?;
            let mut rows = statement.query([from.cast_signed()])?;
            while let Some(row) = rows.next()? {
                if !see(row::read(row, row.get("id")?)?) {
                    break;
                }
            }
            Ok(())
        })
    }
}

fn read_log(connection: &Connection, query: &LogQuery) -> Result<LogPage, JournalError> {
    let empty = LogPage { entries: Vec::new(), next: None };
    let client: Option<i64> = connection
        .prepare_cached("SELECT no FROM client WHERE id = ?1")?
        .query_row([&query.client_id], |row| row.get(0))
        .optional()?;
    let Some(client) = client else { return Ok(empty) };
    let from = query.from.map_or(i64::MIN, Timestamp::millis);
    let to = query.to.map_or(i64::MAX, Timestamp::millis);
    let (before_time, before_sequence) =
        query.after.map_or((i64::MAX, i64::MAX), |cursor| (cursor.time.millis(), cursor.sequence));
    let kinds = row::kind_mask(&query.events);
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut statement = connection.prepare_cached(row::SELECT_LOG)?;
    // One row more than asked for tells whether there is a next page.
    let mut rows = statement.query(params![
        client,
        from,
        to,
        before_time,
        before_sequence,
        kinds,
        i64::from(query.limit) + 1,
        i64::from(query.offset)
    ])?;
    let mut page = empty;
    let mut last = None;
    while let Some(row) = rows.next()? {
        if page.entries.len() == limit {
            page.next = last;
            break;
        }
        let event = row::read(row, query.client_id.clone())?;
        last = Some(LogCursor { time: event.time, sequence: row.get("sequence")? });
        page.entries.extend(LogEntry::from_event(&event));
    }
    Ok(page)
}
