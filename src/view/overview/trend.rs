//! Beside the counts above the table: how many clients were connected over the past hour, and how many come and go.
//! Leads to the overview.

use leptos::prelude::*;

use super::chart::Scale;
use super::links;
use crate::api::{Bucket, Series};
use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::url::{Period, View};
use crate::view::dom::{El, el, px, svg};

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 20.0;
/// Room for the line's own width, in pixels.
const EDGE: f64 = 1.5;
/// What is left for the line.
const LINE_PX: i64 = 17;
/// Fewer are a speck, far from the counts.
const POINTS_MIN: usize = 10;

/// Stands for the numbers where a text says what they are.
const NUMBER: &str = "#";

pub fn trend() -> El {
    let stores = stores();
    stores.overview.follow_trend();
    let go = move |event: &web_sys::Event| super::follow(event);
    el("span", "").on("click", go).live(move || {
        let address = stores.view.with(|view| {
            let view = View { overview: Some(Period::Hour), ..view.clone() };
            view.link()
        });
        stores.overview.trend.with(|series| {
            let shown = series.as_ref().and_then(|series| show(series, &address));
            shown.into_iter().collect()
        })
    })
}

fn show(series: &Series, address: &str) -> Option<El> {
    // The newest minute is not over, and matters when more happens in it. What was before the server's start says nothing
    // of how things go.
    let is_counted = |minute: &&Bucket| minute.connected.is_some() && !minute.is_inferred;
    let so_far = series.buckets.last()?;
    let happened = |minute: &Bucket| minute.connects + minute.disconnects;
    let whole =
        links::newest_whole(series).filter(is_counted).filter(|whole| happened(whole) >= happened(so_far));
    let minute = whole.unwrap_or(so_far);
    let told = |name: String, count: u64| t::chip(&name, &format::number(count));
    let title =
        [told(t::connects(), minute.connects), told(t::disconnects(), minute.disconnects)].join(" · ");
    let chart = points(&series.buckets).map(|points| {
        svg("svg", "spark")
            .attrs(&[("width", &px(WIDTH)), ("height", &px(HEIGHT)), ("aria-hidden", "true")])
            .child(&svg("polyline", "").attr("points", &points))
    });
    let (unit, title) = match whole {
        Some(_) => (t::per_minute(NUMBER), t::per_minute(&title)),
        None => (t::rate_so_far(NUMBER), t::this_minute(&title)),
    };
    // Apart: by its largest text browsers tell when a page is there, and the trend comes later than the rows.
    let numbers =
        [format!("+{}", format::number(minute.connects)), format!("−{}", format::number(minute.disconnects))];
    let numbers = numbers.map(|number| el("span", "word").text(&number));
    let [before, after] = unit.split_once(NUMBER).map_or(["", &unit], |(before, after)| [before, after]);
    let unit = |text: &str| (!text.trim().is_empty()).then(|| el("span", "word").text(text.trim()));
    let link = el("a", "count trend").attrs(&[("href", address), ("data-go", ""), ("data-testid", "trend")]);
    Some(
        link.attr("title", &title)
            .children(chart.as_slice())
            .children(unit(before).as_slice())
            .children(&numbers)
            .children(unit(after).as_slice()),
    )
}

/// The line, on the axis that the overview draws it on; `None` where there is none yet.
fn points(buckets: &[Bucket]) -> Option<String> {
    let known = || buckets.iter().enumerate().filter_map(|(at, bucket)| Some((at, bucket.connected? as i64)));
    let counts = || known().map(|(_, count)| count);
    let scale = Scale::of_line(counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    let step = WIDTH / (buckets.len().max(2) - 1) as f64;
    let point = |(at, count): (usize, i64)| {
        let y = EDGE + scale.tenths(count, LINE_PX) as f64 / 10.0;
        format!("{},{}", px(at as f64 * step), px(y))
    };
    let points: Vec<String> = known().map(point).collect();
    (points.len() >= POINTS_MIN).then(|| points.join(" "))
}
