//! The log of the open client: what happened, newest first, by kind and range, with a tail that follows live.

use leptos::prelude::*;
use rollcall_model::log::{LogEntry, LogEvent};
use rollcall_model::{Certainty, Timestamp};

use super::{copied, tools};
use crate::boxed::effect;
use crate::i18n::{self, t};
use crate::store::{LogState, kind_of, stores};
use crate::url::EVENTS;
use crate::view::banner::name_of;
use crate::view::dom::{El, Rows, button, el, toggle};
use crate::view::icons::mark_of_event;
use crate::view::range::range_picker;
use crate::words::{self, Cause};
use crate::{format, text};

/// Reads the next, older page of what is listed.
pub fn read_older() {
    let stores = stores();
    let events = stores.view.get_untracked().page.events;
    stores.detail.log.read_older(&events);
}

/// What texts of times depend on besides the times: language, zone and day.
pub fn stamp(now: Timestamp) -> String {
    let (day, zone) = (format::day(now), format::exact_local(Timestamp::from_millis(0)));
    day + &zone + &i18n::current().language
}

/// The list and its controls; `front` is what to scroll to for the newest entry.
pub fn log(front: El) -> El {
    let stores = stores();
    let log = stores.detail.log;
    let list = el("ol", "").attr("data-testid", "panel-log");
    let day = Memo::new(move |_| stamp(stores.clock.now()));
    let rows = StoredValue::new_local(Rows::<LogEntry>::default());
    effect({
        let list = list.clone();
        move || {
            let (Some(list), stamp) = (list.element(), day.get()) else { return };
            let now = stores.clock.exact();
            let make = |entry: &LogEntry| row(entry, now);
            log.state.with(|log| rows.update_value(|rows| rows.sync(list, log.shown(), stamp, &make)));
        }
    });
    let of_log = move |read: fn(&LogState) -> Option<String>| move || log.state.with(read);
    let is = move |read: fn(&LogState) -> bool| move || log.state.with(read);
    let show_held = move |_: &web_sys::Event| {
        log.show_held();
        if let Some(front) = front.element() {
            front.scroll_into_view();
        }
    };
    let held = el("button", "primary held").attr("type", "button").attr("data-testid", "log-new");
    let older = button("", "log-older", t::older, read_older);
    el("section", "log").children(&[
        tools_of_log(),
        held.maybe_text(of_log(|log| (log.held > 0).then(|| t::new_above(log.held as u64))))
            .on("click", show_held),
        list,
        el("p", "hint").maybe_text(of_log(|log| {
            let empty = if log.address.is_empty() { t::log_devices_only } else { t::log_empty };
            (log.is_loaded && log.shown().is_empty()).then(empty)
        })),
        el("p", "hint loading").maybe_text(of_log(|log| (log.is_loading && !log.is_loaded).then(t::loading))),
        el("p", "hint").maybe_text(of_log(|log| log.problem.as_ref().map(name_of))),
        older.shown_if(is(|log| log.older.is_some())),
    ])
}

/// Range, kinds, the live tail, and what is shown for elsewhere.
fn tools_of_log() -> El {
    let stores = stores();
    let (log, view) = (stores.detail.log, stores.view);
    let kinds = EVENTS.map(|(event, name)| {
        let is_on = move || view.with(|view| view.page.events.contains(&event));
        let click = move || {
            view.adjust(|view| {
                let events = &mut view.page.events;
                let before = events.len();
                events.retain(|one| *one != event);
                if events.len() == before {
                    events.push(event);
                }
                events.sort_by_key(|one| EVENTS.iter().position(|(event, _)| event == one));
            });
        };
        toggle(&format!("log-{name}"), is_on, click)
            .child(&el("i", mark_of_event(Some(event))).attr("aria-hidden", "true"))
            .live_text(move || words::log_event(Some(event)))
    });
    let range = Signal::derive(move || view.with(|view| view.log));
    let choose = move |range| view.change(|view| view.log = range);
    let picker = range_picker(t::log_range, "range-log", range, t::all_time, choose);
    let copied =
        move || log.state.with_untracked(|log| copied::entries(log.shown().iter().map(AsRef::as_ref)));
    let is_following = log.is_following;
    let follow = el("button", "plain").attr("type", "button").attr("data-testid", "log-follow");
    let group = el("div", "kinds").attr("role", "group").says("aria-label", t::log_kinds);
    el("header", "").children(&[
        group.children(&kinds),
        el("div", "").child(&picker),
        tools::gap(),
        follow
            .live_text(move || if is_following.get() { t::tail_pause() } else { t::tail_resume() })
            .on("click", move |_| log.toggle_following()),
        tools::copy(t::copy_json, "copy-log", copied),
        tools::api_link(move || log.state.with(|log| log.address.clone())),
    ])
}

pub fn row(entry: &LogEntry, now: Timestamp) -> El {
    let time = entry.timestamp;
    let kind = kind_of(entry);
    let cause = Cause::of_entry(entry);
    let when = el("time", "")
        .attr("datetime", &time.to_string())
        .attr("title", &format::exact(time))
        .text(&format::moment_exact(time, now));
    let mut what = el("span", "what").text(&what_happened(entry, kind, cause.as_ref()));
    if let Some(cause) = &cause {
        what = what.attr("title", &cause.explained());
        if let Some(codes) = cause.named_codes() {
            what = what.text(" ").child(&el("span", "code").text(&codes));
        }
    }
    let row = el("li", "").attr("data-testid", "log-entry");
    let row = match EVENTS.iter().find(|(event, _)| Some(*event) == kind) {
        Some((_, name)) => row.attr("data-event", name),
        None => row,
    };
    let mark = el("i", mark_of_event(kind)).attr("aria-hidden", "true");
    let more = el("span", "more").text(&circumstances(entry, cause.as_ref()));
    row.child(&when).child(&mark).child(&what).child(&more)
}

/// `Disconnected by network: connection lost`.
fn what_happened(entry: &LogEntry, kind: Option<LogEvent>, cause: Option<&Cause>) -> String {
    let mut text = words::log_event(kind);
    if let Some(who) = entry.disconnect_initiator {
        text = format!("{text} {}", t::log_by(&words::initiator(who)));
    }
    match cause {
        Some(cause) => t::chip(&text, &cause.short()),
        // A plain Watson server tells nothing but its message.
        None if entry.event.is_none() => text::limited(&entry.message, 500),
        None => text,
    }
}

/// Address, protocol, traffic, the broker's own words and certainty, as far as known.
fn circumstances(entry: &LogEntry, cause: Option<&Cause>) -> String {
    let parts = [
        address(entry).map(|address| t::log_from(&address)),
        entry.protocol.as_deref().map(words::protocol),
        (entry.secure == Some(true)).then(|| "TLS".to_owned()),
        entry.read_msg.map(t::log_messages),
        cause.and_then(Cause::own_words).map(|words| t::own_words(&words)),
        (entry.certainty == Some(Certainty::Inferred)).then(t::inferred_mark),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Address and port, as far as known.
pub fn address(entry: &LogEntry) -> Option<String> {
    let addr = text::limited(entry.client_addr.as_ref()?, 80);
    Some(entry.client_port.map_or_else(|| addr.clone(), |port| format!("{addr}:{port}")))
}
