//! Sort keys: the fields of a row that a sort asks for, packed into one number that orders as the rows do.
//!
//! Where the number does not hold all of the order (fields too wide, addresses too long), equal numbers are told
//! apart by the fields themselves; where it does, by the labels of the ids.

use std::cmp::Ordering;
use std::ops::{BitOr, Shl, Shr};

use rollcall_model::query::{Field, SortKey};

use super::bitmap::{Bitmap, WORD, mask};
use super::bookmark::Position;
use super::columns::{CODES, NO_TIME, code_text, pack_addr};
use super::profiles::Profile;
use super::select::Ranking;
use super::symbols::Symbols;
use super::view::{Value, View};

/// A number that holds a sort key.
pub trait Number:
    Copy + Ord + Default + BitOr<Output = Self> + Shl<u32, Output = Self> + Shr<u32, Output = Self>
{
    const BITS: u32;
    const MAX: Self;
    /// Loses what does not fit.
    fn from_wide(wide: u128) -> Self;
    fn from_u64(number: u64) -> Self;
}

impl Number for u64 {
    const BITS: u32 = Self::BITS;
    const MAX: Self = Self::MAX;
    fn from_wide(wide: u128) -> Self {
        wide as Self
    }
    fn from_u64(number: u64) -> Self {
        number
    }
}

impl Number for u128 {
    const BITS: u32 = Self::BITS;
    const MAX: Self = Self::MAX;
    fn from_wide(wide: u128) -> Self {
        wide
    }
    fn from_u64(number: u64) -> Self {
        Self::from(number)
    }
}

/// How the fields of a sort lie in the number, the first one at the top.
pub struct Plan<'a> {
    view: View<'a>,
    sort: &'a [SortKey],
    parts: Vec<Part<'a>>,
    bits: u32,
    /// The number holds the whole order but that of the ids.
    is_exact: bool,
}

/// One field within the number.
struct Part<'a> {
    key: SortKey,
    bits: u32,
    source: Source<'a>,
}

/// Where a field's value comes from and how it becomes a number that orders as it.
enum Source<'a> {
    /// A field of the profile: the finished part for each of them, by number.
    Profile {
        parts: Vec<u64>,
        texts: Vec<&'a str>,
    },
    /// A column of times, [`NO_TIME`] where there is none.
    Time(&'a [i64]),
    Stale,
    RecentConnects,
    /// The id.
    Label,
    Addr,
    /// The beginning of the device id.
    DeviceId,
}

/// Enough for every millisecond of the years 0001 to 9999, and for none.
const TIME_BITS: u32 = 49;
const LEAST_TIME_MS: i64 = -62_135_596_800_000;
/// Enough for any close code.
const NUMBER_BITS: u32 = 17;

impl<'a> Plan<'a> {
    pub fn new(view: View<'a>, sort: &'a [SortKey]) -> Self {
        let mut plan = Self { view, sort, parts: Vec::new(), bits: 0, is_exact: true };
        for key in sort {
            if plan.bits >= u128::BITS {
                plan.is_exact = false;
                break;
            }
            let part = Part::new(*key, view);
            plan.is_exact &= match part.source {
                Source::Addr => view.table.long_addrs == 0,
                Source::DeviceId => false,
                _ => true,
            };
            plan.bits += part.bits;
            plan.parts.push(part);
            if key.field == Field::Id {
                break;
            }
        }
        plan.is_exact &= plan.bits <= u128::BITS;
        plan
    }

    /// How many bits the number needs.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// Puts parts one after the other. Of the last one that fits in part only, the upper bits count.
    fn pack<N: Number>(&self, mut part: impl FnMut(&Part<'a>) -> N) -> N {
        let (mut packed, mut room) = (N::default(), N::BITS);
        for each in &self.parts {
            let bits = each.bits.min(room);
            room -= bits;
            packed = packed | lay(part(each), each.bits - bits, room);
        }
        packed
    }
}

/// Cuts the lowest bits of a part off and moves it up to its place.
fn lay<N: Number>(part: N, cut: u32, up: u32) -> N {
    if cut > 0 {
        part >> cut
    } else if up < N::BITS {
        part << up
    } else {
        part
    }
}

impl<'a> Part<'a> {
    fn new(key: SortKey, view: View<'a>) -> Self {
        let table = view.table;
        let (source, bits) = match key.field {
            field if table.columns.times(field).is_some() => {
                (Source::Time(table.columns.times(field).unwrap_or_default()), TIME_BITS)
            }
            Field::StaleSince => (Source::Stale, TIME_BITS),
            Field::RecentConnects => (Source::RecentConnects, 8),
            Field::Id => (Source::Label, u64::BITS),
            Field::ClientAddr => (Source::Addr, u128::BITS),
            Field::DeviceId => (Source::DeviceId, u128::BITS),
            _ => return Self::of_profile(key, view),
        };
        Self { key, bits, source }
    }

