//! The lists of the overview: the reasons, who stands out, and who is silent.

use leptos::prelude::{Track, With};
use rollcall_model::StateDoc;

use super::chart::percent;
use super::{link, links};
use crate::api::{Counted, Series};
use crate::i18n::t;
use crate::store::stores;
use crate::url::Period;
use crate::view::dom::{El, el, svg};
use crate::words::{self, Cause};
use crate::{format, text};

/// So many of a list are shown.
const SHOWN: usize = 8;

/// A line of a list.
struct Line {
    name: El,
    count: u64,
    link: String,
}

type Lines = fn(Period, &Series) -> Vec<Line>;

/// Why connections ended.
pub fn reasons() -> El {
    list("list-reasons", t::list_reasons, Some(t::hint_ended), |period, series| {
        let counts = sums(series);
        let known: Vec<&str> =
            counts.iter().map(|(name, _)| *name).filter(|name| name.parse::<u8>().is_ok()).collect();
        let line = |(name, count): (&str, u64)| Line {
            name: reason(name),
            count,
            link: links::reason(period, name, &known),
        };
        counts.iter().copied().map(line).collect()
    })
}

/// How often each reason occurred, the most frequent first.
fn sums(series: &Series) -> Vec<(&str, u64)> {
    let mut sums: Vec<(&str, u64)> = Vec::new();
    for reason in series.buckets.iter().flat_map(|bucket| &bucket.reasons) {
        match sums.iter_mut().find(|(name, _)| *name == reason.name) {
            Some((_, count)) => *count += reason.count,
            None => sums.push((&reason.name, reason.count)),
        }
    }
    // They are few; the sort of the standard library is not.
    let mut sorted = Vec::new();
    while let Some(most) = sums.iter().map(|(_, count)| *count).max() {
        sorted.extend(sums.iter().filter(|(_, count)| *count == most));
        sums.retain(|(_, count)| *count != most);
    }
    sorted
}

fn reason(name: &str) -> El {
    match name.parse::<u8>() {
        Ok(code) => {
            let cause = Cause { mqtt: Some(code), ..Cause::default() };
            el("span", "").text(&cause.short()).text(" ").child(&el("span", "code").text(&words::code(code)))
        }
        Err(_) if name == "other" => el("span", "").text(&t::reason_other()),
        Err(_) => el("span", "").text(&t::cause_unknown()),
    }
}

/// Who lost the connection most often.
pub fn flappers() -> El {
    list("list-flappers", t::list_flappers, None, |_, series| clients(&series.flappers))
}

/// Under which ids most attempts failed.
pub fn refused() -> El {
    list("list-refused", t::list_refused, None, |_, series| clients(&series.refused))
}

/// From where most attempts failed. The API cannot filter by address: the links show everybody who was refused.
pub fn refused_addresses() -> El {
    list("list-addresses", t::list_addresses, Some(t::hint_addresses), |period, series| {
        let line = |address: &Counted| Line {
            name: el("bdi", "id").text(&text::limited(&address.name, 60)),
            count: address.count,
            link: links::within(period, "refusedAfter", "-lastRefusedTime"),
        };
        series.refused_addresses.iter().map(line).collect()
    })
}

fn clients(counted: &[Counted]) -> Vec<Line> {
    let line = |client: &Counted| Line {
        name: shown_id(&client.name),
        count: client.count,
        link: links::client(&client.name),
    };
    counted.iter().map(line).collect()
}

/// An id of which both ends are seen.
fn shown_id(id: &str) -> El {
    let shown = text::middle(id);
    let parts = [el("span", "id-head").text(&shown.head), el("span", "id-tail").text(&shown.tail)];
    el("bdi", "id").attr("title", &text::limited(id, 1_000)).children(&parts)
}

fn card(hook: &str, title: fn() -> String, hint: Option<fn() -> String>, body: El) -> El {
    let card =
        el("section", "card").attr("data-testid", hook).children(&[el("h2", "").live_text(title), body]);
    match hint {
        Some(hint) => card.child(&el("p", "hint").live_text(hint)),
        None => card,
    }
}

fn list(hook: &str, title: fn() -> String, hint: Option<fn() -> String>, lines: Lines) -> El {
    let body = el("ol", "bars").live(move || {
        stores().overview.series.with(|series| match series {
            None => Vec::new(),
            Some((period, series)) => show(&lines(*period, series)),
        })
    });
    card(hook, title, hint, body)
}

fn show(lines: &[Line]) -> Vec<El> {
    let most = lines.iter().map(|line| line.count).max().unwrap_or(0);
    if most == 0 {
        return vec![el("li", "none").text(&t::nothing())];
    }
    let line = |line: &Line| {
        let bar = svg("rect", "").attrs(&[("width", &percent(line.count, most)), ("height", "4")]);
        let bar = svg("svg", "bar")
            .attrs(&[("width", "100%"), ("height", "4"), ("aria-hidden", "true")])
            .child(&bar);
        let count = el("b", "").text(&format::number(line.count));
        el("li", "").child(&link(&line.link).children(&[line.name.clone(), count, bar]))
    };
    lines.iter().take(SHOWN).map(line).collect()
}

/// Connected, and silent for longest.
pub fn silent() -> El {
    // For what is told as “3 hours ago”.
    let minute = stores().clock.minute();
    let body = el("ol", "bars").live(move || {
        minute.track();
        stores().overview.silent.with(|silent| silent.as_deref().map(show_silent).unwrap_or_default())
    });
    let all = el("p", "").live(|| vec![link(&links::silent()).text(&t::show_all())]);
    card("list-silent", t::list_silent, None, body).attr("class", "card silent").child(&all)
}

fn show_silent(docs: &[StateDoc]) -> Vec<El> {
    let now = stores().clock.exact();
    if docs.is_empty() {
        return vec![el("li", "none").text(&t::nothing())];
    }
    let line = |doc: &StateDoc| {
        let since = doc.last_activity_time;
        let ago = since.map_or_else(|| "–".to_owned(), |time| format::relative(time, now));
        let ago = el("b", "").attr("title", &since.map(format::exact).unwrap_or_default()).text(&ago);
        el("li", "").child(&link(&links::client(&doc.id)).children(&[shown_id(&doc.id), ago]))
    };
    docs.iter().map(line).collect()
}
