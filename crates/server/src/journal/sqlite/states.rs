//! The states on the disk: a snapshot of all, and the states that changed since by what the log does not carry.
//!
//! A snapshot is written beside the running server in blocks, each with a transaction of its own, and takes the place
//! of the one before in one transaction at the end. A block is many states, compressed, with a checksum, so that garbled
//! bytes are told. Its first byte says how they are written down: [`super::super::encoding`], or JSON as in files of
//! layout 2. Called by [`super::SqliteJournal`].

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};
use rollcall_model::{ClientState, Timestamp};
use rusqlite::{Connection, params};

use crate::codec::{Reader, Writer};

use super::super::encoding::{read_state, write_state};
use super::super::{Boot, ClientHashes, EachState, Failure, JournalError, Recovered, id_hash};
use super::database::{self, Database, failed, meta, opening, set_meta};

const TABLES: &str = "
-- The snapshot: the blocks of the generation that `meta` names; others are unfinished.
CREATE TABLE snapshot (generation INTEGER, no INTEGER, states BLOB NOT NULL, PRIMARY KEY (generation, no));
-- States that were kept since, oldest first.
CREATE TABLE change (no INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER NOT NULL, states BLOB NOT NULL);
-- Runs of the server with open ends.
CREATE TABLE boot (started INTEGER NOT NULL, alive INTEGER NOT NULL);
";

const GENERATION: &str = "generation";
const COVERS: &str = "covers";
const TOTAL: &str = "total";

/// The layout of the file. Layout 2 has its states in JSON.
const LAYOUT: i64 = 3;
/// What a block begins with whose states are written by [`write_state`], and what it began with before that wrote times of
/// messages. JSON begins with a brace.
const ENCODING: u8 = 2;
const FIRST_ENCODING: u8 = 1;
/// States in a block.
const BLOCK: usize = 8_192;
/// States that are handed over at once.
const PORTION: usize = 256;
/// Portions between the thread that decodes them and the one that takes them.
const DECODED_AHEAD: usize = 32;

/// See the module.
pub struct States {
    database: Arc<Database>,
    writer: Mutex<Connection>,
    /// The sequence from which on the log is newer than the snapshot.
    covers: Mutex<u64>,
    /// How many states the snapshot has.
    total: AtomicU64,
}

