//! Sets of rows: one bit for each slot.

use std::ops::Range;

use super::pieces;
use super::wide::wide;

/// Rows in one word.
pub const WORD: usize = u64::BITS as usize;

/// So few rows of a word are tested one by one.
const FEW: u32 = 4;

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

    pub fn empty(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(WORD)] }
    }

    pub fn set(&mut self, slot: u32) {
        self.words[slot as usize / WORD] |= 1 << (slot as usize % WORD);
    }

    pub fn clear(&mut self, slot: u32) {
        self.words[slot as usize / WORD] &= !(1 << (slot as usize % WORD));
    }

    pub fn has(&self, slot: u32) -> bool {
        self.words[slot as usize / WORD] >> (slot as usize % WORD) & 1 != 0
    }

    /// How many rows the set could have.
    pub const fn places(&self) -> usize {
        self.words.len() * WORD
    }

    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// A random choice of about `wanted` of the `count` rows in the set.
    pub fn sample(&self, count: usize, wanted: usize) -> Self {
        let mut sample = Self { words: vec![0; self.words.len()] };
        // Always the same sequence: nobody can know which rows it will mean.
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        // Of so many places tried, `wanted` are in the set.
        let tries = wanted.saturating_mul(self.places()) / count.max(1);
        for _ in 0..tries {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = ((u128::from(random) * self.places() as u128) >> 64) as usize;
            sample.words[at / WORD] |= self.words[at / WORD] & 1 << (at % WORD);
        }
        sample
    }

    /// 64 rows each, from the first on.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    pub fn for_each(&self, each: impl FnMut(u32)) {
        self.for_each_in(0..self.words.len(), each);
    }

    /// The same for some of the words.
    pub fn for_each_in(&self, words: Range<usize>, mut each: impl FnMut(u32)) {
        for (at, &word) in words.clone().zip(&self.words[words]) {
            let first = (at * WORD) as u32;
            if word == u64::MAX {
                (first..first + WORD as u32).for_each(&mut each);
                continue;
            }
            ones(word).for_each(|bit| each(first + bit));
        }
    }

    /// A set of at most `len` rows, whose words come piece by piece.
    pub fn of_pieces(len: usize, words: impl Fn(Range<usize>) -> Vec<u64> + Sync) -> Self {
        Self { words: pieces::each(len.div_ceil(WORD), words).concat() }
    }

    /// The rows whose value in a column passes.
    pub fn of_values<T: Copy + Sync>(column: &[T], passes: impl Fn(T) -> bool + Sync) -> Self {
        Self::of_pieces(column.len(), |words| {
            wide(
                #[inline(always)]
                || rows_of(column, &words).chunks(WORD).map(|values| mask(values, &passes)).collect(),
            )
        })
    }

    /// The rows whose value in a column is in one of some ranges, the last of each included.
    pub fn of_ranges(column: &[u64], ranges: &[(u64, u64)]) -> Self {
        Self::of_pieces(column.len(), |words| {
            wide(
                #[inline(always)]
                || {
                    let mut found = Vec::with_capacity(words.len());
                    for values in rows_of(column, &words).chunks(WORD) {
                        let mut word = 0;
                        for &(first, last) in ranges {
                            let is_in = |value: u64| value.wrapping_sub(first) <= last - first;
                            // Mostly there is none, which is seen faster than which ones.
                            let mut is_hit = false;
                            values.iter().for_each(|value| is_hit |= is_in(*value));
                            if is_hit {
                                word |= mask(values, is_in);
                            }
                        }
                        found.push(word);
                    }
                    found
                },
            )
        })
    }

    /// Keeps the rows whose value in a column, which has one for each row, passes. Tests whole words, in a loop without
    /// branches.
    pub fn retain_values<T: Copy + Sync>(
        &mut self,
        column: &[T],
        negated: bool,
        passes: impl Fn(T) -> bool + Sync,
    ) {
        let old = &self.words;
        *self = Self::of_pieces(column.len(), |words| {
            wide(
                #[inline(always)]
                || {
                    let column = rows_of(column, &words).chunks(WORD);
                    let kept = old[words].iter().zip(column).map(|(word, values)| {
                        // The memory of many rows is not read for the sake of one.
                        let found = match word.count_ones() {
                            0 => 0,
                            1..=FEW => ones(*word)
                                .filter(|bit| passes(values[*bit as usize]))
                                .fold(0, |found, bit| found | 1 << bit),
                            _ => mask(values, &passes),
                        };
                        word & if negated { !found } else { found }
                    });
                    kept.collect()
                },
            )
        });
    }

    /// Keeps the rows that pass; asks only for those that are still in.
    pub fn retain_slots(&mut self, passes: impl Fn(u32) -> bool + Sync) {
        let old = &self.words;
        *self = Self::of_pieces(self.places(), |words| {
            let mut kept = old[words.clone()].to_vec();
            for (at, word) in words.zip(&mut kept) {
                for bit in ones(*word) {
                    if !passes((at * WORD) as u32 + bit) {
                        *word &= !(1 << bit);
                    }
                }
            }
            kept
        });
    }

    pub fn add(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    pub fn retain_set(&mut self, other: &Self, negated: bool) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= if negated { !other } else { *other };
        }
    }
}

