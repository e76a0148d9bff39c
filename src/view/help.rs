//! The list of keys, as a dialog.

use crate::view::live::say;
use leptos::html;
use leptos::prelude::*;

use super::ui::Ui;
use crate::i18n::t;

#[component]
pub fn Help(ui: Ui) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        let is_open = ui.is_help_open();
        let Some(dialog) = dialog.get_untracked() else { return };
        if is_open && !dialog.open() {
            // It can only fail for a dialog that is no longer in the page.
            let _ = dialog.show_modal();
        } else if !is_open && dialog.open() {
            dialog.close();
        }
    });
    type Name = fn() -> String;
    let keys: [(&str, Name); 10] = [
        ("/", t::help_search),
        ("j k ↑ ↓", t::help_move),
        ("PgUp PgDn", t::help_page),
        ("Home End", t::help_ends),
        ("Enter", t::help_open),
        ("Esc", t::help_close),
        ("g o", t::help_overview),
        ("g c", t::help_clients),
        ("p", t::help_pause),
        ("?", t::help_help),
    ];
    let rows = keys.map(|(names, what)| {
        let names = names.split(' ').map(|name| view! { <kbd>{name}</kbd>" " }).collect_view();
        view! { <div><dt>{names}</dt><dd>{what}</dd></div> }
    });
    view! {
        <dialog class="help" node_ref=dialog aria-label=say(t::help_title) on:close=move |_| ui.has_help.set(false)>
            <h2>{say(t::help_title)}</h2>
            <dl>{rows.into_iter().collect_view()}</dl>
            <button type="button" on:click=move |_| ui.has_help.set(false)>{say(t::close)}</button>
        </dialog>
    }
}
