//! Files that grow at their end: blocks of records, each block with a checksum and the place where it belongs.
//!
//! A block is on the disk whole or not at all: one that was torn by a crash has a wrong checksum and is cut off when
//! the file is opened again. A record has a checksum of its own, because the log reads single records. The log and
//! the states write with [`Encoder`] and [`AppendFile`] and read with [`Scanner`]. Nothing here knows what a record
//! means.
//!
//! ```text
//! file   = "ROLLCALL", kind (4 bytes), layout (u32), block …
//! block  = "BLK1", payload length (u32), records (u32), checksum (u32) of these two, the position and the payload, position (u64)
//! payload = record …          record = length (u32), checksum (u32), bytes
//! ```
//! Numbers are little-endian; the position is that of the block in its file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use prost::Message;

const FILE_MAGIC: &[u8; 8] = b"ROLLCALL";
const BLOCK_MAGIC: &[u8; 4] = b"BLK1";
const LAYOUT: u32 = 2;
pub const FILE_HEAD: usize = 16;
const BLOCK_HEAD: usize = 24;
const RECORD_HEAD: usize = 8;
/// A block is closed when its payload has so many bytes.
const BLOCK_FULL: usize = 256 * 1024;
/// How much is read at once of a single record; most are shorter.
const RECORD_GUESS: usize = 512;

/// Why a file cannot be read, and from which byte on.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    #[error("{path}: {reason}")]
    Io { path: String, reason: io::Error },
    #[error("{path} is damaged at byte {position}: {reason}")]
    Damaged { path: String, position: u64, reason: String },
    #[error("{path} has layout {layout}; this version reads layout {LAYOUT}")]
    Layout { path: String, layout: u32 },
}

impl BlockError {
    pub fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.display().to_string();
        move |reason| Self::Io { path: path.clone(), reason }
    }

    pub fn damaged(path: &Path, position: u64, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.display().to_string(), position, reason: reason.into() }
    }
}

/// The first bytes of a file of this kind.
pub fn file_head(kind: [u8; 4]) -> [u8; FILE_HEAD] {
    let mut head = [0; FILE_HEAD];
    head[..8].copy_from_slice(FILE_MAGIC);
    head[8..12].copy_from_slice(&kind);
    head[12..].copy_from_slice(&LAYOUT.to_le_bytes());
    head
}

/// Puts records into blocks, in memory.
#[derive(Debug, Default)]
pub struct Encoder {
    /// What is to be written.
    pub bytes: Vec<u8>,
    /// Where in the file the first of the bytes belongs.
    base: u64,
    /// Where in the bytes the open block starts.
    open: Option<usize>,
    records: u32,
}

impl Encoder {
    /// Starts over; the next block will lie at `base` of its file.
    pub fn start(&mut self, base: u64) {
        self.bytes.clear();
        // One huge batch must not hold its memory for ever.
        self.bytes.shrink_to(4 * BLOCK_FULL);
        (self.base, self.open, self.records) = (base, None, 0);
    }

    /// Adds a record and says where in the file it will lie.
    pub fn push(&mut self, record: &impl Message) -> u64 {
        if self.open.is_some_and(|start| self.bytes.len() - start > BLOCK_FULL) {
            self.close();
        }
        if self.open.is_none() {
            self.open = Some(self.bytes.len());
            self.bytes.extend_from_slice(&[0; BLOCK_HEAD]);
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; RECORD_HEAD]);
        let encoded = record.encode(&mut self.bytes);
        debug_assert!(encoded.is_ok(), "a vector has room for everything");
        let body = at + RECORD_HEAD;
        let length = (self.bytes.len() - body) as u32;
        let checksum = crc32fast::hash(&self.bytes[body..]);
        self.bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        self.bytes[at + 4..body].copy_from_slice(&checksum.to_le_bytes());
        self.records += 1;
        self.base + at as u64
    }

    /// Closes the open block, if there is one. Without this its records do not count.
    pub fn close(&mut self) {
        let Some(start) = self.open.take() else { return };
        let position = self.base + start as u64;
        let (head, payload) = self.bytes[start..].split_at_mut(BLOCK_HEAD);
        let length = payload.len() as u32;
        head[..4].copy_from_slice(BLOCK_MAGIC);
        head[4..8].copy_from_slice(&length.to_le_bytes());
        head[8..12].copy_from_slice(&self.records.to_le_bytes());
        head[12..16].copy_from_slice(&block_checksum(length, self.records, position, payload).to_le_bytes());
        head[16..].copy_from_slice(&position.to_le_bytes());
        self.records = 0;
    }
}

