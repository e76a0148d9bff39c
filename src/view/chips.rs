//! The filters that are in force, each with a button that removes it. Also used where nothing matches.

use crate::view::live::say;
use leptos::prelude::*;
use rollcall_model::query::{Field, Term, Test};

use super::range::name_of;
use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::text;
use crate::url::{Range, View};
use crate::words;

/// What a filter says, in the reader's words.
#[must_use]
pub fn name_of_term(term: &Term) -> String {
    let field = words::field(term.field);
    let span = |range: Range| t::chip(&field, &name_of(range).unwrap_or_default());
    match &term.test {
        Test::AnyOf(values) => {
            let names = values.iter().map(|value| words::value(term.field, value));
            let all = names.reduce(|a, b| t::or(&a, &b)).unwrap_or_default();
            if term.negated { t::chip_not(&field, &all) } else { t::chip(&field, &all) }
        }
        Test::After(times) => span(Range { after: times.first().copied(), before: None }),
        Test::Before(times) => span(Range { after: None, before: times.first().copied() }),
        Test::Contains(texts) => t::chip_search(&text::limited(texts.first().map_or("", String::as_str), 40)),
        Test::Present(present) if *present != term.negated => t::chip_stale(),
        Test::Present(_) => t::chip_fresh(),
        Test::AtLeast(least) => t::chip_at_least(&field, &format::number(u64::from(*least))),
    }
}

/// Removes a filter; the one that hides demo clients is no part of the view and is removed by saying so.
pub fn remove(view: &mut View, term: &Term) {
    let count = view.filter.terms.len();
    view.filter.terms.retain(|other| other != term);
    if view.filter.terms.len() == count {
        view.shows_demo = true;
    }
}

/// Whether the filter bar has a control of its own for the filter, which shows it already.
fn has_control(term: &Term) -> bool {
    let is_ranged =
        matches!(term.field, Field::LastConnectTime | Field::LastDisconnectTime | Field::LastActivityTime);
    let is_chosen = matches!(term.field, Field::ConnectionStatus | Field::DisconnectInitiator)
        && matches!(&term.test, Test::AnyOf(values) if values.len() == 1);
    let is_other = matches!(term.field, Field::Id | Field::StaleSince);
    !term.negated && (is_ranged || is_chosen || is_other)
}

/// The filters in force.
#[must_use]
pub fn terms_in_force() -> Vec<Term> {
    let stores = stores();
    let hides_demo = stores.status.hides_demo();
    stores.view.with(|view| view.effective_filter(hides_demo).terms)
}

#[component]
pub fn Chips() -> impl IntoView {
    let view = stores().view;
    let chip = move |term: Term| {
        let name = name_of_term(&term);
        let label = t::chip_remove(&name);
        let class = if has_control(&term) { "chip has-control" } else { "chip" };
        view! {
            <button class=class type="button" data-testid="chip" title=label.clone() aria-label=label
                on:click=move |_| view.change(|view| remove(view, &term))>
                <bdi>{name}</bdi>" "<span aria-hidden="true">"✕"</span>
            </button>
        }
    };
    let clear = move || {
        let count = view.with(|view| view.filter.terms.len());
        (count > 1).then(|| {
            view! {
                <button class="plain" type="button"
                    on:click=move |_| view.change(|view| view.filter = rollcall_model::query::Filter::default())>
                    {say(t::clear_all)}
                </button>
            }
        })
    };
    view! {
        <div class="chips">{move || terms_in_force().into_iter().map(chip).collect_view()}{clear}</div>
    }
}
