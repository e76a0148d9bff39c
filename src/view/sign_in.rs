//! The sign-in page, in place of the dashboard while nobody is signed in.
//!
//! The token is read from its field when the form is sent, and the field is emptied at once; it is held nowhere else.

use crate::boxed::{effect, effect_with_first, then};
use crate::view::live::{flag, live, say};
use leptos::html;
use leptos::prelude::*;

use super::dom::{Piece, el};
use super::empty::Copy;
use super::header::{language, theme_button};
use crate::format;
use crate::i18n::t;
use crate::store::{Ended, SignInProblem, stores};
use crate::text;

/// How to get another link and another key; commands are the same in every language.
const LINK_COMMAND: &str = "rollcall keys link --data DIR";
const KEY_COMMAND: &str = "rollcall keys add --role viewer --data DIR";

pub fn sign_in() -> Vec<Piece> {
    let head = el("header", "top").children(&[
        el("strong", "brand").live_text(t::page_title),
        el("span", "grow"),
        language(),
        theme_button(),
    ]);
    vec![head.into(), page().into()]
}

fn page() -> AnyView {
    view! {
        <main class="sign-in" data-testid="sign-in">
            <h1>{say(t::sign_in_title)}</h1>
            <Notice/>
            <Form/>
            <section class="sign-in-help">
                <p>{say(t::sign_in_link_help)}</p>
                <p class="command"><code>{LINK_COMMAND}</code><Copy text=|| LINK_COMMAND.to_owned()/></p>
                <p>{say(t::sign_in_key_help)}</p>
                <p class="command"><code>{KEY_COMMAND}</code><Copy text=|| KEY_COMMAND.to_owned()/></p>
                <p class="hint">{say(t::sign_in_data_help)}</p>
            </section>
        </main>
    }
    .into_any()
}

/// Why somebody who was signed in sees this page.
#[component]
fn Notice() -> impl IntoView {
    let session = stores().session;
    move || {
        let text = match session.ended()? {
            Ended::ByServer => say(t::session_over),
            Ended::ByReader => say(t::signed_out),
        };
        Some(view! { <p class="note" role="status">{text}</p> })
    }
}

#[component]
fn Form() -> impl IntoView {
    let session = stores().session;
    let (key, token) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    // The page appears: whoever types, types the key.
    effect(move || {
        if let Some(key) = key.get() {
            let _ = key.focus();
        }
    });
    // An attempt failed: the token is what has to be typed again.
    effect_with_first(move |is_first| {
        let has_failed = session.problem.with(Option::is_some);
        if let Some(token) = token.get_untracked().filter(|_| !is_first && has_failed) {
            let _ = token.focus();
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let (Some(key), Some(token)) = (key.get_untracked(), token.get_untracked()) else { return };
        let given = (key.value().trim().to_owned(), token.value().trim().to_owned());
        if !session.is_signing_in.get_untracked() && !given.0.is_empty() && !given.1.is_empty() {
            token.set_value("");
            session.sign_in(given.0, given.1);
        }
    };
    let is_wrong = live(move || (session.problem.get() == Some(SignInProblem::WrongKey)).to_string());
    let busy = flag(move || session.is_signing_in.get());
    let label = live(move || if busy.get() { t::signing_in() } else { t::sign_in_button() });
    // By POST: should a browser ever send this form by itself, nothing of it gets into an address.
    view! {
        <form method="post" aria-label=say(t::sign_in_title) on:submit=then(submit)>
            <label for="sign-in-key">{say(t::sign_in_key)}</label>
            <input id="sign-in-key" name="username" type="text" required autocomplete="username" autocapitalize="none"
                spellcheck="false" data-testid="sign-in-key" node_ref=key
                aria-invalid=is_wrong aria-describedby="sign-in-error"/>
            <label for="sign-in-token">{say(t::sign_in_token)}</label>
            <input id="sign-in-token" name="password" type="password" required autocomplete="current-password"
                data-testid="sign-in-token" node_ref=token aria-invalid=is_wrong aria-describedby="sign-in-error"/>
            <div id="sign-in-error" role="alert"><Error/></div>
            <button class="primary" type="submit" data-testid="sign-in-submit" disabled=busy>{label}</button>
        </form>
    }
}

#[component]
fn Error() -> impl IntoView {
    let session = stores().session;
    move || {
        let problem = session.problem.get()?;
        Some(
            view! { <p class="note failure" data-testid="sign-in-error">{live(move || name_of(&problem))}</p> },
        )
    }
}

fn name_of(problem: &SignInProblem) -> String {
    match problem {
        SignInProblem::WrongKey => t::wrong_key(),
        SignInProblem::LinkOver => t::link_over(LINK_COMMAND),
        SignInProblem::TooMany { wait_s } => t::too_many_attempts(&format::duration(
            i64::try_from(*wait_s).unwrap_or(60).saturating_mul(1_000),
        )),
        SignInProblem::Unreachable => t::sign_in_unreachable(),
        SignInProblem::Forbidden(message) => t::forbidden(&text::limited(message, 300)),
        SignInProblem::Refused { status, message } => {
            t::refused(&status.to_string(), &text::limited(message, 300))
        }
        SignInProblem::Malformed => t::malformed(),
    }
}
