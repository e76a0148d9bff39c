//! The ids in order: the default sort, the tie-breaker of every other sort, and what bookmarks walk.
//!
//! Ids are texts, and comparing texts that lie anywhere in memory is what a scan cannot afford. So their order is
//! kept: blocks of slots in id order, and for each slot a label, so that comparing labels compares ids.

use std::ops::Bound;

use super::arena::Arena;

const BLOCK_MAX: usize = 1_024;
/// Labels within a block are two apart: the odd ones stand for ids that are not in the fleet.
const SPACING: u64 = 2;
/// How far the labels of a block reach.
const BLOCK_SPAN: u64 = SPACING * BLOCK_MAX as u64;
/// The distance between a new last block and the one before it.
const STEP: u64 = 1 << 34;

#[derive(Debug)]
struct Block {
    /// The label of the first slot.
    base: u64,
    slots: Vec<u32>,
}

#[derive(Debug)]
pub struct Order {
    blocks: Vec<Block>,
    /// By slot.
    labels: Vec<u64>,
}

impl Order {
    pub const fn new() -> Self {
        Self { blocks: Vec::new(), labels: Vec::new() }
    }

    /// Puts all slots of `ids` in order at once, for the start of the server.
    pub fn rebuild(ids: &Arena) -> Self {
        let mut slots: Vec<u32> = (0..ids.len() as u32).collect();
        // From a checkpoint they often come in order.
        if !slots.is_sorted_by(|a, b| ids.get(*a) <= ids.get(*b)) {
            sort_by_id(&mut slots, ids, 0);
        }
        let blocks =
            slots.chunks(BLOCK_MAX / 2).map(|slots| Block { base: 0, slots: slots.to_vec() }).collect();
        let mut order = Self { blocks, labels: vec![0; ids.len()] };
        order.spread();
        order
    }

    /// Compares as the ids of the slots do.
    pub fn label(&self, slot: u32) -> u64 {
        self.labels[slot as usize]
    }

    /// The labels of so many slots from `first` on, as far as there are as many.
    pub fn labels(&self, first: u32, count: usize) -> &[u64] {
        let labels = self.labels.get(first as usize..).unwrap_or_default();
        &labels[..count.min(labels.len())]
    }

    /// A label that is greater than those of smaller ids and smaller than those of greater ones; the id's own if
    /// it is in the fleet.
    pub fn label_of(&self, id: &str, ids: &Arena) -> u64 {
        let (block, at) = self.find(id, ids);
        match self.blocks.get(block).and_then(|block| block.slots.get(at)) {
            Some(slot) if ids.get(*slot) == id => self.label(*slot),
            Some(slot) => self.label(*slot) - 1,
            None => u64::MAX - 1,
        }
    }

    /// The place of the first id that is not smaller.
    fn find(&self, id: &str, ids: &Arena) -> (usize, usize) {
        let starts_before = |block: &Block| block.slots.first().is_some_and(|slot| ids.get(*slot) <= id);
        let block = self.blocks.partition_point(starts_before).saturating_sub(1);
        let at = self.blocks.get(block).map_or(0, |b| b.slots.partition_point(|slot| ids.get(*slot) < id));
        match self.blocks.get(block) {
            Some(found) if at == found.slots.len() && block + 1 < self.blocks.len() => (block + 1, 0),
            _ => (block, at),
        }
    }

    /// Adds the slot that was pushed to `ids` last.
    pub fn insert(&mut self, slot: u32, ids: &Arena) {
        self.labels.push(0);
        let (mut block, mut at) = self.find(ids.get(slot), ids);
        if self.blocks.is_empty() {
            self.blocks.push(Block { base: 1 << 62, slots: Vec::new() });
        } else if self.blocks[block].slots.len() >= BLOCK_MAX {
            let is_end = block + 1 == self.blocks.len() && at == self.blocks[block].slots.len();
            // Ids that come in ascending order fill their blocks.
            self.split(block, if is_end { at } else { BLOCK_MAX / 2 });
            (block, at) = self.place_after_split(block, at);
        }
        self.blocks[block].slots.insert(at, slot);
        self.relabel(block, at);
    }

