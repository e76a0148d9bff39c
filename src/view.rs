//! The page. Components read stores and change the view; they never touch the network or the URL.

mod account;
mod banner;
mod cells;
mod chips;
mod client;
mod columns;
mod dom;
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
mod ui;
mod views;

use crate::view::live::{flag, say};
use leptos::prelude::*;

use crate::i18n::t;
use crate::store::{ApiState, Phase, Stores, stores};
use ui::Ui;

/// The whole page: the dashboard, or the sign-in page in its place.
#[component]
pub fn App() -> impl IntoView {
    Stores::provide();
    Ui::provide();
    later::Later::provide();
    keys::listen(later::later());
    let (phase, is_worded) = (stores().session.phase, stores().prefs.is_worded);
    // In another language first, everything would move when the words come.
    move || match phase.get() {
        Phase::Checking => checking(),
        _ if !is_worded.get() => checking(),
        Phase::In => view! { <Dashboard/> }.into_any(),
        Phase::Out => later::sign_in(),
    }
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
    let is_paused = flag(move || feed.is_paused.get());
    // No more rows are looked for, so none is on its way.
    let is_stopped = flag(move || table.is_stopped.get());
    // Nobody tells what is true: everything on screen is as old as the last answer.
    let is_blind = flag(move || matches!(table.api.get(), ApiState::Failed { .. }));
    view! {
        <summary::Summary/>
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
