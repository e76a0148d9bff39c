//! One line above the table when something is wrong: the server cannot be reached, its own feed is lost, or the link asks
//! for what nobody understands.

use leptos::prelude::*;

use super::dom::{El, el, maybe};
use crate::browser::wall_ms;
use crate::i18n::t;
use crate::store::{ApiState, Problem, stores};
use crate::{format, text};

pub fn banner() -> El {
    let stores = stores();
    // An alert is read out whenever it is made anew: not for each attempt.
    let is_failing = Memo::new(move |_| matches!(stores.table.api.get(), ApiState::Failed { .. }));
    let feed_lost = move || {
        let lost = stores.status.with(|status| status.feed_lost).flatten()?;
        let time = format::moment_exact(lost, stores.clock.exact());
        Some(warning(&t::broker_lost(&time)).attr("role", "alert"))
    };
    let left_out = move || {
        let left_out = stores.view.left_out();
        (!left_out.is_empty()).then(|| {
            let filters = text::limited(&left_out.join(", "), 200);
            let put_away = el("button", "plain").attr("type", "button").text(&t::link_left_out_ok());
            warning(&t::link_left_out(&filters))
                .attrs(&[("role", "alert"), ("data-testid", "left-out")])
                .text(" ")
                .child(&put_away.on("click", move |_| stores.view.take_note()))
        })
    };
    let lost_events = move || {
        let count = stores.status.with(|status| status.lost_events).filter(|count| *count > 0)?;
        Some(warning(&t::events_lost(count)))
    };
    let journal = move || {
        let problem = stores.status.with(|status| status.journal_error.clone()).flatten()?;
        Some(warning(&t::journal_error(&text::limited(&problem, 300))).attr("role", "alert"))
    };
    el("section", "banners")
        .says("aria-label", t::field_status)
        .piece(maybe(move || is_failing.get().then(failure)))
        .piece(maybe(left_out))
        .piece(maybe(feed_lost))
        .piece(maybe(lost_events))
        .piece(maybe(journal))
}

fn warning(text: &str) -> El {
    el("p", "banner warning").text(text)
}

/// What a problem is called.
#[must_use]
pub fn name_of(problem: &Problem) -> String {
    match problem {
        Problem::Unreachable => t::cannot_reach(),
        Problem::Refused { status: 403, message } => t::forbidden(&text::limited(message, 300)),
        Problem::Refused { status, message } => {
            let told = Some(text::limited(message.trim(), 300)).filter(|told| !told.is_empty());
            t::refused(&status.to_string(), &told.unwrap_or_else(t::cause_unknown))
        }
        Problem::Malformed => t::malformed(),
    }
}

/// How old what is shown is, after the last good answer at that moment by this computer's clock.
#[must_use]
pub fn showing(last_good_ms: Option<i64>) -> Option<String> {
    Some(t::showing(&format::clock(stores().clock.at_wall(last_good_ms?))))
}

fn failure() -> El {
    let stores = stores();
    let name = move || match stores.table.api.get() {
        ApiState::Failed { problem, .. } => name_of(&problem),
        _ => String::new(),
    };
    let old = move || match stores.table.api.get() {
        ApiState::Failed { last_good_ms, .. } => showing(last_good_ms).unwrap_or_default(),
        _ => String::new(),
    };
    let retry = move || {
        stores.clock.tick();
        let ApiState::Failed { retry_at_ms, .. } = stores.table.api.get() else { return String::new() };
        let left_ms = retry_at_ms - wall_ms();
        if left_ms <= 0 { t::retrying() } else { t::retry_in(&format::duration(left_ms + 999)) }
    };
    el("p", "banner failure")
        .attr("data-testid", "failure")
        .child(&el("span", "").attr("role", "alert").live_text(name).text(" ").live_text(old))
        .text(" ")
        .live_text(retry)
        .text(" ")
        .child(
            &el("button", "plain")
                .attr("type", "button")
                .live_text(t::retry_now)
                .on("click", move |_| stores.table.retry()),
        )
}
