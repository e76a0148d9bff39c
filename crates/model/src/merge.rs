//! Merging two states of one client: what the fold would have kept had it seen the events of both.
//!
//! For states that come whole, as in an import, instead of event by event. Each field of a state is a maximum over
//! the events, so the merge of two states is the greater of each field, in whatever order and however often.

use crate::event::End;
use crate::state::{ClientState, RECENT_CONNECTS_MAX, RECENT_CONNECTS_MS, Session};

/// Takes into `state` what `other`, a state of the same client, knows more.
pub fn merge(state: &mut ClientState, other: ClientState) {
    let mut sessions: Vec<Session> = Vec::with_capacity(4);
    for session in [state.current.take(), state.previous.take(), other.current, other.previous] {
        let Some(session) = session else { continue };
        match sessions.iter_mut().find(|known| known.key == session.key) {
            Some(known) => merge_session(known, session),
            None => sessions.push(session),
        }
    }
    sessions.sort_by_key(|session| std::cmp::Reverse(session.key));
    let mut newest = sessions.into_iter();
    (state.current, state.previous) = (newest.next(), newest.next());
    keep_greater(&mut state.loose_end, other.loose_end);
    state.last_activity = state.last_activity.max(other.last_activity);
    state.last_publish = state.last_publish.max(other.last_publish);
    state.last_refused = state.last_refused.max(other.last_refused);
    state.heard = state.heard.max(other.heard);
    state.missed = state.missed.max(other.missed);

    let starts = &mut state.recent_connects;
    starts.extend(other.recent_connects);
    starts.sort_unstable();
    starts.dedup();
    let since = starts.last().map(|newest| newest.plus_ms(-RECENT_CONNECTS_MS));
    let expired = starts.iter().take_while(|time| Some(**time) <= since).count();
    let surplus = starts.len().saturating_sub(RECENT_CONNECTS_MAX);
    starts.drain(..expired.max(surplus));
}

fn merge_session(known: &mut Session, other: Session) {
    known.certainty = known.certainty.max(other.certainty);
    known.peer.merge(&other.peer);
    keep_greater(&mut known.end, other.end);
}

fn keep_greater(kept: &mut Option<End>, other: Option<End>) {
    if *kept < other {
        *kept = other;
    }
}
