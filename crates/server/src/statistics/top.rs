//! Who does something most often, in bounded memory: for each hour the few most frequent, found with the
//! space-saving algorithm (Metwally, Agrawal, El Abbadi, 2005). What is told is a lower bound.

use std::collections::{BTreeMap, HashMap};

use rollcall_model::diagnosis::Cause;
use rollcall_model::statistics::Top;
use rollcall_model::{ConnectionEvent, EventKind, Timestamp};

use super::{HOUR_MS, HOURS_KEPT_MS};

/// Candidates for each list and hour.
const CANDIDATES: usize = 32;
/// How many are told.
const TOLD_MAX: usize = 20;
/// Once is not often.
const COUNT_MIN: u64 = 2;
/// A longer name is not counted: an id may have 64 KiB, and a stranger may choose it.
const NAME_BYTES_MAX: usize = 512;

#[derive(Default)]
struct Candidates {
    /// How often, and how much of that may belong to others.
    counts: HashMap<Box<str>, (u64, u64)>,
}

impl Candidates {
    fn count(&mut self, name: &str) {
        if let Some((count, _)) = self.counts.get_mut(name) {
            *count += 1;
            return;
        }
        if name.len() > NAME_BYTES_MAX {
            return;
        }
        let mut inherited = 0;
        if self.counts.len() >= CANDIDATES {
            let least = self.counts.iter().min_by_key(|(_, (count, _))| *count);
            if let Some((name, (count, _))) = least.map(|(name, count)| (name.clone(), *count)) {
                self.counts.remove(&name);
                inherited = count;
            }
        }
        self.counts.insert(name.into(), (inherited + 1, inherited));
    }
}

#[derive(Default)]
struct Hour {
    flappers: Candidates,
    refused: Candidates,
    addresses: Candidates,
}

/// The lists of each hour.
#[derive(Default)]
pub(super) struct Tops {
    hours: BTreeMap<i64, Hour>,
}

/// The lists of a range.
pub(super) struct Lists {
    pub flappers: Vec<Top>,
    pub refused: Vec<Top>,
    pub addresses: Vec<Top>,
}

const fn hour(time: Timestamp) -> i64 {
    time.millis().div_euclid(HOUR_MS)
}

const fn oldest(now: Timestamp) -> i64 {
    hour(now) - HOURS_KEPT_MS / HOUR_MS - 1
}

impl Tops {
    pub fn count(&mut self, time: Timestamp, event: &ConnectionEvent, now: Timestamp) {
        if hour(time) <= oldest(now) {
            return;
        }
        match &event.kind {
            EventKind::Disconnect { end, .. } => {
                let cause = Cause::of(end.initiator, end.mqtt_reason_code, end.close_code, end.certainty);
                // Neither goodbyes nor what an operator ended.
                let is_lost =
                    matches!(cause, Cause::TakenOver | Cause::KeepAlive | Cause::Network | Cause::Server);
                if is_lost {
                    self.hours.entry(hour(time)).or_default().flappers.count(&event.client_id);
                }
            }
            EventKind::FailedConnect { .. } => {
                let lists = self.hours.entry(hour(time)).or_default();
                lists.refused.count(&event.client_id);
                if let Some(addr) = &event.peer.addr {
                    lists.addresses.count(addr);
                }
            }
            EventKind::Connect { .. } | EventKind::Activity { .. } | EventKind::Missed => {}
        }
    }

    pub fn forget(&mut self, now: Timestamp) {
        while let Some(first) = self.hours.first_entry().filter(|first| *first.key() <= oldest(now)) {
            first.remove();
        }
    }

    /// The lists of all hours that the range touches.
    pub fn lists(&self, from: Timestamp, to: Timestamp) -> Lists {
        let last = hour(to.plus_ms(-1));
        let hours = || self.hours.range(hour(from)..=last.max(hour(from))).map(|(_, lists)| lists);
        Lists {
            flappers: ranked(hours().map(|lists| &lists.flappers)),
            refused: ranked(hours().map(|lists| &lists.refused)),
            addresses: ranked(hours().map(|lists| &lists.addresses)),
        }
    }
}

fn ranked<'a>(hours: impl Iterator<Item = &'a Candidates>) -> Vec<Top> {
    let mut totals = HashMap::<&str, u64>::new();
    for candidates in hours {
        for (name, (count, inherited)) in &candidates.counts {
            *totals.entry(name).or_default() += count - inherited;
        }
    }
    let often = totals.into_iter().filter(|(_, count)| *count >= COUNT_MIN);
    let mut tops: Vec<Top> = often.map(|(name, count)| Top { name: name.to_owned(), count }).collect();
    tops.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    tops.truncate(TOLD_MAX);
    tops
}
