//! Which clients are selected: by id, so that scrolling and rows that move change nothing about it.

use std::collections::HashSet;
use std::ops::Range;

use leptos::prelude::{
    GetValue, RwSignal, Set, SetValue, StoredValue, Update, UpdateUntracked, With, WithUntracked,
};
use leptos::task::spawn_local;

use super::copied::Copied;
use crate::later::{Asking, answer, later};
use crate::store::{Problem, Table, Walk};

/// More than this is a matter for an export.
pub const MAX_SELECTED: u64 = 100_000;

/// What is under way to select rows that this browser does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Progress {
    #[default]
    None,
    /// So many of so many.
    Reading(u64, u64),
    Failed(Problem),
}

#[derive(Clone, Copy)]
pub struct Selection {
    ids: RwSignal<HashSet<String>>,
    pub progress: RwSignal<Progress>,
    /// The row from which a range is drawn.
    anchor: StoredValue<Option<u64>>,
    /// The ids that the latest range added; the next one from the same row replaces them.
    range: StoredValue<Vec<String>>,
    /// Counts up whenever something else is selected; a reading that is older gives up.
    serial: StoredValue<u32>,
    /// What became of the last copy.
    pub copied: Copied,
    table: Table,
}

impl Selection {
    pub fn new(table: Table) -> Self {
        Self {
            ids: RwSignal::default(),
            progress: RwSignal::default(),
            anchor: StoredValue::new(None),
            range: StoredValue::default(),
            serial: StoredValue::new(0),
            copied: Copied::new(),
            table,
        }
    }

    /// How many are selected, tracked.
    #[must_use]
    pub fn count(self) -> u64 {
        self.ids.with(|ids| ids.len() as u64)
    }

    /// Reads the ids, tracked.
    pub fn with<T>(self, read: impl FnOnce(&HashSet<String>) -> T) -> T {
        self.ids.with(read)
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.ids.with_untracked(HashSet::is_empty)
    }

    pub fn clear(self) {
        self.begin(None);
        self.ids.update(HashSet::clear);
    }

    /// Selects a row, or no longer; ranges are drawn from here.
    pub fn toggle(self, index: u64, id: &str) {
        self.begin(Some(index));
        self.ids.update(|ids| {
            if !ids.remove(id) {
                ids.insert(id.to_owned());
            }
        });
    }

    /// Where a range starts that is drawn from `index` on, unless one is being drawn.
    pub fn anchor_at(self, index: u64) {
        if self.anchor.get_value().is_none() {
            self.anchor.set_value(Some(index));
        }
    }

    /// Selects the rows from the anchor to `index`, in place of the range that was drawn from it before.
    pub fn extend_to(self, index: u64) {
        let anchor = self.anchor.get_value().unwrap_or(index);
        let rows = anchor.min(index)..anchor.max(index) + 1;
        let table = self.table;
        // Where rows cannot be read ahead, the range ends with those that were read.
        let knows_jumps = Walk::knows_jumps(table);
        let ids = rows.clone().map(|row| table.row(row).map(|row| row.doc.id.clone()));
        let held: Option<Vec<String>> = ids.filter(|id| knows_jumps || id.is_some()).collect();
        self.count_up();
        match held {
            Some(ids) => self.replace_range(ids),
            None => self.read(rows, true),
        }
    }

    /// Selects every row that this browser holds.
    pub fn select_held(self) {
        self.begin(None);
        let table = self.table;
        let held = table.read(|window| window.held());
        let ids: Vec<String> = held.filter_map(|row| table.row(row)).map(|row| row.doc.id.clone()).collect();
        self.ids.update(|all| all.extend(ids));
    }

    /// Selects every row of the table, read from the server.
    pub fn select_all(self) {
        if self.table.is_whole() {
            return self.select_held();
        }
        self.begin(None);
        let len = self.table.read(|window| window.total()).unwrap_or(MAX_SELECTED);
        self.read(0..len.min(MAX_SELECTED), false);
    }

    /// Puts the ids on the clipboard, one on each line, in order.
    pub fn copy(self) {
        self.copied.copy(&self.sorted().join("\n"));
    }

    /// The ids in order, untracked.
    #[must_use]
    pub fn sorted(self) -> Vec<String> {
        let mut ids: Vec<String> = self.ids.with_untracked(|ids| ids.iter().cloned().collect());
        ids.sort();
        ids
    }

    /// Another selection begins: no range is being drawn, and nothing is read for an older one.
    fn begin(self, anchor: Option<u64>) {
        self.count_up();
        self.anchor.set_value(anchor);
        self.range.set_value(Vec::new());
    }

    fn count_up(self) -> u32 {
        let serial = self.serial.get_value().wrapping_add(1);
        self.serial.set_value(serial);
        self.progress.set(Progress::None);
        serial
    }

    fn replace_range(self, new: Vec<String>) {
        let old: HashSet<String> = self.range.get_value().into_iter().collect();
        self.ids.update_untracked(|ids| ids.retain(|id| !old.contains(id)));
        // What was selected before the range stays when the range shrinks.
        let added: Vec<String> =
            self.ids.with_untracked(|ids| new.iter().filter(|id| !ids.contains(*id)).cloned().collect());
        self.range.set_value(added);
        self.ids.update(|ids| ids.extend(new));
    }

    /// Reads the ids of rows that are not held, page by page.
    fn read(self, rows: Range<u64>, is_range: bool) {
        let serial = self.count_up();
        spawn_local(async move {
            if answer(reading(self, serial, rows, is_range)).await.is_err() {
                self.progress.set(Progress::Failed(Problem::Unreachable));
            }
        });
    }

    async fn walk(self, serial: u32, rows: Range<u64>, is_range: bool) {
        let wanted = (rows.end - rows.start).min(MAX_SELECTED);
        let Some(mut walk) = Walk::of_rows(self.table, rows.start) else { return };
        let mut ids: Vec<String> = Vec::new();
        loop {
            self.progress.set(Progress::Reading(ids.len() as u64, wanted));
            let page = walk.next().await;
            if self.serial.get_value() != serial {
                return;
            }
            match page {
                Ok(page) => ids.extend(page.ids()),
                Err(problem) => return self.progress.set(Progress::Failed(problem)),
            }
            if walk.is_over() || ids.len() as u64 >= wanted {
                break;
            }
        }
        ids.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        self.progress.set(Progress::None);
        if is_range {
            self.replace_range(ids);
        } else {
            self.ids.update(|all| all.extend(ids));
        }
    }
}

later!(reading(selection: Selection, serial: u32, rows: Range<u64>, is_range: bool) -> Asking<()> {
    Box::pin(async move {
        selection.walk(serial, rows, is_range).await;
        Ok(())
    })
});