/// The numbers of the bits that are set, ascending.
#[inline(always)]
fn ones(word: u64) -> impl Iterator<Item = u32> {
    let step = |rest: &u64| Some(rest & rest.wrapping_sub(1));
    std::iter::successors(Some(word), step).take_while(|rest| *rest != 0).map(u64::trailing_zeros)
}

/// The part of a column that belongs to some of the words.
fn rows_of<'a, T>(column: &'a [T], words: &Range<usize>) -> &'a [T] {
    &column[words.start * WORD..column.len().min(words.end * WORD)]
}

/// One bit for each of up to 64 values: whether it passes. In a loop without branches.
#[inline(always)]
pub fn mask<T: Copy>(values: &[T], passes: impl Fn(T) -> bool) -> u64 {
    let (eights, rest) = values.as_chunks::<8>();
    let bits = |values: &[T]| {
        values.iter().enumerate().fold(0, |m, (at, value)| m | (u64::from(passes(*value)) << at))
    };
    let bit = |value: T, bit: u32| u64::from(passes(value)) << bit;
    let eight = |v: &[T; 8]| {
        let low = bit(v[0], 0) | bit(v[1], 1) | bit(v[2], 2) | bit(v[3], 3);
        low | bit(v[4], 4) | bit(v[5], 5) | bit(v[6], 6) | bit(v[7], 7)
    };
    let first = eights.iter().enumerate().fold(0, |mask, (at, values)| mask | (eight(values) << (8 * at)));
    if rest.is_empty() { first } else { first | (bits(rest) << (8 * eights.len())) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(bitmap: &Bitmap) -> Vec<u32> {
        let mut rows = Vec::new();
        bitmap.for_each(|slot| rows.push(slot));
        rows
    }

    proptest! {
        #[test]
        fn a_column_is_tested_for_the_rows_in_the_set_be_they_few_or_many(
            column in prop::collection::vec(0..8_u64, 1..300),
            odds in prop::collection::vec(0..20_u32, 5),
            ranges in prop::collection::vec((0..8_u64, 0..3_u64), 0..3),
            negated in any::<bool>(),
        ) {
            // Words with few rows, with many, with all.
            let is_in = |slot: u32| slot * 7 % 20 >= odds[slot as usize / WORD];
            let all = 0..column.len() as u32;
            let mut set = Bitmap::empty(column.len());
            all.clone().filter(|slot| is_in(*slot)).for_each(|slot| set.set(slot));
            let ranges: Vec<_> = ranges.into_iter().map(|(first, more)| (first, first + more)).collect();
            let passes = |value: u64| ranges.iter().any(|(first, last)| (*first..=*last).contains(&value));
            let value = |slot: &u32| column[*slot as usize];
            let found: Vec<_> = all.clone().filter(|slot| passes(value(slot))).collect();
            prop_assert_eq!(rows(&Bitmap::of_ranges(&column, &ranges)), found.clone());
            prop_assert_eq!(rows(&Bitmap::of_values(&column, passes)), found);
            let kept: Vec<_> = all.filter(|slot| is_in(*slot) && passes(value(slot)) != negated).collect();
            let mut by_slot = set.clone();
            by_slot.retain_slots(|slot| passes(value(&slot)) != negated);
            set.retain_values(&column, negated, passes);
            prop_assert_eq!(rows(&set), kept.clone());
            prop_assert_eq!(rows(&by_slot), kept);
        }
    }
}
