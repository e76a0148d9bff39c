//! The baseline: the same states, log and events in SQLite, with the indexes and the statements that a careful
//! engineer would write. Write-ahead log, memory-mapped, prepared statements, `synchronous=FULL` as the journal.

use std::path::Path;

use anyhow::Context;
use rollcall_model::{ConnectionEvent, EventKind, StateDoc};
use rusqlite::{Connection, Transaction, params};

pub struct Baseline {
    pub db: Connection,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS log (
    client INTEGER NOT NULL, time INTEGER NOT NULL, kind INTEGER NOT NULL, connect_time INTEGER,
    initiator TEXT, reason_code INTEGER, close_code INTEGER, addr TEXT, port INTEGER, secure INTEGER,
    read_msg INTEGER, read_bytes INTEGER, write_msg INTEGER, write_bytes INTEGER
);
CREATE TABLE IF NOT EXISTS name (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS state (
    id TEXT NOT NULL PRIMARY KEY, clientType TEXT, connectionStatus TEXT, lastConnectTime INTEGER,
    lastDisconnectTime INTEGER, lastActivityEvent TEXT, lastActivityTime INTEGER, mqttConnectProtocol TEXT,
    disconnectInitiator TEXT, mqttReasonCode INTEGER, closeCode INTEGER, reason TEXT, certainty TEXT,
    clientAddr TEXT, secure INTEGER, deviceType TEXT, deviceId TEXT
);
";
const LOG_INDEX: &str = "CREATE INDEX IF NOT EXISTS log_by_client ON log (client, time)";
/// Made after the rows, as one does.
const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS by_status ON state (connectionStatus, id);
CREATE INDEX IF NOT EXISTS by_type ON state (deviceType, id);
CREATE INDEX IF NOT EXISTS by_connect ON state (lastConnectTime);
CREATE INDEX IF NOT EXISTS by_disconnect ON state (lastDisconnectTime);
CREATE INDEX IF NOT EXISTS by_activity ON state (lastActivityTime);
CREATE INDEX IF NOT EXISTS by_reason ON state (mqttReasonCode, id);
CREATE INDEX IF NOT EXISTS by_addr ON state (clientAddr);
ANALYZE;
";
/// How long the write-ahead log may become.
const LOG_BYTES_MAX: u64 = 256 << 20;
const UPSERT: &str = "
INSERT INTO state (id, clientType, connectionStatus, lastConnectTime, lastActivityEvent, lastActivityTime, clientAddr, secure)
VALUES (?1, 'device', ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (id) DO UPDATE SET connectionStatus = ?2, lastConnectTime = coalesce(?3, lastConnectTime),
    lastDisconnectTime = coalesce(?8, lastDisconnectTime), lastActivityEvent = coalesce(?4, lastActivityEvent),
    lastActivityTime = max(coalesce(lastActivityTime, 0), coalesce(?5, 0)), disconnectInitiator = ?9,
    mqttReasonCode = ?10, closeCode = ?11
";

impl Baseline {
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let baseline = Self::open_to_fill(path)?;
        baseline.index_log()?;
        Ok(baseline)
    }

    pub fn index_log(&self) -> anyhow::Result<()> {
        Ok(self.db.execute_batch(LOG_INDEX)?)
    }

    /// A new one may be without the index of the log: filled, it gets it in a fraction of the time.
    pub fn open_to_fill(path: &Path) -> anyhow::Result<Self> {
        let db = Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "cache_size", -262_144)?;
        db.pragma_update(None, "mmap_size", 8_i64 << 30)?;
        db.pragma_update(None, "temp_store", "MEMORY")?;
        db.busy_timeout(std::time::Duration::from_secs(10))?;
        db.set_prepared_statement_cache_capacity(256);
        db.execute_batch(SCHEMA)?;
        Ok(Self { db })
    }

    /// Takes the states that `each` gives out and makes the indexes.
    pub fn load(
        &mut self,
        fill: impl FnOnce(&mut dyn FnMut(&StateDoc) -> anyhow::Result<()>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let transaction = self.db.transaction()?;
        {
            let mut insert = transaction.prepare(
                "INSERT INTO state VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)",
            )?;
            fill(&mut |doc| {
                let ms =
                    |time: Option<rollcall_model::Timestamp>| time.map(rollcall_model::Timestamp::millis);
                insert.execute(params![
                    doc.id,
                    doc.client_type.as_str(),
                    doc.connection_status.as_str(),
                    ms(doc.last_connect_time),
                    ms(doc.last_disconnect_time),
                    doc.last_activity_event.map(|event| event.as_str()),
                    ms(doc.last_activity_time),
                    doc.mqtt_connect_protocol,
                    doc.disconnect_initiator.map(|initiator| initiator.as_str()),
                    doc.mqtt_reason_code,
                    doc.close_code,
                    doc.reason,
                    doc.certainty.as_str(),
                    doc.client_addr,
                    doc.secure,
                    doc.device_type,
                    doc.device_id,
                ])?;
                Ok(())
            })?;
        }
        transaction.commit()?;
        self.db.execute_batch(INDEXES)?;
        Ok(())
    }

    /// Takes in a batch of events, durably: each changes a state, and all but activity are logged.
    pub fn record(&mut self, events: &[ConnectionEvent]) -> anyhow::Result<()> {
        let transaction = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for event in events {
            upsert(&transaction, event)?;
        }
        append(&transaction, events)?;
        transaction.commit()?;
        Ok(())
    }

    /// Takes in a batch of events without logging them.
    pub fn fold(&mut self, events: &[ConnectionEvent]) -> anyhow::Result<()> {
        let transaction = self.db.transaction()?;
        events.iter().try_for_each(|event| upsert(&transaction, event))?;
        transaction.commit()?;
        Ok(())
    }

    /// Brings the write-ahead log into the database when it is long. By itself SQLite cannot start it again as long as
    /// somebody reads, and it grew by gigabytes a minute.
    pub fn restart_log(&self) -> anyhow::Result<()> {
        let path = self.db.path().map(|path| format!("{path}-wal"));
        let bytes = path.and_then(|path| std::fs::metadata(path).ok()).map_or(0, |metadata| metadata.len());
        if bytes > LOG_BYTES_MAX {
            // Truncated, so that its size tells again when it is long. Whether it worked is seen by its size.
            self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }

    /// Only appends to the log.
    pub fn log(&mut self, events: &[ConnectionEvent]) -> anyhow::Result<()> {
        let transaction = self.db.transaction()?;
        append(&transaction, events)?;
        transaction.commit()?;
        Ok(())
    }
}

fn upsert(transaction: &Transaction<'_>, event: &ConnectionEvent) -> anyhow::Result<()> {
    let time = event.time.millis();
    let mut connect_time = None;
    let (mut activity, mut end) = (None, None);
    let status = match &event.kind {
        EventKind::Connect { .. } => {
            (connect_time, activity) = (Some(time), Some("mqttConnect"));
            "connected"
        }
        EventKind::Disconnect { end: told, .. } => {
            end = Some(told);
            "disconnected"
        }
        EventKind::Activity { event, .. } => {
            activity = Some(event.as_str());
            "connected"
        }
        EventKind::FailedConnect { .. } | EventKind::Missed => return Ok(()),
    };
    transaction.prepare_cached(UPSERT)?.execute(params![
        event.client_id,
        status,
        connect_time,
        activity,
        activity.map(|_| time),
        event.peer.addr,
        event.peer.secure,
        end.map(|_| time),
        end.and_then(|end| end.initiator).map(|initiator| initiator.as_str()),
        end.and_then(|end| end.mqtt_reason_code),
        end.and_then(|end| end.close_code),
    ])?;
    Ok(())
}

fn append(transaction: &Transaction<'_>, events: &[ConnectionEvent]) -> anyhow::Result<()> {
    let mut find = transaction.prepare_cached("SELECT no FROM name WHERE id = ?1")?;
    let mut name = transaction.prepare_cached("INSERT INTO name (id) VALUES (?1)")?;
    let mut insert = transaction
        .prepare_cached("INSERT INTO log VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)")?;
    for event in events.iter().filter(|event| event.is_logged()) {
        let client: i64 = match find.query_row([&event.client_id], |row| row.get(0)) {
            Ok(no) => no,
            Err(rusqlite::Error::QueryReturnedNoRows) => name.insert([&event.client_id])?,
            Err(error) => return Err(error.into()),
        };
        let (kind, session, end) = match &event.kind {
            EventKind::Connect { session, .. } => (0, Some(session), None),
            EventKind::Disconnect { session, end } => (1, session.as_ref(), Some(end)),
            _ => (2, None, None),
        };
        let counters = end.map(|end| end.counters).unwrap_or_default();
        insert.execute(params![
            client,
            event.time.millis(),
            kind,
            session.map(|session| session.start.millis()),
            end.and_then(|end| end.initiator).map(|initiator| initiator.as_str()),
            end.and_then(|end| end.mqtt_reason_code),
            end.and_then(|end| end.close_code),
            event.peer.addr,
            event.peer.port,
            event.peer.secure,
            counters.read_msg.map(u64::cast_signed),
            counters.read_bytes.map(u64::cast_signed),
            counters.write_msg.map(u64::cast_signed),
            counters.write_bytes.map(u64::cast_signed),
        ])?;
    }
    Ok(())
}
