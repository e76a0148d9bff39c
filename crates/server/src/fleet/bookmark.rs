//! Bookmarks: where a page ended, as opaque text. A bookmark holds the sort values and the id of the last row, so
//! it stays right however the fleet changes, and a hash of the parameters that must stay the same.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rollcall_model::query::{Query, SortKey};

use crate::codec::{Reader, Writer};

use super::view::{Value, View};

/// Why a bookmark cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BookmarkError {
    #[error("this is not a bookmark; use the one from the answer before, as it is")]
    Unreadable,
    #[error(
        "this bookmark belongs to other parameters; keep the filters and the sort of the first request, or start without a bookmark"
    )]
    OtherParameters,
    #[error("this bookmark is from before the server was restarted; start again without a bookmark")]
    Expired,
}

/// The last row of a page: its value for each key of the sort, and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub values: Vec<Value<'static>>,
    pub id: String,
}

impl Position {
    /// Without the value of one key of the sort.
    pub fn without(&self, key: usize) -> Self {
        let mut position = self.clone();
        if key < position.values.len() {
            position.values.remove(key);
        }
        position
    }

    /// Without the values of the first keys of the sort.
    pub fn without_first(&self, keys: usize) -> Self {
        Self { values: self.values.get(keys..).unwrap_or_default().to_vec(), id: self.id.clone() }
    }
}

const VERSION: u8 = 1;
const BY_KEY: u8 = 0;
const BY_SLOT: u8 = 1;
/// Ids and values can be so long that a bookmark would not fit into a URL. Then it names the row instead.
const KEY_BYTES_MAX: usize = 2_048;

/// The bookmark of a page that ends with this row.
pub fn write(query: &Query, view: View<'_>, slot: u32) -> String {
    let key = key(query, view, slot);
    if key.len() <= KEY_BYTES_MAX {
        return encode(query, BY_KEY, &key);
    }
    let mut w = Writer::default();
    w.uint(u64::from(slot));
    w.uint(hash([view.table.ids.get(slot)]));
    encode(query, BY_SLOT, &w.bytes)
}

/// The same for a row that is in no table that [`read`] knows: never by its number, however long that gets.
pub fn write_whole(query: &Query, view: View<'_>, slot: u32) -> String {
    encode(query, BY_KEY, &key(query, view, slot))
}

/// A bookmark for the rows after this client in the order of the ids, whether or not there is one with this id. The
/// query has no sort.
pub fn after_id(query: &Query, id: &str) -> String {
    let mut key = Writer::default();
    key.text(id);
    encode(query, BY_KEY, &key.bytes)
}

fn encode(query: &Query, by: u8, row: &[u8]) -> String {
    let mut w = Writer::default();
    w.byte(VERSION);
    w.uint(parameters_hash(query));
    w.byte(by);
    w.bytes.extend_from_slice(row);
    URL_SAFE_NO_PAD.encode(w.bytes)
}

/// The sort values and the id of a row.
fn key(query: &Query, view: View<'_>, slot: u32) -> Vec<u8> {
    let mut key = Writer::default();
    for sort in &query.sort {
        match view.value(sort.field, slot) {
            Value::Absent => key.byte(0),
            Value::Number(number) => {
                key.byte(1);
                key.int(number);
            }
            Value::Text(text) => {
                key.byte(2);
                key.text(&text);
            }
        }
    }
    key.text(view.table.ids.get(slot));
    key.bytes
}

/// Reads what [`write`] wrote for a query with the same filters and sort.
pub fn read(bookmark: &str, query: &Query, view: View<'_>) -> Result<Position, BookmarkError> {
    let bytes = URL_SAFE_NO_PAD.decode(bookmark).map_err(|_| BookmarkError::Unreadable)?;
    let mut r = Reader::new(&bytes);
    if r.byte() != Some(VERSION) {
        return Err(BookmarkError::Unreadable);
    }
    if r.uint().ok_or(BookmarkError::Unreadable)? != parameters_hash(query) {
        return Err(BookmarkError::OtherParameters);
    }
    let by = r.byte();
    let position = match by {
        Some(BY_KEY) => read_key(&mut r, &query.sort),
        Some(BY_SLOT) => return read_slot(&mut r, query, view),
        _ => None,
    };
    position.filter(|_| r.is_at_end()).ok_or(BookmarkError::Unreadable)
}

/// Whether what a bookmark stands for changes with the row that it names.
pub fn names_row(bookmark: &str) -> bool {
    let bytes = URL_SAFE_NO_PAD.decode(bookmark).unwrap_or_default();
    let mut r = Reader::new(&bytes);
    let (_version, _parameters) = (r.byte(), r.uint());
    r.byte() == Some(BY_SLOT)
}

fn read_key(r: &mut Reader<'_>, sort: &[SortKey]) -> Option<Position> {
    let mut value = |_: &SortKey| {
        Some(match r.byte()? {
            0 => Value::Absent,
            1 => Value::Number(r.int()?),
            2 => Value::Text(Cow::Owned(r.text()?.to_owned())),
            _ => return None,
        })
    };
    let values = sort.iter().map(&mut value).collect::<Option<Vec<_>>>()?;
    Some(Position { values, id: r.text()?.to_owned() })
}

fn read_slot(r: &mut Reader<'_>, query: &Query, view: View<'_>) -> Result<Position, BookmarkError> {
    let (slot, id_hash) = r.uint().zip(r.uint()).ok_or(BookmarkError::Unreadable)?;
    let slot = u32::try_from(slot).ok().filter(|slot| (*slot as usize) < view.table.len());
    let slot =
        slot.filter(|slot| hash([view.table.ids.get(*slot)]) == id_hash).ok_or(BookmarkError::Expired)?;
    let own = |sort: &SortKey| match view.value(sort.field, slot) {
        Value::Absent => Value::Absent,
        Value::Number(number) => Value::Number(number),
        Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
    };
    Ok(Position { values: query.sort.iter().map(own).collect(), id: view.table.ids.get(slot).to_owned() })
}

/// Names filters and sort. Relative times go in as they are written, so that a walk may go on later.
fn parameters_hash(query: &Query) -> u64 {
    let Query { filter, sort, .. } = query.clone();
    let fixed = Query { filter, sort, limit: 1, ..Query::default() };
    let mut pairs = fixed.to_pairs();
    pairs.sort_unstable();
    hash(pairs.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]))
}

/// FNV-1a: the same after a restart and on every machine, unlike the standard library's.
pub fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    texts.into_iter().fold(0xCBF2_9CE4_8422_2325, |hash, text| {
        // 0xFF is in no UTF-8 text, so it ends one.
        text.bytes().chain([0xFF]).fold(hash, step)
    })
}
