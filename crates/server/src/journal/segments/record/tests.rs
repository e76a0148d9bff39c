//! What is written is read again as it was.

use proptest::prelude::*;

use super::*;

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn one_of<T: Copy + std::fmt::Debug>(all: &'static [T]) -> impl Strategy<Value = T> {
    (0..all.len()).prop_map(|at| all[at])
}

fn peer() -> impl Strategy<Value = Peer> {
    let protocol = (one_of(&MqttVersion::ALL), any::<bool>());
    let protocol = protocol.prop_map(|(version, websocket)| Protocol { version, websocket });
    (any::<Option<String>>(), any::<Option<[u16; 2]>>(), prop::option::of(protocol), any::<Option<bool>>())
        .prop_map(|(text, ports, protocol, secure)| Peer {
            addr: text.clone(),
            port: ports.map(|[port, _]| port),
            server_port: ports.map(|[_, port]| port),
            protocol,
            secure,
            user: text,
        })
}

fn end() -> impl Strategy<Value = End> {
    let codes = (any::<Option<u8>>(), any::<Option<u16>>(), any::<Option<String>>());
    (one_of(&Certainty::ALL), time(), prop::option::of(one_of(&Initiator::ALL)), codes, any::<Option<u64>>())
        .prop_map(|(certainty, time, initiator, (mqtt_reason_code, close_code, reason), count)| End {
            certainty,
            time,
            initiator,
            mqtt_reason_code,
            close_code,
            reason,
            counters: Counters { read_msg: count, write_bytes: count, ..Counters::default() },
        })
}

fn key() -> impl Strategy<Value = SessionKey> {
    (time(), any::<u64>()).prop_map(|(start, connection)| SessionKey { start, connection })
}

fn session() -> impl Strategy<Value = Session> {
    (key(), one_of(&Certainty::ALL), peer(), prop::option::of(end()))
        .prop_map(|(key, certainty, peer, end)| Session { key, certainty, peer, end })
}

fn kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        (key(), one_of(&Certainty::ALL))
            .prop_map(|(session, certainty)| EventKind::Connect { session, certainty }),
        (prop::option::of(key()), end()).prop_map(|(session, end)| EventKind::Disconnect { session, end }),
        (any::<Option<u8>>(), any::<Option<u16>>(), any::<Option<String>>()).prop_map(
            |(mqtt_reason_code, close_code, reason)| EventKind::FailedConnect {
                mqtt_reason_code,
                close_code,
                reason
            }
        ),
    ]
}

proptest! {
    #[test]
    fn an_event_comes_back_as_it_was(client_id in any::<String>(), time in time(), peer in peer(), kind in kind()) {
        let event = ConnectionEvent { client_id, time, peer, kind };
        let bytes = EventRecord::of(&event).unwrap().encode_to_vec();
        prop_assert_eq!(EventKeys::decode(&*bytes).unwrap().time, time.millis());
        prop_assert_eq!(EventRecord::decode(&*bytes).unwrap().into_event().unwrap(), event);
    }

    #[test]
    fn a_state_comes_back_as_it_was(
        id in any::<String>(), sessions in [prop::option::of(session()), prop::option::of(session())],
        loose_end in prop::option::of(end()), times in [prop::option::of(time()), prop::option::of(time())],
        activity in prop::option::of((time(), one_of(&ActivityEvent::ALL))),
        mut recent_connects in prop::collection::vec(time(), 0..5),
    ) {
        recent_connects.sort_unstable();
        let [current, previous] = sessions;
        let state = ClientState {
            id, current, previous, loose_end, last_activity: activity, last_refused: times[0], recent_connects,
            heard: times[1], missed: times[0],
        };
        let bytes = StateRecord::of(&state).encode_to_vec();
        prop_assert_eq!(StateRecord::decode(&*bytes).unwrap().into_state(), state);
    }
}
