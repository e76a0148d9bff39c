//! Mass disconnects: many clients of the fleet lost within minutes, compared with the usual rate, and what they
//! have in common compared with the whole fleet.
//!
//! The caller keeps the [`Loss`]es of the past day or more and samples the fleet into a [`Base`]. Goodbyes and
//! takeovers are no losses. What comes every hour or every day at the same time is a habit, and what goes on
//! evenly for long is somebody's rolling restart: neither is an incident.

mod burst;
mod share;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cause::Cause;
use super::{MINUTE_MS, RECENT_MS, message};
use crate::client_id::ClientId;
use crate::event::{Certainty, ConnectionEvent, EventKind, Initiator, MqttVersion};
use crate::time::Timestamp;

use share::Reasons;
pub use share::{Base, Share, ShareField, Subnet};

/// One client that lost its connection, in little memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    pub time: Timestamp,
    /// A hash of the id: only whether two are the same client matters.
    pub client: u64,
    pub cause: Cause,
    pub certainty: Certainty,
    pub initiator: Option<Initiator>,
    pub mqtt_reason_code: Option<u8>,
    pub subnet: Option<Subnet>,
    pub device_type: Option<Arc<str>>,
    pub version: Option<MqttVersion>,
}

impl Loss {
    /// The loss that an event tells; `None` for other events, for goodbyes and for takeovers.
    #[must_use]
    pub fn of(event: &ConnectionEvent) -> Option<Self> {
        let EventKind::Disconnect { end, .. } = &event.kind else { return None };
        let cause = Cause::of(end.initiator, end.mqtt_reason_code, end.close_code, end.certainty);
        if matches!(cause, Cause::Goodbye | Cause::TakenOver | Cause::Unknown) {
            return None;
        }
        Some(Self {
            time: event.time,
            client: hash(&event.client_id),
            cause,
            certainty: end.certainty,
            initiator: end.initiator,
            mqtt_reason_code: end.mqtt_reason_code,
            subnet: event.peer.addr.as_deref().and_then(Subnet::of),
            device_type: ClientId::parse(&event.client_id).device_type.map(Arc::from),
            version: event.peer.protocol.map(|protocol| protocol.version),
        })
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Many clients were lost at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// `serverShutdown` and `administrator` when an operator did it; `network` or `keepAlive`, whichever more of
    /// the clients met; `server` when the server ended the connections for another reason.
    pub cause: Cause,
    /// How sure the broker was of the ends: the least sure one.
    pub certainty: Certainty,
    pub since: Timestamp,
    /// The last loss; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many different clients were lost.
    pub clients: u64,
    /// How many are usually lost in as much time.
    pub usual: f64,
    /// What nearly all of them have in common and most of the fleet does not.
    pub shares: Vec<Share>,
    /// How their connections ended, the most frequent first.
    #[serde(default)]
    pub ends: Vec<IncidentEnd>,
    /// How many of them have not come back, where the caller has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub still_away: Option<u64>,
    /// In English, for programs that show it as it is.
    pub message: String,
    /// The last loss, also while it goes on.
    #[serde(default, skip_serializing)]
    latest: Option<Timestamp>,
}

/// One way in which connections of an incident ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IncidentEnd {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<Initiator>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtt_reason_code: Option<u8>,
    /// How many clients.
    pub clients: u64,
}

impl IncidentEnd {
    fn all_of(members: &[&Loss]) -> Vec<Self> {
        let mut counts = BTreeMap::<(Option<Initiator>, Option<u8>), u64>::new();
        for loss in members {
            *counts.entry((loss.initiator, loss.mqtt_reason_code)).or_default() += 1;
        }
        let end = |((initiator, mqtt_reason_code), clients)| Self { initiator, mqtt_reason_code, clients };
        let mut ends: Vec<Self> = counts.into_iter().map(end).collect();
        ends.sort_by_key(|end| std::cmp::Reverse(end.clients));
        ends
    }
}

impl Incident {
    /// The last moment that is known to belong to it.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        // One that was read from the API and goes on has no last moment.
        self.until.or(self.latest).unwrap_or(Timestamp::from_millis(i64::MAX))
    }
}

/// Causes that one event has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Dropped sockets and keep-alives that ran out: a broken network shows as both.
    Connection,
    Shutdown,
    Administrator,
    Server,
}

impl Class {
    const fn of(cause: Cause) -> Option<Self> {
        match cause {
            Cause::Network | Cause::KeepAlive => Some(Self::Connection),
            Cause::ServerShutdown => Some(Self::Shutdown),
            Cause::Administrator => Some(Self::Administrator),
            Cause::Server => Some(Self::Server),
            Cause::Goodbye | Cause::TakenOver | Cause::Unknown => None,
        }
    }
}

impl Cause {
    /// Whether one incident may show as either.
    #[must_use]
    pub(super) fn is_of_a_kind_with(self, other: Self) -> bool {
        Class::of(self).is_some() && Class::of(self) == Class::of(other)
    }
}

/// An incident goes on until this time after its last loss.
const OVER_MS: i64 = 2 * MINUTE_MS;

/// The incidents of the past day ([`RECENT_MS`]), the newest first. The losses may come in any order and more than
/// once; those of the day before are needed to know what happens every day. `known_from` is when the first of them could have
/// been told: what was usual before is not known.
#[must_use]
pub fn incidents(losses: &[Loss], known_from: Timestamp, base: &Base, now: Timestamp) -> Vec<Incident> {
    let mut classes = BTreeMap::<Class, Vec<&Loss>>::new();
    for loss in losses.iter().filter(|loss| loss.time <= now.plus_ms(OVER_MS)) {
        if let Some(class) = Class::of(loss.cause) {
            classes.entry(class).or_default().push(loss);
        }
    }
    let mut found = Vec::new();
    for of_class in classes.values_mut() {
        of_class.sort_by_key(|loss| (loss.time, loss.client, loss.cause, loss.certainty));
        of_class.dedup_by_key(|loss| (loss.time, loss.client));
        burst::leave_out_the_restless(of_class);
        let bursts = burst::find(of_class, known_from);
        if bursts.is_empty() {
            continue;
        }
        let reasons = Reasons::of(of_class);
        for burst in bursts {
            let within = burst::within(of_class, burst.from, burst.to);
            found.extend(describe(within, &reasons, burst.usual, base, now));
        }
    }
    found.sort_by_key(|incident| std::cmp::Reverse((incident.since, incident.cause)));
    found
}

fn describe(
    within: &[&Loss],
    reasons: &Reasons,
    usual: f64,
    base: &Base,
    now: Timestamp,
) -> Option<Incident> {
    let (first, last) = (within.first()?.time, within.last()?.time);
    if now.millis() - last.millis() > RECENT_MS {
        return None;
    }
    let mut members: Vec<&Loss> = within.to_vec();
    // One client counts once, with its last loss.
    members.sort_by_key(|loss| (loss.client, std::cmp::Reverse(loss.time)));
    members.dedup_by_key(|loss| loss.client);
    let cause = super::most_frequent(members.iter().map(|loss| loss.cause))?;
    // A server shuts down once.
    let is_over = now.millis() - last.millis() > OVER_MS || cause == Cause::ServerShutdown;
    let mut incident = Incident {
        cause,
        certainty: members.iter().map(|loss| loss.certainty).min()?,
        since: first,
        until: is_over.then_some(last),
        clients: members.len() as u64,
        usual,
        shares: share::find(&members, &reasons.without(within), base),
        ends: IncidentEnd::all_of(&members),
        still_away: None,
        message: String::new(),
        latest: Some(last),
    };
    incident.message = message::of_incident(&incident);
    Some(incident)
}
