//! The five rules of the fold.

use proptest::prelude::*;

use super::*;
use crate::event::Counters;
use crate::state::ConnectionStatus;

const ID: &str = "d:acme01:thermo:t-17";

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + ms)
}

fn key(ms: i64) -> SessionKey {
    SessionKey { start: at(ms), connection: 0 }
}

fn event(ms: i64, kind: EventKind) -> ConnectionEvent {
    ConnectionEvent { client_id: ID.to_owned(), time: at(ms), peer: Peer::default(), kind }
}

fn connect(ms: i64) -> ConnectionEvent {
    event(ms, EventKind::Connect { session: key(ms), certainty: Certainty::Reported })
}

fn end(ms: i64, initiator: Initiator, code: u8, certainty: Certainty) -> End {
    End {
        certainty,
        time: at(ms),
        initiator: Some(initiator),
        mqtt_reason_code: Some(code),
        close_code: Some(crate::reason::close_code(initiator, code)),
        reason: None,
        counters: Counters::default(),
    }
}

fn disconnect(session_ms: Option<i64>, ms: i64, initiator: Initiator, code: u8) -> ConnectionEvent {
    let end = end(ms, initiator, code, Certainty::Reported);
    event(ms, EventKind::Disconnect { session: session_ms.map(key), end })
}

fn refused(ms: i64) -> ConnectionEvent {
    event(ms, EventKind::FailedConnect { mqtt_reason_code: Some(0x86), close_code: Some(180), reason: None })
}

fn folded(events: &[ConnectionEvent]) -> ClientState {
    let mut state = ClientState::new(ID.to_owned());
    for event in events {
        fold(&mut state, event);
    }
    state
}

fn status(events: &[ConnectionEvent]) -> (ConnectionStatus, Certainty) {
    folded(events).status()
}

use ConnectionStatus::{Connected, Disconnected};

#[test]
fn a_disconnect_of_a_session_that_is_not_the_open_one_leaves_the_status_alone() {
    let late = disconnect(Some(0), 2_000, Initiator::Network, 0x80);
    assert_eq!(status(&[connect(0), connect(1_000), late]), (Connected, Certainty::Reported));
}

#[test]
fn a_connect_of_a_connected_client_ends_the_old_session() {
    let state = folded(&[connect(0), connect(5_000)]);
    assert!(state.is_connected());
    assert_eq!(state.last_disconnect_time(), Some(at(5_000)));
}

#[test]
fn a_takeover_never_makes_the_client_look_gone() {
    let kicked = disconnect(Some(0), 1_000, Initiator::Server, 0x8E);
    assert_eq!(status(&[connect(0), kicked.clone()]), (Connected, Certainty::Inferred));
    assert_eq!(status(&[connect(0), kicked.clone(), connect(1_001)]), (Connected, Certainty::Reported));
    assert_eq!(status(&[connect(0), connect(1_000), kicked]), (Connected, Certainty::Reported));
}

#[test]
fn a_failed_attempt_changes_no_status_and_is_remembered() {
    assert_eq!(status(&[connect(0), refused(10)]), (Connected, Certainty::Reported));
    let only_refused = folded(&[refused(10)]);
    assert_eq!(only_refused.status(), (Disconnected, Certainty::Unknown));
    assert_eq!(only_refused.last_refused, Some(at(10)));
    assert_eq!(only_refused.last_disconnect_time(), None);
}

#[test]
fn a_failed_attempt_does_not_make_a_stale_state_fresh() {
    let state = folded(&[connect(0), event(10, EventKind::Missed), refused(20)]);
    assert_eq!(state.stale_since(None), Some(at(10)));
}

#[test]
fn a_state_is_stale_from_the_loss_of_its_feed_until_the_next_event() {
    let mut state = folded(&[connect(0)]);
    assert_eq!(state.stale_since(Some(at(100))), Some(at(100)));
    fold(
        &mut state,
        &event(200, EventKind::Activity { session: Some(key(0)), event: ActivityEvent::Publish }),
    );
    assert_eq!(state.stale_since(Some(at(100))), None);
}

#[test]
fn an_end_that_names_no_session_ends_the_one_that_was_open_then() {
    assert_eq!(status(&[connect(0), disconnect(None, 50, Initiator::Network, 0x80)]).0, Disconnected);
    assert_eq!(status(&[connect(100), disconnect(None, 50, Initiator::Network, 0x80)]).0, Connected);
}

#[test]
fn a_reported_end_beats_an_inferred_one() {
    let inferred = event(
        900,
        EventKind::Disconnect {
            session: Some(key(0)),
            end: end(900, Initiator::Server, 0x8B, Certainty::Inferred),
        },
    );
    let state = folded(&[connect(0), disconnect(Some(0), 500, Initiator::Client, 0), inferred]);
    let doc = state.doc(at(1_000), None);
    assert_eq!((doc.disconnect_initiator, doc.close_code), (Some(Initiator::Client), Some(0)));
    assert_eq!(doc.last_disconnect_time, Some(at(500)));
}

