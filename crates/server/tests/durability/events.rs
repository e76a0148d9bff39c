//! A sequence of events that both sides know: the one that is killed sends it, the other one compares.

use rollcall_model::{
    ActivityEvent, Certainty, ConnectionEvent, Counters, End, EventKind, Initiator, Peer, SessionKey,
    Timestamp,
};

const CLIENTS: u64 = 40;
/// What lies between two events. Many failed attempts in a short time would not all be recorded.
const STEP_MS: i64 = 1_000;

pub fn id(n: u64) -> String {
    format!("d:acme01:thermo:t-{}", n * 7 % CLIENTS)
}

/// The event number `n`. Its number gives its time, so that it can be told from what was recorded.
pub fn event(n: u64) -> ConnectionEvent {
    let time = Timestamp::from_millis(n.cast_signed() * STEP_MS);
    // The session of this client that a connect of the round before opened.
    let session = SessionKey { start: time.plus_ms(-CLIENTS.cast_signed() * STEP_MS), connection: n };
    let kind = match n / CLIENTS % 4 {
        0 => EventKind::Connect {
            session: SessionKey { start: time, connection: n + CLIENTS },
            certainty: Certainty::Reported,
        },
        1 => EventKind::Disconnect {
            session: Some(session),
            end: End {
                certainty: Certainty::Reported,
                time,
                initiator: Some(Initiator::Network),
                mqtt_reason_code: Some(0x80),
                close_code: Some(91),
                reason: Some(format!("number {n}")),
                counters: Counters { read_msg: Some(n), ..Counters::default() },
            },
        },
        2 => EventKind::FailedConnect { mqtt_reason_code: Some(0x86), close_code: Some(180), reason: None },
        _ => EventKind::Activity { session: None, event: ActivityEvent::Publish },
    };
    ConnectionEvent { client_id: id(n), time, peer: Peer::default(), kind }
}

/// The number of an event of this sequence; `None` for one that the server made itself.
pub fn number(event: &ConnectionEvent) -> Option<u64> {
    let is_own = matches!(&event.kind, EventKind::Disconnect { end, .. } if end.close_code == Some(93));
    (!is_own).then(|| (event.time.millis() / STEP_MS).cast_unsigned())
}
