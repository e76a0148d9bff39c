//! One id, two clients: each connects, throws the other out, and is thrown out when the other tries again.
//!
//! A takeover by itself is innocent and common: a client that changed its network, or noticed a dead connection
//! before the server did, takes over from itself. What gives two clients away is that both come back, in turn,
//! within minutes. From one address (two clients behind one NAT) only the pace does: takeovers every few seconds
//! are faster than a client notices that its connection is dead.

use std::collections::{BTreeMap, BTreeSet};

use super::cause::Cause;
use super::history::History;
use super::{Confidence, Finding, FindingKind, MINUTE_MS, SECOND_MS, median};
use crate::log::LogEntry;
use crate::time::Timestamp;

/// A longer pause between two takeovers ends a run.
const PAUSE_MS: i64 = 15 * MINUTE_MS;
/// The new session starts within this time of the old one's end.
const HANDOVER_MS: i64 = 5 * SECOND_MS;
const TAKEOVERS_MIN: usize = 6;
/// When they come more slowly than this,
const HOLD_FAST_MS: i64 = 2 * MINUTE_MS;
/// so many are needed.
const TAKEOVERS_MIN_SLOW: usize = 12;
const TAKEOVERS_CERTAIN: usize = 10;
const TAKEOVERS_MIN_ONE_ADDRESS: usize = 10;
const HOLD_MAX_ONE_ADDRESS_MS: i64 = 15 * SECOND_MS;

struct Takeover<'a> {
    time: Timestamp,
    from: Option<&'a str>,
    to: Option<&'a str>,
    entry: &'a LogEntry,
}

pub(super) fn find(history: &History<'_>) -> Option<Finding> {
    let run = last_run(history)?;
    let (first, last) = (run.first()?, run.last()?);
    let known: Vec<_> = run.iter().filter_map(|takeover| takeover.from.zip(takeover.to)).collect();
    let hold_ms = median(run.windows(2).filter_map(|pair| match pair {
        [one, next] => Some(next.time.millis() - one.time.millis()),
        _ => None,
    }));
    let confidence = judge(&known, hold_ms)?;
    let addresses: BTreeSet<_> = known.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let kind = FindingKind::SharedId {
        takeovers: run.len() as u32,
        addresses: addresses.into_iter().map(str::to_owned).collect(),
        hold_ms,
    };
    let evidence = run.iter().map(|takeover| takeover.entry.clone()).collect();
    Some(Finding::new(kind, confidence, first.time, history.until(last.time, PAUSE_MS), evidence))
}

/// The newest takeovers that follow each other closely.
fn last_run<'a>(history: &History<'a>) -> Option<Vec<Takeover<'a>>> {
    let mut takeovers: Vec<Takeover<'a>> = history.sessions.windows(2).filter_map(takeover).collect();
    takeovers.sort_by_key(|takeover| takeover.time);
    takeovers.dedup_by_key(|takeover| takeover.time);
    let last = takeovers.last()?.time;
    let mut earliest = last;
    let of_run = takeovers.iter().rev().take_while(|takeover| {
        let is_close = earliest.millis() - takeover.time.millis() <= PAUSE_MS;
        earliest = takeover.time;
        is_close
    });
    let length = of_run.count();
    history.is_recent(last).then(|| takeovers.split_off(takeovers.len() - length))
}

fn takeover<'a>(pair: &[super::history::Session<'a>]) -> Option<Takeover<'a>> {
    let [old, new] = pair else { return None };
    let end = old.end.filter(|end| end.cause == Cause::TakenOver)?;
    let apart_ms = new.start.millis() - end.time.millis();
    (apart_ms.abs() <= HANDOVER_MS).then_some(Takeover {
        time: end.time,
        from: old.addr,
        to: new.addr,
        entry: end.entry,
    })
}

fn judge(known: &[(&str, &str)], hold_ms: i64) -> Option<Confidence> {
    let count = known.len();
    let changed = known.iter().filter(|(from, to)| from != to).count();
    if changed == 0 {
        let is_fast = count >= TAKEOVERS_MIN_ONE_ADDRESS && hold_ms <= HOLD_MAX_ONE_ADDRESS_MS;
        return is_fast.then_some(Confidence::Medium);
    }
    // One client behind several addresses of one NAT comes from any of them, not from the other one each time.
    let in_turn = changed * 20 >= count * 19;
    let needed = if hold_ms <= HOLD_FAST_MS { TAKEOVERS_MIN } else { TAKEOVERS_MIN_SLOW };
    if count < needed || !in_turn || returning(known) < 2 {
        return None;
    }
    let is_certain = count >= TAKEOVERS_CERTAIN && hold_ms <= MINUTE_MS;
    Some(if is_certain { Confidence::High } else { Confidence::Medium })
}

/// How many addresses were thrown out and came back, at least twice each.
fn returning(known: &[(&str, &str)]) -> usize {
    let mut returns = BTreeMap::<&str, u32>::new();
    let mut thrown_out = BTreeSet::new();
    for (from, to) in known {
        if thrown_out.contains(to) {
            *returns.entry(to).or_default() += 1;
        }
        thrown_out.insert(from);
    }
    returns.values().filter(|times| **times >= 2).count()
}
