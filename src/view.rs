//! The page. Components read stores and change the view; they never touch the network or the URL.

mod banner;
mod chips;
mod details;
mod empty;
mod filters;
mod footer;
mod grid;
mod header;
mod help;
mod icons;
mod keys;
mod log;
mod panel;
mod range;
mod row;
mod select;
mod summary;
mod ui;

use leptos::prelude::*;

use crate::i18n::t;
use crate::store::{Stores, stores};
use ui::Ui;

/// The whole dashboard.
#[component]
pub fn App() -> impl IntoView {
    Stores::provide();
    let ui = Ui::provide();
    keys::listen();
    let has_panel = move || stores().view.with(|view| view.client.is_some());
    view! {
        <a class="skip" href="#grid">{t::skip_to_table}</a>
        <header::Header/>
        <summary::Summary/>
        <filters::Filters/>
        <banner::Banner/>
        <main class="main" class:has-panel=has_panel class:is-paused=move || stores().feed.is_paused.get()>
            <div class="list">
                <grid::Grid/>
                <footer::Footer/>
            </div>
            <panel::Panel/>
        </main>
        <help::Help ui=ui/>
    }
}
