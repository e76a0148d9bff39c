//! The columns: one vector for each field that queries read, indexed by slot. What a query never reads is in the
//! cold part of the row ([`super::cold`]); together they are the whole state of a client.

use rollcall_model::event::MqttVersion;
use rollcall_model::query::Field;
use rollcall_model::{
    ActivityEvent, Certainty, ClientId, ClientState, ClientType, ConnectionStatus, Initiator, Protocol,
    Timestamp,
};

use super::symbols::{ABSENT, Symbols};

/// The time of nothing. No [`Timestamp`] is that early.
pub const NO_TIME: i64 = i64::MIN;

pub fn pack_time(time: Option<Timestamp>) -> i64 {
    time.map_or(NO_TIME, Timestamp::millis)
}

pub fn unpack_time(ms: i64) -> Option<Timestamp> {
    (ms != NO_TIME).then(|| Timestamp::from_millis(ms))
}

/// What `recent_connects` of a state holds.
pub mod recent {
    pub const NONE: u8 = 0;
    /// The start of the newest session and nothing else, which is most clients.
    pub const NEWEST: u8 = 1;
    /// Anything else: the cold part of the row has the list.
    pub const LIST: u8 = 2;
}

/// A text of up to 15 bytes, padded with zeros to 15, and its length plus one; so numbers compare as the texts do.
/// Of a longer text the first 15 bytes, and [`LONG_ADDR`]; the rest is in the cold part of the row.
pub type PackedAddr = u128;
const LONG_ADDR: u8 = 0xFF;
const INLINE_ADDR_BYTES: usize = 15;

pub fn pack_addr(addr: Option<&str>) -> PackedAddr {
    let Some(addr) = addr else { return 0 };
    let mut bytes = [0; 16];
    let kept = addr.len().min(INLINE_ADDR_BYTES);
    bytes[..kept].copy_from_slice(&addr.as_bytes()[..kept]);
    bytes[INLINE_ADDR_BYTES] = if addr.len() > INLINE_ADDR_BYTES { LONG_ADDR } else { kept as u8 + 1 };
    u128::from_be_bytes(bytes)
}

pub const fn is_long_addr(addr: PackedAddr) -> bool {
    addr.to_be_bytes()[INLINE_ADDR_BYTES] == LONG_ADDR
}

/// The whole address; `None` for none and for long ones.
pub fn unpack_addr(addr: PackedAddr) -> Option<String> {
    let bytes = addr.to_be_bytes();
    let len = usize::from(bytes[INLINE_ADDR_BYTES]).checked_sub(1)?;
    bytes[..INLINE_ADDR_BYTES].get(..len).map(|text| String::from_utf8_lossy(text).into_owned())
}

