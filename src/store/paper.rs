//! The rows of the table that go on paper: the first of those that pass the filter, asked for when somebody prints, or
//! what the window holds. Called by `view::print`.

use leptos::prelude::GetUntracked;
use rollcall_model::StateDoc;
use rollcall_model::query::{MAX_LIMIT, Query};

use super::Table;
use crate::api::{self, Abort};

/// So many rows are printed at most: some thirty sheets.
pub const ROWS_MAX: u32 = MAX_LIMIT;

/// Rows of the table, in its order.
pub struct Rows {
    pub docs: Vec<StateDoc>,
    /// How many rows of the table are above them.
    pub above: u64,
    /// How many rows the table has, if the server says so.
    pub total: Option<u64>,
}

/// The first rows; `None` where the server cannot be asked, or knows no order.
pub async fn first(table: Table) -> Option<Rows> {
    let (filter, sort) = table.asked.get_untracked().filter(|_| !api::is_plain())?;
    let query = Query { filter, sort, limit: ROWS_MAX, ..Query::default() };
    let abort = Abort::default();
    let listing = api::list(&query, None, &abort.token()).await.ok()??;
    Some(Rows { total: listing.meta.and_then(|meta| meta.total_rows), docs: listing.results, above: 0 })
}

/// Those that the window holds.
#[must_use]
pub fn held(table: Table) -> Rows {
    table.read(|window| {
        let held = window.held();
        let rows = held.clone().take(ROWS_MAX as usize).filter_map(|at| window.row(at));
        Rows {
            docs: rows.map(|row| StateDoc::clone(&row.doc)).collect(),
            above: held.start,
            total: window.total(),
        }
    })
}
