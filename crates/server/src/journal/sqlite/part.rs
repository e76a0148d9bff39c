//! One part of the log: a file with the entries of a stretch of time, in the order in which they were appended.
//!
//! While it grows, its index by client is in memory; when it is full, the file gets one, and a filter that tells of most
//! clients without a look at the file that nothing of theirs is in it. Called by [`super::log`].

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use rollcall_model::ConnectionEvent;
use rusqlite::{Connection, params};

use super::super::{JournalError, LogQuery};
use super::database::{self, Database, failed, meta, opening, set_meta};
use super::filter::Filter;
use super::recent::Recent;
use super::row;

/// What a question has to know of a part before opening it.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    pub rows: u64,
    /// Times in milliseconds.
    pub oldest: i64,
    pub newest: i64,
}

impl Default for Summary {
    /// Of no entries.
    fn default() -> Self {
        Self { rows: 0, oldest: i64::MAX, newest: i64::MIN }
    }
}

impl Summary {
    fn add(&mut self, time: i64) {
        self.rows += 1;
        self.oldest = self.oldest.min(time);
        self.newest = self.newest.max(time);
    }
}

/// Which entries of a client are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub id: &'a str,
    pub hash: i64,
    /// Times in milliseconds, both inclusive.
    pub from: i64,
    pub to: i64,
    /// Only what lies before this time and sequence.
    pub before: (i64, i64),
    /// One bit for each kind.
    pub kinds: i64,
    /// The most entries, the newest.
    pub limit: usize,
}

impl<'a> Wanted<'a> {
    pub fn of(query: &'a LogQuery, limit: usize) -> Self {
        Self {
            id: &query.client_id,
            hash: row::client_hash(&query.client_id),
            from: query.from.map_or(i64::MIN, rollcall_model::Timestamp::millis),
            to: query.to.map_or(i64::MAX, rollcall_model::Timestamp::millis),
            before: query.after.map_or((i64::MAX, i64::MAX), |at| (at.time.millis(), at.sequence)),
            kinds: row::kind_mask(&query.events),
            limit,
        }
    }
}

/// An entry as it was appended, for the index in memory.
#[derive(Debug, Clone, Copy)]
pub struct Appended {
    pub client: i64,
    pub time: i64,
    pub kind: u8,
}

/// See the module.
#[derive(Debug)]
pub struct Part {
    /// The sequence of its first entry.
    pub base: u64,
    database: Database,
    summary: Mutex<Summary>,
    /// `None` when the file has an index.
    recent: RwLock<Option<Recent>>,
    /// Of a full part, unless it was not given one yet.
    filter: OnceLock<Filter>,
    is_dropped: AtomicBool,
}

impl Part {
    /// Makes the file of a part that begins with a sequence; the connection is for appending.
    pub fn create(directory: &Path, base: u64) -> Result<(Self, Connection), JournalError> {
        Self::open(directory.join(format!("log-{base:020}.db")), base)
    }

    /// Opens a part; the connection is for appending.
    pub fn open(path: PathBuf, base: u64) -> Result<(Self, Connection), JournalError> {
        let connection = database::open_writer(&path, row::TABLE)?;
        let (summary, recent) = read_index(&connection).map_err(|error| opening(&path, &error))?;
        let filter = Filter::read(&connection).map_err(|error| opening(&path, &error))?;
        let part = Self {
            base,
            database: Database::new(path),
            summary: Mutex::new(summary),
            recent: RwLock::new(recent),
            filter: filter.map(OnceLock::from).unwrap_or_default(),
            is_dropped: AtomicBool::new(false),
        };
        Ok((part, connection))
    }

    pub fn path(&self) -> &Path {
        &self.database.path
    }

    pub fn summary(&self) -> Summary {
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sequence behind its last entry.
    pub fn end(&self) -> u64 {
        self.base + self.summary().rows
    }

    /// Bytes on the disk, with the write-ahead log.
    pub fn disk_bytes(&self) -> u64 {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        bytes(self.path()) + bytes(&database::beside(self.path(), "-wal"))
    }

    /// Whether the file has its index and its filter.
    pub fn is_sealed(&self) -> bool {
        self.recent.read().unwrap_or_else(PoisonError::into_inner).is_none() && self.filter.get().is_some()
    }

    /// Makes entries visible that are on the disk.
    pub fn publish(&self, entries: &[Appended]) {
        if let Some(recent) = self.recent.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
            entries.iter().for_each(|entry| recent.push(entry.client, entry.time, entry.kind));
        }
        let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().for_each(|entry| summary.add(entry.time));
    }

