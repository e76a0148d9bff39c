//! Sort keys: the fields of a row that a sort asks for, packed into one number as a [`Plan`] says.
//!
//! Where the number does not hold all of the order (fields too wide, addresses too long), equal numbers are told
//! apart by the fields themselves; where it does, by the labels of the ids.

use std::cmp::Ordering;
use std::ops::Range;

use rollcall_model::query::SortKey;

use super::bitmap::{Bitmap, WORD, mask};
use super::bookmark::Position;
use super::plan::{Number, Part, Plan, Source, lay};
use super::select::Ranking;
use super::view::Value;
use super::wide::wide;

/// The order of a plan, in numbers of that width.
pub struct Keys<'a, N> {
    plan: Plan<'a>,
    number: std::marker::PhantomData<N>,
}

/// A row, its sort key, its place by id.
#[derive(Clone, Copy)]
pub struct Row<N> {
    key: N,
    label: u64,
    slot: u32,
}

pub struct Bound<'a, N> {
    key: N,
    label: u64,
    /// For each key of the sort its value, where the number does not hold all of the order.
    values: Vec<Value<'a>>,
}

impl<'a, N: Number> Keys<'a, N> {
    pub const fn new(plan: Plan<'a>) -> Self {
        Self { plan, number: std::marker::PhantomData }
    }

    pub fn bound_of(&self, position: &Position) -> Bound<'a, N> {
        let (view, mut values) = (self.plan.view, position.values.iter());
        let label = view.table.order.label_of(&position.id, &view.table.ids);
        let key = self.plan.pack(|part| {
            let value = values.next();
            match part.source {
                // The id of a position is no value where nothing else is sorted by.
                Source::Label => N::from_u64(part.label(label)),
                _ => N::from_wide(value.map_or(0, |value| part.of_value(value))),
            }
        });
        Bound { key, label, values: position.values.clone() }
    }

    fn key(&self, slot: u32) -> N {
        self.plan.pack(|part| part.of_row(slot, self.plan.view))
    }

    /// The keys of the rows from `first` on.
    #[inline(always)]
    fn fill(&self, first: u32, keys: &mut [N]) {
        let mut room = N::BITS;
        let at = first as usize;
        // The last word has places for more rows than there are.
        let rows = keys.len().min(self.plan.view.table.len() - at);
        let keys = &mut keys[..rows];
        for (number, part) in self.plan.parts.iter().enumerate() {
            let bits = part.bits.min(room);
            room -= bits;
            let place = Place { is_first: number == 0, cut: part.bits - bits, up: room };
            self.fill_part(part, place, first, keys);
        }
    }

    #[inline(always)]
    fn fill_part(&self, part: &Part<'_>, place: Place, first: u32, keys: &mut [N]) {
        let (table, at) = (self.plan.view.table, first as usize);
        match &part.source {
            Source::Profile { parts, .. } => {
                let profiles = table.columns.profile[at..].iter();
                place.put(keys, profiles.map(|profile| N::from_u64(parts[*profile as usize])));
            }
            Source::Time(times) => {
                let finish = part.times();
                place.put(keys, times[at..].iter().map(|ms| N::from_u64(finish(*ms))));
            }
            Source::Label => {
                let labels = table.order.labels(first, WORD).iter();
                place.put(keys, labels.map(|label| N::from_u64(part.label(*label))));
            }
            Source::Addr => {
                let addrs = table.columns.addr[at..].iter();
                place.put(keys, addrs.map(|addr| N::from_u64(part.addr(*addr))));
            }
            Source::RecentConnects if table.odd_recent == 0 => {
                let (view, since) = (self.plan.view, self.plan.view.recent_since());
                let none = part.finish(Some(0));
                let counts = table.columns.connect_time[at..].iter().zip(first..).map(|(newest, slot)| {
                    if *newest <= since { N::from_u64(none) } else { part.of_row(slot, view) }
                });
                place.put(keys, counts);
            }
            _ => place.put(keys, (first..).map(|slot| part.of_row(slot, self.plan.view))),
        }
    }

    fn row(&self, key: N, slot: u32) -> Row<N> {
        Row { key, label: self.plan.view.table.order.label(slot), slot }
    }

    /// Which of these rows of a word are not after the place.
    #[inline(always)]
    fn not_after(&self, first: u32, rows: u64, keys: &[N; WORD], bound: &Bound<'_, N>) -> u64 {
        let less = mask(keys, |key| key < bound.key);
        let equal = mask(keys, |key| key == bound.key) & rows;
        if equal == 0 || self.plan.is_exact {
            let labels = self.plan.view.table.order.labels(first, WORD);
            return rows & (less | (equal & mask(labels, |label| label <= bound.label)));
        }
        let (mut not_after, mut rest) = (rows & less, equal);
        while rest != 0 {
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            let is_after = self.is_after(&self.row(bound.key, first + bit), bound);
            not_after |= u64::from(!is_after) << bit;
        }
        not_after
    }

    /// As [`Ranking::scan_words`], for a word with few rows.
    fn scan_sparse(
        &self,
        first: u32,
        word: u64,
        from: Option<&Bound<'_, N>>,
        to: Option<&Bound<'_, N>>,
        found: &mut Vec<Row<N>>,
    ) -> usize {
        let (mut before, mut rest) = (0, word);
        while rest != 0 {
            let slot = first + rest.trailing_zeros();
            rest &= rest - 1;
            let key = self.key(slot);
            if to.is_some_and(|to| key > to.key) {
                continue;
            }
            let row = self.row(key, slot);
            if from.is_some_and(|from| !self.is_after(&row, from)) {
                before += 1;
            } else if to.is_none_or(|to| !self.is_after(&row, to)) {
                found.push(row);
            }
        }
        before
    }

    /// As [`Ranking::scan_words`].
    #[inline(always)]
    fn scan_wide(
        &self,
        rows: &Bitmap,
        words: Range<usize>,
        from: Option<&Bound<'a, N>>,
        to: Option<&Bound<'a, N>>,
        found: &mut Vec<Row<N>>,
    ) -> usize {
        let mut before = 0;
        let mut keys = [N::default(); WORD];
        for (at, &word) in words.clone().zip(&rows.words()[words]).filter(|(_, word)| **word != 0) {
            let first = (at * WORD) as u32;
            if word.count_ones() < DENSE {
                before += self.scan_sparse(first, word, from, to, found);
                continue;
            }
            self.fill(first, &mut keys);
            if word != u64::MAX {
                // Rows that are not in the set get a number that is hardly ever within.
                for (bit, key) in keys.iter_mut().enumerate() {
                    *key = if word >> bit & 1 == 0 { N::MAX } else { *key };
                }
            }
            // In most words no row is within, which is seen faster than which rows are.
            let (less, is_hit) = count_less(&keys, from.map(|from| from.key), to.map(|to| to.key));
            if !is_hit {
                before += less;
                continue;
            }
            // Without closures around the loops, which would be functions of their own.
            let less = match from {
                Some(from) => mask(&keys, |key| key < from.key),
                None => 0,
            };
            let within = match to {
                Some(to) => mask(&keys, |key| key <= to.key),
                None => u64::MAX,
            };
            before += (less & word).count_ones() as usize;
            let mut rest = word & !less & within;
            if rest.count_ones() >= DENSE {
                if let Some(from) = from {
                    let not_after = self.not_after(first, rest, &keys, from);
                    before += not_after.count_ones() as usize;
                    rest &= !not_after;
                }
                if let Some(to) = to {
                    rest &= self.not_after(first, rest, &keys, to);
                }
            }
            while rest != 0 {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                let row = self.row(keys[bit as usize], first + bit);
                if from.is_some_and(|from| !self.is_after(&row, from)) {
                    before += 1;
                } else if to.is_none_or(|to| !self.is_after(&row, to)) {
                    found.push(row);
                }
            }
        }
        before
    }

    fn is_after(&self, row: &Row<N>, bound: &Bound<'_, N>) -> bool {
        let order = row.key.cmp(&bound.key).then_with(|| {
            if self.plan.is_exact {
                return row.label.cmp(&bound.label);
            }
            let fields = self.plan.sort.iter().zip(&bound.values);
            let compare = |(key, value): (&SortKey, &Value<'_>)| {
                self.plan.view.value(key.field, row.slot).compare(value, key.descending)
            };
            let order = fields.map(compare).find(|order| order.is_ne());
            order.unwrap_or_else(|| row.label.cmp(&bound.label))
        });
        order.is_gt()
    }
}

