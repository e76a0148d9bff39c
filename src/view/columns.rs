//! The dialog that chooses the columns and puts them in order, by dragging or by keyboard.

use leptos::prelude::*;
use rollcall_model::query::Field;
use web_sys::{DragEvent, KeyboardEvent};

use super::grid::STEP_PX;
use super::live::{flag, live, maybe};
use super::parts::{Choice, button, icon, note};
use crate::boxed::then;
use crate::columns::COLUMNS;
use crate::i18n::t;
use crate::store::{Stores, stores};
use crate::words;

/// The order of the list: the columns that are shown, then the others.
fn order(stores: Stores) -> (Vec<Field>, Vec<Field>) {
    // Of those that show themselves where there is room, those that there is room for.
    let table_px =
        document().get_element_by_id("grid").map_or(f64::MAX, |grid| f64::from(grid.client_width()));
    let shown = stores.layout().shown(table_px, false);
    let rest = COLUMNS.iter().map(|column| column.field).filter(|field| !shown.contains(field)).collect();
    (shown, rest)
}

/// Puts a shown column at another place.
fn place(stores: Stores, field: Field, at: usize) {
    let (mut shown, _) = untrack(|| order(stores));
    let Some(from) = shown.iter().position(|other| *other == field) else { return };
    let field = shown.remove(from);
    shown.insert(at.min(shown.len()), field);
    stores.arrange(|layout| layout.choose(shown));
}

fn toggle(stores: Stores, field: Field) {
    let (mut shown, _) = untrack(|| order(stores));
    match shown.iter().position(|other| *other == field) {
        Some(at) => drop(shown.remove(at)),
        None => shown.push(field),
    }
    stores.arrange(|layout| layout.choose(shown));
}

/// Makes a column that is on screen wider or narrower.
fn widen(stores: Stores, field: Field, by_px: f64) {
    let head = document().query_selector(&format!(".h-{field}")).ok().flatten();
    if let Some(head) = head {
        let width_px = head.get_bounding_client_rect().width();
        stores.arrange(|layout| layout.set_width(field, width_px + by_px));
    }
}

pub fn columns() -> AnyView {
    let stores = stores();
    let dragged = RwSignal::new(None::<Field>);
    // The elements stay while their order changes, and with them the focus.
    let fields = move || {
        let (shown, rest) = order(stores);
        [shown, rest].concat()
    };
    let reset = Callback::new(move |()| stores.arrange(|layout| *layout = crate::columns::Layout::default()));
    view! {
        <div class="stack">
            {note(t::columns_hint)}
            <div class="options columns">
                <For each=fields key=|field| *field let:field>{item(stores, field, dragged)}</For>
            </div>
            {button("", "columns-reset", live(t::columns_reset), reset)}
        </div>
    }
    .into_any()
}

fn item(stores: Stores, field: Field, dragged: RwSignal<Option<Field>>) -> AnyView {
    let at = move || order(stores).0.iter().position(|other| *other == field);
    let count = move || order(stores).0.len();
    let name = live(move || words::field(field));
    let choice = Choice {
        group: "",
        test_id: format!("column-{field}"),
        label: name,
        more: maybe(|| None),
        is_on: flag(move || at().is_some()),
        act: Callback::new(move |()| toggle(stores, field)),
    };
    let step = move |by: isize| {
        if let Some(at) = untrack(at) {
            place(stores, field, at.saturating_add_signed(by));
        }
    };
    let up = icon(
        "▲",
        format!("column-{field}-up"),
        live(move || t::column_earlier(&name.get())),
        flag(move || at().is_none_or(|at| at == 0)),
        Callback::new(move |()| step(-1)),
    );
    let down = icon(
        "▼",
        format!("column-{field}-down"),
        live(move || t::column_later(&name.get())),
        flag(move || at().is_none_or(|at| at + 1 >= count())),
        Callback::new(move |()| step(1)),
    );
    // What dragging the edge of a column's head does, for whoever cannot drag.
    let is_hidden = flag(move || at().is_none());
    let narrower = icon(
        "−",
        format!("column-{field}-narrower"),
        live(move || t::column_narrower(&name.get())),
        is_hidden,
        Callback::new(move |()| widen(stores, field, -STEP_PX)),
    );
    let wider = icon(
        "+",
        format!("column-{field}-wider"),
        live(move || t::column_wider(&name.get())),
        is_hidden,
        Callback::new(move |()| widen(stores, field, STEP_PX)),
    );
    let by_key = move |event: KeyboardEvent| {
        let by = match event.key().as_str() {
            "ArrowUp" if event.alt_key() => -1,
            "ArrowDown" if event.alt_key() => 1,
            _ => return,
        };
        event.prevent_default();
        step(by);
    };
    let start = move |event: DragEvent| {
        // Firefox drags nothing without data.
        let _ = event.data_transfer().map(|data| data.set_data("text/plain", field.name()));
        dragged.set(Some(field));
    };
    let over = move |event: DragEvent| {
        let source = dragged.get_untracked();
        if let (Some(source), Some(at)) = (source, untrack(at)) {
            event.prevent_default();
            if source != field {
                place(stores, source, at);
            }
        }
    };
    view! {
        <div class="column" draggable="true" class:dragged=flag(move || dragged.get() == Some(field))
            on:keydown=then(by_key) on:dragstart=then(start) on:dragover=then(over)
            on:dragend=then(move |_| dragged.set(None))>
            <span class="handle" aria-hidden="true">"⠿"</span>
            {choice.view()}{narrower}{wider}{up}{down}
        </div>
    }
    .into_any()
}
