//! The log of all clients over a range of time.
//!
//! There is no index on the time alone, which each event would pay for and which is asked for once, at the start,
//! in the background: the whole table is read, in the order of its rows.

use rollcall_model::{ConnectionEvent, Timestamp};
use rusqlite::{Connection, params};

use super::row;
use crate::journal::JournalError;

const SELECT: &str = "SELECT log.*, client.id AS id FROM log JOIN client ON client.no = log.client \
    WHERE log.time >= ?1 AND log.time < ?2 ORDER BY log.sequence";

pub(super) fn replay(
    connection: &Connection,
    from: Timestamp,
    to: Timestamp,
    each: &mut dyn FnMut(ConnectionEvent),
) -> Result<(), JournalError> {
    let mut statement = connection.prepare(SELECT)?;
    let mut rows = statement.query(params![from.millis(), to.millis()])?;
    while let Some(row) = rows.next()? {
        each(row::read(row, row.get("id")?)?);
    }
    Ok(())
}
