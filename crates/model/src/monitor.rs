//! Monitor messages: the JSON that is published on a client's monitor topic.
//!
//! The server writes them from events and from states (the retained ones); the dashboard, and whoever imports
//! them, turns them back into events for the fold.

use serde::{Deserialize, Serialize};

use crate::client_id::ClientId;
use crate::event::{
    ActivityEvent, Certainty, ConnectionEvent, Counters, End, EventKind, Initiator, Peer, Protocol,
    SessionKey,
};
use crate::reason;
use crate::state::ClientState;
use crate::time::Timestamp;

/// What is appended to a monitor topic for activity messages.
pub const ACTIVITY_SUFFIX: &str = "/act";
/// The user name of every device that has a token. It tells nothing of who it is.
const TOKEN_USER: &str = "use-token-auth";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    Connect,
    Disconnect,
    FailedConnect,
    Activity,
}

/// One monitor message, by the names of the wire. Absent where not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MonitorMessage {
    pub action: Action,
    pub time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_addr: Option<String>,
    /// Empty in messages of old servers about clients that gave none.
    #[serde(rename = "ClientID", default)]
    pub client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure: Option<bool>,
    /// See [`Protocol::monitor_name`]; `mqtt-tcp` from old servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_msg: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_msg: Option<u64>,
    /// Who ended the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<Initiator>,
    /// The MQTT 5 reason code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certainty: Option<Certainty>,
    /// The activity, in activity messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<ActivityEvent>,
}

impl MonitorMessage {
    /// The message that tells an event; `None` for events that are told to nobody.
    #[must_use]
    pub fn from_event(event: &ConnectionEvent) -> Option<Self> {
        let mut message = Self::new(Action::Connect, event.time, &event.client_id, &event.peer);
        match &event.kind {
            EventKind::Connect { session, certainty } => {
                message.connect_time = Some(session.start);
                message.certainty = Some(*certainty);
            }
            EventKind::Disconnect { session, end } => {
                message.connect_time = session.map(|session| session.start);
                message.tell_end(end);
            }
            EventKind::FailedConnect { mqtt_reason_code, close_code, reason } => {
                message.action = Action::FailedConnect;
                message.close_code = *close_code;
                message.reason_code = *mqtt_reason_code;
                message.reason = reason
                    .clone()
                    .or_else(|| close_code.and_then(reason::close_code_text).map(str::to_owned));
            }
            EventKind::Activity { session, event } => {
                message.action = Action::Activity;
                message.connect_time = session.map(|session| session.start);
                message.event = Some(*event);
            }
            EventKind::Missed => return None,
        }
        Some(message)
    }

    /// The retained message of a client: its last connect or disconnect. `None` when it has none: an application
    /// that has gone, a client that was only ever refused.
    #[must_use]
    pub fn retained(state: &ClientState) -> Option<Self> {
        let is_application = ClientId::parse(&state.id).client_type == crate::ClientType::Application;
        if is_application && !state.is_connected() { None } else { Self::newest(state) }
    }

    /// The last connect or disconnect of a client, retained or not. `None` for one that was only ever refused.
    #[must_use]
    pub fn newest(state: &ClientState) -> Option<Self> {
        let current = state.current.as_ref()?;
        let mut message = Self::new(Action::Connect, current.key.start, &state.id, &current.peer);
        message.connect_time = Some(current.key.start);
        if state.is_connected() {
            message.certainty = Some(state.status().1);
            return Some(message);
        }
        let end = state.current_end()?;
        message.time = end.time;
        message.tell_end(end);
        Some(message)
    }

    fn new(action: Action, time: Timestamp, client_id: &str, peer: &Peer) -> Self {
        Self {
            action,
            time,
            client_addr: peer.addr.clone(),
            client_id: client_id.to_owned(),
            port: peer.server_port,
            secure: peer.secure,
            protocol: peer.protocol.map(|protocol| protocol.monitor_name().to_owned()),
            // Watson leaves out the user that says nothing.
            user: peer.user.clone().filter(|user| user != TOKEN_USER),
            connect_time: None,
            close_code: None,
            reason: None,
            read_bytes: None,
            read_msg: None,
            write_bytes: None,
            write_msg: None,
            initiator: None,
            reason_code: None,
            certainty: None,
            event: None,
        }
    }