    fn place_after_split(&self, block: usize, at: usize) -> (usize, usize) {
        let len = self.blocks[block].slots.len();
        if at >= len { (block + 1, at - len) } else { (block, at) }
    }

    /// Moves the slots of a block from `at` on to a new block behind it.
    fn split(&mut self, block: usize, at: usize) {
        let slots = self.blocks[block].slots.split_off(at);
        let base = self.blocks[block].base;
        let room = match self.blocks.get(block + 1) {
            Some(next) => (next.base - base) / 2,
            None => STEP.min((u64::MAX - BLOCK_SPAN).saturating_sub(base) / 2),
        };
        self.blocks.insert(block + 1, Block { base: base.saturating_add(room), slots });
        if room > BLOCK_SPAN + SPACING {
            self.relabel(block + 1, 0);
        } else {
            self.spread();
        }
    }

    fn relabel(&mut self, block: usize, from: usize) {
        let Block { base, slots } = &self.blocks[block];
        for (at, slot) in slots.iter().enumerate().skip(from) {
            self.labels[*slot as usize] = base + at as u64 * SPACING;
        }
    }

    /// Gives all blocks equal room.
    fn spread(&mut self) {
        let step = (1_u64 << 62) / (self.blocks.len().max(1) as u64);
        for block in 0..self.blocks.len() {
            self.blocks[block].base = (1 << 62) + block as u64 * step;
            self.relabel(block, 0);
        }
    }

    /// The slots in id order, or against it, without the first `skip`.
    pub fn walk_from<'a>(&'a self, skip: usize, descending: bool) -> Box<dyn Iterator<Item = u32> + 'a> {
        let mut rest = skip;
        let mut is_passed = |block: &&Block| match rest.checked_sub(block.slots.len()) {
            Some(left) => {
                rest = left;
                true
            }
            None => false,
        };
        if descending {
            let passed = self.blocks.iter().rev().take_while(&mut is_passed).count();
            let blocks = self.blocks.iter().rev().skip(passed);
            Box::new(blocks.flat_map(|block| block.slots.iter().rev()).skip(rest).copied())
        } else {
            let passed = self.blocks.iter().take_while(&mut is_passed).count();
            Box::new(self.blocks[passed..].iter().flat_map(|block| &block.slots).skip(rest).copied())
        }
    }

    /// The slots in id order, or against it, from `start` on.
    pub fn walk<'a>(
        &'a self,
        start: Bound<&str>,
        ids: &Arena,
        descending: bool,
    ) -> Box<dyn Iterator<Item = u32> + 'a> {
        let (block, at) = match start {
            Bound::Unbounded if descending => (self.blocks.len(), 0),
            Bound::Unbounded => (0, 0),
            Bound::Included(id) | Bound::Excluded(id) => {
                let (block, at) = self.find(id, ids);
                let found = self.blocks.get(block).and_then(|b| b.slots.get(at));
                let is_there = found.is_some_and(|slot| ids.get(*slot) == id);
                let is_left = (start == Bound::Included(id)) == descending;
                (block, at + usize::from(is_there && is_left))
            }
        };
        let slots_of = |block: usize| self.blocks.get(block).map_or(&[][..], |block| &block.slots);
        let (before, behind) = slots_of(block).split_at(at);
        if descending {
            let earlier = self.blocks[..block].iter().rev().flat_map(|block| block.slots.iter().rev());
            Box::new(before.iter().rev().chain(earlier).copied())
        } else {
            let later = self.blocks.get(block + 1..).unwrap_or_default();
            Box::new(behind.iter().chain(later.iter().flat_map(|block| &block.slots)).copied())
        }
    }
}

/// So few are sorted by comparing their ids.
const COMPARED_MAX: usize = 32;
/// Bytes of an id in one number.
const KEY_BYTES: usize = 8;

