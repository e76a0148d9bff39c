//! Who is signed in, in the top line, and the way out. Absent with a server that knows no sessions.

use super::popover::popover;
use crate::boxed::then;
use crate::view::live::{flag, live, say};
use leptos::html;
use leptos::prelude::*;

use crate::api::Who;
use crate::i18n::t;
use crate::store::stores;

#[component]
pub fn Account() -> impl IntoView {
    let session = stores().session;
    let who = Memo::new(move |_| session.who());
    move || who.get().map(|who| view! { <AccountMenu who=who/> })
}

/// What a role is called.
fn role_name(role: &str) -> String {
    match role {
        "viewer" => t::role_viewer(),
        "operator" => t::role_operator(),
        "admin" => t::role_admin(),
        other => other.to_owned(),
    }
}

#[component]
fn AccountMenu(who: Who) -> impl IntoView {
    let is_open = RwSignal::new(false);
    let button = NodeRef::<html::Button>::new();
    let Who { role, name } = who;
    let shown = {
        let (role, name) = (role.clone(), name.clone());
        live(move || name.clone().unwrap_or_else(|| role_name(role.as_deref().unwrap_or_default())))
    };
    let title = live(move || t::account_title(&shown.get()));
    let close = move || {
        is_open.set(false);
        if let Some(button) = button.get_untracked() {
            let _ = button.focus();
        }
    };
    let menu = move || {
        let (role, name) = (role.clone(), name.clone());
        is_open.get().then(|| {
            popover(Signal::derive(t::account), Callback::new(move |()| close()), menu_of(role, name))
        })
    };
    view! {
        <div class="account">
            <button type="button" class="plain" data-testid="account" node_ref=button title=title aria-label=title
                aria-haspopup="dialog" aria-expanded=live(move || is_open.get().to_string())
                class:open=flag(move || is_open.get()) on:click=then(move |_| is_open.update(|open| *open = !*open))>
                <svg aria-hidden="true" viewBox="0 0 16 16" width="16" height="16">
                    <circle cx="8" cy="5" r="3"></circle><path d="M2 15a6 6 0 0 1 12 0z"></path>
                </svg>
                <span class="who" aria-hidden="true">{shown}</span>
            </button>
            {menu}
        </div>
    }
}

fn menu_of(role: Option<String>, name: Option<String>) -> AnyView {
    let session = stores().session;
    let stuck = move || {
        session
            .is_stuck
            .get()
            .then(|| view! { <p class="note failure" role="alert">{say(t::sign_out_failed)}</p> })
    };
    let is_told = name.is_none();
    // Without a name the button says the role, except on a phone (style/header.css).
    view! {
        <p class="signed-in-as" class:is-told=is_told>
            {name.map(|name| view! { <b><bdi>{name}</bdi></b> })}
            {role.map(|role| view! { <span>{live(move || t::account_role(&role_name(&role)))}</span> })}
        </p>
        {stuck}
        <button type="button" data-testid="sign-out" on:click=then(move |_| session.sign_out())>{say(t::sign_out)}</button>
    }
    .into_any()
}
