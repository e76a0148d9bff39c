//! The scroll position of the table and its row slots: the pure scroll map, connected to a real scroll bar.

use std::time::Duration;

use leptos::prelude::{
    Get, GetUntracked, GetValue, Memo, Owner, RwSignal, Set, StoredValue, Track, Update, UpdateValue,
    WithValue, on_cleanup, set_timeout, untrack,
};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::ResizeObserver;

use crate::boxed::{effect, effect_with_first};
use crate::browser::{self, Rested};
use crate::scroll::{Position, ScrollMap};
use crate::store::{ApiState, Table};
use crate::view::row::Slot;
use crate::view::ui::{Active, Ui};

/// Row heights, as in the style sheet: one line, and two on a phone.
const ROW_PX: f64 = 32.0;
const NARROW_ROW_PX: f64 = 56.0;
const HEAD_PX: f64 = 32.0;
/// What is usually above and below the table.
const AROUND_PX: f64 = 180.0;
const NARROW: &str = "(max-width: 700px)";
const ROOM_FOR_PANEL: &str = "(min-width: 1100px)";
/// The tallest content: well below what browsers clamp, and exact in the numbers they paint with.
const CAP_PX: f64 = 8e6;
const FIREFOX_CAP_PX: f64 = 4e6;
/// Slots beyond those in view, so that a small movement shows rows that are already there.
const SPARE_SLOTS: usize = 8;
/// As many rows as a large screen shows.
const EXPECTED_ROWS: u64 = 50;
/// The thumb is put where it belongs when scrolling has rested for this long.
const REST: Duration = Duration::from_millis(200);

/// How the ids of the row elements begin.
pub const SLOT: &str = "row-";

#[derive(Clone, Copy)]
pub struct Scroller {
    pub len: RwSignal<u64>,
    pub map: Memo<ScrollMap>,
    pub position: RwSignal<Position>,
    pub row_px: Memo<f64>,
    /// Where row 0 would be painted.
    pub origin: Memo<f64>,
    pub slot_count: RwSignal<usize>,
    ui: Ui,
    /// The inner width of the table, in pixels.
    pub view_width_px: RwSignal<f64>,
    view_px: RwSignal<f64>,
    slots: StoredValue<Vec<RwSignal<Slot>>>,
    has_room: Memo<bool>,
    rest: Rested,
    /// The panel follows the keyboard.
    pub walk: Rested,
    /// The table's own owner: slots that an effect adds must outlive the effect's next run.
    owner: StoredValue<Option<Owner>>,
}

impl Scroller {
    pub fn new(ui: Ui, table: Table) -> Self {
        let (narrow, room) = (browser::media(NARROW), browser::media(ROOM_FOR_PANEL));
        let cap_px = if browser::is_firefox() { FIREFOX_CAP_PX } else { CAP_PX };
        // Until the table is measured it is as wide as the page, and has the height that is usually left to it: rows that are
        // added later are laid out in a second turn.
        let (page_width_px, page_height_px) = browser::page_px();
        let view_px = RwSignal::new((page_height_px - AROUND_PX).max(0.0));
        let (len, view_width_px) = (RwSignal::new(len_of(table)), RwSignal::new(page_width_px));
        let row_px = Memo::new(move |_| if narrow.get() { NARROW_ROW_PX } else { ROW_PX });
        let map = Memo::new(move |_| {
            let head_px = if row_px.get() == ROW_PX { HEAD_PX } else { 0.0 };
            let view_px = (view_px.get() - head_px).max(row_px.get());
            ScrollMap { rows: len.get(), row_px: row_px.get(), view_px, cap_px }
        });
        let position = ui.position;
        Self {
            len,
            map,
            position,
            row_px,
            origin: Memo::new(move |_| map.get().origin_px(position.get())),
            slot_count: RwSignal::new(0),
            ui,
            view_width_px,
            view_px,
            slots: StoredValue::new(Vec::new()),
            has_room: Memo::new(move |_| room.get()),
            rest: Rested::new(),
            walk: Rested::new(),
            owner: StoredValue::new(Owner::current()),
        }
    }

    /// Connects the scroller to the element, to the table's length, and to rows that move.
    pub fn follow(self, table: Table, ui: Ui) {
        self.follow_size();
        effect(move || {
            table.revision.get();
            table.api.track();
            let len = len_of(table);
            if len != self.len.get_untracked() {
                self.len.set(len);
            }
            follow_active(table, ui);
        });
        // Not before the first rows are on screen, which would wait for them.
        let spare = RwSignal::new(0);
        effect(move || {
            table.revision.get();
            if table.read(|window| window.is_loaded()) && spare.get_untracked() == 0 {
                set_timeout(move || spare.set(SPARE_SLOTS), REST);
            }
        });
        effect(move || {
            let map = self.map.get();
            let wanted = (map.view_px / map.row_px).ceil() as usize + spare.get();
            self.grow_slots(wanted);
        });
        effect_with_first(move |is_first| {
            table.asked.get();
            // Another question starts at its first row. A table that is made anew is where it was.
            let top_row = if is_first { self.position.get_untracked().top_row } else { 0.0 };
            self.go_to(self.map.get_untracked().at_row(top_row));
        });
        effect_with_first(move |is_first| {
            let (_, rows) = table.moved.get();
            if is_first {
                return;
            }
            // The reader may have scrolled and the browser not told yet: that must not be undone.
            untrack(|| self.take_scroll(1.0));
            let position = self.position.get_untracked();
            if position.top_row >= 1.0 {
                self.go_to(self.map.get_untracked().at_row(position.top_row + rows as f64));
                ui.arrived.update(|arrived| *arrived = arrived.saturating_add_signed(rows));
            }
        });
        effect(move || {
            if self.position.get().top_row < 1.0 && ui.arrived.get_untracked() > 0 {
                ui.arrived.set(0);
            }
        });
    }

