//! The open client: its state in words, its time line, its sessions, its log and all that is known of it.
//!
//! Beside the table where there is room, over it where there is not, or over the whole page; the address says which.

mod copied;
mod details;
mod findings;
mod log;
mod scale;
mod sessions;
mod story;
mod timeline;
mod tools;

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use rollcall_model::StateDoc;
use wasm_bindgen::JsCast;
use web_sys::{Event, HtmlElement, KeyboardEvent};

use super::banner::{name_of, showing};
use super::elsewhere;
use super::icons::mark_of;
use super::ui::ui;
use crate::boxed::{effect, effect_with_first};
use crate::browser::steady_ms;
use crate::i18n::t;
use crate::store::{ApiState, Open, stores};
use crate::text;
use crate::url::Tab;
use crate::view::dom::{El, Piece, button, el, icon_button, maybe};
use timeline::Line;

/// So near to the end of what is listed, more is fetched, in pixels.
const NEAR_END_PX: i32 = 1_200;

/// The page of whichever client is open.
pub fn panel() -> Piece {
    let stores = stores();
    elsewhere::listen();
    let has_client = Memo::new(move |_| stores.view.with(|view| view.client.is_some()));
    maybe(move || has_client.get().then(|| untrack(aside)))
}

fn aside() -> El {
    let view = stores().view;
    let class = move || {
        let is_full = view.with(|view| view.page.is_full);
        Some(if is_full { "panel full" } else { "panel" }.to_owned())
    };
    let panel = el("aside", "")
        .attr("data-testid", "panel")
        .live_attr("class", class)
        .live_attr("aria-label", || Some(t::panel_label(&shown_id())));
    let (owner, holder) = (Owner::current().unwrap_or_default(), panel.clone());
    let fill = move || {
        holder.children(&owner.with(|| untrack(|| [header(), body()])));
    };
    // A task of its own: the table makes room meanwhile, and together they would keep the reader waiting.
    if let Ok(timer) = set_timeout_with_handle(fill, Duration::ZERO) {
        on_cleanup(move || timer.clear());
    }
    panel
}

/// The id of the open client.
fn id() -> String {
    stores().view.with(|view| view.client.clone()).unwrap_or_default()
}

fn shown_id() -> String {
    text::limited(&id(), 1_000)
}

/// Reads the client's state where it is known.
fn with_doc<T>(read: impl FnOnce(&Arc<StateDoc>) -> Option<T>) -> Option<T> {
    stores().detail.open.with(|open| match open {
        Open::Known(doc) => read(doc),
        _ => None,
    })
}

fn header() -> El {
    let (stores, ui) = (stores(), ui());
    let mark = || Some(with_doc(|doc| Some(mark_of(doc))).unwrap_or("mark mark-none").to_owned());
    let is_full = move || stores.view.with(|view| view.page.is_full);
    let expand = move || stores.view.change(|view| view.page.is_full = !view.page.is_full);
    let close = move || {
        stores.view.change(|view| view.client = None);
        ui.focus_grid();
    };
    let expand = icon_button("⤢", "expand", t::expand, expand);
    let bdi = el("bdi", "id").live_text(shown_id);
    el("header", "").children(&[
        el("i", "mark").attr("aria-hidden", "true").live_attr("class", mark),
        // Its text may scroll, and what scrolls can be reached by keyboard.
        el("h2", "").attr("tabindex", "0").child(&bdi),
        tools::copy(t::copy_id, "copy-id", id),
        expand.attr("class", "icon expand").live_attr("aria-pressed", move || Some(is_full().to_string())),
        icon_button("✕", "close-client", t::close, close),
    ])
}

