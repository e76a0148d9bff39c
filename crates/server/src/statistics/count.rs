//! Buckets of one length, each with what happened in its time.

use std::collections::BTreeMap;

use rollcall_model::{Certainty, EventKind, Initiator, Timestamp};

/// How many kinds of end one bucket tells apart. A client may send any code with its goodbye.
const KINDS_MAX: usize = 48;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    Code(u8),
    Unknown,
    /// Beyond [`KINDS_MAX`].
    Other,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Connected clients at the end of the bucket, as far as events told.
    pub connected: Option<(u64, Certainty)>,
    pub connects: u64,
    pub refused: u64,
    pub ends: BTreeMap<(Option<Initiator>, Reason), u64>,
}

impl Bucket {
    pub fn count(&mut self, kind: &EventKind) {
        match kind {
            EventKind::Connect { .. } => self.connects += 1,
            EventKind::FailedConnect { .. } => self.refused += 1,
            EventKind::Disconnect { end, .. } => {
                let reason = end.mqtt_reason_code.map_or(Reason::Unknown, Reason::Code);
                self.end(end.initiator, reason, 1);
            }
            EventKind::Activity { .. } | EventKind::Missed => {}
        }
    }

    fn end(&mut self, initiator: Option<Initiator>, reason: Reason, times: u64) {
        let is_new = !self.ends.contains_key(&(initiator, reason));
        let reason = if is_new && self.ends.len() >= KINDS_MAX { Reason::Other } else { reason };
        *self.ends.entry((initiator, reason)).or_default() += times;
    }

    /// Adds what happened in another bucket. The level is that of the later one, which is `other`.
    pub fn add(&mut self, other: &Self) {
        self.connected = other.connected.or(self.connected);
        self.connects += other.connects;
        self.refused += other.refused;
        for ((initiator, reason), times) in &other.ends {
            self.end(*initiator, *reason, *times);
        }
    }
}

/// Only buckets in which something happened exist.
pub(super) struct Counts {
    step_ms: i64,
    keep_ms: i64,
    buckets: BTreeMap<i64, Bucket>,
}

impl Counts {
    pub const fn new(step_ms: i64, keep_ms: i64) -> Self {
        Self { step_ms, keep_ms, buckets: BTreeMap::new() }
    }

    /// Counts an event, unless it is older than what is kept.
    pub fn count(&mut self, time: Timestamp, kind: &EventKind, now: Timestamp) {
        let number = self.number(time);
        if number > self.oldest(now) {
            self.buckets.entry(number).or_default().count(kind);
        }
    }

    pub fn set_connected(&mut self, time: Timestamp, connected: u64, certainty: Certainty) {
        let bucket = self.buckets.entry(self.number(time)).or_default();
        // What was counted stands against what was reckoned.
        if bucket.connected.is_none_or(|(_, known)| known <= certainty) {
            bucket.connected = Some((connected, certainty));
        }
    }

    pub fn forget(&mut self, now: Timestamp) {
        let oldest = self.oldest(now);
        while let Some(first) = self.buckets.first_entry().filter(|first| *first.key() <= oldest) {
            first.remove();
        }
    }

    /// The buckets that begin in this time, the end exclusive, with their beginnings.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (Timestamp, &Bucket)> {
        let range = self.number(from)..self.number(to.plus_ms(self.step_ms - 1)).max(self.number(from));
        self.buckets
            .range(range)
            .map(|(number, bucket)| (Timestamp::from_millis(number * self.step_ms), bucket))
    }

    /// How many were connected when this time began.
    pub fn connected_before(&self, time: Timestamp) -> Option<(u64, Certainty)> {
        self.buckets.range(..self.number(time)).rev().find_map(|(_, bucket)| bucket.connected)
    }

    pub const fn number(&self, time: Timestamp) -> i64 {
        time.millis().div_euclid(self.step_ms)
    }

    /// The newest bucket that is no longer kept.
    const fn oldest(&self, now: Timestamp) -> i64 {
        self.number(now) - self.keep_ms / self.step_ms - 1
    }
}
