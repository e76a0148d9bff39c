//! The log: every event that is kept, in segments of one endless file.
//!
//! An append is one write and one `fdatasync`; nothing else is touched, and an index is sorted and written once for a
//! whole segment, by a thread of its own. A client's entries are merged from the segments, newest first, whatever
//! order they came in. Retention drops the oldest segments. Called by [`super::SegmentJournal`].

use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use rollcall_model::log::LogEntry;
use rollcall_model::{ConnectionEvent, Timestamp};

use super::super::{JournalError, LogCursor, LogPage, LogQuery, Retention};
use super::block::{AppendFile, Encoder};
use super::index::{Bounds, Entry};
use super::record::{EventRecord, kind_mask};
use super::segment::{Segment, client_hash};
use super::{files_named, opening};

/// A segment is full when it has so many entries or so many bytes.
pub const SEGMENT_ROWS: u64 = 1 << 19;
const SEGMENT_BYTES: u64 = 64 << 20;
/// So many segments share the size and the time that is allowed, so that dropping one is a small step.
const SEGMENTS_IN_RETENTION: u64 = 16;
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// A batch must fit into one segment, whose places are 32-bit numbers.
const BATCH_BYTES_MAX: usize = 1 << 31;
/// How many places are looked up in a segment at once.
const LOOKUP_MAX: usize = 128;

/// See the module.
pub struct Log {
    retention: Retention,
    /// Oldest first; the last one grows. Never empty.
    segments: RwLock<Vec<Arc<Segment>>>,
    writer: Mutex<Writer>,
}

struct Writer {
    file: AppendFile,
    encoder: Encoder,
    entries: Vec<(u32, Entry)>,
    /// When a segment was last started because of the age of the one before.
    rotated: Option<Timestamp>,
    /// Builds the index of a segment that has become full.
    sealing: Option<JoinHandle<()>>,
}

