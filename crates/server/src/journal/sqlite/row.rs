//! How an event lies in a row of the log table. Small enumerations are numbers, so that a row stays small.

use rollcall_model::event::MqttVersion;
use rollcall_model::log::LogEvent;
use rollcall_model::{
    Certainty, ConnectionEvent, Counters, End, EventKind, Initiator, Peer, Protocol, SessionKey, Timestamp,
};
use rusqlite::{Row, Transaction, params};

use super::super::JournalError;

const CONNECT: i64 = 0;
const DISCONNECT: i64 = 1;
const FAILED_CONNECT: i64 = 2;

pub(super) const SELECT_NEWER: &str = "SELECT log.*, client.id AS id FROM log JOIN client ON client.no = log.client WHERE log.sequence > ?1 ORDER BY log.sequence";

/// Parameter: the first sequence.
pub(super) const SELECT_FROM: &str = "SELECT log.*, client.id AS id FROM log JOIN client ON client.no = log.client WHERE log.sequence >= ?1 ORDER BY log.sequence";

/// Parameters: client, from, to, time and sequence of the cursor, mask of kinds, limit, offset.
pub(super) const SELECT_LOG: &str = "SELECT * FROM log WHERE client = ?1 AND time BETWEEN ?2 AND ?3 \
    AND time <= ?4 AND (time, sequence) < (?4, ?5) AND (?6 >> kind) & 1 \
    ORDER BY time DESC, sequence DESC LIMIT ?7 OFFSET ?8";

/// One bit for each kind that is wanted; none named means all.
pub(super) fn kind_mask(events: &[LogEvent]) -> i64 {
    let bit = |event: &LogEvent| match event {
        LogEvent::Connect => 1 << CONNECT,
        LogEvent::Disconnect => 1 << DISCONNECT,
        LogEvent::FailedConnect => 1 << FAILED_CONNECT,
    };
    if events.is_empty() { -1 } else { events.iter().map(bit).fold(0, |mask, bit| mask | bit) }
}

/// The columns that depend on the kind of event.
#[derive(Default)]
struct Columns<'a> {
    kind: i64,
    session: Option<SessionKey>,
    certainty: Option<Certainty>,
    initiator: Option<Initiator>,
    mqtt_reason_code: Option<u8>,
    close_code: Option<u16>,
    reason: Option<&'a str>,
    counters: Counters,
}

impl<'a> Columns<'a> {
    /// `None` for kinds that are not logged.
    fn of(kind: &'a EventKind) -> Option<Self> {
        Some(match kind {
            EventKind::Connect { session, certainty } => Self {
                kind: CONNECT,
                session: Some(*session),
                certainty: Some(*certainty),
                ..Self::default()
            },
            EventKind::Disconnect { session, end } => Self {
                kind: DISCONNECT,
                session: *session,
                certainty: Some(end.certainty),
                initiator: end.initiator,
                mqtt_reason_code: end.mqtt_reason_code,
                close_code: end.close_code,
                reason: end.reason.as_deref(),
                counters: end.counters,
            },
            EventKind::FailedConnect { mqtt_reason_code, close_code, reason } => Self {
                kind: FAILED_CONNECT,
                mqtt_reason_code: *mqtt_reason_code,
                close_code: *close_code,
                reason: reason.as_deref(),
                ..Self::default()
            },
            EventKind::Activity { .. } | EventKind::Missed => return None,
        })
    }
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    client: i64,
    event: &ConnectionEvent,
) -> Result<(), rusqlite::Error> {
    let Some(columns) = Columns::of(&event.kind) else { return Ok(()) };
    let peer = &event.peer;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO log (client, time, kind, session_start, connection, certainty, initiator, mqtt_reason_code, \
         close_code, reason, addr, port, server_port, protocol, secure, user, read_msg, read_bytes, write_msg, \
         write_bytes) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)",
    )?;
    statement.execute(params![
        client,
        event.time.millis(),
        columns.kind,
        columns.session.map(|session| session.start.millis()),
        // SQLite's integers are signed; the bits survive the round trip.
        columns.session.map(|session| session.connection.cast_signed()),
        columns.certainty.map(|certainty| certainty as u8),
        columns.initiator.map(|initiator| initiator as u8),
        columns.mqtt_reason_code,
        columns.close_code,
        columns.reason,
        peer.addr,
        peer.port,
        peer.server_port,
        peer.protocol.map(protocol_number),
        peer.secure,
        peer.user,
        columns.counters.read_msg.map(u64::cast_signed),
        columns.counters.read_bytes.map(u64::cast_signed),
        columns.counters.write_msg.map(u64::cast_signed),
        columns.counters.write_bytes.map(u64::cast_signed),
    ])?;
    Ok(())
}

const fn protocol_number(protocol: Protocol) -> u8 {
    protocol.version as u8 * 2 + protocol.websocket as u8
}

fn protocol(number: u8) -> Option<Protocol> {
    let version = MqttVersion::ALL.get(usize::from(number / 2))?;
    Some(Protocol { version: *version, websocket: number % 2 == 1 })
}

pub(super) fn read(row: &Row<'_>, client_id: String) -> Result<ConnectionEvent, JournalError> {
    let time = Timestamp::from_millis(row.get("time")?);
    let number = |column: &str| row.get::<_, Option<i64>>(column).map(|n| n.map(i64::cast_unsigned));
    let start: Option<i64> = row.get("session_start")?;
    let session = start
        .zip(number("connection")?)
        .map(|(start, connection)| SessionKey { start: Timestamp::from_millis(start), connection });
    let certainty: Option<u8> = row.get("certainty")?;
    let certainty =
        certainty.and_then(|c| Certainty::ALL.get(usize::from(c)).copied()).unwrap_or(Certainty::Unknown);
    let initiator: Option<u8> = row.get("initiator")?;
    let mqtt_reason_code = row.get("mqtt_reason_code")?;
    let close_code = row.get("close_code")?;
    let reason = row.get("reason")?;
    let kind = match row.get::<_, i64>("kind")? {
        CONNECT => EventKind::Connect {
            session: session
                .ok_or_else(|| JournalError::Corrupt("a connect without a session".to_owned()))?,
            certainty,
        },
        DISCONNECT => EventKind::Disconnect {
            session,
            end: End {
                certainty,
                time,
                initiator: initiator.and_then(|i| Initiator::ALL.get(usize::from(i)).copied()),
                mqtt_reason_code,
                close_code,
                reason,
                counters: Counters {
                    read_msg: number("read_msg")?,
                    read_bytes: number("read_bytes")?,
                    write_msg: number("write_msg")?,
                    write_bytes: number("write_bytes")?,
                },
            },
        },
        FAILED_CONNECT => EventKind::FailedConnect { mqtt_reason_code, close_code, reason },
        other => return Err(JournalError::Corrupt(format!("an event of kind {other}"))),
    };
    let protocol_number: Option<u8> = row.get("protocol")?;
    let peer = Peer {
        addr: row.get("addr")?,
        port: row.get("port")?,
        server_port: row.get("server_port")?,
        protocol: protocol_number.and_then(protocol),
        secure: row.get("secure")?,
        user: row.get("user")?,
    };
    Ok(ConnectionEvent { client_id, time, peer, kind })
}