/// Sorts slots whose ids are alike up to `depth`: by the next eight bytes in which they differ, as numbers, then
/// those that are alike in these by the next eight. Ids begin alike, and numbers are compared without looking for
/// the texts all over the memory.
fn sort_by_id(slots: &mut [u32], ids: &Arena, depth: usize) {
    let rest = |slot: u32| ids.get(slot).as_bytes().get(depth..).unwrap_or_default();
    let shortest = slots.iter().map(|slot| rest(*slot).len()).min().unwrap_or(0);
    // An end cannot be told from a zero byte in a number.
    if slots.len() <= COMPARED_MAX || shortest == 0 {
        slots.sort_unstable_by(|a, b| rest(*a).cmp(rest(*b)));
        return;
    }
    let first = rest(slots[0]);
    let alike = |slot: &u32| first.iter().zip(rest(*slot)).take_while(|(a, b)| a == b).count();
    let skip = slots.iter().map(alike).min().unwrap_or(0);
    let key = |slot: u32| {
        let mut bytes = [0; KEY_BYTES];
        bytes.iter_mut().zip(rest(slot).get(skip..).unwrap_or_default()).for_each(|(to, from)| *to = *from);
        u64::from_be_bytes(bytes)
    };
    let mut keyed: Vec<(u64, u32)> = slots.iter().map(|slot| (key(*slot), *slot)).collect();
    keyed.sort_unstable();
    slots.iter_mut().zip(&keyed).for_each(|(slot, (_, sorted))| *slot = *sorted);
    let mut from = 0;
    for group in keyed.chunk_by(|a, b| a.0 == b.0) {
        let slots = &mut slots[from..from + group.len()];
        from += group.len();
        let deeper = depth + skip + KEY_BYTES;
        if slots.len() > 1 && slots.iter().all(|slot| ids.get(*slot).len() >= deeper) {
            sort_by_id(slots, ids, deeper);
        } else if slots.len() > 1 {
            slots.sort_unstable_by(|a, b| ids.get(*a).cmp(ids.get(*b)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(texts: impl IntoIterator<Item = String>) {
        let (mut ids, mut order) = (Arena::new(), Order::new());
        for (slot, text) in texts.into_iter().enumerate() {
            ids.push(&text);
            order.insert(slot as u32, &ids);
        }
        let rebuilt = Order::rebuild(&ids);
        let mut expect: Vec<_> = (0..ids.len() as u32).collect();
        expect.sort_by_key(|slot| ids.get(*slot));
        for order in [&order, &rebuilt] {
            assert_eq!(order.walk(Bound::Unbounded, &ids, false).collect::<Vec<_>>(), expect);
            assert!(expect.windows(2).all(|pair| order.label(pair[0]) < order.label(pair[1])));
            assert!(order.walk(Bound::Unbounded, &ids, true).eq(expect.iter().rev().copied()));
        }
    }

    #[test]
    fn thousands_of_ids_stay_in_order_however_they_come() {
        check((0..5_000).map(|n| format!("{n:06}")));
        check((0..5_000).rev().map(|n| format!("{n:06}")));
        check((0..5_000_u64).map(|n| format!("{:06}", n * 7_919 % 5_000)));
        check((0..300).map(|n| format!("{}{}", "\0".repeat(n % 20), "x".repeat(n / 20))));
        check((0..900).map(|n| format!("d:acme:{}:{}", n % 3, n * 7_919 % 900)));
        check((0..3_000).map(|n| format!("{n:06}")).chain((0..3_000).map(|n| format!("001500-{n:06}"))));
    }

    proptest! {
        #[test]
        fn a_walk_goes_on_right_after_any_id_there_or_not(texts in prop::collection::btree_set("[a-d]{1,3}", 0..40), from in "[a-d]{1,3}") {
            let mut ids = Arena::new();
            texts.iter().for_each(|text| ids.push(text));
            let order = Order::rebuild(&ids);
            let walked = |descending| order.walk(Bound::Excluded(&from), &ids, descending).map(|slot| ids.get(slot)).collect::<Vec<_>>();
            prop_assert_eq!(walked(false), texts.iter().filter(|id| **id > from).map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(walked(true), texts.iter().rev().filter(|id| **id < from).map(String::as_str).collect::<Vec<_>>());
            let label = order.label_of(&from, &ids);
            for slot in 0..ids.len() as u32 {
                prop_assert_eq!(order.label(slot).cmp(&label), ids.get(slot).cmp(&from));
            }
        }
    }
}