/// Declares the columns once: the struct, and growing all of them by an empty row.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $empty:expr,)*) => {
        #[derive(Debug, Default)]
        pub struct Columns { $($(#[$doc])* pub $name: Vec<$type>,)* }

        impl Columns {
            pub fn push_empty(&mut self) {
                $(self.$name.push($empty);)*
            }

            pub fn reserve(&mut self, rows: usize) {
                $(self.$name.reserve(rows);)*
            }
        }
    };
}

// Of enumerations the columns hold codes: 0 is absent, 1 the first of the values ([`code_text`]).
columns! {
    client_type: u8 = 0,
    status: u8 = 0,
    certainty: u8 = 0,
    activity_event: u8 = 0,
    protocol: u8 = 0,
    initiator: u8 = 0,
    secure: u8 = 0,
    /// One of [`recent`].
    recent: u8 = recent::NONE,
    /// Plus one; 0 is absent.
    reason_code: u16 = 0,
    /// Plus one; 0 is absent.
    close_code: u32 = 0,
    device_type: u32 = ABSENT,
    reason: u32 = ABSENT,
    addr: PackedAddr = 0,
    connect_time: i64 = NO_TIME,
    disconnect_time: i64 = NO_TIME,
    activity_time: i64 = NO_TIME,
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

impl Columns {
    /// The column of codes of a field, if it has one.
    pub fn codes(&self, field: Field) -> Option<&[u8]> {
        Some(match field {
            Field::ClientType => &self.client_type,
            Field::ConnectionStatus => &self.status,
            Field::Certainty => &self.certainty,
            Field::LastActivityEvent => &self.activity_event,
            Field::MqttConnectProtocol => &self.protocol,
            Field::DisconnectInitiator => &self.initiator,
            Field::Secure => &self.secure,
            _ => return None,
        })
    }

    /// The column of times of a field, if it has one.
    pub fn times(&self, field: Field) -> Option<&[i64]> {
        Some(match field {
            Field::LastConnectTime => &self.connect_time,
            Field::LastDisconnectTime => &self.disconnect_time,
            Field::LastActivityTime => &self.activity_time,
            Field::LastRefusedTime => &self.refused_time,
            _ => return None,
        })
    }

    /// Writes what follows from the id alone.
    pub fn write_id(&mut self, slot: usize, parsed: &ClientId<'_>, device_types: &mut Symbols) {
        self.client_type[slot] = 1 + parsed.client_type as u8;
        self.device_type[slot] = device_types.acquire(parsed.device_type);
    }

    pub fn write(&mut self, slot: usize, state: &ClientState, reasons: &mut Symbols) {
        let (status, certainty) = state.status();
        self.status[slot] = 1 + status as u8;
        self.certainty[slot] = 1 + certainty as u8;
        let end = state.current_end().filter(|_| status == ConnectionStatus::Disconnected);
        self.initiator[slot] = end.and_then(|end| end.initiator).map_or(0, |initiator| 1 + initiator as u8);
        self.reason_code[slot] =
            end.and_then(|end| end.mqtt_reason_code).map_or(0, |code| 1 + u16::from(code));
        self.close_code[slot] = end.and_then(|end| end.close_code).map_or(0, |code| 1 + u32::from(code));
        let reason = end.and_then(rollcall_model::End::reason_text);
        if reasons.text(self.reason[slot]) != reason.as_deref() {
            reasons.release(self.reason[slot]);
            self.reason[slot] = reasons.acquire(reason.as_deref());
        }
        let peer = state.current.as_ref().map(|session| &session.peer);
        self.addr[slot] = pack_addr(peer.and_then(|peer| peer.addr.as_deref()));
        self.protocol[slot] = pack_protocol(peer.and_then(|peer| peer.protocol));
        self.secure[slot] = pack_bool(peer.and_then(|peer| peer.secure));
        self.connect_time[slot] = pack_time(state.current.as_ref().map(|session| session.key.start));
        self.disconnect_time[slot] = pack_time(state.last_disconnect_time());
        self.activity_time[slot] = pack_time(state.last_activity.map(|(time, _)| time));
        self.activity_event[slot] = state.last_activity.map_or(0, |(_, event)| 1 + event as u8);
        self.refused_time[slot] = pack_time(state.last_refused);
        self.heard[slot] = pack_time(state.heard);
        self.missed[slot] = pack_time(state.missed);
        self.recent[slot] = match state.recent_connects.as_slice() {
            [] => recent::NONE,
            [only] if only.millis() == self.connect_time[slot] => recent::NEWEST,
            _ => recent::LIST,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packed_addresses_compare_as_their_texts_and_come_back(a in "[01.\\x00é]{0,17}", b in "[01.\\x00é]{0,17}") {
            let (packed_a, packed_b) = (pack_addr(Some(&a)), pack_addr(Some(&b)));
            if packed_a != packed_b {
                prop_assert_eq!(packed_a.cmp(&packed_b), a.cmp(&b));
            } else {
                prop_assert!(a == b || is_long_addr(packed_a));
            }
            prop_assert_eq!(is_long_addr(packed_a), a.len() > 15);
            if !is_long_addr(packed_a) {
                prop_assert_eq!(unpack_addr(packed_a), Some(a));
            }
        }
    }
}
