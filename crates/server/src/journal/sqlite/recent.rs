//! The index by client of the part of the log that is being written, in memory.
//!
//! The entries of a client are a chain through the part, from the newest to the oldest. Called by [`super::part`].

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Hashes of clients are hashes already.
#[derive(Debug, Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_i64(&mut self, number: i64) {
        self.0 = number.cast_unsigned();
    }
}

/// One entry, as far as a question has to know it before reading it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub time: i64,
    /// The entry of the client before it, plus one.
    before: u32,
    pub kind: u8,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Recent {
    newest: HashMap<i64, u32, BuildHasherDefault<AsItIs>>,
    entries: Vec<Entry>,
}

impl Recent {
    /// Takes in the next entry of the part.
    pub fn push(&mut self, client: i64, time: i64, kind: u8) {
        // A part is closed long before this could be too many.
        let at = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let before = self.newest.insert(client, at).map_or(0, |before| before + 1);
        self.entries.push(Entry { time, before, kind });
    }

    /// The entries of a client that pass, as time and place in the part, at most `limit` of them, the newest.
    pub fn newest(
        &self,
        client: i64,
        limit: usize,
        passes: impl Fn(&Entry, usize) -> bool,
    ) -> Vec<(i64, usize)> {
        let mut found = Vec::new();
        let mut next = self.newest.get(&client).map(|at| *at as usize);
        while let Some((at, entry)) = next.and_then(|at| Some((at, self.entries.get(at)?))) {
            if passes(entry, at) {
                found.push((entry.time, at));
            }
            next = (entry.before as usize).checked_sub(1);
        }
        // Entries come late, so the order of the chain is not that of the times.
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(limit);
        found
    }
}
