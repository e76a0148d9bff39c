//! The menu that sorts by any field, shown as a column or not.

use leptos::prelude::*;
use rollcall_model::query::{Field, SortKey};

use super::grid::starts_descending;
use super::live::{flag, live, maybe};
use super::parts::{Choice, either, note};
use crate::columns::COLUMNS;
use crate::i18n::t;
use crate::store::stores;
use crate::words;

pub fn sort() -> AnyView {
    let view = stores().view;
    let id = SortKey { field: Field::Id, descending: false };
    let key = move || view.with(|view| view.sort.first().copied().unwrap_or(id));
    let set = move |key: SortKey| {
        view.change(|view| view.sort = if key == id { Vec::new() } else { vec![key] });
    };
    let direction = either(
        [live(t::ascending), live(t::descending)],
        ["sort-ascending", "sort-descending"],
        flag(move || key().descending),
        Callback::new(move |descending| set(SortKey { descending, ..untrack(key) })),
    );
    let status = stores().status;
    let hint = status.is_plain().then(|| note(t::plain_hint));
    let offered = COLUMNS.into_iter().filter(|column| status.can_sort(column.field));
    let options = offered.map(|column| {
        let field = column.field;
        let choice = Choice {
            group: "sort",
            test_id: format!("sort-{field}"),
            label: live(move || words::field(field)),
            more: maybe(|| None),
            is_on: flag(move || key().field == field),
            act: Callback::new(move |()| set(SortKey { field, descending: starts_descending(field) })),
        };
        choice.view()
    });
    view! { <div class="stack">{hint}{direction}<div class="options">{options.collect_view()}</div></div> }
        .into_any()
}
