//! The state of the open client as a person would tell it: since when, who ended it, why, and what to check.

use leptos::prelude::With;
use rollcall_model::{Certainty, ConnectionStatus, Initiator, StateDoc, Timestamp};

use super::with_doc;
use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::view::dom::{El, el};
use crate::words::Cause;

/// From how many connects in an hour a client is said to come and go.
const FLAPPING: u32 = 6;

pub fn story() -> [El; 5] {
    let stores = stores();
    let clock = stores.clock;
    let with_cause = |read: fn(&Cause) -> Option<String>| {
        move || with_doc(|doc| Cause::of_state(doc)).and_then(|cause| read(&cause))
    };
    let lead = move || with_doc(|doc| Some(sentence(doc, clock.now())));
    let when = || {
        with_doc(|doc| match doc.connection_status {
            ConnectionStatus::Connected => doc.last_connect_time,
            ConnectionStatus::Disconnected => doc.last_disconnect_time,
        })
        .map(format::exact)
    };
    let inferred = || with_doc(|doc| (doc.certainty == Certainty::Inferred).then(t::inferred_note));
    let stale = move || {
        let since = with_doc(|doc| doc.stale_since)?;
        Some(t::stale_note(&format::moment_exact(since, clock.exact())))
    };
    let flapping = move || {
        let count = with_doc(|doc| Some(doc.recent_connects)).filter(|count| *count >= FLAPPING)?;
        // The diagnosis knows more of it.
        let is_explained = stores.detail.findings.findings.with(|all| !all.is_empty());
        if is_explained {
            return None;
        }
        Some(t::flapping_note(u64::from(count)))
    };
    let meaning = el("p", "").maybe_text(with_cause(|cause| Some(cause.meaning())));
    let advice = with_cause(Cause::advice);
    let why = [
        meaning.live_attr("title", with_cause(Cause::standard_name)),
        el("p", "").maybe_text(with_cause(|cause| cause.own_words().map(|words| t::own_words(&words)))),
        el("p", "advice")
            .shown_if(move || advice().is_some())
            .child(&el("b", "").live_text(t::advice_label))
            .text(" ")
            .live_text(move || advice().unwrap_or_default()),
    ];
    let has_cause = || with_doc(|doc| Cause::of_state(doc)).is_some();
    [
        el("p", "lead").attr("data-testid", "story").maybe_text(lead).live_attr("title", when),
        el("div", "why-box").attr("data-testid", "why").children(&why).shown_if(has_cause),
        el("p", "note warning").maybe_text(stale),
        el("p", "note").maybe_text(inferred),
        el("p", "note warning").maybe_text(flapping),
    ]
}

/// `Offline since 08:52:01, 3h ago: the network dropped it (close code 91).`
fn sentence(doc: &StateDoc, now: Timestamp) -> String {
    if doc.certainty == Certainty::Unknown {
        return t::state_unknown();
    }
    if doc.connection_status == ConnectionStatus::Connected {
        return doc.last_connect_time.map_or_else(t::online, |time| {
            t::online_since(&format::moment_exact(time, now), &format::duration(now.millis() - time.millis()))
        });
    }
    let Some(time) = doc.last_disconnect_time else { return t::offline() };
    let (since, ago) = (format::moment_exact(time, now), format::relative(time, now));
    let cause = Cause::of_state(doc);
    let mut codes = cause.as_ref().and_then(Cause::codes_in_words);
    // A server has many reasons: words before codes.
    if doc.disconnect_initiator == Some(Initiator::Server) {
        codes = cause.zip(codes).map(|(cause, codes)| format!("{}, {codes}", cause.short()));
    }
    let codes = codes.map(|codes| t::codes_in(&codes)).unwrap_or_default();
    match doc.disconnect_initiator {
        Some(Initiator::Client) => t::offline_by_client(&since, &ago, &codes),
        Some(Initiator::Server) => t::offline_by_server(&since, &ago, &codes),
        Some(Initiator::Network) => t::offline_by_network(&since, &ago, &codes),
        None => t::offline_by_unknown(&since, &ago, &codes),
    }
}