impl States {
    /// Opens or creates the states in a directory.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join("states.db");
        let writer = database::open_layout(&path, TABLES, LAYOUT)?;
        let prepare = || {
            let generation = meta(&writer, GENERATION)?.unwrap_or(0);
            // What a snapshot that was not finished has left behind.
            writer.execute("DELETE FROM snapshot WHERE generation > ?1", [generation])?;
            Ok::<_, rusqlite::Error>((
                meta(&writer, COVERS)?.unwrap_or(0),
                meta(&writer, TOTAL)?.unwrap_or(0),
            ))
        };
        let (covers, total) = prepare().map_err(|error| opening(&path, &error))?;
        let database = Arc::new(Database::new(path));
        Ok(Self {
            database,
            writer: Mutex::new(writer),
            covers: Mutex::new(covers.cast_unsigned()),
            total: AtomicU64::new(total.cast_unsigned()),
        })
    }

    /// The sequence from which on the log is newer than the snapshot.
    pub fn covers(&self) -> u64 {
        *self.covers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many states the snapshot has.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// How many states were kept since the snapshot.
    pub fn changes(&self) -> Result<u64, JournalError> {
        self.database
            .read(|connection| {
                let count = connection
                    .query_row("SELECT ifnull(sum(count), 0) FROM change", [], |row| row.get::<_, i64>(0));
                count.map_err(|error| failed(&self.database.path, &error))
            })
            .map(i64::cast_unsigned)
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one transaction.
    fn write(
        &self,
        write: impl FnOnce(&Connection) -> Result<(), rusqlite::Error>,
    ) -> Result<(), JournalError> {
        let mut writer = self.writer();
        let run = || {
            let transaction = database::begin(&mut writer)?;
            write(&transaction)?;
            transaction.commit()
        };
        run().map_err(|error| failed(&self.database.path, &error))
    }

    /// Keeps these states, and the runs of the server.
    pub fn keep(&self, states: &[ClientState], boots: &[Boot]) -> Result<(), JournalError> {
        let block = if states.is_empty() { None } else { Some(pack(states)?) };
        self.write(|transaction| {
            if let Some(block) = block {
                let count = i64::try_from(states.len()).unwrap_or(i64::MAX);
                transaction
                    .prepare_cached("INSERT INTO change (count, states) VALUES (?1, ?2)")?
                    .execute(params![count, block])?;
            }
            transaction.prepare_cached("DELETE FROM boot")?.execute([])?;
            let mut insert = transaction.prepare_cached("INSERT INTO boot VALUES (?1, ?2)")?;
            for boot in boots {
                insert.execute([boot.started.millis(), boot.alive.millis()])?;
            }
            Ok(())
        })
    }

    /// Writes a snapshot of every state that `each` calls its argument with. All that the log holds before the
    /// sequence `covers` must be in them.
    pub fn snapshot(&self, covers: u64, each: &EachState<'_>) -> Result<(), JournalError> {
        let begun = |connection: &Connection| {
            let newest: Option<i64> =
                connection.query_row("SELECT max(no) FROM change", [], |row| row.get(0))?;
            Ok::<_, rusqlite::Error>((meta(connection, GENERATION)?.unwrap_or(0) + 1, newest.unwrap_or(0)))
        };
        // States that are kept from here on are found among the changes, whether the snapshot has them or not.
        let (generation, newest_change) =
            begun(&self.writer()).map_err(|error| failed(&self.database.path, &error))?;
        let result = self.write_blocks(generation, each).and_then(|total| {
            self.total.store(total.cast_unsigned(), Ordering::Relaxed);
            self.write(|transaction| {
                set_meta(transaction, GENERATION, generation)?;
                set_meta(transaction, COVERS, covers.cast_signed())?;
                set_meta(transaction, TOTAL, total)?;
                transaction.execute("DELETE FROM snapshot WHERE generation <> ?1", [generation])?;
                transaction.execute("DELETE FROM change WHERE no <= ?1", [newest_change]).map(|_| ())
            })
        });
        match result {
            Ok(()) => *self.covers.lock().unwrap_or_else(PoisonError::into_inner) = covers,
            Err(_) => {
                // Only takes space; the next opening would remove it, too.
                let _ = self.write(|transaction| {
                    transaction
                        .execute("DELETE FROM snapshot WHERE generation = ?1", [generation])
                        .map(|_| ())
                });
            }
        }
        result
    }

    /// Writes the blocks of a generation; returns how many states there were.
    fn write_blocks(&self, generation: i64, each: &EachState<'_>) -> Result<i64, JournalError> {
        let (mut block, mut no, mut total, mut result) = (Block::new(), 0_i64, 0_i64, Ok(()));
        let mut write = |block: &mut Block| {
            let bytes = block.take()?;
            no += 1;
            self.write(|transaction| {
                transaction
                    .prepare_cached("INSERT INTO snapshot VALUES (?1, ?2, ?3)")?
                    .execute(params![generation, no, bytes])
                    .map(|_| ())
            })
        };
        each(&mut |state| {
            if result.is_err() {
                return;
            }
            total += 1;
            block.push(state);
            if block.count == BLOCK {
                result = write(&mut block);
            }
        })?;
        result?;
        if block.count > 0 {
            write(&mut block)?;
        }
        Ok(total)
    }

    /// What a restart needs. The states are read by another thread, oldest first: a client that has changed since the
    /// snapshot comes again.
    pub fn recover(&self) -> Result<Recovered, JournalError> {
        let (boots, changed, total) = self.database.read(|connection| self.read_changes(connection))?;
        let (sender, receiver) = sync_channel(DECODED_AHEAD);
        let failure = Failure::default();
        let (noted, database) = (failure.clone(), Arc::clone(&self.database));
        let send = move || {
            if let Err(error) =
                database.read(|connection| send_states(connection, &database.path, total, &sender))
            {
                noted.set(error);
            }
        };
        std::thread::Builder::new()
            .name("states".to_owned())
            .spawn(send)
            .map_err(|error| JournalError::Failed(format!("no thread to read the states: {error}")))?;
        let states = Box::new(Decoded { receiver, block: Vec::new().into_iter(), left: total });
        Ok(Recovered { states, changed, sequence: self.covers(), boots, failure })
    }

    fn read_changes(
        &self,
        connection: &Connection,
    ) -> Result<(Vec<Boot>, ClientHashes, usize), JournalError> {
        let path = &self.database.path;
        let boots = || {
            let mut select = connection.prepare("SELECT started, alive FROM boot ORDER BY started")?;
            let boot = |row: &rusqlite::Row<'_>| {
                let time = |at| row.get(at).map(Timestamp::from_millis);
                Ok(Boot { started: time(0)?, alive: time(1)? })
            };
            let boots = select.query_map([], boot)?.collect::<Result<Vec<_>, _>>()?;
            Ok::<_, rusqlite::Error>((boots, meta(connection, TOTAL)?.unwrap_or(0)))
        };
        let (boots, total) = boots().map_err(|error| failed(path, &error))?;
        let mut changed = ClientHashes::default();
        each_block(connection, path, CHANGES, &mut |states| {
            changed.extend(states.iter().map(|state| id_hash(&state.id)));
            true
        })?;
        Ok((boots, changed, usize::try_from(total).unwrap_or(0)))
    }
}

const SNAPSHOT: &str =
    "SELECT states FROM snapshot, meta WHERE key = 'generation' AND generation = value ORDER BY no";
const CHANGES: &str = "SELECT states FROM change ORDER BY no";

