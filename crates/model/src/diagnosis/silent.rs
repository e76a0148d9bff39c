//! Connected, and nothing comes any more.
//!
//! The log says how many messages came in a session, not when: a client may send them all in one minute of the
//! day. What is certain is that a client that sent something in each of its sessions was never silent for longer
//! than two of them. Only who stays silent for longer than that, and much longer than its usual gap, is told.

use super::history::{History, Session};
use super::{Confidence, Finding, FindingKind, HOUR_MS, median};
use crate::log::LogEntry;
use crate::state::{ConnectionStatus, StateDoc};

/// A habit is known from at least so many sessions in a row, each with messages,
const SESSIONS_MIN: usize = 5;
/// and is read off at most so many, the last.
const SESSIONS_MAX: usize = 20;
/// Shorter sessions say nothing about how long a client can be silent.
const SESSION_MIN_MS: i64 = HOUR_MS / 4;
const SILENT_MIN_MS: i64 = HOUR_MS;
/// So many times its usual gap.
const GAPS_MIN: i64 = 20;

pub(super) fn find(history: &History<'_>, state: &StateDoc) -> Option<Finding> {
    if state.connection_status != ConnectionStatus::Connected || state.stale_since.is_some() {
        return None;
    }
    // Who pings is there, and silent. Of whom no message is known, all that is known is when it was active.
    let since = state.last_publish_time.or(state.last_activity_time).max(state.last_connect_time)?;
    let silent_ms = history.age_ms(since);
    let ended = history.sessions.iter().rev().filter(|session| session.start < since);
    let habit: Vec<Habit<'_>> =
        ended.filter(|session| session.end.is_some()).map_while(habit).take(SESSIONS_MAX).collect();
    let longest_ms = habit.iter().map(|habit| habit.life_ms).max()?;
    let usual_gap_ms = median(habit.iter().map(|habit| habit.gap_ms));
    let slowest_gap_ms = habit.iter().map(|habit| habit.gap_ms).max()?;
    let enough_ms = SILENT_MIN_MS.max(2 * longest_ms).max(GAPS_MIN.saturating_mul(slowest_gap_ms));
    if habit.len() < SESSIONS_MIN || silent_ms < enough_ms {
        return None;
    }
    let sessions = habit.len() as u32;
    let kind = FindingKind::Silent { silent_ms, usual_gap_ms, sessions };
    let evidence = habit.iter().rev().map(|habit| habit.entry.clone()).collect();
    Some(Finding::new(kind, Confidence::Medium, since, None, evidence))
}

struct Habit<'a> {
    life_ms: i64,
    gap_ms: i64,
    entry: &'a LogEntry,
}

/// What an ended session tells; `None` when it was short, or silent, or its messages were not counted.
fn habit<'a>(session: &Session<'a>) -> Option<Habit<'a>> {
    let end = session.end?;
    let life_ms = end.time.millis() - session.start.millis();
    let messages = end.entry.read_msg.filter(|messages| *messages > 0)?;
    let gap_ms = life_ms / i64::try_from(messages).unwrap_or(i64::MAX);
    (life_ms >= SESSION_MIN_MS).then_some(Habit { life_ms, gap_ms, entry: end.entry })
}
