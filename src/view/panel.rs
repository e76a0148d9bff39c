//! The open client: its state in words, why it ended and what to check, its log and all that is known.

use std::sync::Arc;

use crate::view::live::{live, maybe, say};
use leptos::prelude::*;
use rollcall_model::{Certainty, ConnectionStatus, Initiator, StateDoc};

use super::banner::name_of;
use super::details::Details;
use super::empty::Copy;
use super::icons::mark_of;
use super::log::Log;
use super::ui::ui;
use crate::format;
use crate::i18n::t;
use crate::store::{Open, stores};
use crate::text;
use crate::words::Cause;

/// From how many connects in an hour a client is said to come and go.
const FLAPPING: u32 = 6;

#[component]
pub fn Panel() -> impl IntoView {
    let stores = stores();
    let id = Memo::new(move |_| stores.view.with(|view| view.client.clone()));
    view! {
        <Show when=move || id.get().is_some()>
            <ClientPanel id=Signal::derive(move || id.get().unwrap_or_default())/>
        </Show>
    }
}

#[component]
fn ClientPanel(id: Signal<String>) -> impl IntoView {
    let (stores, ui) = (stores(), ui());
    let shown = move || text::limited(&id.get(), 1_000);
    let mark = live(move || match stores.detail.open.get() {
        Open::Known(doc) => mark_of(&doc).to_owned(),
        _ => "mark mark-none".to_owned(),
    });
    let close = move |_| {
        stores.view.change(|view| view.client = None);
        ui.focus_grid();
    };
    let body = move || match stores.detail.open.get() {
        Open::Loading => view! { <p class="hint loading">{say(t::loading)}</p> }.into_any(),
        Open::Known(doc) => view! { <Story doc=doc/> }.into_any(),
        Open::Unknown => view! { <p class="lead">{say(t::client_unknown)}</p> }.into_any(),
        Open::Failed(problem) => view! { <p class="lead">{name_of(&problem)}</p> }.into_any(),
    };
    let doc = Signal::derive(move || match stores.detail.open.get() {
        Open::Known(doc) => Some(doc),
        _ => None,
    });
    view! {
        <aside class="panel" data-testid="panel" aria-label=live(move || t::panel_label(&shown()))>
            <header>
                <i class=mark aria-hidden="true"></i>
                <h2><bdi class="id">{live(shown)}</bdi></h2>
                <span title=say(t::copy_id)><Copy text=move || id.get()/></span>
                <button class="icon" type="button" title=say(t::close) aria-label=say(t::close) on:click=close>
                    <span aria-hidden="true">"✕"</span>
                </button>
            </header>
            <div class="panel-body">
                {body}
                <Log/>
                <Show when=move || doc.get().is_some()><Details doc=doc/></Show>
            </div>
        </aside>
    }
}

/// The state as a person would tell it.
#[component]
fn Story(doc: Arc<StateDoc>) -> impl IntoView {
    let clock = stores().clock;
    let sentence = {
        let doc = Arc::clone(&doc);
        live(move || sentence(&doc, clock.now()))
    };
    let cause = Cause::of_state(&doc);
    let why = cause.map(|cause| {
        let (meaning, advice) = (cause.clone(), cause.clone());
        let codes = cause.codes();
        let standard = cause.standard_name().unwrap_or_default();
        view! {
            <div class="why-box">
                <p>{live(move || meaning.meaning())}" "<span class="code" title=standard>{codes}</span></p>
                <p class="advice">{maybe(move || advice.advice())}</p>
            </div>
        }
    });
    let inferred =
        (doc.certainty == Certainty::Inferred).then(|| view! { <p class="note">{say(t::inferred_note)}</p> });
    let stale = doc.stale_since.map(|since| {
        let text = live(move || t::stale_note(&format::moment_exact(since, clock.exact())));
        view! { <p class="note warning">{text}</p> }
    });
    let count = doc.recent_connects;
    let flapping = (count >= FLAPPING)
        .then(|| view! { <p class="note warning">{live(move || t::flapping_note(u64::from(count)))}</p> });
    view! {
        <p class="lead" data-testid="story">{sentence}</p>
        {why}{inferred}{stale}{flapping}
    }
}

/// `Offline for 3 hr 4 min. The network dropped it at 08:52:01.`
fn sentence(doc: &StateDoc, now: rollcall_model::Timestamp) -> String {
    if doc.certainty == Certainty::Unknown {
        return t::state_unknown();
    }
    let since = |time: rollcall_model::Timestamp| format::duration(now.millis() - time.millis());
    if doc.connection_status == ConnectionStatus::Connected {
        return doc
            .last_connect_time
            .map_or_else(t::online, |time| t::online_for(&since(time), &format::moment_exact(time, now)));
    }
    let Some(time) = doc.last_disconnect_time else { return t::offline() };
    let at = format::moment_exact(time, now);
    let who = match doc.disconnect_initiator {
        Some(Initiator::Client) => t::ended_by_client(&at),
        Some(Initiator::Server) => t::ended_by_server(&at),
        Some(Initiator::Network) => t::ended_by_network(&at),
        None => t::ended_by_unknown(),
    };
    format!("{} {who}", t::offline_for(&since(time)))
}
