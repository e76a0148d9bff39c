//! The bottom line of the table: how many clients, where in them, what came meanwhile; and what a screen reader is
//! told of it.

use std::time::Duration;

use crate::view::live::maybe;
use leptos::prelude::*;

use super::ui::{Command, ui};
use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::window::Window;

/// A live region that speaks more often is a nuisance.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);

#[component]
pub fn Footer() -> impl IntoView {
    let (stores, ui) = (stores(), ui());
    let total = maybe(move || {
        stores.table.revision.get();
        let (total, is_loaded) = stores.table.read(|window| (window.total(), window.is_loaded()));
        if is_loaded { total.map(t::total) } else { None }
    });
    let position = maybe(move || {
        let row = ui.top_row.get();
        (row > 1).then(|| t::position(&format::number(row)))
    });
    let arrived = move || {
        let count = ui.arrived.get();
        (count > 0).then(|| {
            view! {
                <button class="plain arrived" type="button" on:click=move |_| ui.command(Command::First)>
                    {t::new_above(count)}
                </button>
            }
        })
    };
    view! {
        <footer class="bottom">
            <span data-testid="total">{total}</span>
            <span class="position">{position}</span>
            {arrived}
            <Announcer/>
        </footer>
    }
}

#[component]
fn Announcer() -> impl IntoView {
    let table = stores().table;
    let said = RwSignal::new(String::new());
    let announce = move || {
        let total = table.read(Window::total);
        let connected = table.counts.get_untracked().connected;
        if let (Some(total), Some(connected)) = (total, connected) {
            let text = untrack(|| t::announce(total, &format::number(connected)));
            if text != said.get_untracked() {
                said.set(text);
            }
        }
    };
    let interval = set_interval_with_handle(announce, ANNOUNCE_EVERY).ok();
    on_cleanup(move || {
        if let Some(interval) = interval {
            interval.clear();
        }
    });
    view! { <div class="for-readers" role="status" aria-live="polite">{said}</div> }
}
