//! Minutes in which far more clients were lost than usual.

use std::collections::{HashMap, VecDeque};

use super::{Cause, Loss, MINUTE_MS};
use crate::time::Timestamp;

/// Fewer clients are no mass.
const CLIENTS_MIN: usize = 20;
/// Losses of one broken network spread over this time at most,
const LENGTH_MAX_MIN: usize = 15;
/// and keep-alives that run out over this.
const LENGTH_MAX_KEEP_ALIVE_MIN: usize = 60;
/// More minutes than this are not looked at: eight days.
const MINUTES_MAX: usize = 8 * 24 * 60;
/// Of the time before the first loss so many minutes are looked at; they were quiet.
const QUIET_MIN: i64 = 60;
/// A client that was lost in so many minutes of the last hour says nothing of the others when it is lost again.
const RESTLESS_MINUTES: usize = 10;
/// Fewer minutes than this have no usual one.
const MEDIAN_MIN: usize = 10;
/// How many of the hours before must have the same burst for it to be a habit.
const HABIT_HOURS: i64 = 3;
/// How early or late a habit may be.
const HABIT_SLACK_MS: i64 = 2 * MINUTE_MS;

pub(super) struct Burst {
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    /// How many clients are usually lost in as much time.
    pub usual: f64,
}

const fn minute(time: Timestamp) -> i64 {
    time.millis().div_euclid(MINUTE_MS)
}

/// Leaves out what clients that come and go all the time add, of losses in the order of their time.
pub(super) fn leave_out_the_restless(losses: &mut Vec<&Loss>) {
    let mut counts = HashMap::<u64, usize>::new();
    losses.iter().for_each(|loss| *counts.entry(loss.client).or_default() += 1);
    // Of the few that were lost so often, the minutes of their last losses, the newest last.
    let often = counts.into_iter().filter(|(_, count)| *count > RESTLESS_MINUTES);
    let mut before: HashMap<u64, VecDeque<i64>> =
        often.map(|(client, _)| (client, VecDeque::new())).collect();
    losses.retain(|loss| {
        let Some(minutes) = before.get_mut(&loss.client) else { return true };
        let now = minute(loss.time);
        if minutes.back() != Some(&now) {
            minutes.push_back(now);
        }
        if minutes.len() > RESTLESS_MINUTES + 1 {
            minutes.pop_front();
        }
        !(minutes.len() > RESTLESS_MINUTES && minutes.front().is_some_and(|first| now - first <= 60))
    });
}

