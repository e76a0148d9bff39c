//! The lists of the overview: the reasons, who stands out, and who is silent.

use leptos::prelude::{Track, With};
use rollcall_model::{Initiator, StateDoc, Timestamp};

use super::chart::percent;
use super::{link, links};
use crate::api::{Counted, ENDED_BY, Reason, Series};
use crate::i18n::t;
use crate::store::stores;
use crate::url::Period;
use crate::view::dom::{El, el, svg};
use crate::words::{self, Cause};
use crate::{format, text};

/// So many of a list are shown.
const SHOWN: usize = 8;
const HOUR_MS: i64 = 3_600_000;

/// A line of a list.
struct Line {
    name: El,
    count: u64,
    link: String,
}

type Lines = fn(Period, &Series) -> Vec<Line>;

/// Who ended connections, and why.
pub fn reasons() -> El {
    let card = list_of("list-reasons", t::list_reasons, Some(t::hint_ended), show_all, |_, series| {
        let counts = sums(series);
        let line = |reason: &Reason| {
            let of_it = counts.iter().filter(|other| other.by == reason.by);
            let known: Vec<&str> =
                of_it.map(|other| other.name.as_str()).filter(|name| name.parse::<u8>().is_ok()).collect();
            Line {
                name: told(reason),
                count: reason.count,
                link: links::reason(series, reason.by, &reason.name, &known),
            }
        };
        counts.iter().map(line).collect()
    });
    card.child(&el("p", "hint").live_text(|| {
        let has_rest = |series: &Series| {
            series.buckets.iter().flat_map(|bucket| &bucket.reasons).any(|reason| reason.name == "other")
        };
        let is_told =
            stores().overview.series.with(|series| series.as_ref().is_some_and(|it| has_rest(&it.1)));
        if is_told { t::hint_other() } else { String::new() }
    }))
}

/// How often each reason occurred, the most frequent first.
fn sums(series: &Series) -> Vec<Reason> {
    let mut sums: Vec<Reason> = Vec::new();
    for reason in series.buckets.iter().flat_map(|bucket| &bucket.reasons) {
        match sums.iter_mut().find(|sum| (sum.by, &sum.name) == (reason.by, &reason.name)) {
            Some(sum) => sum.count += reason.count,
            None => sums.push(reason.clone()),
        }
    }
    // They are few; the sort of the standard library is not.
    let mut sorted = Vec::new();
    while let Some(most) = sums.iter().map(|sum| sum.count).max() {
        sorted.extend(sums.iter().filter(|sum| sum.count == most).cloned());
        sums.retain(|sum| sum.count != most);
    }
    sorted
}

/// Who, and why: `network: connection dropped 0x80`.
fn told(reason: &Reason) -> El {
    let initiator = Initiator::ALL.into_iter().find(|by| Some(&by.as_str()) == ENDED_BY.get(reason.by));
    let code = reason.name.parse::<u8>().ok();
    let why = match code {
        Some(_) => Cause { initiator, mqtt: code, ..Cause::default() }.short(),
        None if reason.name == "other" => t::reason_other(),
        None => t::cause_unknown(),
    };
    let who = initiator.map_or_else(t::status_unknown, words::initiator);
    let explained = code.map(|_| Cause { initiator, mqtt: code, ..Cause::default() }.explained());
    let told = el("span", "").text(&t::chip(&who, &why)).attr("title", &explained.unwrap_or_default());
    match code {
        Some(code) => told.text(" ").child(&el("span", "code").text(&words::code(code))),
        None => told,
    }
}

/// Who lost the connection most often.
pub fn flappers() -> El {
    by_hours(list("list-flappers", t::list_flappers, None, |_, series| clients(&series.flappers)))
}

/// Under which ids most attempts failed.
pub fn refused() -> El {
    by_hours(list("list-refused", t::list_refused, None, |_, series| clients(&series.refused)))
}

/// From where most attempts failed. Strangers are no clients: the links show the clients at the address.
pub fn refused_addresses() -> El {
    let addresses = list("list-addresses", t::list_addresses, Some(t::hint_addresses), |_, series| {
        let line = |address: &Counted| Line {
            name: el("bdi", "id").text(&text::limited(&address.name, 60)),
            count: address.count,
            link: links::at_address(&address.name),
        };
        series.refused_addresses.iter().map(line).collect()
    });
    by_hours(addresses)
}

/// Says since when a list counts where that is earlier than the numbers above it do.
fn by_hours(list: El) -> El {
    list.child(&el("p", "hint").maybe_text(|| {
        stores().overview.series.with(|series| {
            let first = series.as_ref()?.1.buckets.first()?.time;
            let hour = Timestamp::from_millis(first.millis().div_euclid(HOUR_MS) * HOUR_MS);
            let now = stores().clock.exact();
            (hour < first).then(|| t::hint_hours(&format::moment(hour, now)))
        })
    }))
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
    list_of(hook, title, hint, show, lines)
}

fn list_of(
    hook: &str,
    title: fn() -> String,
    hint: Option<fn() -> String>,
    show: fn(&[Line]) -> Vec<El>,
    lines: Lines,
) -> El {
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

/// With how many are not among the first, where all add up to a number above them.
fn show_all(lines: &[Line]) -> Vec<El> {
    let mut shown = show(lines);
    let rest: u64 = lines.iter().skip(SHOWN).map(|line| line.count).sum();
    if rest > 0 {
        let count = el("b", "").text(&format::number(rest));
        shown.push(el("li", "rest").children(&[el("span", "").text(&t::reasons_rest()), count]));
    }
    shown
}

/// Connected, and silent for longest.
pub fn silent() -> El {
    // For what is told as “3 hours ago”.
    let minute = stores().clock.minute();
    let body = el("ol", "bars").live(move || {
        minute.track();
        stores().overview.silent.with(|silent| silent.as_deref().map(show_silent).unwrap_or_default())
    });
    let all =
        el("p", "").live(|| vec![link(&links::silent(stores().status.is_plain())).text(&t::show_all())]);
    card("list-silent", t::list_silent, None, body).attr("class", "card silent").child(&all)
}

fn show_silent(docs: &[StateDoc]) -> Vec<El> {
    let (now, is_plain) = (stores().clock.exact(), stores().status.is_plain());
    if docs.is_empty() {
        return vec![el("li", "none").text(&t::nothing())];
    }
    let line = |doc: &StateDoc| {
        // What was asked for: a plain server does not tell messages from pings.
        let since = if is_plain { doc.last_activity_time } else { doc.last_publish_time };
        let ago = since.map_or_else(|| "–".to_owned(), |time| format::relative(time, now));
        let ago = el("b", "").attr("title", &since.map(format::exact).unwrap_or_default()).text(&ago);
        el("li", "").child(&link(&links::client(&doc.id)).children(&[shown_id(&doc.id), ago]))
    };
    docs.iter().map(line).collect()
}
