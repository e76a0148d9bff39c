//! Windows: some rows of a sorted set, without sorting the set.
//!
//! The order by id is kept, so a window of it is a walk. For every other sort the fields of a row are packed into
//! one number, as far as they fit; a partial selection of these numbers finds the window, and only the window is
//! sorted. Where the number does not hold all of the order, equal numbers are told apart by the fields themselves.

use std::cmp::Ordering;

use rollcall_model::query::{Field, SortKey};

use super::bookmark::Position;
use super::columns::{CODES, NO_TIME, code_text, pack_addr};
use super::filter::Bitmap;
use super::symbols::Symbols;
use super::view::{Value, View};

/// The rows of a window in order, and whether there are more behind it.
#[derive(Debug, PartialEq, Eq)]
pub struct Window {
    pub slots: Vec<u32>,
    pub has_more: bool,
}

/// Windows that end within so many rows are collected in one pass with a small buffer.
const BUFFERED_MAX: usize = 4_096;

pub fn take(
    rows: &Bitmap,
    view: View<'_>,
    sort: &[SortKey],
    after: Option<&Position>,
    skip: u64,
    limit: usize,
) -> Window {
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let mut slots = match sort.first() {
        None => walk(rows, view, false, after, skip, limit),
        Some(key) if key.field == Field::Id => walk(rows, view, key.descending, after, skip, limit),
        _ => Plan::new(view, sort).select(rows, after, skip, limit),
    };
    let has_more = slots.len() > limit;
    slots.truncate(limit);
    Window { slots, has_more }
}

/// The window, and one row more if there is one.
fn walk(
    rows: &Bitmap,
    view: View<'_>,
    descending: bool,
    after: Option<&Position>,
    skip: usize,
    limit: usize,
) -> Vec<u32> {
    let after = after.map(|position| (position.id.as_str(), &view.table.ids));
    let walk = view.table.order.walk(after, descending);
    walk.filter(|slot| rows.has(*slot)).skip(skip).take(limit + 1).collect()
}

/// A row on its way into a window: its sort number, its place by id, its slot.
type Candidate = (u128, u64, u32);

struct Plan<'a> {
    view: View<'a>,
    sort: &'a [SortKey],
    parts: Vec<Part<'a>>,
    /// The number holds the whole order.
    is_exact: bool,
}

/// One field within the number.
struct Part<'a> {
    key: SortKey,
    bits: u32,
    ranks: Ranks<'a>,
}

/// How a field's value becomes a number that orders as the value.
enum Ranks<'a> {
    /// A column of times, [`NO_TIME`] where there is none.
    Time(&'a [i64]),
    /// Any other number, or a time that is no column.
    Number {
        least: i64,
    },
    Code {
        column: &'a [u8],
        ranks: [u8; CODES as usize],
    },
    Symbol {
        column: &'a [u32],
        by_number: Vec<u32>,
        sorted: Vec<&'a str>,
    },
    Label,
    Addr,
    Prefix,
}

impl<'a> Plan<'a> {
    fn new(view: View<'a>, sort: &'a [SortKey]) -> Self {
        let (mut parts, mut room, mut is_exact) = (Vec::new(), u128::BITS, true);
        for key in sort {
            if room == 0 {
                is_exact = false;
                break;
            }
            let (ranks, full_bits) = Ranks::new(key.field, view);
            let bits = full_bits.min(room);
            room -= bits;
            is_exact &= bits == full_bits && !matches!(ranks, Ranks::Addr | Ranks::Prefix);
            parts.push(Part { key: *key, bits: full_bits, ranks });
        }
        Self { view, sort, parts, is_exact }
    }

