//! Reads a journal of layout 1, one file `journal.db`, and writes it anew as files of this layout.
//!
//! Called once, when a data folder has the one and not the other. The old file stays, under another name. Goes away
//! with the last data folder of that layout.

use std::path::Path;

use rollcall_model::{ClientState, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::super::{Boot, Journal, JournalError, Retention};
use super::{SqliteJournal, row};

const BATCH: usize = 10_000;

/// Makes `directory` from `journal.db` when there is the latter and not the former.
pub fn convert(data: &Path, directory: &Path) -> Result<(), JournalError> {
    let old = data.join("journal.db");
    if directory.exists() || !old.exists() {
        return Ok(());
    }
    let failed = |reason: String| JournalError::Open { path: old.display().to_string(), reason };
    let unfinished = data.join("journal-new");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(|error| failed(error.to_string()))?;
    }
    std::fs::create_dir_all(&unfinished).map_err(|error| failed(error.to_string()))?;
    tracing::warn!(path = %old.display(), "converting the journal to the layout of this version");
    let entries = copy(&old, &unfinished).map_err(|error| failed(error.to_string()))?;
    std::fs::rename(&unfinished, directory)
        .and_then(|()| super::database::sync_parent(directory))
        .and_then(|()| std::fs::rename(&old, data.join("journal.db.converted")))
        .map_err(|error| failed(error.to_string()))?;
    // Everything is in the file itself: the last connection to it was closed.
    for left in ["journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(data.join(left));
    }
    tracing::warn!(entries, "converted the journal; journal.db.converted can be removed");
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("it has layout {0}; this version reads layout 1 and its own")]
    Layout(i64),
}

/// Copies everything; returns how many log entries there were.
fn copy(old: &Path, new: &Path) -> Result<u64, CopyError> {
    // Not read-only: the last process may have left a write-ahead log behind.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(old, flags)?;
    let layout = meta(&connection, "schema")?.unwrap_or(0);
    if layout != 1 {
        return Err(CopyError::Layout(layout));
    }
    let journal = SqliteJournal::open_directory(new, Retention::default())?;
    let checkpoint = meta(&connection, "checkpoint")?.unwrap_or(0);
    let mut entries = 0;
    let mut batch = Vec::with_capacity(BATCH);
    let mut statement = connection.prepare(
        // The columns of a log entry of either layout are the same, in the same order, but for the id.
        "SELECT sequence, 0, client.id, time, kind, session_start, connection, certainty, initiator, \
         mqtt_reason_code, close_code, reason, addr, port, server_port, protocol, secure, user, read_msg, read_bytes, \
         write_msg, write_bytes FROM log JOIN client ON client.no = log.client ORDER BY sequence",
    )?;
    let mut rows = statement.query([])?;
    let mut is_snapshotted = false;
    while let Some(row) = rows.next()? {
        // The states are those of the checkpoint: what was logged later must come behind the snapshot.
        let (sequence, event) = row::read(row)?;
        if !is_snapshotted && sequence > checkpoint {
            journal.append(&std::mem::take(&mut batch))?;
            snapshot(&connection, &journal)?;
            is_snapshotted = true;
        }
        batch.push(event);
        entries += 1;
        if batch.len() == BATCH {
            journal.append(&batch)?;
            batch.clear();
            if entries % 1_000_000 == 0 {
                tracing::warn!(entries, "converting the journal");
            }
        }
    }
    journal.append(&batch)?;
    if !is_snapshotted {
        snapshot(&connection, &journal)?;
    }
    if let Some(alive) = meta(&connection, "alive")?.map(Timestamp::from_millis) {
        // When that run started was not kept; every session in the file is older than its end.
        journal.keep(&[], &[Boot { started: Timestamp::from_millis(0), alive }])?;
    }
    Ok(entries)
}

fn meta(connection: &Connection, key: &str) -> Result<Option<i64>, rusqlite::Error> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