    fn of_profile(key: SortKey, view: View<'a>) -> Self {
        let profiles = &view.table.profiles;
        let (texts, bits) = match key.field {
            Field::DeviceType => texts_of(&profiles.device_types),
            Field::Reason => texts_of(&profiles.reasons),
            Field::MqttReasonCode | Field::CloseCode | Field::Secure => (Vec::new(), NUMBER_BITS),
            field => {
                let mut texts: Vec<_> = (0..CODES).filter_map(|code| code_text(field, code)).collect();
                texts.sort_unstable();
                texts.dedup();
                (texts, 6)
            }
        };
        let mut part = Self { key, bits, source: Source::Stale };
        let ranks = match key.field {
            Field::DeviceType => ranks_of(&profiles.device_types),
            Field::Reason => ranks_of(&profiles.reasons),
            _ => Vec::new(),
        };
        let rank = |profile: &Profile| match key.field {
            Field::DeviceType => ranks.get(profile.device_type as usize).copied().flatten(),
            Field::Reason => ranks.get(profile.reason as usize).copied().flatten(),
            Field::Secure => u64::from(profile.secure).checked_sub(1),
            field => match profile.number(field) {
                Some(number) => u64::from(number).checked_sub(1),
                None => {
                    let text = profile.code(field).and_then(|code| code_text(field, code));
                    text.and_then(|text| texts.binary_search(&text).ok()).map(present)
                }
            },
        };
        let parts = profiles.iter().map(|(profile, _)| part.finish(rank(profile)) as u64).collect();
        part.source = Source::Profile { parts, texts };
        part
    }

    /// The part of a time in milliseconds, or of [`NO_TIME`].
    fn times(&self) -> impl Fn(i64) -> u64 + use<> {
        const MOST: u64 = (1 << TIME_BITS) - 1;
        let descending = self.key.descending;
        move |ms| {
            // No time is less than the least and becomes greater than any.
            let rank = (ms.wrapping_sub(LEAST_TIME_MS) as u64).min(MOST);
            if descending & (rank < MOST) { MOST - 1 - rank } else { rank }
        }
    }

    const fn label(&self, label: u64) -> u64 {
        if self.key.descending { !label } else { label }
    }

    /// The part of a packed address: none is 0 and becomes the greatest in either direction.
    const fn addr(&self, packed: u128) -> u128 {
        if self.key.descending && packed != 0 { u128::MAX - packed } else { packed.wrapping_sub(1) }
    }

    /// Absent is greatest in either direction.
    fn finish(&self, rank: Option<u64>) -> u64 {
        self.finish_wide(rank.map(u128::from)) as u64
    }

    fn finish_wide(&self, rank: Option<u128>) -> u128 {
        let most = u128::MAX >> (u128::BITS - self.bits);
        match rank {
            None => most,
            Some(rank) if self.key.descending => most - 1 - rank.min(most - 1),
            Some(rank) => rank.min(most - 1),
        }
    }

    fn of_row<N: Number>(&self, slot: u32, view: View<'_>) -> N {
        let at = slot as usize;
        match &self.source {
            Source::Profile { parts, .. } => N::from_u64(parts[view.table.columns.profile[at] as usize]),
            Source::Time(times) => N::from_u64(self.times()(times[at])),
            Source::Stale => N::from_u64(self.times()(view.table.stale_since(at))),
            Source::RecentConnects => {
                N::from_u64(self.finish(u64::try_from(view.recent_connects(slot)).ok()))
            }
            Source::Label => N::from_u64(self.label(view.table.order.label(slot))),
            Source::Addr => N::from_wide(self.addr(view.table.columns.addr[at])),
            Source::DeviceId => N::from_wide(self.finish_wide(view.device_id(slot).map(prefix))),
        }
    }

