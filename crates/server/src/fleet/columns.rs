//! The columns: one vector for each field that queries read and that has many values, indexed by slot, and one for
//! the profile, which is all the others. What a query never reads is in the cold part of the row ([`super::cold`]);
//! together they are the whole state of a client.

use rollcall_model::event::MqttVersion;
use rollcall_model::query::Field;
use rollcall_model::{
    ActivityEvent, Certainty, ClientState, ClientType, ConnectionStatus, Initiator, Protocol, Timestamp,
};

use super::packed_addr::{self, NO_ADDR, PackedAddr};
use super::profiles::Profile;

/// The time of nothing. No [`Timestamp`] is that early.
pub const NO_TIME: i64 = i64::MIN;

pub fn pack_time(time: Option<Timestamp>) -> i64 {
    time.map_or(NO_TIME, Timestamp::millis)
}

pub fn unpack_time(ms: i64) -> Option<Timestamp> {
    (ms != NO_TIME).then(|| Timestamp::from_millis(ms))
}

/// How many starts of sessions `recent_connects` of a state holds, and where they are.
pub mod recent {
    /// Set when the cold part of the row has the list. Else it is empty, or only the start of the newest session,
    /// which is most clients.
    pub const LISTED: u8 = 0x80;
    /// The count's bits.
    pub const COUNT: u8 = 0x7F;
    /// The span of a list that does not end with the start of the newest session.
    pub const UNKNOWN_SPAN: u16 = u16::MAX;
}

/// Declares the columns once: the struct, and growing all of them by an empty row.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $empty:expr,)*) => {
        #[derive(Debug, Default)]
        pub struct Columns { $($(#[$doc])* pub $name: Vec<$type>,)* }

        impl Columns {
            pub fn push_empty(&mut self) {
                $(push(&mut self.$name, $empty);)*
            }

            pub fn reserve(&mut self, rows: usize) {
                $(self.$name.reserve_exact(rows);)*
            }
        }
    };
}

/// Grows a vector by an eighth when it is full. Doubling would hold twice the memory that a large fleet needs; and
/// vectors of this size are moved by the operating system, without copying.
pub fn push<T>(column: &mut Vec<T>, value: T) {
    if column.len() == column.capacity() {
        column.reserve_exact((column.len() / 8).max(1_024));
    }
    column.push(value);
}

columns! {
    /// Number in [`super::profiles::Profiles`].
    profile: u32 = 0,
    /// See [`recent`].
    recent: u8 = 0,
    /// Of a list, how many whole seconds there are from its first start to its last.
    recent_span_s: u16 = recent::UNKNOWN_SPAN,
    addr: PackedAddr = NO_ADDR,
    connect_time: i64 = NO_TIME,
    disconnect_time: i64 = NO_TIME,
    activity_time: i64 = NO_TIME,
    publish_time: i64 = NO_TIME,
    refused_time: i64 = NO_TIME,
    heard: i64 = NO_TIME,
    missed: i64 = NO_TIME,
}

pub fn pack_protocol(protocol: Option<Protocol>) -> u8 {
    protocol.map_or(0, |p| 1 + 2 * p.version as u8 + u8::from(p.websocket))
}

pub fn unpack_protocol(code: u8) -> Option<Protocol> {
    let code = code.checked_sub(1)?;
    let version = *MqttVersion::ALL.get(usize::from(code / 2))?;
    Some(Protocol { version, websocket: code % 2 == 1 })
}

pub fn pack_bool(value: Option<bool>) -> u8 {
    value.map_or(0, |value| 1 + u8::from(value))
}

pub const fn unpack_bool(code: u8) -> Option<bool> {
    match code {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    }
}

pub fn unpack_code<T: Copy>(all: &[T], code: u8) -> Option<T> {
    all.get(usize::from(code.checked_sub(1)?)).copied()
}

/// The text of a code in the column of that field.
pub fn code_text(field: Field, code: u8) -> Option<&'static str> {
    match field {
        Field::ClientType => unpack_code(&ClientType::ALL, code).map(ClientType::as_str),
        Field::ConnectionStatus => unpack_code(&ConnectionStatus::ALL, code).map(ConnectionStatus::as_str),
        Field::Certainty => unpack_code(&Certainty::ALL, code).map(Certainty::as_str),
        Field::LastActivityEvent => unpack_code(&ActivityEvent::ALL, code).map(ActivityEvent::as_str),
        Field::MqttConnectProtocol => unpack_protocol(code).map(|protocol| protocol.version.as_str()),
        Field::DisconnectInitiator => unpack_code(&Initiator::ALL, code).map(Initiator::as_str),
        Field::Secure => unpack_bool(code).map(|secure| if secure { "true" } else { "false" }),
        _ => None,
    }
}

