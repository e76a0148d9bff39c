//! One MQTT session with the server, without the socket: bytes in, bytes and events out.
//!
//! Called by [`super::Monitor`]. It subscribes to the monitor topics, turns what is published there into events,
//! and answers no question about the network.

use rollcall_model::ConnectionEvent;
use rollcall_model::monitor::MonitorMessage;

use super::packet::{self, Malformed, MqttVersion, Packet};
use crate::json;

/// What the caller has to do or to know.
#[derive(Debug)]
pub enum Output {
    Send(Vec<u8>),
    /// The subscriptions are in place: from now on nothing is missed.
    Subscribed,
    /// An event of a client. A retained one tells what was so before, not what happens.
    Told {
        event: Box<ConnectionEvent>,
        retained: bool,
    },
    /// The answer to a ping.
    Pong,
    /// The session cannot go on.
    Failed,
}

/// Seconds after which the server may take this client for dead. Pings are sent more often.
const KEEP_ALIVE_S: u16 = 60;
/// One subscription each: devices and gateways, applications; then the same for their activity.
const TOPICS: [&str; 4] =
    ["iot-2/type/+/id/+/mon", "iot-2/app/+/mon", "iot-2/type/+/id/+/mon/act", "iot-2/app/+/mon/act"];
/// Without these there is no feed.
const NEEDED: usize = 2;

/// The only SUBSCRIBE of a session.
const SUBSCRIBE_ID: u16 = 1;

/// What the server has granted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Subscribing,
    Live,
}

pub struct Session {
    version: MqttVersion,
    has_activity: bool,
    phase: Phase,
    /// The beginning of a packet whose end has not come yet.
    unfinished: Vec<u8>,
}

impl Session {
    #[must_use]
    pub const fn new(version: MqttVersion, has_activity: bool) -> Self {
        Self { version, has_activity, phase: Phase::Connecting, unfinished: Vec::new() }
    }

    /// The first packet.
    pub fn connect(&self, client_id: &str, login: Option<&(String, String)>) -> Output {
        packet::connect(self.version, client_id, login, KEEP_ALIVE_S).map_or(Output::Failed, Output::Send)
    }

    pub fn ping() -> Output {
        Output::Send(packet::PINGREQ.to_vec())
    }

    /// Takes bytes from the server. A WebSocket frame may hold several packets, or a part of one.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut all = std::mem::take(&mut self.unfinished);
        all.extend_from_slice(bytes);
        let mut rest = &all[..];
        loop {
            match packet::read(rest, self.version) {
                Ok(Some((packet, after))) => {
                    rest = after;
                    self.handle(packet, &mut outputs);
                }
                Ok(None) => break,
                Err(Malformed) => outputs.push(Output::Failed),
            }
            if matches!(outputs.last(), Some(Output::Failed)) {
                return outputs;
            }
        }
        let read_bytes = all.len() - rest.len();
        all.drain(..read_bytes);
        self.unfinished = all;
        outputs
    }

    fn handle(&mut self, packet: Packet<'_>, outputs: &mut Vec<Output>) {
        match (self.phase, packet) {
            (Phase::Connecting, Packet::Connack { code: 0 }) => {
                self.phase = Phase::Subscribing;
                outputs.push(self.subscribe());
            }
            // Activity may be refused to this user; without connects and disconnects there is no feed.
            (Phase::Subscribing, Packet::Suback { id: SUBSCRIBE_ID, codes })
                if codes.len() == self.topics().len()
                    && codes.iter().take(NEEDED).all(|code| *code < 0x80) =>
            {
                self.phase = Phase::Live;
                outputs.push(Output::Subscribed);
            }
            // What is retained may come before the answer to SUBSCRIBE.
            (Phase::Subscribing | Phase::Live, Packet::Publish { payload, is_retained, to_acknowledge }) => {
                outputs.extend(to_acknowledge.map(|id| Output::Send(packet::puback(id))));
                outputs.extend(told(payload, is_retained));
            }
            (Phase::Live, Packet::Pingresp) => outputs.push(Output::Pong),
            _ => outputs.push(Output::Failed),
        }
    }

    fn topics(&self) -> &'static [&'static str] {
        if self.has_activity { &TOPICS } else { &TOPICS[..NEEDED] }
    }

    fn subscribe(&self) -> Output {
        packet::subscribe(self.version, SUBSCRIBE_ID, self.topics()).map_or(Output::Failed, Output::Send)
    }
}

