//! The page. Components read stores and change the view; they never touch the network or the URL.

mod account;
mod banner;
mod cells;
mod chips;
mod client;
mod columns;
mod copied;
mod dom;
mod elsewhere;
mod empty;
mod export;
mod filters;
mod footer;
mod grid;
mod header;
mod help;
mod icons;
mod keys;
mod later;
mod live;
mod overview;
mod parts;
mod popover;
mod popup;
mod print;
mod range;
mod row;
mod select;
mod sign_in;
mod sort;
mod summary;
mod type_ahead;
mod ui;
mod views;

use std::time::Duration;

use leptos::prelude::*;

use crate::boxed::effect;
use crate::i18n::t;
use crate::store::{ApiState, Phase, Stores, stores};
use crate::{format, text};
use dom::{El, Piece, area, el};
use ui::Ui;

/// The whole page: the dashboard, or the sign-in page in its place.
pub fn start() {
    Stores::provide();
    Ui::provide();
    later::Later::provide();
    keys::listen(later::later());
    hold_back();
    effect(|| document().set_title(&title()));
    let is_worded = stores().prefs.is_worded;
    // One step behind the session, so that the stores ask for the rows before the page is built, not after.
    let phase = RwSignal::new(Phase::Checking);
    effect(move || phase.set(stores().session.phase.get()));
    // In another language first, everything would move when the words come.
    El::body().piece(area(move || match phase.get() {
        Phase::Checking => vec![checking().into()],
        _ if !is_worded.get() => vec![checking().into()],
        Phase::In => untrack(dashboard),
        Phase::Out => vec![later::sign_in()],
    }));
}

/// What the browser calls the page: the client, or where one is.
fn title() -> String {
    let (stores, name) = (stores(), t::page_title());
    if stores.session.phase.get() != Phase::In {
        return name;
    }
    let place = stores.view.with(|view| match (&view.client, view.overview) {
        (Some(id), _) => text::limited(id, 80),
        (None, Some(_)) => t::page_overview(),
        (None, None) => t::page_clients(),
    });
    format!("{place} · {name}")
}

/// How long nothing is painted at most.
const HELD_BACK: Duration = Duration::from_secs(1);

/// Keeps the page from being painted until there is something to read on it: rows, the sign-in page, or what is wrong. What is
/// painted while the first answers are on their way is painted twice and moves; on a slow line it is better than nothing.
fn hold_back() {
    let Some(body) = document().body() else { return };
    body.set_hidden(true);
    let Stores { session, prefs, table, view, .. } = stores();
    let is_due = RwSignal::new(false);
    set_timeout(move || is_due.set(true), HELD_BACK);
    if prefs.is_worded.get_untracked() {
        // While the first answer is on its way: everything on the page needs them, and they are slow to make.
        set_timeout(format::prepare, Duration::ZERO);
    }
    let has_rows = move || match table.api.get() {
        ApiState::Loading => false,
        ApiState::Fine => session.is_sure(),
        ApiState::Failed { .. } => true,
    };
    effect(move || {
        let is_ready = match session.phase.get() {
            _ if is_due.get() => true,
            _ if !prefs.is_worded.get() => false,
            Phase::Checking => false,
            Phase::In => view.with(|view| view.overview.is_some()) || has_rows(),
            Phase::Out => true,
        };
        if is_ready {
            body.set_hidden(false);
        }
    });
}

fn checking() -> El {
    el("p", "checking").live_text(t::loading)
}

fn dashboard() -> Vec<Piece> {
    let period = stores().overview.period;
    let is_overview = Memo::new(move |_| period.get().is_some());
    let skip = el("a", "skip")
        .live_attr("href", move || Some(if is_overview.get() { "#overview" } else { "#grid" }.to_owned()))
        .live_text(move || if is_overview.get() { t::skip_to_overview() } else { t::skip_to_table() });
    let page = area(move || match is_overview.get() {
        true => untrack(|| vec![banner::banner().into(), later::overview()]),
        false => untrack(clients),
    });
    vec![skip.into(), header::header().into(), page, popup::popups().into()]
}

/// The table and the open client.
fn clients() -> Vec<Piece> {
    let Stores { view, feed, table, .. } = stores();
    // What it has not asked for while the overview was shown.
    table.pump();
    let list = el("div", "list").child(&grid::grid()).piece(empty::empty()).child(&footer::footer());
    let main = el("main", "main")
        .live_class("has-panel", move || view.with(|view| view.client.is_some()))
        .live_class("is-paused", move || feed.is_paused.get())
        // No more rows are looked for, so none is on its way.
        .live_class("is-stopped", move || table.is_stopped.get())
        // Nobody tells what is true: everything on screen is as old as the last answer.
        .live_class("is-blind", move || matches!(table.api.get(), ApiState::Failed { .. }));
    let main = main.child(&list).piece(later::client());
    let strip = el("div", "strip").child(&summary::summary()).piece(later::alert());
    vec![strip.into(), filters::filters().into(), banner::banner().into(), main.into()]
}