/// More than any code.
pub const CODES: u8 = 16;

/// The fields that have a column of times.
pub const TIMES: [Field; 5] = [
    Field::LastConnectTime,
    Field::LastDisconnectTime,
    Field::LastActivityTime,
    Field::LastPublishTime,
    Field::LastRefusedTime,
];

impl Columns {
    /// The column of times of a field, if it has one.
    pub fn times(&self, field: Field) -> Option<&[i64]> {
        Some(match field {
            Field::LastConnectTime => &self.connect_time,
            Field::LastDisconnectTime => &self.disconnect_time,
            Field::LastActivityTime => &self.activity_time,
            Field::LastPublishTime => &self.publish_time,
            Field::LastRefusedTime => &self.refused_time,
            _ => return None,
        })
    }

    /// Writes everything of a state but its profile.
    pub fn write(&mut self, slot: usize, state: &ClientState) {
        let current = state.current.as_ref();
        self.addr[slot] = packed_addr::pack(current.and_then(|session| session.peer.addr.as_deref()));
        self.connect_time[slot] = pack_time(current.map(|session| session.key.start));
        self.disconnect_time[slot] = pack_time(state.last_disconnect_time());
        self.activity_time[slot] = pack_time(state.last_activity.map(|(time, _)| time));
        self.publish_time[slot] = pack_time(state.last_publish);
        self.refused_time[slot] = pack_time(state.last_refused);
        self.heard[slot] = pack_time(state.heard);
        self.missed[slot] = pack_time(state.missed);
        let newest = self.connect_time[slot];
        let starts = state.recent_connects.as_slice();
        let count = starts.len().min(usize::from(recent::COUNT)) as u8;
        (self.recent[slot], self.recent_span_s[slot]) = match starts {
            [] => (0, recent::UNKNOWN_SPAN),
            [only] if only.millis() == newest => (1, 0),
            [first, .., last] if last.millis() == newest && starts.len() <= usize::from(recent::COUNT) => {
                let span_s = last.millis().saturating_sub(first.millis()) / 1_000;
                (count | recent::LISTED, u16::try_from(span_s).unwrap_or(recent::UNKNOWN_SPAN))
            }
            _ => (count | recent::LISTED, recent::UNKNOWN_SPAN),
        };
    }
}

/// Puts those fields of a state into its profile that do not follow from the id.
pub fn write_profile(profile: &mut Profile, state: &ClientState) {
    let (status, certainty) = state.status();
    let end = state.current_end().filter(|_| status == ConnectionStatus::Disconnected);
    let peer = state.current.as_ref().map(|session| &session.peer);
    profile.status = 1 + status as u8;
    profile.certainty = 1 + certainty as u8;
    profile.initiator = end.and_then(|end| end.initiator).map_or(0, |initiator| 1 + initiator as u8);
    profile.reason_code = end.and_then(|end| end.mqtt_reason_code).map_or(0, |code| 1 + u16::from(code));
    profile.close_code = end.and_then(|end| end.close_code).map_or(0, |code| 1 + u32::from(code));
    profile.protocol = pack_protocol(peer.and_then(|peer| peer.protocol));
    profile.secure = pack_bool(peer.and_then(|peer| peer.secure));
    profile.activity_event = state.last_activity.map_or(0, |(_, event)| 1 + event as u8);
}
