//! A labelled choice in the filter bar: the browser's own `<select>`, which every keyboard, screen reader and phone
//! knows.

use crate::view::live::flag;
use leptos::prelude::*;

/// A choice among named values; the empty value is "any".
#[component]
pub fn Choice(
    #[prop(into)] label: Signal<String>,
    test_id: &'static str,
    /// Values and what they are called.
    options: Vec<(&'static str, Signal<String>)>,
    #[prop(into)] chosen: Signal<String>,
    on_choose: impl Fn(String) + 'static,
) -> impl IntoView {
    let items = options.into_iter().map(|(value, name)| {
        view! { <option value=value prop:selected=flag(move || chosen.get() == value)>{name}</option> }
    });
    let items = items.collect_view();
    view! {
        <label class="choice" class:chosen=flag(move || !chosen.get().is_empty())>
            <span class="label">{label}</span>
            <select data-testid=test_id on:change=move |event| on_choose(event_target_value(&event))>
                {items}
            </select>
        </label>
    }
}
