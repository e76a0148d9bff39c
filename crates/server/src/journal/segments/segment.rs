//! One stretch of the log: a file of events and its index. Only the newest segment grows; the others never change
//! and go as a whole when they are too old. Called by [`super::log`].

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use prost::Message as _;

use super::block::{self, AppendFile, BlockError, FILE_HEAD, Scanner};
use super::index::{Bounds, DiskIndex, Entry, Index, MemoryIndex, Summary};
use super::record::{EventKeys, EventRecord};
use crate::fleet::text_hash;

pub const KIND: [u8; 4] = *b"LOGS";

/// See the module.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    file: Arc<File>,
    /// The sequence of the file's first byte: sequences are places in one endless file.
    pub base: u64,
    /// How many bytes of the file count.
    len: AtomicU64,
    index: RwLock<Index>,
}

impl Segment {
    /// Makes an empty segment.
    pub fn create(directory: &Path, base: u64) -> std::io::Result<(Self, AppendFile)> {
        let path = directory.join(format!("log-{base:020}.seg"));
        let file = AppendFile::create(&path, KIND)?;
        let segment = Self {
            path,
            file: Arc::clone(&file.file),
            base,
            len: AtomicU64::new(file.len),
            index: RwLock::new(Index::Memory(MemoryIndex::new())),
        };
        Ok((segment, file))
    }

    /// Opens a segment that no longer grows; builds its index when there is none that fits.
    pub fn open_full(path: &Path, base: u64) -> Result<Self, BlockError> {
        let io = BlockError::io(path);
        let file = File::open(path).map_err(&io)?;
        let len = file.metadata().map_err(&io)?.len();
        let index = match DiskIndex::open(&path.with_extension("idx"), len) {
            Some(index) => Index::Disk(index),
            None => {
                tracing::info!(path = %path.display(), "building the index of a part of the log");
                match scan(path, &file)? {
                    (index, None) => Index::Memory(index),
                    (_, Some(torn)) => return Err(BlockError::damaged(path, torn, "its end is missing")),
                }
            }
        };
        let segment = Self {
            path: path.to_owned(),
            file: Arc::new(file),
            base,
            len: AtomicU64::new(len),
            index: RwLock::new(index),
        };
        segment.seal();
        Ok(segment)
    }

    /// Opens the segment that grows. What a crash tore off at its end is put aside and cut off.
    pub fn open_growing(path: &Path, base: u64) -> Result<(Self, AppendFile), BlockError> {
        let io = BlockError::io(path);
        let file = File::options().read(true).write(true).open(path).map_err(&io)?;
        let (index, len) = match scan(path, &file) {
            Ok((index, None)) => (index, file.metadata().map_err(&io)?.len()),
            Ok((index, Some(torn))) => {
                cut(path, &file, torn)?;
                (index, torn)
            }
            Err(error) => return Err(error),
        };
        let file = if len == 0 {
            // The crash came before the file's head was written.
            AppendFile::create(path, KIND).map_err(&io)?
        } else {
            AppendFile::at(path, file, len)
        };
        let segment = Self {
            path: path.to_owned(),
            file: Arc::clone(&file.file),
            base,
            len: AtomicU64::new(file.len),
            index: RwLock::new(Index::Memory(index)),
        };
        Ok((segment, file))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in the file that count.
    pub fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    pub fn is_empty(&self) -> bool {
        self.len() <= FILE_HEAD as u64
    }

    /// The sequence behind the last entry.
    pub fn end(&self) -> u64 {
        self.base + self.len()
    }

    /// Bytes on the disk, with the index.
    pub fn disk_bytes(&self) -> u64 {
        self.len() + self.summary().rows * 16
    }

    pub fn summary(&self) -> Summary {
        self.index.read().unwrap_or_else(PoisonError::into_inner).summary()
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes entries visible that were written up to `len`.
    pub fn publish(&self, entries: &[(u32, Entry)], len: u64) {
        if let Index::Memory(index) = &mut *self.index_mut() {
            for (hash, entry) in entries {
                index.push(*hash, *entry);
            }
        }
        self.len.store(len, Ordering::Release);
    }

    /// Moves the index of a full segment from memory to the disk. If that fails, it stays in memory.
    pub fn seal(&self) {
        let path = self.path.with_extension("idx");
        let written = match &*self.index.read().unwrap_or_else(PoisonError::into_inner) {
            Index::Memory(index) => index.write(&path, self.len()),
            Index::Disk(_) => return,
        };
        if let Err(error) = written {
            tracing::warn!(%error, path = %path.display(), "cannot write an index of the log; it stays in memory");
        } else if let Some(index) = DiskIndex::open(&path, self.len()) {
            *self.index_mut() = Index::Disk(index);
        }
    }

    /// At most `max` places of entries under this hash, newest first.
    pub fn newest(&self, hash: u32, bounds: &Bounds, max: usize) -> Result<Vec<Entry>, BlockError> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).newest(hash, bounds, max)
    }

