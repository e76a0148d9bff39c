//! Texts laid end to end in one allocation, addressed by number. Ids live here: a million of them are two
//! allocations, and a substring search reads them as one text.

use std::ops::Range;

use super::columns::push;

/// So many texts are looked at one after the other.
const NEAR: usize = 4;

/// Append-only: a text keeps its number and its place for good.
#[derive(Debug)]
pub struct Arena {
    bytes: String,
    /// Where each text ends; it starts where the one before it ends.
    ends: Vec<usize>,
}

impl Arena {
    pub const fn new() -> Self {
        Self { bytes: String::new(), ends: Vec::new() }
    }

    pub fn push(&mut self, text: &str) {
        if self.bytes.capacity() - self.bytes.len() < text.len() {
            // By an eighth, as the columns.
            self.bytes.reserve_exact((self.bytes.len() / 8).max(text.len()).max(16_384));
        }
        self.bytes.push_str(text);
        push(&mut self.ends, self.bytes.len());
    }

    /// Makes room for so many texts in all, if the others are as long as those that are here.
    pub fn reserve(&mut self, texts: usize) {
        let more = texts.saturating_sub(self.len());
        let bytes = (self.bytes.len() as u64 * more as u64).checked_div(self.len() as u64).unwrap_or(0);
        self.ends.reserve_exact(more);
        self.bytes.reserve_exact(bytes as usize);
    }

    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    fn start(&self, number: usize) -> usize {
        number.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// The text of that number, which must be one that was pushed.
    pub fn get(&self, number: u32) -> &str {
        let number = number as usize;
        &self.bytes[self.start(number)..self.ends[number]]
    }

    /// The text of that number, if there is one.
    pub fn find(&self, number: u32) -> Option<&str> {
        ((number as usize) < self.len()).then(|| self.get(number))
    }

    /// The number of the text at this byte, which is `number` or a later one. Most often it is near.
    fn owner(&self, number: usize, at: usize) -> usize {
        let ends = &self.ends[number..];
        let near = ends.iter().take(NEAR).take_while(|end| **end <= at).count();
        if near < NEAR {
            return number + near;
        }
        let mut reach = 2 * NEAR;
        while ends.get(reach).is_some_and(|end| *end <= at) {
            reach *= 2;
        }
        let from = reach / 2;
        number + from + ends[from..ends.len().min(reach + 1)].partition_point(|end| *end <= at)
    }

    /// Calls `found` with the number of each text among these that contains `needle`, ascending, each once.
    pub fn search(&self, numbers: Range<usize>, needle: &str, mut found: impl FnMut(u32)) {
        let numbers = numbers.start..numbers.end.min(self.len());
        if needle.is_empty() {
            numbers.for_each(|number| found(number as u32));
            return;
        }
        let Some(last) = numbers.end.checked_sub(1).filter(|last| numbers.start <= *last) else { return };
        let finder = memchr::memmem::Finder::new(needle.as_bytes());
        let bytes = &self.bytes.as_bytes()[..self.ends[last]];
        let (mut number, mut from) = (numbers.start, self.start(numbers.start));
        while let Some(at) = finder.find(&bytes[from..]).map(|at| from + at) {
            number = self.owner(number, at);
            let Some(&end) = self.ends.get(number) else { return };
            if at + needle.len() <= end {
                found(number as u32);
                from = end;
            } else {
                // The hit runs over the border of two texts; one inside the second may begin within it.
                from = at + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_search_finds_what_each_text_alone_contains(texts in prop::collection::vec("[abä]{0,6}", 0..20), needle in "[abä]{0,3}") {
            let mut arena = Arena::new();
            texts.iter().for_each(|text| arena.push(text));
            let mut found = Vec::new();
            let border = texts.len() / 2;
            for numbers in [0..border, border..texts.len() + 1] {
                arena.search(numbers, &needle, |number| found.push(number));
            }
            let expect: Vec<_> = (0..texts.len() as u32).filter(|n| texts[*n as usize].contains(&needle)).collect();
            prop_assert_eq!(found, expect);
        }
    }
}