/// Calls `see` with the states of each block, some at a time, until it says `false`.
fn each_block(
    connection: &Connection,
    path: &Path,
    select: &str,
    see: &mut dyn FnMut(Vec<ClientState>) -> bool,
) -> Result<(), JournalError> {
    let error = |error: rusqlite::Error| opening(path, &error);
    let mut statement = connection.prepare(select).map_err(error)?;
    let mut rows = statement.query([]).map_err(error)?;
    let mut bytes = Vec::new();
    while let Some(row) = rows.next().map_err(error)? {
        let block = row.get_ref(0).map_err(error)?.as_blob().unwrap_or_default();
        if !unpack(block, &mut bytes, see).map_err(|error| damaged(path, &error))? {
            break;
        }
    }
    Ok(())
}

fn send_states(
    connection: &Connection,
    path: &Path,
    total: usize,
    to: &SyncSender<Vec<ClientState>>,
) -> Result<(), JournalError> {
    let (mut count, mut is_wanted) = (0, true);
    // Nobody takes them any more: then there is nobody to tell either.
    let mut send = |states: Vec<ClientState>| {
        count += states.len();
        is_wanted = to.send(states).is_ok();
        is_wanted
    };
    each_block(connection, path, SNAPSHOT, &mut send)?;
    if is_wanted && count != total {
        return Err(damaged(path, &format!("the snapshot has {count} states and should have {total}")));
    }
    each_block(connection, path, CHANGES, &mut |states| to.send(states).is_ok())
}

fn damaged(path: &Path, what: &str) -> JournalError {
    let advice = "Nothing was changed. Restore the file from a backup, or move it aside to start with the states that the log alone gives";
    JournalError::Open { path: path.display().to_string(), reason: format!("{what}. {advice}") }
}

/// States on their way from the thread that decodes them.
struct Decoded {
    receiver: Receiver<Vec<ClientState>>,
    block: std::vec::IntoIter<ClientState>,
    /// How many the snapshot still has, so that whoever takes them can make room.
    left: usize,
}

impl Iterator for Decoded {
    type Item = ClientState;

    fn next(&mut self) -> Option<ClientState> {
        loop {
            if let Some(state) = self.block.next() {
                self.left = self.left.saturating_sub(1);
                return Some(state);
            }
            // An error here means that everything was sent.
            self.block = self.receiver.recv().ok()?.into_iter();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, None)
    }
}

/// States on their way into a block.
struct Block {
    writer: Writer,
    count: usize,
}

impl Block {
    fn new() -> Self {
        let mut writer = Writer::default();
        writer.byte(ENCODING);
        Self { writer, count: 0 }
    }

    fn push(&mut self, state: &ClientState) {
        write_state(&mut self.writer, state);
        self.count += 1;
    }

    /// The bytes of the block, which is empty afterwards.
    fn take(&mut self) -> Result<Vec<u8>, JournalError> {
        let frame = FrameInfo::new().content_checksum(true);
        let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
        encoder.write_all(&self.writer.bytes).map_err(|error| cannot_pack(&error))?;
        self.writer.bytes.truncate(1);
        self.count = 0;
        encoder.finish().map_err(|error| cannot_pack(&error))
    }
}

fn cannot_pack(error: &dyn std::fmt::Display) -> JournalError {
    JournalError::Failed(format!("cannot write down a state: {error}"))
}

fn pack(states: &[ClientState]) -> Result<Vec<u8>, JournalError> {
    let mut block = Block::new();
    states.iter().for_each(|state| block.push(state));
    block.take()
}

/// Calls `see` with the states of a block, some at a time; returns `false` when it did. `bytes` is a place to work in.
fn unpack(
    block: &[u8],
    bytes: &mut Vec<u8>,
    see: &mut dyn FnMut(Vec<ClientState>) -> bool,
) -> Result<bool, String> {
    bytes.clear();
    FrameDecoder::new(block)
        .read_to_end(bytes)
        .map_err(|error| format!("a block of states is damaged: {error}"))?;
    match bytes.split_first() {
        None => Ok(true),
        Some((&(ENCODING | FIRST_ENCODING), states)) => {
            let mut reader = Reader::new(states);
            let is_first = bytes[0] == FIRST_ENCODING;
            let next =
                || (!reader.is_at_end()).then(|| read_state(&mut reader, is_first).ok_or("it is torn"));
            hand_over(std::iter::from_fn(next), see)
        }
        Some((b'{', _)) => hand_over(serde_json::Deserializer::from_slice(bytes).into_iter(), see),
        Some((other, _)) => Err(format!("a block of states is in encoding {other}, which is not known")),
    }
}

/// In portions that stay in the caches of the processor until they are taken.
fn hand_over<E: std::fmt::Display>(
    states: impl Iterator<Item = Result<ClientState, E>>,
    see: &mut dyn FnMut(Vec<ClientState>) -> bool,
) -> Result<bool, String> {
    let mut portion = Vec::with_capacity(PORTION);
    for state in states {
        portion.push(state.map_err(|error| format!("a state cannot be read: {error}"))?);
        if portion.len() == PORTION && !see(std::mem::replace(&mut portion, Vec::with_capacity(PORTION))) {
            return Ok(false);
        }
    }
    Ok(portion.is_empty() || see(portion))
}