/// The bursts among the losses of one class, which are in the order of their time.
pub(super) fn find(losses: &[&Loss], known_from: Timestamp) -> Vec<Burst> {
    let (Some(first), Some(last)) = (losses.first(), losses.last()) else { return Vec::new() };
    let (first, last) = (minute(first.time), minute(last.time));
    let quiet = (first - QUIET_MIN).max(minute(known_from)).min(first);
    let first = quiet.max(last + 1 - MINUTES_MAX as i64);
    let mut counts = vec![0_usize; usize::try_from(last + 1 - first).unwrap_or(0)];
    // A client that is lost ten times in a minute is one client.
    let mut lost: Vec<(i64, u64)> = losses.iter().map(|loss| (minute(loss.time), loss.client)).collect();
    lost.sort_unstable();
    lost.dedup();
    for (minute, _) in lost {
        if let Some(count) = usize::try_from(minute - first).ok().and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
    let time = |at: usize| Timestamp::from_millis((first + at as i64) * MINUTE_MS);
    spans(&counts)
        .into_iter()
        .map(|(from, to, usual)| Burst {
            from: time(from),
            to: time(to),
            usual: (usual * (to - from) as f64 * 10.0).round() / 10.0,
        })
        .filter(|burst| is_mass(losses, burst) && !is_habit(losses, burst))
        .collect()
}

/// Spans of minutes, the end exclusive, in which the counts rise far above what is usual, and the usual count of
/// a minute.
fn spans(counts: &[usize]) -> Vec<(usize, usize, f64)> {
    let usual = usual(counts);
    // Two minutes, because a burst may lie across the border of two. Eight deviations of a Poisson process happen
    // never; four times the usual is more than day and night differ.
    let enough = (8.0 * usual + 8.0 * (2.0 * usual).sqrt()).max(CLIENTS_MIN as f64);
    let count = |at: usize| counts.get(at).copied().unwrap_or(0);
    // What lately was usual is no part of a burst, although it was not all the time.
    let lately =
        |at: usize| self::usual(counts.get(at.saturating_sub(QUIET_MIN as usize)..at).unwrap_or_default());
    let mut spans = Vec::<(usize, usize, f64)>::new();
    let mut at = 0;
    while at < counts.len() {
        if ((count(at) + count(at + 1)) as f64) < enough {
            at += 1;
            continue;
        }
        let tail = (2.0 * usual.max(lately(at))).max(2.0);
        // A minute as usual before one that is enough by itself is not part of it.
        let is_usual = count(at) as f64 <= tail && count(at + 1) as f64 >= enough;
        let mut from = if is_usual { at + 1 } else { at };
        let previous_end = spans.last().map_or(0, |span| span.1);
        while from > previous_end && count(from - 1) as f64 > tail {
            from -= 1;
        }
        let mut to = at + 1;
        // A minute of quiet does not end it.
        while to < counts.len() && (count(to) as f64 > tail || count(to + 1) as f64 > tail) {
            to += 1;
        }
        spans.push((from, to, usual));
        at = to;
    }
    spans
}

/// The usual count of a minute: the median, which bursts do not move; where most minutes have none, the mean of
/// those minutes that are no bursts.
fn usual(counts: &[usize]) -> f64 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let is_long = sorted.len() >= MEDIAN_MIN;
    let median = sorted.get(sorted.len() / 2).copied().filter(|_| is_long).unwrap_or(0);
    let quiet = sorted.iter().take_while(|count| **count < CLIENTS_MIN / 2);
    let (minutes, total) = quiet.fold((0_usize, 0_usize), |(n, sum), count| (n + 1, sum + count));
    let mean = if minutes == 0 { 0.0 } else { total as f64 / minutes as f64 };
    mean.max(median as f64)
}

/// Enough different clients, and not in one long even stream.
fn is_mass(losses: &[&Loss], burst: &Burst) -> bool {
    let clients = clients(losses, burst.from, burst.to);
    let within = within(losses, burst.from, burst.to);
    let silent = within.iter().filter(|loss| loss.cause == Cause::KeepAlive).count();
    let longest = if silent * 2 > within.len() { LENGTH_MAX_KEEP_ALIVE_MIN } else { LENGTH_MAX_MIN };
    let length_ms = burst.to.millis() - burst.from.millis();
    clients >= CLIENTS_MIN && length_ms <= longest as i64 * MINUTE_MS
}

/// The losses from one time until before another, of losses in the order of their time.
pub(super) fn within<'a, 'b>(losses: &'b [&'a Loss], from: Timestamp, to: Timestamp) -> &'b [&'a Loss] {
    let start = losses.partition_point(|loss| loss.time < from);
    let end = losses.partition_point(|loss| loss.time < to);
    losses.get(start..end).unwrap_or_default()
}

fn clients(losses: &[&Loss], from: Timestamp, to: Timestamp) -> usize {
    let mut clients: Vec<u64> = within(losses, from, to).iter().map(|loss| loss.client).collect();
    clients.sort_unstable();
    clients.dedup();
    clients.len()
}

/// Whether at least half as many were lost at the same time of each of the last hours, or of the day before.
fn is_habit(losses: &[&Loss], burst: &Burst) -> bool {
    let needed = clients(losses, burst.from, burst.to).div_ceil(2);
    let before = |ms: i64| {
        let (from, to) = (burst.from.plus_ms(-ms - HABIT_SLACK_MS), burst.to.plus_ms(-ms + HABIT_SLACK_MS));
        clients(losses, from, to) >= needed
    };
    const HOUR_MS: i64 = 60 * MINUTE_MS;
    (1..=HABIT_HOURS).all(|hours| before(hours * HOUR_MS)) || before(24 * HOUR_MS)
}
