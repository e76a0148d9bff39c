//! What happened in the fleet over time, as the API tells it: the numbers behind the charts of the overview, and
//! the answers about incidents and diagnosis. Shapes only: the server counts, the dashboard draws.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::diagnosis::{Finding, Incident};
use crate::event::Certainty;
use crate::time::Timestamp;

/// The fleet over a range of time, in steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// The start of the first bucket.
    pub from: Timestamp,
    /// The end of the last one, or now.
    pub to: Timestamp,
    /// The length of a bucket in milliseconds. Buckets begin at whole multiples of it since 1970 in UTC.
    pub step_ms: i64,
    /// What happened before this time is not, or not yet, counted.
    pub complete_from: Timestamp,
    /// The oldest time that the log tells of, or the server's start if the log was empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<Timestamp>,
    pub buckets: Vec<Bucket>,
    /// The clients that lost their connection most often, the most frequent first. Counted by whole hours.
    pub top_flappers: Vec<Top>,
    /// The ids under which most attempts were refused.
    pub top_refused: Vec<Top>,
    /// The addresses from which most attempts were refused.
    pub top_refused_addresses: Vec<Top>,
}

/// One step of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// When it begins.
    pub time: Timestamp,
    /// How many clients were connected at its end; absent when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<u64>,
    /// `inferred` for the time before the server's start, when it is reckoned back from the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_certainty: Option<Certainty>,
    pub connects: u64,
    /// Ends of sessions, takeovers among them.
    pub disconnects: u64,
    /// Attempts that failed.
    pub refused: u64,
    /// The disconnects by who ended them: `client`, `server`, `network`, `unknown`.
    pub by_initiator: BTreeMap<String, u64>,
    /// The disconnects by MQTT 5 reason code, decimal; `unknown` where there is none, `other` for those beyond the
    /// kinds that are told apart in one bucket.
    pub by_reason: BTreeMap<String, u64>,
    /// Both at once: for each of [`Self::by_initiator`] the disconnects by reason, as in [`Self::by_reason`].
    #[serde(default)]
    pub reasons_by_initiator: BTreeMap<String, BTreeMap<String, u64>>,
}

/// How often something happened to one client, or from one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Top {
    /// The client id or the address.
    pub name: String,
    /// At least so often.
    pub count: u64,
}

/// What is wrong with one client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    pub client_id: String,
    /// The moment that the findings are true of.
    pub now: Timestamp,
    /// How many log entries were read.
    pub entries: u64,
    pub findings: Vec<Finding>,
}

/// What hit many clients at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incidents {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Losses before this time are not, or not yet, known.
    pub complete_from: Timestamp,
    /// The newest first.
    pub incidents: Vec<Incident>,
}
