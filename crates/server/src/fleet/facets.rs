//! Facets: how often each value of a field occurs among the rows of a filter. Absent values are not counted.

use ahash::AHashMap;
use rollcall_model::Timestamp;
use rollcall_model::query::Field;
use rollcall_model::state::RECENT_CONNECTS_MAX;

use super::columns::{CODES, NO_TIME, code_text};
use super::packed_addr::{self, NO_ADDR, PackedAddr};
use super::profiles::Profile;
use super::rows::Rows;
use super::symbols::Symbols;
use super::view::View;
use super::{frequent, window};

/// Of a field with more values than this the most frequent are given.
pub const FACET_VALUES_MAX: usize = 100;

/// The values of each field in the rows, the most frequent first, equally frequent ones by their text.
///
/// Of a field with many values in many rows (see [`super::frequent`]) only those that are frequent enough are given.
/// The counts are right in any case.
pub fn count(rows: &Rows<'_>, fields: &[Field]) -> Vec<(Field, Vec<(String, u64)>)> {
    let (view, mut tally) = (rows.view, None);
    let mut count = |field: &Field| match Profile::has(*field) {
        true => tally.get_or_insert_with(|| Tally::of(rows.by_profile(), view)).values(*field, view),
        false => count_values(rows, *field),
    };
    fields.iter().map(|field| (*field, count(field))).collect()
}

/// How often each value of each field of the profile occurs: all fields at once, because reading the profiles takes
/// longer than adding.
struct Tally {
    /// By the number of the symbol.
    device_types: Vec<u64>,
    reasons: Vec<u64>,
    /// By the number plus one.
    reason_codes: Vec<u64>,
    close_codes: Vec<u64>,
    /// Of close codes that are not in there: nearly all are small.
    great_close_codes: AHashMap<u32, u64>,
    /// In the order of [`CODED`], by code.
    codes: [[u64; CODES as usize]; CODED.len()],
}

/// The fields that have codes.
const CODED: [Field; 7] = [
    Field::ClientType,
    Field::ConnectionStatus,
    Field::Certainty,
    Field::LastActivityEvent,
    Field::MqttConnectProtocol,
    Field::DisconnectInitiator,
    Field::Secure,
];
const SMALL_CLOSE_CODES: usize = 512;

impl Tally {
    /// From how many rows have each profile.
    fn of(counts: &[u64], view: View<'_>) -> Self {
        let profiles = &view.table.profiles;
        let mut tally = Self {
            device_types: vec![0; profiles.device_types.bound()],
            reasons: vec![0; profiles.reasons.bound()],
            reason_codes: vec![0; usize::from(u8::MAX) + 2],
            close_codes: vec![0; SMALL_CLOSE_CODES],
            great_close_codes: AHashMap::new(),
            codes: [[0; CODES as usize]; CODED.len()],
        };
        for ((profile, _), count) in profiles.iter().zip(counts).filter(|(_, count)| **count > 0) {
            tally.device_types[profile.device_type as usize] += count;
            tally.reasons[profile.reason as usize] += count;
            tally.reason_codes[usize::from(profile.reason_code)] += count;
            match tally.close_codes.get_mut(profile.close_code as usize) {
                Some(sum) => *sum += count,
                None => *tally.great_close_codes.entry(profile.close_code).or_default() += count,
            }
            for (codes, field) in tally.codes.iter_mut().zip(CODED) {
                codes[usize::from(profile.code(field).unwrap_or_default())] += count;
            }
        }
        tally
    }

    fn values(&self, field: Field, view: View<'_>) -> Vec<(String, u64)> {
        let profiles = &view.table.profiles;
        let numbers = |counts: &[u64]| (0_u32..).zip(counts.to_vec());
        match field {
            Field::DeviceType => of_symbols(&self.device_types, &profiles.device_types),
            Field::Reason => of_symbols(&self.reasons, &profiles.reasons),
            Field::MqttReasonCode => of_numbers(numbers(&self.reason_codes)),
            Field::CloseCode => {
                let great = self.great_close_codes.iter().map(|(code, count)| (*code, *count));
                of_numbers(numbers(&self.close_codes).chain(great))
            }
            _ => {
                // Two codes can have one text: MQTT 5 with and without WebSocket.
                let mut by_text: AHashMap<&'static str, u64> = AHashMap::new();
                let codes = CODED.iter().zip(&self.codes).filter(|(coded, _)| **coded == field);
                for (code, count) in codes.flat_map(|(_, counts)| (0_u8..).zip(counts)) {
                    if let Some(text) = code_text(field, code) {
                        *by_text.entry(text).or_default() += count;
                    }
                }
                top(by_text, str::to_owned)
            }
        }
    }
}

