//! The top line: whose fleet, whether what is shown is live, and the reader's settings.

use crate::boxed::{effect, then};
use crate::view::live::{flag, live, maybe, say};
use leptos::prelude::*;

use super::account::Account;
use super::range::zone_label;
use super::ui::{Popup, ui};
use crate::api::Incident;
use crate::browser::wall_ms;
use crate::format;
use crate::i18n::{LANGUAGES, t};
use crate::monitor::FeedState;
use crate::store::{ApiState, Theme, stores};

#[component]
pub fn Header() -> impl IntoView {
    let (stores, ui) = (stores(), ui());
    let org = live(move || stores.status.with(|status| status.org.clone()).unwrap_or_default());
    let zone = live(move || t::zone_title(&zone_label()));
    view! {
        <header class="top">
            <h1 class="brand">{say(t::page_title)}</h1>
            <Pages/>
            // Where it moves nothing when it becomes known.
            <span class="org">{org}</span>
            <span class="grow"></span>
            <ApiIndicator/>
            <FeedIndicator/>
            <button class="plain zone" type="button" data-testid="zone" title=zone on:click=then(move |_| stores.prefs.toggle_utc())>
                <span class="long">{live(zone_label)}</span>
                // A phone has no room for the name of a zone; the button's title tells it.
                <span class="short" aria-hidden="true">{live(|| if format::is_utc() { "UTC" } else { "◷" }.to_owned())}</span>
            </button>
            <Language/>
            <ThemeButton/>
            <button class="icon for-keyboard" type="button" title=say(t::help_button) aria-label=say(t::help_button)
                data-opens="help" aria-haspopup="dialog" on:click=then(move |_| ui.open(Popup::Help))>
                <span aria-hidden="true">"?"</span>
            </button>
            <Account/>
            {announcer()}
        </header>
    }
}

/// Tells a screen reader that live events are missing, and that they come again; not how often that was tried.
fn announcer() -> AnyView {
    let feed = stores().feed;
    let said = RwSignal::new(String::new());
    let mut is_lost = false;
    effect(move || match feed.shown().0 {
        FeedState::Down { since_ms, .. } if !is_lost => {
            is_lost = true;
            said.set(t::feed_stale_since(&format::clock(stores().clock.at_wall(since_ms))));
        }
        FeedState::Live { .. } if is_lost => {
            is_lost = false;
            said.set(t::feed_live());
        }
        _ => {}
    });
    view! { <div class="for-readers" role="status" data-testid="announcer-feed">{said}</div> }.into_any()
}

/// The two pages. What was chosen on one waits while the other is shown.
#[component]
fn Pages() -> impl IntoView {
    let incidents = stores().overview.incidents;
    let has_lost = flag(move || {
        incidents.with(|all| all.as_ref().is_some_and(|all| all.iter().any(Incident::is_urgent)))
    });
    let page = |is_overview: bool, hook: &'static str, name: fn() -> String| {
        let stores = stores();
        let is_here = move || stores.view.with(|view| view.overview.is_some() == is_overview);
        let address = live(move || {
            stores.view.with(|view| {
                let mut view = view.clone();
                view.overview = is_overview.then(|| view.overview.unwrap_or(stores.overview.last()));
                view.link()
            })
        });
        let go = move |event: leptos::ev::MouseEvent| {
            // A click with a modifier opens the link in another tab, as any link.
            if !(event.ctrl_key() || event.meta_key() || event.shift_key()) {
                event.prevent_default();
                stores.show_overview(is_overview);
            }
        };
        view! {
            <a href=address data-testid=hook aria-current=maybe(move || is_here().then(|| "page".to_owned())) on:click=go>
                {say(name)}
                {is_overview.then(|| view! { <i class="lost" role="img" aria-label=say(t::incidents) hidden=flag(move || !has_lost.get())></i> })}
            </a>
        }
    };
    let pages = [page(false, "page-clients", t::page_clients), page(true, "page-overview", t::page_overview)];
    view! { <nav class="pages" aria-label=say(t::pages)>{pages.into_iter().collect_view()}</nav> }
}

