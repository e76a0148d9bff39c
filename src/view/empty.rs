//! What stands in place of rows when there are none: nothing matches, or nobody has connected yet.

use crate::boxed::{dynamic, then};
use crate::view::live::{flag, live, say};
use leptos::prelude::*;
use rollcall_model::query::{Field, Network};

use super::chips::{name_of_term, remove, terms_in_force};
use super::copied::Copied;
use super::dom::{Piece, area};
use super::later;
use crate::api::Status;
use crate::i18n::t;
use crate::store::stores;

/// Made anew only when something else has to be said: messages come all the time, and a button that somebody is on
/// must not go.
pub fn empty() -> Piece {
    let table = stores().table;
    let is_empty = Memo::new(move |_| {
        table.revision.get();
        table.read(|window| window.is_loaded() && window.is_empty()) && !table.is_outdated.get()
    });
    area(move || is_empty.get().then(later::empty).into_iter().collect())
}

/// What is said there.
pub fn content() -> AnyView {
    let is_filtered = Memo::new(|_| !terms_in_force().is_empty());
    dynamic(move || {
        if is_filtered.get() { view! { <NoMatch/> }.into_any() } else { view! { <FirstRun/> }.into_any() }
    })
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
    // Who looks for an address in the box for ids means its clients.
    let address = Memo::new(move |_| stores.view.with(|view| Network::parse(view.search().trim())));
    let by_address = move || {
        let address = address.get().filter(|_| stores.status.can_filter(Field::ClientAddr))?.to_string();
        let name = t::search_address(&address);
        let choose = move |_: leptos::ev::MouseEvent| {
            stores.view.change(|view| {
                view.set_search("");
                view.set_values(Field::ClientAddr, vec![address.clone()]);
            });
        };
        Some(
            view! { <button class="primary" type="button" data-testid="by-address" on:click=then(choose)>{name}</button> },
        )
    };
    dynamic(move || {
        if is_first_run.get() {
            return view! { <FirstRun/> }.into_any();
        }
        view! {
            <div class="empty" data-testid="no-match">
                <p class="lead">{say(t::no_match)}</p>
                {dynamic(by_address)}
                <p>{say(t::no_match_hint)}</p>
                <div class="chips">{buttons}</div>
            </div>
        }
        .into_any()
    })
}

/// Commands that connect a client, and from where they do.
#[component]
fn FirstRun() -> impl IntoView {
    let status = stores().status;
    let is_open = flag(move || status.with(|status| status.accepts_anonymous).unwrap_or(false));
    let way = move || status.with(Way::best).unwrap_or_default();
    let org = move || status.with(|status| status.org.clone()).unwrap_or_default();
    let register = || "rollcall devices add thermo t-1 --data DIR".to_owned();
    let connect = move || {
        let Way { host, port, is_secure, .. } = way();
        let ca = if is_secure { " --cafile DIR/tls/ca.pem" } else { "" };
        let who = if is_open.get() {
            "-i hello-1".to_owned()
        } else {
            format!("-i d:{}:thermo:t-1 -u use-token-auth -P TOKEN", org())
        };
        format!("mosquitto_pub -h {host} -p {port}{ca} {who} -t hello -m world")
    };
    let python = move || {
        let Way { host, port, is_secure, .. } = way();
        let (id, auth) = if is_open.get() {
            ("hello-2".to_owned(), "")
        } else {
            let auth = r#", auth={"username": "use-token-auth", "password": "TOKEN"}"#;
            (format!("d:{}:thermo:t-1", org()), auth)
        };
        let tls = if is_secure { r#", tls={"ca_certs": "DIR/tls/ca.pem"}"# } else { "" };
        let call = format!(r#"hostname="{host}", port={port}, client_id="{id}"{auth}{tls}"#);
        format!("python3 -c 'import paho.mqtt.publish as mqtt; mqtt.single(\"hello\", \"world\", {call})'")
    };
    let hint = live(move || if way().is_local { t::first_run_local() } else { t::first_run_hint() });
    view! {
        <div class="empty" data-testid="first-run">
            <p class="lead">{say(t::first_run)}</p>
            <div hidden=is_open>
                <p>{say(t::first_run_register)}</p>
                <p class="command"><code>{register()}</code><Copy text=register/></p>
            </div>
            <p>{hint}</p>
            <p class="command"><code>{live(connect)}</code><Copy text=connect/></p>
            <p>{say(t::first_run_python)}</p>
            <p class="command"><code>{live(python)}</code><Copy text=python/></p>
            <p>{say(t::first_run_after)}</p>
        </div>
    }
}

/// How a client reaches the broker.
#[derive(Default)]
struct Way {
    host: String,
    port: String,
    is_secure: bool,
    /// From the server's own machine only.
    is_local: bool,
}

impl Way {
    /// Plain where others than the server's machine can use it or where there is nothing else, else over TLS.
    fn best(status: &Status) -> Self {
        let plain = Self::to(&status.mqtt_addr, false);
        let secure = status.mqtts_addr.as_ref().map(|address| Self::to(address, true));
        match secure {
            Some(secure) if plain.is_local => secure,
            _ => plain,
        }
    }

    /// The host is the one that this page came from where the server listens everywhere.
    fn to(address: &str, is_secure: bool) -> Self {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "1883"));
        // Brackets are for addresses with a port behind them.
        let bare = |host: &str| host.trim_matches(['[', ']']).to_owned();
        let own = || web_sys::window().and_then(|window| window.location().hostname().ok());
        let host = match bare(host).as_str() {
            "" | "0.0.0.0" | "::" => own().map_or_else(|| "localhost".to_owned(), |own| bare(&own)),
            host => host.to_owned(),
        };
        let is_local = host == "localhost" || host == "::1" || host.starts_with("127.");
        Self { host, port: port.to_owned(), is_secure, is_local }
    }
}

/// A button that copies a text and says that it did.
#[component]
pub fn Copy(text: impl Fn() -> String + 'static) -> impl IntoView {
    let copied = Copied::new();
    view! {
        <button type="button" on:click=then(move |_| copied.copy(&text()))>{live(move || copied.or(t::copy))}</button>
    }
}
