//! The virtual table: as many row slots as fit on the screen, recycled while scrolling over the server's rows.
//!
//! The scroll map says what is in view, the table store holds it, each slot has one signal. The focus stays on the
//! grid itself (`aria-activedescendant`), so that it survives whatever its rows do.

mod heads;
mod scroller;

use crate::view::live::{flag, live, maybe, say};
use leptos::prelude::*;
use rollcall_model::Timestamp;
use wasm_bindgen::JsCast;
use web_sys::{Element, PointerEvent};

use super::empty::Empty;
use super::row::{RowView, Slot};
use super::ui::{Active, Command, Ui, ui};
use crate::i18n::t;
use crate::store::{Stores, stores};
use crate::{format, text};
use scroller::Scroller;

#[component]
pub fn Grid() -> impl IntoView {
    let (stores, ui) = (stores(), ui());
    let scroller = Scroller::new(ui.grid);
    scroller.follow(stores.table, ui);
    paint_slots(scroller);
    ui.on_command(std::rc::Rc::new(move |command| obey(command, scroller, stores, ui)));

    let row_count = live(move || (scroller.len.get() + 1).to_string());
    let active_row = maybe(move || ui.active.get().map(|active| scroller.slot_id(active.index)));
    let height = live(move || format!("{}px", scroller.map.get().content_px() as i64));
    let is_busy = live(move || stores.table.is_outdated.get().to_string());
    view! {
        <div id="grid" class="grid" role="grid" tabindex="0" node_ref=ui.grid aria-label=say(t::grid_label)
            aria-rowcount=row_count aria-activedescendant=active_row aria-busy=is_busy
            class:is-outdated=flag(move || stores.table.is_outdated.get())
            on:scroll=move |_| scroller.on_scroll()
            on:pointerover=|event| explain(&event)>
            <heads::Heads/>
            <div class="rows" role="rowgroup" style:height=height>
                <For each=move || 0..scroller.slot_count.get() key=|at| *at let:at>
                    <RowView of=scroller.slot(at) id=Scroller::id_of_slot(at) origin=scroller.origin
                        row_px=scroller.row_px on_open=move |index| open(index, stores, ui)/>
                </For>
            </div>
        </div>
        <Empty/>
    }
}

/// Fills the slots whenever the window, the position or the active row changed; each slot repaints only if its
/// content did.
fn paint_slots(scroller: Scroller) {
    let (stores, ui) = (stores(), ui());
    Effect::new(move || {
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

fn obey(command: Command, scroller: Scroller, stores: Stores, ui: Ui) {
    let len = scroller.len.get_untracked();
    if len == 0 {
        return;
    }
    let page = scroller.page_rows();
    let from = ui.active.get_untracked().map(|active| active.index);
    let target = match (command, from) {
        (Command::Open, Some(index)) => return open(index, stores, ui),
        (Command::Open, None) => return,
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
    scroller.reveal(index);
    ui.focus_grid();
    // With the panel open the keyboard walks through the clients.
    let follows = stores.view.get_untracked().client.is_some() && scroller.has_room_for_panel();
    if let Some(row) = stores.table.row(index).filter(|_| follows) {
        stores.view.adjust(|view| view.client = Some(row.doc.id.clone()));
    }
}

fn open(index: u64, stores: Stores, ui: Ui) {
    let Some(row) = stores.table.row(index) else { return };
    ui.active.set(Some(Active { index, id: Some(row.doc.id.clone()) }));
    stores.view.change(|view| view.client = Some(row.doc.id.clone()));
}

/// Writes the tooltip of what the pointer is on: exact times in both zones, whole ids. Not before it is asked for:
/// formatting every time in the table for nobody would be half of the work.
fn explain(event: &PointerEvent) {
    let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
    let Some(cell) = target.and_then(|element| element.closest("[data-ms], [data-id]").ok().flatten()) else {
        return;
    };
    let time = cell.get_attribute("data-ms").and_then(|ms| ms.parse().ok()).map(Timestamp::from_millis);
    let title = match time {
        Some(time) => format::exact(time),
        None => text::limited(&cell.get_attribute("data-id").unwrap_or_default(), 1_000),
    };
    let _ = cell.set_attribute("title", &title);
}