    fn pack(&self, mut rank: impl FnMut(&Part<'a>) -> Option<u128>) -> u128 {
        let (mut packed, mut room) = (0_u128, u128::BITS);
        for part in &self.parts {
            let most = u128::MAX >> (u128::BITS - part.bits);
            // Absent is greatest in either direction.
            let value = match rank(part) {
                None => most,
                Some(rank) if part.key.descending => most - 1 - rank.min(most - 1),
                Some(rank) => rank.min(most - 1),
            };
            let bits = part.bits.min(room);
            room -= bits;
            // A field that is wider than the room left gives its upper bits.
            packed |= (value >> (part.bits - bits)) << room;
        }
        packed
    }

    fn packed(&self, slot: u32) -> u128 {
        self.pack(|part| part.ranks.of_row(part.key.field, slot, self.view))
    }

    fn compare(&self, a: &Candidate, b: &Candidate) -> Ordering {
        a.0.cmp(&b.0).then_with(|| match self.is_exact {
            true => a.1.cmp(&b.1),
            false => self.view.compare(a.2, b.2, self.sort),
        })
    }

    /// Whether a row comes after a position.
    fn is_after(&self, row: &Candidate, position: &Position, packed: u128, label: u64) -> bool {
        let order = row.0.cmp(&packed).then_with(|| {
            if self.is_exact {
                return row.1.cmp(&label);
            }
            let fields = self.sort.iter().zip(&position.values);
            let compare = |(key, value): (&SortKey, &Value<'static>)| {
                self.view.value(key.field, row.2).compare(value, key.descending)
            };
            let order = fields.map(compare).find(|order| order.is_ne());
            order.unwrap_or_else(|| row.1.cmp(&label))
        });
        order.is_gt()
    }

    /// The window, and one row more if there is one.
    fn select(&self, rows: &Bitmap, after: Option<&Position>, skip: usize, limit: usize) -> Vec<u32> {
        let wanted = skip.saturating_add(limit).saturating_add(1);
        let after = after.map(|position| {
            let mut values = position.values.iter();
            let packed = self.pack(|part| {
                values.next().and_then(|value| part.ranks.of_value(part.key.field, value, self.view))
            });
            (position, packed, self.view.table.order.label_of(&position.id, &self.view.table.ids))
        });
        let mut found: Vec<Candidate> = Vec::new();
        let buffer = if wanted <= BUFFERED_MAX { 2 * wanted.max(64) } else { usize::MAX };
        let mut worst: Option<Candidate> = None;
        rows.for_each(|slot| {
            let packed = self.packed(slot);
            // Most rows end here, before anything else is read of them.
            if worst.is_some_and(|worst| packed > worst.0) {
                return;
            }
            let row = (packed, self.view.table.order.label(slot), slot);
            if worst.is_some_and(|worst| self.is_exact && row > worst)
                || after
                    .is_some_and(|(position, packed, label)| !self.is_after(&row, position, packed, label))
            {
                return;
            }
            found.push(row);
            if found.len() == buffer {
                found.select_nth_unstable_by(wanted - 1, |a, b| self.compare(a, b));
                found.truncate(wanted);
                worst = found.last().copied();
            }
        });
        if skip >= found.len() {
            return Vec::new();
        }
        if skip > 0 {
            found.select_nth_unstable_by(skip, |a, b| self.compare(a, b));
            found.drain(..skip);
        }
        if found.len() > limit + 1 {
            found.select_nth_unstable_by(limit, |a, b| self.compare(a, b));
            found.truncate(limit + 1);
        }
        found.sort_unstable_by(|a, b| self.compare(a, b));
        found.into_iter().map(|(_, _, slot)| slot).collect()
    }
}

/// Enough for every millisecond of the years 0001 to 9999.
const TIME_BITS: u32 = 50;
const LEAST_TIME_MS: i64 = -62_135_596_800_000;

impl<'a> Ranks<'a> {
    /// The ranks of a field, and how many bits they take.
    fn new(field: Field, view: View<'a>) -> (Self, u32) {
        let columns = &view.table.columns;
        if let Some(times) = columns.times(field) {
            return (Self::Time(times), TIME_BITS);
        }
        match field {
            Field::StaleSince => (Self::Number { least: LEAST_TIME_MS }, TIME_BITS),
            Field::MqttReasonCode | Field::CloseCode | Field::RecentConnects => {
                (Self::Number { least: 0 }, 33)
            }
            Field::Secure => (Self::Number { least: 0 }, 2),
            Field::DeviceType => (Self::symbols(&columns.device_type, &view.table.device_types), 34),
            Field::Reason => (Self::symbols(&columns.reason, &view.table.reasons), 34),
            Field::Id => (Self::Label, 64),
            Field::ClientAddr => (Self::Addr, 128),
            Field::DeviceId => (Self::Prefix, 128),
            _ => (Self::codes(field, columns.codes(field).unwrap_or_default()), 6),
        }
    }

