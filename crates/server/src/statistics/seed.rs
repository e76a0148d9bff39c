//! Fills the statistics with what happened before the server's start, from the journal. Runs once, in the
//! background: answers meanwhile say from when on they are complete.

use std::collections::BTreeMap;

use rollcall_model::{Certainty, ConnectionEvent, EventKind, Timestamp};

use super::losses::Losses;
use super::{HOUR_MS, HOURS_KEPT_MS, Kept, MINUTE_MS, MINUTES_KEPT_MS, Statistics};
use crate::journal::{Journal, JournalError};

/// Events that are taken in at one go, so that the recorder does not wait.
const CHUNK: usize = 1_000;

/// Counts the log of the 30 days before the moment from which on the statistics count themselves, and reckons back
/// from the number of clients that were connected then how many were before.
///
/// # Errors
/// When the journal cannot be read.
pub fn seed(statistics: &Statistics, journal: &dyn Journal) -> Result<(), JournalError> {
    let start = statistics.start;
    let mut seeding = Seeding::new(statistics, start);
    // The log may go back further than is counted: then nothing in the 30 days is older than the counting.
    journal.replay(None, Some(start), &mut |event| {
        seeding.first = event.time;
        false
    })?;
    journal.replay(Some(start.plus_ms(-HOURS_KEPT_MS)), Some(start), &mut |event| {
        seeding.take(event);
        true
    })?;
    seeding.finish(statistics.connected_at_start);
    Ok(())
}

struct Seeding<'a> {
    statistics: &'a Statistics,
    start: Timestamp,
    /// The oldest that the log tells of, or the start.
    first: Timestamp,
    chunk: Vec<ConnectionEvent>,
    losses: Losses,
    /// Connects less ends in each minute, and in each hour.
    minutes: BTreeMap<i64, i64>,
    hours: BTreeMap<i64, i64>,
}

impl<'a> Seeding<'a> {
    fn new(statistics: &'a Statistics, start: Timestamp) -> Self {
        Self {
            statistics,
            start,
            first: start,
            chunk: Vec::new(),
            losses: Losses::default(),
            minutes: BTreeMap::new(),
            hours: BTreeMap::new(),
        }
    }

    fn take(&mut self, event: ConnectionEvent) {
        let net = match event.kind {
            EventKind::Connect { .. } => 1,
            EventKind::Disconnect { .. } => -1,
            _ => 0,
        };
        let ms = event.time.millis();
        self.first = self.first.min(event.time);
        if self.start.millis() - ms <= MINUTES_KEPT_MS {
            *self.minutes.entry(ms.div_euclid(MINUTE_MS)).or_default() += net;
        }
        *self.hours.entry(ms.div_euclid(HOUR_MS)).or_default() += net;
        self.losses.push(&event);
        self.chunk.push(event);
        if self.chunk.len() >= CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let now = self.start;
        let mut kept = self.statistics.kept();
        for event in self.chunk.drain(..) {
            kept.minutes.count(event.time, &event.kind, now);
            kept.hours.count(event.time, &event.kind, now);
            kept.tops.count(event.time, &event, now);
        }
    }

    fn finish(mut self, connected: u64) {
        self.flush();
        self.losses.forget(self.start);
        let mut kept = self.statistics.kept();
        let Kept { minutes, hours, losses, complete_from, begins, .. } = &mut *kept;
        losses.prepend(self.losses);
        *begins = self.first;
        *complete_from = self.start.plus_ms(-HOURS_KEPT_MS);
        for (counts, nets, step_ms) in [(minutes, self.minutes, MINUTE_MS), (hours, self.hours, HOUR_MS)] {
            let mut level = i64::try_from(connected).unwrap_or(i64::MAX);
            for (number, net) in nets.into_iter().rev() {
                // A log with gaps does not add up; what lies before is not known then.
                let Ok(connected) = u64::try_from(level) else { break };
                counts.set_connected(
                    Timestamp::from_millis(number * step_ms),
                    connected,
                    Certainty::Inferred,
                );
                level -= net;
            }
        }
    }
}
