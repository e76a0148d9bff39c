//! The log: parts in a row, the last of which grows. Called by [`super::SqliteJournal`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use rollcall_model::log::LogEntry;
use rollcall_model::{ConnectionEvent, Timestamp};
use rusqlite::Connection;

use super::super::{JournalError, LogCursor, LogPage, LogQuery, Retention};
use super::database::{self, failed};
use super::part::{Appended, Part, Wanted};
use super::{parts_in, row};

/// A part with so many entries is full. More parts are more to look into for a client that is rarely in the log; larger
/// ones take more memory for the index of the one that grows, and longer to read at a start.
const PART_ROWS: u64 = 400_000;
/// A part of so many bytes is full, whatever their number.
const PART_BYTES: u64 = 256 << 20;
const PART_BYTES_MIN: u64 = 64 << 10;
/// What the retention drops at once: one part in so many.
const PARTS_IN_RETENTION: u64 = 16;

const HOUR_MS: i64 = 3_600_000;

/// See the module.
pub struct Log {
    directory: PathBuf,
    retention: Retention,
    /// Oldest first; the last one grows. Never empty.
    parts: RwLock<Vec<Arc<Part>>>,
    writer: Mutex<Writer>,
}

struct Writer {
    connection: Connection,
    appended: Vec<Appended>,
    /// When a part was last started because of the age of the one before.
    rotated: Option<Timestamp>,
    /// Gives parts that are full their index.
    sealing: Option<JoinHandle<()>>,
}

