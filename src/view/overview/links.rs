//! Which clients stand behind a number: the query strings of links to the table. Where the API cannot say exactly these
//! clients, the nearest that it can, and the page says what that is. Pure.

use rollcall_model::Timestamp;
use rollcall_model::client_id::DEFAULT_DEVICE_TYPE;

use crate::api::{Bucket, ENDED_BY, Incident, Series};
use crate::url::encode_pairs;

const BY_DISCONNECT: (&str, &str) = ("_sort", "-lastDisconnectTime");
const AWAY: (&str, &str) = ("connectionStatus", "disconnected");

/// A link to the table with this filter and no other: what is usually hidden is counted, too.
#[must_use]
pub fn to(pairs: &[(&str, &str)]) -> String {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    format!("?{}", encode_pairs(&pairs.iter().chain(&[("deviceType!", "")]).map(own).collect::<Vec<_>>()))
}

/// The newest bucket that is over.
#[must_use]
pub fn newest_whole(series: &Series) -> Option<&Bucket> {
    let at = series.buckets.len().checked_sub(2)?;
    series.buckets.get(at)
}

/// The clients that are connected, those first that have been silent longest.
#[must_use]
pub fn silent(is_plain: bool) -> String {
    let sort = if is_plain { "lastActivityTime" } else { "lastPublishTime" };
    to(&[("connectionStatus", "connected"), ("_sort", sort)])
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

/// The clients that are away, those first that went last.
#[must_use]
pub fn disconnected() -> String {
    to(&[AWAY, BY_DISCONNECT])
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

/// When the counting of what is shown begins. The period itself is shorter: the first bucket begins before it.
fn begins(series: &Series) -> String {
    let first = series.buckets.first().map_or(series.complete_from, |bucket| bucket.time);
    first.max(series.complete_from).to_string()
}

/// The clients whose last time of a kind is in what is counted: `connectedAfter`, `disconnectedAfter`, `refusedAfter`.
#[must_use]
pub fn since(series: &Series, parameter: &str, sort: &str) -> String {
    to(&[(parameter, &begins(series)), ("_sort", sort)])
}

/// The clients that are away since the bucket, ended by this one of [`ENDED_BY`].
#[must_use]
pub fn ended_in(bucket: &Bucket, step_ms: i64, by: usize) -> String {
    let (from, to_time) = bounds(bucket, step_ms);
    ended(by, &[("disconnectedAfter", &from), ("disconnectedBefore", &to_time)])
}

/// The clients that went in what is counted and are away, ended by this one of [`ENDED_BY`].
#[must_use]
pub fn ended_since(series: &Series, by: usize) -> String {
    ended(by, &[("disconnectedAfter", &begins(series))])
}

fn ended(by: usize, filters: &[(&str, &str)]) -> String {
    let mut pairs = filters.to_vec();
    match ENDED_BY.get(by).filter(|name| **name != "unknown") {
        Some(name) => pairs.push(("disconnectInitiator", name)),
        // Nobody of whom it is known.
        None => pairs.extend([AWAY, ("disconnectInitiator!", "client,server,network")]),
    }
    pairs.push(BY_DISCONNECT);
    to(&pairs)
}

/// The clients that went in what is counted and are away, ended by this one of [`ENDED_BY`] for this reason. `known` are
/// the codes of theirs that are told apart: `unknown` and `other` are the rest.
#[must_use]
pub fn reason(series: &Series, by: usize, name: &str, known: &[&str]) -> String {
    let (begins, all) = (begins(series), known.join(","));
    let mut pairs = vec![("disconnectedAfter", begins.as_str())];
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        pairs.push(("mqttReasonCode", name));
    } else {
        pairs.push(AWAY);
        if !known.is_empty() {
            pairs.push(("mqttReasonCode!", &all));
        }
    }
    ended(by, &pairs)
}

/// One client, opened, in a list of those whose ids contain its id.
#[must_use]
pub fn client(id: &str) -> String {
    to(&[("search", id), ("client", id)])
}

/// The clients at an address, those first that were refused last.
#[must_use]
pub fn at_address(address: &str) -> String {
    to(&[("clientAddr", address), ("_sort", "-lastRefusedTime")])
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

/// The clients whose last disconnect was during the incident, as far as all of its clients are of one type: those that
/// have come back tell no more of how they went.
#[must_use]
pub fn all_of(it: &Incident) -> String {
    let mut more = Vec::new();
    for share in it.shares.iter().filter(|share| share.field == "deviceType" && share.percent == 100) {
        // An id outside Watson's grammar may have another type by a pattern of the server's.
        if share.value != DEFAULT_DEVICE_TYPE {
            more.push(("deviceType", share.value.as_str()));
        }
    }
    incident(it, &more)
}

/// The clients of an incident that have not come back: how their connections ended, as filters. Also whether others that
/// went at the same time can pass them.
#[must_use]
pub fn still_away(it: &Incident) -> (String, bool) {
    let (mut by, mut codes): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    let (mut knows_by, mut knows_codes) = (!it.ends.is_empty(), !it.ends.is_empty());
    for end in &it.ends {
        match &end.initiator {
            Some(name) if by.contains(&name.as_str()) => {}
            Some(name) => by.push(name),
            None => knows_by = false,
        }
        match end.mqtt_reason_code.map(|code| code.to_string()) {
            Some(code) if codes.contains(&code) => {}
            Some(code) => codes.push(code),
            None => knows_codes = false,
        }
    }
    // Two filters let every combination of their values pass.
    let is_exact = knows_by && knows_codes && by.len() * codes.len() == it.ends.len();
    let (by, codes) = (by.join(","), codes.join(","));
    let mut more = vec![AWAY];
    more.extend(knows_by.then_some(("disconnectInitiator", by.as_str())));
    more.extend(knows_codes.then_some(("mqttReasonCode", codes.as_str())));
    (incident(it, &more), !is_exact)
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::{End, Share};
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

    fn series() -> Series {
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
        Series {
            step_ms: 60_000,
            complete_from: AT.plus_ms(-1),
            begins: AT.plus_ms(-1),
            buckets: vec![bucket],
            flappers: Vec::new(),
            refused: Vec::new(),
            refused_addresses: Vec::new(),
        }
    }

    fn names_of(link: &str) -> Vec<String> {
        let view = View::from_query_string(link);
        view.filter.terms.iter().map(rollcall_model::query::Term::parameter).collect()
    }

    #[test]
    fn every_link_is_a_filter_that_the_table_understands() {
        let series = series();
        let bucket = &series.buckets[0];
        check(&silent(true), 1);
        check(&silent(false), 1);
        check(&connected(None), 1);
        check(&disconnected(), 1);
        check(&connected(Some(AT)), 2);
        check(&connects(bucket, 60_000), 2);
        check(&disconnects(bucket, 60_000), 2);
        check(&since(&series, "refusedAfter", "-lastRefusedTime"), 1);
        check(&reason(&series, 1, "141", &["0", "141"]), 3);
        check(&client("d:acme01:thermo:t-1 & more"), 1);
        check(&at_address("10.0.0.7"), 1);
        check(&at_address("2001:db8::7"), 1);
        for by in 0..3 {
            check(&ended_in(bucket, 60_000, by), 3);
            check(&ended_since(&series, by), 2);
        }
    }

    #[test]
    fn what_nobody_knows_is_what_is_left_when_all_that_is_known_is_taken_away() {
        let series = series();
        let link = ended_since(&series, 3);
        assert_eq!(names_of(&link), ["disconnectedAfter", "connectionStatus", "disconnectInitiator!"]);
        let link = reason(&series, 2, "unknown", &["0", "141"]);
        let expect = ["disconnectedAfter", "connectionStatus", "mqttReasonCode!", "disconnectInitiator"];
        assert_eq!(names_of(&link), expect);
        assert_eq!(View::from_query_string(&link).filter.terms[2].values(), ["0", "141"]);
    }

    /// The first bucket begins before the period, and nothing is counted before the server's start.
    #[test]
    fn a_sum_leads_to_the_time_that_it_was_counted_over() {
        let mut series = series();
        let begins = |series: &Series| {
            let link = since(series, "connectedAfter", "id");
            View::from_query_string(&link).filter.terms[0].values().concat()
        };
        assert_eq!(begins(&series), AT.to_string());
        series.complete_from = AT.plus_ms(7);
        assert_eq!(begins(&series), AT.plus_ms(7).to_string());
    }

    fn told(ends: &[(Option<&str>, Option<u8>)]) -> Incident {
        let end = |(initiator, code): &(Option<&str>, Option<u8>)| End {
            initiator: initiator.map(str::to_owned),
            mqtt_reason_code: *code,
        };
        Incident {
            still_away: None,
            cause: "network".to_owned(),
            since: AT,
            until: Some(AT),
            clients: 20,
            is_inferred: false,
            shares: Vec::new(),
            ends: ends.iter().map(end).collect(),
        }
    }

    #[test]
    fn an_incident_contains_its_last_loss() {
        let mut told = told(&[(Some("network"), Some(128))]);
        assert!(incident(&told, &[]).contains("disconnectedBefore=2027-01-15T08:00:00.001Z"));
        check(&all_of(&told), 2);
        told.until = None;
        check(&incident(&told, &[("deviceType", "thermo")]), 2);
        check(&incident(&told, &[("clientAddr", "10.0.7.0/24")]), 2);
    }

    #[test]
    fn all_of_an_incident_are_narrowed_to_what_all_of_them_are() {
        let mut told = told(&[]);
        let share = |field: &str, value: &str, percent| Share {
            field: field.to_owned(),
            value: value.to_owned(),
            percent,
        };
        told.shares = vec![share("deviceType", "thermo", 99), share("deviceType", "mqtt", 100)];
        check(&all_of(&told), 2);
        told.shares = vec![share("deviceType", "thermo", 100), share("mqttConnectProtocol", "5", 100)];
        assert_eq!(names_of(&all_of(&told)), ["disconnectedAfter", "disconnectedBefore", "deviceType"]);
    }

    #[test]
    fn those_that_an_incident_left_away_are_found_by_how_they_went() {
        let check_away = |ends: &[(Option<&str>, Option<u8>)], filters: &str, is_wider: bool| {
            let (link, wider) = still_away(&told(ends));
            let told: Vec<String> = View::from_query_string(&link).filter.terms[3..]
                .iter()
                .map(|term| format!("{}={}", term.parameter(), term.values().join(",")))
                .collect();
            assert_eq!((told.join("&").as_str(), wider), (filters, is_wider));
        };
        let (network, server) = (Some("network"), Some("server"));
        check_away(&[(network, Some(128))], "disconnectInitiator=network&mqttReasonCode=128", false);
        check_away(
            &[(network, Some(128)), (network, Some(152))],
            "disconnectInitiator=network&mqttReasonCode=128,152",
            false,
        );
        // The server may have ended others with 128.
        check_away(
            &[(network, Some(128)), (server, Some(141))],
            "disconnectInitiator=network,server&mqttReasonCode=128,141",
            true,
        );
        check_away(&[(network, None)], "disconnectInitiator=network", true);
        check_away(&[(None, Some(128))], "mqttReasonCode=128", true);
        check_away(&[], "", true);
    }
}
