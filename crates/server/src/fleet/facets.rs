//! Facets: how often each value of a field occurs among the rows of a filter. Absent values are not counted.

use std::hash::Hash;

use ahash::AHashMap;
use rollcall_model::Timestamp;
use rollcall_model::query::Field;

use super::columns::{CODES, NO_TIME, code_text, is_long_addr, unpack_addr};
use super::filter::Bitmap;
use super::symbols::Symbols;
use super::view::View;

/// Of a field with more values than this the most frequent are given.
pub const FACET_VALUES_MAX: usize = 100;

/// The values of a field in the rows, the most frequent first, equally frequent ones by their text.
pub fn count(rows: &Bitmap, field: Field, view: View<'_>) -> Vec<(String, u64)> {
    let columns = &view.table.columns;
    if let Some(codes) = columns.codes(field) {
        return count_codes(rows, field, codes);
    }
    if let Some(times) = columns.times(field) {
        let value = |slot| Some(times[slot as usize]).filter(|ms| *ms != NO_TIME);
        return top(tally(rows, value), time_text);
    }
    match field {
        Field::DeviceType => count_symbols(rows, &columns.device_type, &view.table.device_types),
        Field::Reason => count_symbols(rows, &columns.reason, &view.table.reasons),
        Field::MqttReasonCode => count_numbers(rows, |at| u32::from(columns.reason_code[at]), 1 << 8),
        Field::CloseCode => count_numbers(rows, |at| columns.close_code[at], 1 << 16),
        Field::StaleSince => {
            let value = |slot| Some(view.table.stale_since(slot as usize)).filter(|ms| *ms != NO_TIME);
            top(tally(rows, value), time_text)
        }
        Field::RecentConnects => top(tally(rows, |slot| Some(view.recent_connects(slot))), |n| n.to_string()),
        // Each id occurs once: the first in order are as frequent as any.
        Field::Id => {
            let first = view.table.order.walk(None, false).filter(|slot| rows.has(*slot));
            first.take(FACET_VALUES_MAX).map(|slot| (view.table.ids.get(slot).to_owned(), 1)).collect()
        }
        Field::DeviceId => top(tally(rows, |slot| view.device_id(slot)), str::to_owned),
        _ => count_addrs(rows, view),
    }
}

fn time_text(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string()
}

fn count_codes(rows: &Bitmap, field: Field, codes: &[u8]) -> Vec<(String, u64)> {
    let mut counts = [0_u64; 256];
    rows.for_each(|slot| counts[usize::from(codes[slot as usize])] += 1);
    // Two codes can have one text: MQTT 5 with and without WebSocket.
    let mut by_text: AHashMap<&'static str, u64> = AHashMap::new();
    for code in 0..CODES {
        if let Some(text) = code_text(field, code) {
            *by_text.entry(text).or_default() += counts[usize::from(code)];
        }
    }
    top(by_text, str::to_owned)
}

fn count_symbols(rows: &Bitmap, column: &[u32], symbols: &Symbols) -> Vec<(String, u64)> {
    let mut counts = vec![0_u64; symbols.bound()];
    rows.for_each(|slot| counts[column[slot as usize] as usize] += 1);
    let counted = counts.into_iter().enumerate().filter_map(|(number, count)| {
        let text = symbols.text(number as u32)?;
        Some((text, count))
    });
    top(counted.collect::<Vec<_>>(), str::to_owned)
}

/// Counts numbers below `bound`, which `packed` gives plus one.
fn count_numbers(rows: &Bitmap, packed: impl Fn(usize) -> u32, bound: usize) -> Vec<(String, u64)> {
    let mut counts = vec![0_u64; bound + 1];
    rows.for_each(|slot| counts[packed(slot as usize) as usize] += 1);
    top(counts.into_iter().enumerate().skip(1), |packed| (packed - 1).to_string())
}

fn count_addrs(rows: &Bitmap, view: View<'_>) -> Vec<(String, u64)> {
    let addrs = &view.table.columns.addr;
    let mut long: AHashMap<String, u64> = AHashMap::new();
    let short = tally(rows, |slot| {
        let addr = addrs[slot as usize];
        if is_long_addr(addr) {
            if let Some(text) = view.long_addr(slot) {
                *long.entry(text).or_default() += 1;
            }
            return None;
        }
        Some(addr).filter(|addr| *addr != 0)
    });
    let short = top(short, |addr| unpack_addr(addr).unwrap_or_default());
    top(short.into_iter().chain(long), |text| text)
}

fn tally<T: Eq + Hash>(rows: &Bitmap, value: impl FnMut(u32) -> Option<T>) -> AHashMap<T, u64> {
    let (mut counts, mut value) = (AHashMap::new(), value);
    rows.for_each(|slot| {
        if let Some(value) = value(slot) {
            *counts.entry(value).or_default() += 1;
        }
    });
    counts
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
