//! The open client: its state in words, its time line, its sessions, its log and all that is known of it.
//!
//! Beside the table where there is room, over it where there is not, or over the whole page; the address says which.

mod details;
mod dom;
mod log;
mod scale;
mod sessions;
mod story;
mod timeline;
mod tools;

use std::sync::Arc;

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use rollcall_model::StateDoc;
use wasm_bindgen::JsCast;

use super::banner::name_of;
use super::icons::mark_of;
use super::ui::ui;
use crate::browser::steady_ms;
use crate::i18n::t;
use crate::store::{Open, stores};
use crate::text;
use crate::url::Tab;
use crate::view::live::{flag, live, maybe, say};

/// So near to the end of what is listed, more is fetched, in pixels.
const NEAR_END_PX: i32 = 1_200;

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

/// The state, when it is known.
fn known_doc() -> Signal<Option<Arc<StateDoc>>> {
    let open = stores().detail.open;
    Signal::derive(move || match open.get() {
        Open::Known(doc) => Some(doc),
        _ => None,
    })
}

#[component]
fn ClientPanel(id: Signal<String>) -> impl IntoView {
    let (stores, ui) = (stores(), ui());
    let shown = move || text::limited(&id.get(), 1_000);
    let doc = known_doc();
    let mark =
        live(move || doc.with(|doc| doc.as_ref().map_or("mark mark-none", |doc| mark_of(doc)).to_owned()));
    let is_full = flag(move || stores.view.with(|view| view.page.is_full));
    let close = move |_: ev::MouseEvent| {
        stores.view.change(|view| view.client = None);
        ui.focus_grid();
    };
    let expand = move |_: ev::MouseEvent| stores.view.change(|view| view.page.is_full = !view.page.is_full);
    let expand_label = live(move || if is_full.get() { t::shrink() } else { t::expand() });
    let without_doc = maybe(move || match stores.detail.open.get() {
        Open::Loading => Some(t::loading()),
        Open::Known(_) => None,
        Open::Unknown => Some(t::client_unknown()),
        Open::Failed(problem) => Some(name_of(&problem)),
    });
    view! {
        <aside class="panel" class:full=is_full data-testid="panel" aria-label=live(move || t::panel_label(&shown()))>
            <header>
                <i class=mark aria-hidden="true"></i>
                <h2 tabindex="0"><bdi class="id">{live(shown)}</bdi></h2>
                <tools::Copy label=t::copy_id text=Callback::new(move |()| id.get_untracked()) test_id="copy-id"/>
                <button class="icon expand" type="button" data-testid="expand" aria-pressed=live(move || is_full.get().to_string())
                    title=expand_label aria-label=expand_label on:click=expand>
                    <span aria-hidden="true">{live(move || if is_full.get() { "⤡" } else { "⤢" }.to_owned())}</span>
                </button>
                <button class="icon" type="button" title=say(t::close) aria-label=say(t::close) on:click=close>
                    <span aria-hidden="true">"✕"</span>
                </button>
            </header>
            <Body doc=doc without_doc=without_doc/>
        </aside>
    }
}

/// What scrolls: the story, the time line, and one of the tabs.
#[component]
fn Body(doc: Signal<Option<Arc<StateDoc>>>, without_doc: Signal<Option<String>>) -> impl IntoView {
    let stores = stores();
    let tabs = NodeRef::<html::Div>::new();
    let more_sessions = RwSignal::new(0_usize);
    let tab = Memo::new(move |_| stores.view.with(|view| view.page.tab));
    let scrolled_ms = StoredValue::new(f64::MIN);
    let on_scroll = move |event: ev::Event| {
        scrolled_ms.set_value(steady_ms());
        let Some(body) = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlElement>().ok())
        else {
            return;
        };
        let is_away = tabs.get_untracked().is_some_and(|tabs| body.scroll_top() > tabs.offset_top());
        if is_away != stores.detail.log.is_away.get_untracked() {
            stores.detail.log.is_away.set(is_away);
        }
        if body.scroll_height() - body.scroll_top() - body.client_height() < NEAR_END_PX {
            match tab.get_untracked() {
                Tab::Log => log::read_older(),
                Tab::Sessions => more_sessions.update(|pages| *pages += 1),
                Tab::Details => {}
            }
        }
    };
    let to_front = Callback::new(move |()| {
        if let Some(tabs) = tabs.get_untracked() {
            tabs.scroll_into_view();
        }
    });
    view! {
        <div class="panel-body" on:scroll=on_scroll>
            <p class="lead">{without_doc}</p>
            <story::Story doc=doc/>
            <timeline::Timeline doc=doc scrolled_ms=scrolled_ms/>
            <Tabs tab=tab node_ref=tabs/>
            <div role="tabpanel" id="client-tab" aria-labelledby=live(move || format!("tab-{}", tab.get().name()))>
                {move || match tab.get() {
                    Tab::Sessions => view! { <sessions::SessionTable doc=doc pages=more_sessions/> }.into_any(),
                    Tab::Log => view! { <log::Log to_front=to_front/> }.into_any(),
                    Tab::Details => view! { <details::Details doc=doc/> }.into_any(),
                }}
            </div>
        </div>
    }
}

fn tab_name(tab: Tab) -> String {
    match tab {
        Tab::Sessions => t::tab_sessions(),
        Tab::Log => t::log_title(),
        Tab::Details => t::details_title(),
    }
}

/// The arrow keys go from tab to tab, as in every list of tabs.
#[component]
fn Tabs(tab: Memo<Tab>, node_ref: NodeRef<html::Div>) -> impl IntoView {
    let view = stores().view;
    let on_key = move |event: ev::KeyboardEvent| {
        let at = Tab::ALL.iter().position(|one| *one == tab.get_untracked()).unwrap_or_default();
        let count = Tab::ALL.len();
        let next = match event.key().as_str() {
            "ArrowRight" => (at + 1) % count,
            "ArrowLeft" => (at + count - 1) % count,
            "Home" => 0,
            "End" => count - 1,
            _ => return,
        };
        event.prevent_default();
        view.adjust(|view| view.page.tab = Tab::ALL[next]);
        let list = node_ref.get_untracked();
        let button = list.and_then(|list| list.children().item(next as u32));
        if let Some(button) = button.and_then(|button| button.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = button.focus();
        }
    };
    let buttons = Tab::ALL.map(|one| {
        let is_chosen = flag(move || tab.get() == one);
        view! {
            <button type="button" role="tab" id=format!("tab-{}", one.name()) data-testid=format!("tab-{}", one.name())
                aria-controls="client-tab" aria-selected=live(move || is_chosen.get().to_string())
                tabindex=live(move || if is_chosen.get() { "0" } else { "-1" }.to_owned())
                on:click=move |_| view.adjust(|view| view.page.tab = one)>{live(move || tab_name(one))}</button>
        }
    });
    view! {
        <div class="tabs" role="tablist" node_ref=node_ref on:keydown=on_key>{buttons.into_iter().collect_view()}</div>
    }
}