/// Where a part lies in the numbers.
#[derive(Clone, Copy)]
struct Place {
    is_first: bool,
    cut: u32,
    up: u32,
}

impl Place {
    #[inline(always)]
    fn put<N: Number>(self, keys: &mut [N], parts: impl Iterator<Item = N>) {
        if self.is_first {
            keys.iter_mut().zip(parts).for_each(|(key, part)| *key = lay(part, self.cut, self.up));
        } else {
            keys.iter_mut().zip(parts).for_each(|(key, part)| *key = *key | lay(part, self.cut, self.up));
        }
    }
}

/// Words with fewer rows than this are looked at row by row.
const DENSE: u32 = 12;

impl<'a, N: Number> Ranking for Keys<'a, N> {
    type Row = Row<N>;
    type Bound = Bound<'a, N>;

    fn slot(row: &Row<N>) -> u32 {
        row.slot
    }

    fn compare(&self, a: &Row<N>, b: &Row<N>) -> Ordering {
        a.key.cmp(&b.key).then_with(|| match self.plan.is_exact {
            true => a.label.cmp(&b.label),
            false => self.plan.view.compare(a.slot, b.slot, self.plan.sort),
        })
    }

    fn bound(&self, row: &Row<N>) -> Bound<'a, N> {
        let values = match self.plan.is_exact {
            true => Vec::new(),
            false => self.plan.sort.iter().map(|key| self.plan.view.value(key.field, row.slot)).collect(),
        };
        Bound { key: row.key, label: row.label, values }
    }

    fn scan_words(
        &self,
        rows: &Bitmap,
        words: Range<usize>,
        from: Option<&Bound<'a, N>>,
        to: Option<&Bound<'a, N>>,
        found: &mut Vec<Row<N>>,
    ) -> usize {
        wide(
            #[inline(always)]
            || self.scan_wide(rows, words, from, to, found),
        )
    }
}

/// How many numbers are less than `from`, and whether any is neither that nor greater than `to`.
#[inline(always)]
fn count_less<N: Number>(keys: &[N; WORD], from: Option<N>, to: Option<N>) -> (usize, bool) {
    let to = to.unwrap_or(N::MAX);
    match from {
        None => (0, keys.iter().fold(false, |is_hit, key| is_hit | (*key <= to))),
        Some(from) => keys.iter().fold((0, false), |(less, is_hit), key| {
            (less + usize::from(*key < from), is_hit | ((*key >= from) & (*key <= to)))
        }),
    }
}
