//! The log of the open client: what happened, newest first, within a range of its own.

use std::sync::Arc;

use crate::view::live::{flag, live, maybe, say};
use leptos::prelude::*;
use rollcall_model::log::LogEntry;
use rollcall_model::{Certainty, Timestamp};

use super::banner::name_of;
use super::icons::mark_of_event;
use super::range::RangePicker;
use crate::i18n::t;
use crate::store::stores;
use crate::words::{self, Cause};
use crate::{format, text};

#[component]
pub fn Log() -> impl IntoView {
    let stores = stores();
    let log = stores.detail.log;
    let range = Signal::derive(move || stores.view.with(|view| view.log));
    let choose = move |range| stores.view.change(|view| view.log = range);
    // Equal entries at the same time are told apart by their place among them.
    let entries = move || {
        let mut keyed: Vec<(Timestamp, usize, Arc<LogEntry>)> = Vec::new();
        log.with(|log| {
            for entry in &log.entries {
                let same = keyed.iter().rev().take_while(|(time, ..)| *time == entry.timestamp).count();
                keyed.push((entry.timestamp, same, Arc::clone(entry)));
            }
        });
        keyed
    };
    let is_empty = move || log.with(|log| log.is_loaded && log.entries.is_empty());
    let is_loading = move || log.with(|log| log.is_loading && !log.is_loaded);
    let problem = maybe(move || log.with(|log| log.problem.as_ref().map(name_of)));
    let has_older = move || log.with(|log| log.older.is_some());
    view! {
        <section class="log">
            <header>
                <h3>{say(t::log_title)}</h3>
                <RangePicker label=Signal::derive(t::log_range) test_id="range-log" range=range on_choose=choose
                    not_since=false unlimited=say(t::all_time)/>
            </header>
            <ol data-testid="panel-log">
                <For each=entries key=|(time, same, _)| (*time, *same) let:entry><Entry entry=entry.2/></For>
            </ol>
            <Show when=is_empty><p class="hint">{say(t::log_empty)}</p></Show>
            <Show when=is_loading><p class="hint loading">{say(t::loading)}</p></Show>
            <p class="hint">{problem}</p>
            <Show when=has_older>
                <button type="button" disabled=flag(move || log.with(|log| log.is_loading))
                    on:click=move |_| stores.detail.read_older()>{say(t::older)}</button>
            </Show>
        </section>
    }
}

#[component]
fn Entry(entry: Arc<LogEntry>) -> impl IntoView {
    let clock = stores().clock;
    let time = entry.timestamp;
    let cause = Cause::of_entry(&entry);
    let title = {
        let cause = cause.clone();
        maybe(move || cause.as_ref().map(Cause::meaning))
    };
    let words = {
        let entry = Arc::clone(&entry);
        live(move || what_happened(&entry))
    };
    let code = cause.and_then(|cause| cause.codes());
    let more = {
        let entry = Arc::clone(&entry);
        live(move || circumstances(&entry))
    };
    let event = entry.event.map(|event| match event {
        rollcall_model::log::LogEvent::Connect => "connect",
        rollcall_model::log::LogEvent::FailedConnect => "failedConnect",
        rollcall_model::log::LogEvent::Disconnect => "disconnect",
    });
    view! {
        <li data-testid="log-entry" data-event=event>
            <time datetime=time.to_string() title=live(move || format::exact(time))>
                {live(move || format::moment_exact(time, clock.exact()))}
            </time>
            <i class=mark_of_event(entry.event) aria-hidden="true"></i>
            <span class="what" title=title>{words}" "<span class="code">{code}</span></span>
            <span class="more">{more}</span>
        </li>
    }
}

/// `Disconnected by network: connection lost`.
fn what_happened(entry: &LogEntry) -> String {
    let mut text = words::log_event(entry.event);
    if let Some(who) = entry.disconnect_initiator {
        text = format!("{text} {}", t::log_by(&words::initiator(who)));
    }
    match Cause::of_entry(entry) {
        Some(cause) => format!("{text}: {}", cause.short()),
        // A plain Watson server tells nothing but its message.
        None if entry.event.is_none() => text::limited(&entry.message, 500),
        None => text,
    }
}

/// Address, protocol, traffic and certainty, as far as known.
fn circumstances(entry: &LogEntry) -> String {
    let address = entry.client_addr.as_ref().map(|addr| {
        let addr = text::limited(addr, 80);
        t::log_from(&entry.client_port.map_or(addr.clone(), |port| format!("{addr}:{port}")))
    });
    let parts = [
        address,
        entry.protocol.as_ref().map(|name| text::limited(name, 20)),
        (entry.secure == Some(true)).then(|| "TLS".to_owned()),
        entry.read_msg.map(t::log_messages),
        (entry.certainty == Some(Certainty::Inferred)).then(t::inferred_mark),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
