//! Watches: whether the answer to a query is still the one that was given, without asking it again.
//!
//! The API makes a [`Watch`] with each page and asks it when a caller comes back with the page's entity tag. The
//! fleet keeps its newest changes, each with what its row was and became; a watch goes through those since the page
//! was made. It says "unchanged" only of what cannot have changed the page, its counts or its facets: whatever cannot
//! be told from a change counts as having changed it. `recentConnects` counts down by the mere passing of time, so
//! a watch ends with the first count on its page that does; pages that depend on the time otherwise are not watched.

use std::cmp::Ordering;
use std::collections::VecDeque;

use rollcall_model::Timestamp;
use rollcall_model::query::{Field, Query, SortKey};

use super::bookmark::names_row;
use super::columns::{NO_TIME, TIMES, code_text, recent};
use super::filter::{Known, known};
use super::packed_addr::{self, NO_ADDR, PackedAddr};
use super::profiles::Profile;
use super::table::Table;
use super::view::View;

/// So many changes are kept: some seconds of a large fleet. Who comes later gets a new answer.
const CHANGES_MAX: usize = if cfg!(test) { 64 } else { 16_384 };

/// What a question can ask of a row without looking at its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub profile: Profile,
    /// As [`TIMES`] names them.
    pub times: [i64; TIMES.len()],
    stale: i64,
    addr: PackedAddr,
    recent: (u8, u16),
}

impl Facts {
    pub fn of(table: &Table, slot: u32) -> Self {
        let (columns, at) = (&table.columns, slot as usize);
        let time = |field| columns.times(field).map_or(NO_TIME, |times| times[at]);
        Self {
            profile: *table.profile(at),
            times: TIMES.map(time),
            stale: table.stale_since(at),
            addr: columns.addr[at],
            recent: (columns.recent[at], columns.recent_span_s[at]),
        }
    }
}

/// What one event made of one row.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    slot: u32,
    /// See [`super::order`].
    label: u64,
    /// `None` for a row that is new.
    before: Option<Facts>,
    after: Facts,
}

impl Change {
    /// Of a row that was as `before` and is as it is in the table.
    pub fn of(table: &Table, slot: u32, before: Option<Facts>) -> Self {
        Self { slot, label: table.order.label(slot), before, after: Facts::of(table, slot) }
    }
}

/// The newest changes.
#[derive(Debug, Default)]
pub struct Changes {
    newest: VecDeque<Change>,
    /// How many there were before the newest.
    passed: u64,
}

impl Changes {
    pub fn extend(&mut self, changes: &mut Vec<Change>) {
        let surplus = (self.newest.len() + changes.len()).saturating_sub(CHANGES_MAX);
        let gone = surplus.min(self.newest.len());
        self.newest.drain(..gone);
        self.newest.extend(changes.drain(..));
        self.passed += gone as u64;
    }

    /// Everything may be otherwise.
    pub fn forget(&mut self) {
        self.passed += self.newest.len() as u64 + 1;
        self.newest.clear();
    }

    pub fn end(&self) -> u64 {
        self.passed + self.newest.len() as u64
    }

    fn since(&self, at: u64) -> Option<impl Iterator<Item = &Change>> {
        let from = usize::try_from(at.checked_sub(self.passed)?).ok()?;
        (from <= self.newest.len()).then(|| self.newest.range(from..))
    }
}

/// What a page rests on.
#[derive(Debug)]
pub struct Watch {
    /// Up to which change it was looked at.
    at: u64,
    /// From when to before when it holds, in milliseconds.
    from_ms: i64,
    until_ms: i64,
    /// The rows on the page, ascending.
    slots: Vec<u32>,
    /// The first and the last row on the page.
    ends: Option<[Row; 2]>,
    filters: Vec<Known>,
    /// Fields of the filters of which a row's facts do not tell whether it passes.
    unknown: Vec<Field>,
    /// What is counted.
    counted: Vec<Field>,
    sort: Vec<SortKey>,
    has_bookmark: bool,
}

/// A place in the order of a page.
#[derive(Debug, Clone, Copy)]
struct Row {
    facts: Facts,
    label: u64,
}

/// Where a row is from a page's point of view.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Within,
    After,
}

impl Watch {
    /// Of a page with these rows, in their order, that is made after `at` changes.
    pub fn of(query: &Query, view: View<'_>, slots: &[u32], at: u64) -> Self {
        let row =
            |slot: &u32| Row { facts: Facts::of(view.table, *slot), label: view.table.order.label(*slot) };
        let (mut filters, mut unknown) = (Vec::new(), Vec::new());
        for term in &query.filter.terms {
            match known(term, view) {
                Some(filter) => filters.push(filter),
                None => unknown.push(term.field),
            }
        }
        let mut sorted = slots.to_vec();
        sorted.sort_unstable();
        Self {
            // Of a bookmark that names a row, nothing is known of the row: whoever holds that page gets a new one.
            at: if query.bookmark.as_deref().is_some_and(names_row) { u64::MAX } else { at },
            slots: sorted,
            ends: slots.first().zip(slots.last()).map(|(first, last)| [row(first), row(last)]),
            filters,
            unknown,
            counted: query
                .facets
                .iter()
                .copied()
                .chain(query.counts.iter().map(|count| count.term().field))
                .collect(),
            sort: query.sort.clone(),
            has_bookmark: query.bookmark.is_some(),
            from_ms: view.now.millis(),
            until_ms: until_ms(query, view, slots),
        }
    }

    /// Whether the page is what it was. What was looked at is not looked at again.
    pub fn is_unchanged(&mut self, changes: &Changes, now: Timestamp) -> bool {
        if !(self.from_ms..self.until_ms).contains(&now.millis()) {
            return false;
        }
        let Some(mut since) = changes.since(self.at) else { return false };
        if since.any(|change| self.is_touched_by(change)) {
            return false;
        }
        self.at = changes.end();
        true
    }

