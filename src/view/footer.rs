//! The bottom line of the table: how many clients, where in them, what came meanwhile, what is selected; and what a
//! screen reader is told of it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;

use super::banner::name_of;
use super::dom::{El, button, el, maybe, opener};
use super::select::{MAX_SELECTED, Progress};
use super::ui::{Command, Popup, ui};
use crate::boxed::effect;
use crate::format;
use crate::i18n::t;
use crate::store::{Stage, Table, stores};
use crate::window::Window;
use crate::words;

/// A live region that speaks more often is a nuisance.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);
/// The counts come after the rows, and who types a word asks with each letter.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(700);

pub fn footer() -> El {
    let (stores, ui) = (stores(), ui());
    let total = move || {
        stores.table.revision.get();
        stores.table.read(|window| match window.total() {
            _ if !window.is_loaded() => String::new(),
            Some(total) => t::total(total),
            None => t::export_so_far(&format::number(window.held().end)),
        })
    };
    let position = move || match ui.top_row.get() {
        row if row > 1 => t::position(&format::number(row)),
        _ => String::new(),
    };
    let arrived = move || {
        let count = ui.arrived.get();
        (count > 0).then(|| {
            el("button", "plain arrived")
                .attr("type", "button")
                .text(&t::new_above(count))
                .on("click", move |_| ui.command(Command::First, false))
        })
    };
    let export = move || match stores.export.stage.get() {
        Stage::Running { done, total: Some(total) } if total > 0 => {
            t::exporting(&format::number((done * 100 / total).min(100)))
        }
        Stage::Running { done, .. } => t::export_so_far(&format::number(done)),
        Stage::Failed { .. } => t::export_stopped(),
        Stage::Done(_) | Stage::Idle => t::export_button(),
    };
    el("footer", "bottom")
        .child(&el("span", "").attr("data-testid", "total").live_text(total))
        .child(&el("span", "position").live_text(position))
        .piece(maybe(arrived))
        .children(&[
            looked(),
            selected(),
            el("span", "grow"),
            opener("plain", Popup::Export, export),
            announcer(),
        ])
}

/// How far a server that filters by little was looked through for rows, and a way to stop it.
fn looked() -> El {
    let table = stores().table;
    let looked = move || table.counts.get().looked;
    let text = move || t::looked_through(&format::number(looked().unwrap_or_default()));
    let label = move || if table.is_stopped.get() { t::export_go_on() } else { t::stop() };
    let act = move || table.stop_looking(!table.is_stopped.get_untracked());
    el("span", "selected").shown_if(move || looked().is_some()).children(&[
        el("span", "").attr("data-testid", "looked").live_text(text),
        button("plain", "stop-looking", label, act),
    ])
}

/// How many are selected, and what can be done with them.
fn selected() -> El {
    let (stores, selection) = (stores(), ui().selection);
    let text = move || match selection.progress.get() {
        Progress::None => t::selected(selection.count()),
        Progress::Reading(done, total) => t::selecting(&format::number(done), &format::number(total)),
        Progress::Failed(problem) => name_of(&problem),
    };
    let rest = Memo::new(move |_| {
        stores.table.revision.track();
        let total = stores.table.read(Window::total);
        total.filter(|total| *total > selection.count() && *total <= MAX_SELECTED)
    });
    let is_shown =
        move || selection.count() > 0 || selection.progress.with(|progress| *progress != Progress::None);
    let all = move || t::select_all(rest.get().unwrap_or_default());
    let all = button("plain", "select-all", all, move || selection.select_all());
    el("span", "selected").shown_if(is_shown).children(&[
        el("b", "").attrs(&[("data-testid", "selected"), ("role", "status")]).live_text(text),
        button("plain", "copy-ids", move || selection.copied.or(t::copy_ids), move || selection.copy()),
        el("span", "").shown_if(move || rest.get().is_some()).child(&all),
        button("plain", "select-none", t::select_none, move || selection.clear()),
    ])
}

/// Tells a screen reader how many rows there are: soon after the reader changed the filter or the order, and from time to
/// time what became of it by itself, however many messages come.
fn announcer() -> El {
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
    el("div", "for-readers")
        .attrs(&[("role", "status"), ("data-testid", "announcer")])
        .live_text(move || said.get())
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
