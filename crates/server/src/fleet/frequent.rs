//! Counting the values of fields that can have as many values as there are rows.
//!
//! In few rows every value is counted. In many, that would take as long as a million questions to a hash table, for
//! counts of which only the greatest are wanted. So the first look at the rows counts hashes, in two small tables: a
//! value cannot be more frequent than its hashes. The second look counts only the values that may be frequent.

use std::hash::Hash;

use ahash::{AHashMap, RandomState};

use super::bitmap::Bitmap;

/// In so many rows every value is counted.
const COUNTED_MAX: u64 = 65_536;
const BUCKET_BITS: u32 = 16;
/// How many buckets are taken to hold frequent values.
const FREQUENT_BUCKETS: usize = 2_048;

/// The values in the rows, each with its count. In more than [`COUNTED_MAX`] rows those are missing that are not
/// more frequent than the fullest buckets are full: in a million rows of different values a few dozen times.
pub fn count<T: Eq + Hash>(rows: &Bitmap, value: impl Fn(u32) -> Option<T>) -> AHashMap<T, u64> {
    let mut counts = AHashMap::new();
    if rows.count() <= COUNTED_MAX {
        rows.for_each(|slot| {
            if let Some(value) = value(slot) {
                *counts.entry(value).or_default() += 1;
            }
        });
        return counts;
    }
    let hasher = RandomState::new();
    let mut sketch = Sketch::new();
    rows.for_each(|slot| {
        if let Some(value) = value(slot) {
            sketch.add(hasher.hash_one(&value));
        }
    });
    let rare = sketch.fullness(FREQUENT_BUCKETS);
    rows.for_each(|slot| {
        if let Some(value) = value(slot)
            && sketch.at_most(hasher.hash_one(&value)) > rare
        {
            *counts.entry(value).or_default() += 1;
        }
    });
    // Of a value that is rarer than this, another one as frequent may not have been counted.
    counts.retain(|_, count| *count > u64::from(rare));
    counts
}

struct Sketch {
    tables: [Vec<u32>; 2],
}

impl Sketch {
    fn new() -> Self {
        Self { tables: [vec![0; 1 << BUCKET_BITS], vec![0; 1 << BUCKET_BITS]] }
    }

    /// Different bits of the hash for each table.
    const fn bucket(hash: u64, table: usize) -> usize {
        (hash >> (table as u32 * BUCKET_BITS)) as usize & ((1 << BUCKET_BITS) - 1)
    }

    fn add(&mut self, hash: u64) {
        for (at, table) in self.tables.iter_mut().enumerate() {
            table[Self::bucket(hash, at)] += 1;
        }
    }

    /// How often a value with this hash occurs at most.
    fn at_most(&self, hash: u64) -> u32 {
        let counts = self.tables.iter().enumerate().map(|(at, table)| table[Self::bucket(hash, at)]);
        counts.min().unwrap_or(0)
    }

    /// How full the fullest bucket is of all but the so many fullest.
    fn fullness(&self, fullest: usize) -> u32 {
        let mut counts = self.tables[0].clone();
        *counts.select_nth_unstable_by(fullest, |a, b| b.cmp(a)).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_values_are_counted_exactly_among_many_rare_ones() {
        let value = |slot: u32| match slot % 10 {
            0 => Some(u64::from(slot / 10 % 150)),
            1 => None,
            _ => Some(u64::from(slot) + 1_000_000),
        };
        let counts = count(&Bitmap::full(200_000), value);
        assert_eq!(counts.get(&7), Some(&134));
        assert_eq!((0..150).filter_map(|value| counts.get(&value)).sum::<u64>(), 20_000);
        assert!(counts.values().all(|count| *count > 1), "no value is given of which others are as frequent");
    }

    #[test]
    fn of_few_values_all_are_counted_in_any_number_of_rows() {
        let counts = count(&Bitmap::full(100_000), |slot| Some(slot % 3));
        assert_eq!(
            counts.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            [(0, 33_334), (1, 33_333), (2, 33_333)].into()
        );
    }
}
