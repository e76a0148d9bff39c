//! A client that cannot get in, or an id that somebody else tries again and again.
//!
//! A wrong password or two is somebody's typing; attempts that a later one made good are nobody's concern.

use std::collections::BTreeSet;

use super::history::History;
use super::{Confidence, Finding, FindingKind, MINUTE_MS, most_frequent};
use crate::log::LogEntry;
use crate::state::{ConnectionStatus, StateDoc};

const ATTEMPTS_MIN: usize = 5;
/// So few count as well when they are spread over [`PATIENT_MS`].
const ATTEMPTS_MIN_PATIENT: usize = 3;
const PATIENT_MS: i64 = 10 * MINUTE_MS;

pub(super) fn find(history: &History<'_>, state: &StateDoc) -> Option<Finding> {
    let last_session = history.sessions.last();
    let connected = last_session.map(|session| session.start).max(state.last_connect_time);
    let is_connected = state.connection_status == ConnectionStatus::Connected;
    // Until then the client itself was connected, whoever tried.
    let gone =
        last_session.and_then(|session| session.end).map(|end| end.time).max(state.last_disconnect_time);
    let gone = gone.filter(|gone| !is_connected && Some(*gone) >= connected);
    let newer = history.refused.iter().copied().filter(|entry| Some(entry.timestamp) > connected);
    let (strange, own): (Vec<&LogEntry>, Vec<&LogEntry>) =
        newer.partition(|entry| is_connected || gone.is_some_and(|gone| entry.timestamp < gone));
    let strange: Vec<&LogEntry> =
        strange.into_iter().filter(|entry| history.is_recent(entry.timestamp)).collect();
    let (attempts, while_connected) = match () {
        () if is_enough(&own, false) => (own, false),
        () if is_enough(&strange, true) => (strange, true),
        () => return None,
    };
    let (first, last) = (attempts.first()?.timestamp, attempts.last()?.timestamp);
    if !history.is_recent(last) {
        return None;
    }
    let why = most_frequent(
        attempts.iter().map(|entry| (entry.mqtt_reason_code, entry.close_code, entry.reason.as_deref())),
    );
    let (mqtt_reason_code, close_code, reason) = why?;
    let addresses: BTreeSet<_> = attempts.iter().filter_map(|entry| entry.client_addr.clone()).collect();
    let kind = FindingKind::Refused {
        attempts: attempts.len() as u32,
        mqtt_reason_code,
        close_code,
        reason: reason.map(str::to_owned),
        addresses: addresses.into_iter().take(ADDRESSES_MAX).collect(),
        while_connected,
    };
    // While it is connected, it may be the client itself, restarted beside its old self.
    let confidence = if while_connected { Confidence::Medium } else { Confidence::High };
    let pauses = attempts.windows(2).filter_map(|pair| match pair {
        [one, next] => Some(next.timestamp.millis() - one.timestamp.millis()),
        _ => None,
    });
    let until = history.until(last, 2 * pauses.max().unwrap_or(0));
    let evidence = attempts.into_iter().cloned().collect();
    Some(Finding::new(kind, confidence, first, until, evidence))
}

fn is_enough(attempts: &[&LogEntry], while_connected: bool) -> bool {
    let (Some(first), Some(last)) = (attempts.first(), attempts.last()) else { return false };
    let is_patient = last.timestamp.millis() - first.timestamp.millis() >= PATIENT_MS && !while_connected;
    attempts.len() >= if is_patient { ATTEMPTS_MIN_PATIENT } else { ATTEMPTS_MIN }
}

/// Attempts may come from anywhere; so many addresses are named.
const ADDRESSES_MAX: usize = 20;
