//! Filters, column by column: each removes rows from a bitmap, the cheap ones first, so that the dear ones look at
//! fewer rows.

use rollcall_model::Timestamp;
use rollcall_model::query::{Field, Filter, Term, Test};
use rollcall_model::state::RECENT_CONNECTS_MS;
use rollcall_model::time::TimeExpr;

use super::columns::{CODES, NO_TIME, code_text, recent};
use super::symbols::Symbols;
use super::view::View;

const WORD: usize = u64::BITS as usize;

/// One bit for each slot.
#[derive(Debug, Clone)]
pub struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    pub fn full(len: usize) -> Self {
        let mut words = vec![u64::MAX; len.div_ceil(WORD)];
        if let (Some(last), rest @ 1..) = (words.last_mut(), len % WORD) {
            *last = (1 << rest) - 1;
        }
        Self { words }
    }

    fn empty(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(WORD)] }
    }

    fn set(&mut self, slot: u32) {
        self.words[slot as usize / WORD] |= 1 << (slot as usize % WORD);
    }

    pub fn clear(&mut self, slot: u32) {
        self.words[slot as usize / WORD] &= !(1 << (slot as usize % WORD));
    }

    pub fn has(&self, slot: u32) -> bool {
        self.words[slot as usize / WORD] >> (slot as usize % WORD) & 1 != 0
    }

    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub fn for_each(&self, mut each: impl FnMut(u32)) {
        for (at, &word) in self.words.iter().enumerate() {
            let first = (at * WORD) as u32;
            if word == u64::MAX {
                (first..first + WORD as u32).for_each(&mut each);
                continue;
            }
            let mut rest = word;
            while rest != 0 {
                each(first + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
    }

    /// Keeps the rows whose value in a column passes. Tests whole words, in a loop without branches.
    fn retain_values<T: Copy>(&mut self, column: &[T], negated: bool, passes: impl Fn(T) -> bool) {
        for (word, values) in self.words.iter_mut().zip(column.chunks(WORD)) {
            if *word != 0 {
                let found = values.iter().enumerate().fold(0, |m, (bit, v)| m | u64::from(passes(*v)) << bit);
                *word &= if negated { !found } else { found };
            }
        }
    }

    /// Keeps the rows that pass; asks only for those that are still in.
    pub fn retain_slots(&mut self, mut passes: impl FnMut(u32) -> bool) {
        for (at, word) in self.words.iter_mut().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                if !passes((at * WORD) as u32 + bit) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    pub fn retain_set(&mut self, other: &Self, negated: bool) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= if negated { !other } else { *other };
        }
    }
}

/// The rows that pass all filters.
pub fn evaluate(filter: &Filter, view: View<'_>) -> Bitmap {
    let mut rows = Bitmap::full(view.table.len());
    let mut terms: Vec<_> = filter.terms.iter().collect();
    terms.sort_by_key(|term| cost(term));
    for term in terms {
        retain(&mut rows, term, view);
    }
    rows
}

/// 0 for a scan of one column, more for what follows ids or unpacks rows.
fn cost(term: &Term) -> u8 {
    match (term.field, &term.test) {
        (Field::RecentConnects, Test::AtLeast(_)) => 1,
        (Field::DeviceId, Test::AnyOf(_)) => 2,
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
        (Test::AnyOf(values), field) if columns.codes(field).is_some() => {
            let wanted = |text: &str| values.iter().any(|value| value == text);
            retain_codes(rows, term, view, |code| code_text(field, code).is_some_and(wanted));
        }
        (Test::Present(present), field) if columns.codes(field).is_some() => {
            retain_codes(rows, term, view, |code| code_text(field, code).is_some() == *present);
        }
        (Test::After(_) | Test::Before(_) | Test::Present(_), field) if columns.times(field).is_some() => {
            let passes = time_test(&term.test, view.now);
            rows.retain_values(columns.times(field).unwrap_or_default(), negated, passes);
        }
        (Test::After(_) | Test::Before(_) | Test::Present(_), Field::StaleSince) => {
            let passes = time_test(&term.test, view.now);
            rows.retain_slots(|slot| passes(table.stale_since(slot as usize)) != negated);
        }
        (Test::AnyOf(values), Field::MqttReasonCode) => {
            let codes = number_set(values, 1 << 8);
            rows.retain_values(&columns.reason_code, negated, |code| codes[usize::from(code)]);
        }
        (Test::AnyOf(values), Field::CloseCode) => {
            let codes = number_set(values, 1 << 16);
            rows.retain_values(&columns.close_code, negated, |code| codes[code as usize]);
        }
        (Test::AnyOf(_) | Test::Contains(_), Field::DeviceType) => {
            retain_symbols(rows, term, &columns.device_type, &table.device_types);
        }
        (Test::AnyOf(_) | Test::Contains(_), Field::Reason) => {
            retain_symbols(rows, term, &columns.reason, &table.reasons);
        }
        (Test::AnyOf(values), Field::DeviceId) => {
            // First the end of the id, which settles most rows, then where its last part begins. A pattern may find
            // the device id anywhere.
            let is_end =
                |id: &str| table.names_others() || values.iter().any(|value| id.ends_with(value.as_str()));
            let wanted = |id: &str| values.iter().any(|value| value == id);
            rows.retain_slots(|slot| {
                let found = is_end(table.ids.get(slot)) && view.device_id(slot).is_some_and(wanted);
                found != negated
            });
        }
        (Test::Present(present), Field::DeviceId) => {
            rows.retain_slots(|slot| (view.device_id(slot).is_some() == *present) != negated);
        }
        (Test::AtLeast(least), Field::RecentConnects) => {
            retain_recent(rows, i64::from(*least), negated, view);
        }
        (Test::Contains(needles), Field::Id) => rows.retain_set(&search(needles, view), negated),
        // What no parameter of the API asks for: unpack and compare.
        _ => rows.retain_slots(|slot| view.doc(slot).is_some_and(|doc| term.matches(&doc, view.now))),
    }
}

fn retain_codes(rows: &mut Bitmap, term: &Term, view: View<'_>, passes: impl Fn(u8) -> bool) {
    let mask = (0..CODES).fold(0_u32, |mask, code| mask | u32::from(passes(code)) << code);
    let codes = view.table.columns.codes(term.field).unwrap_or_default();
    rows.retain_values(codes, term.negated, |code| mask >> code & 1 != 0);
}

/// What a test of times says of milliseconds, [`NO_TIME`] included.
fn time_test(test: &Test, now: Timestamp) -> impl Fn(i64) -> bool + use<> {
    let resolve =
        |times: &[TimeExpr]| times.iter().map(|time| time.resolve(now).millis()).collect::<Vec<_>>();
    // Each test is a range: alternatives of one direction come down to the widest.
    let (from, until) = match test {
        Test::After(times) => (resolve(times).into_iter().min().unwrap_or(i64::MAX), i64::MAX),
        Test::Before(times) => (NO_TIME + 1, resolve(times).into_iter().max().unwrap_or(NO_TIME)),
        Test::Present(true) => (NO_TIME + 1, i64::MAX),
        _ => (NO_TIME, NO_TIME + 1),
    };
    move |ms| from <= ms && ms < until
}

/// Which numbers below `count` are among the values, shifted by one as they lie in their columns.
fn number_set(values: &[String], count: usize) -> Vec<bool> {
    let mut set = vec![false; count + 1];
    for value in values {
        // Only the canonical spelling is the field's text.
        let number = value.parse::<usize>().ok().filter(|number| number.to_string() == *value);
        if let Some(found) = number.and_then(|number| set.get_mut(number + 1)) {
            *found = true;
        }
    }
    set
}

fn retain_symbols(rows: &mut Bitmap, term: &Term, column: &[u32], symbols: &Symbols) {
    let mut set = vec![false; symbols.bound()];
    match &term.test {
        Test::AnyOf(values) => {
            for number in values.iter().filter_map(|value| symbols.number(value)) {
                set[number as usize] = true;
            }
        }
        Test::Contains(needles) => {
            let needles: Vec<_> = needles.iter().map(|needle| needle.to_lowercase()).collect();
            for (text, number) in symbols.sorted() {
                let text = text.to_lowercase();
                set[number as usize] = needles.iter().any(|needle| text.contains(needle));
            }
        }
        _ => {}
    }
    rows.retain_values(column, term.negated, |number| set[number as usize]);
}

fn retain_recent(rows: &mut Bitmap, least: i64, negated: bool, view: View<'_>) {
    let columns = &view.table.columns;
    let since = view.now.plus_ms(-RECENT_CONNECTS_MS).millis();
    rows.retain_slots(|slot| {
        let at = slot as usize;
        // The newest connect is not recent: then none is, and the list need not be read.
        let count = match columns.recent[at] {
            recent::LIST if columns.connect_time[at] > since => view.recent_connects(slot),
            recent::LIST if columns.connect_time[at] == NO_TIME => view.recent_connects(slot),
            recent::NEWEST => i64::from(columns.connect_time[at] > since),
            _ => 0,
        };
        (count >= least) != negated
    });
}

/// The rows whose id contains one of the needles, ignoring case.
fn search(needles: &[String], view: View<'_>) -> Bitmap {
    let table = view.table;
    let mut found = Bitmap::empty(table.len());
    let mut has_lower = Bitmap::empty(table.len());
    table.lower_slots.iter().for_each(|slot| has_lower.set(*slot));
    for needle in needles.iter().map(|needle| needle.to_lowercase()) {
        table.ids.search(&needle, |slot| {
            if !has_lower.has(slot) {
                found.set(slot);
            }
        });
        table.lower_ids.search(&needle, |at| found.set(table.lower_slots[at as usize]));
    }
    found
}
