//! One MQTT session with the server, without the socket: bytes in, bytes and events out.
//!
//! Called by [`super::Monitor`]. It subscribes to the monitor topics, turns what is published there into events,
//! and answers no question about the network.

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{Event, role};
use mqtt_protocol_core::mqtt::packet::{Packet, Qos, RetainHandling, SubEntry, SubOpts, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::prelude::GenericPacketTrait;
use mqtt_protocol_core::mqtt::result_code::ConnectReasonCode;
use mqtt_protocol_core::mqtt::{Connection, Version};
use rollcall_model::ConnectionEvent;
use rollcall_model::monitor::{ACTIVITY_SUFFIX, MonitorMessage};

/// The version of MQTT that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttVersion {
    V311,
    V5,
}

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
/// One subscription each: devices and gateways, applications.
const TOPICS: [&str; 2] = ["iot-2/type/+/id/+/mon", "iot-2/app/+/mon"];

pub struct Session {
    connection: Connection<role::Client>,
    version: MqttVersion,
}

impl Session {
    #[must_use]
    pub fn new(version: MqttVersion) -> Self {
        let mut connection = Connection::new(match version {
            MqttVersion::V311 => Version::V3_1_1,
            MqttVersion::V5 => Version::V5_0,
        });
        connection.set_auto_pub_response(true);
        Self { connection, version }
    }

    /// The first packet.
    pub fn connect(&mut self, client_id: &str) -> Vec<Output> {
        let events = match self.version {
            MqttVersion::V5 => v5_0::Connect::builder()
                .client_id(client_id)
                .and_then(|packet| packet.clean_start(true).keep_alive(KEEP_ALIVE_S).build())
                .map(|packet| self.connection.checked_send(packet)),
            MqttVersion::V311 => v3_1_1::Connect::builder()
                .client_id(client_id)
                .and_then(|packet| packet.clean_session(true).keep_alive(KEEP_ALIVE_S).build())
                .map(|packet| self.connection.checked_send(packet)),
        };
        let mut outputs = Vec::new();
        match events {
            Ok(events) => self.handle(events, &mut outputs),
            Err(_) => outputs.push(Output::Failed),
        }
        outputs
    }

    pub fn ping(&mut self) -> Vec<Output> {
        let events = match self.version {
            MqttVersion::V5 => v5_0::Pingreq::builder().build().map(|p| self.connection.checked_send(p)),
            MqttVersion::V311 => v3_1_1::Pingreq::builder().build().map(|p| self.connection.checked_send(p)),
        };
        let mut outputs = Vec::new();
        if let Ok(events) = events {
            self.handle(events, &mut outputs);
        }
        outputs
    }

    /// Takes bytes from the server. A WebSocket frame may hold several packets, or a part of one.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut cursor = Cursor::new(bytes);
        while (cursor.position() as usize) < bytes.len() {
            let events = self.connection.recv(&mut cursor);
            self.handle(events, &mut outputs);
            if outputs.iter().any(|output| matches!(output, Output::Failed)) {
                break;
            }
        }
        outputs
    }

    fn handle(&mut self, events: Vec<Event>, outputs: &mut Vec<Output>) {
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    outputs.push(Output::Send(packet.to_continuous_buffer()));
                }
                Event::NotifyPacketReceived(packet) => self.handle_packet(packet, outputs),
                Event::NotifyError(_) | Event::RequestClose => outputs.push(Output::Failed),
                // The caller pings at its own intervals.
                Event::RequestTimerReset { .. }
                | Event::RequestTimerCancel(_)
                | Event::NotifyPacketIdReleased(_) => {}
            }
        }
    }

    fn handle_packet(&mut self, packet: Packet, outputs: &mut Vec<Output>) {
        match packet {
            Packet::V5_0Connack(packet) if packet.reason_code() == ConnectReasonCode::Success => {
                self.subscribe(outputs);
            }
            Packet::V3_1_1Connack(packet) if packet.return_code().is_success() => self.subscribe(outputs),
            Packet::V5_0Connack(_) | Packet::V3_1_1Connack(_) | Packet::V5_0Disconnect(_) => {
                outputs.push(Output::Failed);
            }
            // Activity may be refused to this user; without connects and disconnects there is no feed.
            Packet::V5_0Suback(packet) => {
                let is_fine = packet.reason_codes().iter().take(TOPICS.len()).all(|code| code.is_success());
                outputs.push(if is_fine { Output::Subscribed } else { Output::Failed });
            }
            Packet::V3_1_1Suback(packet) => {
                let is_fine = packet.return_codes().iter().take(TOPICS.len()).all(|code| code.is_success());
                outputs.push(if is_fine { Output::Subscribed } else { Output::Failed });
            }
            Packet::V5_0Publish(packet) => {
                outputs.extend(told(packet.payload().as_slice(), packet.retain()));
            }
            Packet::V3_1_1Publish(packet) => {
                outputs.extend(told(packet.payload().as_slice(), packet.retain()));
            }
            Packet::V5_0Pingresp(_) | Packet::V3_1_1Pingresp(_) => outputs.push(Output::Pong),
            _ => {}
        }
    }

    /// MQTT 5 can be asked not to send what is retained: the State API has told it already.
    fn subscribe(&mut self, outputs: &mut Vec<Output>) {
        let options = SubOpts::new().set_qos(Qos::AtMostOnce);
        let options = match self.version {
            MqttVersion::V5 => options.set_rh(RetainHandling::DoNotSendRetained),
            MqttVersion::V311 => options,
        };
        let activity = TOPICS.map(|topic| format!("{topic}{ACTIVITY_SUFFIX}"));
        let topics = TOPICS.iter().copied().chain(activity.iter().map(String::as_str));
        let entries: Vec<SubEntry> = topics.filter_map(|topic| SubEntry::new(topic, options).ok()).collect();
        let events = self.connection.acquire_packet_id().and_then(|id| match self.version {
            MqttVersion::V5 => v5_0::Subscribe::builder()
                .packet_id(id)
                .entries(entries)
                .build()
                .map(|packet| self.connection.checked_send(packet)),
            MqttVersion::V311 => v3_1_1::Subscribe::builder()
                .packet_id(id)
                .entries(entries)
                .build()
                .map(|packet| self.connection.checked_send(packet)),
        });
        match events {
            Ok(events) => self.handle(events, outputs),
            Err(_) => outputs.push(Output::Failed),
        }
    }
}

/// The event that a payload tells. Empty payloads clear a retained message, others may be anybody's.
fn told(payload: &[u8], retained: bool) -> Option<Output> {
    let message: MonitorMessage = serde_json::from_slice(payload).ok()?;
    (!message.client_id.is_empty()).then(|| Output::Told { event: Box::new(message.to_event()), retained })
}

#[cfg(test)]
mod tests {
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
        let mut session = Session::new(version);
        assert!(matches!(session.connect("a:o:rollcall-1")[..], [Output::Send(_)]));
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

    #[test]
    fn a_refusal_ends_the_session() {
        let mut session = Session::new(MqttVersion::V5);
        session.connect("x");
        let refused = session.receive(&[0x20, 0x02, 0x00, 0x01]);
        assert!(refused.iter().any(|output| matches!(output, Output::Failed)));
    }
}