/// What scrolls: the story, what was found, the time line, and one of the tabs.
fn body() -> El {
    let stores = stores();
    let line = Line::new();
    let (tabs, holder) = (tabs(), el("div", "").attr("role", "tabpanel").attr("id", "client-tab"));
    let more_sessions = RwSignal::new(1_u64);
    let tab = Memo::new(move |_| stores.view.with(|view| view.page.tab.name()));
    let without_doc = move || match stores.detail.open.get() {
        Open::Loading => Some(t::loading()),
        Open::Known(_) => None,
        Open::Unknown => Some(t::client_unknown()),
        Open::Failed(problem) => Some(name_of(&problem)),
    };
    effect({
        let (tabs, holder) = (tabs.clone(), holder.clone());
        move || {
            let name = tab.get();
            let part = untrack(|| match Tab::of(name) {
                Tab::Sessions => sessions::table(line, more_sessions),
                Tab::Log => log::log(tabs.clone()),
                Tab::Details => details::details(),
            });
            holder.clone().attr("aria-labelledby", &format!("tab-{name}")).fill(&[part]);
        }
    });
    let on_scroll = {
        let tabs = tabs.clone();
        move |event: &Event| {
            let Some(body) = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok()) else {
                return;
            };
            line.scrolled(steady_ms());
            let is_away = tabs.html().is_some_and(|tabs| body.scroll_top() > tabs.offset_top());
            if is_away != stores.detail.log.is_away.get_untracked() {
                stores.detail.log.is_away.set(is_away);
            }
            if body.scroll_height() - body.scroll_top() - body.client_height() < NEAR_END_PX {
                match Tab::of(tab.get_untracked()) {
                    Tab::Log => log::read_older(),
                    Tab::Sessions => more_sessions.update(|pages| *pages += 1),
                    Tab::Details => {}
                }
            }
        }
    };
    let body = el("div", "panel-body").on("scroll", on_scroll);
    let client = Memo::new(move |_| stores.view.with(|view| view.client.clone()));
    effect_with_first({
        let body = body.clone();
        move |is_first| {
            // Another client is read from the beginning.
            client.track();
            if let Some(body) = body.element().filter(|_| !is_first) {
                body.set_scroll_top(0);
            }
        }
    });
    // Nobody who is not known has sessions, or none.
    let is_shown = move || stores.detail.open.with(|open| *open != Open::Unknown);
    body.child(&el("p", "note failure outdated").maybe_text(failure))
        .child(&el("p", "lead").maybe_text(without_doc))
        .children(&story::story())
        .children(&[
            findings::findings(),
            timeline::timeline(line).shown_if(is_shown),
            tabs.shown_if(is_shown),
            holder.shown_if(is_shown),
        ])
}

/// That what is shown is old, where the page lies over what says so for the table.
fn failure() -> Option<String> {
    let ApiState::Failed { problem, last_good_ms, .. } = stores().table.api.get() else { return None };
    Some(format!("{} {}", name_of(&problem), showing(last_good_ms).unwrap_or_default()))
}

fn tab_name(tab: Tab) -> fn() -> String {
    match tab {
        Tab::Sessions => t::tab_sessions,
        Tab::Log => t::log_title,
        Tab::Details => t::details_title,
    }
}

/// So much of a tab is seen when it is chosen, in pixels.
const TAB_SEEN_PX: f64 = 240.0;

/// Scrolls the tabs to the top if what was chosen would be out of sight.
fn show_below(tabs: &El) {
    let Some(tabs) = tabs.element() else { return };
    let Some(body) = tabs.parent_element() else { return };
    let left_px = body.get_bounding_client_rect().bottom() - tabs.get_bounding_client_rect().bottom();
    if left_px < TAB_SEEN_PX {
        tabs.scroll_into_view();
    }
}

/// The arrow keys go from tab to tab, as in every list of tabs.
fn tabs() -> El {
    let view = stores().view;
    let list = el("div", "tabs").attr("role", "tablist");
    let buttons = Tab::ALL.map(|one| {
        let name = format!("tab-{}", one.name());
        let is_chosen = move || view.with(|view| view.page.tab == one);
        let tablist = list.clone();
        let choose = move || {
            view.adjust(|view| view.page.tab = one);
            let tablist = tablist.clone();
            // When the tab has been filled.
            request_animation_frame(move || show_below(&tablist));
        };
        button("", &name, tab_name(one), choose)
            .attr("role", "tab")
            .attr("id", &name)
            .attr("aria-controls", "client-tab")
            .live_attr("aria-selected", move || Some(is_chosen().to_string()))
            .live_attr("tabindex", move || Some(if is_chosen() { "0" } else { "-1" }.to_owned()))
    });
    let list = list.children(&buttons);
    list.on("keydown", move |event| {
        let key = event.dyn_ref::<KeyboardEvent>().map(KeyboardEvent::key).unwrap_or_default();
        let chosen = view.get_untracked().page.tab;
        let at = Tab::ALL.iter().position(|one| *one == chosen).unwrap_or_default();
        let count = Tab::ALL.len();
        let next = match key.as_str() {
            "ArrowRight" => (at + 1) % count,
            "ArrowLeft" => (at + count - 1) % count,
            "Home" => 0,
            "End" => count - 1,
            _ => return,
        };
        event.prevent_default();
        view.adjust(|view| view.page.tab = Tab::ALL[next]);
        if let Some(button) = buttons[next].html() {
            let _ = button.focus();
        }
    })
}