#[component]
fn ApiIndicator() -> impl IntoView {
    let api = stores().table.api;
    let state = live(move || match api.get() {
        ApiState::Loading => "connecting".to_owned(),
        ApiState::Fine => "live".to_owned(),
        ApiState::Failed { .. } => "down".to_owned(),
    });
    let text = live(move || match api.get() {
        ApiState::Loading => t::api_loading(),
        ApiState::Fine => t::api_fine(),
        ApiState::Failed { .. } => t::api_failed(),
    });
    view! {
        <span class="indicator answers" data-testid="indicator-api" data-state=state title=say(t::api_title)>
            <i class="lamp" aria-hidden="true"></i>{text}
        </span>
    }
}

#[component]
fn FeedIndicator() -> impl IntoView {
    let stores = stores();
    let feed = stores.feed;
    // Nothing waits behind a pause while nothing arrives, so that is told first.
    let state = live(move || match feed.shown() {
        (FeedState::Down { .. }, _) => "down".to_owned(),
        (_, true) => "paused".to_owned(),
        (FeedState::Live { .. }, _) => "live".to_owned(),
        (FeedState::Off | FeedState::Connecting, _) => "connecting".to_owned(),
    });
    let text = live(move || match feed.shown() {
        (FeedState::Down { retry_at_ms, .. }, _) => {
            stores.clock.tick();
            let left_ms = (retry_at_ms - wall_ms()).max(0) + 999;
            t::feed_retry_in(&format::duration(left_ms))
        }
        (_, true) => t::feed_paused(),
        (FeedState::Off, _) => t::feed_off(),
        (FeedState::Connecting, _) => t::feed_connecting(),
        (FeedState::Live { round_trip_ms: None }, _) => t::feed_live(),
        (FeedState::Live { round_trip_ms: Some(ms) }, _) => t::feed_live_latency(&format::latency(ms)),
    });
    let since = maybe(move || match feed.shown() {
        (FeedState::Down { since_ms, .. }, _) => {
            Some(t::feed_stale_since(&format::clock(stores.clock.at_wall(since_ms))))
        }
        (_, true) => {
            let waiting = feed.waiting.get();
            (waiting > 0).then(|| t::feed_waiting(waiting))
        }
        _ => None,
    });
    let pause = live(move || if feed.is_paused.get() { t::resume() } else { t::pause() });
    let sign = live(move || if feed.is_paused.get() { "▶".to_owned() } else { "❚❚".to_owned() });
    view! {
        <span class="indicator" data-testid="indicator-monitor" data-state=state title=say(t::feed_title)>
            <i class="lamp" aria-hidden="true"></i><span class="since">{since}</span>
            <span class="told">{text}</span>
        </span>
        <button class="icon" type="button" title=pause aria-label=pause on:click=then(move |_| feed.toggle_pause())>
            <span aria-hidden="true">{sign}</span>
        </button>
    }
}

#[component]
pub fn Language() -> impl IntoView {
    let prefs = stores().prefs;
    let languages = || {
        let option = |(tag, name): &(&'static str, &'static str)| {
            let (tag, name) = (*tag, *name);
            view! { <option value=tag prop:selected=flag(move || prefs.language.get() == tag)>{name}</option> }
        };
        LANGUAGES.iter().map(option).collect_view()
    };
    (LANGUAGES.len() > 1).then(|| {
        view! {
            <select class="language" aria-label=say(t::language)
                on:change=then(move |event| prefs.choose_language(&event_target_value(&event)))>
                {languages()}
            </select>
        }
    })
}

#[component]
pub fn ThemeButton() -> impl IntoView {
    let prefs = stores().prefs;
    let theme = live(move || match prefs.theme.get() {
        Theme::Auto => t::theme_auto(),
        Theme::Light => t::theme_light(),
        Theme::Dark => t::theme_dark(),
    });
    let sign = live(move || match prefs.theme.get() {
        Theme::Auto => "◐".to_owned(),
        Theme::Light => "○".to_owned(),
        Theme::Dark => "●".to_owned(),
    });
    view! {
        <button class="icon" type="button" title=theme aria-label=theme
            on:click=then(move |_| prefs.choose_theme(prefs.theme.get().next()))>
            <span aria-hidden="true">{sign}</span>
        </button>
    }
}
