//! The top line: whose fleet, whether what is shown is live, and the reader's settings.

use leptos::prelude::*;

use super::account::account;
use super::dom::{El, el, sign, value_of};
use super::range::zone_label;
use super::ui::{Popup, ui};
use crate::api::Incident;
use crate::boxed::effect;
use crate::browser::wall_ms;
use crate::format;
use crate::i18n::{LANGUAGES, t};
use crate::monitor::FeedState;
use crate::store::{ApiState, Theme, stores};

pub fn header() -> El {
    let stores = stores();
    el("header", "top")
        .children(&[
            el("h1", "brand").live_text(t::page_title),
            pages(),
            // Where it moves nothing when it becomes known.
            el("span", "org")
                .live_text(move || stores.status.with(|status| status.org.clone()).unwrap_or_default()),
            el("span", "grow"),
            api_indicator(),
            feed_indicator(),
            pause(),
            zone(),
            language(),
            theme_button(),
            help(),
        ])
        .piece(account())
        .child(&announcer())
}

fn zone() -> El {
    let prefs = stores().prefs;
    let short = || if format::is_utc() { "UTC" } else { "◷" }.to_owned();
    el("button", "plain zone")
        .attrs(&[("type", "button"), ("data-testid", "zone")])
        .live_attr("title", || Some(t::zone_title(&zone_label())))
        .children(&[
            el("span", "long").live_text(zone_label),
            // A phone has no room for the name of a zone; the button's title tells it.
            live_sign(short).attr("class", "short"),
        ])
        .on("click", move |_| prefs.toggle_utc())
}

/// A sign that follows what it is made of.
fn live_sign(text: impl Fn() -> String + 'static) -> El {
    sign("").live_text(text)
}

fn help() -> El {
    let ui = ui();
    el("button", "icon for-keyboard")
        .attrs(&[("type", "button"), ("data-opens", "help"), ("aria-haspopup", "dialog")])
        .named(t::help_button)
        .child(&sign("?"))
        .on("click", move |_| ui.open(Popup::Help))
}

/// Tells a screen reader that live events are missing, and that they come again; not how often that was tried.
fn announcer() -> El {
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
    el("div", "for-readers")
        .attrs(&[("role", "status"), ("data-testid", "announcer-feed")])
        .live_text(move || said.get())
}

/// The two pages. What was chosen on one waits while the other is shown.
fn pages() -> El {
    let incidents = stores().overview.incidents;
    let has_lost =
        move || incidents.with(|all| all.as_ref().is_some_and(|all| all.iter().any(Incident::is_urgent)));
    let lost = el("i", "lost").attr("role", "img").says("aria-label", t::incidents).shown_if(has_lost);
    el("nav", "pages").says("aria-label", t::pages).children(&[
        page(false, "page-clients", t::page_clients),
        page(true, "page-overview", t::page_overview).child(&lost),
    ])
}

fn page(is_overview: bool, hook: &str, name: fn() -> String) -> El {
    let stores = stores();
    let is_here = move || stores.view.with(|view| view.overview.is_some() == is_overview);
    let address = move || {
        stores.view.with(|view| {
            let mut view = view.clone();
            view.overview = is_overview.then(|| view.overview.unwrap_or(stores.overview.last()));
            Some(view.link())
        })
    };
    el("a", "")
        .attr("data-testid", hook)
        .live_attr("href", address)
        .live_attr("aria-current", move || is_here().then(|| "page".to_owned()))
        .live_text(name)
        .on_plain_click(move || stores.show_overview(is_overview))
}

fn indicator(class: &str, hook: &str, title: fn() -> String) -> El {
    let lamp = el("i", "lamp").attr("aria-hidden", "true");
    el("span", class).attr("data-testid", hook).says("title", title).child(&lamp)
}

fn api_indicator() -> El {
    let api = stores().table.api;
    let state = move || match api.get() {
        ApiState::Loading => "connecting",
        ApiState::Fine => "live",
        ApiState::Failed { .. } => "down",
    };
    let text = move || match api.get() {
        ApiState::Loading => t::api_loading(),
        ApiState::Fine => t::api_fine(),
        ApiState::Failed { .. } => t::api_failed(),
    };
    indicator("indicator answers", "indicator-api", t::api_title)
        .live_attr("data-state", move || Some(state().to_owned()))
        .live_text(text)
}

fn feed_indicator() -> El {
    let stores = stores();
    let feed = stores.feed;
    // Nothing waits behind a pause while nothing arrives, so that is told first.
    let state = move || match feed.shown() {
        (FeedState::Down { .. }, _) => "down",
        (_, true) => "paused",
        (FeedState::Live { .. }, _) => "live",
        (FeedState::Off | FeedState::Connecting, _) => "connecting",
    };
    let text = move || match feed.shown() {
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
    };
    let since = move || match feed.shown() {
        (FeedState::Down { since_ms, .. }, _) => {
            t::feed_stale_since(&format::clock(stores.clock.at_wall(since_ms)))
        }
        (_, true) => match feed.waiting.get() {
            0 => String::new(),
            waiting => t::feed_waiting(waiting),
        },
        _ => String::new(),
    };
    indicator("indicator", "indicator-monitor", t::feed_title)
        .live_attr("data-state", move || Some(state().to_owned()))
        .children(&[el("span", "since").live_text(since), el("span", "told").live_text(text)])
}

fn pause() -> El {
    let feed = stores().feed;
    let text = move || if feed.is_paused.get() { t::resume() } else { t::pause() };
    el("button", "icon")
        .attr("type", "button")
        .named(text)
        .child(&live_sign(move || if feed.is_paused.get() { "▶" } else { "❚❚" }.to_owned()))
        .on("click", move |_| feed.toggle_pause())
}

pub fn language() -> El {
    let prefs = stores().prefs;
    let options = LANGUAGES.iter().map(|(tag, name)| el("option", "").attr("value", tag).text(name));
    el("select", "language")
        .says("aria-label", t::language)
        .children(&options.collect::<Vec<_>>())
        .live_prop("value", move || prefs.language.get().into())
        .on("change", move |event| prefs.choose_language(&value_of(event)))
}

pub fn theme_button() -> El {
    let prefs = stores().prefs;
    let theme = move || match prefs.theme.get() {
        Theme::Auto => t::theme_auto(),
        Theme::Light => t::theme_light(),
        Theme::Dark => t::theme_dark(),
    };
    let shape = move || match prefs.theme.get() {
        Theme::Auto => "◐",
        Theme::Light => "○",
        Theme::Dark => "●",
    };
    el("button", "icon")
        .attr("type", "button")
        .named(theme)
        .child(&live_sign(move || shape().to_owned()))
        .on("click", move |_| prefs.choose_theme(prefs.theme.get().next()))
}
