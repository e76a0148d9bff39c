//! The virtual table: as many row slots as fit on the screen, recycled while scrolling over the server's rows.
//!
//! The scroll map says what is in view, the table store holds it, each slot has one signal. The focus stays on the
//! grid itself (`aria-activedescendant`), so that it survives whatever its rows do.

mod heads;
mod scroller;

use std::time::Duration;

use leptos::prelude::*;
use rollcall_model::Timestamp;
use rollcall_model::query::Field;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, MouseEvent};

use super::dom::{El, el};
use super::row::{Frame, Slot};
use super::ui::{Active, Command, Ui, ui};
use super::{cells, row};
use crate::boxed::effect;
use crate::browser::Rested;
use crate::i18n::t;
use crate::store::{Stores, stores};
pub use heads::STEP_PX;
use scroller::{SLOT, Scroller};

pub use heads::starts_descending;

pub fn grid() -> El {
    let (stores, ui) = (stores(), ui());
    let scroller = Scroller::new(ui, stores.table);
    let grid = el("div", "grid").attr("id", "grid");
    ui.grid.set_value(grid.html().cloned());
    scroller.follow(stores.table, ui);
    paint_slots(scroller);
    ui.on_command(std::rc::Rc::new(move |command, extends| obey(command, extends, scroller, stores, ui)));
    let frame = frame(scroller, stores, ui);

    // A reader of screens is told when the number of rows is not known.
    let row_count = move || {
        let is_known = stores.table.read(|window| window.total().is_some());
        let len = scroller.len.get();
        Some(if is_known { (len + 1).to_string() } else { "-1".to_owned() })
    };
    let column_count = move || Some((frame.columns.with(Vec::len) + 1).to_string());
    let active_row = move || ui.active.get().map(|active| scroller.slot_id(active.index));
    let height = move || format!("{}px", scroller.map.get().content_px() as i64);
    let is_late = is_late(stores);
    let is_busy = move || Some(stores.table.is_outdated.get().to_string());
    let click = move |event: &Event| {
        let (Some(event), Some(at)) = (event.dyn_ref::<MouseEvent>(), slot_of(event)) else { return };
        clicked(scroller.slot(at).with_untracked(|slot| slot.index), event, stores, ui);
        ui.focus_grid();
    };
    let rows = el("div", "rows").attr("role", "rowgroup").live_style("height", height).on("click", click);
    add_rows(&rows, scroller, frame);
    grid.attrs(&[("role", "grid"), ("tabindex", "0"), ("aria-multiselectable", "true")])
        .says("aria-label", t::grid_label)
        .live_attr("aria-rowcount", row_count)
        .live_attr("aria-colcount", column_count)
        .live_attr("aria-activedescendant", active_row)
        .live_attr("aria-busy", is_busy)
        .live_class("is-outdated", move || is_late.get())
        .children(&[heads::heads(frame), rows])
        .on("scroll", move |_| scroller.on_scroll())
        .on("pointerover", move |event| explain(event, stores))
}

/// A row element for each slot, as they come; none is ever taken away.
fn add_rows(rows: &El, scroller: Scroller, frame: Frame) {
    let (rows, owner) = (rows.clone(), Owner::current().unwrap_or_default());
    let mut made = 0;
    effect(move || {
        let count = scroller.slot_count.get();
        // They outlive the next run of this effect.
        let new: Vec<El> = owner.with(|| {
            let row = |at| row::row(&Scroller::id_of_slot(at), scroller.slot(at), frame);
            untrack(|| (made..count).map(row).collect())
        });
        made = count.max(made);
        rows.clone().children(&new);
    });
}

/// Which slot's row an event is about.
fn slot_of(event: &Event) -> Option<usize> {
    let target: Element = event.target()?.dyn_into().ok()?;
    target.closest(".row").ok()??.id().strip_prefix(SLOT)?.parse().ok()
}

/// How long the rows of an older question look as they are: most answers are there by then.
const PATIENCE: Duration = Duration::from_millis(150);

/// Whether the rows have answered an older question for so long that they are to look it. Not left to a delayed transition:
/// for one of those a browser makes a layer of every row at once, also when the answer comes first.
fn is_late(stores: Stores) -> RwSignal<bool> {
    let (is_outdated, is_late, rested) = (stores.table.is_outdated, RwSignal::new(false), Rested::new());
    effect(move || match is_outdated.get() {
        true => rested.after(PATIENCE, move || is_late.set(true)),
        false => {
            rested.forget();
            is_late.set(false);
        }
    });
    is_late
}

/// What all rows share: which columns, and where they are. The grid element is told how wide each is.
fn frame(scroller: Scroller, stores: Stores, ui: Ui) -> Frame {
    let columns = Memo::new(move |_| {
        let layout = stores.layout();
        layout.shown(scroller.view_width_px.get(), scroller.is_narrow())
    });
    let tracks = Memo::new(move |_| columns.with(|columns| stores.layout().tracks(columns)));
    effect(move || {
        let (tracks, least_px) = tracks.get();
        if let Some(grid) = ui.grid.get_value() {
            let style = grid.style();
            // Both are well-formed, so that nothing is refused.
            let _ = style.set_property("--columns", &tracks);
            let _ = style.set_property("--least", &format!("{least_px}px"));
        }
    });
    Frame { columns, origin: scroller.origin, row_px: scroller.row_px }
}

