//! The filter bar (search, the filters in force, the buttons that open menus) and the menus of filters.

use crate::boxed::{effect, then};
use crate::view::live::{flag, live, maybe, say};
use leptos::prelude::*;
use rollcall_model::query::{Field, Query, Test, lowercase};
use rollcall_model::state::RECENT_CONNECTS_MAX;

use super::chips::Chips;
use super::parts::{Choice, button, either, note, opener};
use super::range::{Offers, RangeForm};
use super::ui::{Popup, Ui, ui};
use crate::i18n::t;
use crate::store::{Facet, Stores, stores};
use crate::words::{self, Cause};

/// How a field can be filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One of the values that there are; whether other values can be typed in, and whether they are counted.
    Values {
        can_type: bool,
        has_counts: bool,
    },
    /// A span of time.
    Times(Offers),
    /// A least number.
    Least,
    Stale,
}

const CLOSED: Kind = Kind::Values { can_type: false, has_counts: true };
const OPEN: Kind = Kind::Values { can_type: true, has_counts: true };

/// Every filter of the contract except the search for ids, which has its own box.
const FILTERS: [(Field, Kind); 17] = [
    (Field::ConnectionStatus, CLOSED),
    (Field::DisconnectInitiator, CLOSED),
    (Field::MqttReasonCode, OPEN),
    (Field::CloseCode, OPEN),
    (Field::LastConnectTime, Kind::Times(Offers::Last)),
    (Field::LastDisconnectTime, Kind::Times(Offers::Last)),
    (Field::LastActivityTime, Kind::Times(Offers::Last)),
    (Field::LastActivityEvent, CLOSED),
    (Field::LastRefusedTime, Kind::Times(Offers::Since)),
    (Field::RecentConnects, Kind::Least),
    (Field::StaleSince, Kind::Stale),
    (Field::Certainty, CLOSED),
    (Field::DeviceType, OPEN),
    // There are as many as devices: nobody wants them counted.
    (Field::DeviceId, Kind::Values { can_type: true, has_counts: false }),
    // Each is one of many, and a network is none of those that are counted.
    (Field::ClientAddr, Kind::Values { can_type: true, has_counts: false }),
    (Field::ClientType, CLOSED),
    (Field::MqttConnectProtocol, CLOSED),
];

/// Whether a filter on the field can be edited in a menu.
#[must_use]
pub fn can_edit(field: Field) -> bool {
    FILTERS.iter().any(|(other, _)| *other == field)
}

#[component]
pub fn Filters() -> impl IntoView {
    view! {
        <section class="filters" aria-label=say(t::filters)>
            <Search/>
            // Before the chips, which come and go: what a reader is about to press does not move.
            {opener("add", Popup::Filters, live(t::filter_add))}
            <Chips/>
            <span class="grow"></span>
            <div class="menus">
                {opener("plain", Popup::Sort, live(t::sort_button))}
                {opener("plain for-table", Popup::Columns, live(t::columns_button))}
                {opener("plain", Popup::Views, live(t::views_button))}
            </div>
        </section>
    }
}

#[component]
fn Search() -> impl IntoView {
    let (view, ui) = (stores().view, ui());
    let text = live(move || view.with(|view| view.search().to_owned()));
    let search = move |event: leptos::ev::Event| {
        let text = event_target_value(&event);
        // Typing is one step for the back button, not one for each letter.
        if view.get_untracked().search().is_empty() {
            view.change(|view| view.set_search(&text));
        } else {
            view.adjust(|view| view.set_search(&text));
        }
    };
    let leave = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Enter" {
            event.prevent_default();
            ui.focus_grid();
        }
    };
    view! {
        <input class="search" type="search" data-testid="search" autocomplete="off" spellcheck="false"
            placeholder=say(t::search_hint) aria-label=say(t::search_label) node_ref=ui.search
            prop:value=text on:input=then(search) on:keydown=then(leave)/>
    }
}

/// The list of filters.
pub fn choose(ui: Ui) -> AnyView {
    let item = |(field, _): (Field, Kind)| {
        let open = Callback::new(move |()| ui.open(Popup::Filter(field, false)));
        button("item", format!("add-{field}"), live(move || words::field(field)), open)
    };
    let status = stores().status;
    let offered = FILTERS.into_iter().filter(|(field, _)| status.can_filter(*field));
    let hint = status.is_plain().then(|| note(t::plain_hint));
    view! { {hint}<div class="items">{offered.map(item).collect_view()}</div> }.into_any()
}

/// One filter; every change is in force at once.
pub fn edit(field: Field, negated: bool, ui: Ui) -> AnyView {
    let view = stores().view;
    let kind = FILTERS.iter().find(|(other, _)| *other == field).map(|(_, kind)| *kind);
    let form = match kind {
        None => return ().into_any(),
        Some(Kind::Values { can_type, has_counts }) => values(field, negated, can_type, has_counts, ui),
        Some(Kind::Times(offers)) => RangeForm {
            range: Signal::derive(move || view.with(|view| view.range(field))),
            offers,
            unlimited: say(t::any_time),
            act: Callback::new(move |range| view.change(|view| view.set_range(field, range))),
        }
        .view(),
        Some(Kind::Least) => least(),
        Some(Kind::Stale) => stale(),
    };
    // A range has a button of its own that matters more.
    let class = if matches!(kind, Some(Kind::Times(_))) { "" } else { "primary" };
    let done = button(class, "filter-done", live(t::done), Callback::new(move |()| ui.close()));
    view! { <div class="stack">{form}{done}</div> }.into_any()
}

