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
    number: Number,
}

enum Number {
    /// What is so now, and the link to these clients.
    Now(fn(&Series) -> Option<u64>, fn() -> String),
    /// What happened in the period, and the filter and the order of the clients behind it.
    Sum(fn(&Bucket) -> u64, &'static str, &'static str),
}

const TILES: [Tile; 5] = [
    Tile {
        hook: "tile-connected",
        name: t::connected_now,
        mark: "mark mark-connected",
        number: Number::Now(|series| series.buckets.last()?.connected, || links::connected(None)),
    },
    Tile {
        hook: "tile-disconnected",
        name: t::disconnected_now,
        mark: "mark mark-disconnected",
        // Nobody counts them over time.
        number: Number::Now(
            |_| Some(stores().status.with(|status| status.counts)?.disconnected),
            links::disconnected,
        ),
    },
    Tile {
        hook: "tile-connects",
        name: t::connects,
        mark: "",
        number: Number::Sum(|bucket| bucket.connects, "connectedAfter", "-lastConnectTime"),
    },
    Tile {
        hook: "tile-disconnects",
        name: t::disconnects,
        mark: "",
        number: Number::Sum(|bucket| bucket.disconnects, "disconnectedAfter", "-lastDisconnectTime"),
    },
    Tile {
        hook: "tile-refused",
        name: t::refused_attempts,
        mark: "mark mark-refused",
        number: Number::Sum(|bucket| bucket.refused, "refusedAfter", "-lastRefusedTime"),
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
    let (count, parameter, sort) = match &tile.number {
        Number::Now(number, address) => {
            let number = number(series).map_or_else(|| "–".to_owned(), format::number);
            return link(&address()).children(&[el("b", "").text(&number), name]);
        }
        Number::Sum(count, parameter, sort) => (count, parameter, sort),
    };
    let count: u64 = series.buckets.iter().map(count).sum();
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
