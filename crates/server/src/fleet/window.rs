//! Windows: some rows of a sorted set, without sorting the set.
//!
//! The order by id is kept, so a window of it is a walk, as long as that is short. Every other window is found by
//! selection ([`super::select`]), by numbers that order as the rows do ([`super::plan`], [`super::device_order`]).

use std::ops::Bound;

use rollcall_model::query::{Field, SortKey};

use super::bookmark::Position;
use super::device_order::DeviceOrder;
use super::groups;
use super::keys::Keys;
use super::pieces;
use super::plan::Plan;
use super::rows::Rows;
use super::select::select;
use super::symbols::ABSENT;
use super::view::Value;

/// The rows of a window in order, and whether there are more behind it.
#[derive(Debug, PartialEq, Eq)]
pub struct Window {
    pub slots: Vec<u32>,
    pub has_more: bool,
}

/// So many rows are walked in the time that a selection takes.
const WALK_MAX: usize = if cfg!(test) { 8 } else { 20_000 };

pub fn take(rows: &Rows<'_>, sort: &[SortKey], after: Option<&Position>, skip: u64, limit: usize) -> Window {
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    // One more than the window has tells whether there are more.
    let mut slots = slots(rows, sort, after, skip, limit + 1);
    let has_more = slots.len() > limit;
    slots.truncate(limit);
    Window { slots, has_more }
}

/// How many of the rows come before that client; `None` when it is none of them.
pub fn place(rows: &Rows<'_>, sort: &[SortKey], id: &str) -> Option<u64> {
    let view = rows.view;
    let slot = view.table.slot(id).filter(|slot| rows.has(*slot))?;
    let bits = rows.bits();
    let before = pieces::each(bits.words().len(), |words| {
        let mut before = 0_u64;
        bits.for_each_in(words, |other| before += u64::from(view.compare(other, slot, sort).is_lt()));
        before
    });
    Some(before.into_iter().sum())
}

/// The slots of `wanted` rows in order, fewer at the end, after those up to `after` and `skip` more.
pub fn slots(
    rows: &Rows<'_>,
    sort: &[SortKey],
    after: Option<&Position>,
    skip: usize,
    wanted: usize,
) -> Vec<u32> {
    // A field that no row has orders nothing.
    let is_empty = |key: &SortKey| key.field == Field::StaleSince && !rows.view.table.has_stale();
    // Unless it tells the rows from the one that a bookmark remembers.
    let is_told = |at: &usize| after.is_some_and(|after| after.values.get(*at) != Some(&Value::Absent));
    if let Some(at) = sort.iter().position(is_empty).filter(|at| !is_told(at)) {
        let after = after.map(|position| position.without(at));
        let mut sort = sort.to_vec();
        sort.remove(at);
        return slots(rows, &sort, after.as_ref(), skip, wanted);
    }
    let by_id = match sort {
        [] => Some(false),
        [key, ..] if key.field == Field::Id => Some(key.descending),
        _ => None,
    };
    let found = match by_id {
        Some(descending) => walk(rows, descending, after, skip, wanted),
        None => groups::slots(rows, sort, after, skip, wanted),
    };
    found.unwrap_or_else(|| ranked(rows, sort, after, skip, wanted))
}

fn ranked(
    rows: &Rows<'_>,
    sort: &[SortKey],
    after: Option<&Position>,
    skip: usize,
    wanted: usize,
) -> Vec<u32> {
    let (view, rows) = (rows.view, rows.bits());
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
    rows: &Rows<'_>,
    descending: bool,
    after: Option<&Position>,
    mut skip: usize,
    wanted: usize,
) -> Option<Vec<u32>> {
    let table = rows.view.table;
    let (order, ids) = (&table.order, &table.ids);
    let is_jump = after.is_none() && skip > 0 && rows.count() == table.len() as u64;
    let mut walk = if is_jump {
        order.walk_from(std::mem::take(&mut skip), descending)
    } else if let Some(after) = after {
        order.walk(Bound::Excluded(&after.id), ids, descending)
    } else {
        let stretch = Stretch::of(rows);
        let steps = (skip.saturating_add(wanted) as u64).saturating_mul(stretch.rows) / rows.count().max(1);
        if steps > WALK_MAX as u64 {
            return None;
        }
        order.walk(stretch.start(descending).as_ref().map(String::as_str), ids, descending)
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

/// Where in the order by id some rows are.
struct Stretch<'a> {
    /// What the ids of the first and of the last of them begin with, as far as that is known.
    origins: Option<(&'a str, &'a str)>,
    /// How many rows begin as any of them.
    rows: u64,
}

impl<'a> Stretch<'a> {
    fn of(rows: &Rows<'a>) -> Self {
        let table = rows.view.table;
        let profiles = &table.profiles;
        let mut is_origin = vec![false; profiles.origins.bound()];
        rows.profiles().for_each(|profile| is_origin[profile.origin as usize] = true);
        // The ids of rows without one can be anywhere.
        if is_origin[ABSENT as usize] {
            return Self { origins: None, rows: table.len() as u64 };
        }
        let alike = profiles.iter().filter(|(profile, _)| is_origin[profile.origin as usize]);
        let mut origins: Option<(&str, &str)> = None;
        for (number, _) in (0_u32..).zip(&is_origin).filter(|(_, is_origin)| **is_origin) {
            let text = profiles.origins.text(number).unwrap_or_default();
            origins =
                origins.map_or(Some((text, text)), |(first, last)| Some((first.min(text), last.max(text))));
        }
        Self { origins, rows: alike.map(|(_, rows)| u64::from(rows)).sum() }
    }

    fn start(&self, descending: bool) -> Bound<String> {
        match self.origins {
            Some((first, _)) if !descending => Bound::Included(first.to_owned()),
            // Everything that begins with `a:` is before `a;`.
            Some((_, last)) => match last.strip_suffix(':') {
                Some(last) => Bound::Excluded(format!("{last};")),
                None => Bound::Unbounded,
            },
            None => Bound::Unbounded,
        }
    }
}