    fn codes(field: Field, column: &'a [u8]) -> Self {
        let mut texts: Vec<_> = (0..CODES).filter_map(|code| code_text(field, code)).collect();
        texts.sort_unstable();
        texts.dedup();
        let rank = |code| code_text(field, code).and_then(|text| texts.binary_search(&text).ok());
        let ranks = std::array::from_fn(|code| rank(code as u8).map_or(0, |rank| rank as u8));
        Self::Code { column, ranks }
    }

    fn symbols(column: &'a [u32], symbols: &'a Symbols) -> Self {
        let mut by_number = vec![0; symbols.bound()];
        let sorted = symbols.sorted();
        for (rank, (_, number)) in sorted.iter().enumerate() {
            by_number[*number as usize] = rank as u32;
        }
        Self::Symbol { column, by_number, sorted: sorted.into_iter().map(|(text, _)| text).collect() }
    }

    fn of_row(&self, field: Field, slot: u32, view: View<'_>) -> Option<u128> {
        let at = slot as usize;
        match self {
            Self::Time(times) => Some(times[at]).filter(|ms| *ms != NO_TIME).map(time_rank),
            Self::Number { least } => match view.value(field, slot) {
                Value::Number(number) => u128::try_from(number - least).ok(),
                _ => None,
            },
            Self::Code { column, ranks } => {
                let code = column[at];
                (code != 0).then(|| u128::from(ranks[usize::from(code)]))
            }
            Self::Symbol { column, by_number, .. } => {
                let number = column[at];
                (number != 0).then(|| present(by_number[number as usize]))
            }
            Self::Label => Some(u128::from(view.table.order.label(slot))),
            Self::Addr => Some(view.table.columns.addr[at]).filter(|addr| *addr != 0),
            Self::Prefix => view.device_id(slot).map(prefix),
        }
    }

    /// The rank of a value that a bookmark remembers; it need not be in the fleet any more.
    fn of_value(&self, field: Field, value: &Value<'_>, view: View<'_>) -> Option<u128> {
        match (self, value) {
            (_, Value::Absent) => None,
            (Self::Time(_), Value::Number(ms)) => Some(time_rank(*ms)),
            (Self::Number { least }, Value::Number(number)) => {
                Some(u128::try_from(number.saturating_sub(*least)).unwrap_or(0))
            }
            (Self::Code { ranks, .. }, Value::Text(text)) => {
                let code = (0..CODES).find(|code| code_text(field, *code) == Some(text));
                Some(code.map_or(0, |code| u128::from(ranks[usize::from(code)])))
            }
            (Self::Symbol { sorted, .. }, Value::Text(text)) => {
                Some(match sorted.binary_search_by(|probe| (*probe).cmp(text)) {
                    Ok(at) => present(at as u32),
                    Err(at) => 2 * at as u128,
                })
            }
            (Self::Label, Value::Text(id)) => {
                Some(u128::from(view.table.order.label_of(id, &view.table.ids)))
            }
            (Self::Addr, Value::Text(addr)) => Some(pack_addr(Some(addr))),
            (Self::Prefix, Value::Text(text)) => Some(prefix(text)),
            // A value of the wrong kind: whoever made that bookmark gets the beginning.
            _ => Some(0),
        }
    }
}

const fn time_rank(ms: i64) -> u128 {
    let rank = ms.saturating_sub(LEAST_TIME_MS);
    if rank < 0 { 0 } else { rank as u128 }
}

/// Leaves room between the ranks of the texts that are there, for those that are not.
const fn present(rank: u32) -> u128 {
    2 * rank as u128 + 1
}

/// The first 16 bytes of a text as a number that compares as they do.
fn prefix(text: &str) -> u128 {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    u128::from_be_bytes(bytes)
}
