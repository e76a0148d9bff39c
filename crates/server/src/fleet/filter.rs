//! Filters: those on the fields of the profile at once, then column by column. Each removes rows from a bitmap, the
//! cheap ones first, so that the dear ones look at fewer rows.

use std::collections::HashSet;

use rollcall_model::Timestamp;
use rollcall_model::query::{Field, Filter, Term, Test, lowercase};
use rollcall_model::time::TimeExpr;

use super::bitmap::Bitmap;
use super::columns::{CODES, NO_TIME, TIMES, code_text};
use super::profiles::Profile;
use super::rows::Rows;
use super::symbols::Symbols;
use super::table::Table;
use super::view::View;
use super::watch::Facts;
use super::{address, search};

/// The rows that pass all filters.
pub fn evaluate<'a>(filter: &Filter, view: View<'a>) -> Rows<'a> {
    let table = view.table;
    let (of_profiles, mut of_rows): (Vec<_>, Vec<_>) =
        filter.terms.iter().partition(|term| is_of_profile(term));
    let mut passes = vec![true; table.profiles.bound()];
    for term in &of_profiles {
        retain_profiles(&mut passes, term, table);
    }
    let mut rows = Rows::of_profiles(view, passes);
    of_rows.sort_by_key(|term| cost(term));
    for term in &of_rows {
        rows.retain(|bits| retain(bits, term, view));
    }
    rows
}

/// How many of the rows would pass one more filter.
pub fn count(rows: &Rows<'_>, term: &Term) -> u64 {
    if is_of_profile(term) {
        let table = rows.view.table;
        let mut passes = vec![true; table.profiles.bound()];
        retain_profiles(&mut passes, term, table);
        return rows.by_profile().iter().zip(passes).map(|(rows, passes)| rows * u64::from(passes)).sum();
    }
    let mut bits = rows.bits().clone();
    retain(&mut bits, term, rows.view);
    bits.count()
}

/// Whether the profile alone says if a row passes.
fn is_of_profile(term: &Term) -> bool {
    match (&term.test, term.field) {
        (Test::Contains(_), Field::DeviceType | Field::Reason) => true,
        (Test::AnyOf(_), field) => Profile::has(field),
        (Test::Present(_), field) => Profile::default().code(field).is_some(),
        _ => false,
    }
}

/// Keeps the profiles that pass.
fn retain_profiles(passes: &mut [bool], term: &Term, table: &Table) {
    let found = profile_test(term, table);
    for (passes, (profile, rows)) in passes.iter_mut().zip(table.profiles.iter()) {
        *passes &= rows > 0 && found.finds(profile) != term.negated;
    }
}

/// What a test looks for in a profile.
#[derive(Debug)]
enum Sought {
    /// By the number of the symbol.
    DeviceTypes(Vec<bool>),
    Reasons(Vec<bool>),
    /// As they lie in profiles, ascending.
    Numbers(Field, Vec<u32>),
    /// One bit for each code.
    Codes(Field, u32),
}

impl Sought {
    fn finds(&self, profile: &Profile) -> bool {
        let has = |set: &[bool], symbol: u32| set.get(symbol as usize).copied().unwrap_or_default();
        match self {
            Self::DeviceTypes(set) => has(set, profile.device_type),
            Self::Reasons(set) => has(set, profile.reason),
            Self::Numbers(field, numbers) => {
                profile.number(*field).is_some_and(|number| numbers.binary_search(&number).is_ok())
            }
            Self::Codes(field, mask) => profile.code(*field).is_some_and(|code| mask >> code & 1 != 0),
        }
    }
}

