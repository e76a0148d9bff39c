//! The menu of a filter on a field with a list of values.

use leptos::prelude::*;
use rollcall_model::query::{Field, Query, Test, lowercase};

use super::name_of_value;
use super::options::Options;
use crate::boxed::then;
use crate::i18n::t;
use crate::store::{Stores, stores};
use crate::view::live::{flag, live, say};
use crate::view::parts::{Choice, either};
use crate::view::ui::{Popup, Ui};
use crate::words;

/// Of more than this the chosen values are not counted one by one.
const CHOSEN_MAX: usize = 32;
/// More options than this are found by typing.
const MOST_OPTIONS: usize = 100;

/// A field with a list of values, one of which it must or must not have.
#[derive(Clone, Copy)]
struct Values {
    field: Field,
    negated: bool,
    stores: Stores,
    options: Options,
    /// What narrows the options.
    typed: RwSignal<String>,
}

/// The options of a field with a list of values, each with its count; whether other values can be typed in, and whether
/// those that there are are offered.
pub fn menu(field: Field, negated: bool, can_type: bool, is_offered: bool, ui: Ui) -> AnyView {
    let stores = stores();
    // Those that were chosen need not be among the most frequent, nor have the form of a value: a network is one.
    let chosen = move || {
        let values = stores.view.with(|view| view.choice(field, negated).to_vec());
        values.into_iter().take(CHOSEN_MAX).map(|value| Test::AnyOf(vec![value])).collect()
    };
    let options = Options::of(field).count(is_offered, chosen);
    let this = Values { field, negated, stores, options, typed: RwSignal::default() };
    let options = this.options();
    let turn = move |excludes: bool| {
        this.stores.view.change(|view| {
            let values = view.choice(field, negated).to_vec();
            view.set_choice(field, negated, Vec::new());
            view.set_choice(field, excludes, values);
        });
        ui.open(Popup::Filter(field, excludes));
    };
    let kind = either(
        [live(t::filter_is), live(t::filter_is_not)],
        ["filter-is", "filter-is-not"],
        flag(move || negated),
        Callback::new(turn),
    );
    let add = move |value: String| {
        if !this.stores.view.get_untracked().choice(field, negated).contains(&value) {
            this.toggle(&value);
        }
    };
    let input = can_type.then(|| type_in(field, this.typed, Callback::new(add)));
    view! {
        {kind}{input}
        <div class="options" role="group" aria-label=live(move || words::field(field))>
            <For each=move || options.get() key=String::clone let:value>{this.option(value)}</For>
        </div>
    }
    .into_any()
}

impl Values {
    /// The values there can be, those that there are, and those chosen although nothing has them now. While the menu is open
    /// each keeps its place: counts change, and with them the order by counts, but not under a pointer or the focus.
    fn options(self) -> Memo<Vec<String>> {
        let Self { field, negated, stores, options, typed } = self;
        let closed: Vec<String> = field.closed_list().into_iter().flatten().map(str::to_owned).collect();
        let all = StoredValue::new(closed);
        Memo::new(move |_| {
            let counted = options.facet.with(|facet| {
                let values = facet.iter().flat_map(|facet| &facet.values);
                values.map(|(value, _)| value.clone()).collect::<Vec<_>>()
            });
            let chosen = stores.view.with(|view| view.choice(field, negated).to_vec());
            all.update_value(|all| {
                for value in counted.into_iter().chain(chosen) {
                    if !all.contains(&value) {
                        all.push(value);
                    }
                }
            });
            let wanted = lowercase(&typed.get());
            let is_wanted = |value: &&String| {
                wanted.is_empty()
                    || lowercase(value).contains(&wanted)
                    || lowercase(&name_of_value(field, value)).contains(&wanted)
            };
            all.with_value(|all| all.iter().filter(is_wanted).take(MOST_OPTIONS).cloned().collect())
        })
    }

    fn option(self, value: String) -> AnyView {
        let Self { field, negated, stores, options, .. } = self;
        let (name, chosen) = (value.clone(), value.clone());
        let choice = Choice {
            group: "",
            test_id: format!("option-{value}"),
            label: live(move || name_of_value(field, &name)),
            more: options.count_of_value(&value),
            is_on: flag(move || stores.view.with(|view| view.choice(field, negated).contains(&chosen))),
            act: Callback::new(move |()| self.toggle(&value)),
        };
        choice.view()
    }

    fn toggle(self, value: &str) {
        let Self { field, negated, .. } = self;
        self.stores.view.change(|view| {
            let mut values = view.choice(field, negated).to_vec();
            match values.iter().position(|other| other == value) {
                Some(at) => drop(values.remove(at)),
                None => values.push(value.to_owned()),
            }
            view.set_choice(field, negated, values);
        });
    }
}

/// Narrows the options while typing; Enter takes what was typed as a value.
fn type_in(field: Field, typed: RwSignal<String>, take: Callback<String>) -> AnyView {
    let is_bad = RwSignal::new(false);
    let enter = move |event: leptos::ev::KeyboardEvent| {
        let mut text = typed.get_untracked();
        if field == Field::ClientAddr {
            // Copied from elsewhere, an address brings blanks along.
            text = text.trim().to_owned();
        }
        if event.key() != "Enter" || text.is_empty() {
            return;
        }
        event.prevent_default();
        // The contract says what is a value, and how it is written.
        let parsed = Query::parse_list([(field.name(), text.as_str())]).ok();
        let values =
            parsed.into_iter().flat_map(|query| query.filter.terms).find_map(|term| match term.test {
                Test::AnyOf(values) => Some(values),
                _ => None,
            });
        is_bad.set(values.is_none());
        if let Some(values) = values {
            typed.set(String::new());
            values.into_iter().for_each(|value| take.run(value));
        }
    };
    let bad = if field == Field::ClientAddr { t::filter_bad_address } else { t::filter_bad_value };
    view! {
        <input type="text" data-testid="filter-type" autocomplete="off" spellcheck="false"
            placeholder=say(t::filter_type_hint) aria-label=say(t::filter_type_hint) aria-invalid=live(move || is_bad.get().to_string())
            prop:value=typed on:input=then(move |event| { is_bad.set(false); typed.set(event_target_value(&event)); }) on:keydown=then(enter)/>
        <p class="note failure" role="alert" hidden=flag(move || !is_bad.get())>{say(bad)}</p>
    }
    .into_any()
}
