//! What the charts of the overview are about.

use leptos::prelude::With;
use rollcall_model::Timestamp;

use super::chart::{Column, Content, Kind, Shape, chart};
use super::links;
use crate::api::{Bucket, ENDED_BY, Series};
use crate::format;
use crate::i18n::t;
use crate::store::stores;
use crate::url::Period;
use crate::view::dom::El;

/// How many were connected.
pub fn connected() -> El {
    let content = |period: Period, series: &Series| {
        let mut columns = columns(period, series, |bucket| vec![bucket.connected]);
        // Also where it is only heard, and in the table.
        for column in columns.iter_mut().filter(|column| column.is_inferred) {
            column.name = format!("{} ({})", column.name, t::inferred_mark());
        }
        let ends: Vec<Timestamp> = series.buckets.iter().map(|b| b.time.plus_ms(series.step_ms)).collect();
        let last = ends.len().saturating_sub(1);
        let kind = Kind { name: t::status_connected(), look: "connected", total: None };
        let link = move |at: usize, _| links::connected(ends.get(at).copied().filter(|_| at != last));
        Content { kinds: vec![kind], columns, link: Box::new(link) }
    };
    chart("chart-connected", Shape::Line, t::chart_connected, t::hint_connected, move || with_series(content))
}

/// Who came and went.
pub fn flow() -> El {
    let content = |period: Period, series: &Series| {
        let columns = columns(period, series, |bucket| vec![Some(bucket.connects), Some(bucket.disconnects)]);
        let sum = |count: fn(&Bucket) -> u64| series.buckets.iter().map(count).sum();
        let kind = |name, look, count: u64, link| Kind { name, look, total: Some((count, link)) };
        let kinds = vec![
            kind(
                t::connects(),
                "connected",
                sum(|bucket| bucket.connects),
                links::since(series, "connectedAfter", "-lastConnectTime"),
            ),
            kind(
                t::disconnects(),
                "client",
                sum(|bucket| bucket.disconnects),
                links::since(series, "disconnectedAfter", "-lastDisconnectTime"),
            ),
        ];
        let (buckets, step_ms) = (series.buckets.clone(), series.step_ms);
        let link = move |at: usize, kind| match buckets.get(at) {
            Some(bucket) if kind == 0 => links::connects(bucket, step_ms),
            Some(bucket) => links::disconnects(bucket, step_ms),
            None => String::new(),
        };
        Content { kinds, columns, link: Box::new(link) }
    };
    let title = || {
        let step_ms =
            stores().overview.series.with(|series| series.as_ref().map(|(_, series)| series.step_ms));
        step_ms.map_or_else(t::chart_flow, |step_ms| t::chart_flow_per(&format::duration(step_ms)))
    };
    chart("chart-flow", Shape::Mirrored, title, t::hint_flow, move || with_series(content))
}

/// Who ended the connections.
pub fn ended() -> El {
    let content = |period: Period, series: &Series| {
        let columns = columns(period, series, |bucket| bucket.ended.map(Some).to_vec());
        let names = [t::initiator_client, t::initiator_server, t::initiator_network, t::status_unknown];
        let kind = |at: usize| Kind {
            name: names[at](),
            look: ENDED_BY[at],
            total: Some((
                series.buckets.iter().map(|bucket| bucket.ended[at]).sum(),
                links::ended_since(series, at),
            )),
        };
        let (buckets, step_ms) = (series.buckets.clone(), series.step_ms);
        let link = move |at: usize, by| {
            buckets.get(at).map(|bucket| links::ended_in(bucket, step_ms, by)).unwrap_or_default()
        };
        Content { kinds: [0, 1, 2, 3].map(kind).to_vec(), columns, link: Box::new(link) }
    };
    chart("chart-ended", Shape::Stacked, t::chart_ended, t::hint_ended, move || with_series(content))
}

fn with_series(content: impl Fn(Period, &Series) -> Content) -> Option<Content> {
    stores().overview.series.with(|series| series.as_ref().map(|(period, series)| content(*period, series)))
}

fn columns(period: Period, series: &Series, values: impl Fn(&Bucket) -> Vec<Option<u64>>) -> Vec<Column> {
    let now = stores().clock.exact();
    let last = series.buckets.len().saturating_sub(1);
    let ticks = ticks(period, series);
    let column = |(at, bucket): (usize, &Bucket)| {
        let end = bucket.time.plus_ms(series.step_ms);
        let values = values(bucket);
        // Nothing of it was counted: that is not zero.
        let is_known = end > series.complete_from;
        Column {
            time_ms: bucket.time.millis(),
            name: t::range_from_to(&format::moment(bucket.time, now), &format::moment(end, now)),
            tick: ticks.get(at).cloned().flatten(),
            values: if is_known { values } else { vec![None; values.len()] },
            note: (at == last).then(t::so_far),
            is_inferred: bucket.is_inferred,
        }
    };
    series.buckets.iter().enumerate().map(column).collect()
}

/// The texts of the axis of time: round times of the day, or some of the days.
fn ticks(period: Period, series: &Series) -> Vec<Option<String>> {
    let each_day = match period {
        Period::Hour => return times(series, |_, minute| minute % 15 == 0),
        Period::Day => return times(series, |hour, minute| hour % 6 == 0 && minute == 0),
        Period::Week => 2,
        Period::Month => 7,
    };
    let days: Vec<String> = series.buckets.iter().map(|bucket| format::day(bucket.time)).collect();
    let begins: Vec<usize> = (1..days.len()).filter(|at| days[*at] != days[at - 1]).collect();
    let chosen: Vec<usize> = begins.into_iter().rev().step_by(each_day).collect();
    days.into_iter().enumerate().map(|(at, day)| chosen.contains(&at).then_some(day)).collect()
}

fn times(series: &Series, is_round: fn(u32, u32) -> bool) -> Vec<Option<String>> {
    let time = |bucket: &Bucket| {
        // The reader's zone is the formatter's to know: `08:52:01`.
        let text = format::clock(bucket.time);
        let mut parts = text.split(':').map(|part| part.parse::<u32>().ok());
        let (hour, minute) = (parts.next()??, parts.next()??);
        is_round(hour, minute).then(|| format!("{hour:02}:{minute:02}"))
    };
    series.buckets.iter().map(time).collect()
}
