//! How an event lies in a row of the log table. Small enumerations are numbers, so that a row stays small.

use rollcall_model::event::MqttVersion;
use rollcall_model::log::LogEvent;
use rollcall_model::{
    Certainty, ConnectionEvent, Counters, End, EventKind, Initiator, Peer, Protocol, SessionKey, Timestamp,
};
use rusqlite::types::FromSql;
use rusqlite::{Row, Transaction, params};

const CONNECT: u8 = 0;
const DISCONNECT: u8 = 1;
const FAILED_CONNECT: u8 = 2;

/// The table of one part of the log, whose index by client comes when the part is full.
pub(super) const TABLE: &str = "
CREATE TABLE entry (
    sequence INTEGER PRIMARY KEY,
    -- What stands for the id in the index: its hash.
    client INTEGER NOT NULL,
    id TEXT NOT NULL, time INTEGER NOT NULL, kind INTEGER NOT NULL,
    session_start INTEGER, connection INTEGER, certainty INTEGER, initiator INTEGER,
    mqtt_reason_code INTEGER, close_code INTEGER, reason TEXT,
    addr TEXT, port INTEGER, server_port INTEGER, protocol INTEGER, secure INTEGER, user TEXT,
    read_msg INTEGER, read_bytes INTEGER, write_msg INTEGER, write_bytes INTEGER
);
";
pub(super) const INDEX: &str = "CREATE INDEX IF NOT EXISTS entry_by_client ON entry (client, time)";

const INSERT: &str = "INSERT INTO entry VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22)";
/// Parameter: the first sequence.
pub(super) const SELECT_FROM: &str = "SELECT * FROM entry WHERE sequence >= ?1 ORDER BY sequence";
/// Parameter: the first sequence.
pub(super) const SELECT_CLIENTS_FROM: &str = "SELECT client FROM entry WHERE sequence >= ?1";
/// Each client once, read from the index.
pub(super) const SELECT_CLIENTS: &str = "SELECT DISTINCT client FROM entry ORDER BY client";
/// Parameter: the sequence.
pub(super) const SELECT_ONE: &str = "SELECT * FROM entry WHERE sequence = ?1";
/// Parameters: hash and id of the client, from, to, time and sequence of the cursor, mask of kinds, limit.
pub(super) const SELECT_NEWEST: &str = "SELECT * FROM entry WHERE client = ?1 AND id = ?2 \
    AND time BETWEEN ?3 AND min(?4, ?5) AND (time, sequence) < (?5, ?6) AND (?7 >> kind) & 1 \
    ORDER BY time DESC, sequence DESC LIMIT ?8";

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
    kind: u8,
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

/// What stands for a client in the index.
pub(super) fn client_hash(id: &str) -> i64 {
    super::super::id_hash(id).cast_signed()
}

/// Inserts an event of a kind that is logged; returns its kind in the table, or `None` for others.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    sequence: i64,
    client: i64,
    event: &ConnectionEvent,
) -> Result<Option<u8>, rusqlite::Error> {
    let Some(columns) = Columns::of(&event.kind) else { return Ok(None) };
    let peer = &event.peer;
    transaction.prepare_cached(INSERT)?.execute(params![
        sequence,
        client,
        event.client_id,
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
    Ok(Some(columns.kind))
}

const fn protocol_number(protocol: Protocol) -> u8 {
    protocol.version as u8 * 2 + protocol.websocket as u8
}

fn protocol(number: u8) -> Option<Protocol> {
    let version = MqttVersion::ALL.get(usize::from(number / 2))?;
    Some(Protocol { version: *version, websocket: number % 2 == 1 })
}

/// The columns of a row, one after the other: finding each by its name would take longer than reading it.
struct Reader<'a, 'stmt> {
    row: &'a Row<'stmt>,
    at: usize,
}

impl Reader<'_, '_> {
    fn next<T: FromSql>(&mut self) -> Result<T, rusqlite::Error> {
        self.at += 1;
        self.row.get(self.at - 1)
    }

    fn number(&mut self) -> Result<Option<u64>, rusqlite::Error> {
        Ok(self.next::<Option<i64>>()?.map(i64::cast_unsigned))
    }
}

/// Reads a row of all columns: the sequence and the event.
pub(super) fn read(row: &Row<'_>) -> Result<(i64, ConnectionEvent), rusqlite::Error> {
    let mut reader = Reader { row, at: 0 };
    let sequence = reader.next()?;
    // The hash is for the index only.
    reader.at += 1;
    Ok((sequence, read_event(&mut reader)?))
}

/// Reads the columns from the id on.
fn read_event(columns: &mut Reader<'_, '_>) -> Result<ConnectionEvent, rusqlite::Error> {
    let client_id = columns.next()?;
    let time = Timestamp::from_millis(columns.next()?);
    let kind_at = columns.at;
    let kind: u8 = columns.next()?;
    let start = columns.next::<Option<i64>>()?;
    let connection = columns.number()?;
    let session = start
        .zip(connection)
        .map(|(start, connection)| SessionKey { start: Timestamp::from_millis(start), connection });
    let certainty: Option<u8> = columns.next()?;
    let certainty =
        certainty.and_then(|c| Certainty::ALL.get(usize::from(c)).copied()).unwrap_or(Certainty::Unknown);
    let initiator: Option<u8> = columns.next()?;
    let initiator = initiator.and_then(|i| Initiator::ALL.get(usize::from(i)).copied());
    let (mqtt_reason_code, close_code, reason) = (columns.next()?, columns.next()?, columns.next()?);
    let peer = Peer {
        addr: columns.next()?,
        port: columns.next()?,
        server_port: columns.next()?,
        protocol: columns.next::<Option<u8>>()?.and_then(protocol),
        secure: columns.next()?,
        user: columns.next()?,
    };
    let counters = Counters {
        read_msg: columns.number()?,
        read_bytes: columns.number()?,
        write_msg: columns.number()?,
        write_bytes: columns.number()?,
    };
    let kind = match (kind, session) {
        (CONNECT, Some(session)) => EventKind::Connect { session, certainty },
        (DISCONNECT, session) => EventKind::Disconnect {
            session,
            end: End { certainty, time, initiator, mqtt_reason_code, close_code, reason, counters },
        },
        (FAILED_CONNECT, _) => EventKind::FailedConnect { mqtt_reason_code, close_code, reason },
        _ => return Err(rusqlite::Error::IntegralValueOutOfRange(kind_at, i64::from(kind))),
    };
    Ok(ConnectionEvent { client_id, time, peer, kind })
}
