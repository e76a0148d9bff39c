//! The states of all clients that pass a filter, page after page: the fleet is never held for longer than one page
//! takes, and memory holds one page.

use rollcall_model::Timestamp;
use rollcall_model::query::{PAGING, Query, Violation};

use super::ExportError;
use super::format::{Format, StateRows};
use super::output::Output;
use crate::fleet::Fleet;

/// Rows that are read from the fleet in one go.
pub const PAGE_ROWS: u32 = 2_000;

/// The query for a whole export: filters and `_sort`, but no paging.
///
/// # Errors
/// One violation for each parameter that is not known, has a value that it cannot have, or has no place here.
pub fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Query, Vec<Violation>> {
    let (paging, pairs): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| PAGING.contains(name));
    let out_of_place = paging.into_iter().map(|(name, value)| Violation {
        parameter: name.to_owned(),
        value: value.chars().take(200).collect(),
        problem: "an export has all rows and nothing else".to_owned(),
    });
    let out_of_place: Vec<_> = out_of_place.collect();
    match Query::parse(pairs) {
        Ok(query) if out_of_place.is_empty() => Ok(Query { limit: PAGE_ROWS, ..query }),
        Ok(_) => Err(out_of_place),
        Err(violations) => Err(violations.into_iter().chain(out_of_place).collect()),
    }
}

/// Writes them all.
///
/// # Errors
/// When the output fails.
pub fn write(
    fleet: &Fleet,
    mut query: Query,
    now: Timestamp,
    format: Format,
    output: &mut Output,
) -> Result<(), ExportError> {
    let rows = StateRows(format);
    rows.start(output.buffer());
    loop {
        let page = fleet.query(&query, now)?;
        for doc in &page.results {
            let kept = fleet.get(&doc.id);
            output.push(|out| rows.push(out, doc, kept.as_ref()))?;
        }
        match page.bookmark {
            Some(bookmark) => query.bookmark = Some(bookmark),
            None => return Ok(()),
        }
    }
}