#[test]
fn connects_and_goodbyes_are_activity_and_drops_are_not() {
    let dropped = folded(&[connect(0), disconnect(Some(0), 50, Initiator::Network, 0x80)]);
    assert_eq!(dropped.last_activity, Some((at(0), ActivityEvent::Connect)));
    let left = folded(&[connect(0), disconnect(Some(0), 50, Initiator::Client, 0)]);
    assert_eq!(left.last_activity, Some((at(50), ActivityEvent::Disconnect)));
}

#[test]
fn the_disconnect_fields_are_there_only_while_disconnected() {
    let events = [connect(0), disconnect(Some(0), 50, Initiator::Network, 0x80)];
    let doc = folded(&events).doc(at(60), None);
    assert_eq!(doc.reason.as_deref(), Some("The connection was closed by the client or network."));
    let doc = folded(&[&events[..], &[connect(100)]].concat()).doc(at(200), None);
    assert_eq!(
        (doc.disconnect_initiator, doc.mqtt_reason_code, doc.close_code, doc.reason),
        (None, None, None, None)
    );
    assert_eq!((doc.last_connect_time, doc.last_disconnect_time), (Some(at(100)), Some(at(50))));
}

fn any_event() -> impl Strategy<Value = ConnectionEvent> {
    let session = (0..6_i64, 0..2_u64)
        .prop_map(|(start, connection)| SessionKey { start: at(start * 1_000_000), connection });
    let code = prop::sample::select(vec![0x00, 0x80, 0x8D, 0x8E, 0x8B]);
    let initiator = prop::sample::select(Initiator::ALL.to_vec());
    let certainty = prop::sample::select(Certainty::ALL.to_vec());
    let activity = prop::sample::select(ActivityEvent::ALL.to_vec());
    let peer = (any::<Option<bool>>(), prop::option::of("10\\.0\\.0\\.[1-3]"))
        .prop_map(|(secure, addr)| Peer { addr, secure, ..Peer::default() });
    let kind = prop_oneof![
        (session.clone(), certainty.clone())
            .prop_map(|(session, certainty)| EventKind::Connect { session, certainty }),
        (prop::option::of(session.clone()), initiator, code, certainty, 0..8_000_000_i64).prop_map(
            |(session, initiator, code, certainty, ms)| EventKind::Disconnect {
                session,
                end: end(ms, initiator, code, certainty)
            }
        ),
        Just(EventKind::FailedConnect { mqtt_reason_code: None, close_code: None, reason: None }),
        (prop::option::of(session), activity)
            .prop_map(|(session, event)| EventKind::Activity { session, event }),
        Just(EventKind::Missed),
    ];
    (kind, peer, 0..8_000_000_i64).prop_map(|(kind, peer, ms)| {
        let time = match &kind {
            EventKind::Connect { session, .. } => session.start,
            EventKind::Disconnect { end, .. } => end.time,
            _ => at(ms),
        };
        ConnectionEvent { client_id: ID.to_owned(), time, peer, kind }
    })
}

fn shuffled_with_duplicates() -> impl Strategy<Value = (Vec<ConnectionEvent>, Vec<ConnectionEvent>)> {
    prop::collection::vec(any_event(), 0..24).prop_flat_map(|events| {
        let all = events.len();
        let doubled = prop::sample::subsequence(events.clone(), 0..=all);
        let original = events.clone();
        doubled
            .prop_map(move |doubles| [events.clone(), doubles].concat())
            .prop_shuffle()
            .prop_map(move |shuffled| (original.clone(), shuffled))
    })
}

proptest! {
    #[test]
    fn any_order_with_any_duplicates_ends_in_the_same_state((events, shuffled) in shuffled_with_duplicates()) {
        prop_assert_eq!(folded(&events), folded(&shuffled));
    }

    #[test]
    fn failed_attempts_never_change_the_status(events in prop::collection::vec(any_event(), 0..24), ms in 0..9_000_000_i64) {
        let before = folded(&events);
        let mut after = before.clone();
        fold(&mut after, &refused(ms));
        prop_assert_eq!(before.status(), after.status());
        prop_assert_eq!(before.stale_since(None), after.stale_since(None));
    }

    #[test]
    fn a_state_read_from_the_api_says_the_same_again(events in prop::collection::vec(any_event(), 0..24)) {
        let now = at(8_000_000);
        let doc = folded(&events).doc(now, None);
        let again = doc.to_state().doc(now, None);
        prop_assert_eq!((doc.connection_status, doc.last_connect_time), (again.connection_status, again.last_connect_time));
        prop_assert_eq!((&doc.client_addr, doc.close_code, &doc.reason), (&again.client_addr, again.close_code, &again.reason));
        prop_assert_eq!((doc.last_activity_time, doc.last_activity_event), (again.last_activity_time, again.last_activity_event));
    }
}

/// A dashboard that derived them from the id again lost the names that the server knew.
#[test]
fn later_events_leave_what_the_server_said_of_the_id() {
    let mut doc = folded(&[connect(0)]).doc(at(1), None);
    (doc.device_type, doc.device_id) = (Some("pump".to_owned()), Some("7".to_owned()));
    let active = event(2_000, EventKind::Activity { session: None, event: ActivityEvent::Publish });
    let after = doc.after([&active], at(3_000));
    assert_eq!((after.device_type, after.device_id), (doc.device_type, doc.device_id));
    assert_eq!(after.last_activity_time, Some(at(2_000)));
}
