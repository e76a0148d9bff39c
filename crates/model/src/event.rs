//! Connection events: what a source reports, in one shape for every kind of broker.
//!
//! Sources make them, the recorder folds them ([`crate::fold()`]), the journal keeps them, the monitor publishes
//! them. Nothing in here interprets an event.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How sure a claim is. The order is the order of trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// Nothing said it.
    Unknown,
    /// It follows from something else that the broker said.
    Inferred,
    /// The broker said it.
    Reported,
}

impl Certainty {
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Inferred, Self::Reported];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Inferred => "inferred",
            Self::Reported => "reported",
        }
    }
}

/// The entity that ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Initiator {
    Client,
    Server,
    Network,
}

impl Initiator {
    pub const ALL: [Self; 3] = [Self::Client, Self::Server, Self::Network];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Network => "network",
        }
    }
}

/// The protocol of a connection: the MQTT version and whether it runs over WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Protocol {
    pub version: MqttVersion,
    pub websocket: bool,
}

/// The MQTT version, in the order in which they were published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MqttVersion {
    V31,
    V311,
    V5,
}

impl MqttVersion {
    pub const ALL: [Self; 3] = [Self::V31, Self::V311, Self::V5];

    /// The spelling of `mqttConnectProtocol`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        }
    }
}

impl Protocol {
    /// The spelling of `Protocol` in monitor messages: `mqtt3`, `mqtt4`, `mqtt5`, with `-ws` over WebSocket.
    #[must_use]
    pub const fn monitor_name(self) -> &'static str {
        match (self.version, self.websocket) {
            (MqttVersion::V31, false) => "mqtt3",
            (MqttVersion::V311, false) => "mqtt4",
            (MqttVersion::V5, false) => "mqtt5",
            (MqttVersion::V31, true) => "mqtt3-ws",
            (MqttVersion::V311, true) => "mqtt4-ws",
            (MqttVersion::V5, true) => "mqtt5-ws",
        }
    }

    /// Reads what [`Self::monitor_name`] writes, and the documented misspelling `mqttv5-ws`.
    /// Old senders say `mqtt-tcp`, which names no version: `None`.
    #[must_use]
    pub fn from_monitor_name(name: &str) -> Option<Self> {
        let (base, websocket) = name.strip_suffix("-ws").map_or((name, false), |base| (base, true));
        let version = match base {
            "mqtt3" => MqttVersion::V31,
            "mqtt4" => MqttVersion::V311,
            "mqtt5" | "mqttv5" => MqttVersion::V5,
            _ => return None,
        };
        Some(Self { version, websocket })
    }
}

/// What makes two connections under one client id different: when the session started, and the broker's own
/// number for the connection (0 where the broker has none), which tells apart two that started in the same
/// millisecond. Sessions of a client are ordered by this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionKey {
    pub start: Timestamp,
    pub connection: u64,
}

/// The far end of a connection, as far as the broker told.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// IP address without the port.
    pub addr: Option<String>,
    pub port: Option<u16>,
    /// The port of the broker that the client came to.
    pub server_port: Option<u16>,
    pub protocol: Option<Protocol>,
    /// Whether the connection is over TLS.
    pub secure: Option<bool>,
    pub user: Option<String>,
}

impl Peer {
    /// Takes from `other` what is not known here; where both know, the greater wins, so that the order of
    /// arrival does not matter.
    pub fn merge(&mut self, other: &Self) {
        fn greater<T: Ord + Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
            if *mine < *theirs {
                mine.clone_from(theirs);
            }
        }
        greater(&mut self.addr, &other.addr);
        greater(&mut self.port, &other.port);
        greater(&mut self.server_port, &other.server_port);
        greater(&mut self.protocol, &other.protocol);
        greater(&mut self.secure, &other.secure);
        greater(&mut self.user, &other.user);
    }
}

/// Traffic of one session, as far as the broker counted it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Counters {
    /// Messages and bytes from the client to the server.
    pub read_msg: Option<u64>,
    pub read_bytes: Option<u64>,
    /// Messages and bytes from the server to the client.
    pub write_msg: Option<u64>,
    pub write_bytes: Option<u64>,
}

/// How a session ended. The derived order decides which of two claims about the same end stays: the surer one,
/// then the later one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct End {
    pub certainty: Certainty,
    pub time: Timestamp,
    pub initiator: Option<Initiator>,
    /// The MQTT 5 reason code that was sent or, where none was, the one that names what happened.
    pub mqtt_reason_code: Option<u8>,
    /// Watson's close code, see [`crate::reason::close_code`].
    pub close_code: Option<u16>,
    /// The broker's own words, where they say more than the text of the close code.
    pub reason: Option<String>,
    #[serde(default)]
    pub counters: Counters,
}

impl End {
    /// The id was taken over by another connection, so the client itself is still connected.
    #[must_use]
    pub fn is_takeover(&self) -> bool {
        crate::reason::is_takeover(self.mqtt_reason_code, self.close_code)
    }
}

/// What counts as activity of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ActivityEvent {
    #[serde(rename = "mqttConnect")]
    Connect,
    #[serde(rename = "mqttPing")]
    Ping,
    #[serde(rename = "mqttSubscribe")]
    Subscribe,
    #[serde(rename = "mqttUnsubscribe")]
    Unsubscribe,
    #[serde(rename = "mqttPublish")]
    Publish,
    #[serde(rename = "mqttDisconnect")]
    Disconnect,
}

impl ActivityEvent {
    pub const ALL: [Self; 6] =
        [Self::Connect, Self::Ping, Self::Subscribe, Self::Unsubscribe, Self::Publish, Self::Disconnect];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "mqttConnect",
            Self::Ping => "mqttPing",
            Self::Subscribe => "mqttSubscribe",
            Self::Unsubscribe => "mqttUnsubscribe",
            Self::Publish => "mqttPublish",
            Self::Disconnect => "mqttDisconnect",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum EventKind {
    /// A session was opened. Its time is the start in its key.
    Connect { session: SessionKey, certainty: Certainty },
    /// A session ended. Without a key the end belongs to the session that was open at the end's time.
    Disconnect { session: Option<SessionKey>, end: End },
    /// An attempt to connect under this id failed. Never a status.
    FailedConnect { mqtt_reason_code: Option<u8>, close_code: Option<u16>, reason: Option<String> },
    /// The client did something, which also shows that the session was open.
    Activity { session: Option<SessionKey>, event: ActivityEvent },
    /// The source lost at least one event of this client at about this time: what is known of it is stale until
    /// something later is heard.
    Missed,
}

/// One event of one client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConnectionEvent {
    pub client_id: String,
    /// When it happened, by the broker's clock.
    pub time: Timestamp,
    #[serde(default)]
    pub peer: Peer,
    #[serde(flatten)]
    pub kind: EventKind,
}

impl ConnectionEvent {
    /// Whether the event belongs to the connection log. Activity and losses change the state only.
    #[must_use]
    pub const fn is_logged(&self) -> bool {
        !matches!(self.kind, EventKind::Activity { .. } | EventKind::Missed)
    }
}
