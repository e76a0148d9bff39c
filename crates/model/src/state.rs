//! The state of one client: what the fold keeps ([`ClientState`]) and what the State API says of it
//! ([`StateDoc`]).
//!
//! The kept form holds claims about sessions, not a status: the status is read off the newest session. That is
//! what makes the order of arrival irrelevant.

use serde::{Deserialize, Serialize};

use crate::client_id::{ClientId, ClientType};
use crate::event::{
    ActivityEvent, Certainty, ConnectionEvent, End, Initiator, MqttVersion, Peer, Protocol, SessionKey,
};
use crate::fold::fold;
use crate::reason;
use crate::time::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionStatus {
    Connected,
    Disconnected,
}

impl ConnectionStatus {
    pub const ALL: [Self; 2] = [Self::Connected, Self::Disconnected];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
        }
    }
}

/// One connection of a client, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub key: SessionKey,
    /// Reported when the broker announced the connect, inferred when something else showed the session.
    pub certainty: Certainty,
    pub peer: Peer,
    pub end: Option<End>,
}

/// The most session starts that are kept to count recent connects.
pub const RECENT_CONNECTS_MAX: usize = 64;
/// How far back a connect is recent.
pub const RECENT_CONNECTS_MS: i64 = 3_600_000;

/// What the fold keeps of one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientState {
    pub id: String,
    /// The newest session.
    pub current: Option<Session>,
    /// The one before it, for the time of the last disconnect while connected.
    pub previous: Option<Session>,
    /// The latest end that named no session.
    pub loose_end: Option<End>,
    pub last_activity: Option<(Timestamp, ActivityEvent)>,
    /// When the client last published a message. Who pings only is active, and silent.
    #[serde(default)]
    pub last_publish: Option<Timestamp>,
    /// The last failed attempt under this id.
    pub last_refused: Option<Timestamp>,
    /// Session starts within [`RECENT_CONNECTS_MS`] of the newest, ascending, at most [`RECENT_CONNECTS_MAX`].
    pub recent_connects: Vec<Timestamp>,
    /// The time of the latest event that the source reported of the client itself.
    pub heard: Option<Timestamp>,
    /// The time of the latest event that the source is known to have lost.
    pub missed: Option<Timestamp>,
}

impl ClientState {
    #[must_use]
    pub const fn new(id: String) -> Self {
        Self {
            id,
            current: None,
            previous: None,
            loose_end: None,
            last_activity: None,
            last_publish: None,
            last_refused: None,
            recent_connects: Vec::new(),
            heard: None,
            missed: None,
        }
    }

    /// The end of the newest session, if it has ended: its own, or a later one that named no session.
    #[must_use]
    pub fn current_end(&self) -> Option<&End> {
        let Some(current) = &self.current else {
            return self.loose_end.as_ref();
        };
        current.end.as_ref().or_else(|| self.loose_end.as_ref().filter(|end| end.time >= current.key.start))
    }

    /// Whether the client is connected, and how sure that is.
    ///
    /// A session whose id was taken over leaves its client connected, by a connection not yet heard of.
    #[must_use]
    pub fn status(&self) -> (ConnectionStatus, Certainty) {
        match (&self.current, self.current_end()) {
            (None, None) => (ConnectionStatus::Disconnected, Certainty::Unknown),
            (Some(session), None) => (ConnectionStatus::Connected, session.certainty),
            (_, Some(end)) if end.is_takeover() => (ConnectionStatus::Connected, Certainty::Inferred),
            (_, Some(end)) => (ConnectionStatus::Disconnected, end.certainty),
        }
    }

    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.status().0 == ConnectionStatus::Connected
    }

    /// When the client was last disconnected; while connected, when the session before this one ended.
    #[must_use]
    pub fn last_disconnect_time(&self) -> Option<Timestamp> {
        if !self.is_connected() {
            return self.current_end().map(|end| end.time);
        }
        let current = self.current.as_ref()?;
        let before = |end: &&End| end.time < current.key.start;
        let loose = self.loose_end.as_ref().filter(before).map(|end| end.time);
        let previous = self.previous.as_ref().map(|session| match (&session.end, loose) {
            (Some(end), _) => end.time,
            (None, Some(time)) if time >= session.key.start => time,
            // A connect of a connected client ends its old session.
            (None, _) => current.key.start,
        });
        previous.max(loose)
    }

    /// Since when the state is stale: an event of this client was lost, or the feed that told the state was lost
    /// at `feed_lost`, and nothing was heard of the client since.
    #[must_use]
    pub fn stale_since(&self, feed_lost: Option<Timestamp>) -> Option<Timestamp> {
        [self.missed, feed_lost]
            .into_iter()
            .flatten()
            .filter(|lost| self.heard.is_none_or(|heard| heard <= *lost))
            .min()
    }

    /// How often the client connected in the hour before `now`.
    #[must_use]
    pub fn recent_connect_count(&self, now: Timestamp) -> u32 {
        let since = now.plus_ms(-RECENT_CONNECTS_MS);
        let count = self.recent_connects.iter().rev().take_while(|time| **time > since).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// What the State API says of the client at `now`; `feed_lost` as in [`Self::stale_since`].
    #[must_use]
    pub fn doc(&self, now: Timestamp, feed_lost: Option<Timestamp>) -> StateDoc {
        let parsed = ClientId::parse(&self.id);
        let (connection_status, certainty) = self.status();
        let end = self.current_end().filter(|_| connection_status == ConnectionStatus::Disconnected);
        let peer = self.current.as_ref().map(|session| &session.peer);
        StateDoc {
            client_type: parsed.client_type,
            connection_status,
            last_connect_time: self.current.as_ref().map(|session| session.key.start),
            last_disconnect_time: self.last_disconnect_time(),
            last_activity_event: self.last_activity.map(|(_, event)| event),
            last_activity_time: self.last_activity.map(|(time, _)| time),
            last_publish_time: self.last_publish,
            mqtt_connect_protocol: peer
                .and_then(|peer| peer.protocol)
                .map(|protocol| protocol.version.as_str().to_owned()),
            disconnect_initiator: end.and_then(|end| end.initiator),
            mqtt_reason_code: end.and_then(|end| end.mqtt_reason_code),
            close_code: end.and_then(|end| end.close_code),
            reason: end.and_then(End::reason_text),
            certainty,
            client_addr: peer.and_then(|peer| peer.addr.clone()),
            secure: peer.and_then(|peer| peer.secure),
            device_type: parsed.device_type.map(str::to_owned),
            device_id: parsed.device_id.map(str::to_owned),
            stale_since: self.stale_since(feed_lost),
            recent_connects: self.recent_connect_count(now),
            last_refused_time: self.last_refused,
            id: self.id.clone(),
        }
    }
}

