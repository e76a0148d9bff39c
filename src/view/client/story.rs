//! The state of the open client as a person would tell it: since when, who ended it, why, and what to check.

use std::sync::Arc;

use leptos::prelude::*;
use rollcall_model::{Certainty, ConnectionStatus, Initiator, StateDoc, Timestamp};

use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::view::live::maybe;
use crate::words::Cause;

/// From how many connects in an hour a client is said to come and go.
const FLAPPING: u32 = 6;

#[component]
pub fn Story(doc: Signal<Option<Arc<StateDoc>>>) -> impl IntoView {
    let clock = stores().clock;
    let of_doc = move |read: fn(&StateDoc) -> Option<String>| {
        maybe(move || doc.with(|doc| doc.as_ref().and_then(|doc| read(doc))))
    };
    let lead = maybe(move || doc.with(|doc| doc.as_ref().map(|doc| sentence(doc, clock.now()))));
    let meaning = of_doc(|doc| Cause::of_state(doc).map(|cause| cause.meaning()));
    let name = of_doc(|doc| Cause::of_state(doc)?.standard_name());
    let own = of_doc(|doc| Cause::of_state(doc)?.own_words().map(|words| t::own_words(&words)));
    let advice = of_doc(|doc| Cause::of_state(doc)?.advice());
    let inferred = of_doc(|doc| (doc.certainty == Certainty::Inferred).then(t::inferred_note));
    let stale = maybe(move || {
        let since = doc.with(|doc| doc.as_ref().and_then(|doc| doc.stale_since))?;
        Some(t::stale_note(&format::moment_exact(since, clock.exact())))
    });
    let flapping = of_doc(|doc| {
        (doc.recent_connects >= FLAPPING).then(|| t::flapping_note(u64::from(doc.recent_connects)))
    });
    let notes = [("note warning", stale), ("note", inferred), ("note warning", flapping)];
    let notes = notes.map(|(class, text)| view! { <p class=class>{text}</p> });
    view! {
        <p class="lead" data-testid="story">{lead}</p>
        <div class="why-box" data-testid="why">
            <p title=name>{meaning}</p>
            <p>{own}</p>
            <p class="advice"><b>{maybe(move || advice.with(Option::is_some).then(t::advice_label))}</b>" "{advice}</p>
        </div>
        {notes.into_iter().collect_view()}
    }
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
    let codes = Cause::of_state(doc).and_then(|cause| cause.codes_in_words());
    let codes = codes.map(|codes| t::codes_in(&codes)).unwrap_or_default();
    match doc.disconnect_initiator {
        Some(Initiator::Client) => t::offline_by_client(&since, &ago, &codes),
        Some(Initiator::Server) => t::offline_by_server(&since, &ago, &codes),
        Some(Initiator::Network) => t::offline_by_network(&since, &ago, &codes),
        None => t::offline_by_unknown(&since, &ago, &codes),
    }
}