impl Log {
    /// Opens the log in a directory, or starts one at the sequence `first`.
    pub fn open(directory: &Path, retention: Retention, first: u64) -> Result<Self, JournalError> {
        let mut found = parts_in(directory)?;
        let newest = found.pop();
        let mut parts = Vec::with_capacity(found.len() + 2);
        for (base, path) in found {
            parts.push(Arc::new(Part::open(path, base)?.0));
        }
        let (growing, connection) = match newest {
            Some((base, path)) => {
                let (part, connection) = Part::open(path, base)?;
                let end = part.end();
                if end < first || part.is_sealed() {
                    // What came behind it was moved away; if `first` is later, the states were made from that, too.
                    parts.push(Arc::new(part));
                    Part::create(directory, first.max(end))?
                } else {
                    (part, connection)
                }
            }
            None => Part::create(directory, first)?,
        };
        parts.push(Arc::new(growing));
        for pair in parts.windows(2) {
            if let [before, after] = pair
                && before.end() != after.base
            {
                tracing::warn!(
                    before = %before.path().display(), after = %after.path().display(),
                    "entries of the log are missing between these files"
                );
            }
        }
        let full = parts.split_last().map_or(&[][..], |(_, full)| full);
        let unsealed: Vec<_> = full.iter().filter(|part| !part.is_sealed()).map(Arc::clone).collect();
        let sealing = if unsealed.is_empty() { None } else { seal_beside(unsealed) };
        let writer = Mutex::new(Writer { connection, appended: Vec::new(), rotated: None, sealing });
        Ok(Self { directory: directory.to_owned(), retention, parts: RwLock::new(parts), writer })
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn parts(&self) -> Vec<Arc<Part>> {
        self.parts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The part that grows.
    fn growing(&self) -> Option<Arc<Part>> {
        self.parts.read().unwrap_or_else(PoisonError::into_inner).last().map(Arc::clone)
    }

    /// The sequence behind the last entry.
    pub fn end(&self) -> u64 {
        self.growing().map_or(0, |part| part.end())
    }

    /// How many entries there are from a sequence on.
    pub fn rows_from(&self, sequence: u64) -> u64 {
        self.end().saturating_sub(sequence)
    }

    /// Bytes on the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.parts().iter().map(|part| part.disk_bytes()).sum()
    }

    /// Appends the events that belong to the log. When this returns, they are on the disk; after an error none is.
    /// Returns how many it was.
    pub fn append(&self, events: &[ConnectionEvent]) -> Result<u64, JournalError> {
        let mut writer = self.writer();
        let Some(mut part) = self.growing() else {
            return Err(JournalError::Failed("the log is closed".to_owned()));
        };
        if part.summary().rows >= PART_ROWS || part.disk_bytes() >= self.part_bytes() {
            part = self.rotate(&mut writer, &part)?;
        }
        let Writer { connection, appended, .. } = &mut *writer;
        appended.clear();
        insert(connection, part.end(), events, appended).map_err(|error| failed(part.path(), &error))?;
        part.publish(appended);
        Ok(appended.len() as u64)
    }

    fn part_bytes(&self) -> u64 {
        let share = self.retention.max_bytes.map(|bytes| bytes / PARTS_IN_RETENTION);
        share.map_or(PART_BYTES, |share| share.clamp(PART_BYTES_MIN, PART_BYTES))
    }

    /// Starts a new part behind the one that was growing, and returns it.
    fn rotate(&self, writer: &mut Writer, full: &Arc<Part>) -> Result<Arc<Part>, JournalError> {
        let (part, connection) = Part::create(&self.directory, full.end())?;
        let part = Arc::new(part);
        self.parts.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&part));
        writer.connection = connection;
        // At most one index is built at a time; whoever fills a part sooner waits.
        if let Some(sealing) = writer.sealing.take() {
            wait_for(sealing);
        }
        writer.sealing = seal_beside(vec![Arc::clone(full)]);
        Ok(part)
    }

    /// Drops the oldest parts while they are too old or all are too large, but none that has entries from the sequence
    /// `needed` on.
    pub fn retain(&self, now: Timestamp, needed: u64) -> Result<(), JournalError> {
        if let Some(age_ms) = self.retention.max_age_ms {
            self.rotate_when_old(now, age_ms)?;
        }
        let expired = self.retention.max_age_ms.map(|age_ms| now.plus_ms(-age_ms).millis());
        loop {
            let bytes = self.disk_bytes();
            let oldest = {
                let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
                let is_surplus = self.retention.max_bytes.is_some_and(|max| bytes > max);
                let [oldest, _, ..] = &parts[..] else { return Ok(()) };
                let is_expired = expired.is_some_and(|expired| oldest.summary().newest < expired);
                // A part without its index is being given it.
                if oldest.end() > needed || !oldest.is_sealed() || !(is_surplus || is_expired) {
                    return Ok(());
                }
                parts.remove(0)
            };
            oldest.remove().map_err(|error| {
                JournalError::Failed(format!("cannot remove {}: {error}", oldest.path().display()))
            })?;
            tracing::info!(path = %oldest.path().display(), "dropped the oldest part of the log");
        }
    }

    /// On a quiet server a part would never be full; so that its oldest entries can go, another one is started. Not more
    /// often than once an hour: a source that catches up sends nothing but old entries.
    fn rotate_when_old(&self, now: Timestamp, age_ms: i64) -> Result<(), JournalError> {
        let share_ms = age_ms / PARTS_IN_RETENTION.cast_signed();
        let mut writer = self.writer();
        let pause_ms = share_ms.min(HOUR_MS);
        if writer.rotated.is_some_and(|rotated| now < rotated.plus_ms(pause_ms)) {
            return Ok(());
        }
        let growing = self.growing().filter(|part| part.summary().rows > 0);
        if let Some(part) = growing.filter(|part| part.summary().oldest < now.plus_ms(-share_ms).millis()) {
            self.rotate(&mut writer, &part)?;
            writer.rotated = Some(now);
        }
        Ok(())
    }

    /// Calls `see` with each entry from the sequence `from` on, in the order in which they were appended, until it
    /// says `false`.
    pub fn each(&self, from: u64, see: &mut dyn FnMut(ConnectionEvent) -> bool) -> Result<(), JournalError> {
        for part in self.parts() {
            if part.end() > from && !part.each(from, see)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Calls `see` with the hash of the client of each entry from the sequence `from` on.
    pub fn each_client(&self, from: u64, see: &mut dyn FnMut(u64)) -> Result<(), JournalError> {
        let parts = self.parts();
        parts.iter().filter(|part| part.end() > from).try_for_each(|part| part.each_client(from, see))
    }

    /// Calls `see` with each entry of a range of time, in the order in which they were appended, until it says `false`.
    pub fn replay(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        see: &mut dyn FnMut(ConnectionEvent) -> bool,
    ) -> Result<(), JournalError> {
        let (from, to) = (from.map_or(i64::MIN, Timestamp::millis), to.map_or(i64::MAX, Timestamp::millis));
        let mut see = |event: ConnectionEvent| !(from..to).contains(&event.time.millis()) || see(event);
        for part in self.parts() {
            let summary = part.summary();
            if summary.newest >= from && summary.oldest < to && !part.each(0, &mut see)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One page of a client's log.
    pub fn page(&self, query: &LogQuery) -> Result<LogPage, JournalError> {
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        // One entry more than asked for tells whether there is a next page.
        let enough = limit.saturating_add(offset).saturating_add(1);
        let wanted = Wanted::of(query, enough);
        let mut parts: Vec<_> = self.parts().into_iter().map(|part| (part.summary(), part)).collect();
        parts.retain(|(summary, _)| summary.newest >= wanted.from && summary.oldest <= wanted.to);
        parts.sort_by_key(|(summary, part)| (summary.newest, part.base));
        let mut found: Vec<(LogCursor, ConnectionEvent)> = Vec::new();
        while let Some((summary, part)) = parts.pop() {
            // What is left is older than all that is needed.
            if found.get(enough - 1).is_some_and(|(cursor, _)| cursor.time.millis() > summary.newest) {
                break;
            }
            let newest = part.newest(&wanted)?;
            let cursor = |sequence, event: &ConnectionEvent| LogCursor { time: event.time, sequence };
            found.extend(newest.into_iter().map(|(sequence, event)| (cursor(sequence, &event), event)));
            found.sort_by_key(|(cursor, _)| std::cmp::Reverse((cursor.time, cursor.sequence)));
            found.truncate(enough);
        }
        let last = found.get(enough.saturating_sub(2)).filter(|_| found.len() == enough && limit > 0);
        let next = last.map(|(cursor, _)| *cursor);
        let page = found.iter().skip(offset).take(limit);
        Ok(LogPage { entries: page.filter_map(|(_, event)| LogEntry::from_event(event)).collect(), next })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(sealing) = self.writer().sealing.take() {
            wait_for(sealing);
        }
    }
}

/// Inserts the events that belong to the log, from a sequence on, and notes them in `appended`.
fn insert(
    connection: &mut Connection,
    first: u64,
    events: &[ConnectionEvent],
    appended: &mut Vec<Appended>,
) -> Result<(), rusqlite::Error> {
    let transaction = database::begin(connection)?;
    let mut sequence = first.cast_signed();
    for event in events {
        let client = row::client_hash(&event.client_id);
        if let Some(kind) = row::insert(&transaction, sequence, client, event)? {
            appended.push(Appended { client, time: event.time.millis(), kind });
            sequence += 1;
        }
    }
    transaction.commit()
}

/// Gives parts their index beside everything else.
fn seal_beside(parts: Vec<Arc<Part>>) -> Option<JoinHandle<()>> {
    let seal = move || {
        for part in parts {
            if let Err(error) = part.seal() {
                // It answers from memory until the next start, which tries again.
                tracing::error!(%error, "a part of the log could not be given its index");
            }
        }
    };
    std::thread::Builder::new()
        .name("log-index".to_owned())
        .spawn(seal)
        .inspect_err(|error| tracing::warn!(%error, "no thread to build an index of the log"))
        .ok()
}

fn wait_for(sealing: JoinHandle<()>) {
    if sealing.join().is_err() {
        tracing::error!("building an index of the log panicked; the next start builds it again");
    }
}
