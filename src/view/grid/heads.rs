//! The heads of the columns: a click sorts, the edge or Shift with an arrow key makes a column wider or narrower.

use crate::boxed::{dynamic, then};
use crate::view::live::{flag, live, say};
use leptos::prelude::*;
use rollcall_model::query::{Field, SortKey};
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent, PointerEvent};

use crate::i18n::t;
use crate::store::{Prefs, stores};
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

#[component]
pub fn Heads(frame: Frame) -> impl IntoView {
    let selection = ui().selection;
    let all = move |_| if selection.is_empty() { selection.select_held() } else { selection.clear() };
    let heads = dynamic(move || {
        let columns = frame.columns.get().into_iter().enumerate();
        columns.map(|(at, field)| head(at, field)).collect_view()
    });
    let table = stores().table;
    let is_every = flag(move || {
        table.revision.track();
        selection.count() > 0 && table.read(|window| window.total()) == Some(selection.count())
    });
    let is_some = flag(move || selection.count() > 0 && !is_every.get());
    let prefs = stores().prefs;
    let resizing = Resizing { prefs, dragged: StoredValue::new(None) };
    view! {
        <div class="heads" role="row" aria-rowindex="1"
            on:pointerdown=then(move |event| resizing.start(&event))
            on:pointermove=then(move |event| resizing.go_on(&event))
            on:pointerup=then(move |_| resizing.end())
            on:pointercancel=then(move |_| resizing.end())
            on:dblclick=then(move |event: leptos::ev::MouseEvent| reset_width(prefs, event.target()))
            on:keydown=then(move |event| resize_by_key(prefs, &event))>
            <div role="columnheader" class="head c-check" aria-colindex="1" aria-label=say(t::selection)>
                <input type="checkbox" data-testid="select-loaded" aria-label=say(t::select_loaded) title=say(t::select_loaded)
                    prop:checked=is_every prop:indeterminate=is_some on:click=then(all)/>
            </div>
            {heads}
        </div>
    }
}

fn head(at: usize, field: Field) -> AnyView {
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
    let sort = move |event: leptos::ev::MouseEvent| {
        if !untrack(|| status.can_sort(field)) {
            return;
        }
        let next = if event.shift_key() { further_sort } else { next_sort };
        view.change(|view| view.sort = next(&view.sort, field));
    };
    let arrow = live(move || {
        match direction() {
            "ascending" => " ▲",
            "descending" => " ▼",
            _ => "",
        }
        .to_owned()
    });
    // A reader of screens is told of the first key only: the attribute allows no more than one column.
    let sorted = live(move || {
        let is_first = view.with(|view| {
            view.sort.first().is_none_or(|key| key.field == field || !status.can_sort(key.field))
        });
        if is_first { direction().to_owned() } else { "none".to_owned() }
    });
    view! {
        <div role="columnheader" class=format!("head h-{field}") data-testid=format!("col-{field}") data-field=field.name()
            aria-colindex=(at + 2).to_string() aria-sort=sorted>
            <button type="button" title=live(move || t::sort_by(&words::field(field))) on:click=then(sort)>
                <span class="name">{live(move || words::field(field))}</span>
                <span class="arrow" aria-hidden="true">{arrow}</span>
            </button>
            <span class="grip" aria-hidden="true"></span>
        </div>
    }
    .into_any()
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

fn resize_by_key(prefs: Prefs, event: &KeyboardEvent) {
    let step_px = match event.key().as_str() {
        "ArrowLeft" if event.shift_key() => -STEP_PX,
        "ArrowRight" if event.shift_key() => STEP_PX,
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
