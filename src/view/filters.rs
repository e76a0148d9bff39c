//! The filter bar: search, status, who ended it, and the three times. On a phone it folds into a sheet.

use crate::view::live::{flag, live, say};
use leptos::prelude::*;
use rollcall_model::query::Field;

use super::chips::Chips;
use super::range::RangePicker;
use super::select::Choice;
use super::ui::ui;
use crate::i18n::t;
use crate::store::stores;
use crate::words;

#[component]
pub fn Filters() -> impl IntoView {
    let (stores, ui) = (stores(), ui());
    let active = move || stores.view.with(|view| view.filter.terms.len());
    let toggle = move |_| ui.has_sheet.update(|open| *open = !*open);
    view! {
        <section class="filters" class:unfolded=flag(move || ui.has_sheet.get()) aria-label=say(t::filters)>
            <Search/>
            <button class="fold" type="button" aria-expanded=live(move || ui.has_sheet.get().to_string()) on:click=toggle>
                {live(move || if ui.has_sheet.get() { t::filters_done() } else { t::filters() })}
                {move || (active() > 0).then(|| view! { <b class="badge">{active()}</b> })}
            </button>
            <div class="sheet">
                <Status/>
                <EndedBy/>
                <TimeRange field=Field::LastConnectTime test_id="range-connect"/>
                <TimeRange field=Field::LastDisconnectTime test_id="range-disconnect"/>
                <TimeRange field=Field::LastActivityTime test_id="range-activity"/>
            </div>
            <Chips/>
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
            prop:value=text on:input=search on:keydown=leave/>
    }
}

/// Connected, disconnected or stale: the last is another parameter, but the same question to a reader.
#[component]
fn Status() -> impl IntoView {
    const STALE: &str = "stale";
    let view = stores().view;
    let chosen = Signal::derive(move || {
        view.with(|view| match (view.values(Field::ConnectionStatus), view.stale()) {
            ([status], _) => status.clone(),
            (_, Some(true)) => STALE.to_owned(),
            _ => String::new(),
        })
    });
    let choose = move |value: String| {
        view.change(|view| {
            let is_stale = value == STALE;
            view.set_stale(is_stale.then_some(true));
            let status = Some(value).filter(|value| !value.is_empty() && !is_stale);
            view.set_values(Field::ConnectionStatus, status.into_iter().collect());
        });
    };
    let options = vec![
        ("", Signal::derive(t::any)),
        ("connected", Signal::derive(t::status_connected)),
        ("disconnected", Signal::derive(t::status_disconnected)),
        (STALE, Signal::derive(t::status_stale)),
    ];
    let label = Signal::derive(|| words::field(Field::ConnectionStatus));
    view! { <Choice label=label test_id="filter-status" options=options chosen=chosen on_choose=choose/> }
}

#[component]
fn EndedBy() -> impl IntoView {
    let view = stores().view;
    let chosen = Signal::derive(move || {
        view.with(|view| match view.values(Field::DisconnectInitiator) {
            [one] => one.clone(),
            _ => String::new(),
        })
    });
    let choose = move |value: String| {
        let values = Some(value).filter(|value| !value.is_empty()).into_iter().collect();
        view.change(|view| view.set_values(Field::DisconnectInitiator, values));
    };
    let options = vec![
        ("", Signal::derive(t::any)),
        ("client", Signal::derive(t::initiator_client)),
        ("server", Signal::derive(t::initiator_server)),
        ("network", Signal::derive(t::initiator_network)),
    ];
    let label = Signal::derive(|| words::field(Field::DisconnectInitiator));
    view! { <Choice label=label test_id="filter-ended-by" options=options chosen=chosen on_choose=choose/> }
}

#[component]
fn TimeRange(field: Field, test_id: &'static str) -> impl IntoView {
    let view = stores().view;
    let range = Signal::derive(move || view.with(|view| view.range(field)));
    let label = Signal::derive(move || words::field(field));
    let choose = move |range| view.change(|view| view.set_range(field, range));
    view! { <RangePicker label=label test_id=test_id range=range on_choose=choose unlimited=say(t::any_time)/> }
}
