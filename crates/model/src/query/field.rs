//! The fields of a state as the State API names them: for filters, sorts and facets.

use std::fmt;

use crate::client_id::ClientType;
use crate::event::{ActivityEvent, Certainty, Initiator, MqttVersion};
use crate::state::{ConnectionStatus, StateDoc};
use crate::time::Timestamp;

/// A field of [`StateDoc`], by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Id,
    ClientType,
    ConnectionStatus,
    LastConnectTime,
    LastDisconnectTime,
    LastActivityEvent,
    LastActivityTime,
    LastPublishTime,
    MqttConnectProtocol,
    DisconnectInitiator,
    MqttReasonCode,
    CloseCode,
    Reason,
    Certainty,
    ClientAddr,
    Secure,
    DeviceType,
    DeviceId,
    StaleSince,
    RecentConnects,
    LastRefusedTime,
}

impl Field {
    pub const ALL: [Self; 21] = [
        Self::Id,
        Self::ClientType,
        Self::ConnectionStatus,
        Self::LastConnectTime,
        Self::LastDisconnectTime,
        Self::LastActivityEvent,
        Self::LastActivityTime,
        Self::LastPublishTime,
        Self::MqttConnectProtocol,
        Self::DisconnectInitiator,
        Self::MqttReasonCode,
        Self::CloseCode,
        Self::Reason,
        Self::Certainty,
        Self::ClientAddr,
        Self::Secure,
        Self::DeviceType,
        Self::DeviceId,
        Self::StaleSince,
        Self::RecentConnects,
        Self::LastRefusedTime,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::ClientType => "clientType",
            Self::ConnectionStatus => "connectionStatus",
            Self::LastConnectTime => "lastConnectTime",
            Self::LastDisconnectTime => "lastDisconnectTime",
            Self::LastActivityEvent => "lastActivityEvent",
            Self::LastActivityTime => "lastActivityTime",
            Self::LastPublishTime => "lastPublishTime",
            Self::MqttConnectProtocol => "mqttConnectProtocol",
            Self::DisconnectInitiator => "disconnectInitiator",
            Self::MqttReasonCode => "mqttReasonCode",
            Self::CloseCode => "closeCode",
            Self::Reason => "reason",
            Self::Certainty => "certainty",
            Self::ClientAddr => "clientAddr",
            Self::Secure => "secure",
            Self::DeviceType => "deviceType",
            Self::DeviceId => "deviceId",
            Self::StaleSince => "staleSince",
            Self::RecentConnects => "recentConnects",
            Self::LastRefusedTime => "lastRefusedTime",
        }
    }

    /// The field of that name, or of the one that it has in a list of devices: `typeId`, `clientId`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "typeId" => Some(Self::DeviceType),
            "clientId" => Some(Self::Id),
            _ => Self::ALL.into_iter().find(|field| field.name() == name),
        }
    }

    /// Whether a client without this time passes every "before": who was never seen was not seen since then either.
    #[must_use]
    pub const fn counts_never_as_before(self) -> bool {
        matches!(self, Self::LastConnectTime | Self::LastActivityTime | Self::LastPublishTime)
    }

    /// Whether its values are times.
    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(
            self,
            Self::LastConnectTime
                | Self::LastDisconnectTime
                | Self::LastActivityTime
                | Self::LastPublishTime
                | Self::StaleSince
                | Self::LastRefusedTime
        )
    }

    /// The field's value as text, for facets and set filters; times and numbers in their wire form.
    #[must_use]
    pub fn text(self, doc: &StateDoc) -> Option<String> {
        match self.key(doc) {
            SortValue::Absent => None,
            SortValue::Number(number) => Some(match self {
                _ if self.is_time() => Timestamp::from_millis(number).to_string(),
                Self::Secure => (number != 0).to_string(),
                _ => number.to_string(),
            }),
            SortValue::Text(text) => Some(text.to_owned()),
        }
    }

    /// The field's value in the form in which it is sorted.
    #[must_use]
    pub fn key(self, doc: &StateDoc) -> SortValue<'_> {
        let time =
            |time: Option<Timestamp>| time.map_or(SortValue::Absent, |time| SortValue::Number(time.millis()));
        match self {
            Self::Id => SortValue::Text(&doc.id),
            Self::ClientType => SortValue::Text(doc.client_type.as_str()),
            Self::ConnectionStatus => SortValue::Text(doc.connection_status.as_str()),
            Self::LastConnectTime => time(doc.last_connect_time),
            Self::LastDisconnectTime => time(doc.last_disconnect_time),
            Self::LastActivityEvent => SortValue::text(doc.last_activity_event.map(ActivityEvent::as_str)),
            Self::LastActivityTime => time(doc.last_activity_time),
            Self::LastPublishTime => time(doc.last_publish_time),
            Self::MqttConnectProtocol => SortValue::text(doc.mqtt_connect_protocol.as_deref()),
            Self::DisconnectInitiator => SortValue::text(doc.disconnect_initiator.map(Initiator::as_str)),
            Self::MqttReasonCode => SortValue::number(doc.mqtt_reason_code),
            Self::CloseCode => SortValue::number(doc.close_code),
            Self::Reason => SortValue::text(doc.reason.as_deref()),
            Self::Certainty => SortValue::Text(doc.certainty.as_str()),
            Self::ClientAddr => SortValue::text(doc.client_addr.as_deref()),
            Self::Secure => SortValue::number(doc.secure.map(u8::from)),
            Self::DeviceType => SortValue::text(doc.device_type.as_deref()),
            Self::DeviceId => SortValue::text(doc.device_id.as_deref()),
            Self::StaleSince => time(doc.stale_since),
            Self::RecentConnects => SortValue::Number(i64::from(doc.recent_connects)),
            Self::LastRefusedTime => time(doc.last_refused_time),
        }
    }

    /// The closed list of the field's values, where it has one.
    #[must_use]
    pub fn closed_list(self) -> Option<Vec<&'static str>> {
        Some(match self {
            Self::ClientType => ClientType::ALL.iter().map(|v| v.as_str()).collect(),
            Self::ConnectionStatus => ConnectionStatus::ALL.iter().map(|v| v.as_str()).collect(),
            Self::LastActivityEvent => ActivityEvent::ALL.iter().map(|v| v.as_str()).collect(),
            Self::MqttConnectProtocol => MqttVersion::ALL.iter().map(|v| v.as_str()).collect(),
            Self::DisconnectInitiator => Initiator::ALL.iter().map(|v| v.as_str()).collect(),
            Self::Certainty => Certainty::ALL.iter().map(|v| v.as_str()).collect(),
            _ => return None,
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value in sorting form. Texts compare by bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortValue<'a> {
    Absent,
    Number(i64),
    Text(&'a str),
}

impl<'a> SortValue<'a> {
    fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Absent, Self::Text)
    }

    fn number<N: Into<i64>>(number: Option<N>) -> Self {
        number.map_or(Self::Absent, |number| Self::Number(number.into()))
    }
}
