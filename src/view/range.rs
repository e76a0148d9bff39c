//! The picker of a span of time: presets, "not since", and from – to in the zone that times are told in. The form is
//! part of the menu of filters, too.

use leptos::html;
use leptos::prelude::*;
use rollcall_model::query::Test;
use rollcall_model::time::{TimeExpr, TimeUnit};

use web_sys::HtmlElement;

use super::dom::{El, el, maybe, sign};
use super::filters::Options;
use super::parts::Preset;
use super::popover::popover;
use crate::boxed::{dynamic, then};
use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::url::Range;
use crate::view::live::{flag, live, say};

/// Fifteen minutes to thirty days.
const PRESETS: [(u32, TimeUnit); 6] = [
    (15, TimeUnit::Minute),
    (1, TimeUnit::Hour),
    (24, TimeUnit::Hour),
    (2, TimeUnit::Day),
    (7, TimeUnit::Day),
    (30, TimeUnit::Day),
];

/// Within this time.
fn within((amount, unit): (u32, TimeUnit)) -> Range {
    Range { after: Some(TimeExpr::Ago { amount, unit }), before: None }
}

/// Not since.
fn not_since((amount, unit): (u32, TimeUnit)) -> Range {
    Range { after: None, before: Some(TimeExpr::Ago { amount, unit }) }
}

/// A preset as a test.
fn test_of(preset: Range) -> Test {
    match (preset.after, preset.before) {
        (_, Some(before)) => Test::Before(vec![before]),
        (after, None) => Test::After(after.into_iter().collect()),
    }
}

/// The presets that are offered, as tests.
pub fn presets(offers: Offers) -> impl Iterator<Item = Test> {
    let before = PRESETS.into_iter().filter(move |_| offers == Offers::Last).map(not_since);
    PRESETS.into_iter().map(within).chain(before).map(test_of)
}

/// The latest time of day that can be written with a year of four digits; the browser says so of a later one.
const LATEST: &str = "9999-12-31T23:59";

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
        // The day once where it is the same.
        (Some(TimeExpr::At(after)), Some(TimeExpr::At(before))) if format::is_same_day(after, before) => {
            t::range_from_to(&format::minute(after), &format::clock_short(before))
        }
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

/// A button that says the range, and what it can be changed to; `unlimited` is what no limit is called.
pub fn range_picker(
    label: fn() -> String,
    hook: &str,
    range: Signal<Range>,
    unlimited: fn() -> String,
    on_choose: impl Fn(Range) + Copy + Send + Sync + 'static,
) -> El {
    let is_open = RwSignal::new(false);
    let button = el("button", "choice")
        .attrs(&[("type", "button"), ("data-testid", hook), ("aria-haspopup", "dialog")])
        .live_class("chosen", move || range.get() != Range::default())
        .live_attr("aria-expanded", move || Some(is_open.get().to_string()))
        .children(&[
            el("span", "label").live_text(label),
            el("span", "value").live_text(move || name_of(range.get()).unwrap_or_else(unlimited)),
            sign("▾"),
        ])
        .on("click", move |_| is_open.update(|open| *open = !*open));
    let holder = el("div", "range").live_class("open", move || is_open.get()).child(&button);
    let opener = StoredValue::new_local(button);
    let close = move || {
        is_open.set(false);
        opener.with_value(|button| button.html().map(HtmlElement::focus));
    };
    let choose = move |range| {
        close();
        on_choose(range);
    };
    let menu = move || {
        is_open.get().then(|| {
            let (act, counted) = (Callback::new(choose), None);
            let form = RangeForm { range, offers: Offers::Span, unlimited, counted, act };
            popover(move || t::custom_title(&label()), close).piece(form.view().into())
        })
    };
    holder.piece(maybe(menu))
}

/// Which ranges can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offers {
    /// Those that have a beginning and no end.
    Since,
    /// A beginning, an end, or both.
    Span,
    /// The same, and presets for "not since".
    Last,
}

/// What a span of time is chosen with.
#[derive(Clone, Copy)]
pub struct RangeForm {
    pub range: Signal<Range>,
    pub offers: Offers,
    /// What no limit is called.
    pub unlimited: fn() -> String,
    /// What says how many clients each preset would find.
    pub counted: Option<Options>,
    pub act: Callback<Range>,
}

