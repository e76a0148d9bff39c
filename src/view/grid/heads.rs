//! The heads of the columns: a click sorts, the edge or Shift with an arrow key makes a column wider or narrower.

use leptos::prelude::*;
use rollcall_model::query::{Field, SortKey};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, KeyboardEvent, MouseEvent, PointerEvent};

use crate::i18n::t;
use crate::store::{Prefs, stores};
use crate::view::dom::{El, area, el};
use crate::view::row::Frame;
use crate::view::ui::ui;
use crate::words;

/// How much wider a key makes a column, in pixels.
pub const STEP_PX: f64 = 16.0;

/// Times and counts are wanted largest first.
#[must_use]
pub const fn starts_descending(field: Field) -> bool {
    matches!(field, Field::RecentConnects) || field.is_time() && !matches!(field, Field::StaleSince)
}

/// The sort after a click: the other way round, then back to the default order.
fn next_sort(sort: &[SortKey], field: Field) -> Vec<SortKey> {
    let first = SortKey { field, descending: starts_descending(field) };
    let second = SortKey { field, descending: !first.descending };
    match sort {
        [key] if *key == first => vec![second],
        // Without a sort the order is by id already.
        [] if field == Field::Id => vec![second],
        [key] if *key == second => Vec::new(),
        _ => vec![first],
    }
}

/// The sort after a click with Shift: the column decides between rows that are equal so far, or turns around.
fn further_sort(sort: &[SortKey], field: Field) -> Vec<SortKey> {
    let mut sort = sort.to_vec();
    match sort.iter_mut().find(|key| key.field == field) {
        Some(key) => key.descending = !key.descending,
        None => sort.push(SortKey { field, descending: starts_descending(field) }),
    }
    sort
}

pub fn heads(frame: Frame) -> El {
    let selection = ui().selection;
    let all = move |_: &Event| if selection.is_empty() { selection.select_held() } else { selection.clear() };
    let heads = area(move || {
        let columns = frame.columns.get().into_iter().enumerate();
        columns.map(|(at, field)| head(at, field).into()).collect()
    });
    let table = stores().table;
    let is_every = move || {
        table.revision.track();
        selection.count() > 0 && table.read(|window| window.total()) == Some(selection.count())
    };
    let is_some = move || selection.count() > 0 && !is_every();
    let prefs = stores().prefs;
    let resizing = Resizing { prefs, dragged: StoredValue::new(None) };
    let check = el("input", "")
        .attrs(&[("type", "checkbox"), ("data-testid", "select-loaded")])
        .named(t::select_loaded)
        .live_prop("checked", move || is_every().into())
        .live_prop("indeterminate", move || is_some().into())
        .on("click", all);
    let check = el("div", "head c-check")
        .attrs(&[("role", "columnheader"), ("aria-colindex", "1")])
        .says("aria-label", t::selection)
        .child(&check);
    let on_pointer = move |event: &Event| {
        let pointer = event.dyn_ref::<PointerEvent>();
        match (event.type_().as_str(), pointer) {
            ("pointerdown", Some(pointer)) => resizing.start(pointer),
            ("pointermove", Some(pointer)) => resizing.go_on(pointer),
            _ => resizing.end(),
        }
    };
    let row = el("div", "heads").attrs(&[("role", "row"), ("aria-rowindex", "1")]).child(&check).piece(heads);
    let names = ["pointerdown", "pointermove", "pointerup", "pointercancel"];
    names
        .into_iter()
        .fold(row, |row, name| row.on(name, on_pointer))
        .on("dblclick", move |event| reset_width(prefs, event.target()))
        .on("keydown", move |event| resize_by_key(prefs, event))
}

