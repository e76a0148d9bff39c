//! The filters that are in force: each can be edited and removed. Also used where nothing matches.

use leptos::prelude::*;
use rollcall_model::query::{Field, Term, Test};

use super::dom::{El, button, el, maybe, sign};
use super::filters::{can_edit, name_of_value};
use super::range::name_of;
use super::ui::{Popup, ui};
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
    let named = |value: &str| if term.negated { t::chip_not(&field, value) } else { t::chip(&field, value) };
    let span = |range: Range| named(&name_of(range).unwrap_or_default());
    match &term.test {
        Test::AnyOf(values) => {
            let names = values.iter().map(|value| name_of_value(term.field, value));
            named(&names.reduce(|a, b| t::or(&a, &b)).unwrap_or_default())
        }
        Test::After(times) => span(Range { after: times.first().copied(), before: None }),
        Test::Before(times) => span(Range { after: None, before: times.first().copied() }),
        Test::Contains(texts) => {
            let text = text::limited(texts.first().map_or("", String::as_str), 40);
            if term.negated { t::chip_search_not(&text) } else { t::chip_search(&text) }
        }
        Test::Present(present) if *present != term.negated => t::chip_stale(),
        Test::Present(_) => t::chip_fresh(),
        Test::AtLeast(least) => named(&t::at_least(&format::number(u64::from(*least)))),
    }
}

/// What the filters say that are one to a reader: a range has up to two ends.
fn name_of_terms(terms: &[Term]) -> String {
    let mut range = Range::default();
    for term in terms.iter().filter(|term| !term.negated) {
        match &term.test {
            Test::After(times) => range.after = times.first().copied(),
            Test::Before(times) => range.before = times.first().copied(),
            _ => {}
        }
    }
    match (terms, name_of(range)) {
        ([first, _, ..], Some(name)) => t::chip(&words::field(first.field), &name),
        ([first, ..], _) => name_of_term(first),
        ([], _) => String::new(),
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

/// The filters in force.
#[must_use]
pub fn terms_in_force() -> Vec<Term> {
    let stores = stores();
    let hides_demo = stores.status.hides_demo();
    stores.view.with(|view| view.effective_filter(hides_demo).terms)
}

/// What makes a filter the same filter while its values change.
type Key = (Field, bool, u8);

fn key_of(term: &Term) -> Key {
    let test = match term.test {
        // One range, whatever ends it has.
        Test::After(_) | Test::Before(_) => 1,
        Test::Contains(_) => 3,
        _ => 0,
    };
    (term.field, term.negated, test)
}

pub fn chips() -> El {
    let stores = stores();
    let terms = Memo::new(move |_| {
        let is_shown = stores.view.with(|view| view.effective_filter(stores.status.hides_demo()).terms);
        // The search box says what is searched for.
        is_shown.into_iter().filter(|term| key_of(term) != (Field::Id, false, 3)).collect::<Vec<_>>()
    });
    let keys = move || {
        let mut keys: Vec<Key> = terms.with(|terms| terms.iter().map(key_of).collect());
        // Both ends of a range are one filter to a reader.
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| seen.insert(*key));
        keys
    };
    let clear = move || {
        let count = stores.view.with(|view| view.filter.terms.len());
        (count > 1).then(|| {
            button("plain", "clear-all", t::clear_all, move || {
                stores.view.change(|view| view.filter = rollcall_model::query::Filter::default());
            })
        })
    };
    el("div", "chips").keyed(keys, move |key| chip(key, terms)).piece(maybe(clear))
}

fn chip(key: Key, all: Memo<Vec<Term>>) -> El {
    let (stores, ui) = (stores(), ui());
    let (field, negated, _) = key;
    let terms = move || {
        all.with(|terms| terms.iter().filter(|term| key_of(term) == key).cloned().collect::<Vec<_>>())
    };
    let name = move || {
        let name = name_of_terms(&terms());
        if stores.status.can_filter(field) { name } else { t::plain_left_out(&name) }
    };
    let remove_it = move || {
        let terms = untrack(terms);
        stores.view.change(|view| terms.iter().for_each(|term| remove(view, term)));
        ui.focus_grid();
    };
    let popup = Popup::Filter(field, negated);
    // A filter that is no part of the view (it hides the demo), or that no menu knows, can only be removed.
    let is_own =
        untrack(|| stores.view.with(|view| view.filter.terms.iter().any(|term| key_of(term) == key)));
    let is_time = key.2 == 1;
    let text = if is_own && can_edit(field) && !(negated && is_time) {
        el("button", "chip-name")
            .attrs(&[("type", "button"), ("aria-haspopup", "dialog"), ("data-opens", &popup.name())])
            .attr("data-testid", &format!("chip-{field}"))
            .child(&el("bdi", "").live_text(name))
            .on("click", move |_| ui.open(popup))
    } else {
        // The default view hides what a demo left behind.
        let hint = move || (!is_own).then(t::demo_hidden);
        el("bdi", "chip-name").live_attr("title", hint).live_text(name)
    };
    let remove = el("button", "chip-remove")
        .attr("type", "button")
        .named(move || t::chip_remove(&name()))
        .child(&sign("✕"))
        .on("click", move |_| remove_it());
    el("span", "chip").attr("data-testid", "chip").children(&[text, remove])
}