/// A click opens the client; on the check box, or with a key that selects elsewhere too, it selects.
fn clicked(index: u64, event: &MouseEvent, stores: Stores, ui: Ui) {
    let Some(row) = stores.table.row(index) else { return };
    let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
    let is_check = target.is_some_and(|element| element.closest(".c-check").ok().flatten().is_some());
    if event.shift_key() {
        let from = ui.active.get_untracked().map_or(index, |active| active.index);
        ui.selection.anchor_at(from);
        ui.selection.extend_to(index);
    } else if is_check || event.ctrl_key() || event.meta_key() {
        ui.selection.toggle(index, &row.doc.id);
    } else {
        return open(index, stores, ui);
    }
    ui.active.set(Some(Active { index, id: Some(row.doc.id.clone()) }));
}

/// Fills the slots whenever the window, the position or the active row changed; each slot repaints only if its
/// content did.
fn paint_slots(scroller: Scroller) {
    let (stores, ui) = (stores(), ui());
    effect(move || {
        stores.table.revision.get();
        let opened = stores.view.with(|view| view.client.clone());
        let (map, position, count) = (scroller.map.get(), scroller.position.get(), scroller.slot_count.get());
        let visible = map.visible(position);
        ui.top_row.set(visible.start + 1);
        stores.table.show(visible.clone());
        let active = ui.active.get().map(|active| active.index);
        let count = count as u64;
        let first = visible.start.saturating_sub(count.saturating_sub(visible.end - visible.start) / 2);
        let now = stores.clock.exact();
        for index in first..first + count {
            let row = stores.table.row(index);
            let is_open = row.as_ref().is_some_and(|row| Some(&row.doc.id) == opened.as_ref());
            let slot = Slot {
                index,
                is_shown: index < map.rows,
                is_active: active == Some(index),
                is_open,
                is_selected: row
                    .as_ref()
                    .is_some_and(|row| ui.selection.with(|selected| selected.contains(&row.doc.id))),
                glow: row.as_ref().and_then(|row| row.change).filter(|change| glows(change.at, now)),
                row,
            };
            let signal = scroller.slot((index % count) as usize);
            if signal.get_untracked() != slot {
                signal.set(slot);
            }
        }
    });
}

/// Changes older than this do not glow when their row scrolls into view.
const GLOW_MS: i64 = 700;

fn glows(at: Timestamp, now: Timestamp) -> bool {
    now.millis() - at.millis() < GLOW_MS
}

/// The keys rest when none has come for this long: less than between two taps, more than between two of a held key.
const WALK: Duration = Duration::from_millis(100);

fn obey(command: Command, extends: bool, scroller: Scroller, stores: Stores, ui: Ui) {
    let len = scroller.len.get_untracked();
    if len == 0 {
        return;
    }
    let page = scroller.page_rows();
    let from = ui.active.get_untracked().map(|active| active.index);
    let target = match (command, from) {
        (Command::Open, Some(index)) => return open(index, stores, ui),
        (Command::Select, Some(index)) => {
            if let Some(row) = stores.table.row(index) {
                ui.selection.toggle(index, &row.doc.id);
            }
            return;
        }
        (Command::Open | Command::Select, None) => return,
        (Command::First, _) => 0,
        (Command::Last, _) => len - 1,
        // Before the first movement the first row in view is the active one.
        (_, None) => ui.top_row.get_untracked().saturating_sub(1),
        (Command::Rows(by), Some(index)) => index.saturating_add_signed(by),
        (Command::Pages(by), Some(index)) => index.saturating_add_signed(by * page as i64),
    };
    let index = target.min(len - 1);
    let id = stores.table.row(index).map(|row| row.doc.id.clone());
    ui.active.set(Some(Active { index, id }));
    if extends {
        ui.selection.anchor_at(from.unwrap_or(index));
        ui.selection.extend_to(index);
    }
    scroller.reveal(index);
    ui.focus_grid();
    // With the panel open the keyboard walks through the clients. The panel follows when the keys rest: the row is painted at
    // once, and a key that is held does not ask for every client that it passes.
    scroller.walk.after(WALK, move || {
        let active = ui.active.get_untracked().and_then(|active| active.id);
        let is_open = stores.view.get_untracked().client.is_some();
        if let Some(id) = active.filter(|_| is_open && scroller.has_room_for_panel()) {
            stores.view.adjust(|view| view.client = Some(id));
        }
    });
}

fn open(index: u64, stores: Stores, ui: Ui) {
    let Some(row) = stores.table.row(index) else { return };
    ui.active.set(Some(Active { index, id: Some(row.doc.id.clone()) }));
    stores.view.change(|view| view.client = Some(row.doc.id.clone()));
}

/// Writes the tooltip of what the pointer is on. Not before it is asked for: formatting every time in the table for
/// nobody would be half of the work.
fn explain(event: &Event, stores: Stores) {
    let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
    let find = |selector: &str| target.as_ref().and_then(|element| element.closest(selector).ok().flatten());
    let (Some(cell), Some(row)) = (find("[role=gridcell]"), find(".row")) else { return };
    let class = cell.class_name();
    let field = class.split(' ').find_map(|name| Field::from_name(name.strip_prefix("c-")?));
    let id = row.get_attribute("data-client-id");
    let doc = id.and_then(|id| {
        let index = stores.table.read(|window| window.index_of(&id))?;
        stores.table.row(index).map(|row| row.doc)
    });
    if let Some(text) = field.zip(doc).and_then(|(field, doc)| cells::tooltip(field, &doc)) {
        // It can only fail for a malformed name.
        let _ = cell.set_attribute("title", &text);
    }
}