/// How often a menu that is open asks for its counts again.
const COUNTS_EVERY: std::time::Duration = std::time::Duration::from_secs(2);
/// More options than this are found by typing.
const MOST_OPTIONS: usize = 100;

/// A field with a list of values, one of which it must or must not have.
#[derive(Clone, Copy)]
struct Values {
    field: Field,
    negated: bool,
    stores: Stores,
    facet: Facet,
    /// What narrows the options.
    typed: RwSignal<String>,
}

/// The options of a field with a list of values, each with its count.
fn values(field: Field, negated: bool, can_type: bool, has_counts: bool, ui: Ui) -> AnyView {
    let this =
        Values { field, negated, stores: stores(), facet: RwSignal::new(None), typed: RwSignal::default() };
    if has_counts {
        this.count();
    }
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
        [t::filter_is, t::filter_is_not],
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
    /// Asks for the counts, now, when the question changes, and again and again while the menu is open.
    fn count(self) {
        let Self { field, stores, facet, .. } = self;
        effect(move || {
            stores.table.asked.with(|_| ());
            stores.table.ask_facet(field, facet);
        });
        let again = move || stores.table.ask_facet(field, facet);
        let interval = set_interval_with_handle(again, COUNTS_EVERY).ok();
        on_cleanup(move || {
            if let Some(interval) = interval {
                interval.clear();
            }
        });
    }

    /// The values there can be, those that there are, and those chosen although nothing has them now.
    fn options(self) -> Memo<Vec<String>> {
        let Self { field, negated, stores, facet, typed } = self;
        let closed: Vec<String> = field.closed_list().into_iter().flatten().map(str::to_owned).collect();
        Memo::new(move |_| {
            let mut all = closed.clone();
            let counted = facet.get().into_iter().flatten().map(|(value, _)| value);
            let chosen = stores.view.with(|view| view.choice(field, negated).to_vec());
            for value in counted.chain(chosen) {
                if !all.contains(&value) {
                    all.push(value);
                }
            }
            let wanted = lowercase(&typed.get());
            all.retain(|value| {
                wanted.is_empty()
                    || lowercase(value).contains(&wanted)
                    || lowercase(&name_of_value(field, value)).contains(&wanted)
            });
            all.truncate(MOST_OPTIONS);
            all
        })
    }

    fn option(self, value: String) -> AnyView {
        let Self { field, negated, stores, facet, .. } = self;
        let (name, counted, chosen) = (value.clone(), value.clone(), value.clone());
        let count = move || {
            facet.with(|facet| {
                let counts = facet.as_ref()?;
                Some(counts.iter().find(|(other, _)| *other == counted).map_or(0, |(_, count)| *count))
            })
        };
        let choice = Choice {
            group: "",
            test_id: format!("option-{value}"),
            label: live(move || name_of_value(field, &name)),
            more: maybe(move || count().map(crate::format::number)),
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
        let parsed = Query::parse([(field.name(), text.as_str())]).ok();
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

/// What a value is called: codes by what they mean, and by number.
#[must_use]
pub fn name_of_value(field: Field, value: &str) -> String {
    let cause = match field {
        Field::MqttReasonCode => Cause { mqtt: value.parse().ok(), ..Cause::default() },
        Field::CloseCode => Cause { close: value.parse().ok(), ..Cause::default() },
        _ => return words::value(field, value),
    };
    match cause.codes() {
        Some(code) => t::value_with_code(&cause.short(), &code),
        None => words::value(field, value),
    }
}

/// Some usual numbers, and any other.
fn least() -> AnyView {
    let view = stores().view;
    let set = move |least: Option<u32>| view.change(|view| view.set_least(least));
    let now = move || view.with(crate::url::View::least);
    let preset = |number: u32| {
        view! {
            <button type="button" data-testid=format!("least-{number}") class:chosen=flag(move || now() == Some(number))
                on:click=then(move |_| set(Some(number)))>{live(move || t::at_least(&crate::format::number(u64::from(number))))}</button>
        }
    };
    let typed = move |event: leptos::ev::Event| {
        let typed: Option<usize> = event_target_value(&event).parse().ok().filter(|number| *number > 0);
        set(typed.map(|number| number.min(RECENT_CONNECTS_MAX) as u32));
    };
    view! {
        <div class="presets" role="group" aria-label=say(t::field_recent_connects)>{[3, 6, 20].map(preset).into_iter().collect_view()}</div>
        <label class="field">{say(t::least_label)}
            <input type="number" min="1" max=RECENT_CONNECTS_MAX data-testid="least" prop:value=live(move || now().map(|n| n.to_string()).unwrap_or_default())
                on:change=then(typed)/>
        </label>
    }
    .into_any()
}

fn stale() -> AnyView {
    let stores = stores();
    let choice = |wanted: Option<bool>, test_id: &str, label: fn() -> String| {
        let count = move || if wanted == Some(true) { stores.table.counts.get().stale } else { None };
        let choice = Choice {
            group: "stale",
            test_id: test_id.to_owned(),
            label: live(label),
            more: maybe(move || count().map(crate::format::number)),
            is_on: flag(move || stores.view.with(|view| view.stale() == wanted)),
            act: Callback::new(move |()| stores.view.change(|view| view.set_stale(wanted))),
        };
        choice.view()
    };
    view! {
        <div class="options">
            {choice(None, "stale-any", t::any)}
            {choice(Some(true), "stale-true", t::chip_stale)}
            {choice(Some(false), "stale-false", t::chip_fresh)}
        </div>
    }
    .into_any()
}