impl End {
    /// The broker's own words or, without them, the text of the close code or the name of the reason code.
    #[must_use]
    pub fn reason_text(&self) -> Option<String> {
        self.reason_str().map(str::to_owned)
    }

    /// The same, borrowed.
    #[must_use]
    pub fn reason_str(&self) -> Option<&str> {
        self.reason
            .as_deref()
            .or_else(|| self.close_code.and_then(reason::close_code_text))
            .or_else(|| self.mqtt_reason_code.and_then(reason::mqtt_reason_name))
    }
}

/// The state of one client on the wire; absent where not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateDoc {
    pub id: String,
    pub client_type: ClientType,
    pub connection_status: ConnectionStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_connect_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_disconnect_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_activity_event: Option<ActivityEvent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_activity_time: Option<Timestamp>,
    /// The last message that the client published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_publish_time: Option<Timestamp>,
    /// `3.1`, `3.1.1` or `5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtt_connect_protocol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disconnect_initiator: Option<Initiator>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtt_reason_code: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A plain Watson server says nothing about certainty.
    #[serde(default = "reported")]
    pub certainty: Certainty,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_addr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since: Option<Timestamp>,
    /// Connects in the past hour.
    #[serde(default)]
    pub recent_connects: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refused_time: Option<Timestamp>,
}

const fn reported() -> Certainty {
    Certainty::Reported
}

impl StateDoc {
    /// The kept form of a state that was read from the API, so that later events can be folded into it.
    /// `feed_lost` is not part of it: a stale state counts as missed since then.
    #[must_use]
    pub fn to_state(&self) -> ClientState {
        let mut state = ClientState::new(self.id.clone());
        let connected = self.connection_status == ConnectionStatus::Connected;
        let end = |time| End {
            certainty: self.certainty,
            time,
            initiator: self.disconnect_initiator,
            mqtt_reason_code: self.mqtt_reason_code,
            close_code: self.close_code,
            reason: self.reason.clone(),
            counters: crate::event::Counters::default(),
        };
        if let Some(start) = self.last_connect_time {
            state.current = Some(Session {
                key: SessionKey { start, connection: 0 },
                certainty: if connected { self.certainty } else { Certainty::Reported },
                peer: Peer {
                    addr: self.client_addr.clone(),
                    protocol: self.protocol(),
                    secure: self.secure,
                    ..Peer::default()
                },
                end: self.last_disconnect_time.filter(|_| !connected).map(end),
            });
            // Of the sessions before this one only their number is known, and the last one's end.
            let number = i64::from(self.recent_connects.min(RECENT_CONNECTS_MAX as u32));
            state.recent_connects = (0..number).rev().map(|back| start.plus_ms(-back)).collect();
            if let Some(time) = self.last_disconnect_time.filter(|_| connected) {
                state.previous = Some(Session {
                    key: SessionKey { start: time.min(start.plus_ms(-1)), connection: 0 },
                    certainty: Certainty::Inferred,
                    peer: Peer::default(),
                    end: Some(end(time)),
                });
            }
        } else if !connected {
            state.loose_end = self.last_disconnect_time.map(end);
        }
        state.last_activity = self.last_activity_time.zip(self.last_activity_event);
        state.last_publish = self.last_publish_time;
        state.last_refused = self.last_refused_time;
        state.heard = [self.last_connect_time, self.last_disconnect_time, self.last_activity_time]
            .into_iter()
            .flatten()
            .max();
        if let Some(since) = self.stale_since {
            state.missed = Some(since);
            state.heard = state.heard.map(|heard| heard.min(since));
        }
        state
    }

    /// This answer with later events folded in. What the server says of the id stays: it may know patterns for ids
    /// that nobody else knows.
    #[must_use]
    pub fn after<'a>(&self, events: impl IntoIterator<Item = &'a ConnectionEvent>, now: Timestamp) -> Self {
        let mut state = self.to_state();
        for event in events {
            fold(&mut state, event);
        }
        Self {
            client_type: self.client_type,
            device_type: self.device_type.clone(),
            device_id: self.device_id.clone(),
            ..state.doc(now, None)
        }
    }

    fn protocol(&self) -> Option<Protocol> {
        let name = self.mqtt_connect_protocol.as_deref()?;
        let version = MqttVersion::ALL.into_iter().find(|version| version.as_str() == name)?;
        Some(Protocol { version, websocket: false })
    }
}
