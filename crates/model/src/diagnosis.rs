//! What is wrong with a client, read off its log: pure functions from a state and its log entries to findings,
//! each with the evidence that it rests on; and from the losses of a whole fleet to incidents.
//!
//! Called by the API and, in the browser, by the page of one client. Precision comes before recall: what has an
//! innocent explanation (a device that sleeps, a phone that roams, a restart) is not a finding, and so a calm
//! fleet has none. The order of the entries and duplicates among them make no difference. It has no clock: the
//! time is an argument.

use serde::{Deserialize, Serialize};

use crate::log::LogEntry;
use crate::state::StateDoc;
use crate::time::Timestamp;

mod cause;
mod flapping;
mod history;
mod incident;
mod membership;
mod message;
mod refused;
mod regular;
mod shared_id;
mod silent;

pub use cause::Cause;
pub use incident::{Base, Incident, IncidentEnd, Loss, Share, ShareField, Subnet, incidents};

use history::History;

/// Only what was still going on within this time before `now` is told.
pub const RECENT_MS: i64 = 24 * HOUR_MS;
/// The most log entries that a finding carries as evidence, the newest.
pub const EVIDENCE_MAX: usize = 20;
/// A log that reaches further back than this tells nothing more.
pub const HISTORY_MS: i64 = 30 * 24 * HOUR_MS;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// How likely another explanation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The most likely explanation; others are possible.
    Medium,
    /// Hard to explain in another way.
    High,
}

/// Something that is, or was within the past day, wrong with a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    #[serde(flatten)]
    pub kind: FindingKind,
    pub confidence: Confidence,
    /// When it began, as far back as the log tells.
    pub since: Timestamp,
    /// When it was over; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// In English, for programs that show it as it is. The dashboard writes its own from the other fields.
    pub message: String,
    /// The entries that it rests on, newest first, at most [`EVIDENCE_MAX`].
    pub evidence: Vec<LogEntry>,
}

/// What is wrong. The names, on the wire in `kind`, are keys of the catalogues too. The order is that of the
/// findings: the most specific first. All durations are in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FindingKind {
    /// Two clients use one id and take it from each other in turn.
    SharedId {
        /// How often the id was taken over in this run.
        takeovers: u32,
        /// From where, in the order of their text; one when both come from the same address.
        addresses: Vec<String>,
        /// The median time for which either holds the id.
        hold_ms: i64,
    },
    /// The connection is lost after the same time again and again, and the client is back at once.
    RegularTimeout {
        /// The median life of these sessions.
        interval_ms: i64,
        /// Half of them are within this much of the median.
        spread_ms: i64,
        sessions: u32,
        /// How most of them ended.
        cause: Cause,
    },
    /// All attempts to connect fail.
    Refused {
        attempts: u32,
        /// The most frequent reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mqtt_reason_code: Option<u8>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        close_code: Option<u16>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        addresses: Vec<String>,
        /// The client itself is connected: somebody else tries its id.
        while_connected: bool,
    },
    /// The connection is lost and made again, over and over.
    Flapping {
        /// How often it was lost between `since` and the last loss.
        losses: u32,
        /// The time from the first of these losses to the last.
        over_ms: i64,
        /// The median life of a session.
        session_ms: i64,
        /// How most of the sessions ended.
        cause: Cause,
    },
    /// Connected, but nothing comes any more from a client that used to talk.
    Silent {
        silent_ms: i64,
        /// Its usual time between two messages.
        usual_gap_ms: i64,
        /// How many sessions this habit is known from.
        sessions: u32,
    },
    /// The connection was lost together with many others.
    MassDisconnect { incident: Incident },
}

impl FindingKind {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::SharedId { .. } => "sharedId",
            Self::RegularTimeout { .. } => "regularTimeout",
            Self::Refused { .. } => "refused",
            Self::Flapping { .. } => "flapping",
            Self::Silent { .. } => "silent",
            Self::MassDisconnect { .. } => "massDisconnect",
        }
    }
}

/// What is wrong with one client: its state, its log in any order, and the fleet's incidents at that time.
///
/// A finding that explains another replaces it: who shares an id, or is cut off at a regular interval, is not
/// called flapping as well. Entries without a kind, as a plain Watson server sends, tell nothing.
#[must_use]
pub fn diagnose(state: &StateDoc, log: &[LogEntry], incidents: &[Incident], now: Timestamp) -> Vec<Finding> {
    let history = History::read(log, now);
    let explained = shared_id::find(&history).or_else(|| regular::find(&history));
    let flapping = if explained.is_none() { flapping::find(&history) } else { None };
    explained
        .into_iter()
        .chain(refused::find(&history, state))
        .chain(flapping)
        .chain(silent::find(&history, state))
        .chain(membership::find(&history, incidents))
        .collect()
}

impl Finding {
    fn new(
        kind: FindingKind,
        confidence: Confidence,
        since: Timestamp,
        until: Option<Timestamp>,
        mut evidence: Vec<LogEntry>,
    ) -> Self {
        evidence.reverse();
        evidence.truncate(EVIDENCE_MAX);
        let message = message::of(&kind, since, until);
        Self { kind, confidence, since, until, message, evidence }
    }
}

/// The middle one of some numbers; 0 of none.
fn median(numbers: impl IntoIterator<Item = i64>) -> i64 {
    let mut numbers: Vec<i64> = numbers.into_iter().collect();
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

/// The value that occurs most often; of several the smallest.
fn most_frequent<T: Ord>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut counts = std::collections::BTreeMap::<T, u32>::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    // `max_by_key` returns the last of equals.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(value, _)| value)
}

#[cfg(test)]
mod tests;