fn block_checksum(length: u32, records: u32, position: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&records.to_le_bytes());
    hasher.update(&position.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// A file that blocks are appended to.
#[derive(Debug)]
pub struct AppendFile {
    pub path: PathBuf,
    pub file: std::sync::Arc<File>,
    /// Where the last whole block ends.
    pub len: u64,
    /// A write failed, so there may be something behind `len`.
    torn: bool,
}

impl AppendFile {
    /// Makes a new file, durably. One of that name must not exist, or hold nothing but its head.
    pub fn create(path: &Path, kind: [u8; 4]) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if file.metadata()?.len() > FILE_HEAD as u64 {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        file.write_all_at(&file_head(kind), 0)?;
        file.sync_all()?;
        sync_directory_of(path)?;
        Ok(Self::at(path, file, FILE_HEAD as u64))
    }

    /// Goes on with a file whose last whole block ends at `len`.
    pub fn at(path: &Path, file: File, len: u64) -> Self {
        Self { path: path.to_owned(), file: std::sync::Arc::new(file), len, torn: false }
    }

    /// Cuts off what a failed write may have left behind.
    pub fn settle(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.len)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Writes the bytes behind the last block; when this returns, they are on the disk. After an error nothing of
    /// them counts, and the next call writes at the same place.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.settle()?;
        self.torn = true;
        let written = self.file.write_all_at(bytes, self.len).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Gives the space back at once; if even that fails, the next call does it.
            self.torn = self.file.set_len(self.len).is_err();
            return Err(error);
        }
        self.torn = false;
        self.len += bytes.len() as u64;
        Ok(())
    }
}

/// Makes the name of a new, renamed or removed file durable.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Reads the blocks of a file one after the other.
#[derive(Debug)]
pub struct Scanner<'a> {
    path: &'a Path,
    file: &'a File,
    /// Where the next block starts.
    pub position: u64,
    pub file_len: u64,
    payload: Vec<u8>,
}

impl<'a> Scanner<'a> {
    /// Checks the file's head. `None` for a file that was cut off within it, which is as good as empty.
    pub fn open(path: &'a Path, file: &'a File, kind: [u8; 4]) -> Result<Option<Self>, BlockError> {
        let io = BlockError::io(path);
        let file_len = file.metadata().map_err(&io)?.len();
        let mut head = [0; FILE_HEAD];
        if file_len < FILE_HEAD as u64 {
            return Ok(None);
        }
        file.read_exact_at(&mut head, 0).map_err(&io)?;
        if head[..8] != FILE_MAGIC[..] || head[8..12] != kind {
            return Err(BlockError::damaged(path, 0, "it does not start as such a file does"));
        }
        let layout = u32_at(&head, 12);
        if layout != LAYOUT {
            return Err(BlockError::Layout { path: path.display().to_string(), layout });
        }
        Ok(Some(Self { path, file, position: FILE_HEAD as u64, file_len, payload: Vec::new() }))
    }

    /// Reads the next block; `false` at the end of the file. After an error the position is that of the bad block.
    pub fn advance(&mut self) -> Result<bool, BlockError> {
        if self.position == self.file_len {
            return Ok(false);
        }
        self.position = self.read_block(self.position)?;
        Ok(true)
    }

