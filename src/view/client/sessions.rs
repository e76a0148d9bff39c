//! The sessions of the open client as a table, newest first: when, how long, from where, how much, and why each ended.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use rollcall_model::log::LogEntry;
use rollcall_model::{StateDoc, Timestamp};

use super::dom::{El, el, fill};
use super::log::address;
use super::tools::{ApiLink, Copy};
use crate::api;
use crate::i18n::t;
use crate::store::{ClientSession, Ending, stores};
use crate::view::live::{live, maybe, say};
use crate::words::Cause;
use crate::{format, text};

/// Rows that are shown at first, and that each scrolling to the end adds.
const PAGE: usize = 200;

/// The heads, in the order of the cells.
const HEADS: [fn() -> String; 7] = [
    t::session_start,
    t::session_end,
    t::session_duration,
    t::session_why,
    t::field_address,
    t::session_received,
    t::session_sent,
];

#[component]
pub fn SessionTable(doc: Signal<Option<Arc<StateDoc>>>, pages: RwSignal<usize>) -> impl IntoView {
    let stores = stores();
    let history = stores.detail.history.state;
    let body = NodeRef::<html::Tbody>::new();
    pages.set(1);
    let found =
        Memo::new(move |_| doc.with(|doc| history.with(|history| history.sessions(doc.as_deref()).sessions)));
    let day = Memo::new(move |_| super::log::stamp(stores.clock.now()));
    Effect::new(move || {
        let Some(body) = body.get() else { return };
        day.track();
        let now = stores.clock.exact();
        let shown = pages.get() * PAGE;
        let rows: Vec<El> =
            found.with(|found| found.iter().rev().take(shown).map(|session| row(session, now)).collect());
        fill(&body, &rows);
    });
    let is_empty = maybe(move || {
        let is_done = history.with(|history| !history.is_reading && history.known_since().is_some());
        (is_done && found.with(Vec::is_empty)).then(t::sessions_empty)
    });
    let address = live(move || {
        let id = stores.view.with(|view| view.client.clone()).unwrap_or_default();
        api::log_address(&id, history.with(|history| history.from), None, &[], 1_000)
    });
    let copied = Callback::new(move |()| {
        let rows: Vec<Arc<LogEntry>> = found.with_untracked(|found| {
            found
                .iter()
                .rev()
                .flat_map(|session| session.disconnect.iter().chain(&session.connect).cloned())
                .collect()
        });
        super::dom::json(&rows.iter().map(|entry| &**entry).collect::<Vec<_>>())
    });
    let heads = HEADS.map(|head| view! { <th scope="col">{head}</th> });
    view! {
        <section class="sessions">
            <header>
                <span class="hint">{live(move || t::session_count(found.with(Vec::len) as u64))}</span>
                <span class="grow"></span>
                <Copy label=t::copy_json text=copied test_id="copy-sessions"/>
                <ApiLink address=address/>
            </header>
            <table data-testid="sessions">
                <thead><tr>{heads.into_iter().collect_view()}</tr></thead>
                <tbody node_ref=body></tbody>
            </table>
            <p class="hint">{is_empty}</p>
            <span class="for-readers">{say(t::sessions_hint)}</span>
        </section>
    }
}

/// Cells carry the name of their column, for where there is no room for columns.
fn row(session: &ClientSession, now: Timestamp) -> El {
    let cells = [
        vec![start(session, now)],
        vec![end(session, now)],
        vec![el("span", "").text(&duration(session, now).unwrap_or_default())],
        why(session),
        origin(session),
        vec![el("span", "").text(&traffic(session, |entry| (entry.read_msg, entry.read_bytes)))],
        vec![el("span", "").text(&traffic(session, |entry| (entry.write_msg, entry.write_bytes)))],
    ];
    let mut row =
        el("tr", if session.is_inferred() { "is-inferred" } else { "" }).attr("data-testid", "session");
    for (head, parts) in HEADS.into_iter().zip(cells) {
        let cell = el("td", "").attr("data-head", &head());
        row = row.child(&parts.iter().fold(cell, |cell, part| cell.child(part)));
    }
    row
}

fn time(time: Timestamp, now: Timestamp) -> El {
    el("time", "")
        .attr("datetime", &time.to_string())
        .attr("title", &format::exact(time))
        .text(&format::moment_exact(time, now))
}

fn start(session: &ClientSession, now: Timestamp) -> El {
    if session.has_start { time(session.start, now) } else { el("span", "hint").text(&t::session_no_start()) }
}

fn end(session: &ClientSession, now: Timestamp) -> El {
    match session.end {
        Ending::At(at, _) => time(at, now),
        Ending::Open => el("span", "still").text(&t::session_open()),
        Ending::Unknown => el("span", "hint").text(&t::session_no_end()),
    }
}

/// How long it lasted, with the mark of what was inferred.
pub fn duration(session: &ClientSession, now: Timestamp) -> Option<String> {
    session.duration_ms(now).map(|ms| {
        // Short sessions are what one looks for: their parts of a second count.
        if ms < 10_000 { format::latency(ms as f64) } else { format::duration(ms) }
    })
}

fn why(session: &ClientSession) -> Vec<El> {
    let cause = session.disconnect.as_ref().and_then(|entry| Cause::of_entry(entry));
    let mut parts = Vec::new();
    if let Some(cause) = &cause {
        let class = cause.initiator.map_or("", |who| match who.as_str() {
            "server" => "ended-server",
            "network" => "ended-network",
            _ => "",
        });
        parts.push(el("span", class).attr("title", &cause.explained()).text(&cause.short()));
        parts.push(el("span", "code").text(&cause.codes().unwrap_or_default()));
    }
    if session.is_inferred() && matches!(session.end, Ending::At(..)) {
        parts.push(el("em", "inferred").text(&t::inferred_mark()));
    }
    parts
}

/// Address, protocol and encryption.
fn origin(session: &ClientSession) -> Vec<El> {
    let read = |entry: &LogEntry| {
        let protocol = entry.protocol.as_ref().map(|name| text::limited(name, 20));
        let tls = (entry.secure == Some(true)).then(|| "TLS".to_owned());
        let more: Vec<String> = [protocol, tls].into_iter().flatten().collect();
        [address(entry), (!more.is_empty()).then(|| more.join(" · "))]
    };
    let entry = session.connect.as_ref().or(session.disconnect.as_ref());
    let parts = entry.map(|entry| read(entry)).into_iter().flatten().flatten();
    parts.map(|text| el("span", "").text(&text)).collect()
}

/// `12 · 3.4 kB`, as far as the broker counted.
fn traffic(session: &ClientSession, read: fn(&LogEntry) -> (Option<u64>, Option<u64>)) -> String {
    let (messages, bytes) = session.disconnect.as_ref().map_or((None, None), |entry| read(entry));
    let parts = [messages.map(format::number), bytes.map(format::bytes)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
