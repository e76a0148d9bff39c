//! The roster: clients that are registered and may never have been seen, for lists that name them beside the fleet.
//!
//! Whoever answers such a list makes a roster of the registered ids and keeps it until the registrations change.
//! Nothing is known of a client in it but its id, so the State API never shows it. Which of them the fleet has seen
//! meanwhile is kept up to date by looking at the fleet's new rows only: a client that is in the fleet stays there.

use std::cmp::Ordering;

use rollcall_model::Timestamp;
use rollcall_model::query::{Count, Field, Query, SortKey};

use super::bitmap::Bitmap;
use super::bookmark::{self, BookmarkError};
use super::filter;
use super::rows::Rows;
use super::table::Table;
use super::view::View;
use super::{FACET_VALUES_MAX, Fleet, Page, facets, window};

/// Belongs to the one fleet that it is asked with.
#[derive(Debug)]
pub struct Roster {
    table: Table,
    /// The rows that are not in the fleet.
    unseen: Bitmap,
    /// How many rows of the fleet were looked at for that.
    compared: usize,
}

/// A row of either table.
#[derive(Clone, Copy)]
struct Row<'a> {
    view: View<'a>,
    slot: u32,
}

impl Roster {
    #[must_use]
    pub fn new(ids: impl IntoIterator<Item = String>) -> Self {
        let mut table = Table::new();
        table.load_ids(ids);
        Self { unseen: Bitmap::full(table.len()), table, compared: 0 }
    }

    fn compare_with(&mut self, fleet: &Table) {
        let new = self.compared..fleet.len();
        if new.len() > self.table.len() {
            let ids = &self.table.ids;
            self.unseen.retain_slots(|slot| fleet.slot(ids.get(slot)).is_none());
        } else {
            let seen = new.filter_map(|slot| self.table.slot(fleet.ids.get(slot as u32)));
            seen.for_each(|slot| self.unseen.clear(slot));
        }
        self.compared = fleet.len();
    }
}

impl Fleet {
    /// Answers a query about the clients of the fleet and those of the roster that the fleet has not seen, as if
    /// they were one.
    ///
    /// # Errors
    /// When the query's bookmark is none, or one of another query.
    pub fn query_with(
        &self,
        roster: &mut Roster,
        query: &Query,
        now: Timestamp,
    ) -> Result<Page, BookmarkError> {
        let table = self.read();
        roster.compare_with(&table);
        let seen = View { table: &table, now };
        let unseen = View { table: &roster.table, now };
        let mut unseen_rows = filter::evaluate(&query.filter, unseen);
        unseen_rows.retain(|rows| rows.retain_set(&roster.unseen, false));
        if unseen_rows.count() == 0 {
            return self.page(query, seen).map(|(page, _)| page);
        }
        let rows = [filter::evaluate(&query.filter, seen), unseen_rows];
        self.merged_page(query, &rows)
    }

    fn merged_page(&self, query: &Query, rows: &[Rows<'_>; 2]) -> Result<Page, BookmarkError> {
        let [seen, unseen] = rows;
        let after =
            query.bookmark.as_deref().map(|text| bookmark::read(text, query, seen.view)).transpose()?;
        let total_rows = seen.count() + unseen.count();
        // How many of the rows before the window are of which table is known only when both are walked.
        let skip = query.skip.min(total_rows);
        let end = (skip + u64::from(query.limit)).min(total_rows) as usize;
        let windows = rows.each_ref().map(|rows| window::take(rows, &query.sort, after.as_ref(), 0, end));
        let [of_seen, of_unseen] = [0, 1].map(|at| -> Vec<Row<'_>> {
            let view = rows[at].view;
            windows[at].slots.iter().map(|slot| Row { view, slot: *slot }).collect()
        });
        let mut merged = merge(&of_seen, &of_unseen, &query.sort);
        let has_more = merged.len() > end || windows.iter().any(|window| window.has_more);
        merged.truncate(end);
        let counted = |count: &Count| {
            let of_both = rows.iter().map(|rows| filter::count(rows, count.term())).sum();
            (count.asked().to_owned(), of_both)
        };
        let page = merged.get(skip as usize..).unwrap_or_default();
        let last = page.last().filter(|_| has_more);
        Ok(Page {
            // A row of the roster is no row that the fleet could find by its number.
            bookmark: last.map(|row| match std::ptr::eq(row.view.table, seen.view.table) {
                true => bookmark::write(query, row.view, row.slot),
                false => bookmark::write_whole(query, row.view, row.slot),
            }),
            results: page.iter().filter_map(|row| row.view.doc(row.slot)).collect(),
            total_rows,
            facets: facets_of(rows, &query.facets),
            counts: query.counts.iter().map(counted).collect(),
            place: query.place_of.as_deref().and_then(|id| place(rows, &query.sort, id)),
            version: self.version(),
        })
    }
}

/// As [`window::place`], among the rows of both tables.
fn place(rows: &[Rows<'_>; 2], sort: &[SortKey], id: &str) -> Option<u64> {
    let found = |rows: &Rows<'_>| rows.view.table.slot(id).filter(|slot| rows.has(*slot));
    let client = rows.iter().find_map(|rows| found(rows).map(|slot| Row { view: rows.view, slot }))?;
    let mut before = 0;
    for rows in rows {
        let row = |slot| Row { view: rows.view, slot };
        rows.bits().for_each(|slot| before += u64::from(compare(row(slot), client, sort).is_lt()));
    }
    Some(before)
}

/// The rows of both lists, each of which is in order, in order.
fn merge<'a>(a: &[Row<'a>], b: &[Row<'a>], sort: &[SortKey]) -> Vec<Row<'a>> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let mut rest = a;
    for row in b {
        let (before, behind) =
            rest.split_at(rest.partition_point(|other| compare(*other, *row, sort).is_lt()));
        merged.extend_from_slice(before);
        merged.push(*row);
        rest = behind;
    }
    merged.extend_from_slice(rest);
    merged
}

/// As [`View::compare`], for rows of different tables.
fn compare(a: Row<'_>, b: Row<'_>, sort: &[SortKey]) -> Ordering {
    let order = |key: &SortKey| {
        a.view.value(key.field, a.slot).compare(&b.view.value(key.field, b.slot), key.descending)
    };
    let order = sort.iter().map(order).find(|order| order.is_ne());
    order.unwrap_or_else(|| a.view.table.ids.get(a.slot).cmp(b.view.table.ids.get(b.slot)))
}

/// The values of each field in both tables, the most frequent first. Where a table has more values than are given,
/// one that is rare in both may be missing.
fn facets_of(rows: &[Rows<'_>; 2], fields: &[Field]) -> Vec<(Field, Vec<(String, u64)>)> {
    let [of_seen, of_unseen] = rows.each_ref().map(|rows| facets::count(rows, fields));
    let merge = |((field, of_seen), (_, of_unseen)): ((Field, Vec<_>), (Field, Vec<_>))| {
        let mut counts = std::collections::BTreeMap::<String, u64>::new();
        for (value, count) in of_seen.into_iter().chain(of_unseen) {
            *counts.entry(value).or_default() += count;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        // The sort is stable, so that equally frequent values stay in the order of their texts.
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.truncate(FACET_VALUES_MAX);
        (field, counts)
    };
    of_seen.into_iter().zip(of_unseen).map(merge).collect()
}
