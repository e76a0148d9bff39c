//! The log of the open client: what happened, newest first, by kind and range, with a tail that follows live.

use leptos::html;
use leptos::prelude::*;
use rollcall_model::log::{LogEntry, LogEvent};
use rollcall_model::{Certainty, Timestamp};

use super::dom::{self, El, Rows, el};
use super::tools::{ApiLink, Copy};
use crate::i18n::{self, t};
use crate::store::{kind_of, stores};
use crate::url::EVENTS;
use crate::view::banner::name_of;
use crate::view::icons::mark_of_event;
use crate::view::live::{flag, live, maybe, say};
use crate::view::range::RangePicker;
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

#[component]
pub fn Log(to_front: Callback<()>) -> impl IntoView {
    let stores = stores();
    let log = stores.detail.log;
    let list = NodeRef::<html::Ol>::new();
    let day = Memo::new(move |_| stamp(stores.clock.now()));
    let rows = StoredValue::new_local(Rows::<LogEntry>::default());
    Effect::new(move || {
        let (Some(list), stamp) = (list.get(), day.get()) else { return };
        let now = stores.clock.exact();
        let make = |entry: &LogEntry| row(entry, now);
        log.state.with(|log| rows.update_value(|rows| rows.sync(&list, log.shown(), stamp, &make)));
    });
    let is_empty =
        maybe(move || log.state.with(|log| log.is_loaded && log.shown().is_empty()).then(t::log_empty));
    let is_loading = maybe(move || log.state.with(|log| log.is_loading && !log.is_loaded).then(t::loading));
    let problem = maybe(move || log.state.with(|log| log.problem.as_ref().map(name_of)));
    let has_older = move || log.state.with(|log| log.older.is_some());
    let has_held = move || log.state.with(|log| log.held > 0);
    let held = live(move || t::new_above(log.state.with(|log| log.held) as u64));
    let show_held = move |_| {
        log.show_held();
        to_front.run(());
    };
    view! {
        <section class="log">
            <LogTools/>
            <Show when=has_held>
                <button type="button" class="primary held" data-testid="log-new" on:click=show_held>{held}</button>
            </Show>
            <ol data-testid="panel-log" node_ref=list></ol>
            <p class="hint">{is_empty}</p>
            <p class="hint loading">{is_loading}</p>
            <p class="hint">{problem}</p>
            <Show when=has_older>
                <button type="button" disabled=flag(move || log.state.with(|log| log.is_loading))
                    on:click=move |_| read_older()>{say(t::older)}</button>
            </Show>
        </section>
    }
}

/// Range, kinds, the live tail, and what is shown for elsewhere.
#[component]
fn LogTools() -> impl IntoView {
    let stores = stores();
    let (log, view) = (stores.detail.log, stores.view);
    let range = Signal::derive(move || view.with(|view| view.log));
    let choose = move |range| view.change(|view| view.log = range);
    let kinds = EVENTS.map(|(event, name)| {
        let is_on = live(move || view.with(|view| view.page.events.contains(&event)).to_string());
        let toggle = move |_| {
            view.adjust(|view| {
                let events = &mut view.page.events;
                let is_on = events.contains(&event);
                *events = EVENTS
                    .into_iter()
                    .map(|(one, _)| one)
                    .filter(|one| if *one == event { !is_on } else { events.contains(one) })
                    .collect();
            });
        };
        view! {
            <button type="button" class="toggle" data-testid=format!("log-{name}") aria-pressed=is_on on:click=toggle>
                <i class=mark_of_event(Some(event)) aria-hidden="true"></i>
                {live(move || words::log_event(Some(event)))}
            </button>
        }
    });
    let is_following = log.is_following;
    let follow = live(move || if is_following.get() { t::tail_pause() } else { t::tail_resume() });
    let copied = Callback::new(move |()| {
        log.state
            .with_untracked(|log| dom::json(&log.shown().iter().map(|entry| &**entry).collect::<Vec<_>>()))
    });
    view! {
        <header>
            <div class="kinds" role="group" aria-label=say(t::log_kinds)>{kinds.into_iter().collect_view()}</div>
            <RangePicker label=Signal::derive(t::log_range) test_id="range-log" range=range on_choose=choose
                not_since=false unlimited=say(t::all_time)/>
            <span class="grow"></span>
            <button type="button" class="plain" data-testid="log-follow"
                on:click=move |_| log.toggle_following()>{follow}</button>
            <Copy label=t::copy_json text=copied test_id="copy-log"/>
            <ApiLink address=live(move || log.state.with(|log| log.address.clone()))/>
        </header>
    }
}

fn row(entry: &LogEntry, now: Timestamp) -> El {
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
        if let Some(codes) = cause.codes() {
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
        Some(cause) => format!("{text}: {}", cause.short()),
        // A plain Watson server tells nothing but its message.
        None if entry.event.is_none() => text::limited(&entry.message, 500),
        None => text,
    }
}

/// Address, protocol, traffic, the broker's own words and certainty, as far as known.
fn circumstances(entry: &LogEntry, cause: Option<&Cause>) -> String {
    let parts = [
        address(entry).map(|address| t::log_from(&address)),
        entry.protocol.as_ref().map(|name| text::limited(name, 20)),
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
