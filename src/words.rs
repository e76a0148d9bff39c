//! What states, events and codes are called, in the reader's language: words before codes, codes always there.
//!
//! Called by views inside reactive closures. Knows the contract's values and the catalogue, no page.

mod cause;

use rollcall_model::event::Protocol;
use rollcall_model::log::LogEvent;
use rollcall_model::query::Field;
use rollcall_model::{ActivityEvent, Certainty, ClientType, ConnectionStatus, Initiator, StateDoc};

use crate::i18n::t;

pub use cause::Cause;

#[must_use]
pub fn status(status: ConnectionStatus) -> String {
    match status {
        ConnectionStatus::Connected => t::status_connected(),
        ConnectionStatus::Disconnected => t::status_disconnected(),
    }
}

/// The word for a client's state in a table: staleness and ignorance are part of it.
#[must_use]
pub fn state(doc: &StateDoc) -> String {
    if doc.certainty == Certainty::Unknown {
        return if is_only_refused(doc) { t::status_refused() } else { t::status_unknown() };
    }
    let word = status(doc.connection_status);
    if doc.stale_since.is_some() { t::status_stale_was(&word) } else { word }
}

/// Whether nothing is known of the client but that it was not let in.
#[must_use]
pub fn is_only_refused(doc: &StateDoc) -> bool {
    doc.certainty == Certainty::Unknown && doc.last_refused_time.is_some()
}

#[must_use]
pub fn initiator(initiator: Initiator) -> String {
    match initiator {
        Initiator::Client => t::initiator_client(),
        Initiator::Server => t::initiator_server(),
        Initiator::Network => t::initiator_network(),
    }
}

#[must_use]
pub fn activity(event: ActivityEvent) -> String {
    match event {
        ActivityEvent::Connect => t::activity_connect(),
        ActivityEvent::Ping => t::activity_ping(),
        ActivityEvent::Subscribe => t::activity_subscribe(),
        ActivityEvent::Unsubscribe => t::activity_unsubscribe(),
        ActivityEvent::Publish => t::activity_publish(),
        ActivityEvent::Disconnect => t::activity_disconnect(),
    }
}

#[must_use]
pub fn client_type(kind: ClientType) -> String {
    match kind {
        ClientType::Device => t::client_type_device(),
        ClientType::Gateway => t::client_type_gateway(),
        ClientType::Application => t::client_type_application(),
        ClientType::Other => t::client_type_other(),
    }
}

#[must_use]
pub fn certainty(certainty: Certainty) -> String {
    match certainty {
        Certainty::Reported => t::certainty_reported(),
        Certainty::Inferred => t::certainty_inferred(),
        Certainty::Unknown => t::certainty_unknown(),
    }
}

#[must_use]
pub fn log_event(event: Option<LogEvent>) -> String {
    match event {
        Some(LogEvent::Connect) => t::log_connect(),
        Some(LogEvent::FailedConnect) => t::log_failed(),
        Some(LogEvent::Disconnect) => t::log_disconnect(),
        None => t::log_entry(),
    }
}

/// What a connection speaks, by the name that monitor messages have for it: `mqtt4-ws` is MQTT 3.1.1 over WebSocket. Other
/// names are shown as they are.
#[must_use]
pub fn protocol(name: &str) -> String {
    match Protocol::from_monitor_name(name) {
        Some(Protocol { version, websocket: false }) => format!("MQTT {}", version.as_str()),
        Some(Protocol { version, websocket: true }) => format!("MQTT {} · WebSocket", version.as_str()),
        None => crate::text::limited(name, 20),
    }
}

/// What a column or a filter on it is called.
#[must_use]
pub fn field(field: Field) -> String {
    match field {
        Field::Id => t::field_id(),
        Field::ClientType => t::field_client_type(),
        Field::ConnectionStatus => t::field_status(),
        Field::LastConnectTime => t::field_last_connect(),
        Field::LastDisconnectTime => t::field_last_disconnect(),
        Field::LastActivityEvent => t::field_activity_event(),
        Field::LastActivityTime => t::field_last_activity(),
        Field::LastPublishTime => t::field_last_publish(),
        Field::MqttConnectProtocol => t::field_protocol(),
        Field::DisconnectInitiator => t::field_ended_by(),
        Field::MqttReasonCode => t::field_reason(),
        Field::CloseCode => t::field_close_code(),
        Field::Reason => t::field_reason_text(),
        Field::Certainty => t::field_certainty(),
        Field::ClientAddr => t::field_address(),
        Field::Secure => t::field_secure(),
        Field::DeviceType => t::field_type(),
        Field::DeviceId => t::field_device_id(),
        Field::StaleSince => t::field_stale_since(),
        Field::RecentConnects => t::field_recent_connects(),
        Field::LastRefusedTime => t::field_last_refused(),
    }
}

/// What a value of a filter is called; values without a name of their own are shown as they are.
#[must_use]
pub fn value(field: Field, value: &str) -> String {
    fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, wanted: &str) -> Option<T> {
        all.iter().copied().find(|item| name(*item) == wanted)
    }
    let known = match field {
        Field::ConnectionStatus => named(&ConnectionStatus::ALL, ConnectionStatus::as_str, value).map(status),
        Field::DisconnectInitiator => named(&Initiator::ALL, Initiator::as_str, value).map(initiator),
        Field::ClientType => named(&ClientType::ALL, ClientType::as_str, value).map(client_type),
        Field::LastActivityEvent => named(&ActivityEvent::ALL, ActivityEvent::as_str, value).map(activity),
        Field::Certainty => named(&Certainty::ALL, Certainty::as_str, value).map(certainty),
        Field::MqttReasonCode => value.parse().ok().map(code),
        _ => None,
    };
    known.unwrap_or_else(|| crate::text::limited(value, 40))
}

/// An MQTT reason code as the standard writes it: `0x8D`.
#[must_use]
pub fn code(code: u8) -> String {
    format!("0x{code:02X}")
}