    /// The part of a value that a bookmark remembers; it need not be in the fleet any more.
    fn of_value(&self, value: &Value<'_>) -> u128 {
        let rank = match (&self.source, value) {
            (_, Value::Absent) => None,
            (Source::Time(_) | Source::Stale, Value::Number(ms)) => time_rank(*ms).map(u128::from),
            (Source::RecentConnects, Value::Number(number)) => Some(u128::try_from(*number).unwrap_or(0)),
            (Source::Profile { texts, .. }, Value::Number(number)) if texts.is_empty() => {
                Some(u128::try_from(*number).unwrap_or(0))
            }
            (Source::Profile { texts, .. }, Value::Text(text)) => {
                Some(u128::from(match texts.binary_search_by(|probe| (*probe).cmp(text)) {
                    Ok(at) => present(at),
                    Err(at) => 2 * at as u64,
                }))
            }
            (Source::Addr, Value::Text(addr)) => return self.addr(pack_addr(Some(addr))),
            (Source::DeviceId, Value::Text(text)) => Some(prefix(text)),
            // A value of the wrong kind: whoever made that bookmark gets the beginning.
            _ => Some(0),
        };
        self.finish_wide(rank)
    }
}

fn texts_of(symbols: &Symbols) -> (Vec<&str>, u32) {
    let texts: Vec<_> = symbols.sorted().map(|(text, _)| text).collect();
    let bits = u64::BITS - (2 * texts.len() as u64 + 2).leading_zeros();
    (texts, bits)
}

/// The ranks of symbols among all texts, by number.
fn ranks_of(symbols: &Symbols) -> Vec<Option<u64>> {
    let mut ranks = vec![None; symbols.bound()];
    for (rank, (_, number)) in symbols.sorted().enumerate() {
        ranks[number as usize] = Some(present(rank));
    }
    ranks
}

/// Leaves room between the ranks of the texts that are there, for those that are not.
const fn present(rank: usize) -> u64 {
    2 * rank as u64 + 1
}

const fn time_rank(ms: i64) -> Option<u64> {
    if ms == NO_TIME {
        return None;
    }
    let rank = ms.saturating_sub(LEAST_TIME_MS);
    Some(if rank < 0 { 0 } else { rank as u64 })
}

/// The first 16 bytes of a text as a number that compares as they do.
fn prefix(text: &str) -> u128 {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    u128::from_be_bytes(bytes)
}

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
                place.put(keys, addrs.map(|addr| N::from_wide(part.addr(*addr))));
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
    fn not_after(&self, first: u32, rows: u64, keys: &[N; WORD], bound: &Bound<'_, N>) -> u64 {
        let less = mask(keys, |key| key < bound.key);
        let equal = mask(keys, |key| key == bound.key) & rows;
        if equal == 0 || self.plan.is_exact {
            let labels = self.plan.view.table.order.labels(first, WORD);
            return rows & (less | equal & mask(labels, |label| label <= bound.label));
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

    /// As [`Ranking::scan`], for a word with few rows.
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

    fn scan(
        &self,
        rows: &Bitmap,
        from: Option<&Bound<'a, N>>,
        to: Option<&Bound<'a, N>>,
        found: &mut Vec<Row<N>>,
    ) -> usize {
        let mut before = 0;
        let mut keys = [N::default(); WORD];
        for (at, &word) in rows.words().iter().enumerate().filter(|(_, word)| **word != 0) {
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
            let less = from.map_or(0, |from| mask(&keys, |key| key < from.key));
            let within = to.map_or(u64::MAX, |to| mask(&keys, |key| key <= to.key));
            before += (less & word).count_ones() as usize;
            let mut rest = word & !less & within;
            if rest.count_ones() >= DENSE {
                let not_after = from.map_or(0, |from| self.not_after(first, rest, &keys, from));
                before += not_after.count_ones() as usize;
                rest &= !not_after & to.map_or(u64::MAX, |to| self.not_after(first, rest, &keys, to));
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
}

/// How many numbers are less than `from`, and whether any is neither that nor greater than `to`.
fn count_less<N: Number>(keys: &[N; WORD], from: Option<N>, to: Option<N>) -> (usize, bool) {
    let to = to.unwrap_or(N::MAX);
    match from {
        None => (0, keys.iter().fold(false, |is_hit, key| is_hit | (*key <= to))),
        Some(from) => keys.iter().fold((0, false), |(less, is_hit), key| {
            (less + usize::from(*key < from), is_hit | ((*key >= from) & (*key <= to)))
        }),
    }
}
