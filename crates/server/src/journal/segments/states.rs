//! The states on the disk: snapshots of all, and between them files of those that changed.
//!
//! A snapshot is written beside the running server, to a new file that takes its name only when it is whole. What the
//! log does not carry (activity, the lives of the server) goes to a file of changes of the same generation. The
//! snapshot before the newest is kept, with its changes and its part of the log, so that a damaged one costs nothing.
//! A restart reads the newest good snapshot, the changes since, and the log since. Called by [`super::SegmentJournal`].

use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prost::Message as _;
use rollcall_model::ClientState;

use super::super::{Boot, EachState, Failure, JournalError, Recovered, id_hash};
use super::block::{AppendFile, BlockError, Encoder, FILE_HEAD, Scanner, file_head, sync_directory_of};
use super::record::{Change, LifeRecord, StateRecord};
use super::{files_named, opening};

const SNAPSHOT: [u8; 4] = *b"SNAP";
const CHANGES: [u8; 4] = *b"CHNG";
/// A snapshot goes to the disk in pieces of this many bytes, so that an append beside it never waits for all of it.
const SNAPSHOT_PIECE: usize = 4 << 20;
/// Blocks of states between the thread that decodes them and the one that takes them.
const DECODED_AHEAD: usize = 4;

/// See the module.
pub struct States {
    directory: PathBuf,
    writer: Mutex<Writer>,
}

struct Writer {
    file: AppendFile,
    encoder: Encoder,
    generation: u64,
    /// The kept snapshots, oldest first: generation, and the sequence from which on they need the log.
    snapshots: Vec<(u64, u64)>,
    boots: Vec<Boot>,
}

/// A snapshot that is good as far as its checksums tell.
struct Good {
    path: PathBuf,
    generation: u64,
    covers: u64,
    total: u64,
}

impl States {
    /// Opens the states in a directory. What a restart needs comes with them; the log is read by the caller from
    /// the sequence that is returned.
    pub fn open(directory: &Path) -> Result<(Self, Found), JournalError> {
        let snapshots = good_snapshots(directory)?;
        let newest = snapshots.last();
        let (from, covers) = newest.map_or((0, 0), |snapshot| (snapshot.generation, snapshot.covers));
        let changes = files_named(directory, "changes-", ".seg")?;
        let mut found = Found { covers, ..Found::default() };
        let mut last = None;
        for (generation, path) in changes {
            last = Some((generation, path.clone()));
            if generation >= from {
                found.read_changes(&path)?;
                found.files.push((path, CHANGES));
            }
        }
        if let Some(snapshot) = newest {
            found.total = usize::try_from(snapshot.total).unwrap_or(0);
            found.files.insert(0, (snapshot.path.clone(), SNAPSHOT));
        }
        let (generation, file) = match last {
            Some((generation, path)) if generation >= from => (generation, reopen(&path)?),
            _ => (from, create_changes(directory, from)?),
        };
        let mut snapshots: Vec<_> = snapshots.iter().map(|good| (good.generation, good.covers)).collect();
        if snapshots.len() < 2 && changes_path(directory, 0).exists() {
            // As long as nothing was removed, the beginning is as good as a snapshot.
            snapshots.insert(0, (0, 0));
        }
        let boots = found.boots.clone();
        let writer = Writer { file, encoder: Encoder::default(), generation, snapshots, boots };
        Ok((Self { directory: directory.to_owned(), writer: Mutex::new(writer) }, found))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From which sequence on the kept snapshots need the log.
    pub fn needs_log_from(&self) -> u64 {
        self.writer().snapshots.first().map_or(0, |(_, covers)| *covers)
    }

    /// Keeps these states, and the lives of the server.
    pub fn keep(&self, states: &[ClientState], boots: &[Boot]) -> Result<(), JournalError> {
        let mut writer = self.writer();
        let Writer { file, encoder, .. } = &mut *writer;
        encoder.start(file.len);
        for state in states {
            encoder.push(&Change { state: Some(StateRecord::of(state)), ..Change::default() });
        }
        encoder.push(&Change { life: Some(LifeRecord::of(boots)), ..Change::default() });
        encoder.close();
        file.append(&encoder.bytes).map_err(|error| cannot_write(&file.path, &error))?;
        writer.boots = boots.to_vec();
        Ok(())
    }

    /// Writes a snapshot of every state that `each` calls its argument with. All that the log holds before the
    /// sequence `covers` must be in them.
    pub fn snapshot(&self, covers: u64, each: &EachState<'_>) -> Result<(), JournalError> {
        let generation = self.begin_generation()?;
        let path = self.directory.join(format!("states-{generation:020}.snap"));
        let temporary = path.with_extension("snap-new");
        let written = write_snapshot(&temporary, covers, each).and_then(|()| {
            let renamed = std::fs::rename(&temporary, &path).and_then(|()| sync_directory_of(&path));
            renamed.map_err(|error| cannot_write(&path, &error))
        });
        if let Err(error) = written {
            // What is left of it only takes space.
            let _ = std::fs::remove_file(&temporary);
            return Err(error);
        }
        let mut writer = self.writer();
        writer.snapshots.push((generation, covers));
        let surplus = writer.snapshots.len().saturating_sub(2);
        writer.snapshots.drain(..surplus);
        let oldest = writer.snapshots.first().map_or(0, |(generation, _)| *generation);
        drop(writer);
        self.remove_before(oldest)
    }

    /// Starts the next file of changes, and returns its generation. States that change from here on are found in it,
    /// whether the snapshot has them or not.
    fn begin_generation(&self) -> Result<u64, JournalError> {
        let mut writer = self.writer();
        let generation = writer.generation + 1;
        let mut file = create_changes(&self.directory, generation)?;
        let mut encoder = Encoder::default();
        encoder.start(file.len);
        encoder.push(&Change { life: Some(LifeRecord::of(&writer.boots)), ..Change::default() });
        encoder.close();
        file.append(&encoder.bytes).map_err(|error| cannot_write(&file.path, &error))?;
        (writer.file, writer.generation) = (file, generation);
        Ok(generation)
    }

    /// Removes the snapshots and the changes that nothing needs.
    fn remove_before(&self, oldest: u64) -> Result<(), JournalError> {
        for (prefix, suffix) in [("states-", ".snap"), ("changes-", ".seg")] {
            for (generation, path) in files_named(&self.directory, prefix, suffix)? {
                if generation < oldest {
                    std::fs::remove_file(&path).map_err(|error| cannot_write(&path, &error))?;
                }
            }
        }
        Ok(())
    }
}

/// What is on the disk, for a restart.
#[derive(Debug, Default)]
pub struct Found {
    /// The sequence from which on the log is newer than the snapshot.
    pub covers: u64,
    /// The clients that have changed since the snapshot.
    pub changed: HashSet<u64>,
    pub boots: Vec<Boot>,
    /// How many states the snapshot has.
    total: usize,
    /// The snapshot and the changes, in the order in which they were written.
    files: Vec<(PathBuf, [u8; 4])>,
}

impl Found {
    fn read_changes(&mut self, path: &Path) -> Result<(), JournalError> {
        let file = File::open(path).map_err(BlockError::io(path)).map_err(opening)?;
        each_change(path, &file, CHANGES, &mut |change| {
            if let Some(life) = change.life {
                self.boots = life.into_boots();
            }
            if let Some(state) = change.state {
                self.changed.insert(id_hash(state.id()));
            }
            true
        })
        .map_err(opening)
        .map(|_| ())
    }

