//! Who is signed in, in the top line, and the way out. Absent with a server that knows no sessions.

use leptos::prelude::*;

use super::dom::{El, Piece, button, el, maybe, svg};
use super::popover::popover;
use crate::api::Who;
use crate::i18n::t;
use crate::store::stores;

pub fn account() -> Piece {
    let session = stores().session;
    let who = Memo::new(move |_| session.who());
    maybe(move || who.get().map(menu))
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

fn menu(who: Who) -> El {
    let is_open = RwSignal::new(false);
    let Who { role, name } = who;
    let shown = {
        let (role, name) = (role.clone(), name.clone());
        move || name.clone().unwrap_or_else(|| role_name(role.as_deref().unwrap_or_default()))
    };
    let title = {
        let shown = shown.clone();
        move || t::account_title(&shown())
    };
    let figure = svg("svg", "")
        .attrs(&[("aria-hidden", "true"), ("viewBox", "0 0 16 16"), ("width", "16"), ("height", "16")])
        .child(&svg("circle", "").attrs(&[("cx", "8"), ("cy", "5"), ("r", "3")]))
        .child(&svg("path", "").attr("d", "M2 15a6 6 0 0 1 12 0z"));
    let button = el("button", "plain")
        .attrs(&[("type", "button"), ("data-testid", "account"), ("aria-haspopup", "dialog")])
        .named(title)
        .live_attr("aria-expanded", move || Some(is_open.get().to_string()))
        .live_class("open", move || is_open.get())
        .children(&[figure, el("span", "who").attr("aria-hidden", "true").live_text(shown)])
        .on("click", move |_| is_open.update(|open| *open = !*open));
    let holder = el("div", "account").child(&button);
    let close = move || {
        is_open.set(false);
        if let Some(button) = button.html() {
            let _ = button.focus();
        }
    };
    holder.piece(maybe(move || {
        let content = || menu_of(role.as_deref(), name.as_deref());
        is_open.get().then(|| popover(t::account, close.clone()).children(&content()))
    }))
}

fn menu_of(role: Option<&str>, name: Option<&str>) -> [El; 3] {
    let session = stores().session;
    let is_told = if name.is_none() { "signed-in-as is-told" } else { "signed-in-as" };
    let name = name.map(|name| el("b", "").child(&el("bdi", "").text(name)));
    let role = role.map(str::to_owned);
    let role = role.map(|role| el("span", "").live_text(move || t::account_role(&role_name(&role))));
    // Without a name the button says the role, except on a phone (style/header.css).
    let who = el("p", is_told).children(name.as_slice()).children(role.as_slice());
    let stuck = el("p", "note failure")
        .attr("role", "alert")
        .maybe_text(move || session.is_stuck.get().then(t::sign_out_failed));
    [who, stuck, button("", "sign-out", t::sign_out, move || session.sign_out())]
}
