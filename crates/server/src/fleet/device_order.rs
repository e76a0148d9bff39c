//! The order by device id, of which there is no column.
//!
//! The device id is the end of an id, and what comes before it (`d:acme:thermo:`) is one of few beginnings. Among ids
//! with the same beginning the order by device id is the order by id, which the labels give. So a place in the order
//! is one label for each beginning, and a row is compared by its label with that of its beginning.

use std::cmp::Ordering;
use std::ops::Range;

use rollcall_model::query::{Field, SortKey};

use super::bitmap::Bitmap;
use super::bookmark::Position;
use super::select::Ranking;
use super::view::{Value, View};

/// With more beginnings than this, a place would take too long to work out.
const ORIGINS_MAX: usize = if cfg!(test) { 4 } else { 4_096 };

pub struct DeviceOrder<'a> {
    view: View<'a>,
    sort: &'a [SortKey],
    descending: bool,
    /// Of each profile the number of its beginning.
    origins: Vec<u16>,
}

/// By the number of the beginning: how its labels are to be turned, and the last one that is not behind the place.
pub struct Bound(Vec<(u64, u64)>);

/// A row and the beginning of its device id; none is greatest.
#[derive(Clone, Copy)]
pub struct Row {
    key: Key,
    slot: u32,
}

type Key = (bool, u64);

impl<'a> DeviceOrder<'a> {
    /// `None` for other orders, where there are too many beginnings, and where device ids need not be ends.
    pub fn new(view: View<'a>, sort: &'a [SortKey]) -> Option<Self> {
        let (first, rest) = sort.split_first()?;
        let is_by_device_id = first.field == Field::DeviceId
            && (rest.is_empty() || rest.first().is_some_and(|key| key.field == Field::Id && !key.descending));
        let is_small = view.table.profiles.origins.bound() <= ORIGINS_MAX && !view.table.names_others();
        let origins = || view.table.profiles.iter().map(|(profile, _)| profile.origin as u16).collect();
        (is_by_device_id && is_small).then(|| Self {
            view,
            sort,
            descending: first.descending,
            origins: origins(),
        })
    }

    pub fn bound_of(&self, position: &Position) -> Bound {
        let device_id = match position.values.first() {
            Some(Value::Text(text)) => Some(text.as_ref()),
            _ => None,
        };
        self.place(device_id, &position.id)
    }

    /// The place of a row with this device id and id.
    fn place(&self, device_id: Option<&str>, id: &str) -> Bound {
        let table = self.view.table;
        // Absent device ids come last, by id, in either direction.
        let of_absent = match device_id {
            Some(_) => 0,
            None => table.order.label_of(id, &table.ids),
        };
        let mut of_origins = vec![(0, of_absent); table.profiles.origins.bound()];
        let turn = if self.descending { u64::MAX } else { 0 };
        for (origin, number) in table.profiles.origins.sorted() {
            let last = device_id.map_or(u64::MAX, |device_id| {
                let name = format!("{origin}{device_id}");
                let label = table.order.label_of(&name, &table.ids) ^ turn;
                // Of equal device ids the order is that of the ids.
                if name.as_str() <= id { label } else { label - 1 }
            });
            of_origins[number as usize] = (turn, last);
        }
        Bound(of_origins)
    }

    fn row(&self, slot: u32) -> Row {
        let Some(device_id) = self.view.device_id(slot) else { return Row { key: (true, 0), slot } };
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(device_id.bytes()).for_each(|(to, from)| *to = from);
        let prefix = u64::from_be_bytes(bytes);
        Row { key: (false, if self.descending { !prefix } else { prefix }), slot }
    }
}

impl Ranking for DeviceOrder<'_> {
    type Row = Row;
    type Bound = Bound;

    fn slot(row: &Row) -> u32 {
        row.slot
    }

    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        a.key.cmp(&b.key).then_with(|| self.view.compare(a.slot, b.slot, self.sort))
    }

    fn bound(&self, row: &Row) -> Bound {
        self.place(self.view.device_id(row.slot), self.view.table.ids.get(row.slot))
    }

    fn scan_words(
        &self,
        rows: &Bitmap,
        words: Range<usize>,
        from: Option<&Bound>,
        to: Option<&Bound>,
        found: &mut Vec<Row>,
    ) -> usize {
        let (profiles, order) = (&self.view.table.columns.profile, &self.view.table.order);
        // Turned, all labels are greater than 0; without a place to begin at, every row is behind it.
        let last = |bound: Option<&Bound>, at: usize, none: u64| bound.map_or(none, |bound| bound.0[at].1);
        let turn = |at: usize| from.or(to).map_or(0, |bound| bound.0[at].0);
        let limits: Vec<_> = (0..self.view.table.profiles.origins.bound())
            .map(|at| (turn(at), last(from, at, 0), last(to, at, u64::MAX)))
            .collect();
        let mut before = 0;
        rows.for_each_in(words, |slot| {
            let (turn, from, to) = limits[usize::from(self.origins[profiles[slot as usize] as usize])];
            let label = order.label(slot) ^ turn;
            before += usize::from(label <= from);
            if (label > from) & (label <= to) {
                found.push(self.row(slot));
            }
        });
        before
    }
}