    /// Reads the states, oldest first: a client that has changed since the snapshot comes again.
    pub fn into_recovered(self) -> Recovered {
        let (sender, receiver) = sync_channel(DECODED_AHEAD);
        let failure = Failure::default();
        let noted = failure.clone();
        let files = self.files;
        let reader = std::thread::Builder::new().name("states".to_owned()).spawn(move || {
            if let Err(error) = send_states(&files, &sender) {
                noted.set(opening(error));
            }
        });
        if let Err(error) = reader {
            failure.set(JournalError::Failed(format!("no thread to read the states: {error}")));
        }
        let states = Decoded { receiver, block: Vec::new().into_iter(), left: self.total };
        Recovered {
            states: Box::new(states),
            changed: self.changed,
            sequence: self.covers,
            boots: self.boots,
            failure,
        }
    }
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

fn send_states(files: &[(PathBuf, [u8; 4])], to: &SyncSender<Vec<ClientState>>) -> Result<(), BlockError> {
    for (path, kind) in files {
        let file = File::open(path).map_err(BlockError::io(path))?;
        let Some(mut scanner) = Scanner::open(path, &file, *kind)? else { continue };
        while let Some(block) = next_whole(&mut scanner, *kind)? {
            let mut states = Vec::new();
            for (position, bytes) in block.records() {
                let change = Change::decode(bytes)
                    .map_err(|error| BlockError::damaged(path, position, error.to_string()))?;
                states.extend(change.state.map(StateRecord::into_state));
            }
            if to.send(states).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The next block. In a file of changes, one at the end that a crash may have torn counts as the end.
fn next_whole<'s>(
    scanner: &'s mut Scanner<'_>,
    kind: [u8; 4],
) -> Result<Option<super::block::Block<'s>>, BlockError> {
    let at = scanner.position;
    match scanner.advance() {
        Ok(true) => Ok(Some(scanner.block(at))),
        Ok(false) => Ok(None),
        Err(BlockError::Damaged { .. }) if kind == CHANGES && !scanner.has_block_after(at)? => Ok(None),
        Err(error) => Err(error),
    }
}

/// Calls `see` with each record until it says `false`; returns where the last whole block ends.
fn each_change(
    path: &Path,
    file: &File,
    kind: [u8; 4],
    see: &mut dyn FnMut(Change) -> bool,
) -> Result<u64, BlockError> {
    let Some(mut scanner) = Scanner::open(path, file, kind)? else { return Ok(0) };
    let mut end = scanner.position;
    while let Some(block) = next_whole(&mut scanner, kind)? {
        for (position, bytes) in block.records() {
            let change = Change::decode(bytes)
                .map_err(|error| BlockError::damaged(path, position, error.to_string()))?;
            if !see(change) {
                return Ok(end);
            }
        }
        end = scanner.position;
    }
    Ok(end)
}

/// The snapshots that can be read, oldest first. Those that cannot are told and passed over, as long as one can.
fn good_snapshots(directory: &Path) -> Result<Vec<Good>, JournalError> {
    let mut good = Vec::new();
    let mut damage = None;
    for (generation, path) in files_named(directory, "states-", ".snap")? {
        match check_snapshot(&path, generation) {
            Ok(snapshot) => good.push(snapshot),
            Err(error) => {
                tracing::error!(%error, "a snapshot of the states cannot be read; an older one and the log take its place");
                damage = Some(error);
            }
        }
    }
    match damage {
        // With the changes since the beginning, the log since the beginning is there, too.
        Some(error) if good.is_empty() && !changes_path(directory, 0).exists() => {
            let reason = format!(
                "{error}. No other snapshot is there. Move it aside to start with the states that the log alone gives"
            );
            Err(JournalError::Open { path: directory.display().to_string(), reason })
        }
        _ => Ok(good),
    }
}

/// Reads a snapshot as far as its checksums, its first and its last record.
fn check_snapshot(path: &Path, generation: u64) -> Result<Good, BlockError> {
    let file = File::open(path).map_err(BlockError::io(path))?;
    let mut ends = (None, None);
    if let Some(mut scanner) = Scanner::open(path, &file, SNAPSHOT)? {
        let (mut at, mut is_first) = (scanner.position, true);
        while scanner.advance()? {
            let block = scanner.block(at);
            let is_last = scanner.position == scanner.file_len;
            if is_first || is_last {
                let records: Vec<_> = block.records().collect();
                let decode = |record: Option<&(u64, &[u8])>| {
                    record.and_then(|(_, bytes)| Change::decode(*bytes).ok()).unwrap_or_default()
                };
                if is_first {
                    ends.0 = decode(records.first()).covers;
                }
                ends.1 = decode(records.last()).total;
            }
            (at, is_first) = (scanner.position, false);
        }
    }
    match ends {
        (Some(covers), Some(total)) => Ok(Good { path: path.to_owned(), generation, covers, total }),
        _ => Err(BlockError::damaged(path, 0, "it is no whole snapshot")),
    }
}

fn changes_path(directory: &Path, generation: u64) -> PathBuf {
    directory.join(format!("changes-{generation:020}.seg"))
}

fn create_changes(directory: &Path, generation: u64) -> Result<AppendFile, JournalError> {
    let path = changes_path(directory, generation);
    AppendFile::create(&path, CHANGES).map_err(|error| cannot_write(&path, &error))
}

/// Goes on with a file of changes behind its last whole block.
fn reopen(path: &Path) -> Result<AppendFile, JournalError> {
    let io = |error| opening(BlockError::io(path)(error));
    let file = File::options().read(true).write(true).open(path).map_err(io)?;
    let end = each_change(path, &file, CHANGES, &mut |_| true).map_err(opening)?;
    if end == 0 {
        return AppendFile::create(path, CHANGES).map_err(io);
    }
    file.set_len(end).and_then(|()| file.sync_all()).map_err(io)?;
    Ok(AppendFile::at(path, file, end))
}

fn write_snapshot(path: &Path, covers: u64, each: &EachState<'_>) -> Result<(), JournalError> {
    let io = |error: std::io::Error| cannot_write(path, &error);
    let mut file = File::create(path).map_err(io)?;
    file.write_all(&file_head(SNAPSHOT)).map_err(io)?;
    let mut encoder = Encoder::default();
    encoder.start(FILE_HEAD as u64);
    encoder.push(&Change { covers: Some(covers), ..Change::default() });
    let (mut position, mut total, mut failure) = (FILE_HEAD as u64, 0, None);
    each(&mut |state| {
        if failure.is_some() {
            return;
        }
        encoder.push(&Change { state: Some(StateRecord::of(state)), ..Change::default() });
        total += 1;
        if encoder.bytes.len() > SNAPSHOT_PIECE {
            encoder.close();
            failure = file.write_all(&encoder.bytes).and_then(|()| file.sync_data()).err();
            position += encoder.bytes.len() as u64;
            encoder.start(position);
        }
    })?;
    if let Some(error) = failure {
        return Err(io(error));
    }
    encoder.push(&Change { total: Some(total), ..Change::default() });
    encoder.close();
    file.write_all(&encoder.bytes).and_then(|()| file.sync_all()).map_err(io)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Failed(format!("cannot write {}: {error}", path.display()))
}
