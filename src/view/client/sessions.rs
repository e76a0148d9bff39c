//! The sessions of the open client as a table, newest first: when, how long, from where, how much, and why each ended.

use leptos::prelude::*;
use rollcall_model::Timestamp;
use rollcall_model::log::LogEntry;

use super::log::{address, stamp};
use super::timeline::Line;
use super::{copied, tools};
use crate::api;
use crate::boxed::effect;
use crate::format;
use crate::i18n::t;
use crate::store::{ClientSession, Ending, stores};
use crate::view::dom::{El, el};
use crate::words::{self, Cause};

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

/// The table, of as many pages as were asked for.
pub fn table(line: Line, pages: RwSignal<u64>) -> El {
    let stores = stores();
    let history = stores.detail.history.state;
    let body = el("tbody", "");
    pages.set(1);
    let made = StoredValue::new(((0, String::new()), 0));
    let day = Memo::new(move |_| stamp(stores.clock.now()));
    effect({
        let body = body.clone();
        move || {
            let of = (line.session_changes(), day.get());
            let now = stores.clock.exact();
            let end = PAGE * pages.get() as usize;
            // Only what is new is made when the table grows.
            let begin = made.with_value(|(made_of, end)| if *made_of == of { *end } else { 0 });
            let rows = |all: &[ClientSession]| {
                let new = all.iter().rev().take(end).skip(begin);
                new.map(|one| row(one, now)).collect::<Vec<_>>()
            };
            let rows = line.with_sessions(rows);
            if begin == 0 {
                body.fill(&rows);
            } else {
                let _ = body.clone().children(&rows);
            }
            made.set_value((of, end));
        }
    });
    follow_open(body.clone());
    let is_empty = move || {
        let is_done = history.with(|history| !history.is_reading && history.known_since().is_some());
        (is_done && line.with_sessions(<[_]>::is_empty)).then(t::sessions_empty)
    };
    let address =
        move || api::log_address(&super::id(), history.with(|history| history.from), None, &[], 1_000);
    let copied = move || {
        line.with_sessions(|all| {
            let entries = all.iter().rev().flat_map(|one| one.disconnect.iter().chain(&one.connect));
            copied::entries(entries.map(AsRef::as_ref))
        })
    };
    let heads = HEADS.map(|head| el("th", "").attr("scope", "col").live_text(head));
    let count = move || t::session_count(line.with_sessions(<[_]>::len) as u64);
    let table = el("table", "").attr("data-testid", "sessions");
    el("section", "sessions").children(&[
        el("header", "").children(&[
            el("span", "hint").live_text(count),
            tools::gap(),
            tools::copy(t::copy_json, "copy-sessions", copied),
            tools::api_link(address),
        ]),
        table.child(&el("thead", "").child(&el("tr", "").children(&heads))).child(&body),
        el("p", "hint").maybe_text(is_empty),
        el("span", "for-readers").live_text(t::sessions_hint),
    ])
}

/// Cells carry the name of their column, for where there is no room for columns.
fn row(session: &ClientSession, now: Timestamp) -> El {
    let cells = [
        vec![start(session, now)],
        vec![end(session, now)],
        vec![lasted(session, now)],
        why(session),
        origin(session),
        traffic(session, |entry| (entry.read_msg, entry.read_bytes)),
        traffic(session, |entry| (entry.write_msg, entry.write_bytes)),
    ];
    let mut row =
        el("tr", if session.is_inferred() { "is-inferred" } else { "" }).attr("data-testid", "session");
    for (head, parts) in HEADS.into_iter().zip(cells) {
        let cell = el("td", "").attr("data-head", &head());
        row = row.child(&cell.children(&parts));
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

/// How long it lasted. Where it is still open, since when, for [`follow_open`].
fn lasted(session: &ClientSession, now: Timestamp) -> El {
    let since = session.start.millis();
    if session.end == Ending::Open && session.has_start {
        let lasted = format::duration(now.millis() - since);
        return el("span", "").attr("data-since", &since.to_string()).text(&lasted);
    }
    el("span", "").text(&duration(session, now).unwrap_or_default())
}

/// The rows are made once, and the session that is open lasts longer each second.
fn follow_open(body: El) {
    let clock = stores().clock;
    effect(move || {
        let now = clock.now();
        let cell = body.element().and_then(|body| body.query_selector("[data-since]").ok().flatten());
        let since = cell.as_ref().and_then(|cell| cell.get_attribute("data-since")?.parse::<i64>().ok());
        if let (Some(cell), Some(since)) = (cell, since) {
            cell.set_text_content(Some(&format::duration(now.millis() - since)));
        }
    });
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
        let protocol = entry.protocol.as_deref().map(words::protocol);
        let tls = (entry.secure == Some(true)).then(|| "TLS".to_owned());
        let more: Vec<String> = [protocol, tls].into_iter().flatten().collect();
        [address(entry), (!more.is_empty()).then(|| more.join(" · "))]
    };
    let entry = session.connect.as_ref().or(session.disconnect.as_ref());
    let parts = entry.map(|entry| read(entry)).into_iter().flatten().flatten();
    parts.map(|text| el("span", "").text(&text)).collect()
}

/// `12 · 3.4 kB`, as far as the broker counted.
fn traffic(session: &ClientSession, read: fn(&LogEntry) -> (Option<u64>, Option<u64>)) -> Vec<El> {
    let (messages, bytes) = session.disconnect.as_ref().map_or((None, None), |entry| read(entry));
    let parts = [messages.map(format::number), bytes.map(format::bytes)];
    let told = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    // An empty cell has no room where each is named (style/client.css).
    if told.is_empty() { Vec::new() } else { vec![el("span", "").text(&told)] }
}
