//! Sessions that are lost after the same time again and again: a NAT or a load balancer that forgets idle or old
//! connections, or a watchdog in the client.
//!
//! A device that sleeps also has sessions of one length, and so has one that is switched off every evening. But
//! they stay away; a client that is cut off comes back at once. Whoever says goodbye was not cut off.

use super::cause::Cause;
use super::history::{History, Lost};
use super::{Confidence, Finding, FindingKind, HOUR_MS, SECOND_MS, median, most_frequent};

/// Shorter sessions have no life of their own: what is lost so soon is flapping.
const INTERVAL_MIN_MS: i64 = 30 * SECOND_MS;
/// Longer ones follow the day: backups, a router's nightly restart.
const INTERVAL_MAX_MS: i64 = 12 * HOUR_MS;
const SESSIONS_MIN: usize = 6;
const SESSIONS_CERTAIN: usize = 10;
/// How many of the last sessions are looked at: as many as there are of the first of these.
const SPANS: [usize; 3] = [20, SESSIONS_CERTAIN, SESSIONS_MIN];

pub(super) fn find(history: &History<'_>) -> Option<Finding> {
    let lost: Vec<Lost<'_>> = history
        .lost()
        .into_iter()
        .filter(|lost| match lost.end.cause {
            Cause::KeepAlive | Cause::Network => true,
            // The client noticed before the server did.
            Cause::TakenOver => lost.is_same_address,
            _ => false,
        })
        .collect();
    SPANS.iter().find_map(|span| judge(&lost, *span, history))
}

/// Judges the last so many sessions; what is regular may have begun before them.
fn judge(lost: &[Lost<'_>], span: usize, history: &History<'_>) -> Option<Finding> {
    let (before, lost) = lost.split_at_checked(lost.len().checked_sub(span)?)?;
    let interval_ms = median(lost.iter().map(Lost::life_ms));
    let tolerance_ms = (interval_ms * 3 / 100).clamp(3 * SECOND_MS, 60 * SECOND_MS);
    let off_ms = |lost: &Lost<'_>| (lost.life_ms() - interval_ms).abs();
    let is_alike = |lost: &&Lost<'_>| off_ms(lost) <= tolerance_ms;
    let mut alike: Vec<_> = lost.iter().filter(is_alike).collect();
    let is_regular = alike.len() * 10 >= lost.len() * 8;
    alike.splice(0..0, before.iter().rev().take_while(is_alike).collect::<Vec<_>>().into_iter().rev());
    let (first, last) = (alike.first()?, alike.last()?);
    let is_possible = (INTERVAL_MIN_MS..=INTERVAL_MAX_MS).contains(&interval_ms);
    if !is_regular || !is_possible || !history.is_recent(last.end.time) {
        return None;
    }
    let kind = FindingKind::RegularTimeout {
        interval_ms,
        spread_ms: median(alike.iter().map(|lost| off_ms(lost))),
        sessions: alike.len() as u32,
        cause: most_frequent(alike.iter().map(|lost| lost.end.cause))?,
    };
    let confidence = if alike.len() >= SESSIONS_CERTAIN { Confidence::High } else { Confidence::Medium };
    let until = history.until(last.end.time, 2 * interval_ms);
    let evidence = alike.iter().map(|lost| lost.end.entry.clone()).collect();
    Some(Finding::new(kind, confidence, first.end.time, until, evidence))
}
