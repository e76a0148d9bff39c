//! A client's sessions, put together from its log: each connect with the disconnect that belongs to it.
//!
//! Called by the history store whenever entries were read; pure. Like the fold, it goes by the session and not by the
//! order of arrival, and whatever the log does not say outright is marked as inferred.

use std::sync::Arc;

use rollcall_model::log::{LogEntry, LogEvent};
use rollcall_model::{Certainty, ConnectionStatus, StateDoc, Timestamp};

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It has not: the client is connected.
    Open,
    At(Timestamp, Certainty),
    /// It is over, or perhaps not; nothing says when.
    Unknown,
}

/// One connection of a client, as far as its log tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub start: Timestamp,
    /// The log names its start. Without, `start` is the end: the only time that is known.
    pub has_start: bool,
    pub end: Ending,
    pub connect: Option<Arc<LogEntry>>,
    pub disconnect: Option<Arc<LogEntry>>,
}

impl Session {
    /// When it ended, or `now` for the session that is open.
    #[must_use]
    pub const fn end_or(&self, now: Timestamp) -> Timestamp {
        match self.end {
            Ending::Open => now,
            Ending::At(time, _) => time,
            Ending::Unknown => self.start,
        }
    }

    /// How long it lasted in milliseconds, as far as both ends are known.
    #[must_use]
    pub fn duration_ms(&self, now: Timestamp) -> Option<i64> {
        let is_known = self.has_start && self.end != Ending::Unknown;
        is_known.then(|| (self.end_or(now).millis() - self.start.millis()).max(0))
    }

    #[must_use]
    pub fn is_inferred(&self) -> bool {
        !matches!(self.end, Ending::Open | Ending::At(_, Certainty::Reported)) || !self.has_start
    }

    /// The entry that says most of the connection.
    #[must_use]
    pub fn entry(&self) -> Option<&Arc<LogEntry>> {
        self.disconnect.as_ref().or(self.connect.as_ref())
    }

    fn is_of(&self, start: Timestamp, port: Option<u16>) -> bool {
        let own = self.entry().and_then(|entry| entry.client_port);
        self.has_start && self.start == start && (own.is_none() || port.is_none() || own == port)
    }
}

/// What a log comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sessions {
    /// By start, oldest first.
    pub sessions: Vec<Session>,
    /// Failed attempts, oldest first.
    pub refused: Vec<Arc<LogEntry>>,
}

/// The kind of an entry; of a plain Watson server's by the wording of its message.
#[must_use]
pub fn kind_of(entry: &LogEntry) -> Option<LogEvent> {
    entry.event.or_else(|| {
        let starts = |text| entry.message.starts_with(text);
        match () {
            () if starts("Token auth succeeded") => Some(LogEvent::Connect),
            () if starts("Token auth failed") => Some(LogEvent::FailedConnect),
            () if starts("Closed connection") => Some(LogEvent::Disconnect),
            () => None,
        }
    })
}

/// Puts sessions together from entries, newest first, and what is known of the client now.
#[must_use]
pub fn sessions(entries: &[Arc<LogEntry>], doc: Option<&StateDoc>) -> Sessions {
    let mut found = Sessions::default();
    // The sessions without an end so far, by their place.
    let mut open: Vec<usize> = Vec::new();
    for entry in entries.iter().rev() {
        match kind_of(entry) {
            Some(LogEvent::Connect) => connect(&mut found.sessions, &mut open, entry),
            Some(LogEvent::Disconnect) => disconnect(&mut found.sessions, &mut open, entry),
            Some(LogEvent::FailedConnect) => found.refused.push(Arc::clone(entry)),
            None => {}
        }
    }
    if let Some(doc) = doc {
        add_current(&mut found.sessions, doc);
    }
    found.sessions.sort_by_key(|session| session.start);
    close_overtaken(&mut found.sessions, doc);
    found
}

/// How many sessions are looked back at for the one that an entry belongs to. Entries come in the order of their times,
/// so equal starts stand together.
const LOOK_BACK: usize = 8;
/// How many sessions can wait for their end: a log without any disconnect must not take time by the square.
const OPEN_MAX: usize = 64;

fn connect(sessions: &mut Vec<Session>, open: &mut Vec<usize>, entry: &Arc<LogEntry>) {
    let start = entry.connect_time.unwrap_or(entry.timestamp);
    // The same connect may be in the log twice, and its end may have been told before it.
    if let Some(known) = sessions.iter_mut().rev().take(LOOK_BACK).find(|s| s.is_of(start, entry.client_port))
    {
        known.connect.get_or_insert_with(|| Arc::clone(entry));
        return;
    }
    open.push(sessions.len());
    if open.len() > OPEN_MAX {
        open.remove(0);
    }
    sessions.push(Session {
        start,
        has_start: true,
        end: Ending::Unknown,
        connect: Some(Arc::clone(entry)),
        disconnect: None,
    });
}

fn disconnect(sessions: &mut Vec<Session>, open: &mut Vec<usize>, entry: &Arc<LogEntry>) {
    let end = Ending::At(entry.timestamp, entry.certainty.unwrap_or(Certainty::Reported));
    let at = match entry.connect_time {
        Some(start) => open.iter().rposition(|at| sessions[*at].is_of(start, entry.client_port)),
        None => {
            let last = open.iter().rposition(|at| sessions[*at].start <= entry.timestamp);
            let is_robber =
                last.is_some_and(|last| last > 0 && entry.is_takeover_by(sessions[open[last]].start));
            last.map(|last| last - usize::from(is_robber))
        }
    };
    if let Some(at) = at {
        let session = &mut sessions[open.remove(at)];
        session.end = end;
        session.disconnect = Some(Arc::clone(entry));
        return;
    }
    let is_told = entry.connect_time.is_some_and(|start| {
        sessions.iter().rev().take(LOOK_BACK).any(|session| session.is_of(start, entry.client_port))
    });
    if !is_told {
        sessions.push(Session {
            start: entry.connect_time.unwrap_or(entry.timestamp).min(entry.timestamp),
            has_start: entry.connect_time.is_some(),
            end,
            connect: None,
            disconnect: Some(Arc::clone(entry)),
        });
    }
}

/// The session that the client's state tells of, where the entries do not reach back to its start.
fn add_current(sessions: &mut Vec<Session>, doc: &StateDoc) {
    let Some(start) = doc.last_connect_time else { return };
    if sessions.iter().all(|session| session.start < start) {
        sessions.push(Session {
            start,
            has_start: true,
            end: Ending::Unknown,
            connect: None,
            disconnect: None,
        });
    }
}

/// A session without an end was over when the next one began; the newest is as the client's state says.
fn close_overtaken(sessions: &mut [Session], doc: Option<&StateDoc>) {
    for at in 1..sessions.len() {
        let next = sessions[at].start;
        if sessions[at - 1].end == Ending::Unknown {
            sessions[at - 1].end = Ending::At(next, Certainty::Inferred);
        }
    }
    let (Some(last), Some(doc)) = (sessions.last_mut(), doc) else { return };
    if last.end != Ending::Unknown {
        return;
    }
    let ended = doc.last_disconnect_time.filter(|time| *time >= last.start);
    last.end = match (doc.connection_status, ended) {
        // Nothing was heard since: whether it is still open is not known.
        (ConnectionStatus::Connected, _) => doc
            .stale_since
            .map_or(Ending::Open, |since| Ending::At(since.max(last.start), Certainty::Unknown)),
        (ConnectionStatus::Disconnected, Some(time)) => Ending::At(time, doc.certainty),
        (ConnectionStatus::Disconnected, None) => Ending::Unknown,
    };
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
