//! The bottom line of the table: how many clients, where in them, what came meanwhile, what is selected; and what a
//! screen reader is told of it.

use std::cell::Cell;
use std::rc::Rc;
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
use crate::store::{Stage, Table, stores};
use crate::window::Window;
use crate::words;

/// A live region that speaks more often is a nuisance.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);
/// The counts come after the rows, and who types a word asks with each letter.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(700);

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
    let looked = move || table.counts.get().looked;
    let text = live(move || t::looked_through(&format::number(looked().unwrap_or_default())));
    let label = live(move || if table.is_stopped.get() { t::export_go_on() } else { t::stop() });
    let act = Callback::new(move |()| table.stop_looking(!table.is_stopped.get_untracked()));
    view! {
        <span class="selected" hidden=flag(move || looked().is_none())>
            <span data-testid="looked">{text}</span>
            {button("plain", "stop-looking", label, act)}
        </span>
    }
    .into_any()
}

/// How many are selected, and what can be done with them.
fn selected() -> AnyView {
    let (stores, selection) = (stores(), ui().selection);
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
    let copy = live(move || selection.copied.or(t::copy_ids));
    let act = |act: fn(super::select::Selection)| Callback::new(move |()| act(selection));
    view! {
        <span class="selected" hidden=flag(move || !is_shown.get())>
            <b data-testid="selected" role="status">{text}</b>
            {button("plain", "copy-ids", copy, act(|s| s.copy()))}
            <span hidden=flag(move || rest.get().is_none())>{button("plain", "select-all", all, act(|s| s.select_all()))}</span>
            {button("plain", "select-none", live(t::select_none), act(|s| s.clear()))}
        </span>
    }
    .into_any()
}

/// Tells a screen reader how many rows there are: soon after the reader changed the filter or the order, and from time to
/// time what became of it by itself, however many messages come.
#[component]
fn Announcer() -> impl IntoView {
    let stores = stores();
    let said = RwSignal::new(String::new());
    let announce = move |is_asked: bool| {
        // The page may be another by then.
        let Some(before) = said.try_get_untracked() else { return };
        match untrack(|| rows_in_words(stores.table, is_asked)) {
            Some(text) if text != before => said.set(text),
            // The same again is not read out, unless it is written in another way.
            Some(text) if is_asked => said.set(text + "\u{a0}"),
            _ => {}
        }
    };
    // Only the newest of what was asked is told of.
    let serial = Rc::new(Cell::new(0_u32));
    effect(move || {
        // The rows answer the question, and the counts are not far.
        if stores.table.asked.get().is_some() && !stores.table.is_outdated.get() {
            let (now, newest) = (serial.get().wrapping_add(1), Rc::clone(&serial));
            serial.set(now);
            set_timeout(
                move || {
                    if newest.get() == now {
                        announce(true);
                    }
                },
                ANNOUNCE_AFTER,
            );
        }
    });
    let interval = set_interval_with_handle(move || announce(false), ANNOUNCE_EVERY).ok();
    on_cleanup(move || {
        if let Some(interval) = interval {
            interval.clear();
        }
    });
    view! { <div class="for-readers" role="status" data-testid="announcer">{said}</div> }
}

/// How many rows, and where it was asked for, in which order.
fn rows_in_words(table: Table, is_asked: bool) -> Option<String> {
    let (total, held, is_loaded) =
        table.read(|window| (window.total(), window.held().end, window.is_loaded()));
    let counts = table.counts.get_untracked();
    // The counts are those of the other filters: who is connected among the rows, they tell only where nothing is left out.
    let connected = counts.connected.zip(counts.disconnected);
    let rows = match (total, connected) {
        _ if !is_loaded => return None,
        (Some(total), Some((connected, others))) if connected + others == total => {
            t::announce(total, &format::number(connected))
        }
        (Some(total), _) => t::total(total),
        (None, _) => t::export_so_far(&format::number(held)),
    };
    let sort = table.asked.get_untracked().and_then(|(_, sort)| sort.first().copied()).filter(|_| is_asked);
    Some(match sort {
        Some(key) => {
            let direction = if key.descending { t::descending() } else { t::ascending() };
            format!("{rows} {}", t::chip(&words::field(key.field), &direction))
        }
        None => rows,
    })
}