impl RangeForm {
    /// The presets, and two times of day.
    pub fn view(self) -> AnyView {
        let Self { range, offers, unlimited, counted, act } = self;
        let since = self.presets(t::within, within);
        let before = (offers == Offers::Last).then(|| self.presets(t::not_since, not_since));
        let any = Preset {
            name: "any".to_owned(),
            label: live(unlimited),
            count: counted.map_or_else(Signal::default, Options::count_of_all),
            is_on: flag(move || range.get() == Range::default()),
            act: Callback::new(move |()| act.run(Range::default())),
        };
        view! {
            {any.view()}
            {since}{before}
            {self.two_times()}
        }
        .into_any()
    }

    fn presets(self, title: fn() -> String, make: fn((u32, TimeUnit)) -> Range) -> AnyView {
        let Self { range, act, counted, .. } = self;
        let preset = move |(amount, unit): (u32, TimeUnit)| {
            let this = make((amount, unit));
            let preset = Preset {
                name: value_of(this),
                label: live(move || format::amount(amount, unit)),
                count: counted.map_or_else(Signal::default, |options| options.count_of(test_of(this))),
                is_on: flag(move || range.get() == this),
                act: Callback::new(move |()| act.run(this)),
            };
            preset.view()
        };
        view! {
            <p>{say(title)}</p>
            <div class="presets" role="group" aria-label=say(title)>{PRESETS.map(preset).into_iter().collect_view()}</div>
        }
        .into_any()
    }

    /// Two times of day, and below them what they are in both zones.
    fn two_times(self) -> AnyView {
        let Self { range, offers, act, .. } = self;
        let (from, to) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
        let value = |time: Option<TimeExpr>| match time {
            Some(TimeExpr::At(time)) => format::to_local_input(time),
            _ => String::new(),
        };
        let read = |input: NodeRef<html::Input>| {
            let text = input.get_untracked().map(|input| input.value()).unwrap_or_default();
            format::from_local_input(&text).map(TimeExpr::At)
        };
        let typed = RwSignal::new(range.get_untracked());
        let is_empty = RwSignal::new(false);
        let on_input = move |_: leptos::ev::Event| {
            is_empty.set(false);
            typed.set(Range { after: read(from), before: read(to) });
        };
        let submit = move |event: leptos::ev::SubmitEvent| {
            event.prevent_default();
            let (after, before) = (read(from), read(to));
            // No client can be in a range that ends before it begins: the reader mistook one of the two.
            let ends_first = match (after, before) {
                (Some(TimeExpr::At(after)), Some(TimeExpr::At(before))) => before <= after,
                _ => false,
            };
            is_empty.set(ends_first);
            if !ends_first {
                act.run(Range { after, before });
            }
        };
        let end = (offers != Offers::Since).then(|| {
            view! {
                <label>{say(t::to)}<input type="datetime-local" name="to" max=LATEST node_ref=to
                    aria-invalid=live(move || is_empty.get().to_string())
                    prop:value=live(move || value(range.get().before))/></label>
            }
        });
        view! {
            <form on:submit=then(submit) on:input=then(on_input)>
                <label>{say(t::from)}<input type="datetime-local" name="from" max=LATEST node_ref=from
                    prop:value=live(move || value(range.get().after))/></label>
                {end}
                <p class="note failure" role="alert" data-testid="range-reversed" hidden=flag(move || !is_empty.get())>
                    {say(t::range_reversed)}
                </p>
                <p class="hint">{live(zone_label)}</p>
                {both_zones(typed.into())}
                <button type="submit" class="primary">{say(t::apply)}</button>
            </form>
        }
        .into_any()
    }
}

/// The zone that times are told and read in.
#[must_use]
pub fn zone_label() -> String {
    if format::is_utc() { "UTC".to_owned() } else { t::zone_label(&format::time_zone()) }
}

/// The ends of a range, exactly, in local time and in UTC.
fn both_zones(range: Signal<Range>) -> AnyView {
    let clock = stores().clock;
    let ends = dynamic(move || {
        let now = clock.now();
        let ends = [(t::from as fn() -> String, range.get().after), (t::to, range.get().before)];
        let end = |(name, time): (fn() -> String, Option<TimeExpr>)| {
            let text = format::exact(time?.resolve(now));
            Some(view! { <div><dt>{name}</dt><dd>{text}</dd></div> })
        };
        ends.into_iter().filter_map(end).collect_view()
    });
    view! { <dl class="both">{ends}</dl> }.into_any()
}

/// How tests and style sheets name a preset: `now-15m`, or `before now-15m` for "not since".
fn value_of(range: Range) -> String {
    match (range.after, range.before) {
        (Some(after), None) => after.to_string(),
        (None, Some(before)) => format!("before {before}"),
        _ => String::new(),
    }
}
