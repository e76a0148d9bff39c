//! The numbers at the top of the overview.

use leptos::prelude::With;
use rollcall_model::Timestamp;

use super::{link, links, name_of_period};
use crate::api::{Bucket, Series};
use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::url::Period;
use crate::view::dom::{El, el};

struct Tile {
    hook: &'static str,
    name: fn() -> String,
    mark: &'static str,
    /// The filter and the order of the clients behind the number.
    link: Option<(&'static str, &'static str)>,
    count: fn(&Bucket) -> u64,
}

const TILES: [Tile; 4] = [
    Tile {
        hook: "tile-connected",
        name: t::connected_now,
        mark: "mark mark-connected",
        link: None,
        count: |_| 0,
    },
    Tile {
        hook: "tile-connects",
        name: t::connects,
        mark: "",
        link: Some(("connectedAfter", "-lastConnectTime")),
        count: |bucket| bucket.connects,
    },
    Tile {
        hook: "tile-disconnects",
        name: t::disconnects,
        mark: "",
        link: Some(("disconnectedAfter", "-lastDisconnectTime")),
        count: |bucket| bucket.disconnects,
    },
    Tile {
        hook: "tile-refused",
        name: t::refused_attempts,
        mark: "mark mark-refused",
        link: Some(("refusedAfter", "-lastRefusedTime")),
        count: |bucket| bucket.refused,
    },
];

pub fn tiles() -> El {
    let make = |tile: &'static Tile| {
        el("li", "").attr("data-testid", tile.hook).live(move || {
            stores().overview.series.with(|series| {
                let known = series.as_ref().map(|(period, series)| (*period, series));
                vec![show(tile, known)]
            })
        })
    };
    el("ul", "tiles").children(&TILES.each_ref().map(make))
}

fn show(tile: &Tile, known: Option<(Period, &Series)>) -> El {
    let name = el("span", "word").text(&(tile.name)());
    let name = if tile.mark.is_empty() {
        name
    } else {
        el("span", "word").child(&el("i", tile.mark)).text(&(tile.name)())
    };
    let Some((period, series)) = known else {
        return el("span", "").children(&[el("b", "").text("–"), name]);
    };
    let Some((parameter, sort)) = tile.link else {
        let newest = series.buckets.last().and_then(|bucket| bucket.connected);
        let newest = newest.map_or_else(|| "–".to_owned(), format::number);
        return link(&links::connected(None)).children(&[el("b", "").text(&newest), name]);
    };
    let count: u64 = series.buckets.iter().map(tile.count).sum();
    let rate = rate(count as f64 / (counted_ms(series) as f64 / 60_000.0));
    // Counting may have begun within the period. In its first bucket, which begins before it, is early enough.
    let from = counted_from(series);
    let is_whole = series.buckets.first().is_none_or(|first| first.time.plus_ms(series.step_ms) > from);
    let counted = if is_whole { name_of_period(period) } else { format::duration(counted_ms(series)) };
    let rate = el("span", "rate").text(&t::in_period(&rate, &counted));
    link(&links::since(series, parameter, sort)).children(&[
        el("b", "").text(&format::number(count)),
        name,
        rate,
    ])
}

/// In a unit in which it is not nothing.
fn rate(per_minute: f64) -> String {
    match per_minute {
        rate if rate >= 0.1 || rate == 0.0 => t::per_minute(&format::decimal(rate)),
        rate if rate * 60.0 >= 0.1 => t::per_hour(&format::decimal(rate * 60.0)),
        rate => t::per_day(&format::decimal(rate * 1_440.0)),
    }
}

/// From when on there is something to count: a new server has nothing before its start, not even a part of the bucket in
/// which it was started.
fn counted_from(series: &Series) -> Timestamp {
    let first = series.buckets.first().map_or(series.complete_from, |first| first.time);
    first.max(series.complete_from).max(series.begins)
}

/// For how long was counted, at least a minute.
fn counted_ms(series: &Series) -> i64 {
    (stores().clock.exact().millis() - counted_from(series).millis()).max(60_000)
}
