//! The journal: every logged event, kept, and the states as far as the log does not give them.
//!
//! The recorder is the only writer. The Connection Logs API reads, and so do the statistics once. A restart reads the newest snapshot of the states,
//! what has changed since, and the log since. Import and export use the same calls: [`Journal::append`] with large
//! batches and one [`Journal::snapshot`] at the end, [`Journal::each`] and [`Journal::recover`].

mod encoding;
pub mod packed;
pub mod sqlite;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use rollcall_model::log::LogEntry;
use rollcall_model::{ClientState, ConnectionEvent, Timestamp};

/// A question to the log of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    pub client_id: String,
    /// Inclusive.
    pub from: Option<Timestamp>,
    /// Inclusive.
    pub to: Option<Timestamp>,
    /// Only these kinds of entry; empty means all.
    pub events: Vec<rollcall_model::log::LogEvent>,
    /// The most entries in the answer.
    pub limit: u32,
    /// Entries to pass over first.
    pub offset: u32,
    /// Where the page before this one ended.
    pub after: Option<LogCursor>,
}

/// A place in a client's log, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogCursor {
    pub time: Timestamp,
    /// The entry's place in the journal; tells apart entries of one millisecond.
    pub sequence: i64,
}

/// Entries, newest first, and where to go on if there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    pub entries: Vec<LogEntry>,
    pub next: Option<LogCursor>,
}

/// How long the log is kept. What goes goes in steps of about a sixteenth of either limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Entries older than so many milliseconds go.
    pub max_age_ms: Option<i64>,
    /// The oldest entries go while the log takes more bytes than this.
    pub max_bytes: Option<u64>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    #[error("cannot open the journal {path}: {reason}")]
    Open { path: String, reason: String },
    #[error("the journal failed: {0}")]
    Failed(String),
    #[error("the journal holds something that cannot be read: {0}")]
    Corrupt(String),
}

/// A run of the server some of whose sessions may not have an end in the log yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    pub started: Timestamp,
    /// The last moment at which it is known to have been alive.
    pub alive: Timestamp,
}

/// Clients, by [`id_hash`].
pub type ClientHashes = HashSet<u64, ahash::RandomState>;

/// What a restart finds.
pub struct Recovered {
    /// The states as of the newest snapshot, then those that have changed since, so that a client may come twice.
    /// They are read on the way, by another thread. When they end, ask `failure`.
    pub states: Box<dyn Iterator<Item = ClientState> + Send>,
    /// The clients of whom there is more than the one state in the snapshot, by [`id_hash`]; those with newer
    /// entries in the log are not among them.
    pub changed: ClientHashes,
    /// What the log holds from this sequence on may not be in the states: see [`Journal::each`].
    pub sequence: u64,
    /// Earlier runs of the server with open ends, oldest first.
    pub boots: Vec<Boot>,
    pub failure: Failure,
}

/// Why the states of [`Recovered`] ended too soon, if they did.
#[derive(Debug, Clone, Default)]
pub struct Failure(Arc<Mutex<Option<JournalError>>>);

impl Failure {
    #[must_use]
    pub fn get(&self) -> Option<JournalError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, error: JournalError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

impl Default for Recovered {
    /// Of a journal that is empty.
    fn default() -> Self {
        Self {
            states: Box::new(std::iter::empty()),
            changed: ClientHashes::default(),
            sequence: 0,
            boots: Vec::new(),
            failure: Failure::default(),
        }
    }
}

/// What stands for a client in [`Recovered::changed`].
#[must_use]
pub fn id_hash(id: &str) -> u64 {
    crate::fleet::text_hash([id])
}

/// Which entries are asked for: those of these clients, by [`id_hash`], at these times.
#[derive(Debug, Clone, Default)]
pub struct WantedEntries(HashSet<(u64, Timestamp), ahash::RandomState>);

impl WantedEntries {
    /// Asks for the entries of a client at a time.
    pub fn add(&mut self, client: u64, time: Timestamp) {
        self.0.insert((client, time));
    }

