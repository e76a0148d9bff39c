//! Finds the log entries of one client in one segment, newest first.
//!
//! While a segment grows, its index is in memory: a chain of entries for each client. When it is full, the entries
//! are sorted and written once to a file beside it, where a lookup reads one or two stretches of 2 KB. An index can
//! always be built again from its segment, so a damaged one is no loss. Called by [`super::segment`] only.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ahash::HashMap;

use super::block::{BlockError, FILE_HEAD, file_head, sync_directory_of, u32_at};

const KIND: [u8; 4] = *b"INDX";
/// Entries in a stretch of the file; for each stretch a fence is in memory.
const STRETCH: usize = 128;
const ENTRY_BYTES: usize = 16;
const FENCE_BYTES: usize = 8;
const FOOT_BYTES: usize = 36;
const NONE: u32 = u32::MAX;

/// Which entries are wanted. Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub from: i64,
    pub to: i64,
    /// Only entries older than this time, or of this time and before this place.
    pub before: (i64, u32),
    /// One bit for each kind.
    pub kinds: u32,
}

impl Bounds {
    fn is_newer(&self, entry: Entry) -> bool {
        entry.time > self.to || (entry.time, entry.offset) >= self.before
    }

    fn takes(&self, entry: Entry) -> bool {
        self.kinds >> entry.kind & 1 == 1
    }
}

/// Where an entry of the log lies in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub time: i64,
    pub kind: u8,
    pub offset: u32,
}

impl Entry {
    /// Two bits are enough for the kind, and times leave them free.
    const fn packed(self) -> i64 {
        self.time << 2 | self.kind as i64
    }

    const fn unpacked(packed: i64, offset: u32) -> Self {
        Self { time: packed >> 2, kind: (packed & 3) as u8, offset }
    }
}

/// What both kinds of index know of the whole segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    pub rows: u64,
    /// The oldest and the newest time; the former greater than the latter while there are no rows.
    pub oldest: i64,
    pub newest: i64,
}

impl Summary {
    pub const EMPTY: Self = Self { rows: 0, oldest: i64::MAX, newest: i64::MIN };
}

#[derive(Debug, Clone, Copy)]
struct Link {
    packed: i64,
    offset: u32,
    /// The client's entry before this one.
    previous: u32,
}

#[derive(Debug, Clone, Copy)]
struct Chain {
    last: u32,
    /// Whether no entry is older than the one before it, so that a walk may stop early.
    is_sorted: bool,
}

/// The index of a segment that grows.
#[derive(Debug)]
pub struct MemoryIndex {
    links: Vec<Link>,
    chains: HashMap<u32, Chain>,
    pub summary: Summary,
}

impl MemoryIndex {
    pub fn new() -> Self {
        Self { links: Vec::new(), chains: HashMap::default(), summary: Summary::EMPTY }
    }

    pub fn push(&mut self, hash: u32, entry: Entry) {
        let at = self.links.len() as u32;
        let mut previous = NONE;
        self.chains
            .entry(hash)
            .and_modify(|chain| {
                previous = chain.last;
                let before = self.links[previous as usize].packed >> 2;
                *chain = Chain { last: at, is_sorted: chain.is_sorted && before <= entry.time };
            })
            .or_insert(Chain { last: at, is_sorted: true });
        self.links.push(Link { packed: entry.packed(), offset: entry.offset, previous });
        self.summary.rows += 1;
        self.summary.oldest = self.summary.oldest.min(entry.time);
        self.summary.newest = self.summary.newest.max(entry.time);
    }

    /// At most `max` entries under this hash, newest first.
    fn newest(&self, hash: u32, bounds: &Bounds, max: usize) -> Vec<Entry> {
        let Some(chain) = self.chains.get(&hash) else { return Vec::new() };
        let mut found = Vec::new();
        let mut next = chain.last;
        while let Some(link) = self.links.get(next as usize) {
            next = link.previous;
            let entry = Entry::unpacked(link.packed, link.offset);
            if bounds.is_newer(entry) {
                continue;
            }
            if entry.time < bounds.from {
                if chain.is_sorted {
                    break;
                }
                continue;
            }
            if bounds.takes(entry) {
                found.push(entry);
                if chain.is_sorted && found.len() == max {
                    break;
                }
            }
        }
        if !chain.is_sorted {
            found.sort_unstable_by_key(|entry| std::cmp::Reverse((entry.time, entry.offset)));
            found.truncate(max);
        }
        found
    }

    /// Writes the index of the whole segment, whose length is `segment_len`, to a file.
    pub fn write(&self, path: &Path, segment_len: u64) -> io::Result<()> {
        let mut rows = vec![(0_u32, 0_i64, 0_u32); self.links.len()];
        for (hash, chain) in &self.chains {
            let mut next = chain.last;
            while let Some(link) = self.links.get(next as usize) {
                rows[next as usize] = (*hash, link.packed, link.offset);
                next = link.previous;
            }
        }
        rows.sort_unstable_by_key(|(hash, packed, offset)| (*hash, packed >> 2, *offset));
        let temporary = path.with_extension("idx-new");
        let mut out = BufWriter::with_capacity(1 << 18, File::create(&temporary)?);
        out.write_all(&file_head(KIND))?;
        let mut tail = Vec::new();
        for stretch in rows.chunks(STRETCH) {
            let mut bytes = Vec::with_capacity(STRETCH * ENTRY_BYTES);
            for (hash, packed, offset) in stretch {
                bytes.extend_from_slice(&hash.to_le_bytes());
                bytes.extend_from_slice(&offset.to_le_bytes());
                bytes.extend_from_slice(&packed.to_le_bytes());
            }
            tail.extend_from_slice(&bytes[..4]);
            tail.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
            out.write_all(&bytes)?;
        }
        let Summary { rows, oldest, newest } = self.summary;
        for number in [rows, segment_len, oldest.cast_unsigned(), newest.cast_unsigned()] {
            tail.extend_from_slice(&number.to_le_bytes());
        }
        let checksum = crc32fast::hash(&tail);
        tail.extend_from_slice(&checksum.to_le_bytes());
        out.write_all(&tail)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&temporary, path)?;
        sync_directory_of(path)
    }
}