    fn tell_end(&mut self, end: &End) {
        self.action = Action::Disconnect;
        self.close_code = end.close_code;
        self.reason = end.reason_text();
        self.initiator = end.initiator;
        self.reason_code = end.mqtt_reason_code;
        self.certainty = Some(end.certainty);
        self.read_bytes = end.counters.read_bytes;
        self.read_msg = end.counters.read_msg;
        self.write_bytes = end.counters.write_bytes;
        self.write_msg = end.counters.write_msg;
    }

    /// The event that the message tells, for the fold.
    #[must_use]
    pub fn to_event(&self) -> ConnectionEvent {
        // Watson's connect times are no session keys: its connect messages often name none, and those of its
        // disconnect messages differ from them by a millisecond. Only a sender that names certainties is exact.
        let session = self
            .connect_time
            .filter(|_| self.certainty.is_some() || self.action == Action::Activity)
            .map(|start| SessionKey { start, connection: 0 });
        let kind = match self.action {
            Action::Connect => EventKind::Connect {
                session: session.unwrap_or(SessionKey { start: self.time, connection: 0 }),
                certainty: self.certainty.unwrap_or(Certainty::Reported),
            },
            Action::Disconnect => EventKind::Disconnect { session, end: self.end() },
            Action::FailedConnect => EventKind::FailedConnect {
                mqtt_reason_code: self.reason_code,
                close_code: self.close_code,
                reason: self.own_reason(self.close_code.and_then(reason::close_code_text)),
            },
            Action::Activity => {
                EventKind::Activity { session, event: self.event.unwrap_or(ActivityEvent::Ping) }
            }
        };
        let peer = Peer {
            addr: self.client_addr.clone(),
            port: None,
            server_port: self.port,
            protocol: self.protocol.as_deref().and_then(Protocol::from_monitor_name),
            secure: self.secure,
            // Old servers name it.
            user: self.user.clone().filter(|user| user != TOKEN_USER),
        };
        ConnectionEvent { client_id: self.client_id.clone(), time: self.time, peer, kind }
    }

    /// The reason, unless it is the text that stands for the codes anyway.
    fn own_reason(&self, standard_text: Option<&str>) -> Option<String> {
        self.reason.clone().filter(|text| !text.is_empty() && Some(text.as_str()) != standard_text)
    }

    fn end(&self) -> End {
        // Watson leaves out the code of a normal close.
        let close_code = self.close_code.unwrap_or(reason::CLOSE_NORMAL);
        let said = self.initiator.zip(self.reason_code);
        let (initiator, mqtt_reason_code) = said.map_or_else(
            || {
                (
                    self.initiator.or_else(|| implied_initiator(close_code)),
                    self.reason_code.or_else(|| implied_reason_code(close_code)),
                )
            },
            |(initiator, code)| (Some(initiator), Some(code)),
        );
        let mut end = End {
            certainty: self.certainty.unwrap_or(Certainty::Reported),
            time: self.time,
            initiator,
            mqtt_reason_code,
            close_code: Some(close_code),
            reason: None,
            counters: Counters {
                read_msg: self.read_msg,
                read_bytes: self.read_bytes,
                write_msg: self.write_msg,
                write_bytes: self.write_bytes,
            },
        };
        end.reason = self.own_reason(end.reason_text().as_deref());
        end
    }
}

/// Who ended a connection, as far as Watson's close code alone tells.
const fn implied_initiator(close_code: u16) -> Option<Initiator> {
    match close_code {
        reason::CLOSE_NORMAL | 90 => Some(Initiator::Client),
        // "Closed by the client (something other than the server)": a socket that went away.
        reason::CLOSE_BY_CLIENT_OR_NETWORK => Some(Initiator::Network),
        _ => Some(Initiator::Server),
    }
}