    pub fn on_scroll(self) {
        self.take_scroll(0.0);
        let rest = move || self.go_to(self.map.get_untracked().at_row(self.position.get_untracked().top_row));
        self.rest.after(REST, rest);
    }

    /// Goes where the browser has scrolled to, if that is more than so many pixels away: it rounds what it was told.
    fn take_scroll(self, least_px: f64) {
        let Some(grid) = self.ui.grid.get_value() else { return };
        let (from, scroll_px) = (self.position.get_untracked(), f64::from(grid.scroll_top()));
        let position = self.map.get_untracked().scrolled(from, scroll_px);
        if position != from && (scroll_px - from.scroll_px).abs() > least_px {
            self.position.set(position);
        }
    }

    /// Scrolls as little as needed to show the row.
    pub fn reveal(self, index: u64) {
        self.go_to(self.map.get_untracked().reveal(self.position.get_untracked(), index));
    }

    /// How many rows a page is.
    pub fn page_rows(self) -> u64 {
        let map = self.map.get_untracked();
        ((map.view_px / map.row_px) as u64).saturating_sub(1).max(1)
    }

    /// Whether the panel stands beside the table instead of over it.
    pub fn has_room_for_panel(self) -> bool {
        self.has_room.get_untracked()
    }

    /// Whether rows are the cards of a phone, tracked.
    pub fn is_narrow(self) -> bool {
        self.row_px.get() == NARROW_ROW_PX
    }

    pub fn slot(self, at: usize) -> RwSignal<Slot> {
        self.grow_slots(at + 1);
        self.slots.with_value(|slots| slots[at])
    }

    pub fn id_of_slot(at: usize) -> String {
        format!("{SLOT}{at}")
    }

    /// The id of the element that shows the row when it is in view.
    pub fn slot_id(self, index: u64) -> String {
        Self::id_of_slot((index % (self.slot_count.get().max(1) as u64)) as usize)
    }

    fn go_to(self, position: Position) {
        if position != self.position.get_untracked() {
            self.position.set(position);
        }
        if let Some(grid) = self.ui.grid.get_value() {
            let target = position.scroll_px.round() as i32;
            if (grid.scroll_top() - target).abs() > 1 {
                grid.set_scroll_top(target);
            }
        }
    }

    /// Slots are added as the table grows taller and never taken away: an unused one costs nothing.
    fn grow_slots(self, wanted: usize) {
        let make = || {
            self.owner.with_value(|owner| match owner {
                Some(owner) => owner.with(|| RwSignal::new(Slot::default())),
                None => RwSignal::new(Slot::default()),
            })
        };
        let count = self.slots.try_update_value(|slots| {
            while slots.len() < wanted {
                slots.push(make());
            }
            slots.len()
        });
        if let Some(count) = count.filter(|count| *count != self.slot_count.get_untracked()) {
            self.slot_count.set(count);
        }
    }

    fn take_width(self) {
        let width = self.ui.grid.get_value().map_or(0, |grid| grid.client_width());
        let width = f64::from(width);
        if width > 0.0 && self.view_width_px.try_get_untracked().is_some_and(|before| before != width) {
            self.view_width_px.set(width);
        }
    }

    fn follow_size(self) {
        let measure = move || {
            if let Some(grid) = self.ui.grid.get_value() {
                let height = f64::from(grid.client_height());
                if height > 0.0 && height != self.view_px.get_untracked() {
                    self.view_px.set(height);
                }
                // A task of its own: which columns there is room for changes every row, and what made the room (the page of
                // a client) has just been laid out itself.
                set_timeout(move || self.take_width(), Duration::ZERO);
            }
        };
        let on_resize = Closure::<dyn Fn()>::new(measure);
        let observer = ResizeObserver::new(on_resize.as_ref().unchecked_ref()).ok();
        if let (Some(grid), Some(observer)) = (self.ui.grid.get_value(), &observer) {
            observer.observe(&grid);
        }
        let kept = StoredValue::new_local((on_resize, observer));
        on_cleanup(move || {
            let _ = kept.try_with_value(|(_, observer)| observer.as_ref().map(ResizeObserver::disconnect));
        });
    }
}

/// How many rows there are, untracked.
fn len_of(table: Table) -> u64 {
    let is_failing = matches!(table.api.get_untracked(), ApiState::Failed { .. });
    table.read(|window| match window.is_loaded() {
        true => window.len(),
        // Before the first answer a screen of rows is on its way, unless it is not.
        false if is_failing => 0,
        false => EXPECTED_ROWS,
    })
}

/// The active row follows its client.
fn follow_active(table: Table, ui: Ui) {
    let Some(active) = ui.active.get_untracked() else { return };
    let moved = match &active.id {
        Some(id) => table.read(|window| window.index_of(id)).map(|index| Active { index, ..active.clone() }),
        // It was not loaded yet when the keyboard came to it.
        None => table.row(active.index).map(|row| Active { id: Some(row.doc.id.clone()), ..active.clone() }),
    };
    if let Some(moved) = moved.filter(|moved| *moved != active) {
        ui.active.set(Some(moved));
    }
}
