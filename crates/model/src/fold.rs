//! The fold: `state + event -> state`, one pure function.
//!
//! The server folds every event into the fleet, the dashboard folds monitor messages into the rows on screen.
//! The same set of events ends in the same state in whatever order they come and however often: each field of
//! the state is a maximum over the events (of sessions by their key, of ends by their sureness, of times), and a
//! maximum does not care about order.

use crate::event::{ActivityEvent, Certainty, ConnectionEvent, End, EventKind, Initiator, Peer, SessionKey};
use crate::state::{ClientState, RECENT_CONNECTS_MAX, RECENT_CONNECTS_MS, Session};
use crate::time::Timestamp;

/// Folds one event into the state of its client. The caller matches them by id.
pub fn fold(state: &mut ClientState, event: &ConnectionEvent) {
    match &event.kind {
        EventKind::Connect { session, certainty } => {
            hear(state, event.time);
            see_session(state, *session, *certainty, &event.peer);
            see_activity(state, session.start, ActivityEvent::Connect);
        }
        EventKind::Disconnect { session, end } => {
            hear(state, event.time);
            match session {
                Some(key) => {
                    see_session(state, *key, Certainty::Inferred, &event.peer);
                    end_session(state, *key, end);
                }
                // "Taken over" without a session says nothing that the next connect will not say.
                None if end.is_takeover() => {}
                None => keep_greater(&mut state.loose_end, end),
            }
            if end.initiator == Some(Initiator::Client) {
                see_activity(state, end.time, ActivityEvent::Disconnect);
            }
        }
        // A stranger with a wrong password must not make a live client look gone, nor a stale one fresh.
        EventKind::FailedConnect { .. } => {
            state.last_refused = state.last_refused.max(Some(event.time));
        }
        EventKind::Activity { session, event: activity } => {
            hear(state, event.time);
            if let Some(key) = session {
                see_session(state, *key, Certainty::Inferred, &event.peer);
            }
            see_activity(state, event.time, *activity);
        }
        EventKind::Missed => state.missed = state.missed.max(Some(event.time)),
    }
}

fn hear(state: &mut ClientState, time: Timestamp) {
    state.heard = state.heard.max(Some(time));
}

fn see_activity(state: &mut ClientState, time: Timestamp, event: ActivityEvent) {
    state.last_activity = state.last_activity.max(Some((time, event)));
    if event == ActivityEvent::Publish {
        state.last_publish = state.last_publish.max(Some(time));
    }
}

/// Notes that a session exists. The two newest are kept: whatever is older can no longer become one of them.
fn see_session(state: &mut ClientState, key: SessionKey, certainty: Certainty, peer: &Peer) {
    see_start(&mut state.recent_connects, key.start);
    if let Some(known) = session_mut(state, key) {
        known.certainty = known.certainty.max(certainty);
        known.peer.merge(peer);
        return;
    }
    let seen = Session { key, certainty, peer: peer.clone(), end: None };
    if state.current.as_ref().is_none_or(|current| current.key < key) {
        state.previous = state.current.replace(seen);
    } else if state.previous.as_ref().is_none_or(|previous| previous.key < key) {
        state.previous = Some(seen);
    }
}

fn session_mut(state: &mut ClientState, key: SessionKey) -> Option<&mut Session> {
    [&mut state.current, &mut state.previous].into_iter().flatten().find(|session| session.key == key)
}

fn end_session(state: &mut ClientState, key: SessionKey, end: &End) {
    if let Some(session) = session_mut(state, key) {
        keep_greater(&mut session.end, end);
    }
}

fn keep_greater(kept: &mut Option<End>, end: &End) {
    if kept.as_ref().is_none_or(|kept| kept < end) {
        *kept = Some(end.clone());
    }
}

fn see_start(starts: &mut Vec<Timestamp>, start: Timestamp) {
    if let Err(at) = starts.binary_search(&start) {
        starts.insert(at, start);
        let since = starts.last().map(|newest| newest.plus_ms(-RECENT_CONNECTS_MS));
        let expired = starts.iter().take_while(|time| Some(**time) <= since).count();
        let surplus = starts.len().saturating_sub(RECENT_CONNECTS_MAX);
        starts.drain(..expired.max(surplus));
    }
}

#[cfg(test)]
mod tests;
