//! The few controls that menus and dialogs are made of. Each is one function that takes boxed values and gives one
//! type, so that the renderer is compiled once for all of them.

use leptos::prelude::*;

use super::live::{flag, say};
use crate::boxed::then;

/// A button with a text.
pub fn button(
    class: &'static str,
    test_id: impl Into<String>,
    label: Signal<String>,
    act: Callback<()>,
) -> AnyView {
    let test_id: String = test_id.into();
    view! { <button type="button" class=class data-testid=test_id on:click=then(move |_| act.run(()))>{label}</button> }.into_any()
}

/// A button with a sign, and a name for those who do not see it.
pub fn icon(
    sign: &'static str,
    test_id: String,
    label: Signal<String>,
    is_off: Signal<bool>,
    act: Callback<()>,
) -> AnyView {
    view! {
        <button type="button" class="icon" data-testid=test_id title=label aria-label=label disabled=is_off on:click=then(move |_| act.run(()))>
            <span aria-hidden="true">{sign}</span>
        </button>
    }
    .into_any()
}

/// One of several options: a check box, or a radio button in the group `group`.
pub struct Choice {
    /// Empty for a check box.
    pub group: &'static str,
    pub test_id: String,
    pub label: Signal<String>,
    /// What stands at the end of the line.
    pub more: Signal<Option<String>>,
    pub is_on: Signal<bool>,
    pub act: Callback<()>,
}

impl Choice {
    pub fn view(self) -> AnyView {
        let Self { group, test_id, label, more, is_on, act } = self;
        let kind = if group.is_empty() { "checkbox" } else { "radio" };
        view! {
            <label class="option">
                <input type=kind name=group data-testid=test_id prop:checked=is_on on:change=then(move |_| act.run(()))/>
                <bdi class="option-name">{label}</bdi>
                <span class="option-more">{more}</span>
            </label>
        }
        .into_any()
    }
}

/// One of a few usual choices.
pub struct Preset {
    /// What tests call it.
    pub name: String,
    pub label: Signal<String>,
    /// How many clients it would find.
    pub count: Signal<Option<String>>,
    pub is_on: Signal<bool>,
    pub act: Callback<()>,
}

impl Preset {
    pub fn view(self) -> AnyView {
        let Self { name, label, count, is_on, act } = self;
        let pressed = Signal::derive(move || is_on.get().to_string());
        view! {
            <button type="button" data-preset=name class:chosen=is_on aria-pressed=pressed on:click=then(move |_| act.run(()))>
                <span>{label}</span>" "<span class="preset-count">{count}</span>
            </button>
        }
        .into_any()
    }
}

/// A heading or a note inside a dialog.
pub fn note(text: fn() -> String) -> AnyView {
    view! { <p class="hint">{say(text)}</p> }.into_any()
}

/// A tab-like pair of options: one of the two holds.
pub fn either(
    labels: [Signal<String>; 2],
    test_ids: [&'static str; 2],
    is_second: Signal<bool>,
    choose: Callback<bool>,
) -> AnyView {
    let one = |at: usize| {
        let is_on = flag(move || is_second.get() == (at == 1));
        let pressed = Signal::derive(move || is_on.get().to_string());
        view! {
            <button type="button" class:chosen=is_on aria-pressed=pressed data-testid=test_ids[at]
                on:click=then(move |_| choose.run(at == 1))>{labels[at]}</button>
        }
    };
    view! { <div class="either" role="group">{one(0)}{one(1)}</div> }.into_any()
}