/// The test of a term that [`is_of_profile`].
fn profile_test(term: &Term, table: &Table) -> Sought {
    match (&term.test, term.field) {
        (test, Field::DeviceType) => Sought::DeviceTypes(symbol_set(test, &table.profiles.device_types)),
        (test, Field::Reason) => Sought::Reasons(symbol_set(test, &table.profiles.reasons)),
        (Test::AnyOf(values), field @ (Field::MqttReasonCode | Field::CloseCode)) => {
            Sought::Numbers(field, number_set(values))
        }
        (test, field) => {
            let wanted = |code| match (test, code_text(field, code)) {
                (Test::AnyOf(values), text) => {
                    text.is_some_and(|text| values.iter().any(|value| value == text))
                }
                (Test::Present(present), text) => text.is_some() == *present,
                _ => false,
            };
            let mask = (0..CODES).fold(0_u32, |mask, code| mask | u32::from(wanted(code)) << code);
            Sought::Codes(field, mask)
        }
    }
}

/// A filter whose test needs nothing but the facts of a row.
#[derive(Debug)]
pub struct Known {
    test: KnownTest,
    negated: bool,
}

#[derive(Debug)]
enum KnownTest {
    Profile(Sought),
    /// Of the time at that place in [`TIMES`].
    Time(usize, TimeRange),
}

impl Known {
    pub fn passes(&self, facts: &Facts) -> bool {
        let found = match &self.test {
            KnownTest::Profile(sought) => sought.finds(&facts.profile),
            KnownTest::Time(at, range) => facts.times.get(*at).is_some_and(|ms| range.contains(*ms)),
        };
        found != self.negated
    }
}

/// A filter as a question to the facts of a row, for as long as no row is added; `None` where they do not tell.
pub fn known(term: &Term, view: View<'_>) -> Option<Known> {
    let test = match (&term.test, TIMES.iter().position(|field| *field == term.field)) {
        // The number of a reason can become that of another.
        _ if term.field == Field::Reason => return None,
        (Test::After(_) | Test::Before(_) | Test::Present(_), Some(at)) => {
            KnownTest::Time(at, TimeRange::of(term, view.now))
        }
        _ if is_of_profile(term) => KnownTest::Profile(profile_test(term, view.table)),
        _ => return None,
    };
    Some(Known { test, negated: term.negated })
}

/// 0 for a scan of one column, more for what follows ids or unpacks rows.
fn cost(term: &Term) -> u8 {
    match (term.field, &term.test) {
        (Field::RecentConnects, Test::AtLeast(_)) => 1,
        (Field::DeviceId | Field::ClientAddr, Test::AnyOf(_)) => 2,
        (Field::Id, Test::Contains(_)) => 3,
        (Field::Id | Field::ClientAddr | Field::DeviceId | Field::RecentConnects, _) => 4,
        _ => 0,
    }
}

fn retain(rows: &mut Bitmap, term: &Term, view: View<'_>) {
    let table = view.table;
    let columns = &table.columns;
    let negated = term.negated;
    match (&term.test, term.field) {
        (Test::After(_) | Test::Before(_) | Test::Present(_), field) if columns.times(field).is_some() => {
            let passes = time_test(term, view.now);
            rows.retain_values(columns.times(field).unwrap_or_default(), negated, passes);
        }
        (Test::After(_) | Test::Before(_) | Test::Present(_), Field::StaleSince) => {
            let passes = time_test(term, view.now);
            if table.has_stale() {
                rows.retain_slots(|slot| passes(table.stale_since(slot as usize)) != negated);
            } else if passes(NO_TIME) == negated {
                *rows = Bitmap::empty(table.len());
            }
        }
        (Test::AnyOf(values), Field::DeviceId) => {
            let is_end_of_id = !table.names_others();
            if is_end_of_id && values.len().saturating_mul(table.profiles.origins.len()) < table.len() {
                rows.retain_set(&device_ids(values, table), negated);
            } else {
                let wanted: HashSet<&str> = values.iter().map(String::as_str).collect();
                let found = |slot| view.device_id(slot).is_some_and(|device_id| wanted.contains(device_id));
                rows.retain_slots(|slot| found(slot) != negated);
            }
        }
        (Test::AnyOf(values), Field::ClientAddr) => address::retain(rows, values, negated, view),
        (Test::Present(present), Field::DeviceId) => {
            rows.retain_slots(|slot| (view.device_id(slot).is_some() == *present) != negated);
        }
        (Test::AtLeast(least), Field::RecentConnects) => {
            let least = i64::from(*least);
            if least > 0 && !negated && table.odd_recent == 0 {
                let since = view.recent_since();
                rows.retain_values(&columns.connect_time, false, |ms| ms > since);
            }
            rows.retain_slots(|slot| (view.recent_connects(slot) >= least) != negated);
        }
        (Test::Contains(needles), Field::Id) => search::retain(rows, needles, negated, table),
        // What no parameter of the API asks for: unpack and compare.
        _ => rows.retain_slots(|slot| view.doc(slot).is_some_and(|doc| term.matches(&doc, view.now))),
    }
}

