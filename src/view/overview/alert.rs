//! Beside the counts: that many clients were lost at once, when that is still so. The reader can put it away; the overview
//! tells it further on.

use leptos::prelude::{Get, GetUntracked, Memo, RwSignal, Set, With};
use rollcall_model::Timestamp;

use super::incidents;
use crate::api::Incident;
use crate::browser;
use crate::i18n::t;
use crate::store::stores;
use crate::view::dom::{El, el};

/// Where the browser remembers until when incidents have been put away.
const SEEN: &str = "rollcall-incidents-seen";

pub fn alert() -> El {
    let all = stores().overview.incidents;
    let seen = RwSignal::new(browser::remembered(SEEN).and_then(|time| Timestamp::parse(&time).ok()));
    let worst =
        Memo::new(move |_| all.with(|all| all.as_deref().and_then(|all| worst_of(all, seen.get()).cloned())));
    // What is read out is made anew for another incident only, not for each client that comes back.
    let which = Memo::new(move |_| {
        worst.with(|worst| worst.as_ref().map(|worst| (worst.since, worst.cause.clone())))
    });
    let put_away = move || {
        if let Some(worst) = worst.get_untracked() {
            browser::remember(SEEN, Some(&worst.since.to_string()));
            seen.set(Some(worst.since));
        }
    };
    let name = move || which.get().map(|_| t::incidents());
    el("section", "alert").live_attr("aria-label", name).on("click", super::follow).live(move || {
        let Some(_) = which.get() else { return Vec::new() };
        let head = worst.with(|worst| worst.as_ref().map(incidents::headline));
        let head = el("span", "").attr("role", "alert").children(head.as_slice());
        let away = el("span", "")
            .live(move || worst.with(|worst| worst.as_ref().map(incidents::away)).into_iter().collect());
        let hide = el("button", "plain")
            .attrs(&[("type", "button"), ("data-testid", "alert-hide")])
            .text(&t::alert_hide())
            .on("click", move |_| put_away());
        let line = el("div", "banner failure").attr("data-testid", "alert");
        vec![line.children(&[head, away, hide])]
    })
}

/// The urgent one of which the most are away, unless it has been seen.
fn worst_of(all: &[Incident], seen: Option<Timestamp>) -> Option<&Incident> {
    let urgent = all.iter().filter(|incident| incident.is_urgent());
    let new = urgent.filter(|incident| seen.is_none_or(|seen| incident.since > seen));
    new.max_by_key(|incident| incident.still_away.unwrap_or(incident.clients))
}
