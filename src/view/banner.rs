//! One line above the table when something is wrong: the server cannot be reached, its own feed is lost, or the link asks
//! for what nobody understands.

use crate::boxed::{dynamic, then};
use crate::view::live::{live, maybe, say};
use leptos::prelude::*;

use crate::browser::wall_ms;
use crate::i18n::t;
use crate::store::{ApiState, Problem, stores};
use crate::{format, text};

#[component]
pub fn Banner() -> impl IntoView {
    let stores = stores();
    // An alert is read out whenever it is made anew: not for each attempt.
    let is_failing = Memo::new(move |_| matches!(stores.table.api.get(), ApiState::Failed { .. }));
    let failure = dynamic(move || is_failing.get().then(|| view! { <Failure/> }));
    let feed_lost = dynamic(move || {
        let lost = stores.status.with(|status| status.feed_lost).flatten()?;
        let time = format::moment_exact(lost, stores.clock.exact());
        Some(view! { <p class="banner warning" role="alert">{t::broker_lost(&time)}</p> })
    });
    let left_out = dynamic(move || {
        let left_out = stores.view.left_out();
        (!left_out.is_empty()).then(|| {
            let filters = text::limited(&left_out.join(", "), 200);
            view! {
                <p class="banner warning" role="alert" data-testid="left-out">
                    {t::link_left_out(&filters)}" "
                    <button class="plain" type="button" on:click=then(move |_| stores.view.take_note())>{t::link_left_out_ok()}</button>
                </p>
            }
        })
    });
    let lost_events = dynamic(move || {
        let count = stores.status.with(|status| status.lost_events).filter(|count| *count > 0)?;
        Some(view! { <p class="banner warning">{t::events_lost(count)}</p> })
    });
    let journal = dynamic(move || {
        let problem = stores.status.with(|status| status.journal_error.clone()).flatten()?;
        Some(
            view! { <p class="banner warning" role="alert">{t::journal_error(&text::limited(&problem, 300))}</p> },
        )
    });
    view! { <section class="banners" aria-label=say(t::field_status)>{failure}{left_out}{feed_lost}{lost_events}{journal}</section> }
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

#[component]
fn Failure() -> impl IntoView {
    let stores = stores();
    let name = live(move || match stores.table.api.get() {
        ApiState::Failed { problem, .. } => name_of(&problem),
        _ => String::new(),
    });
    let old = maybe(move || match stores.table.api.get() {
        ApiState::Failed { last_good_ms, .. } => showing(last_good_ms),
        _ => None,
    });
    let retry = live(move || {
        stores.clock.tick();
        let ApiState::Failed { retry_at_ms, .. } = stores.table.api.get() else { return String::new() };
        let left_ms = retry_at_ms - wall_ms();
        if left_ms <= 0 { t::retrying() } else { t::retry_in(&format::duration(left_ms + 999)) }
    });
    view! {
        <p class="banner failure" data-testid="failure">
            <span role="alert">{name}" "{old}</span>" "{retry}" "
            <button class="plain" type="button" on:click=then(move |_| stores.table.retry())>{say(t::retry_now)}</button>
        </p>
    }
}
