//! Why a connection ended: MQTT 5 reason codes and Watson's close codes, with their standard texts, and which
//! close code names the same thing as which reason code.
//!
//! The texts here are the English ones of the wire format. What the dashboard says about a code in a person's
//! language is in the catalogues.

use crate::event::Initiator;

pub const CLOSE_NORMAL: u16 = 0;
pub const CLOSE_BY_CLIENT_OR_NETWORK: u16 = 91;
pub const CLOSE_BY_SERVER: u16 = 92;
pub const CLOSE_SERVER_SHUTDOWN: u16 = 93;
pub const CLOSE_BY_ADMINISTRATOR: u16 = 94;
pub const CLOSE_CAPACITY: u16 = 104;
pub const CLOSE_INVALID_DATA: u16 = 105;
pub const CLOSE_KEEP_ALIVE: u16 = 160;
pub const CLOSE_INVALID_CLIENT_ID: u16 = 166;
pub const CLOSE_UNAVAILABLE: u16 = 167;
pub const CLOSE_NOT_AUTHORIZED: u16 = 180;
pub const CLOSE_INVALID_TOPIC: u16 = 276;
pub const CLOSE_TOO_LARGE: u16 = 287;
pub const CLOSE_TAKEN_OVER: u16 = 288;

/// Whether these codes of an end say that another connection took the id over.
#[must_use]
pub const fn is_takeover(mqtt_reason_code: Option<u8>, close_code: Option<u16>) -> bool {
    matches!(mqtt_reason_code, Some(0x8E)) || matches!(close_code, Some(CLOSE_TAKEN_OVER))
}

/// Watson's close codes and their texts; source: the MQTT page of Watson IoT Platform's documentation, and for
/// the less common ones the return codes of its server (Eclipse Amlen, `ismrc.h`).
pub const CLOSE_CODES: &[(u16, &str)] = &[
    (0, "The connection has completed normally."),
    (90, "The connection has completed normally."),
    (91, "The connection was closed by the client or network."),
    (92, "The connection was closed by the server."),
    (93, "The connection was closed because the server was shutdown."),
    (94, "The connection was closed by an administrator."),
    (95, "The connection was closed during a send operation."),
    (96, "The client failed to acknowledge a message."),
    (104, "The server capacity is reached."),
    (105, "The data from the client is not valid."),
    (150, "Unable to connect."),
    (152, "The connection is not open."),
    (153, "A networking error occurred."),
    (154, "Too many producers or consumers in a single connection."),
    (159, "The connection is not authorized."),
    (160, "The connection timed out."),
    (161, "Failed to ping the client."),
    (162, "The client did not respond to a ping."),
    (163, "The connection was closed during the TLS handshake."),
    (164, "No data was received on a connection."),
    (165, "The initial packet is too large."),
    (166, "The ClientID is not valid."),
    (167, "The server is not available."),
    (168, "Messaging is not available."),
    (169, "The certificate is missing."),
    (170, "The certificate is not valid."),
    (171, "The HTTP handshake failed."),
    (173, "Too many connections for an organization."),
    (174, "The client set is not valid."),
    (175, "The HTTP Authorization header cannot be changed in a connection."),
    (176, "The authorization request is in delay, or there are too many authentication requests."),
    (177, "Failed to create the device."),
    (178, "The quota for buffered data was exceeded."),
    (180, "The operation is not authorized."),
    (181, "User authentication failed."),
    (183, "The OAuth token is not valid."),
    (188, "The authorization service is unavailable."),
    (193, "The connection has expired."),
    (213, "The client ID is in use by an active connection."),
    (270, "A will message is not allowed."),
    (271, "The length of the message is not correct."),
    (272, "The MQTT encoding is not valid."),
    (273, "The payload is not valid."),
    (275, "The message command is unknown."),
    (276, "The topic is not valid."),
    (277, "A will message is required."),
    (278, "The connection could not be created."),
    (279, "The session could not be created."),
    (280, "The session could not be started."),
    (281, "The consumer could not be created."),
    (282, "CONNECT must be the first packet."),
    (284, "The quality of service is not valid."),
    (285, "The ID is not valid."),
    (286, "The user name is required."),
    (287, "The message size is too large for this endpoint."),
    (288, "The client ID was reused."),
    (289, "The topic is a system topic."),
    (290, "The share does not match."),
    (291, "The quality of service is not allowed."),
    (292, "A durable session is not allowed."),
    (293, "The protocol version is not supported."),
    (294, "Too much data before authentication."),
    (295, "The packet must be binary."),
    (296, "There are no subscriptions."),
    (297, "The protocol is not correct."),
    (298, "The topic alias is not valid."),
    (299, "Too many persistent messages in process."),
];

