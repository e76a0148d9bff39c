//! The parts of the page that the first paint does not need: the page of a client, the overview and what it tells beside
//! the counts, what stands in place of rows, what opens over the page, and the sign-in page.
//!
//! Their style is a file of its own. In the finished dashboard their code is one, too (`cargo xtask dist`), fetched when
//! the first rows are on screen and the page is idle, or when it is needed earlier. Once both are there, parts are made at
//! once, as if they had always been there. Elsewhere (tests, clippy) the code is there from the beginning. Called by the
//! places where parts stand.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_split_helpers::SplitLoaderError;

use super::dom::{Piece, area, button, el, maybe};
use super::ui::Popup;
use super::{client, empty, overview, popup, print as paper, sign_in};
use crate::boxed::effect;
use crate::browser;
use crate::i18n::t;
use crate::later::later;
use crate::store::{Stores, stores};

/// How long after the first rows the code is fetched if nobody needs it earlier: the page is at rest by then.
const IDLE: Duration = Duration::from_secs(1);

later!(make_client() -> Vec<Piece> { vec![client::panel()] });
later!(make_overview() -> Vec<Piece> { vec![overview::overview().into()] });
later!(make_trend() -> Vec<Piece> { vec![overview::trend().into()] });
later!(make_alert() -> Vec<Piece> { vec![el("div", "").child(&overview::alert()).into()] });
later!(make_popup(popup: Popup) -> Vec<Piece> { vec![popup::content(popup).into()] });
later!(make_empty() -> Vec<Piece> { vec![empty::content().into()] });
later!(make_sign_in() -> Vec<Piece> { sign_in::sign_in() });

later!(make_paper(stores: Stores, asks: bool) -> () { paper::print(stores, asks) });

/// Does nothing but bring the code of all parts.
async fn fetch() -> Result<(), SplitLoaderError> {
    #[cfg(split)]
    __wasm_split_preload_make_client().await?;
    #[cfg(split)]
    __wasm_split_preload_make_overview().await?;
    #[cfg(split)]
    __wasm_split_preload_make_trend().await?;
    #[cfg(split)]
    __wasm_split_preload_make_alert().await?;
    #[cfg(split)]
    __wasm_split_preload_make_popup().await?;
    #[cfg(split)]
    __wasm_split_preload_make_empty().await?;
    #[cfg(split)]
    __wasm_split_preload_make_sign_in().await?;
    #[cfg(split)]
    __wasm_split_preload_make_paper().await?;
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    OnItsWay,
    Here,
    /// The server is away, or another version of it has taken its place.
    Failed,
}

/// Whether the code of the parts is here.
#[derive(Clone, Copy)]
pub struct Later(RwSignal<State>);

impl Later {
    /// Lets all views find it, and fetches the code when the page is at rest.
    pub fn provide() {
        let later = Self(RwSignal::new(State::Absent));
        provide_context(later);
        let table = stores().table;
        let mut is_planned = false;
        effect(move || {
            table.revision.get();
            if !is_planned && table.read(|window| window.is_loaded()) {
                is_planned = true;
                set_timeout(move || later.fetch(false), IDLE);
            }
        });
    }

    /// Whether parts are made at once; tracked.
    pub fn is_here(self) -> bool {
        self.0.get() == State::Here
    }

    /// The same at this moment; untracked.
    pub fn is_here_now(self) -> bool {
        self.0.get_untracked() == State::Here
    }

    /// Fetches the code unless it is here or on its way; `again` also after it has failed.
    fn fetch(self, again: bool) {
        let state = self.0.get_untracked();
        if !(state == State::Absent || again && state == State::Failed) {
            return;
        }
        self.0.set(State::OnItsWay);
        spawn_local(async move {
            let style = browser::enable_styles();
            // Both are waited for, so that neither fails unheard.
            let (code, style) = (fetch().await, style.await);
            self.0.set(if code.is_ok() && style.is_ok() { State::Here } else { State::Failed });
        });
    }
}

/// The one of this page.
pub fn later() -> Later {
    expect_context()
}

/// The page of the open client.
pub fn client() -> Piece {
    let view = stores().view;
    let has_client = Memo::new(move |_| view.with(|view| view.client.is_some()));
    let close = move || view.change(|view| view.client = None);
    part(
        move || has_client.get(),
        || at_once(make_client()),
        move |note| {
            let is_stuck = move || later().0.get() == State::Failed;
            let close = move || is_stuck().then(|| button("", "close-client", t::close, close));
            el("aside", "panel").attr("data-testid", "panel").piece(note).piece(maybe(close)).into()
        },
    )
}

/// The fleet over time.
pub fn overview() -> Piece {
    part(
        || true,
        || at_once(make_overview()),
        |note| el("main", "overview").attr("id", "overview").piece(note).into(),
    )
}

/// How the fleet has been for an hour, in a line. Nobody waits for it.
pub fn trend() -> Piece {
    extra(|| at_once(make_trend()))
}

/// That many clients were lost at once. Nobody waits for it.
pub fn alert() -> Piece {
    extra(|| at_once(make_alert()))
}

/// A part with nothing in its place.
fn extra(make: fn() -> Vec<Piece>) -> Piece {
    let later = later();
    let is_here = Memo::new(move |_| later.is_here());
    area(move || if is_here.get() { untrack(make) } else { Vec::new() })
}

/// What stands in place of rows.
pub fn empty() -> Piece {
    part(|| true, || at_once(make_empty()), |note| el("div", "empty").piece(note).into())
}

/// The sign-in page.
pub fn sign_in() -> Piece {
    part(|| true, || at_once(make_sign_in()), |note| el("main", "sign-in").piece(note).into())
}

/// What is in the open popup.
pub fn popup(popup: Popup) -> Piece {
    part(|| true, move || at_once(make_popup(popup)), |note| note)
}

/// Prints the table, or makes ready for a browser that prints. Does nothing while the code for it is not here.
pub fn print(stores: Stores, asks: bool) {
    let _ = pin!(make_paper(stores, asks)).poll(&mut Context::from_waker(Waker::noop()));
}

/// A part, or what stands in its place while its code is not here and it `is_wanted`.
fn part(
    is_wanted: impl Fn() -> bool + 'static,
    make: impl Fn() -> Vec<Piece> + 'static,
    instead: impl Fn(Piece) -> Piece + 'static,
) -> Piece {
    let later = later();
    let is_here = Memo::new(move |_| later.is_here());
    area(move || {
        if is_here.get() {
            return untrack(&make);
        }
        if !is_wanted() {
            return Vec::new();
        }
        later.fetch(true);
        vec![instead(note(later))]
    })
}

/// That the code is on its way, or what to do when it does not come.
fn note(later: Later) -> Piece {
    area(move || match later.0.get() {
        State::Failed => missing(),
        _ => vec![el("p", "checking").attr("aria-busy", "true").live_text(t::loading).into()],
    })
}

fn missing() -> Vec<Piece> {
    let reload = move || {
        // A page that may not be loaded again cannot be helped.
        let _ = window().location().reload();
    };
    let note = el("p", "note").attrs(&[("role", "alert"), ("data-testid", "part-missing")]);
    let reload = button("primary", "reload", t::reload, reload);
    vec![note.live_text(t::part_missing).into(), el("p", "").child(&reload).into()]
}

/// What is made without waiting, because the code is here.
fn at_once(made: impl Future<Output = Result<Vec<Piece>, SplitLoaderError>>) -> Vec<Piece> {
    match pin!(made).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(made)) => made,
        Poll::Ready(Err(_)) | Poll::Pending => missing(),
    }
}