    fn is_touched_by(&self, change: &Change) -> bool {
        // A new row can move the labels of others.
        let Some(before) = &change.before else { return true };
        let after = &change.after;
        let passes = |facts: &Facts| self.filters.iter().all(|filter| filter.passes(facts));
        let (passed, passes) = (passes(before), passes(after));
        if !passed && !passes {
            return false;
        }
        let touches = |field: &Field| differs(*field, before, after);
        passed != passes
            || self.slots.binary_search(&change.slot).is_ok()
            || self.unknown.iter().any(touches)
            || self.counted.iter().any(touches)
            || (self.sort.iter().any(|key| touches(&key.field)) && self.is_moved(change.label, before, after))
    }

    /// Whether a row that passes comes onto the page, leaves it, or moves from one side of it to the other.
    fn is_moved(&self, label: u64, before: &Facts, after: &Facts) -> bool {
        let Some(ends) = &self.ends else {
            // There are rows only before an empty page, unless it begins behind a bookmark.
            return self.has_bookmark;
        };
        let place = |facts: &Facts| self.place(&Row { facts: *facts, label }, ends);
        match (place(before), place(after)) {
            (Some(Place::After), Some(Place::After)) => false,
            // Behind a bookmark there is room before the first row.
            (Some(Place::Before), Some(Place::Before)) => self.has_bookmark,
            _ => true,
        }
    }

    fn place(&self, row: &Row, [first, last]: &[Row; 2]) -> Option<Place> {
        Some(if self.compare(row, last)?.is_gt() {
            Place::After
        } else if self.compare(row, first)?.is_lt() {
            Place::Before
        } else {
            Place::Within
        })
    }

    /// As [`View::compare`]; `None` where the facts do not tell.
    fn compare(&self, a: &Row, b: &Row) -> Option<Ordering> {
        for key in &self.sort {
            let order = match key.field {
                Field::Id if key.descending => b.label.cmp(&a.label),
                Field::Id => a.label.cmp(&b.label),
                field => {
                    let (a, b) = (rank(field, &a.facts)?, rank(field, &b.facts)?);
                    match (a, b) {
                        (Rank::Absent, Rank::Absent) => Ordering::Equal,
                        (Rank::Absent, _) => Ordering::Greater,
                        (_, Rank::Absent) => Ordering::Less,
                        (a, b) if key.descending => b.cmp(&a),
                        (a, b) => a.cmp(&b),
                    }
                }
            };
            if order.is_ne() {
                return Some(order);
            }
        }
        Some(a.label.cmp(&b.label))
    }
}

/// When the time alone will have changed a page with these rows, in milliseconds.
fn until_ms(query: &Query, view: View<'_>, slots: &[u32]) -> i64 {
    let counts = |field: &Field| *field == Field::RecentConnects;
    let is_by_count = query.facets.iter().any(counts) || query.sort.iter().any(|key| counts(&key.field));
    let are_relative = query.counts.iter().any(|count| count.term().is_relative());
    // A place changes with whatever comes before it.
    if query.filter.is_relative() || is_by_count || are_relative || query.place_of.is_some() {
        return i64::MIN;
    }
    slots.iter().filter_map(|slot| view.recent_until(*slot)).min().map_or(i64::MAX, Timestamp::millis)
}

/// A value, as far as it is needed to compare values of one field.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Absent,
    Number(i64),
    Addr(PackedAddr),
    Text(&'static str),
}

/// `None` for fields whose order is not in the facts.
fn rank(field: Field, facts: &Facts) -> Option<Rank> {
    let time = |ms| if ms == NO_TIME { Rank::Absent } else { Rank::Number(ms) };
    if let Some(at) = TIMES.iter().position(|time| *time == field) {
        return Some(time(facts.times[at]));
    }
    let number = |packed: u32| if packed == 0 { Rank::Absent } else { Rank::Number(i64::from(packed)) };
    match field {
        Field::StaleSince => Some(time(facts.stale)),
        Field::ClientAddr if facts.addr == NO_ADDR => Some(Rank::Absent),
        Field::ClientAddr => (!packed_addr::is_long(facts.addr)).then_some(Rank::Addr(facts.addr)),
        Field::Secure => Some(number(u32::from(facts.profile.secure))),
        Field::Id | Field::DeviceId | Field::DeviceType | Field::Reason | Field::RecentConnects => None,
        field => Some(match facts.profile.number(field) {
            Some(packed) => number(packed),
            None => {
                let text = facts.profile.code(field).and_then(|code| code_text(field, code));
                text.map_or(Rank::Absent, Rank::Text)
            }
        }),
    }
}

/// Whether a change of a row can have changed this field of it.
fn differs(field: Field, before: &Facts, after: &Facts) -> bool {
    if let Some(at) = TIMES.iter().position(|time| *time == field) {
        return before.times[at] != after.times[at];
    }
    let (was, is) = (&before.profile, &after.profile);
    match field {
        Field::StaleSince => before.stale != after.stale,
        Field::ClientAddr => before.addr != after.addr || packed_addr::is_long(after.addr),
        // A list keeps its length and its end when a start comes late.
        Field::RecentConnects => {
            before.recent != after.recent
                || before.times[0] != after.times[0]
                || after.recent.0 & recent::LISTED != 0
        }
        Field::DeviceType => was.device_type != is.device_type,
        Field::Reason => was.reason != is.reason,
        // They say nothing but what the id says.
        Field::Id | Field::DeviceId => false,
        field => was.code(field) != is.code(field) || was.number(field) != is.number(field),
    }
}
