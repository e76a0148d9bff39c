//! The list of keys. It is the same table that the keyboard listener is written against: see `keys`.

use leptos::prelude::*;

use super::live::{flag, live, maybe, say};
use super::parts::{Choice, note};
use crate::i18n::t;
use crate::store::stores;

type Name = fn() -> String;

/// The keys and what they do.
const KEYS: [(&str, Name); 22] = [
    ("/", t::help_search),
    ("j k ↑ ↓", t::help_move),
    ("PgUp PgDn", t::help_page),
    ("Home End", t::help_ends),
    ("Enter", t::help_open),
    ("Ctrl+Enter", t::help_open_tab),
    ("Space", t::help_select),
    ("Shift+↑ Shift+↓", t::help_extend),
    ("Ctrl+A", t::help_select_loaded),
    ("Ctrl+C", t::help_copy),
    ("Esc", t::help_close),
    ("f", t::help_filter),
    ("s", t::help_sort),
    ("c", t::help_columns),
    ("Shift+← Shift+→", t::help_resize),
    ("v", t::help_views),
    ("e", t::help_export),
    ("g o", t::help_overview),
    ("g c", t::help_clients),
    ("A…Z", t::help_type_ahead),
    ("p", t::help_pause),
    ("?", t::help_help),
];

pub fn help() -> AnyView {
    let rows = KEYS.map(|(names, what)| {
        let names = names.split(' ').map(|name| view! { <kbd>{name}</kbd>" " }).collect_view();
        view! { <div><dt>{names}</dt><dd>{say(what)}</dd></div> }
    });
    let prefs = stores().prefs;
    // Whoever dictates, or hits keys by accident, can do without.
    let letters = Choice {
        group: "",
        test_id: "letters".to_owned(),
        label: live(t::help_letters),
        more: maybe(|| None),
        is_on: flag(move || prefs.has_letters.get()),
        act: Callback::new(move |()| prefs.toggle_letters()),
    };
    view! {
        <div class="stack">
            <dl class="keys">{rows.into_iter().collect_view()}</dl>
            {note(t::help_from_overview)}
            {letters.view()}
        </div>
    }
    .into_any()
}
