//! Windows: some rows of a sorted set, without sorting the set.
//!
//! The order by id is kept, so a window of it is a walk, as long as that is short. Every other window is found by
//! selection ([`super::select`]), by numbers that order as the rows do ([`super::plan`], [`super::device_order`]).

use rollcall_model::query::{Field, SortKey};

use super::bitmap::Bitmap;
use super::bookmark::Position;
use super::device_order::DeviceOrder;
use super::keys::Keys;
use super::plan::Plan;
use super::select::select;
use super::view::{Value, View};

/// The rows of a window in order, and whether there are more behind it.
#[derive(Debug, PartialEq, Eq)]
pub struct Window {
    pub slots: Vec<u32>,
    pub has_more: bool,
}

/// So many rows are walked in the time that a selection takes.
const WALK_MAX: usize = if cfg!(test) { 8 } else { 20_000 };

pub fn take(
    rows: &Bitmap,
    view: View<'_>,
    sort: &[SortKey],
    after: Option<&Position>,
    skip: u64,
    limit: usize,
) -> Window {
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    // A field that no row has orders nothing.
    let is_empty = |key: &SortKey| key.field == Field::StaleSince && !view.table.has_stale();
    // Unless it tells the rows from the one that a bookmark remembers.
    let is_told = |at: &usize| after.is_some_and(|after| after.values.get(*at) != Some(&Value::Absent));
    if let Some(at) = sort.iter().position(is_empty).filter(|at| !is_told(at)) {
        let after = after.map(|position| position.without(at));
        let mut sort = sort.to_vec();
        sort.remove(at);
        return take(rows, view, &sort, after.as_ref(), skip as u64, limit);
    }
    // One more than the window has tells whether there are more.
    let wanted = limit + 1;
    let by_id = match sort {
        [] => Some(false),
        [key, ..] if key.field == Field::Id => Some(key.descending),
        _ => None,
    };
    let walked = by_id.and_then(|descending| walk(rows, view, descending, after, skip, wanted));
    let mut slots = walked.unwrap_or_else(|| ranked(rows, view, sort, after, skip, wanted));
    let has_more = slots.len() > limit;
    slots.truncate(limit);
    Window { slots, has_more }
}

fn ranked(
    rows: &Bitmap,
    view: View<'_>,
    sort: &[SortKey],
    after: Option<&Position>,
    skip: usize,
    wanted: usize,
) -> Vec<u32> {
    let by_id = [SortKey { field: Field::Id, descending: false }];
    let sort = if sort.is_empty() { &by_id } else { sort };
    if let Some(order) = DeviceOrder::new(view, sort) {
        let after = after.map(|position| order.bound_of(position));
        return select(&order, rows, after.as_ref(), skip, wanted);
    }
    let plan = Plan::new(view, sort);
    if plan.bits() <= u64::BITS {
        let keys = Keys::<u64>::new(plan);
        let after = after.map(|position| keys.bound_of(position));
        select(&keys, rows, after.as_ref(), skip, wanted)
    } else {
        let keys = Keys::<u128>::new(plan);
        let after = after.map(|position| keys.bound_of(position));
        select(&keys, rows, after.as_ref(), skip, wanted)
    }
}

/// Looks for the rows in the order by id. `None` when that takes too long.
fn walk(
    rows: &Bitmap,
    view: View<'_>,
    descending: bool,
    after: Option<&Position>,
    skip: usize,
    wanted: usize,
) -> Option<Vec<u32>> {
    let order = &view.table.order;
    let after = after.map(|position| (position.id.as_str(), &view.table.ids));
    let is_jump = after.is_none() && skip > 0 && rows.count() == view.table.len() as u64;
    let (mut walk, mut skip) = match is_jump {
        true => (order.walk_from(skip, descending), 0),
        false => (order.walk(after, descending), skip),
    };
    let mut found = Vec::with_capacity(wanted);
    for _ in 0..WALK_MAX {
        let Some(slot) = walk.next() else { return Some(found) };
        if !rows.has(slot) {
            continue;
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        found.push(slot);
        if found.len() == wanted {
            return Some(found);
        }
    }
    None
}
