//! The bottom line of the table: how many clients, where in them, what came meanwhile, what is selected; and what a
//! screen reader is told of it.

use std::time::Duration;

use crate::boxed::{dynamic, effect, then};
use crate::view::live::{flag, live, maybe};
use leptos::prelude::*;

use super::banner::name_of;
use super::parts::{button, opener};
use super::select::{MAX_SELECTED, Progress};
use super::ui::{Command, Popup, ui};
use crate::format;
use crate::i18n::t;
use crate::store::{Stage, stores};
use crate::window::Window;

/// A live region that speaks more often is a nuisance.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);

#[component]
pub fn Footer() -> impl IntoView {
    let (stores, ui) = (stores(), ui());
    let total = maybe(move || {
        stores.table.revision.get();
        stores.table.read(|window| match window.total() {
            _ if !window.is_loaded() => None,
            Some(total) => Some(t::total(total)),
            None => Some(t::export_so_far(&format::number(window.held().end))),
        })
    });
    let position = maybe(move || {
        let row = ui.top_row.get();
        (row > 1).then(|| t::position(&format::number(row)))
    });
    let arrived = dynamic(move || {
        let count = ui.arrived.get();
        (count > 0).then(|| {
            view! {
                <button class="plain arrived" type="button" on:click=then(move |_| ui.command(Command::First, false))>
                    {t::new_above(count)}
                </button>
            }
        })
    });
    let export = live(move || match stores.export.stage.get() {
        Stage::Running { done, total: Some(total) } if total > 0 => {
            t::exporting(&format::number((done * 100 / total).min(100)))
        }
        Stage::Running { done, .. } => t::export_so_far(&format::number(done)),
        Stage::Failed { .. } => t::export_stopped(),
        Stage::Done(_) | Stage::Idle => t::export_button(),
    });
    view! {
        <footer class="bottom">
            <span data-testid="total">{total}</span>
            <span class="position">{position}</span>
            {arrived}
            {looked()}
            {selected()}
            <span class="grow"></span>
            {opener("plain", Popup::Export, export)}
            <Announcer/>
        </footer>
    }
}

/// How far a server that filters by little was looked through for rows, and a way to stop it.
fn looked() -> AnyView {
    let table = stores().table;
    let is_stopped = Memo::new(move |_| table.looked.get().is_stopped);
    let text = live(move || t::looked_through(&format::number(table.looked.get().clients)));
    let label = live(move || if is_stopped.get() { t::export_go_on() } else { t::stop() });
    let act = Callback::new(move |()| table.stop_looking(!is_stopped.get_untracked()));
    view! {
        <span class="selected" hidden=flag(move || !table.looked.get().is_short)>
            <span data-testid="looked">{text}</span>
            {button("plain", "stop-looking", label, act)}
        </span>
    }
    .into_any()
}

/// How many are selected, and what can be done with them.
fn selected() -> AnyView {
    let (stores, selection) = (stores(), ui().selection);
    let is_copied = RwSignal::new(false);
    effect(move || {
        selection.with(|_| ());
        is_copied.set(false);
    });
    let text = live(move || match selection.progress.get() {
        Progress::None => t::selected(selection.count()),
        Progress::Reading(done, total) => t::selecting(&format::number(done), &format::number(total)),
        Progress::Failed(problem) => name_of(&problem),
    });
    let rest = Memo::new(move |_| {
        stores.table.revision.track();
        let total = stores.table.read(Window::total);
        total.filter(|total| *total > selection.count() && *total <= MAX_SELECTED)
    });
    let is_shown = Memo::new(move |_| {
        selection.count() > 0 || selection.progress.with(|progress| *progress != Progress::None)
    });
    let all = live(move || t::select_all(rest.get().unwrap_or_default()));
    let copy = live(move || if is_copied.get() { t::copied() } else { t::copy_ids() });
    let act = |act: fn(super::select::Selection)| Callback::new(move |()| act(selection));
    view! {
        <span class="selected" hidden=flag(move || !is_shown.get())>
            <b data-testid="selected" role="status">{text}</b>
            {button("plain", "copy-ids", copy, Callback::new(move |()| is_copied.set(selection.copy())))}
            <span hidden=flag(move || rest.get().is_none())>{button("plain", "select-all", all, act(|s| s.select_all()))}</span>
            {button("plain", "select-none", live(t::select_none), act(|s| s.clear()))}
        </span>
    }
    .into_any()
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