    /// Gives the file its index and its filter and notes what is in it. Nothing may be appended any more.
    pub fn seal(&self) -> Result<(), JournalError> {
        let seal = || -> Result<Filter, rusqlite::Error> {
            let mut connection = database::reopen_writer(self.path())?;
            let transaction = database::begin(&mut connection)?;
            transaction.execute_batch(row::INDEX)?;
            let summary = self.summary();
            set_meta(&transaction, "rows", summary.rows.cast_signed())?;
            set_meta(&transaction, "oldest", summary.oldest)?;
            set_meta(&transaction, "newest", summary.newest)?;
            let clients = clients(&transaction)?;
            let count = clients.len();
            let filter = Filter::of(clients, count);
            filter.write(&transaction)?;
            transaction.commit()?;
            // Readers may hold back the end of it; then the next opening tries again.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(filter)
        };
        let filter = seal().map_err(|error| failed(self.path(), &error))?;
        // It is the one that is there already, if there is one.
        let _ = self.filter.set(filter);
        *self.recent.write().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Removes the file. Whoever reads it still can.
    pub fn remove(&self) -> std::io::Result<()> {
        self.is_dropped.store(true, Ordering::Release);
        std::fs::remove_file(self.path())?;
        for suffix in ["-wal", "-shm"] {
            let path = database::beside(self.path(), suffix);
            if path.exists() {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Calls `see` with each entry from the sequence `from` on until it says `false`. Returns whether it never did.
    pub fn each(
        &self,
        from: u64,
        see: &mut dyn FnMut(ConnectionEvent) -> bool,
    ) -> Result<bool, JournalError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(row::SELECT_FROM)?;
            let mut rows = statement.query([from.cast_signed()])?;
            while let Some(row) = rows.next()? {
                if !see(row::read(row)?.1) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .map(|all| all.unwrap_or(true))
    }

    /// Calls `see` with the hash of the client of each entry from the sequence `from` on.
    pub fn each_client(&self, from: u64, see: &mut dyn FnMut(u64)) -> Result<(), JournalError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(row::SELECT_CLIENTS_FROM)?;
            let mut rows = statement.query([from.cast_signed()])?;
            while let Some(row) = rows.next()? {
                see(row.get::<_, i64>(0)?.cast_unsigned());
            }
            Ok(())
        })
        .map(|_| ())
    }

    /// The newest entries of a client that are wanted, with their sequences, in no particular order.
    pub fn newest(&self, wanted: &Wanted<'_>) -> Result<Vec<(i64, ConnectionEvent)>, JournalError> {
        let Some(places) = self.newest_in_memory(wanted) else {
            if self.filter.get().is_some_and(|filter| !filter.may_hold(wanted.hash)) {
                return Ok(Vec::new());
            }
            return Ok(self.read(|connection| newest_by_index(connection, wanted))?.unwrap_or_default());
        };
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.read(|connection| {
            let mut one = connection.prepare_cached(row::SELECT_ONE)?;
            places
                .iter()
                .map(|place| one.query_row([self.sequence(*place)], row::read))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let mut found = found.unwrap_or_default();
        // Two clients may share a hash.
        found.retain(|(_, event)| event.client_id == wanted.id);
        Ok(found)
    }

    fn sequence(&self, place: usize) -> i64 {
        (self.base + place as u64).cast_signed()
    }

    /// Where in a part without an index the wanted entries are; `None` when it has one.
    fn newest_in_memory(&self, wanted: &Wanted<'_>) -> Option<Vec<usize>> {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let range = wanted.from..=wanted.to;
        let found = recent.as_ref()?.newest(wanted.hash, wanted.limit, |entry, at| {
            range.contains(&entry.time)
                && (entry.time, self.sequence(at)) < wanted.before
                && wanted.kinds >> entry.kind & 1 != 0
        });
        Some(found.into_iter().map(|(_, at)| at).collect())
    }

    /// `None` when the part was dropped meanwhile.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<Option<T>, JournalError> {
        if self.is_sealed() {
            self.database.finish();
        }
        let result =
            self.database.read(|connection| read(connection).map_err(|error| failed(self.path(), &error)));
        match result {
            Err(_) if self.is_dropped.load(Ordering::Acquire) => Ok(None),
            result => result.map(Some),
        }
    }
}

/// The hash of each client with entries, once.
fn clients(connection: &Connection) -> Result<Vec<i64>, rusqlite::Error> {
    connection.prepare(row::SELECT_CLIENTS)?.query_map([], |row| row.get(0))?.collect()
}

fn newest_by_index(
    connection: &Connection,
    wanted: &Wanted<'_>,
) -> Result<Vec<(i64, ConnectionEvent)>, rusqlite::Error> {
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX);
    let Wanted { id, hash, from, to, before, kinds, .. } = *wanted;
    connection
        .prepare_cached(row::SELECT_NEWEST)?
        .query_map(params![hash, id, from, to, before.0, before.1, kinds, limit], row::read)?
        .collect()
}

/// What the file says of itself or, while it has no index, what a walk through it says.
fn read_index(connection: &Connection) -> Result<(Summary, Option<Recent>), rusqlite::Error> {
    if let (Some(rows), Some(oldest), Some(newest)) =
        (meta(connection, "rows")?, meta(connection, "oldest")?, meta(connection, "newest")?)
    {
        return Ok((Summary { rows: rows.cast_unsigned(), oldest, newest }, None));
    }
    let (mut summary, mut recent) = (Summary::default(), Recent::default());
    let mut statement = connection.prepare("SELECT client, time, kind FROM entry ORDER BY sequence")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let time = row.get(1)?;
        summary.add(time);
        recent.push(row.get(0)?, time, row.get(2)?);
    }
    Ok((summary, Some(recent)))
}
