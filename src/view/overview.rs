//! The overview: how many clients were connected over time, who came and went and why, and what stands out. Every number
//! leads to the clients behind it.

mod alert;
mod chart;
mod charts;
mod incidents;
mod links;
mod lists;
mod tiles;
mod trend;

use leptos::prelude::*;
use rollcall_model::Timestamp;
use rollcall_model::time::TimeExpr;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event};

use super::banner::{name_of, showing};
use crate::format;
use crate::i18n::t;
use crate::store::{ApiState, stores};
use crate::url::{Period, View};
use crate::view::dom::{El, el, is_plain_click, svg};

pub use alert::alert;
pub use incidents::shared;
pub use trend::trend;

pub fn overview() -> El {
    el("main", "overview")
        .attrs(&[("id", "overview"), ("tabindex", "-1"), ("data-testid", "overview")])
        .says("aria-label", t::page_overview)
        .child(&page())
}

fn page() -> El {
    let overview = stores().overview;
    let lists = el("div", "lists").children(&[
        lists::reasons(),
        lists::flappers(),
        lists::silent(),
        lists::refused_addresses(),
        lists::refused(),
    ]);
    let parts =
        [tiles::tiles(), incidents::incidents(), charts::connected(), charts::flow(), charts::ended(), lists];
    let class = move || {
        let shown = overview.series.with(|series| series.as_ref().map(|(period, _)| *period));
        let state = match shown {
            _ if overview.is_missing.get() => "page is-missing",
            None => "page is-loading",
            Some(period) if overview.period.get() != Some(period) => "page is-old",
            Some(_) if matches!(overview.api.get(), ApiState::Failed { .. }) => "page is-blind",
            Some(_) => "page",
        };
        Some(state.to_owned())
    };
    let page = el("div", "page").live_attr("class", class).on("click", follow);
    page.children(&[patterns(), periods(), notes(), el("div", "numbers").children(&parts)])
}

/// A link to the table.
fn link(query: &str) -> El {
    el("a", "").attr("href", query).attr("data-go", "")
}

/// The same inside a drawing.
fn svg_link(query: &str) -> El {
    svg("a", "").attr("href", query).attr("data-go", "")
}

/// Follows a link of the page without loading it anew, and asks again where that is offered. A click with a modifier
/// opens a link elsewhere, as any link.
pub fn follow(event: &Event) {
    let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
    let nearest = |selector| target.as_ref().and_then(|target| target.closest(selector).ok().flatten());
    if nearest("[data-retry]").is_some() {
        stores().overview.retry();
    }
    let link = nearest("[data-go]");
    if let Some(query) = link.filter(|_| is_plain_click(event)).and_then(|link| link.get_attribute("href")) {
        event.prevent_default();
        stores().view.change(|view| *view = View::from_query_string(&query));
    }
}

/// How long a period is, in words.
fn name_of_period(period: Period) -> String {
    match TimeExpr::parse(&format!("now-{}", period.name())) {
        Ok(TimeExpr::Ago { amount, unit }) => format::amount(amount, unit),
        _ => period.name().to_owned(),
    }
}

/// The periods to choose from.
fn periods() -> El {
    let stores = stores();
    let period = |period: Period| {
        let is_it = move || stores.overview.period.get() == Some(period);
        let address = move || {
            stores.view.with(|view| {
                let view = View { overview: Some(period), ..view.clone() };
                Some(view.link())
            })
        };
        let hook = format!("period-{}", period.name());
        el("a", "")
            .attr("data-go", "")
            .attr("data-testid", &hook)
            .live_text(move || name_of_period(period))
            .live_attr("href", address)
            .live_attr("aria-current", move || is_it().then(|| "true".to_owned()))
    };
    let heading = el("h1", "").live_text(t::page_overview);
    let periods = el("nav", "periods").says("aria-label", t::period).children(&Period::ALL.map(period));
    el("div", "head").children(&[heading, periods])
}

/// What is wrong, or not there. Told once, however often the numbers change.
fn notes() -> El {
    let stores = stores();
    let counted_from = Memo::new(move |_| {
        stores.overview.series.with(|series| {
            let (_, series) = series.as_ref()?;
            // The first bucket begins before the time that is asked for: that a part of it is missing says nothing.
            let first = series.buckets.first()?.time.plus_ms(series.step_ms);
            (first < series.complete_from).then_some(series.complete_from)
        })
    });
    let is_nobody = Memo::new(move |_| {
        // What was so before the server went away, need not be so now.
        if !matches!(stores.overview.api.get(), ApiState::Fine) {
            return false;
        }
        let counts = stores.status.with(|status| status.counts);
        counts.is_some_and(|counts| counts.connected + counts.disconnected == 0)
    });
    el("div", "notes").attr("role", "status").live(move || {
        let all = [missing(), failure(), counted_from.get().map(incomplete), is_nobody.get().then(nobody)];
        all.into_iter().flatten().collect()
    })
}

fn note(class: &str, hook: &str, text: &str) -> El {
    el("p", class).attr("data-testid", hook).text(text)
}

fn missing() -> Option<El> {
    let is_missing = stores().overview.is_missing.get();
    is_missing.then(|| note("note warning", "overview-missing", &t::overview_missing()))
}

fn failure() -> Option<El> {
    let stores = stores();
    let ApiState::Failed { problem, last_good_ms, .. } = stores.overview.api.get() else { return None };
    let showing = showing(last_good_ms);
    if matches!(stores.table.api.get(), ApiState::Failed { .. }) {
        // The banner says why.
        return showing.map(|showing| note("note", "overview-failure", &showing));
    }
    let text = format!("{} {}", name_of(&problem), showing.unwrap_or_default());
    let retry = el("button", "plain").attr("type", "button").attr("data-retry", "").text(&t::retry_now());
    Some(note("note failure", "overview-failure", text.trim()).text(" ").child(&retry))
}

/// From when on is counted: after the beginning of what is shown.
fn incomplete(from: Timestamp) -> El {
    let time = format::moment_exact(from, stores().clock.exact());
    note("note", "overview-incomplete", &t::counted_from(&time))
}

/// Nobody has ever connected: the other page says how to.
fn nobody() -> El {
    let how = link("./").text(&t::page_clients());
    note("note", "overview-empty", &t::first_run()).text(" ").child(&how)
}

/// The patterns that tell the bars apart without their colours, once for all drawings.
fn patterns() -> El {
    let pattern = |name: &str, size: &str, lines: &str| {
        let frame = svg("pattern", &format!("ink-{name}")).attrs(&[
            ("id", &format!("pattern-{name}")),
            ("width", size),
            ("height", size),
            ("patternUnits", "userSpaceOnUse"),
        ]);
        let ground = svg("rect", "ground").attrs(&[("width", size), ("height", size)]);
        frame.children(&[ground, svg("path", "").attr("d", lines)])
    };
    let defs = svg("defs", "").children(&[
        pattern("client", "4", "M0 1H4"),
        pattern("server", "6", "M-1 5L5 -1M1 7L7 1"),
        pattern("unknown", "4", "M1 1H2M3 3H4"),
        pattern("not-known", "8", "M-1 1L1 -1M0 8L8 0M7 9L9 7"),
    ]);
    svg("svg", "patterns").attrs(&[("width", "0"), ("height", "0"), ("aria-hidden", "true")]).child(&defs)
}