fn head(at: usize, field: Field) -> El {
    let view = stores().view;
    let status = stores().status;
    // Without a sort, and with one that the server does not know, the order is that of the ids.
    let direction = move || {
        let is_by_id = |sort: &[SortKey]| sort.first().is_none_or(|key| !status.can_sort(key.field));
        view.with(|view| {
            match view.sort.iter().find(|key| status.can_sort(key.field) && key.field == field) {
                None if field == Field::Id && is_by_id(&view.sort) => "ascending",
                None => "none",
                Some(key) if key.descending => "descending",
                Some(_) => "ascending",
            }
        })
    };
    let sort = move |event: &Event| {
        if !untrack(|| status.can_sort(field)) {
            return;
        }
        let is_further = event.dyn_ref::<MouseEvent>().is_some_and(|event| event.shift_key());
        let next = if is_further { further_sort } else { next_sort };
        view.change(|view| view.sort = next(&view.sort, field));
    };
    let arrow = move || match direction() {
        "ascending" => " ▲",
        "descending" => " ▼",
        _ => "",
    };
    // A reader of screens is told of the first key only: the attribute allows no more than one column.
    let sorted = move || {
        let is_first = view.with(|view| {
            view.sort.first().is_none_or(|key| key.field == field || !status.can_sort(key.field))
        });
        if is_first { direction() } else { "none" }
    };
    let button = el("button", "")
        .attr("type", "button")
        .live_attr("title", move || Some(t::sort_by(&words::field(field))))
        .children(&[
            el("span", "name").live_text(move || words::field(field)),
            el("span", "arrow").attr("aria-hidden", "true").live_text(move || arrow().to_owned()),
        ])
        .on("click", sort);
    el("div", &format!("head h-{field}"))
        .attrs(&[
            ("role", "columnheader"),
            ("data-testid", &format!("col-{field}")),
            ("data-field", field.name()),
        ])
        .attr("aria-colindex", &(at + 2).to_string())
        .live_attr("aria-sort", move || Some(sorted().to_owned()))
        .children(&[button, el("span", "grip").attr("aria-hidden", "true")])
}

/// The column whose edge is being dragged: where the pointer was, and how wide the column.
#[derive(Clone, Copy)]
struct Resizing {
    prefs: Prefs,
    dragged: StoredValue<Option<(Field, f64, f64)>>,
}

impl Resizing {
    fn start(self, event: &PointerEvent) {
        let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
        let Some(grip) = target.filter(|element| element.class_name() == "grip") else { return };
        if let Some((field, width_px)) = head_of(&grip) {
            event.prevent_default();
            // Without capture the pointer may leave the head; it then simply stops.
            let _ = grip.set_pointer_capture(event.pointer_id());
            self.dragged.set_value(Some((field, f64::from(event.client_x()), width_px)));
        }
    }

    fn go_on(self, event: &PointerEvent) {
        if let Some((field, from_px, width_px)) = self.dragged.get_value() {
            let px = width_px + f64::from(event.client_x()) - from_px;
            self.prefs.layout.update(|layout| layout.set_width(field, px));
        }
    }

    fn end(self) {
        if self.dragged.get_value().is_some() {
            self.dragged.set_value(None);
            self.prefs.arrange(|_| {});
        }
    }
}

/// The column that an element in its head belongs to, and how wide it is, in pixels.
fn head_of(element: &Element) -> Option<(Field, f64)> {
    let head = element.closest(".head").ok()??;
    let field = Field::from_name(&head.get_attribute("data-field")?)?;
    Some((field, head.get_bounding_client_rect().width()))
}

fn resize_by_key(prefs: Prefs, event: &Event) {
    let Some(key) = event.dyn_ref::<KeyboardEvent>().filter(|event| event.shift_key()) else { return };
    let step_px = match key.key().as_str() {
        "ArrowLeft" => -STEP_PX,
        "ArrowRight" => STEP_PX,
        _ => return,
    };
    let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
    if let Some((field, width_px)) = target.as_ref().and_then(head_of) {
        event.prevent_default();
        prefs.arrange(|layout| layout.set_width(field, width_px + step_px));
    }
}

fn reset_width(prefs: Prefs, target: Option<web_sys::EventTarget>) {
    let target: Option<Element> = target.and_then(|target| target.dyn_into().ok());
    if let Some(grip) = target.filter(|element| element.class_name() == "grip")
        && let Some((field, _)) = head_of(&grip)
    {
        prefs.arrange(|layout| layout.reset_width(field));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_sorted_one_way_then_the_other_then_not_at_all() {
        let key = |field, descending| SortKey { field, descending };
        for (field, descending) in [(Field::Id, false), (Field::LastConnectTime, true)] {
            let first = next_sort(&[key(Field::Reason, true)], field);
            assert_eq!(first, [key(field, descending)]);
            let second = next_sort(&first, field);
            assert_eq!(second, [key(field, !descending)]);
            assert_eq!(next_sort(&second, field), []);
        }
        assert_eq!(next_sort(&[], Field::Id), [key(Field::Id, true)]);
    }

    #[test]
    fn a_click_with_shift_sorts_within_what_is_sorted() {
        let key = |field, descending| SortKey { field, descending };
        let one = further_sort(&[key(Field::DeviceType, false)], Field::LastActivityTime);
        assert_eq!(one, [key(Field::DeviceType, false), key(Field::LastActivityTime, true)]);
        assert_eq!(further_sort(&one, Field::DeviceType)[0], key(Field::DeviceType, true));
    }
}