    #[must_use]
    pub fn has(&self, client: u64, time: Timestamp) -> bool {
        self.0.contains(&(client, time))
    }

    /// The earliest and the latest time; `None` when nothing is asked for.
    #[must_use]
    pub fn range(&self) -> Option<(Timestamp, Timestamp)> {
        let times = || self.0.iter().map(|(_, time)| *time);
        times().min().zip(times().max())
    }
}

/// Calls its argument with every state: [`crate::fleet::Fleet::for_each`], or whatever else has states. After an error
/// they are not kept.
pub type EachState<'a> = dyn Fn(&mut dyn FnMut(&ClientState)) -> Result<(), JournalError> + 'a;

/// Where events are kept. Calls block; asynchronous callers use a blocking task.
pub trait Journal: Send + Sync {
    /// Appends the events of a batch that belong to the log (not activity). When this returns, they are durable.
    /// Larger batches are cheaper; ten thousand events are a good one.
    ///
    /// # Errors
    /// When nothing of the batch was kept.
    fn append(&self, events: &[ConnectionEvent]) -> Result<(), JournalError>;

    /// Keeps states that changed by what the log does not carry, and the runs of the server with open ends, the
    /// present one among them. When this returns, both are durable.
    ///
    /// # Errors
    /// When none of them was kept.
    fn keep(&self, states: &[ClientState], boots: &[Boot]) -> Result<(), JournalError>;

    /// Keeps every state that `each` calls its argument with, so that a restart need not read what is older.
    /// All that was appended before must be folded into them, and all that is folded into them be appended when `each`
    /// returns. Appends go on beside it.
    ///
    /// # Errors
    /// When it was not kept; a restart then reads the one before.
    fn snapshot(&self, each: &EachState<'_>) -> Result<(), JournalError>;

    /// Whether a restart would have to read so much that it is time for a snapshot.
    fn needs_snapshot(&self) -> bool;

    /// Drops what is older than it is to be kept. Cheap when there is nothing to do.
    ///
    /// # Errors
    /// When a file cannot be removed or made.
    fn retain(&self, now: Timestamp) -> Result<(), JournalError>;

    /// Reads what a restart needs.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn recover(&self) -> Result<Recovered, JournalError>;

    /// Calls `see` with the entries of all clients from a sequence on (0 for all), in the order in which they were
    /// appended, until it returns `false`.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn each(&self, from: u64, see: &mut dyn FnMut(ConnectionEvent) -> bool) -> Result<(), JournalError>;

    /// Reads one page of a client's log.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn log(&self, query: &LogQuery) -> Result<LogPage, JournalError>;

    /// Calls `see` with what stands for the client ([`id_hash`]) of each entry from a sequence on. Ten times as fast as
    /// [`Self::each`], which reads the entries.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn each_client(&self, from: u64, see: &mut dyn FnMut(u64)) -> Result<(), JournalError> {
        self.each(from, &mut |event| {
            see(id_hash(&event.client_id));
            true
        })
    }

    /// Calls `see` with the entries, in no particular order, whose client and time are wanted. For many at a time: the
    /// log of that stretch of time is walked through once. Two clients may share a hash.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn each_wanted(
        &self,
        wanted: &WantedEntries,
        see: &mut dyn FnMut(ConnectionEvent),
    ) -> Result<(), JournalError> {
        let Some((from, to)) = wanted.range() else { return Ok(()) };
        self.replay(Some(from), Some(to.plus_ms(1)), &mut |event| {
            if wanted.has(id_hash(&event.client_id), event.time) {
                see(event);
            }
            true
        })
    }

    /// Calls `see` with the entries of all clients whose time is from `from` on and before `to`, in the order in which
    /// they were appended, until it returns `false`. Memory does not grow with the log.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn replay(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        see: &mut dyn FnMut(ConnectionEvent) -> bool,
    ) -> Result<(), JournalError>;
}
