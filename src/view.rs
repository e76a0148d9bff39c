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

use crate::boxed::effect;
use crate::view::live::{flag, say};
use leptos::prelude::*;

use crate::i18n::t;
use crate::store::{ApiState, Phase, Stores, stores};
use crate::{format, text};
use ui::Ui;

/// The whole page: the dashboard, or the sign-in page in its place.
#[component]
pub fn App() -> impl IntoView {
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
    move || match phase.get() {
        Phase::Checking => checking(),
        _ if !is_worded.get() => checking(),
        Phase::In => view! { <Dashboard/> }.into_any(),
        Phase::Out => later::sign_in(),
    }
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

fn checking() -> AnyView {
    view! { <p class="checking">{say(t::loading)}</p> }.into_any()
}

#[component]
fn Dashboard() -> impl IntoView {
    let period = stores().overview.period;
    let is_overview = Memo::new(move |_| period.get().is_some());
    view! {
        {move || if is_overview.get() {
            view! { <a class="skip" href="#overview">{say(t::skip_to_overview)}</a> }
        } else {
            view! { <a class="skip" href="#grid">{say(t::skip_to_table)}</a> }
        }}
        <header::Header/>
        {move || if is_overview.get() {
            view! { <banner::Banner/>{later::overview()} }.into_any()
        } else {
            view! { <Clients/> }.into_any()
        }}
        <popup::Popups/>
    }
}

/// The table and the open client.
#[component]
fn Clients() -> impl IntoView {
    let has_panel = flag(move || stores().view.with(|view| view.client.is_some()));
    let (feed, table) = (stores().feed, stores().table);
    // What it has not asked for while the overview was shown.
    table.pump();
    let is_paused = flag(move || feed.is_paused.get());
    // No more rows are looked for, so none is on its way.
    let is_stopped = flag(move || table.is_stopped.get());
    // Nobody tells what is true: everything on screen is as old as the last answer.
    let is_blind = flag(move || matches!(table.api.get(), ApiState::Failed { .. }));
    view! {
        <div class="strip"><summary::Summary/>{later::alert()}</div>
        <filters::Filters/>
        <banner::Banner/>
        <main class="main" class:has-panel=has_panel class:is-paused=is_paused class:is-blind=is_blind class:is-stopped=is_stopped>
            <div class="list">
                <grid::Grid/>
                <footer::Footer/>
            </div>
            {later::client()}
        </main>
    }
}
