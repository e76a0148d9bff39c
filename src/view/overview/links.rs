//! Which clients stand behind a number: the query strings of links to the table. Where the API cannot say exactly these
//! clients, the nearest that it can, and the page says what that is. Pure.

use rollcall_model::Timestamp;

use crate::api::{Bucket, ENDED_BY, Incident};
use crate::url::{Period, encode_pairs};

const BY_DISCONNECT: (&str, &str) = ("_sort", "-lastDisconnectTime");

/// A link to the table with this filter and no other: what is usually hidden is counted, too.
#[must_use]
pub fn to(pairs: &[(&str, &str)]) -> String {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    format!("?{}", encode_pairs(&pairs.iter().chain(&[("deviceType!", "")]).map(own).collect::<Vec<_>>()))
}

/// The clients that are connected, those first that have been silent longest.
#[must_use]
pub fn silent() -> String {
    to(&[("connectionStatus", "connected"), ("_sort", "lastActivityTime")])
}

/// The clients that are connected now and were when the bucket ended.
#[must_use]
pub fn connected(before: Option<Timestamp>) -> String {
    match before {
        None => to(&[("connectionStatus", "connected")]),
        Some(end) => to(&[
            ("connectionStatus", "connected"),
            ("connectedBefore", &end.to_string()),
            ("_sort", "lastConnectTime"),
        ]),
    }
}

/// The clients whose last connect was in the bucket.
#[must_use]
pub fn connects(bucket: &Bucket, step_ms: i64) -> String {
    let (from, to_time) = bounds(bucket, step_ms);
    to(&[("connectedAfter", &from), ("connectedBefore", &to_time), ("_sort", "-lastConnectTime")])
}

/// The clients whose last disconnect was in the bucket.
#[must_use]
pub fn disconnects(bucket: &Bucket, step_ms: i64) -> String {
    let (from, to_time) = bounds(bucket, step_ms);
    to(&[("disconnectedAfter", &from), ("disconnectedBefore", &to_time), BY_DISCONNECT])
}

fn bounds(bucket: &Bucket, step_ms: i64) -> (String, String) {
    (bucket.time.to_string(), bucket.time.plus_ms(step_ms).to_string())
}

/// The clients whose last time of a kind was within the period: `connectedAfter`, `disconnectedAfter`, `refusedAfter`.
#[must_use]
pub fn within(period: Period, parameter: &str, sort: &str) -> String {
    to(&[(parameter, &ago(period)), ("_sort", sort)])
}

fn ago(period: Period) -> String {
    format!("now-{}", period.name())
}

/// The clients that are away since the bucket, ended by this one of [`ENDED_BY`].
#[must_use]
pub fn ended_in(bucket: &Bucket, step_ms: i64, by: usize) -> String {
    let (from, to_time) = bounds(bucket, step_ms);
    ended(by, &[("disconnectedAfter", &from), ("disconnectedBefore", &to_time)])
}

/// The clients that went within the period and are away, ended by this one of [`ENDED_BY`].
#[must_use]
pub fn ended_within(period: Period, by: usize) -> String {
    ended(by, &[("disconnectedAfter", &ago(period))])
}

fn ended(by: usize, times: &[(&str, &str)]) -> String {
    let mut pairs = times.to_vec();
    match ENDED_BY.get(by).filter(|name| **name != "unknown") {
        Some(name) => pairs.push(("disconnectInitiator", name)),
        // Nobody of whom it is known.
        None => pairs.extend([
            ("connectionStatus", "disconnected"),
            ("disconnectInitiator!", "client,server,network"),
        ]),
    }
    pairs.push(BY_DISCONNECT);
    to(&pairs)
}

/// The clients that went within the period with this reason and are away. `known` are the codes that are told apart:
/// `unknown` and `other` are the rest.
#[must_use]
pub fn reason(period: Period, name: &str, known: &[&str]) -> String {
    let (ago, all) = (ago(period), known.join(","));
    let mut pairs = vec![("disconnectedAfter", ago.as_str())];
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        pairs.push(("mqttReasonCode", name));
    } else {
        pairs.push(("connectionStatus", "disconnected"));
        if !known.is_empty() {
            pairs.push(("mqttReasonCode!", &all));
        }
    }
    pairs.push(BY_DISCONNECT);
    to(&pairs)
}

