//! The journal: every logged event, kept, and checkpoints of the states.
//!
//! The recorder is the only writer. The Connection Logs API reads. A restart loads the checkpointed states and
//! replays the log entries that are newer.

pub mod sqlite;

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
    /// The entry's number in the journal; tells apart entries of one millisecond.
    pub sequence: i64,
}

/// Entries, newest first, and where to go on if there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    pub entries: Vec<LogEntry>,
    pub next: Option<LogCursor>,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot open the journal {path}: {reason}")]
    Open { path: String, reason: String },
    #[error("the journal failed: {0}")]
    Failed(String),
    #[error("the journal holds something that cannot be read: {0}")]
    Corrupt(String),
}

/// What a restart finds.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The states as of the last checkpoint.
    pub states: Vec<ClientState>,
    /// The events logged since, in the order in which they were logged.
    pub newer: Vec<ConnectionEvent>,
    /// The last moment at which the server is known to have been alive.
    pub alive: Option<Timestamp>,
}

/// Where events are kept. Calls block; asynchronous callers use a blocking task.
pub trait Journal: Send + Sync {
    /// Appends the events of a batch that belong to the log (not activity). When this returns, they are durable.
    ///
    /// # Errors
    /// When nothing of the batch was kept.
    fn append(&self, events: &[ConnectionEvent]) -> Result<(), JournalError>;

    /// Keeps these states and the moment `alive`. Everything appended before must be folded into them, or into
    /// states kept earlier.
    ///
    /// # Errors
    /// When none of them was kept.
    fn checkpoint(&self, states: &[ClientState], alive: Timestamp) -> Result<(), JournalError>;

    /// Reads what a restart needs.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn recover(&self) -> Result<Recovered, JournalError>;

    /// Reads one page of a client's log.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn log(&self, query: &LogQuery) -> Result<LogPage, JournalError>;

    /// Calls `see` with the entries of all clients from a sequence on (0 for all), in the order in which they were
    /// appended, until it returns `false`.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn each(&self, from: u64, see: &mut dyn FnMut(ConnectionEvent) -> bool) -> Result<(), JournalError>;
}