    pub fn read(&self, offset: u32) -> Result<EventRecord, BlockError> {
        block::read_record(&self.path, &self.file, u64::from(offset))
    }

    /// Calls `see` with the sequence and the bytes of each entry from `from` on, until it says `false`. Returns
    /// whether it never did.
    pub fn each(&self, from: u64, see: &mut See<'_>) -> Result<bool, BlockError> {
        let Some(mut scanner) = Scanner::open(&self.path, &self.file, KIND)? else { return Ok(true) };
        scanner.file_len = self.len();
        while let Some(block) = scanner.next_block()? {
            for (position, bytes) in block.records() {
                if self.base + position >= from && !see(self.base + position, bytes)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    pub fn decode<M: prost::Message + Default>(&self, sequence: u64, bytes: &[u8]) -> Result<M, BlockError> {
        let damaged = |error: prost::DecodeError| {
            BlockError::damaged(&self.path, sequence - self.base, error.to_string())
        };
        M::decode(bytes).map_err(damaged)
    }

    /// Removes the files.
    pub fn remove(&self) -> std::io::Result<()> {
        std::fs::remove_file(&self.path)?;
        match std::fs::remove_file(self.path.with_extension("idx")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => block::sync_directory_of(&self.path),
        }
    }
}

/// Is given the sequence and the bytes of an entry; says whether to go on.
type See<'a> = dyn FnMut(u64, &[u8]) -> Result<bool, BlockError> + 'a;

/// What stands for a client in an index.
pub fn client_hash(id: &str) -> u32 {
    let hash = text_hash([id]);
    (hash ^ (hash >> 32)) as u32
}

/// Builds the index of a file. A block at its end that a crash may have torn is not an error: its place is returned.
fn scan(path: &Path, file: &File) -> Result<(MemoryIndex, Option<u64>), BlockError> {
    let mut index = MemoryIndex::new();
    let Some(mut scanner) = Scanner::open(path, file, KIND)? else { return Ok((index, Some(0))) };
    loop {
        let at = scanner.position;
        match scanner.advance() {
            Ok(false) => return Ok((index, None)),
            Ok(true) => {
                for (position, bytes) in scanner.block(at).records() {
                    let keys = EventKeys::decode(bytes)
                        .map_err(|error| BlockError::damaged(path, position, error.to_string()))?;
                    let (hash, entry) = keys_entry(&keys, position);
                    index.push(hash, entry);
                }
            }
            Err(BlockError::Damaged { .. }) if !scanner.has_block_after(at)? => return Ok((index, Some(at))),
            Err(error) => return Err(error),
        }
    }
}

fn keys_entry(keys: &EventKeys, position: u64) -> (u32, Entry) {
    let entry = Entry { time: keys.time, kind: (keys.kind & 3) as u8, offset: position as u32 };
    (client_hash(&keys.client), entry)
}

/// Cuts off what lies behind `len`, and keeps it in a file of its own: it was never acknowledged, unless the disk
/// itself has lost it.
fn cut(path: &Path, file: &File, len: u64) -> Result<(), BlockError> {
    use std::os::unix::fs::FileExt;
    let io = BlockError::io(path);
    let end = file.metadata().map_err(&io)?.len();
    let mut tail = vec![0; usize::try_from(end.saturating_sub(len)).unwrap_or(0)];
    file.read_exact_at(&mut tail, len).map_err(&io)?;
    if tail.iter().any(|byte| *byte != 0) {
        let aside = path.with_extension(format!("torn-{len}"));
        std::fs::write(&aside, &tail).map_err(BlockError::io(&aside))?;
        tracing::warn!(
            path = %path.display(), bytes = tail.len(), aside = %aside.display(),
            "the log ended within a block, as after a crash; the rest of it was put aside"
        );
    }
    file.set_len(len).and_then(|()| file.sync_all()).map_err(&io)
}
