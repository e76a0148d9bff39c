//! Search: which ids contain a text, ignoring case. The ids lie end to end, so that a search reads them as one text;
//! when only few rows are left to be asked about, it looks at theirs alone.

use rollcall_model::query::lowercase;

use super::bitmap::{Bitmap, WORD};
use super::table::Table;

/// Looking into single ids is dearer than reading all of them, unless at most one in so many is asked about.
const SINGLE_SHARE: u64 = 12;

/// Keeps the rows whose id contains one of the needles (or none of them, when negated).
pub fn retain(rows: &mut Bitmap, needles: &[String], negated: bool, table: &Table) {
    let needles: Vec<String> = needles.iter().map(|needle| lowercase(needle)).collect();
    if rows.count() * SINGLE_SHARE > table.len() as u64 {
        rows.retain_set(&found(&needles, table), negated);
        return;
    }
    let finders: Vec<_> =
        needles.iter().map(|needle| memchr::memmem::Finder::new(needle.as_bytes())).collect();
    let contains = |id: &str| finders.iter().any(|finder| finder.find(id.as_bytes()).is_some());
    rows.retain_slots(|slot| contains(lower(slot, table)) != negated);
}

/// The id in lower case.
fn lower(slot: u32, table: &Table) -> &str {
    match table.lower_slots.binary_search(&slot) {
        Ok(at) => table.lower_ids.get(at as u32),
        Err(_) => table.ids.get(slot),
    }
}

fn found(needles: &[String], table: &Table) -> Bitmap {
    let mut found = Bitmap::empty(table.len());
    for needle in needles {
        let mut in_ids = Bitmap::of_pieces(table.len(), |words| {
            let mut found = vec![0; words.len()];
            let first = words.start * WORD;
            table.ids.search(first..words.end * WORD, needle, |slot| {
                let at = slot as usize - first;
                found[at / WORD] |= 1 << (at % WORD);
            });
            found
        });
        // What an id contains that is not in lower case does not count, only what its lower case contains.
        table.lower_slots.iter().for_each(|slot| in_ids.clear(*slot));
        table.lower_ids.search(0..usize::MAX, needle, |at| in_ids.set(table.lower_slots[at as usize]));
        found.add(&in_ids);
    }
    found
}
