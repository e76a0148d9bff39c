//! What happened in the fleet over time, counted while it happens: how many were connected, came, went and were
//! refused, in minutes of the past day and hours of the past 30 days; who did so most; and the losses that
//! incidents are found in.
//!
//! The recorder feeds it with each batch; at the start it is filled from the journal in the background. The API
//! reads. It is memory only, all of it bounded, and it never touches fleet or journal by itself.

mod count;
mod losses;
mod seed;
mod series;
#[cfg(test)]
mod tests;
mod top;

use std::sync::{Mutex, MutexGuard, PoisonError};

use rollcall_model::diagnosis::{Base, Incident, incidents};
use rollcall_model::statistics::Statistics as Answer;
use rollcall_model::{Certainty, ConnectionEvent, EventKind, Timestamp};

use self::count::Counts;
use self::losses::Losses;
use self::top::Tops;

pub use self::seed::seed;
pub use self::series::{Range, RangeError, Step};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// How far back minutes reach.
pub const MINUTES_KEPT_MS: i64 = 24 * HOUR_MS;
/// How far back hours reach.
pub const HOURS_KEPT_MS: i64 = 30 * 24 * HOUR_MS;
/// Incidents that were found are told again for this time.
const FOUND_KEPT_MS: i64 = 5_000;

/// See the module.
pub struct Statistics {
    kept: Mutex<Kept>,
    /// When incidents were last looked for, and which there were. Looking takes some ten milliseconds.
    found: Mutex<Option<(Timestamp, Vec<Incident>)>>,
    start: Timestamp,
    connected_at_start: u64,
}

struct Kept {
    minutes: Counts,
    hours: Counts,
    tops: Tops,
    losses: Losses,
    /// What happened before is not, or not yet, counted.
    complete_from: Timestamp,
    /// The oldest time that the log tells of, or the start if the log was empty then.
    begins: Timestamp,
}

impl Statistics {
    /// Counts what happens from `start` on, when so many clients are connected.
    #[must_use]
    pub fn new(start: Timestamp, connected: u64) -> Self {
        let counts = |step_ms, keep_ms| {
            let mut counts = Counts::new(step_ms, keep_ms);
            counts.set_connected(start, connected, Certainty::Reported);
            counts
        };
        let kept = Kept {
            minutes: counts(MINUTE_MS, MINUTES_KEPT_MS),
            hours: counts(HOUR_MS, HOURS_KEPT_MS),
            tops: Tops::default(),
            losses: Losses::default(),
            complete_from: start,
            begins: start,
        };
        Self { kept: Mutex::new(kept), found: Mutex::new(None), start, connected_at_start: connected }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a batch that the fleet has just taken in, and how many clients are connected since.
    pub fn record(&self, events: &[ConnectionEvent], connected: u64, now: Timestamp) {
        let mut kept = self.kept();
        kept.count(events, now);
        let Kept { minutes, hours, tops, losses, .. } = &mut *kept;
        for counts in [minutes, hours] {
            counts.set_connected(now, connected, Certainty::Reported);
            counts.forget(now);
        }
        tops.forget(now);
        losses.forget(now);
    }

    /// The numbers of a range.
    #[must_use]
    pub fn series(&self, range: Range) -> Answer {
        self.kept().series(range)
    }

    /// What happened before this time is not, or not yet, counted.
    #[must_use]
    pub fn complete_from(&self) -> Timestamp {
        self.kept().complete_from
    }

    /// From when on the losses that incidents are found in are known.
    #[must_use]
    pub fn losses_complete_from(&self) -> Timestamp {
        let kept = self.kept();
        kept.complete_from.max(kept.losses.complete_from())
    }

    /// The incidents of the past day, newest first. `base` samples the fleet; it is called only when losses have
    /// to be looked through.
    #[must_use]
    pub fn incidents(&self, now: Timestamp, base: impl FnOnce() -> Base) -> Vec<Incident> {
        // Whoever asks while another looks waits for that answer instead of looking as well.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, known)) = found.as_ref()
            && (0..FOUND_KEPT_MS).contains(&(now.millis() - at.millis()))
        {
            return known.clone();
        }
        let (losses, known_from) = {
            let kept = self.kept();
            (kept.losses.all(), kept.begins.max(kept.losses.complete_from()))
        };
        let looked =
            if losses.is_empty() { Vec::new() } else { incidents(&losses, known_from, &base(), now) };
        *found = Some((now, looked.clone()));
        looked
    }
}

impl Kept {
    fn count(&mut self, events: &[ConnectionEvent], now: Timestamp) {
        for event in events {
            if !event.is_logged() {
                continue;
            }
            // A clock that is ahead must not make buckets of the future.
            let time = event.time.min(now);
            self.minutes.count(time, &event.kind, now);
            self.hours.count(time, &event.kind, now);
            self.tops.count(time, event, now);
            if matches!(event.kind, EventKind::Disconnect { .. }) {
                self.losses.push(event);
            }
        }
    }
}
