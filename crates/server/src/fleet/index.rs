//! The index from ids to slots.
//!
//! A hash table that has to grow moves all of its entries, which for a million ids would stop the fleet for a tenth
//! of a second. So it is many small tables, each of which grows on its own.

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::arena::Arena;

const SHARD_BITS: u32 = 8;

#[derive(Debug)]
pub struct Index {
    shards: Vec<HashTable<u32>>,
    hasher: RandomState,
}

impl Index {
    pub fn new() -> Self {
        let shards = (0..1 << SHARD_BITS).map(|_| HashTable::new()).collect();
        Self { shards, hasher: RandomState::new() }
    }

    /// The tables take the lowest bits of a hash, and the highest seven.
    const fn shard(hash: u64) -> usize {
        (hash >> 40) as usize & ((1 << SHARD_BITS) - 1)
    }

    pub fn find(&self, id: &str, ids: &Arena) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        self.shards[Self::shard(hash)].find(hash, |slot| ids.get(*slot) == id).copied()
    }

    /// The slot of an id; if it has none, `slot` becomes it, and the caller adds the id to `ids`.
    pub fn find_or_insert(&mut self, id: &str, slot: u32, ids: &Arena) -> Option<u32> {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(id);
        let shard = &mut self.shards[Self::shard(hash)];
        match shard.entry(hash, |slot| ids.get(*slot) == id, |slot| hasher.hash_one(ids.get(*slot))) {
            Entry::Occupied(found) => Some(*found.get()),
            Entry::Vacant(free) => {
                free.insert(slot);
                None
            }
        }
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, rows: usize, ids: &Arena) {
        let hasher = &self.hasher;
        for shard in &mut self.shards {
            shard.reserve(rows >> SHARD_BITS, |slot| hasher.hash_one(ids.get(*slot)));
        }
    }
}
