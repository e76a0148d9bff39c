//! What the broker's library says of the end of a connection, in the words of the contract.
//!
//! The hooks call [`cause`] once per ended connection. It is one pure function with a catch-all: the library
//! adds reasons between its versions, and an unknown one must not stop the server.

use std::sync::Arc;

use rmqtt::codec::error::{DecodeError, EncodeError, HandshakeError, ProtocolError, SendPacketError};
use rmqtt::codec::v5::{DisconnectReasonCode, PublishAckReason};
use rmqtt::net::MqttError;
use rmqtt::types::{Disconnect, Id, Reason};
use rollcall_model::event::MqttVersion;
use rollcall_model::{Initiator, reason};

use super::hooks::Hooks;
use super::topics;

/// What the server tells its sessions when it stops; comes back as the reason of their end.
pub const SERVER_SHUTDOWN: &str = "server shutting down";

/// What a session is told whose credentials were taken back; comes back as the reason of its end.
pub const CREDENTIALS_GONE: &str = "the credentials were taken back";

/// Who ended a connection, and the MQTT 5 code that was sent or that names what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub initiator: Initiator,
    pub mqtt_reason_code: u8,
    /// The words of the client or of the library, where they say more than the code.
    pub reason: Option<String>,
}

impl Cause {
    pub const NETWORK: Self = Self { initiator: Initiator::Network, mqtt_reason_code: 0x80, reason: None };

    const fn client(code: u8) -> Self {
        Self { initiator: Initiator::Client, mqtt_reason_code: code, reason: None }
    }

    const fn server(code: u8) -> Self {
        Self { initiator: Initiator::Server, mqtt_reason_code: code, reason: None }
    }

    /// Adds words of the client or of the library to the standard text, after a colon, as Watson does.
    fn because(mut self, words: &str) -> Self {
        let words = tidy(words);
        let standard = reason::close_code_text(self.close_code()).unwrap_or("The connection was closed.");
        self.reason = (!words.is_empty()).then(|| format!("{}: {words}.", standard.trim_end_matches('.')));
        self
    }

    pub const fn close_code(&self) -> u16 {
        reason::close_code(self.initiator, self.mqtt_reason_code)
    }
}

/// A client may send 64 KiB of anything as its reason; a line of the log has room for this much.
const WORDS_MAX: usize = 200;

