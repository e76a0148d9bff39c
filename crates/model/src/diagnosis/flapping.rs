//! A client that is lost and comes back, over and over.
//!
//! Only losses count: a client that says goodbye after each message, or a server that is restarted, is no
//! flapping. A phone that roams is lost whenever its address changes; such losses need twice as many.

use super::history::{History, Lost};
use super::{Confidence, Finding, FindingKind, HOUR_MS, median, most_frequent};
use crate::time::Timestamp;

/// In one hour, from one address.
const LOSSES_MIN: usize = 12;
/// In one hour, from whatever addresses.
const LOSSES_MIN_ROAMING: usize = 24;
/// In one day, from one address, in so many hours of it.
const LOSSES_MIN_DAY: usize = 24;
const HOURS_MIN: usize = 6;
/// Losses all day long may pause for this time.
const PAUSE_MS: i64 = 4 * HOUR_MS;

pub(super) fn find(history: &History<'_>) -> Option<Finding> {
    let lost = history.lost();
    let recent: Vec<Lost<'_>> =
        lost.iter().copied().filter(|lost| history.is_recent(lost.end.time)).collect();
    let same: Vec<Lost<'_>> = recent.iter().copied().filter(|lost| lost.is_same_address).collect();
    let (last, pause_ms) = busiest(&same, LOSSES_MIN)
        .or_else(|| busiest(&recent, LOSSES_MIN_ROAMING))
        .map(|last| (last, HOUR_MS))
        .or_else(|| all_day(&same).map(|last| (last, PAUSE_MS)))?;
    let mut earliest = last;
    let run: Vec<&Lost<'_>> = lost
        .iter()
        .rev()
        .skip_while(|lost| lost.end.time > last)
        .take_while(|lost| {
            let is_close = earliest.millis() - lost.end.time.millis() <= pause_ms;
            earliest = lost.end.time;
            is_close
        })
        .collect();
    let (newest, oldest) = (run.first()?, run.last()?);
    let kind = FindingKind::Flapping {
        losses: run.len() as u32,
        over_ms: newest.end.time.millis() - oldest.end.time.millis(),
        session_ms: median(run.iter().map(|lost| lost.life_ms())),
        cause: most_frequent(run.iter().map(|lost| lost.end.cause))?,
    };
    let evidence = run.iter().rev().map(|lost| lost.end.entry.clone()).collect();
    let until = history.until(last, pause_ms);
    Some(Finding::new(kind, Confidence::High, oldest.end.time, until, evidence))
}

/// The last loss of the last hour that has enough of them.
fn busiest(lost: &[Lost<'_>], needed: usize) -> Option<Timestamp> {
    let hours = lost.windows(needed).rev();
    hours.filter_map(|hour| Some((hour.first()?, hour.last()?))).find_map(|(first, last)| {
        let over_ms = last.end.time.millis() - first.end.time.millis();
        (over_ms <= HOUR_MS).then_some(last.end.time)
    })
}

fn all_day(lost: &[Lost<'_>]) -> Option<Timestamp> {
    let mut hours: Vec<i64> = lost.iter().map(|lost| lost.end.time.millis().div_euclid(HOUR_MS)).collect();
    hours.dedup();
    let last = lost.last()?.end.time;
    (lost.len() >= LOSSES_MIN_DAY && hours.len() >= HOURS_MIN).then_some(last)
}