/// One client, opened, in a list of those whose ids contain its id.
#[must_use]
pub fn client(id: &str) -> String {
    to(&[("search", id), ("client", id)])
}

/// The clients whose last disconnect was during the incident; with `more`, those among them that it narrows to.
#[must_use]
pub fn incident(incident: &Incident, more: &[(&str, &str)]) -> String {
    let since = incident.since.to_string();
    // The end is not part of a range, and the last loss is part of the incident.
    let until = incident.until.map(|until| until.plus_ms(1).to_string());
    let mut pairs = vec![("disconnectedAfter", since.as_str())];
    pairs.extend(until.as_deref().map(|until| ("disconnectedBefore", until)));
    pairs.extend(more);
    pairs.push(BY_DISCONNECT);
    to(&pairs)
}

/// The clients of an incident that have not come back.
#[must_use]
pub fn still_away(it: &Incident) -> String {
    let by = match it.cause.as_str() {
        // A broken network shows as both.
        "network" | "keepAlive" => "network,server",
        _ => "server",
    };
    incident(it, &[("connectionStatus", "disconnected"), ("disconnectInitiator", by)])
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::url::View;

    const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn check(link: &str, filters: usize) {
        let view = View::from_query_string(link);
        assert_eq!(view.filter.terms.len(), filters, "{link}");
        assert!(view.shows_demo && view.overview.is_none(), "{link}");
        // A list of values may be written as several parameters.
        let names = |query: &str| -> BTreeSet<String> {
            let pairs = query.trim_start_matches('?').split('&');
            pairs.filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect()
        };
        assert_eq!(names(&view.to_query_string()), names(link), "nothing is left out");
    }

    #[test]
    fn every_link_is_a_filter_that_the_table_understands() {
        let bucket = Bucket {
            time: AT,
            connected: None,
            is_inferred: false,
            connects: 1,
            disconnects: 1,
            refused: 0,
            ended: [1; 4],
            reasons: Vec::new(),
        };
        check(&silent(), 1);
        check(&connected(None), 1);
        check(&connected(Some(AT)), 2);
        check(&connects(&bucket, 60_000), 2);
        check(&disconnects(&bucket, 60_000), 2);
        check(&within(Period::Week, "refusedAfter", "-lastRefusedTime"), 1);
        check(&reason(Period::Day, "141", &["0", "141"]), 2);
        check(&client("d:acme01:thermo:t-1 & more"), 1);
        for by in 0..3 {
            check(&ended_in(&bucket, 60_000, by), 3);
            check(&ended_within(Period::Hour, by), 2);
        }
    }

    #[test]
    fn what_nobody_knows_is_what_is_left_when_all_that_is_known_is_taken_away() {
        let view = View::from_query_string(&ended_within(Period::Day, 3));
        let names: Vec<String> =
            view.filter.terms.iter().map(rollcall_model::query::Term::parameter).collect();
        assert_eq!(names, ["disconnectedAfter", "connectionStatus", "disconnectInitiator!"]);
        let view = View::from_query_string(&reason(Period::Day, "unknown", &["0", "141"]));
        assert_eq!(view.filter.terms[2].values(), ["0", "141"]);
        assert!(view.filter.terms[2].negated);
    }

    #[test]
    fn an_incident_contains_its_last_loss() {
        let mut told = Incident {
            cause: "network".to_owned(),
            since: AT,
            until: Some(AT),
            clients: 20,
            is_inferred: false,
            shares: Vec::new(),
        };
        assert!(incident(&told, &[]).contains("disconnectedBefore=2027-01-15T08:00:00.001Z"));
        check(&still_away(&told), 4);
        told.until = None;
        check(&incident(&told, &[("deviceType", "thermo")]), 2);
    }
}