/// One short line: without the wrapping of the library's I/O errors, without control characters.
fn tidy(words: &str) -> String {
    let words = words.strip_prefix("io error, ").unwrap_or(words).trim_matches('"');
    let words = words.split(" (os error ").next().unwrap_or(words).trim_end_matches('.');
    words.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

/// Reads the reason of an ended connection. Of a list the first counts: the library appends what follows from
/// it, as in "DISCONNECT received" and then "socket closed".
pub fn cause(reason: &Reason) -> Cause {
    match reason {
        Reason::Reasons(reasons) => reasons.first().map_or(Cause::NETWORK, cause),
        Reason::ConnectDisconnect(disconnect) => sent_by_client(disconnect.as_ref()),
        // A FIN without DISCONNECT, or an error of the socket: the client may have meant it or not.
        Reason::ConnectRemoteClose | Reason::ConnectReadWriteError | Reason::ConnectReadWriteTimeout => {
            Cause::NETWORK
        }
        Reason::ConnectKeepaliveTimeout => Cause::server(0x8D),
        Reason::ConnectKicked(false) => Cause::server(0x8E),
        Reason::ConnectKicked(true) => Cause::server(0x98),
        Reason::HandshakeRateExceeded => Cause::server(0x9F),
        Reason::SubscribeFailed(text) | Reason::UnsubscribeFailed(text) => {
            Cause::server(0x8F).because(text.as_ref().map_or("", AsRef::as_ref))
        }
        Reason::PublishResult(result) => {
            refused_publish(result.reason_code, result.reason_string.as_ref().map_or("", AsRef::as_ref))
        }
        Reason::SubscribeRefused | Reason::DelayedPublishRefused => Cause::server(0x87),
        Reason::MessageQueueFull => Cause::server(0x97),
        Reason::InflightWindowFull => Cause::server(0x93),
        Reason::ProtocolError(text) => Cause::server(0x82).because(text),
        Reason::MqttError(error) => failed(error),
        Reason::Error(text) => said(text),
        // Session expiry and message expiry end no connection; the rest is not known to this version.
        other => Cause::server(0x80).because(&other.to_string()),
    }
}

/// Versions before 5 send DISCONNECT without a code, and it means a normal end.
fn sent_by_client(disconnect: Option<&Disconnect>) -> Cause {
    match disconnect {
        Some(Disconnect::V5(packet)) => Cause::client(packet.reason_code as u8)
            .because(packet.reason_string.as_ref().map_or("", AsRef::as_ref)),
        Some(Disconnect::Other(text)) => {
            Cause::client(DisconnectReasonCode::UnspecifiedError as u8).because(text)
        }
        Some(Disconnect::V3) | None => Cause::client(DisconnectReasonCode::NormalDisconnection as u8),
    }
}

/// The library has only the codes of a PUBACK for the reason why a PUBLISH ends its connection.
fn refused_publish(code: PublishAckReason, text: &str) -> Cause {
    let code = match text {
        topics::ALIAS_NOT_OFFERED => 0x94,
        topics::NO_TOPIC => 0x82,
        _ => code as u8,
    };
    Cause::server(code).because(text)
}

fn failed(error: &MqttError) -> Cause {
    let text = error.to_string();
    match error {
        MqttError::Decode(error)
        | MqttError::Protocol(ProtocolError::Decode(error))
        | MqttError::Handshake(HandshakeError::Protocol(ProtocolError::Decode(error))) => undecodable(error),
        MqttError::Encode(error)
        | MqttError::Protocol(ProtocolError::Encode(error))
        | MqttError::SendPacket(SendPacketError::Encode(error)) => unsendable(error),
        MqttError::Protocol(ProtocolError::KeepAliveTimeout) => Cause::server(0x8D),
        // The client takes nothing from its socket: to the server that is a network that does not carry.
        MqttError::ReadTimeout
        | MqttError::WriteTimeout
        | MqttError::FlushTimeout
        | MqttError::CloseTimeout => Cause::NETWORK.because(&text),
        MqttError::PublishAckReason(code, text) => refused_publish(*code, text),
        MqttError::ServiceUnavailable => Cause::server(0x88),
        MqttError::InvalidProtocol | MqttError::PacketIdInUse(_) => Cause::server(0x82).because(&text),
        MqttError::TooManySubscriptions | MqttError::SubscribeLimited(_) => {
            Cause::server(0x97).because(&text)
        }
        MqttError::TooManyTopicLevels => Cause::server(0x90).because(&text),
        MqttError::IdentifierRejected => Cause::server(0x85),
        _ => Cause::server(0x80).because(&text),
    }
}

fn undecodable(error: &DecodeError) -> Cause {
    let code = match error {
        DecodeError::Io(text) => return Cause::NETWORK.because(text),
        DecodeError::MaxSizeExceeded { .. } => 0x95,
        DecodeError::InvalidTopicFilter => 0x8F,
        DecodeError::InvalidTopicName => 0x90,
        DecodeError::InvalidClientId => 0x85,
        DecodeError::UnsupportedProtocolLevel => 0x84,
        DecodeError::InvalidProtocol | DecodeError::PacketIdRequired => 0x82,
        _ => 0x81,
    };
    Cause::server(code).because(&error.to_string())
}

fn unsendable(error: &EncodeError) -> Cause {
    match error {
        EncodeError::Io(text) => Cause::NETWORK.because(text),
        EncodeError::OverMaxPacketSize { .. } => Cause::server(0x95).because(&error.to_string()),
        _ => Cause::server(0x80).because(&error.to_string()),
    }
}

/// The library turns an undecodable packet into the text of its error before it reaches the hooks; the text is
/// compared with what the errors themselves write, so that it can be wrong only where the library is.
fn said(text: &str) -> Cause {
    if text == SERVER_SHUTDOWN {
        return Cause::server(0x8B);
    }
    if text == CREDENTIALS_GONE {
        return Cause::server(0x98).because(text);
    }
    if text.starts_with("io error") {
        return Cause::NETWORK.because(text);
    }
    if text.starts_with("Max size exceeded") {
        return Cause::server(0x95).because(text);
    }
    if text.starts_with("Received an unimplemented message") {
        return Cause::server(0x82).because("a packet that only a server may send");
    }
    [
        DecodeError::InvalidProtocol,
        DecodeError::InvalidLength,
        DecodeError::MalformedPacket,
        DecodeError::UnsupportedProtocolLevel,
        DecodeError::ConnectReservedFlagSet,
        DecodeError::InvalidConnectFlags,
        DecodeError::ConnAckReservedFlagSet,
        DecodeError::InvalidClientId,
        DecodeError::UnsupportedPacketType,
        DecodeError::PacketIdRequired,
        DecodeError::InvalidTopicFilter,
        DecodeError::InvalidTopicName,
        DecodeError::Utf8Error,
    ]
    .iter()
    .find(|error| error.to_string() == text)
    .map_or_else(|| Cause::server(0x80).because(text), undecodable)
}

/// The codes with which a server may end a connection (MQTT 5, section 3.14.2.1).
const fn may_be_sent(code: u8) -> bool {
    matches!(code, 0x80..=0x83 | 0x87 | 0x89 | 0x8B | 0x8D..=0x90 | 0x93..=0xA2)
}

impl Hooks {
    /// A session ends: a client of version 5 that does not know is told why before its connection is closed.
    pub fn say_why(&self, id: &Id, reason: &Reason) {
        let Some(open) = self.members.get(id).map(|open| Arc::clone(&open)) else { return };
        let cause = cause(reason);
        let is_5 = open.peer.protocol.is_some_and(|protocol| protocol.version == MqttVersion::V5);
        if is_5
            && cause.initiator == Initiator::Server
            && may_be_sent(cause.mqtt_reason_code)
            && let Some(traffic) = &open.traffic
        {
            traffic.bid_farewell(cause.mqtt_reason_code);
        }
    }
}

#[cfg(test)]
mod tests {
    use rmqtt::codec::v5::Disconnect as DisconnectPacket;
    use rmqtt::types::PublishResult;

    use super::*;
    use Initiator::{Client, Network, Server};

    fn check(reason: &Reason, initiator: Initiator, code: u8, close_code: u16) {
        let cause = cause(reason);
        assert_eq!(
            (cause.initiator, cause.mqtt_reason_code, cause.close_code()),
            (initiator, code, close_code),
            "{reason:?}"
        );
    }

    fn disconnect(reason_code: DisconnectReasonCode) -> Reason {
        Reason::ConnectDisconnect(Some(Disconnect::V5(DisconnectPacket {
            reason_code,
            ..DisconnectPacket::default()
        })))
    }

    #[test]
    fn the_librarys_words_follow_the_standard_text() {
        let reset = cause(&Reason::from("io error, \"Connection reset by peer (os error 104)\""));
        let text = "The connection was closed by the client or network: Connection reset by peer.";
        assert_eq!((reset.initiator, reset.reason.as_deref()), (Network, Some(text)));
        let long = cause(&Reason::from("\u{202e}x\n".repeat(1_000).as_str()));
        assert!(long.reason.is_some_and(|reason| reason.chars().count() < 300 && !reason.contains('\n')));
    }

    #[test]
    fn a_disconnect_of_the_client_keeps_the_code_that_the_client_sent() {
        use DisconnectReasonCode as Code;
        check(&disconnect(Code::NormalDisconnection), Client, 0x00, 0);
        check(&disconnect(Code::DisconnectWithWillMessage), Client, 0x04, 0);
        check(&disconnect(Code::ImplementationSpecificError), Client, 0x83, 91);
        check(&Reason::ConnectDisconnect(Some(Disconnect::V3)), Client, 0, 0);
        check(&Reason::ConnectDisconnect(None), Client, 0, 0);
        let other = Reason::ConnectDisconnect(Some(Disconnect::Other("bye".into())));
        check(&other, Client, 0x80, 91);
    }

    #[test]
    fn of_several_reasons_the_first_is_the_cause() {
        let first = disconnect(DisconnectReasonCode::NormalDisconnection);
        let kicked = Reason::ConnectKicked(false);
        check(&Reason::Reasons(vec![first.clone(), Reason::ConnectRemoteClose]), Client, 0, 0);
        check(&Reason::Reasons(vec![first, kicked.clone()]), Client, 0, 0);
        check(&Reason::Reasons(vec![kicked, Reason::ConnectRemoteClose]), Server, 0x8E, 288);
        check(&Reason::Reasons(vec![]), Network, 0x80, 91);
    }

    #[test]
    fn every_other_reason_names_who_and_why() {
        check(&Reason::ConnectRemoteClose, Network, 0x80, 91);
        check(&Reason::ConnectReadWriteError, Network, 0x80, 91);
        check(&Reason::ConnectReadWriteTimeout, Network, 0x80, 91);
        check(&Reason::ConnectKeepaliveTimeout, Server, 0x8D, 160);
        check(&Reason::ConnectKicked(false), Server, 0x8E, 288);
        check(&Reason::ConnectKicked(true), Server, 0x98, 94);
        check(&Reason::HandshakeRateExceeded, Server, 0x9F, 104);
        check(&Reason::SessionExpiration, Server, 0x80, 92);
        check(&Reason::SubscribeFailed(None), Server, 0x8F, 276);
        check(&Reason::UnsubscribeFailed(Some("x".into())), Server, 0x8F, 276);
        check(&Reason::SubscribeRefused, Server, 0x87, 180);
        check(&Reason::DelayedPublishRefused, Server, 0x87, 180);
        check(&Reason::MessageExpiration, Server, 0x80, 92);
        check(&Reason::MessageQueueFull, Server, 0x97, 104);
        check(&Reason::InflightWindowFull, Server, 0x93, 105);
        check(&Reason::ProtocolError("x".into()), Server, 0x82, 105);
        check(&Reason::Unknown, Server, 0x80, 92);
        let refused = PublishResult::reason_code(PublishAckReason::NotAuthorized, None, true);
        check(&Reason::PublishResult(refused), Server, 0x87, 180);
    }

    #[test]
    fn errors_that_arrive_as_text_are_recognised() {
        let text = |error: DecodeError| Reason::Error(error.to_string().into());
        check(&text(DecodeError::UnsupportedPacketType), Server, 0x81, 105);
        check(&text(DecodeError::MalformedPacket), Server, 0x81, 105);
        check(&text(DecodeError::PacketIdRequired), Server, 0x82, 105);
        check(&text(DecodeError::InvalidTopicName), Server, 0x90, 276);
        check(&text(DecodeError::MaxSizeExceeded { size: 9, max: 1 }), Server, 0x95, 287);
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        check(&text(DecodeError::from(reset)), Network, 0x80, 91);
        check(&Reason::from(SERVER_SHUTDOWN), Server, 0x8B, 93);
        check(&Reason::from(CREDENTIALS_GONE), Server, 0x98, 94);
        check(&Reason::from("something new"), Server, 0x80, 92);
    }

    #[test]
    fn errors_of_the_library_are_told_apart() {
        let check = |error: MqttError, initiator, code, close_code| {
            check(&Reason::MqttError(error), initiator, code, close_code);
        };
        check(MqttError::WriteTimeout, Network, 0x80, 91);
        check(MqttError::ReadTimeout, Network, 0x80, 91);
        check(MqttError::Decode(DecodeError::Io("x".into())), Network, 0x80, 91);
        let broken = SendPacketError::Encode(EncodeError::Io("Broken pipe".into()));
        check(MqttError::SendPacket(broken), Network, 0x80, 91);
        let large = EncodeError::OverMaxPacketSize { size: 2, max: 1 };
        check(MqttError::Encode(large), Server, 0x95, 287);
        check(MqttError::Protocol(ProtocolError::KeepAliveTimeout), Server, 0x8D, 160);
        check(MqttError::InvalidProtocol, Server, 0x82, 105);
        check(MqttError::TooManySubscriptions, Server, 0x97, 104);
        check(MqttError::TooManyTopicLevels, Server, 0x90, 276);
        check(MqttError::ServiceUnavailable, Server, 0x88, 167);
        check(MqttError::None, Server, 0x80, 92);
        let refused = MqttError::PublishAckReason(PublishAckReason::QuotaExceeded, "x".into());
        check(refused, Server, 0x97, 104);
    }
}
