//! What a record of the journal's files holds: events, states, and what a restart must know, as protocol buffers.
//!
//! Fields are found by their numbers and may be absent, so a later version can add some and still read what this
//! one wrote. A number is never given to another meaning. Called by the log and by the states; does no I/O.

use prost::Message;
use rollcall_model::event::MqttVersion;
use rollcall_model::log::LogEvent;
use rollcall_model::{
    ActivityEvent, Certainty, ClientState, ConnectionEvent, Counters, End, EventKind, Initiator, Peer,
    Protocol, Session, SessionKey, Timestamp,
};

use super::super::{Boot, JournalError};

#[derive(Clone, PartialEq, Message)]
struct PeerRecord {
    #[prost(string, optional, tag = "1")]
    addr: Option<String>,
    #[prost(uint32, optional, tag = "2")]
    port: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    server_port: Option<u32>,
    /// Twice the version (0 is 3.1, 1 is 3.1.1, 2 is 5), plus one over WebSocket.
    #[prost(uint32, optional, tag = "4")]
    protocol: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    secure: Option<bool>,
    #[prost(string, optional, tag = "6")]
    user: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct EndRecord {
    #[prost(uint32, optional, tag = "1")]
    certainty: Option<u32>,
    #[prost(sint64, optional, tag = "2")]
    time: Option<i64>,
    #[prost(uint32, optional, tag = "3")]
    initiator: Option<u32>,
    #[prost(uint32, optional, tag = "4")]
    mqtt_reason_code: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    close_code: Option<u32>,
    #[prost(string, optional, tag = "6")]
    reason: Option<String>,
    #[prost(uint64, optional, tag = "7")]
    read_msg: Option<u64>,
    #[prost(uint64, optional, tag = "8")]
    read_bytes: Option<u64>,
    #[prost(uint64, optional, tag = "9")]
    write_msg: Option<u64>,
    #[prost(uint64, optional, tag = "10")]
    write_bytes: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionRecord {
    #[prost(sint64, tag = "1")]
    start: i64,
    #[prost(uint64, tag = "2")]
    connection: u64,
    #[prost(uint32, tag = "3")]
    certainty: u32,
    #[prost(message, optional, tag = "4")]
    peer: Option<PeerRecord>,
    #[prost(message, optional, tag = "5")]
    end: Option<EndRecord>,
}

/// One entry of the log.
#[derive(Clone, PartialEq, Message)]
pub struct EventRecord {
    #[prost(string, tag = "1")]
    client: String,
    #[prost(sint64, tag = "2")]
    time: i64,
    #[prost(uint32, tag = "3")]
    kind: u32,
    #[prost(message, optional, tag = "4")]
    peer: Option<PeerRecord>,
    /// Its certainty belongs to a connect; a disconnect has one in its end.
    #[prost(message, optional, tag = "5")]
    session: Option<SessionRecord>,
    /// Of a failed attempt only the codes and the reason.
    #[prost(message, optional, tag = "6")]
    end: Option<EndRecord>,
}

/// Of an entry of the log what its index needs; the other fields are passed over.
#[derive(Clone, PartialEq, Message)]
pub struct EventKeys {
    #[prost(string, tag = "1")]
    pub client: String,
    #[prost(sint64, tag = "2")]
    pub time: i64,
    #[prost(uint32, tag = "3")]
    pub kind: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct StateRecord {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    current: Option<SessionRecord>,
    #[prost(message, optional, tag = "3")]
    previous: Option<SessionRecord>,
    #[prost(message, optional, tag = "4")]
    loose_end: Option<EndRecord>,
    #[prost(sint64, optional, tag = "5")]
    activity_time: Option<i64>,
    #[prost(uint32, tag = "6")]
    activity_event: u32,
    #[prost(sint64, optional, tag = "7")]
    last_refused: Option<i64>,
    /// Each but the first as the difference to the one before.
    #[prost(sint64, repeated, tag = "8")]
    recent_connects: Vec<i64>,
    #[prost(sint64, optional, tag = "9")]
    heard: Option<i64>,
    #[prost(sint64, optional, tag = "10")]
    missed: Option<i64>,
}

/// A run of the server.
#[derive(Clone, PartialEq, Message)]
struct BootRecord {
    #[prost(sint64, tag = "1")]
    started: i64,
    #[prost(sint64, tag = "2")]
    alive: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct LifeRecord {
    #[prost(message, repeated, tag = "1")]
    boots: Vec<BootRecord>,
}

/// One record of a snapshot or of a file of changes; only one of the fields is there.
#[derive(Clone, PartialEq, Message)]
pub struct Change {
    #[prost(message, optional, tag = "1")]
    pub state: Option<StateRecord>,
    #[prost(message, optional, tag = "2")]
    pub life: Option<LifeRecord>,
    /// First in a file: what the log holds before this sequence is in the states.
    #[prost(uint64, optional, tag = "3")]
    pub covers: Option<u64>,
    /// Last in a snapshot: how many states it has.
    #[prost(uint64, optional, tag = "4")]
    pub total: Option<u64>,
}

const CONNECT: u32 = 0;
const DISCONNECT: u32 = 1;
const FAILED_CONNECT: u32 = 2;

/// One bit for each kind that is wanted; none named means all.
pub fn kind_mask(events: &[LogEvent]) -> u32 {
    let bit = |event: &LogEvent| match event {
        LogEvent::Connect => 1 << CONNECT,
        LogEvent::Disconnect => 1 << DISCONNECT,
        LogEvent::FailedConnect => 1 << FAILED_CONNECT,
    };
    if events.is_empty() { u32::MAX } else { events.iter().map(bit).fold(0, |mask, bit| mask | bit) }
}

impl EventRecord {
    /// `None` for kinds that are not logged.
    pub fn of(event: &ConnectionEvent) -> Option<Self> {
        let (kind, session, end) = match &event.kind {
            EventKind::Connect { session, certainty } => (CONNECT, Some((session, *certainty as u32)), None),
            EventKind::Disconnect { session, end } => {
                (DISCONNECT, session.as_ref().map(|key| (key, 0)), Some(EndRecord::of(end)))
            }
            EventKind::FailedConnect { mqtt_reason_code, close_code, reason } => {
                let end = EndRecord {
                    mqtt_reason_code: mqtt_reason_code.map(u32::from),
                    close_code: close_code.map(u32::from),
                    reason: reason.clone(),
                    ..EndRecord::default()
                };
                (FAILED_CONNECT, None, Some(end))
            }
            EventKind::Activity { .. } | EventKind::Missed => return None,
        };
        let session = session.map(|(key, certainty)| SessionRecord {
            start: key.start.millis(),
            connection: key.connection,
            certainty,
            peer: None,
            end: None,
        });
        let peer = PeerRecord::of(&event.peer);
        Some(Self { client: event.client_id.clone(), time: event.time.millis(), kind, peer, session, end })
    }

    pub fn client(&self) -> &str {
        &self.client
    }

    /// The kind as an index holds it.
    pub const fn kind_bits(&self) -> u8 {
        (self.kind & 3) as u8
    }

    pub fn into_event(self) -> Result<ConnectionEvent, JournalError> {
        let session = self.session.as_ref().map(SessionRecord::key);
        let time = Timestamp::from_millis(self.time);
        let kind = match (self.kind, self.end) {
            (CONNECT, _) => EventKind::Connect {
                session: session.ok_or_else(|| corrupt("a connect without a session"))?,
                certainty: certainty(self.session.map_or(0, |session| session.certainty)),
            },
            (DISCONNECT, Some(end)) => EventKind::Disconnect { session, end: end.into_end() },
            (FAILED_CONNECT, end) => {
                let end = end.unwrap_or_default();
                EventKind::FailedConnect {
                    mqtt_reason_code: small(end.mqtt_reason_code),
                    close_code: small(end.close_code),
                    reason: end.reason,
                }
            }
            (kind, _) => return Err(corrupt(&format!("an event of kind {kind}"))),
        };
        let peer = self.peer.unwrap_or_default().into_peer();
        Ok(ConnectionEvent { client_id: self.client, time, peer, kind })
    }
}

impl StateRecord {
    pub fn of(state: &ClientState) -> Self {
        let mut before = 0;
        let recent_connects = state.recent_connects.iter().map(|time| {
            let difference = time.millis() - before;
            before = time.millis();
            difference
        });
        Self {
            id: state.id.clone(),
            current: state.current.as_ref().map(SessionRecord::of),
            previous: state.previous.as_ref().map(SessionRecord::of),
            loose_end: state.loose_end.as_ref().map(EndRecord::of),
            activity_time: state.last_activity.map(|(time, _)| time.millis()),
            activity_event: state.last_activity.map_or(0, |(_, event)| event as u32),
            last_refused: state.last_refused.map(Timestamp::millis),
            recent_connects: recent_connects.collect(),
            heard: state.heard.map(Timestamp::millis),
            missed: state.missed.map(Timestamp::millis),
        }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn into_state(self) -> ClientState {
        let mut before = 0_i64;
        let mut recent_connects = Vec::with_capacity(self.recent_connects.len());
        for difference in self.recent_connects {
            before = before.saturating_add(difference);
            recent_connects.push(Timestamp::from_millis(before));
        }
        let activity = usize::try_from(self.activity_event).ok().and_then(|at| ActivityEvent::ALL.get(at));
        ClientState {
            id: self.id,
            current: self.current.map(SessionRecord::into_session),
            previous: self.previous.map(SessionRecord::into_session),
            loose_end: self.loose_end.map(EndRecord::into_end),
            last_activity: self.activity_time.map(Timestamp::from_millis).zip(activity.copied()),
            last_refused: self.last_refused.map(Timestamp::from_millis),
            recent_connects,
            heard: self.heard.map(Timestamp::from_millis),
            missed: self.missed.map(Timestamp::from_millis),
        }
    }
}

impl SessionRecord {
    fn of(session: &Session) -> Self {
        Self {
            start: session.key.start.millis(),
            connection: session.key.connection,
            certainty: session.certainty as u32,
            peer: PeerRecord::of(&session.peer),
            end: session.end.as_ref().map(EndRecord::of),
        }
    }

    fn key(&self) -> SessionKey {
        SessionKey { start: Timestamp::from_millis(self.start), connection: self.connection }
    }

    fn into_session(self) -> Session {
        Session {
            key: self.key(),
            certainty: certainty(self.certainty),
            peer: self.peer.unwrap_or_default().into_peer(),
            end: self.end.map(EndRecord::into_end),
        }
    }
}

impl EndRecord {
    fn of(end: &End) -> Self {
        Self {
            certainty: Some(end.certainty as u32),
            time: Some(end.time.millis()),
            initiator: end.initiator.map(|initiator| initiator as u32),
            mqtt_reason_code: end.mqtt_reason_code.map(u32::from),
            close_code: end.close_code.map(u32::from),
            reason: end.reason.clone(),
            read_msg: end.counters.read_msg,
            read_bytes: end.counters.read_bytes,
            write_msg: end.counters.write_msg,
            write_bytes: end.counters.write_bytes,
        }
    }

    fn into_end(self) -> End {
        let initiator = self.initiator.and_then(|at| usize::try_from(at).ok());
        End {
            certainty: certainty(self.certainty.unwrap_or(0)),
            time: Timestamp::from_millis(self.time.unwrap_or(0)),
            initiator: initiator.and_then(|at| Initiator::ALL.get(at).copied()),
            mqtt_reason_code: small(self.mqtt_reason_code),
            close_code: small(self.close_code),
            reason: self.reason,
            counters: Counters {
                read_msg: self.read_msg,
                read_bytes: self.read_bytes,
                write_msg: self.write_msg,
                write_bytes: self.write_bytes,
            },
        }
    }
}

impl PeerRecord {
    fn of(peer: &Peer) -> Option<Self> {
        if *peer == Peer::default() {
            return None;
        }
        Some(Self {
            addr: peer.addr.clone(),
            port: peer.port.map(u32::from),
            server_port: peer.server_port.map(u32::from),
            protocol: peer.protocol.map(|p| p.version as u32 * 2 + u32::from(p.websocket)),
            secure: peer.secure,
            user: peer.user.clone(),
        })
    }

    fn into_peer(self) -> Peer {
        let protocol = self.protocol.and_then(|number| {
            let version = MqttVersion::ALL.get(usize::try_from(number / 2).ok()?)?;
            Some(Protocol { version: *version, websocket: number % 2 == 1 })
        });
        Peer {
            addr: self.addr,
            port: small(self.port),
            server_port: small(self.server_port),
            protocol,
            secure: self.secure,
            user: self.user,
        }
    }
}

impl LifeRecord {
    pub fn of(boots: &[Boot]) -> Self {
        let record = |boot: &Boot| BootRecord { started: boot.started.millis(), alive: boot.alive.millis() };
        Self { boots: boots.iter().map(record).collect() }
    }

    pub fn into_boots(self) -> Vec<Boot> {
        let boot = |record: BootRecord| Boot {
            started: Timestamp::from_millis(record.started),
            alive: Timestamp::from_millis(record.alive),
        };
        self.boots.into_iter().map(boot).collect()
    }
}

/// A number of a smaller type; `None` for one that does not fit, which nothing writes.
fn small<T: TryFrom<u32>>(number: Option<u32>) -> Option<T> {
    number.and_then(|number| T::try_from(number).ok())
}

fn certainty(number: u32) -> Certainty {
    let at = usize::try_from(number).ok();
    at.and_then(|at| Certainty::ALL.get(at).copied()).unwrap_or(Certainty::Unknown)
}

fn corrupt(what: &str) -> JournalError {
    JournalError::Corrupt(what.to_owned())
}

#[cfg(test)]
mod tests;