const fn implied_reason_code(close_code: u16) -> Option<u8> {
    match close_code {
        reason::CLOSE_NORMAL | 90 => Some(0x00),
        reason::CLOSE_BY_CLIENT_OR_NETWORK => Some(0x80),
        reason::CLOSE_SERVER_SHUTDOWN => Some(0x8B),
        reason::CLOSE_BY_ADMINISTRATOR => Some(0x98),
        reason::CLOSE_KEEP_ALIVE => Some(0x8D),
        reason::CLOSE_NOT_AUTHORIZED => Some(0x87),
        reason::CLOSE_TOO_LARGE => Some(0x95),
        reason::CLOSE_TAKEN_OVER => Some(0x8E),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::fold;
    use crate::state::ConnectionStatus;

    fn status_after(messages: &[&str]) -> ConnectionStatus {
        let mut state = ClientState::new("d:7gnple:type1:ps1".to_owned());
        for message in messages {
            let message: MonitorMessage = serde_json::from_str(message).unwrap();
            fold(&mut state, &message.to_event());
        }
        state.status().0
    }

    const CONNECT: &str = r#"{"ClientAddr":"195.212.29.65","Protocol":"mqtt3","Secure":false,"Durable":false,"ClientID":"d:7gnple:type1:ps1","Time":"2018-01-02T16:51:10.558Z","Action":"Connect","Port":1883}"#;
    const CLOSED: &str = r#"{"WriteMsg":0,"ClientAddr":"195.212.29.65","Protocol":"mqtt3","Secure":false,"CloseCode":91,"ClientID":"d:7gnple:type1:ps1","ReadMsg":0,"Reason":"Connection closed by client","ReadBytes":127,"ConnectTime":"2018-01-02T16:51:10.557Z","Time":"2018-01-02T16:52:14.296Z","Action":"Disconnect","WriteBytes":9,"Port":1883}"#;
    const STOLEN: &str = r#"{"Action":"Disconnect","Time":"2018-01-02T16:52:14.296Z","ClientID":"d:7gnple:type1:ps1","CloseCode":288,"Reason":"The client ID was reused."}"#;
    const OLD: &str = r#"{"ClientAddr":"195.212.29.68","Protocol":"mqtt-tcp","ClientID":"d:bcaxk:psutil:001","User":"use-token-auth","Time":"2014-07-07T06:37:56.494-04:00","Action":"Connect","ConnectTime":"2014-07-07T06:37:56.493-04:00","Port":1883}"#;

    /// Watson's own connect message names no `ConnectTime`, and the `ConnectTime` of the disconnect is a
    /// millisecond before the `Time` of the connect. They were taken for two sessions, and the client stayed
    /// connected.
    #[test]
    fn watsons_own_messages_move_the_status() {
        assert_eq!(status_after(&[CONNECT]), ConnectionStatus::Connected);
        assert_eq!(status_after(&[CONNECT, CLOSED]), ConnectionStatus::Disconnected);
        assert_eq!(status_after(&[CLOSED, CONNECT]), ConnectionStatus::Disconnected);
        assert_eq!(status_after(&[CONNECT, STOLEN]), ConnectionStatus::Connected);
        let old: MonitorMessage = serde_json::from_str(OLD).unwrap();
        assert_eq!(old.to_event().peer.protocol, None);
    }

    #[test]
    fn what_the_server_tells_of_an_event_is_the_same_event_to_the_reader() {
        let closed: MonitorMessage = serde_json::from_str(CLOSED).unwrap();
        let event = closed.to_event();
        let again = MonitorMessage::from_event(&event).unwrap();
        let text = serde_json::to_string(&again).unwrap();
        assert_eq!(serde_json::from_str::<MonitorMessage>(&text).unwrap().to_event(), event);
    }

    /// What stood in a message because of its codes alone came back as somebody's own words, and the user name that
    /// all devices share as a user.
    #[test]
    fn what_says_nothing_of_its_own_does_not_become_part_of_the_event() {
        for text in [
            r#"{"Action":"FailedConnect","Time":"2026-11-20","ClientID":"x","CloseCode":180}"#,
            r#"{"Action":"Disconnect","Time":"2026-11-20","CloseCode":140,"Initiator":"server","ReasonCode":141}"#,
            OLD,
        ] {
            let event = serde_json::from_str::<MonitorMessage>(text).unwrap().to_event();
            let told = MonitorMessage::from_event(&event).unwrap();
            assert_eq!(told.to_event(), event, "{text}");
        }
    }

    #[test]
    fn an_application_that_has_gone_has_no_retained_message() {
        let mut state = ClientState::new("a:acme01:console".to_owned());
        let connect: MonitorMessage = serde_json::from_str(CONNECT).unwrap();
        fold(&mut state, &connect.to_event());
        assert_eq!(MonitorMessage::retained(&state).map(|m| m.action), Some(Action::Connect));
        let closed: MonitorMessage = serde_json::from_str(CLOSED).unwrap();
        fold(&mut state, &closed.to_event());
        assert_eq!(MonitorMessage::retained(&state), None);
    }
}
