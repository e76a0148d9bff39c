//! Looking up many entries of the log at once, by client and time: what an import does that is repeated.
//!
//! One by one, each would cost some pages at random. A walk through the index of a part costs less than the look-up of
//! a few hundred, and a part that has nothing of that time is not opened. Called by [`super::SqliteJournal`].

use rollcall_model::{ConnectionEvent, Timestamp};

use super::super::{JournalError, WantedEntries};
use super::log::Log;
use super::part::Part;
use super::row;

/// Of the index alone, where there is one. Parameters: earliest and latest time.
const SELECT_KEYS: &str = "SELECT client, time, sequence FROM entry WHERE time BETWEEN ?1 AND ?2";

impl Log {
    /// Calls `see` with the entries that are wanted.
    pub fn each_wanted(
        &self,
        wanted: &WantedEntries,
        see: &mut dyn FnMut(ConnectionEvent),
    ) -> Result<(), JournalError> {
        let Some((from, to)) = wanted.range() else { return Ok(()) };
        for part in self.parts() {
            let summary = part.summary();
            if summary.newest >= from.millis() && summary.oldest <= to.millis() {
                each_in(&part, wanted, (from, to), see)?;
            }
        }
        Ok(())
    }
}

fn each_in(
    part: &Part,
    wanted: &WantedEntries,
    (from, to): (Timestamp, Timestamp),
    see: &mut dyn FnMut(ConnectionEvent),
) -> Result<(), JournalError> {
    // Nothing is found in a part that was dropped meanwhile.
    let _ = part.read(|connection| {
        let mut keys = connection.prepare_cached(SELECT_KEYS)?;
        let mut rows = keys.query([from.millis(), to.millis()])?;
        let mut found: Vec<i64> = Vec::new();
        while let Some(row) = rows.next()? {
            let (client, time): (i64, i64) = (row.get(0)?, row.get(1)?);
            if wanted.has(client.cast_unsigned(), Timestamp::from_millis(time)) {
                found.push(row.get(2)?);
            }
        }
        // In the order in which they lie in the file.
        found.sort_unstable();
        let mut one = connection.prepare_cached(row::SELECT_ONE)?;
        found
            .iter()
            .try_for_each(|sequence| one.query_row([sequence], row::read).map(|(_, event)| see(event)))
    })?;
    Ok(())
}
