//! The filter bar (search, the filters in force, the buttons that open menus) and the menus of filters.

mod options;
mod values;

use crate::boxed::then;
use crate::view::live::{flag, live, say};
use leptos::prelude::*;
use rollcall_model::query::{Field, Test};
use rollcall_model::state::RECENT_CONNECTS_MAX;
use wasm_bindgen::JsCast;
use web_sys::{Event, KeyboardEvent};

use super::chips::chips;
use super::dom::{El, el, opener, value_of};
use super::parts::{Choice, Preset, button, note};
use super::range::{Offers, RangeForm};
use super::ui::{Popup, Ui, ui};
use crate::i18n::t;
use crate::store::stores;
use crate::words::{self, Cause};
pub use options::Options;

/// How a field can be filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One of the values that there are; whether other values can be typed in, and whether those that there are are
    /// offered.
    Values {
        can_type: bool,
        is_offered: bool,
    },
    /// A span of time.
    Times(Offers),
    /// A least number.
    Least,
    Stale,
}

const CLOSED: Kind = Kind::Values { can_type: false, is_offered: true };
const OPEN: Kind = Kind::Values { can_type: true, is_offered: true };

/// Every filter of the contract except the search for ids, which has its own box.
const FILTERS: [(Field, Kind); 18] = [
    (Field::ConnectionStatus, CLOSED),
    (Field::DisconnectInitiator, CLOSED),
    (Field::MqttReasonCode, OPEN),
    (Field::CloseCode, OPEN),
    (Field::LastConnectTime, Kind::Times(Offers::Last)),
    (Field::LastDisconnectTime, Kind::Times(Offers::Last)),
    (Field::LastActivityTime, Kind::Times(Offers::Last)),
    (Field::LastPublishTime, Kind::Times(Offers::Last)),
    (Field::LastActivityEvent, CLOSED),
    (Field::LastRefusedTime, Kind::Times(Offers::Since)),
    (Field::RecentConnects, Kind::Least),
    (Field::StaleSince, Kind::Stale),
    (Field::Certainty, CLOSED),
    (Field::DeviceType, OPEN),
    // There are as many as devices: nobody looks for one in a list.
    (Field::DeviceId, Kind::Values { can_type: true, is_offered: false }),
    (Field::ClientAddr, OPEN),
    (Field::ClientType, CLOSED),
    (Field::MqttConnectProtocol, CLOSED),
];

/// Whether a filter on the field can be edited in a menu.
#[must_use]
pub fn can_edit(field: Field) -> bool {
    FILTERS.iter().any(|(other, _)| *other == field)
}

pub fn filters() -> El {
    let menus = [
        opener("plain", Popup::Sort, t::sort_button),
        opener("plain for-table", Popup::Columns, t::columns_button),
        opener("plain", Popup::Views, t::views_button),
    ];
    el("section", "filters").says("aria-label", t::filters).children(&[
        search(),
        // Before the chips, which come and go: what a reader is about to press does not move.
        opener("add", Popup::Filters, t::filter_add),
        chips(),
        el("span", "grow"),
        el("div", "menus").children(&menus),
    ])
}

fn search() -> El {
    let (view, ui) = (stores().view, ui());
    let search = move |event: &Event| {
        let text = value_of(event);
        // Typing is one step for the back button, not one for each letter.
        if view.get_untracked().search().is_empty() {
            view.change(|view| view.set_search(&text));
        } else {
            view.adjust(|view| view.set_search(&text));
        }
    };
    let leave = move |event: &Event| {
        if event.dyn_ref::<KeyboardEvent>().is_some_and(|event| event.key() == "Enter") {
            event.prevent_default();
            ui.focus_grid();
        }
    };
    let field = el("input", "search")
        .attrs(&[
            ("type", "search"),
            ("data-testid", "search"),
            ("autocomplete", "off"),
            ("spellcheck", "false"),
        ])
        .says("placeholder", t::search_hint)
        .says("aria-label", t::search_label)
        .live_prop("value", move || view.with(|view| view.search().into()))
        .on("input", search)
        .on("keydown", leave);
    ui.search.set_value(field.element().and_then(|field| field.dyn_ref().cloned()));
    field
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
        Some(Kind::Values { can_type, is_offered }) => values::menu(field, negated, can_type, is_offered, ui),
        Some(Kind::Times(offers)) => RangeForm {
            range: Signal::derive(move || view.with(|view| view.range(field))),
            offers,
            unlimited: say(t::any_time),
            counted: Some(Options::of(field).count_presets(offers)),
            act: Callback::new(move |range| {
                view.change(|view| view.set_range(field, range));
                ui.close();
            }),
        }
        .view(),
        Some(Kind::Least) => least(),
        Some(Kind::Stale) => stale(),
    };
    // A span of time is one choice, which closes the menu.
    let done = (!matches!(kind, Some(Kind::Times(_))))
        .then(|| button("primary", "filter-done", live(t::done), Callback::new(move |()| ui.close())));
    view! { <div class="stack">{form}{done}</div> }.into_any()
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
    const USUAL: [u32; 3] = [3, 6, 20];
    let view = stores().view;
    let options = Options::of(Field::RecentConnects).count(false, || USUAL.map(Test::AtLeast).to_vec());
    let set = move |least: Option<u32>| view.change(|view| view.set_least(least));
    let now = move || view.with(crate::url::View::least);
    let preset = |number: u32| {
        let preset = Preset {
            name: format!("least-{number}"),
            label: live(move || t::at_least(&crate::format::number(u64::from(number)))),
            count: options.count_of(Test::AtLeast(number)),
            is_on: flag(move || now() == Some(number)),
            act: Callback::new(move |()| set(Some(number))),
        };
        preset.view()
    };
    let typed = move |event: leptos::ev::Event| {
        let typed: Option<usize> = event_target_value(&event).parse().ok().filter(|number| *number > 0);
        set(typed.map(|number| number.min(RECENT_CONNECTS_MAX) as u32));
    };
    view! {
        <div class="presets" role="group" aria-label=say(t::field_recent_connects)>{USUAL.map(preset).into_iter().collect_view()}</div>
        <label class="field">{say(t::least_label)}
            <input type="number" min="1" max=RECENT_CONNECTS_MAX data-testid="least" prop:value=live(move || now().map(|n| n.to_string()).unwrap_or_default())
                on:change=then(typed)/>
        </label>
    }
    .into_any()
}

fn stale() -> AnyView {
    let view = stores().view;
    let options = Options::of(Field::StaleSince).count(false, || [true, false].map(Test::Present).to_vec());
    let choice = |wanted: Option<bool>, test_id: &str, label: fn() -> String| {
        let choice = Choice {
            group: "stale",
            test_id: test_id.to_owned(),
            label: live(label),
            more: wanted
                .map_or_else(|| options.count_of_all(), |stale| options.count_of(Test::Present(stale))),
            is_on: flag(move || view.with(|view| view.stale() == wanted)),
            act: Callback::new(move |()| view.change(|view| view.set_stale(wanted))),
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
