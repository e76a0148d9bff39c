//! Which clients a full part of the log can have entries of, in a few hundred kilobytes: so that the log of one client
//! is looked for only where it is. Called by [`super::part`].
//!
//! A Bloom filter in blocks of 256 bits, one bit of each of eight words for a client: it never misses a client that is
//! there, and takes about one in a hundred for one that is not. It lies in the part's file, with a checksum, because a
//! bit that was lost would hide entries.

use rusqlite::{Connection, OptionalExtension};

const WORDS: usize = 8;
/// 256 bits for so many clients.
const CLIENTS_PER_BLOCK: usize = 24;
/// Odd numbers that take a different bit of each word; source: the Bloom filters of Apache Parquet.
const SALTS: [u32; WORDS] =
    [0x47B6_137B, 0x4497_4D91, 0x8824_AD5B, 0xA2B7_289D, 0x7054_95C7, 0x2DF1_424B, 0x9EFC_4947, 0x5C6B_FB31];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS filter (bits BLOB NOT NULL, checksum INTEGER NOT NULL)";

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub struct Filter {
    blocks: Vec<[u32; WORDS]>,
}

impl Filter {
    /// The filter of the clients with these hashes, about `count` different ones.
    pub fn of(clients: impl IntoIterator<Item = i64>, count: usize) -> Self {
        let mut filter = Self { blocks: vec![[0; WORDS]; count.div_ceil(CLIENTS_PER_BLOCK).max(1)] };
        for client in clients {
            let (block, bits) = filter.place(client);
            if let Some(block) = filter.blocks.get_mut(block) {
                block.iter_mut().zip(bits).for_each(|(word, bit)| *word |= bit);
            }
        }
        filter
    }

    /// Whether there can be entries of the client with this hash.
    pub fn may_hold(&self, client: i64) -> bool {
        let (block, bits) = self.place(client);
        self.blocks.get(block).is_none_or(|block| block.iter().zip(bits).all(|(word, bit)| word & bit != 0))
    }

    fn place(&self, client: i64) -> (usize, [u32; WORDS]) {
        // The upper bits of the hashes are good, the lower ones of similar ids are similar.
        let mixed = client.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let block = ((mixed >> 32) * self.blocks.len() as u64) >> 32;
        let low = mixed as u32;
        (block as usize, SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27)))
    }

    /// Puts it into the file of its part, in the transaction that the connection is in.
    pub fn write(&self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let bits: Vec<u8> = self.blocks.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        connection.execute_batch(TABLE)?;
        connection.execute("DELETE FROM filter", [])?;
        connection.execute("INSERT INTO filter VALUES (?1, ?2)", (&bits, checksum(&bits)))?;
        Ok(())
    }

    /// What the file has; `None` without one, or with one that is damaged.
    pub fn read(connection: &Connection) -> Result<Option<Self>, rusqlite::Error> {
        let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'filter')";
        if !connection.query_row(is_there, [], |row| row.get::<_, bool>(0))? {
            return Ok(None);
        }
        let mut statement = connection.prepare("SELECT bits, checksum FROM filter")?;
        let read = |row: &rusqlite::Row<'_>| {
            let bits = row.get_ref(0)?.as_blob()?;
            Ok(if checksum(bits) == row.get::<_, i64>(1)? { Self::from_bytes(bits) } else { None })
        };
        Ok(statement.query_row([], read).optional()?.flatten())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks::<{ 4 * WORDS }>();
        let block = |bytes: &[u8; 4 * WORDS]| {
            let mut block = [0; WORDS];
            block
                .iter_mut()
                .zip(bytes.as_chunks::<4>().0)
                .for_each(|(to, from)| *to = u32::from_le_bytes(*from));
            block
        };
        (rest.is_empty() && !blocks.is_empty()).then(|| Self { blocks: blocks.iter().map(block).collect() })
    }
}

/// Tells a bit that was lost or gained, anywhere.
fn checksum(bytes: &[u8]) -> i64 {
    let step = |sum: u64, number: u64| (sum.rotate_left(5) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let (numbers, rest) = bytes.as_chunks::<8>();
    let sum = numbers.iter().fold(bytes.len() as u64, |sum, number| step(sum, u64::from_le_bytes(*number)));
    rest.iter().fold(sum, |sum, byte| step(sum, u64::from(*byte))).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u32) -> i64 {
        super::super::row::client_hash(&format!("d:acme01:thermo:sn-{number:07}"))
    }

    fn in_file() -> (Connection, Filter) {
        let connection = Connection::open_in_memory().unwrap();
        let filter = Filter::of((0..3_000).map(hash), 3_000);
        filter.write(&connection).unwrap();
        (connection, filter)
    }

    #[test]
    fn no_client_is_missed_and_few_are_looked_for_in_vain() {
        let filter = Filter::of((0..20_000).map(hash), 20_000);
        assert!((0..20_000).all(|number| filter.may_hold(hash(number))));
        let vain = (20_000..120_000).filter(|number| filter.may_hold(hash(*number))).count();
        assert!(vain < 2_500, "{vain} of 100,000");
        assert!(!Filter::of([], 0).may_hold(hash(1)));
    }

    #[test]
    fn a_filter_comes_back_out_of_its_file() {
        let (connection, filter) = in_file();
        assert_eq!(Filter::read(&connection).unwrap(), Some(filter));
        assert_eq!(Filter::read(&Connection::open_in_memory().unwrap()).unwrap(), None);
    }

    #[test]
    fn a_filter_that_lost_a_bit_is_none() {
        let (connection, filter) = in_file();
        let mut bits: Vec<u8> =
            connection.query_row("SELECT bits FROM filter", [], |row| row.get(0)).unwrap();
        let byte = bits.iter_mut().rev().find(|byte| **byte != 0).unwrap();
        *byte &= *byte - 1;
        connection.execute("UPDATE filter SET bits = ?1", [&bits]).unwrap();
        assert_ne!(Filter::from_bytes(&bits), Some(filter));
        assert_eq!(Filter::read(&connection).unwrap(), None);
    }
}