/// The text of a close code, with its full stop.
#[must_use]
pub fn close_code_text(code: u16) -> Option<&'static str> {
    CLOSE_CODES.binary_search_by_key(&code, |(c, _)| *c).ok().map(|at| CLOSE_CODES[at].1)
}

/// The MQTT 5 reason codes of CONNACK and DISCONNECT and their names; source: MQTT 5, section 2.4.
pub const MQTT_REASON_CODES: &[(u8, &str)] = &[
    (0x00, "Normal disconnection"),
    (0x04, "Disconnect with Will Message"),
    (0x80, "Unspecified error"),
    (0x81, "Malformed Packet"),
    (0x82, "Protocol Error"),
    (0x83, "Implementation specific error"),
    (0x84, "Unsupported Protocol Version"),
    (0x85, "Client Identifier not valid"),
    (0x86, "Bad User Name or Password"),
    (0x87, "Not authorized"),
    (0x88, "Server unavailable"),
    (0x89, "Server busy"),
    (0x8A, "Banned"),
    (0x8B, "Server shutting down"),
    (0x8C, "Bad authentication method"),
    (0x8D, "Keep Alive timeout"),
    (0x8E, "Session taken over"),
    (0x8F, "Topic Filter invalid"),
    (0x90, "Topic Name invalid"),
    (0x93, "Receive Maximum exceeded"),
    (0x94, "Topic Alias invalid"),
    (0x95, "Packet too large"),
    (0x96, "Message rate too high"),
    (0x97, "Quota exceeded"),
    (0x98, "Administrative action"),
    (0x99, "Payload format invalid"),
    (0x9A, "Retain not supported"),
    (0x9B, "QoS not supported"),
    (0x9C, "Use another server"),
    (0x9D, "Server moved"),
    (0x9E, "Shared Subscriptions not supported"),
    (0x9F, "Connection rate exceeded"),
    (0xA0, "Maximum connect time"),
    (0xA1, "Subscription Identifiers not supported"),
    (0xA2, "Wildcard Subscriptions not supported"),
];

/// The standard's name of an MQTT 5 reason code.
#[must_use]
pub fn mqtt_reason_name(code: u8) -> Option<&'static str> {
    MQTT_REASON_CODES.binary_search_by_key(&code, |(c, _)| *c).ok().map(|at| MQTT_REASON_CODES[at].1)
}

/// The close code that names the same thing as an initiator and an MQTT reason code.
#[must_use]
pub const fn close_code(initiator: Initiator, mqtt_reason_code: u8) -> u16 {
    match (initiator, mqtt_reason_code) {
        (Initiator::Client, 0x00 | 0x04) => CLOSE_NORMAL,
        (Initiator::Client | Initiator::Network, _) => CLOSE_BY_CLIENT_OR_NETWORK,
        (Initiator::Server, 0x81..=0x83 | 0x93 | 0x94 | 0x99) => CLOSE_INVALID_DATA,
        (Initiator::Server, 0x84) => 293,
        (Initiator::Server, 0x85) => CLOSE_INVALID_CLIENT_ID,
        (Initiator::Server, 0x86 | 0x87 | 0x8A | 0x8C) => CLOSE_NOT_AUTHORIZED,
        (Initiator::Server, 0x88) => CLOSE_UNAVAILABLE,
        (Initiator::Server, 0x89 | 0x96 | 0x97 | 0x9F) => CLOSE_CAPACITY,
        (Initiator::Server, 0x8B) => CLOSE_SERVER_SHUTDOWN,
        (Initiator::Server, 0x8D) => CLOSE_KEEP_ALIVE,
        (Initiator::Server, 0x8E) => CLOSE_TAKEN_OVER,
        (Initiator::Server, 0x8F | 0x90) => CLOSE_INVALID_TOPIC,
        (Initiator::Server, 0x95) => CLOSE_TOO_LARGE,
        (Initiator::Server, 0x98) => CLOSE_BY_ADMINISTRATOR,
        (Initiator::Server, 0xA0) => 193,
        (Initiator::Server, _) => CLOSE_BY_SERVER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_sorted_so_that_a_binary_search_finds_every_code() {
        for (code, text) in CLOSE_CODES {
            assert_eq!(close_code_text(*code), Some(*text));
        }
        for (code, name) in MQTT_REASON_CODES {
            assert_eq!(mqtt_reason_name(*code), Some(*name));
        }
    }

    #[test]
    fn every_close_code_that_is_chosen_has_a_text() {
        for initiator in Initiator::ALL {
            for code in 0..=u8::MAX {
                assert!(close_code_text(close_code(initiator, code)).is_some());
            }
        }
    }
}
