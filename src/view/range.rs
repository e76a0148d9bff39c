//! The picker of a span of time: presets, "not since", and from – to in local time.

use leptos::html;
use leptos::prelude::*;
use rollcall_model::time::{TimeExpr, TimeUnit};

use crate::format;
use crate::i18n::t;
use crate::url::Range;

/// Fifteen minutes to thirty days.
const PRESETS: [(u32, TimeUnit); 6] = [
    (15, TimeUnit::Minute),
    (1, TimeUnit::Hour),
    (24, TimeUnit::Hour),
    (2, TimeUnit::Day),
    (7, TimeUnit::Day),
    (30, TimeUnit::Day),
];
const CUSTOM: &str = "custom";

/// What a range is called in few words; `None` for all of time.
#[must_use]
pub fn name_of(range: Range) -> Option<String> {
    let exact = |time: TimeExpr| match time {
        TimeExpr::At(time) => format::minute(time),
        TimeExpr::Ago { .. } => t::within_short(&ago(time)),
    };
    Some(match (range.after, range.before) {
        (None, None) => return None,
        (Some(after @ TimeExpr::Ago { .. }), None) => t::within_short(&ago(after)),
        (None, Some(before @ TimeExpr::Ago { .. })) => t::not_since_short(&ago(before)),
        (Some(after), None) => t::range_from(&exact(after)),
        (None, Some(before)) => t::range_to(&exact(before)),
        (Some(after), Some(before)) => t::range_from_to(&exact(after), &exact(before)),
    })
}

/// How long ago a relative time is: `24 hr`, in the unit it was written in.
fn ago(time: TimeExpr) -> String {
    match time {
        TimeExpr::Ago { amount, unit } => format::amount(amount, unit),
        TimeExpr::At(time) => format::minute(time),
    }
}

fn value_of(range: Range) -> String {
    match (range.after, range.before) {
        (None, None) => String::new(),
        (Some(after @ TimeExpr::Ago { .. }), None) => format!("after {after}"),
        (None, Some(before @ TimeExpr::Ago { .. })) => format!("before {before}"),
        _ => "exact".to_owned(),
    }
}

fn range_of(value: &str) -> Range {
    let time = |text: &str| TimeExpr::parse(text).ok();
    match value.split_once(' ') {
        Some(("after", text)) => Range { after: time(text), before: None },
        Some(("before", text)) => Range { after: None, before: time(text) },
        _ => Range::default(),
    }
}

/// A picker; `not_since` offers the times before which something last happened.
#[component]
pub fn RangePicker(
    #[prop(into)] label: Signal<String>,
    test_id: &'static str,
    #[prop(into)] range: Signal<Range>,
    on_choose: impl Fn(Range) + Copy + Send + Sync + 'static,
    #[prop(default = true)] not_since: bool,
    /// What no limit is called.
    unlimited: fn() -> String,
) -> impl IntoView {
    let is_custom_open = RwSignal::new(false);
    // The browser shows what was clicked; after "from – to" was given up it must show the range again.
    let shown = RwSignal::new(0_u32);
    let chosen = move || {
        shown.get();
        value_of(range.get())
    };
    let option = move |range: Range| {
        let value = value_of(range);
        let is_it = value.clone();
        view! {
            <option value=value prop:selected=move || chosen() == is_it>
                {move || name_of(range).unwrap_or_default()}
            </option>
        }
    };
    let presets = move |make: fn(TimeExpr) -> Range| {
        let preset =
            |(amount, unit): &(u32, TimeUnit)| option(make(TimeExpr::Ago { amount: *amount, unit: *unit }));
        PRESETS.iter().map(preset).collect_view()
    };
    let choose = move |value: String| {
        if value == CUSTOM {
            is_custom_open.set(true);
        } else if value != "exact" {
            on_choose(range_of(&value));
        }
        shown.update(|count| *count += 1);
    };
    // A range that is none of the presets (from – to, or a link's own) has an entry of its own.
    let is_preset = move || {
        let value = value_of(range.get());
        value.is_empty()
            || PRESETS.iter().any(|(amount, unit)| {
                let ago = TimeExpr::Ago { amount: *amount, unit: *unit };
                value == format!("after {ago}") || value == format!("before {ago}")
            })
    };
    view! {
        <div class="range">
            <label class="choice" class:chosen=move || range.get() != Range::default()>
                <span class="label">{move || label.get()}</span>
                <select data-testid=test_id on:change=move |event| choose(event_target_value(&event))>
                    <option value="" prop:selected=move || chosen().is_empty()>{unlimited}</option>
                    <optgroup label=t::within>{presets(|after| Range { after: Some(after), before: None })}</optgroup>
                    {not_since.then(|| view! {
                        <optgroup label=t::not_since>
                            {presets(|before| Range { after: None, before: Some(before) })}
                        </optgroup>
                    })}
                    <option value=CUSTOM>{t::custom}</option>
                    {move || (!is_preset()).then(|| view! {
                        <option value=move || value_of(range.get()) selected=true>
                            {move || name_of(range.get()).unwrap_or_default()}
                        </option>
                    })}
                </select>
            </label>
            {move || is_custom_open.get().then(|| view! {
                <FromTo label=label range=range on_choose=move |chosen| {
                    is_custom_open.set(false);
                    if let Some(range) = chosen {
                        on_choose(range);
                    }
                    shown.update(|count| *count += 1);
                }/>
            })}
        </div>
    }
}

/// Two times of day. Answers `None` when it was given up.
#[component]
fn FromTo(
    label: Signal<String>,
    range: Signal<Range>,
    on_choose: impl Fn(Option<Range>) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let (from, to) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let value = |time: Option<TimeExpr>| {
        let now = rollcall_model::Timestamp::from_millis(crate::browser::wall_ms());
        time.map(|time| format::to_local_input(time.resolve(now))).unwrap_or_default()
    };
    let now = range.get_untracked();
    let read = |input: NodeRef<html::Input>| {
        let text = input.get_untracked().map(|input| input.value()).unwrap_or_default();
        format::from_local_input(&text).map(TimeExpr::At)
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        on_choose(Some(Range { after: read(from), before: read(to) }));
    };
    let title = move || t::custom_title(&label.get());
    view! {
        <form class="popover" role="dialog" aria-label=title on:submit=submit on:keydown=move |event| {
            if event.key() == "Escape" {
                event.prevent_default();
                on_choose(None);
            }
        }>
            <label>{t::from}<input type="datetime-local" node_ref=from autofocus value=value(now.after)/></label>
            <label>{t::to}<input type="datetime-local" node_ref=to value=value(now.before)/></label>
            <p class="hint">{move || t::zone_label(&format::time_zone())}</p>
            <div class="buttons">
                <button type="submit" class="primary">{t::apply}</button>
                <button type="button" on:click=move |_| on_choose(None)>{t::cancel}</button>
            </div>
        </form>
    }
}
