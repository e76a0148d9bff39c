//! Compared with a library for all of MQTT, in both directions.

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{Connection, Event, role};
use mqtt_protocol_core::mqtt::packet::{
    self as library, GenericPacketTrait as _, Property, Qos, RetainHandling, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, SubackReasonCode, SubackReturnCode,
};
use proptest::prelude::*;

use super::*;

const BOTH: [MqttVersion; 2] = [MqttVersion::V311, MqttVersion::V5];

/// A server made of the library.
struct Server(Connection<role::Server>);

impl Server {
    fn new() -> Self {
        Self(Connection::new(Version::Undetermined))
    }

    /// The one packet that the bytes are for the library.
    fn hear(&mut self, bytes: &[u8]) -> library::Packet {
        let events = self.0.recv(&mut Cursor::new(bytes));
        let mut packets = events.into_iter().filter_map(|event| match event {
            Event::NotifyPacketReceived(packet) => Some(packet),
            Event::NotifyError(error) => panic!("{error:?}"),
            _ => None,
        });
        let packet = packets.next().unwrap();
        assert!(packets.next().is_none());
        packet
    }
}

const TOPICS: [&str; 2] = ["iot-2/type/+/id/+/mon", "iot-2/app/+/mon"];

#[test]
fn the_library_reads_what_we_write() {
    for version in BOTH {
        let mut server = Server::new();
        let is_5 = version == MqttVersion::V5;
        let login = ("a-o-key".to_owned(), "secret π".to_owned());
        let connect = server.hear(&connect(version, "a:o:π", Some(&login), 60).unwrap());
        let (id, keep_alive_s, is_clean, user, password) = match &connect {
            library::Packet::V5_0Connect(it) => {
                (it.client_id(), it.keep_alive(), it.clean_start(), it.user_name(), it.password())
            }
            library::Packet::V3_1_1Connect(it) => {
                (it.client_id(), it.keep_alive(), it.clean_session(), it.user_name(), it.password())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!((id, keep_alive_s, is_clean), ("a:o:π", 60, true));
        assert_eq!((user, password), (Some("a-o-key"), Some("secret π".as_bytes())));
        assert_eq!(matches!(connect, library::Packet::V5_0Connect(_)), is_5);

        server.0.send(connack(version, 0));
        let (id, entries) = match server.hear(&subscribe(version, 7, &TOPICS).unwrap()) {
            library::Packet::V5_0Subscribe(it) => (it.packet_id(), it.entries().clone()),
            library::Packet::V3_1_1Subscribe(it) => (it.packet_id(), it.entries().clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(id, 7);
        assert_eq!(entries.iter().map(|entry| entry.topic_filter().to_string()).collect::<Vec<_>>(), TOPICS);
        for entry in entries {
            let retained =
                if is_5 { RetainHandling::DoNotSendRetained } else { RetainHandling::SendRetained };
            assert_eq!((entry.sub_opts().qos(), entry.sub_opts().rh()), (Qos::AtMostOnce, retained));
        }

        let ping = server.hear(&PINGREQ);
        assert!(matches!(ping, library::Packet::V5_0Pingreq(_) | library::Packet::V3_1_1Pingreq(_)));
    }
}

#[test]
fn a_client_id_longer_than_mqtt_allows_cannot_be_written() {
    assert!(connect(MqttVersion::V5, &"x".repeat(65_535), None, 60).is_some());
    assert_eq!(connect(MqttVersion::V5, &"x".repeat(65_536), None, 60), None);
}

fn connack(version: MqttVersion, code: u8) -> library::Packet {
    let props = vec![
        Property::ReasonString(library::ReasonString::new("so").unwrap()),
        Property::TopicAliasMaximum(library::TopicAliasMaximum::new(9).unwrap()),
    ];
    match version {
        MqttVersion::V5 => {
            let code = ConnectReasonCode::try_from(code).unwrap();
            let builder = v5_0::Connack::builder().session_present(false).reason_code(code).props(props);
            builder.build().unwrap().into()
        }
        MqttVersion::V311 => {
            let code = ConnectReturnCode::try_from(code).unwrap();
            v3_1_1::Connack::builder().session_present(false).return_code(code).build().unwrap().into()
        }
    }
}

fn suback(version: MqttVersion, id: u16, codes: &[u8]) -> library::Packet {
    match version {
        MqttVersion::V5 => {
            let codes =
                codes.iter().map(|code| SubackReasonCode::try_from(*code).unwrap()).collect::<Vec<_>>();
            v5_0::Suback::builder().packet_id(id).reason_codes(codes).build().unwrap().into()
        }
        MqttVersion::V311 => {
            let codes =
                codes.iter().map(|code| SubackReturnCode::try_from(*code).unwrap()).collect::<Vec<_>>();
            v3_1_1::Suback::builder().packet_id(id).return_codes(codes).build().unwrap().into()
        }
    }
}

/// A message as a server may send it.
#[derive(Debug, Clone)]
struct Message {
    topic: String,
    payload: Vec<u8>,
    is_retained: bool,
    id: Option<u16>,
    /// A property that is as long as this, in MQTT 5.
    property_bytes: Option<usize>,
}

impl Message {
    fn to_packet(&self, version: MqttVersion) -> library::Packet {
        let qos = if self.id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
        match version {
            MqttVersion::V5 => {
                let mut builder = v5_0::Publish::builder().topic_name(self.topic.as_str()).unwrap();
                builder = builder.qos(qos).retain(self.is_retained).payload(self.payload.clone());
                if let Some(length) = self.property_bytes {
                    let property = library::UserProperty::new("k", "v".repeat(length)).unwrap();
                    builder = builder.props(vec![Property::UserProperty(property)]);
                }
                if let Some(id) = self.id { builder.packet_id(id) } else { builder }.build().unwrap().into()
            }
            MqttVersion::V311 => {
                let mut builder = v3_1_1::Publish::builder().topic_name(self.topic.as_str()).unwrap();
                builder = builder.qos(qos).retain(self.is_retained).payload(self.payload.clone());
                if let Some(id) = self.id { builder.packet_id(id) } else { builder }.build().unwrap().into()
            }
        }
    }
}

fn message() -> impl Strategy<Value = Message> {
    (
        "[a-zé/]{1,40}",
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            // Around the places where the length takes another byte.
            (prop_oneof![60usize..140, 16_200usize..16_500]).prop_map(|length| vec![b'x'; length]),
        ],
        any::<bool>(),
        proptest::option::of(1u16..),
        proptest::option::of(prop_oneof![0usize..20, 110usize..140, 16_350usize..16_400]),
    )
        .prop_map(|(topic, payload, is_retained, id, property_bytes)| Message {
            topic,
            payload,
            is_retained,
            id,
            property_bytes,
        })
}

fn version() -> impl Strategy<Value = MqttVersion> {
    prop_oneof![Just(MqttVersion::V311), Just(MqttVersion::V5)]
}

/// Every packet of a stream that has come completely, and how many bytes are left over.
fn read_all(mut bytes: &[u8], version: MqttVersion) -> Result<(Vec<Packet<'_>>, usize), Malformed> {
    let mut packets = Vec::new();
    while let Some((packet, rest)) = read(bytes, version)? {
        packets.push(packet);
        bytes = rest;
    }
    Ok((packets, bytes.len()))
}

proptest! {
    #[test]
    fn what_the_library_writes_is_read_and_no_part_of_it_is_taken_for_the_whole(
        version in version(),
        messages in proptest::collection::vec(message(), 0..5),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut expect = vec![Packet::Connack { code: 0 }, Packet::Suback { id: 513, codes: &[0, 0x80] }];
        let mut bytes = connack(version, 0).to_continuous_buffer();
        bytes.extend(suback(version, 513, &[0, 0x80]).to_continuous_buffer());
        for message in &messages {
            bytes.extend(message.to_packet(version).to_continuous_buffer());
            let Message { payload, is_retained, id, .. } = message;
            expect.push(Packet::Publish { payload, is_retained: *is_retained, to_acknowledge: *id });
        }
        if version == MqttVersion::V5 {
            let end = v5_0::Disconnect::builder().reason_code(DisconnectReasonCode::SessionTakenOver).build();
            bytes.extend(end.unwrap().to_continuous_buffer());
            expect.push(Packet::Disconnect);
        }
        bytes.extend(v5_0::Pingresp::builder().build().unwrap().to_continuous_buffer());
        expect.push(Packet::Pingresp);
        prop_assert_eq!(read_all(&bytes, version), Ok((expect.clone(), 0)));

        let cut = cut.index(bytes.len());
        let (packets, left) = read_all(&bytes[..cut], version).unwrap();
        prop_assert_eq!(&packets[..], &expect[..packets.len()]);
        let (after, rest) = read_all(&bytes[cut - left..], version).unwrap();
        prop_assert_eq!((packets.len() + after.len(), rest), (expect.len(), 0));
    }

    #[test]
    fn a_refused_connection_is_read_as_such(code in prop_oneof![Just(0x87u8), Just(0x9F)], old in 1u8..=5) {
        let bytes = connack(MqttVersion::V5, code).to_continuous_buffer();
        prop_assert_eq!(read_all(&bytes, MqttVersion::V5), Ok((vec![Packet::Connack { code }], 0)));
        let bytes = connack(MqttVersion::V311, old).to_continuous_buffer();
        prop_assert_eq!(read_all(&bytes, MqttVersion::V311), Ok((vec![Packet::Connack { code: old }], 0)));
    }

    #[test]
    fn the_library_reads_our_receipt(id in 1u16..) {
        let bytes = puback(id);
        prop_assert_eq!(v5_0::Puback::parse(&bytes[2..]).unwrap().0.packet_id(), id);
        prop_assert_eq!(v3_1_1::Puback::parse(&bytes[2..]).unwrap().0.packet_id(), id);
    }

    /// Changed bytes are read as something or refused; what is accepted never reaches past what came.
    #[test]
    fn changed_bytes_never_make_the_reader_panic(
        version in version(),
        message in message(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = suback(version, 1, &[0, 0]).to_continuous_buffer();
        bytes.extend(message.to_packet(version).to_continuous_buffer());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Ok((_, left)) = read_all(&bytes, version) {
            prop_assert!(left <= bytes.len());
        }
    }

    #[test]
    fn random_bytes_never_make_the_reader_panic(version in version(), bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = read_all(&bytes, version);
    }
}

#[test]
fn what_no_subscriber_in_qos_0_is_sent_is_refused() {
    for (bytes, why) in [
        (&[0x30, 0xFF, 0xFF, 0xFF, 0xFF][..], "a length of five bytes"),
        (&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], "a quarter of a gigabyte"),
        (&[0x34, 5, 0, 1, b't', 0, 1], "QoS 2"),
        (&[0x36, 5, 0, 1, b't', 0, 1], "QoS 3"),
        (&[0x32, 3, 0, 1, b't'], "QoS 1 without a packet id"),
        (&[0x30, 2, 0, 9], "a topic beyond the end"),
        (&[0x10, 0], "CONNECT from a server"),
        (&[0x00, 0], "no packet type"),
        (&[0xF0, 0], "AUTH, which was not asked for"),
        (&[0xD0, 1, 0], "an answer to a ping with a content"),
        (&[0x90, 1, 0], "a SUBACK without a packet id"),
    ] {
        for version in BOTH {
            assert_eq!(read(bytes, version), Err(Malformed), "{why}");
        }
    }
    assert_eq!(
        read(&[0xE0, 0], MqttVersion::V311),
        Err(Malformed),
        "3.1.1 knows no DISCONNECT from a server"
    );
    assert_eq!(read(&[0x20, 3, 0, 0, 1], MqttVersion::V5), Err(Malformed), "properties beyond the end");
}