    /// The block that was read last and started at `position`.
    pub fn block(&self, position: u64) -> Block<'_> {
        Block { position: position + BLOCK_HEAD as u64, payload: &self.payload }
    }

    /// The next block, or `None` at the end of the file.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, BlockError> {
        let position = self.position;
        Ok(self.advance()?.then(|| self.block(position)))
    }

    /// Reads the block at `position` into the buffer, and says where it ends.
    fn read_block(&mut self, position: u64) -> Result<u64, BlockError> {
        let damaged = |reason: &str| BlockError::damaged(self.path, position, reason);
        let io = BlockError::io(self.path);
        let mut head = [0; BLOCK_HEAD];
        if position + BLOCK_HEAD as u64 > self.file_len {
            return Err(damaged("the last block is cut off"));
        }
        self.file.read_exact_at(&mut head, position).map_err(&io)?;
        let (length, records) = (u32_at(&head, 4), u32_at(&head, 8));
        if head[..4] != BLOCK_MAGIC[..] {
            return Err(damaged("there is no block"));
        }
        let start = position + BLOCK_HEAD as u64;
        let end = start + u64::from(length);
        if end > self.file_len {
            return Err(damaged("the last block is cut off"));
        }
        self.payload.resize(length as usize, 0);
        self.file.read_exact_at(&mut self.payload, start).map_err(&io)?;
        let checksum = block_checksum(length, records, position, &self.payload);
        if head[16..] != position.to_le_bytes() || checksum != u32_at(&head, 12) {
            return Err(damaged("the checksum of a block is wrong"));
        }
        Ok(end)
    }

    /// Whether a whole block lies anywhere behind `position`: then what is at `position` is damage in the middle of
    /// the file and not a block that a crash tore.
    pub fn has_block_after(&mut self, position: u64) -> Result<bool, BlockError> {
        const STRETCH: usize = 1 << 20;
        let mut buffer = vec![0; STRETCH];
        let mut at = position + 1;
        while at + BLOCK_HEAD as u64 <= self.file_len {
            let wanted = usize::try_from(self.file_len - at).unwrap_or(STRETCH).min(STRETCH);
            self.file.read_exact_at(&mut buffer[..wanted], at).map_err(BlockError::io(self.path))?;
            for found in memchr::memmem::find_iter(&buffer[..wanted], BLOCK_MAGIC) {
                if self.read_block(at + found as u64).is_ok() {
                    return Ok(true);
                }
            }
            // A magic may lie across two stretches.
            at += (wanted.max(BLOCK_MAGIC.len()) - (BLOCK_MAGIC.len() - 1)) as u64;
        }
        Ok(false)
    }
}

/// A whole block.
#[derive(Debug)]
pub struct Block<'a> {
    /// Where in the file the payload starts.
    position: u64,
    payload: &'a [u8],
}

impl<'a> Block<'a> {
    /// The places in the file and the bytes of the records.
    pub fn records(&self) -> impl Iterator<Item = (u64, &'a [u8])> {
        let (mut rest, mut position) = (self.payload, self.position);
        std::iter::from_fn(move || {
            let (head, after) = rest.split_at_checked(RECORD_HEAD)?;
            let (body, after) = after.split_at_checked(u32_at(head, 0) as usize)?;
            let at = position;
            position += (RECORD_HEAD + body.len()) as u64;
            rest = after;
            Some((at, body))
        })
    }
}

/// Reads the one record at `position`.
pub fn read_record<M: Message + Default>(path: &Path, file: &File, position: u64) -> Result<M, BlockError> {
    let damaged = |reason: &str| BlockError::damaged(path, position, reason);
    let mut guess = [0; RECORD_GUESS];
    let mut got = 0;
    while got < RECORD_GUESS {
        match file.read_at(&mut guess[got..], position + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BlockError::io(path)(error)),
        }
    }
    let (head, body) =
        guess[..got].split_at_checked(RECORD_HEAD).ok_or_else(|| damaged("the file ends before a record"))?;
    let (length, checksum) = (u32_at(head, 0) as usize, u32_at(head, 4));
    let mut long = Vec::new();
    let body = match body.get(..length) {
        Some(body) => body,
        None => {
            let start = position + RECORD_HEAD as u64;
            let file_len = file.metadata().map_err(BlockError::io(path))?.len();
            if start + length as u64 > file_len {
                return Err(damaged("the file ends before a record"));
            }
            long.resize(length, 0);
            file.read_exact_at(&mut long, start).map_err(BlockError::io(path))?;
            &long
        }
    };
    if crc32fast::hash(body) != checksum {
        return Err(damaged("the checksum of a record is wrong"));
    }
    M::decode(body).map_err(|error| damaged(&error.to_string()))
}

/// The little-endian number at `at`, which must lie within the bytes.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}
