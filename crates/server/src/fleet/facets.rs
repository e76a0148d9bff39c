//! Facets: how often each value of a field occurs among the rows of a filter. Absent values are not counted.

use ahash::AHashMap;
use rollcall_model::Timestamp;
use rollcall_model::query::Field;
use rollcall_model::state::RECENT_CONNECTS_MAX;

use super::columns::{CODES, NO_TIME, PackedAddr, code_text, is_long_addr, unpack_addr};
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
pub fn count(rows: &Rows<'_>, fields: &[Field], view: View<'_>) -> Vec<(Field, Vec<(String, u64)>)> {
    let count = |field: &Field| match Profile::has(*field) {
        true => of_profiles(rows.by_profile(), *field, view),
        false => count_values(rows, *field, view),
    };
    fields.iter().map(|field| (*field, count(field))).collect()
}

/// Of reason and close codes, plus one.
const SMALL_NUMBERS: usize = 512;

fn of_profiles(counts: &[u64], field: Field, view: View<'_>) -> Vec<(String, u64)> {
    let profiles = &view.table.profiles;
    let with_counts =
        profiles.iter().map(|(profile, _)| profile).zip(counts).filter(|(_, count)| **count > 0);
    let by_symbol = |symbols: &Symbols, symbol: &dyn Fn(&Profile) -> u32| {
        let mut by_number = vec![0_u64; symbols.bound()];
        with_counts.clone().for_each(|(profile, count)| by_number[symbol(profile) as usize] += count);
        let texts = by_number.into_iter().enumerate();
        let texts = texts.filter_map(|(number, count)| Some((symbols.text(number as u32)?, count)));
        top(texts.collect::<Vec<_>>(), str::to_owned)
    };
    match field {
        Field::DeviceType => by_symbol(&profiles.device_types, &|profile| profile.device_type),
        Field::Reason => by_symbol(&profiles.reasons, &|profile| profile.reason),
        Field::MqttReasonCode | Field::CloseCode => {
            // Nearly all numbers are small.
            let mut small = vec![0_u64; SMALL_NUMBERS];
            let mut great: AHashMap<u32, u64> = AHashMap::new();
            for (profile, count) in with_counts {
                let number = profile.number(field).unwrap_or_default();
                match small.get_mut(number as usize) {
                    Some(sum) => *sum += count,
                    None => *great.entry(number).or_default() += count,
                }
            }
            let numbers = (0_u32..).zip(small).chain(great);
            top(numbers.filter_map(|(number, count)| Some((number.checked_sub(1)?, count))), |number| {
                number.to_string()
            })
        }
        _ => {
            let mut by_code = [0_u64; CODES as usize];
            for (profile, count) in with_counts {
                if let Some(sum) = profile.code(field).and_then(|code| by_code.get_mut(usize::from(code))) {
                    *sum += count;
                }
            }
            // Two codes can have one text: MQTT 5 with and without WebSocket.
            let mut by_text: AHashMap<&'static str, u64> = AHashMap::new();
            for (code, count) in (0..CODES).zip(by_code) {
                if let Some(text) = code_text(field, code) {
                    *by_text.entry(text).or_default() += count;
                }
            }
            top(by_text, str::to_owned)
        }
    }
}

fn count_values(rows: &Rows<'_>, field: Field, view: View<'_>) -> Vec<(String, u64)> {
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
            let first = window::take(rows, view, &[], None, 0, FACET_VALUES_MAX).slots;
            first.into_iter().map(|slot| (table.ids.get(slot).to_owned(), 1)).collect()
        }
        Field::DeviceId => top(frequent::count(rows.bits(), |slot| view.device_id(slot)), str::to_owned),
        _ => {
            let addrs = &table.columns.addr;
            let addr = |slot: u32| match addrs[slot as usize] {
                0 => None,
                addr if is_long_addr(addr) => view.long_addr(slot).map(Err),
                addr => Some(Ok(addr)),
            };
            let text = |addr: Result<PackedAddr, String>| {
                addr.map_or_else(|long| long, |packed| unpack_addr(packed).unwrap_or_default())
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