/// The rows with these device ids. A device id is the end of an id whose beginning is one of few, so each value is
/// looked up under each of them.
fn device_ids(values: &[String], table: &Table) -> Bitmap {
    let mut found = Bitmap::empty(table.len());
    for (origin, number) in table.profiles.origins.sorted() {
        for value in values {
            let slot = table.slot(&format!("{origin}{value}"));
            // The same text can be an id in which the device id is another part, or none.
            if let Some(slot) = slot.filter(|slot| table.profile(*slot as usize).origin == number) {
                found.set(slot);
            }
        }
    }
    found
}

/// The milliseconds that pass a test of times, [`NO_TIME`] included: from the first to before the second.
#[derive(Debug, Clone, Copy)]
struct TimeRange(i64, i64);

impl TimeRange {
    fn of(term: &Term, now: Timestamp) -> Self {
        let resolve =
            |times: &[TimeExpr]| times.iter().map(|time| time.resolve(now).millis()).collect::<Vec<_>>();
        // Alternatives of one direction come down to the widest.
        match &term.test {
            Test::After(times) => Self(resolve(times).into_iter().min().unwrap_or(i64::MAX), i64::MAX),
            Test::Before(times) => {
                let first = if term.field.counts_never_as_before() { NO_TIME } else { NO_TIME + 1 };
                Self(first, resolve(times).into_iter().max().unwrap_or(NO_TIME))
            }
            Test::Present(true) => Self(NO_TIME + 1, i64::MAX),
            _ => Self(NO_TIME, NO_TIME + 1),
        }
    }

    const fn contains(self, ms: i64) -> bool {
        self.0 <= ms && ms < self.1
    }
}

/// What a test of times says of milliseconds.
fn time_test(term: &Term, now: Timestamp) -> impl Fn(i64) -> bool + use<> {
    let range = TimeRange::of(term, now);
    move |ms| range.contains(ms)
}

/// The numbers among the values, plus one as they lie in profiles, ascending.
fn number_set(values: &[String]) -> Vec<u32> {
    // Only the canonical spelling is the field's text.
    let number = |value: &String| value.parse::<u32>().ok().filter(|number| number.to_string() == *value);
    let mut numbers: Vec<_> = values.iter().filter_map(number).filter_map(|n| n.checked_add(1)).collect();
    numbers.sort_unstable();
    numbers
}

/// Which symbols pass a test, by number.
fn symbol_set(test: &Test, symbols: &Symbols) -> Vec<bool> {
    let mut set = vec![false; symbols.bound()];
    match test {
        Test::AnyOf(values) => {
            for number in values.iter().filter_map(|value| symbols.number(value)) {
                set[number as usize] = true;
            }
        }
        Test::Contains(needles) => {
            let needles: Vec<_> = needles.iter().map(|needle| lowercase(needle)).collect();
            for (text, number) in symbols.sorted() {
                let text = lowercase(text);
                set[number as usize] = needles.iter().any(|needle| text.contains(needle));
            }
        }
        _ => {}
    }
    set
}