fn of_symbols(counts: &[u64], symbols: &Symbols) -> Vec<(String, u64)> {
    let texts = (0_u32..).zip(counts);
    top(texts.filter_map(|(number, count)| Some((symbols.text(number)?, *count))), str::to_owned)
}

/// From numbers plus one.
fn of_numbers(counts: impl Iterator<Item = (u32, u64)>) -> Vec<(String, u64)> {
    let numbers = counts.filter_map(|(number, count)| Some((number.checked_sub(1)?, count)));
    top(numbers, |number| number.to_string())
}

fn count_values(rows: &Rows<'_>, field: Field) -> Vec<(String, u64)> {
    let view = rows.view;
    let table = view.table;
    if let Some(times) = table.columns.times(field) {
        let value = |slot| Some(times[slot as usize]).filter(|ms| *ms != NO_TIME);
        return top(frequent::count(rows.bits(), value), time_text);
    }
    match field {
        Field::StaleSince if !table.has_stale() => Vec::new(),
        Field::StaleSince => {
            let value = |slot| Some(table.stale_since(slot as usize)).filter(|ms| *ms != NO_TIME);
            top(frequent::count(rows.bits(), value), time_text)
        }
        Field::RecentConnects => {
            let mut counts = [0_u64; RECENT_CONNECTS_MAX + 1];
            let mut recent = rows.bits().clone();
            if table.odd_recent == 0 {
                let since = view.recent_since();
                recent.retain_values(&table.columns.connect_time, false, |ms| ms > since);
                counts[0] = rows.bits().count() - recent.count();
            }
            recent.for_each(|slot| {
                let count = usize::try_from(view.recent_connects(slot)).unwrap_or(0);
                counts[count.min(RECENT_CONNECTS_MAX)] += 1;
            });
            top(counts.into_iter().enumerate(), |count| count.to_string())
        }
        // Each id occurs once: the first in order are as frequent as any.
        Field::Id => {
            let first = window::take(rows, &[], None, 0, FACET_VALUES_MAX).slots;
            first.into_iter().map(|slot| (table.ids.get(slot).to_owned(), 1)).collect()
        }
        Field::DeviceId => top(frequent::count(rows.bits(), |slot| view.device_id(slot)), str::to_owned),
        _ => {
            let addrs = &table.columns.addr;
            let addr = |slot: u32| match addrs[slot as usize] {
                NO_ADDR => None,
                addr if packed_addr::is_long(addr) => view.long_addr(slot).map(Err),
                addr => Some(Ok(addr)),
            };
            let text = |addr: Result<PackedAddr, String>| {
                addr.map_or_else(|long| long, |packed| packed_addr::unpack(packed).unwrap_or_default())
            };
            top(frequent::count(rows.bits(), addr), text)
        }
    }
}

fn time_text(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string()
}

fn top<T>(counts: impl IntoIterator<Item = (T, u64)>, text: impl Fn(T) -> String) -> Vec<(String, u64)> {
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    if counts.len() > FACET_VALUES_MAX {
        // Only values as frequent as the last that is kept can be kept: the texts of the others are not needed.
        counts.select_nth_unstable_by_key(FACET_VALUES_MAX - 1, |(_, count)| std::cmp::Reverse(*count));
        let least = counts[FACET_VALUES_MAX - 1].1;
        counts.retain(|(_, count)| *count >= least);
    }
    let mut counts: Vec<_> = counts.into_iter().map(|(value, count)| (text(value), count)).collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(FACET_VALUES_MAX);
    counts
}