/// The event that a payload tells. Empty payloads clear a retained message, others may be anybody's.
fn told(payload: &[u8], retained: bool) -> Option<Output> {
    let message: MonitorMessage = json::from_slice(payload).ok()?;
    (!message.client_id.is_empty()).then(|| Output::Told { event: Box::new(message.to_event()), retained })
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use proptest::prelude::*;
    use rollcall_model::monitor::ACTIVITY_SUFFIX;

    use super::*;

    const CONNACK_5: &[u8] = &[0x20, 0x03, 0x00, 0x00, 0x00];
    const CONNACK_311: &[u8] = &[0x20, 0x02, 0x00, 0x00];

    fn publish(payload: &str, properties: &[u8]) -> Vec<u8> {
        let topic = "iot-2/type/t/id/1/mon";
        let mut body = vec![0, topic.len() as u8];
        body.extend(topic.bytes());
        body.extend(properties);
        body.extend(payload.bytes());
        let mut packet = vec![0x30];
        packet.extend([(body.len() % 128) as u8 | 0x80, (body.len() / 128) as u8]);
        packet.extend(body);
        packet
    }

    fn live(version: MqttVersion) -> Session {
        let mut session = Session::new(version, true);
        assert!(matches!(session.connect("a:o:rollcall-1", None), Output::Send(_)));
        let (connack, suback): (&[u8], &[u8]) = match version {
            MqttVersion::V5 => (CONNACK_5, &[0x90, 0x07, 0, 1, 0, 0, 0, 0x87, 0x87]),
            MqttVersion::V311 => (CONNACK_311, &[0x90, 0x06, 0, 1, 0, 0, 0x80, 0x80]),
        };
        assert!(matches!(session.receive(connack)[..], [Output::Send(_)]));
        assert!(matches!(session.receive(suback)[..], [Output::Subscribed]));
        session
    }

    const MESSAGE: &str = r#"{"Action":"Connect","Time":"2026-11-20T12:00:00Z","ClientID":"d:o:t:1"}"#;

    #[test]
    fn both_versions_subscribe_even_where_activity_is_refused_and_tell_events() {
        for (version, properties) in [(MqttVersion::V5, &[0][..]), (MqttVersion::V311, &[])] {
            let told = live(version).receive(&publish(MESSAGE, properties));
            assert!(
                matches!(&told[..], [Output::Told { event, retained: false }] if event.client_id == "d:o:t:1")
            );
        }
    }

    /// One WebSocket frame held two packets, and the second was lost.
    #[test]
    fn a_frame_may_hold_several_packets_or_half_of_one() {
        let mut session = live(MqttVersion::V311);
        let frame = [publish(MESSAGE, &[]), publish(MESSAGE, &[]), publish(MESSAGE, &[])].concat();
        let (first, second) = frame.split_at(frame.len() - 10);
        assert_eq!(session.receive(first).len(), 2);
        assert_eq!(session.receive(second).len(), 1);
    }

    #[test]
    fn what_is_no_monitor_message_is_passed_over() {
        for payload in ["", "{}", "null", "\u{0}", r#"{"Action":"Dance","Time":"now","ClientID":"x"}"#] {
            assert!(live(MqttVersion::V311).receive(&publish(payload, &[])).is_empty(), "{payload}");
        }
    }

    /// A server that does not know the topics of activity hung up, and there was no feed at all.
    #[test]
    fn a_server_without_activity_is_not_asked_for_it() {
        for (has_activity, count) in [(true, 4), (false, 2)] {
            let mut session = Session::new(MqttVersion::V311, has_activity);
            let outputs = session.receive(CONNACK_311);
            let [Output::Send(subscribe)] = &outputs[..] else { panic!("{outputs:?}") };
            let told = String::from_utf8_lossy(subscribe);
            let activities = told.matches(&format!("/mon{ACTIVITY_SUFFIX}")).count();
            assert_eq!((told.matches("/mon").count(), activities), (count, count - NEEDED));
            let suback = [&[0x90, 2 + count as u8, 0, 1][..], &vec![0; count]].concat();
            assert!(matches!(session.receive(&suback)[..], [Output::Subscribed]));
        }
    }

    #[test]
    fn a_refusal_ends_the_session() {
        let mut session = Session::new(MqttVersion::V5, true);
        let refused = session.receive(&[0x20, 0x02, 0x00, 0x01]);
        assert!(refused.iter().any(|output| matches!(output, Output::Failed)));
    }

    #[test]
    fn a_session_goes_through_its_phases_in_order() {
        let suback = &[0x90, 0x06, 0, 1, 0, 0, 0, 0][..];
        let pong = &[0xD0, 0][..];
        for (early, why) in [
            (suback, "nobody has connected"),
            (&publish(MESSAGE, &[]), "nobody has connected"),
            (pong, "nobody has pinged"),
        ] {
            let outputs = Session::new(MqttVersion::V311, true).receive(early);
            assert!(matches!(outputs[..], [Output::Failed]), "{why}");
        }
        for (late, why) in [
            (CONNACK_311, "the session is connected"),
            (suback, "the session is subscribed"),
            (&[0x34, 5, 0, 1, b't', 0, 1][..], "QoS 2 was not asked for"),
        ] {
            let outputs = live(MqttVersion::V311).receive(late);
            assert!(matches!(outputs[..], [Output::Failed]), "{why}");
        }
        assert!(matches!(live(MqttVersion::V311).receive(pong)[..], [Output::Pong]));
    }

    #[test]
    fn without_connects_and_disconnects_or_with_missing_answers_there_is_no_feed() {
        for codes in [&[0, 0x80, 0, 0][..], &[0x80, 0, 0, 0], &[0, 0], &[]] {
            let mut session = Session::new(MqttVersion::V311, true);
            session.receive(CONNACK_311);
            let suback = [&[0x90, 2 + codes.len() as u8, 0, 1], codes].concat();
            assert!(matches!(session.receive(&suback)[..], [Output::Failed]), "{codes:?}");
        }
    }

    #[test]
    fn a_message_in_qos_1_is_told_and_acknowledged() {
        let payload = MESSAGE.as_bytes();
        let body = [&[0, 1, b't', 0, 9], payload].concat();
        let packet = [&[0x33, body.len() as u8][..], &body].concat();
        let outputs = live(MqttVersion::V311).receive(&packet);
        let [Output::Send(receipt), Output::Told { retained: true, .. }] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert_eq!(receipt[..], [0x40, 2, 0, 9]);
    }

    proptest! {
        /// However the bytes are cut into WebSocket messages, and whatever they are, the session comes to the same.
        #[test]
        fn frames_make_no_difference(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
            sizes in proptest::collection::vec(1usize..80, 1..40),
        ) {
            let mut bytes = [CONNACK_5, &[0x90, 0x07, 0, 1, 0, 0, 0, 0x87, 0x87]].concat();
            for _ in 0..4 {
                bytes.extend(publish(MESSAGE, &[0]));
            }
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let whole = Session::new(MqttVersion::V5, true).receive(&bytes);
            let mut session = Session::new(MqttVersion::V5, true);
            let mut pieces = Vec::new();
            let mut rest = &bytes[..];
            for size in sizes.iter().cycle() {
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                pieces.extend(session.receive(piece));
                rest = after;
                if rest.is_empty() || matches!(pieces.last(), Some(Output::Failed)) {
                    break;
                }
            }
            prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
        }
    }
}
