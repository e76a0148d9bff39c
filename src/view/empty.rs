//! What stands in place of rows when there are none: nothing matches, or nobody has connected yet.

use crate::boxed::then;
use crate::view::live::{live, say};
use leptos::prelude::*;

use super::chips::{name_of_term, remove, terms_in_force};
use crate::browser;
use crate::i18n::t;
use crate::store::stores;

/// Made anew only when something else has to be said: messages come all the time, and a button that somebody is on
/// must not go.
#[component]
pub fn Empty() -> impl IntoView {
    let table = stores().table;
    let is_empty = Memo::new(move |_| {
        table.revision.get();
        table.read(|window| window.is_loaded() && window.is_empty()) && !table.is_outdated.get()
    });
    let is_filtered = Memo::new(|_| !terms_in_force().is_empty());
    move || {
        is_empty.get().then(|| {
            if is_filtered.get() { view! { <NoMatch/> }.into_any() } else { view! { <FirstRun/> }.into_any() }
        })
    }
}

#[component]
fn NoMatch() -> impl IntoView {
    let stores = stores();
    // The filter that hides demo clients is in force by default: with it alone, an empty fleet is a first run.
    let is_first_run = Memo::new(move |_| {
        let counts = stores.status.with(|status| status.counts);
        let is_fleet_empty = counts.is_some_and(|counts| counts.connected + counts.disconnected == 0);
        is_fleet_empty && stores.view.with(|view| view.filter.terms.is_empty())
    });
    let terms = Memo::new(|_| terms_in_force());
    let buttons = move || {
        let button = |term: rollcall_model::query::Term| {
            let name = name_of_term(&term);
            view! {
                <button class="chip" type="button" on:click=then(move |_| stores.view.change(|view| remove(view, &term)))>
                    <bdi>{name}</bdi>" "<span aria-hidden="true">"✕"</span>
                </button>
            }
        };
        terms.get().into_iter().map(button).collect_view()
    };
    move || {
        if is_first_run.get() {
            return view! { <FirstRun/> }.into_any();
        }
        view! {
            <div class="empty" data-testid="no-match">
                <p class="lead">{say(t::no_match)}</p>
                <p>{say(t::no_match_hint)}</p>
                <div class="chips">{buttons}</div>
            </div>
        }
        .into_any()
    }
}

#[component]
fn FirstRun() -> impl IntoView {
    let stores = stores();
    let command = move || {
        let address = stores.status.with(|status| status.mqtt_addr.clone()).unwrap_or_default();
        let (host, port) = host_and_port(&address);
        format!("mosquitto_pub -h {host} -p {port} -i hello-1 -t hello -m world")
    };
    view! {
        <div class="empty" data-testid="first-run">
            <p class="lead">{say(t::first_run)}</p>
            <p>{say(t::first_run_hint)}</p>
            <p class="command"><code>{live(command)}</code><Copy text=command/></p>
            <p>{say(t::first_run_after)}</p>
        </div>
    }
}

/// The host that this page came from, where the server listens everywhere.
fn host_and_port(address: &str) -> (String, String) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "1883"));
    let own = || web_sys::window().and_then(|window| window.location().hostname().ok());
    let is_any = matches!(host, "" | "0.0.0.0" | "[::]" | "::");
    let host = if is_any { own().unwrap_or_else(|| "localhost".to_owned()) } else { host.to_owned() };
    (host, port.to_owned())
}

/// A button that copies a text and says that it did.
#[component]
pub fn Copy(text: impl Fn() -> String + 'static) -> impl IntoView {
    let is_copied = RwSignal::new(false);
    let copy = move |_| {
        if !browser::copy(&text()) {
            return;
        }
        is_copied.set(true);
        // The button may be gone by then.
        let calm = move || {
            let _ = is_copied.try_set(false);
        };
        leptos::prelude::set_timeout(calm, std::time::Duration::from_secs(2));
    };
    view! {
        <button type="button" on:click=then(copy)>
            {live(move || if is_copied.get() { t::copied() } else { t::copy() })}
        </button>
    }
}
