//! Entries of the connection log: what the Connection Logs API says of an event.
//!
//! `message` keeps Watson's wording to the letter, because programs parse it; everything that a person should
//! read is in the other fields.

use serde::{Deserialize, Serialize};

use crate::event::{Certainty, ConnectionEvent, Counters, EventKind, Initiator, Peer};
use crate::reason;
use crate::time::Timestamp;

/// The kinds of entry. Activity is state, not log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LogEvent {
    #[serde(rename = "connect")]
    Connect,
    #[serde(rename = "failedConnect")]
    FailedConnect,
    #[serde(rename = "disconnect")]
    Disconnect,
}

/// One entry; absent where not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    pub message: String,
    pub timestamp: Timestamp,
    /// A plain Watson server sends only the two fields above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<LogEvent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disconnect_initiator: Option<Initiator>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtt_reason_code: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_code: Option<u16>,
    /// The reason alone, without the words around it in `message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_addr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_port: Option<u16>,
    /// As in monitor messages: `mqtt4`, `mqtt5-ws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_msg: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_msg: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certainty: Option<Certainty>,
}

/// Who takes an id over has connected at most this long before the end of the session that it took it from is told.
const TAKEN_OVER_WITHIN_MS: i64 = 5_000;

impl LogEntry {
    /// Whether another connection took the id over. The entries of plain Watson servers say so in words only.
    #[must_use]
    pub fn is_takeover(&self) -> bool {
        let is_said = || {
            let words = reason::close_code_text(reason::CLOSE_TAKEN_OVER);
            self.event.is_none() && words.is_some_and(|words| self.message.ends_with(words))
        };
        reason::is_takeover(self.mqtt_reason_code, self.close_code) || is_said()
    }

    /// Whether a session that began then took the id from the one whose end this entry tells: an end that names no session is
    /// told after the connect that caused it.
    #[must_use]
    pub fn is_takeover_by(&self, start: Timestamp) -> bool {
        self.is_takeover() && self.timestamp.millis() - start.millis() <= TAKEN_OVER_WITHIN_MS
    }

    /// The entry for an event; `None` for events that are not logged (activity, missed).
    #[must_use]
    pub fn from_event(event: &ConnectionEvent) -> Option<Self> {
        let who = || who(&event.client_id, &event.peer);
        Some(match &event.kind {
            EventKind::Connect { session, certainty } => Self {
                connect_time: Some(session.start),
                certainty: Some(*certainty),
                ..Self::new(event, LogEvent::Connect, format!("Token auth succeeded: {}", who()))
            },
            EventKind::FailedConnect { mqtt_reason_code, close_code, reason } => {
                let reason = reason
                    .clone()
                    .or_else(|| close_code.and_then(reason::close_code_text).map(str::to_owned));
                let shown =
                    reason.as_deref().unwrap_or("The operation is not authorized.").trim_end_matches('.');
                Self {
                    mqtt_reason_code: *mqtt_reason_code,
                    close_code: *close_code,
                    certainty: Some(Certainty::Reported),
                    ..Self::new(
                        event,
                        LogEvent::FailedConnect,
                        format!("Token auth failed ({shown}): {}", who()),
                    )
                }
                .with_reason(reason)
            }
            EventKind::Disconnect { session, end } => {
                let reason = end.reason_text();
                let from = event.peer.addr.as_deref().map(|addr| format!(" from {addr}")).unwrap_or_default();
                let shown = reason.as_deref().unwrap_or("The connection was closed.");
                Self {
                    disconnect_initiator: end.initiator,
                    mqtt_reason_code: end.mqtt_reason_code,
                    close_code: end.close_code,
                    connect_time: session.map(|session| session.start),
                    certainty: Some(end.certainty),
                    ..Self::new(event, LogEvent::Disconnect, format!("Closed connection{from}. {shown}"))
                }
                .with_reason(reason)
                .with_counters(end.counters)
            }
            EventKind::Activity { .. } | EventKind::Missed => return None,
        })
    }

    fn new(event: &ConnectionEvent, kind: LogEvent, message: String) -> Self {
        Self {
            message,
            timestamp: event.time,
            client_id: Some(event.client_id.clone()),
            event: Some(kind),
            disconnect_initiator: None,
            mqtt_reason_code: None,
            close_code: None,
            reason: None,
            client_addr: event.peer.addr.clone(),
            client_port: event.peer.port,
            protocol: event.peer.protocol.map(|protocol| protocol.monitor_name().to_owned()),
            secure: event.peer.secure,
            connect_time: None,
            read_msg: None,
            write_msg: None,
            read_bytes: None,
            write_bytes: None,
            certainty: None,
        }
    }

    fn with_reason(self, reason: Option<String>) -> Self {
        Self { reason, ..self }
    }

    const fn with_counters(mut self, counters: Counters) -> Self {
        self.read_msg = counters.read_msg;
        self.write_msg = counters.write_msg;
        self.read_bytes = counters.read_bytes;
        self.write_bytes = counters.write_bytes;
        self
    }
}

fn who(client_id: &str, peer: &Peer) -> String {
    // An unknown address is left empty: the programs that read this line expect the label.
    format!("ClientID='{client_id}', ClientIP={}", peer.addr.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{End, SessionKey};

    fn check(kind: EventKind, expect: &str) {
        let peer = Peer { addr: Some("169.50.112.179".to_owned()), ..Peer::default() };
        let time = Timestamp::from_millis(0);
        let event = ConnectionEvent { client_id: "d:o:t:1".to_owned(), time, peer, kind };
        assert_eq!(LogEntry::from_event(&event).map(|entry| entry.message).as_deref(), Some(expect));
    }

    fn closed(initiator: Initiator, code: u8) -> EventKind {
        EventKind::Disconnect {
            session: None,
            end: End {
                certainty: Certainty::Reported,
                time: Timestamp::from_millis(0),
                initiator: Some(initiator),
                mqtt_reason_code: Some(code),
                close_code: Some(reason::close_code(initiator, code)),
                reason: None,
                counters: Counters::default(),
            },
        }
    }

    #[test]
    fn the_messages_keep_watsons_wording() {
        let session = SessionKey { start: Timestamp::from_millis(0), connection: 0 };
        check(
            EventKind::Connect { session, certainty: Certainty::Reported },
            "Token auth succeeded: ClientID='d:o:t:1', ClientIP=169.50.112.179",
        );
        check(
            EventKind::FailedConnect {
                mqtt_reason_code: Some(0x86),
                close_code: Some(180),
                reason: Some("Device/gateway token is invalid".to_owned()),
            },
            "Token auth failed (Device/gateway token is invalid): ClientID='d:o:t:1', ClientIP=169.50.112.179",
        );
        check(
            closed(Initiator::Client, 0),
            "Closed connection from 169.50.112.179. The connection has completed normally.",
        );
        check(
            closed(Initiator::Server, 0x8D),
            "Closed connection from 169.50.112.179. The connection timed out.",
        );
    }
}