fn snapshot(connection: &Connection, journal: &SqliteJournal) -> Result<(), CopyError> {
    let mut texts = Vec::new();
    let mut statement = connection.prepare("SELECT state FROM client WHERE state IS NOT NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        // Read once to see that it can be: what is not kept as a state must not be forgotten silently.
        read_state(&text)?;
        texts.push(text);
    }
    let read = |text: &String| read_state(text).ok();
    journal.snapshot(&|sink| texts.iter().filter_map(read).for_each(|state| sink(&state)))?;
    Ok(())
}

fn read_state(text: &str) -> Result<ClientState, JournalError> {
    serde_json::from_str(text).map_err(|error| JournalError::Corrupt(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_model::ConnectionEvent;

    use crate::journal::LogQuery;

    const OLD: &str = "
        CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE client (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT);
        CREATE TABLE log (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT, client INTEGER NOT NULL, time INTEGER NOT NULL,
            kind INTEGER NOT NULL, session_start INTEGER, connection INTEGER, certainty INTEGER, initiator INTEGER,
            mqtt_reason_code INTEGER, close_code INTEGER, reason TEXT, addr TEXT, port INTEGER, server_port INTEGER,
            protocol INTEGER, secure INTEGER, user TEXT, read_msg INTEGER, read_bytes INTEGER, write_msg INTEGER,
            write_bytes INTEGER
        );
        INSERT INTO meta VALUES ('schema', 1), ('checkpoint', 1), ('alive', 5000);
        INSERT INTO log (client, time, kind, session_start, connection, certainty, addr) VALUES
            (1, 1000, 0, 1000, -1, 2, '10.0.0.7'), (1, 2000, 0, 2000, 2, 2, NULL);
        INSERT INTO log (client, time, kind, certainty, initiator, mqtt_reason_code, close_code, read_msg) VALUES
            (1, 3000, 1, 1, 2, 128, 91, 7);
        INSERT INTO log (client, time, kind, mqtt_reason_code, close_code, reason) VALUES
            (1, 4000, 2, 134, 180, 'no');";

    #[test]
    fn a_journal_of_layout_1_is_converted_once_and_kept_aside() {
        let data = tempfile::tempdir().unwrap();
        let old = Connection::open(data.path().join("journal.db")).unwrap();
        old.execute_batch(OLD).unwrap();
        let state = ClientState::new("a".to_owned());
        old.execute("INSERT INTO client VALUES (1, 'a', ?1)", [serde_json::to_string(&state).unwrap()])
            .unwrap();
        drop(old);
        for _ in 0..2 {
            let journal = SqliteJournal::open(data.path(), Retention::default()).unwrap();
            let recovered = journal.recover().unwrap();
            assert_eq!(recovered.states.collect::<Vec<_>>(), vec![state.clone()]);
            let alive: Vec<_> = recovered.boots.iter().map(|boot| boot.alive.millis()).collect();
            assert_eq!(alive, [5_000]);
            let mut newer = Vec::new();
            let mut see = |event: ConnectionEvent| {
                newer.push(event.time.millis());
                true
            };
            journal.each(recovered.sequence, &mut see).unwrap();
            assert_eq!(newer, [2_000, 3_000, 4_000]);
            let query = LogQuery {
                client_id: "a".to_owned(),
                from: None,
                to: None,
                events: vec![],
                limit: 10,
                offset: 0,
                after: None,
            };
            let entries = journal.log(&query).unwrap().entries;
            assert_eq!(
                entries.iter().map(|entry| entry.read_msg).collect::<Vec<_>>(),
                [None, Some(7), None, None]
            );
            assert_eq!(entries[3].client_addr.as_deref(), Some("10.0.0.7"));
        }
        assert!(
            data.path().join("journal.db.converted").exists() && !data.path().join("journal.db").exists()
        );
    }

    #[test]
    fn a_database_of_another_layout_is_refused_with_its_path_and_stays() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("journal.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(
            "CREATE TABLE meta (key TEXT, value INTEGER); INSERT INTO meta VALUES ('schema', 9);",
        )
        .unwrap();
        drop(old);
        let error = SqliteJournal::open(data.path(), Retention::default()).err().unwrap().to_string();
        assert!(error.contains("journal.db") && error.contains("layout 9"), "{error}");
        assert!(path.exists());
    }
}
