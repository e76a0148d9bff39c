//! Sort plans: how the fields that a sort asks for lie in one number, so that the numbers order as the rows do.
//! [`super::keys`] works with these numbers.

use std::ops::{BitOr, Shl, Shr};

use rollcall_model::query::{Field, SortKey};

use super::columns::{CODES, NO_TIME, code_text};
use super::packed_addr::{self, NO_ADDR, PackedAddr};
use super::profiles::Profile;
use super::symbols::Symbols;
use super::view::{Value, View};

/// A number that holds a sort key.
pub trait Number:
    Copy + Ord + Default + Send + Sync + BitOr<Output = Self> + Shl<u32, Output = Self> + Shr<u32, Output = Self>
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
    pub view: View<'a>,
    pub sort: &'a [SortKey],
    pub parts: Vec<Part<'a>>,
    bits: u32,
    /// The number holds the whole order but that of the ids.
    pub is_exact: bool,
}

/// One field within the number.
pub struct Part<'a> {
    pub key: SortKey,
    pub bits: u32,
    pub source: Source<'a>,
}

/// Where a field's value comes from and how it becomes a number that orders as it.
pub enum Source<'a> {
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
            // Behind a number that two values can share, the next one would be compared too early.
            if plan.bits >= u128::BITS || !plan.is_exact {
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
    pub fn pack<N: Number>(&self, mut part: impl FnMut(&Part<'a>) -> N) -> N {
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
#[inline(always)]
pub fn lay<N: Number>(part: N, cut: u32, up: u32) -> N {
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
            Field::ClientAddr => (Source::Addr, u64::BITS),
            Field::DeviceId => (Source::DeviceId, u128::BITS),
            _ => return Self::in_profile(key, view),
        };
        Self { key, bits, source }
    }

    fn in_profile(key: SortKey, view: View<'a>) -> Self {
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
        let of_code = |code| {
            let text = code_text(key.field, code)?;
            texts.binary_search(&text).ok().map(present)
        };
        let codes: Vec<_> = (0..CODES).map(of_code).collect();
        let rank = |profile: &Profile| match key.field {
            Field::DeviceType => ranks.get(profile.device_type as usize).copied().flatten(),
            Field::Reason => ranks.get(profile.reason as usize).copied().flatten(),
            Field::Secure => u64::from(profile.secure).checked_sub(1),
            field => match profile.number(field) {
                Some(number) => u64::from(number).checked_sub(1),
                None => profile.code(field).and_then(|code| codes.get(usize::from(code)).copied().flatten()),
            },
        };
        let parts = profiles.iter().map(|(profile, _)| part.finish(rank(profile))).collect();
        part.source = Source::Profile { parts, texts };
        part
    }

    /// The part of a time in milliseconds, or of [`NO_TIME`].
    #[inline(always)]
    pub fn times(&self) -> impl Fn(i64) -> u64 + use<> {
        const MOST: u64 = (1 << TIME_BITS) - 1;
        let descending = self.key.descending;
        move |ms| {
            // No time is less than the least and becomes greater than any.
            let rank = (ms.wrapping_sub(LEAST_TIME_MS) as u64).min(MOST);
            if descending & (rank < MOST) { MOST - 1 - rank } else { rank }
        }
    }

    pub const fn label(&self, label: u64) -> u64 {
        if self.key.descending { !label } else { label }
    }

    /// The part of a packed address: none is the greatest in either direction.
    pub const fn addr(&self, packed: PackedAddr) -> u64 {
        if self.key.descending && packed != NO_ADDR { NO_ADDR - 1 - packed } else { packed }
    }

    /// Absent is greatest in either direction.
    pub fn finish(&self, rank: Option<u64>) -> u64 {
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

    pub fn of_row<N: Number>(&self, slot: u32, view: View<'_>) -> N {
        let at = slot as usize;
        match &self.source {
            Source::Profile { parts, .. } => N::from_u64(parts[view.table.columns.profile[at] as usize]),
            Source::Time(times) => N::from_u64(self.times()(times[at])),
            Source::Stale => N::from_u64(self.times()(view.table.stale_since(at))),
            Source::RecentConnects => {
                N::from_u64(self.finish(u64::try_from(view.recent_connects(slot)).ok()))
            }
            Source::Label => N::from_u64(self.label(view.table.order.label(slot))),
            Source::Addr => N::from_u64(self.addr(view.table.columns.addr[at])),
            Source::DeviceId => N::from_wide(self.finish_wide(view.device_id(slot).map(prefix))),
        }
    }

    /// The part of a profile, by its number; for a field of profiles.
    pub fn of_profile(&self, number: u32) -> u128 {
        match &self.source {
            Source::Profile { parts, .. } => u128::from(parts[number as usize]),
            _ => 0,
        }
    }

    /// The part of a value that a bookmark remembers; it need not be in the fleet any more.
    pub fn of_value(&self, value: &Value<'_>) -> u128 {
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
            (Source::Addr, Value::Text(addr)) => return u128::from(self.addr(packed_addr::pack(Some(addr)))),
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