impl Log {
    /// Opens the log in a directory, or starts one at the sequence `first`.
    pub fn open(directory: &Path, retention: Retention, first: u64) -> Result<Self, JournalError> {
        let create = || Segment::create(directory, first).map_err(|error| cannot_create(directory, &error));
        let mut found = files_named(directory, "log-", ".seg")?;
        let newest = found.pop();
        let mut segments = Vec::with_capacity(found.len() + 2);
        for (base, path) in found {
            segments.push(Arc::new(Segment::open_full(&path, base).map_err(opening)?));
        }
        let (growing, file) = match newest {
            Some((base, path)) => {
                let (segment, file) = Segment::open_growing(&path, base).map_err(opening)?;
                if segment.end() < first {
                    // What came behind it was moved away; the states were made from that, too.
                    segment.seal();
                    segments.push(Arc::new(segment));
                    create()?
                } else {
                    (segment, file)
                }
            }
            None => create()?,
        };
        segments.push(Arc::new(growing));
        for pair in segments.windows(2) {
            if let [before, after] = pair
                && before.end() != after.base
            {
                tracing::warn!(
                    before = %before.path().display(), after = %after.path().display(),
                    "entries of the log are missing between these files"
                );
            }
        }
        let writer =
            Writer { file, encoder: Encoder::default(), entries: Vec::new(), rotated: None, sealing: None };
        Ok(Self { retention, segments: RwLock::new(segments), writer: Mutex::new(writer) })
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The segment that grows.
    fn growing(&self) -> Option<Arc<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).last().map(Arc::clone)
    }

    /// The sequence behind the last entry.
    pub fn end(&self) -> u64 {
        self.growing().map_or(0, |segment| segment.end())
    }

    /// About how many entries there are from a sequence on.
    pub fn rows_from(&self, sequence: u64) -> u64 {
        let rows = |segment: &Arc<Segment>| {
            let part = segment.end().saturating_sub(sequence).min(segment.len());
            u128::from(segment.summary().rows) * u128::from(part) / u128::from(segment.len().max(1))
        };
        self.segments().iter().map(|segment| u64::try_from(rows(segment)).unwrap_or(u64::MAX)).sum()
    }

    /// Bytes on the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.segments().iter().map(|segment| segment.disk_bytes()).sum()
    }

    /// Appends the events that belong to the log. When this returns, they are on the disk; after an error none is.
    /// Returns how many it was.
    pub fn append(&self, events: &[ConnectionEvent]) -> Result<u64, JournalError> {
        let mut writer = self.writer();
        let mut segment = self.growing().ok_or_else(|| failed("the log is closed"))?;
        if segment.summary().rows >= SEGMENT_ROWS || segment.len() >= self.segment_bytes() {
            segment = self.rotate(&mut writer, &segment)?;
        }
        let Writer { file, encoder, entries, .. } = &mut *writer;
        encoder.start(file.len);
        entries.clear();
        for event in events {
            let Some(record) = EventRecord::of(event) else { continue };
            let offset = encoder.push(&record) as u32;
            let entry = Entry { time: event.time.millis(), kind: record.kind_bits(), offset };
            entries.push((client_hash(&event.client_id), entry));
            if encoder.bytes.len() > BATCH_BYTES_MAX {
                return Err(failed("a batch of events is larger than 2 GB"));
            }
        }
        encoder.close();
        if entries.is_empty() {
            return Ok(0);
        }
        file.append(&encoder.bytes).map_err(|error| cannot_write(&file.path, &error))?;
        segment.publish(entries, file.len);
        Ok(entries.len() as u64)
    }

    fn segment_bytes(&self) -> u64 {
        let share = self.retention.max_bytes.map(|bytes| bytes / SEGMENTS_IN_RETENTION);
        share.map_or(SEGMENT_BYTES, |share| share.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES))
    }

    /// Starts a new segment behind the one that was growing, and returns it.
    fn rotate(&self, writer: &mut Writer, full: &Arc<Segment>) -> Result<Arc<Segment>, JournalError> {
        writer.file.settle().map_err(|error| cannot_write(&writer.file.path, &error))?;
        let directory = full.path().parent().unwrap_or(Path::new("."));
        let (segment, file) =
            Segment::create(directory, full.end()).map_err(|error| cannot_create(directory, &error))?;
        let segment = Arc::new(segment);
        self.segments.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&segment));
        writer.file = file;
        // At most one index is built at a time; whoever fills a segment sooner waits.
        if let Some(sealing) = writer.sealing.take() {
            wait_for(sealing);
        }
        let full = Arc::clone(full);
        match std::thread::Builder::new().name("log-index".to_owned()).spawn(move || full.seal()) {
            Ok(sealing) => writer.sealing = Some(sealing),
            Err(error) => tracing::warn!(%error, "no thread to build an index of the log"),
        }
        Ok(segment)
    }

    /// Drops the oldest segments while they are too old or all are too large, but none that has entries from the
    /// sequence `needed` on.
    pub fn retain(&self, now: Timestamp, needed: u64) -> Result<(), JournalError> {
        if let Some(age_ms) = self.retention.max_age_ms {
            self.rotate_when_old(now, age_ms)?;
        }
        let expired = self.retention.max_age_ms.map(|age_ms| now.plus_ms(-age_ms).millis());
        loop {
            let oldest = {
                let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
                let bytes: u64 = segments.iter().map(|segment| segment.disk_bytes()).sum();
                let is_surplus = self.retention.max_bytes.is_some_and(|max| bytes > max);
                let [oldest, _, ..] = &segments[..] else { return Ok(()) };
                let is_expired = expired.is_some_and(|expired| oldest.summary().newest < expired);
                if oldest.end() > needed || !(is_surplus || is_expired) {
                    return Ok(());
                }
                segments.remove(0)
            };
            // Whoever is reading it still can: the file goes when the last reader closes it.
            oldest.remove().map_err(|error| cannot_write(oldest.path(), &error))?;
            tracing::info!(path = %oldest.path().display(), "dropped the oldest part of the log");
        }
    }

    /// On a quiet server a segment would never be full; so that its oldest entries can go, another one is started.
    /// Not more often than once an hour: a source that catches up sends nothing but old entries.
    fn rotate_when_old(&self, now: Timestamp, age_ms: i64) -> Result<(), JournalError> {
        let share_ms = age_ms / SEGMENTS_IN_RETENTION.cast_signed();
        let is_old = |segment: &Arc<Segment>| segment.summary().oldest < now.plus_ms(-share_ms).millis();
        let mut writer = self.writer();
        let pause_ms = share_ms.min(3_600_000);
        if writer.rotated.is_some_and(|rotated| now < rotated.plus_ms(pause_ms)) {
            return Ok(());
        }
        if let Some(segment) = self.growing().filter(is_old).filter(|segment| !segment.is_empty()) {
            self.rotate(&mut writer, &segment)?;
            writer.rotated = Some(now);
        }
        Ok(())
    }

    /// Calls `see` with each entry from the sequence `from` on, in the order in which they were appended, until it
    /// says `false`.
    pub fn each(&self, from: u64, see: &mut dyn FnMut(ConnectionEvent) -> bool) -> Result<(), JournalError> {
        for segment in self.segments() {
            if segment.end() <= from {
                continue;
            }
            let mut unreadable = None;
            let goes_on = segment.each(from, &mut |sequence, bytes| match segment
                .decode::<EventRecord>(sequence, bytes)?
                .into_event()
            {
                Ok(event) => Ok(see(event)),
                Err(error) => {
                    unreadable = Some(error);
                    Ok(false)
                }
            });
            match unreadable {
                Some(error) => return Err(error),
                None if goes_on? => {}
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// One page of a client's log.
    pub fn page(&self, query: &LogQuery) -> Result<LogPage, JournalError> {
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let mut merge = Merge::new(self.segments(), query);
        let mut page = LogPage { entries: Vec::new(), next: None };
        let mut skip = query.offset;
        let mut last = None;
        while let Some((cursor, event)) = merge.next()? {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            // One entry more than asked for tells whether there is a next page.
            if page.entries.len() == limit {
                page.next = last;
                break;
            }
            last = Some(cursor);
            page.entries.extend(LogEntry::from_event(&event));
        }
        Ok(page)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(sealing) = self.writer().sealing.take() {
            wait_for(sealing);
        }
    }
}

fn wait_for(sealing: JoinHandle<()>) {
    if sealing.join().is_err() {
        tracing::error!("building an index of the log panicked; the next start builds it again");
    }
}

/// The entries of one client from all segments, newest first.
struct Merge<'a> {
    query: &'a LogQuery,
    hash: u32,
    kinds: u32,
    before: (i64, u64),
    lookup: usize,
    /// Not looked into yet; the one with the newest entries last.
    unopened: Vec<(i64, Arc<Segment>)>,
    opened: BinaryHeap<Run>,
}

/// What was found in one segment.
struct Run {
    /// The next entry: its time and sequence. First, because runs are ordered by it.
    head: (i64, u64),
    segment: Arc<Segment>,
    /// Oldest first.
    entries: Vec<Entry>,
    /// Whether the segment may have more than was looked up.
    is_partial: bool,
}

impl<'a> Merge<'a> {
    fn new(segments: Vec<Arc<Segment>>, query: &'a LogQuery) -> Self {
        let before = query
            .after
            .map_or((i64::MAX, u64::MAX), |cursor| (cursor.time.millis(), cursor.sequence.cast_unsigned()));
        let (from, to) = range(query);
        let mut unopened: Vec<_> = segments
            .into_iter()
            .map(|segment| (segment.summary(), segment))
            .filter(|(summary, _)| summary.newest >= from && summary.oldest <= to.min(before.0))
            .map(|(summary, segment)| (summary.newest, segment))
            .collect();
        unopened.sort_by_key(|(newest, segment)| (*newest, segment.base));
        let wanted = u64::from(query.limit) + u64::from(query.offset) + 1;
        let lookup = usize::try_from(wanted).unwrap_or(LOOKUP_MAX).min(LOOKUP_MAX);
        let (hash, kinds) = (client_hash(&query.client_id), kind_mask(&query.events));
        Self { query, hash, kinds, before, lookup, unopened, opened: BinaryHeap::new() }
    }

    fn next(&mut self) -> Result<Option<(LogCursor, ConnectionEvent)>, JournalError> {
        loop {
            while let Some((newest, segment)) = self.unopened.pop() {
                if self.opened.peek().is_some_and(|run| run.head.0 > newest) {
                    self.unopened.push((newest, segment));
                    break;
                }
                self.look_up(segment, self.before)?;
            }
            let Some(mut run) = self.opened.pop() else { return Ok(None) };
            let (time, sequence) = run.head;
            let Some(entry) = run.entries.pop() else { continue };
            let segment = Arc::clone(&run.segment);
            if let Some(next) = run.entries.last() {
                run.head = (next.time, segment.base + u64::from(next.offset));
                self.opened.push(run);
            } else if run.is_partial {
                self.look_up(run.segment, run.head)?;
            }
            let record = segment.read(entry.offset)?;
            // Two clients may share a hash.
            if record.client() == self.query.client_id {
                let cursor =
                    LogCursor { time: Timestamp::from_millis(time), sequence: sequence.cast_signed() };
                return Ok(Some((cursor, record.into_event()?)));
            }
        }
    }

    fn look_up(&mut self, segment: Arc<Segment>, before: (i64, u64)) -> Result<(), JournalError> {
        let (from, to) = range(self.query);
        let offset = u32::try_from(before.1.saturating_sub(segment.base)).unwrap_or(u32::MAX);
        let bounds = Bounds { from, to, before: (before.0, offset), kinds: self.kinds };
        let mut entries = segment.newest(self.hash, &bounds, self.lookup)?;
        let is_partial = entries.len() == self.lookup;
        entries.reverse();
        if let Some(newest) = entries.last() {
            let head = (newest.time, segment.base + u64::from(newest.offset));
            self.opened.push(Run { head, segment, entries, is_partial });
        }
        Ok(())
    }
}

fn range(query: &LogQuery) -> (i64, i64) {
    (query.from.map_or(i64::MIN, Timestamp::millis), query.to.map_or(i64::MAX, Timestamp::millis))
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head
    }
}

impl Eq for Run {}

impl PartialOrd for Run {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Run {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.head.cmp(&other.head)
    }
}

fn failed(what: &str) -> JournalError {
    JournalError::Failed(what.to_owned())
}

fn cannot_write(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Failed(format!("cannot write {}: {error}", path.display()))
}

fn cannot_create(directory: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Failed(format!("cannot start a new file of the log in {}: {error}", directory.display()))
}