#[derive(Debug, Clone, Copy)]
struct Fence {
    /// Of the first entry of the stretch.
    hash: u32,
    checksum: u32,
}

/// The index of a full segment.
#[derive(Debug)]
pub struct DiskIndex {
    path: PathBuf,
    file: File,
    fences: Vec<Fence>,
    pub summary: Summary,
}

impl DiskIndex {
    /// Opens the index of a segment of this length. `None` when there is none, or none that fits: then it is to be
    /// built again.
    pub fn open(path: &Path, segment_len: u64) -> Option<Self> {
        let file = File::open(path).ok()?;
        let len = usize::try_from(file.metadata().ok()?.len()).ok()?;
        let mut head = [0; FILE_HEAD];
        let mut foot = [0; FOOT_BYTES];
        file.read_exact_at(&mut head, 0).ok()?;
        file.read_exact_at(&mut foot, len.checked_sub(FOOT_BYTES)? as u64).ok()?;
        let rows = u64_at(&foot, 0);
        let stretches = usize::try_from(rows).ok()?.div_ceil(STRETCH);
        let tail_bytes = stretches.checked_mul(FENCE_BYTES)?.checked_add(FOOT_BYTES)?;
        let expected =
            usize::try_from(rows).ok()?.checked_mul(ENTRY_BYTES)?.checked_add(tail_bytes + FILE_HEAD);
        if head != file_head(KIND) || expected != Some(len) || u64_at(&foot, 8) != segment_len {
            return None;
        }
        let mut tail = vec![0; tail_bytes];
        file.read_exact_at(&mut tail, (len - tail_bytes) as u64).ok()?;
        let (summed, checksum) = tail.split_at(tail_bytes - 4);
        if crc32fast::hash(summed) != u32_at(checksum, 0) {
            return None;
        }
        let (fences, _) = tail.split_at(stretches * FENCE_BYTES);
        let fences = fences.chunks_exact(FENCE_BYTES);
        let fences =
            fences.map(|fence| Fence { hash: u32_at(fence, 0), checksum: u32_at(fence, 4) }).collect();
        let summary = Summary {
            rows,
            oldest: u64_at(&foot, 16).cast_signed(),
            newest: u64_at(&foot, 24).cast_signed(),
        };
        Some(Self { path: path.to_owned(), file, fences, summary })
    }

    fn newest(&self, hash: u32, bounds: &Bounds, max: usize) -> Result<Vec<Entry>, BlockError> {
        // The client's entries may start within the stretch before the first one that starts with them.
        let first = self.fences.partition_point(|fence| fence.hash < hash).saturating_sub(1);
        let end = self.fences.partition_point(|fence| fence.hash <= hash);
        let mut found = Vec::new();
        for stretch in (first..end).rev() {
            let bytes = self.stretch(stretch)?;
            for entry in bytes.rchunks_exact(ENTRY_BYTES) {
                if u32_at(entry, 0) != hash {
                    continue;
                }
                let entry = Entry::unpacked(u64_at(entry, 8).cast_signed(), u32_at(entry, 4));
                if entry.time < bounds.from {
                    return Ok(found);
                }
                if !bounds.is_newer(entry) && bounds.takes(entry) {
                    found.push(entry);
                    if found.len() == max {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(found)
    }

    fn stretch(&self, number: usize) -> Result<Vec<u8>, BlockError> {
        let before = number * STRETCH;
        let rows =
            usize::try_from(self.summary.rows).unwrap_or(usize::MAX).saturating_sub(before).min(STRETCH);
        let position = (FILE_HEAD + before * ENTRY_BYTES) as u64;
        let mut bytes = vec![0; rows * ENTRY_BYTES];
        self.file.read_exact_at(&mut bytes, position).map_err(BlockError::io(&self.path))?;
        if self.fences.get(number).is_none_or(|fence| fence.checksum != crc32fast::hash(&bytes)) {
            let reason =
                "the checksum of the index is wrong; remove this file, and the next start makes it again";
            return Err(BlockError::damaged(&self.path, position, reason));
        }
        Ok(bytes)
    }
}

/// The index of a segment.
#[derive(Debug)]
pub enum Index {
    Memory(MemoryIndex),
    Disk(DiskIndex),
}

impl Index {
    /// At most `max` entries under this hash, newest first.
    pub fn newest(&self, hash: u32, bounds: &Bounds, max: usize) -> Result<Vec<Entry>, BlockError> {
        match self {
            Self::Memory(index) => Ok(index.newest(hash, bounds, max)),
            Self::Disk(index) => index.newest(hash, bounds, max),
        }
    }

    pub const fn summary(&self) -> Summary {
        match self {
            Self::Memory(index) => index.summary,
            Self::Disk(index) => index.summary,
        }
    }
}

/// The little-endian number at `at`, which must lie within the bytes.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
