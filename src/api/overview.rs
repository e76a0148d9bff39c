//! What the overview asks for: the fleet over time, and incidents. Read by name and not by the model's types: the code
//! that reads maps of maps would weigh more than all the charts.

use rollcall_model::Timestamp;
use serde_json::Value;

use super::fetch::get_json;
use super::{ApiError, Token};
use crate::url::Period;

const STATISTICS: &str = "/api/v0002/statistics";
const INCIDENTS: &str = "/api/v0002/incidents";

/// By whom connections are ended, in the order of [`Bucket::ended`].
pub const ENDED_BY: [&str; 4] = ["client", "server", "network", "unknown"];

/// The fleet over a range of time, as `rollcall_model::statistics::Statistics` is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub step_ms: i64,
    /// What happened before this time is not counted.
    pub complete_from: Timestamp,
    /// The oldest first.
    pub buckets: Vec<Bucket>,
    pub flappers: Vec<Counted>,
    pub refused: Vec<Counted>,
    pub refused_addresses: Vec<Counted>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    pub time: Timestamp,
    /// At its end.
    pub connected: Option<u64>,
    /// The number of the connected is reckoned back from the log.
    pub is_inferred: bool,
    pub connects: u64,
    pub disconnects: u64,
    pub refused: u64,
    pub ended: [u64; 4],
    /// The disconnects by MQTT 5 reason code, decimal, `unknown` or `other`.
    pub reasons: Vec<Counted>,
}

/// A name, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub name: String,
    pub count: u64,
}

/// Many clients that were lost at once, as `rollcall_model::diagnosis::Incident` is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    pub cause: String,
    pub since: Timestamp,
    /// Absent while it goes on.
    pub until: Option<Timestamp>,
    pub clients: u64,
    /// Not all ends were reported by the broker.
    pub is_inferred: bool,
    pub shares: Vec<Share>,
}

/// What nearly all clients of an incident have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub field: String,
    pub value: String,
    /// How many of a hundred have it.
    pub percent: u64,
}

/// The fleet over a period; `None` from a server that does not count.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn statistics(period: Period, token: &Token) -> Result<Option<Series>, ApiError> {
    let address = format!("{STATISTICS}?fromTime=now-{}&step={}", period.name(), period.step());
    match get_json::<Value>(&address, token).await {
        Err(ApiError::Refused { status: 404, .. }) => Ok(None),
        answer => series(&answer?).ok_or(ApiError::Malformed).map(Some),
    }
}

/// The incidents of the past `hours`, at most 24, the newest first.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn incidents(hours: u32, token: &Token) -> Result<Vec<Incident>, ApiError> {
    match get_json::<Value>(&format!("{INCIDENTS}?fromTime=now-{hours}h"), token).await {
        Err(ApiError::Refused { status: 404, .. }) => Ok(Vec::new()),
        answer => Ok(list(&answer?["incidents"], incident)),
    }
}

fn series(answer: &Value) -> Option<Series> {
    Some(Series {
        step_ms: answer["stepMs"].as_i64().filter(|ms| *ms > 0)?,
        complete_from: time(&answer["completeFrom"])?,
        buckets: list(answer.get("buckets")?, bucket),
        flappers: list(&answer["topFlappers"], top),
        refused: list(&answer["topRefused"], top),
        refused_addresses: list(&answer["topRefusedAddresses"], top),
    })
}

fn bucket(value: &Value) -> Option<Bucket> {
    let reasons = value["byReason"].as_object();
    let reason = |(name, count): (&String, &Value)| Counted { name: name.clone(), count: number(count) };
    Some(Bucket {
        time: time(&value["time"])?,
        connected: value["connected"].as_u64(),
        is_inferred: value["connectedCertainty"] == "inferred",
        connects: number(&value["connects"]),
        disconnects: number(&value["disconnects"]),
        refused: number(&value["refused"]),
        ended: ENDED_BY.map(|name| number(&value["byInitiator"][name])),
        reasons: reasons.into_iter().flatten().map(reason).collect(),
    })
}

fn top(value: &Value) -> Option<Counted> {
    Some(Counted { name: text(&value["name"])?, count: number(&value["count"]) })
}

fn incident(value: &Value) -> Option<Incident> {
    Some(Incident {
        cause: text(&value["cause"])?,
        since: time(&value["since"])?,
        until: time(&value["until"]),
        clients: number(&value["clients"]),
        is_inferred: value["certainty"] != "reported",
        shares: list(&value["shares"], share),
    })
}

fn share(value: &Value) -> Option<Share> {
    let percent = value["share"].as_f64()?.clamp(0.0, 1.0) * 100.0;
    // Not all is not a hundred of a hundred.
    Some(Share { field: text(&value["field"])?, value: text(&value["value"])?, percent: percent as u64 })
}

/// What can be read of a list; a newer server may have more in it.
fn list<T>(value: &Value, read: fn(&Value) -> Option<T>) -> Vec<T> {
    value.as_array().into_iter().flatten().filter_map(read).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn time(value: &Value) -> Option<Timestamp> {
    Timestamp::parse(value.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use rollcall_model::Certainty;
    use rollcall_model::statistics::{Bucket as Told, Statistics, Top};

    use super::*;

    #[test]
    fn what_the_server_counts_is_read_by_the_same_names() {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let told = Told {
            time: at,
            connected: Some(7),
            connected_certainty: Some(Certainty::Inferred),
            connects: 3,
            disconnects: 5,
            refused: 2,
            by_initiator: [("network".to_owned(), 4), ("unknown".to_owned(), 1)].into(),
            by_reason: [("128".to_owned(), 4), ("unknown".to_owned(), 1)].into(),
        };
        let names = |name: &str| vec![Top { name: name.to_owned(), count: 9 }];
        let statistics = Statistics {
            from: at,
            to: at,
            step_ms: 60_000,
            complete_from: at,
            buckets: vec![told],
            top_flappers: names("f"),
            top_refused: names("r"),
            top_refused_addresses: names("a"),
        };
        let read = series(&serde_json::to_value(statistics).unwrap()).unwrap();
        let bucket = &read.buckets[0];
        assert_eq!((read.step_ms, read.complete_from, bucket.time), (60_000, at, at));
        assert_eq!((bucket.connected, bucket.is_inferred), (Some(7), true));
        assert_eq!((bucket.connects, bucket.disconnects, bucket.refused), (3, 5, 2));
        assert_eq!(bucket.ended, [0, 0, 4, 1]);
        let count = |name: &str, count| Counted { name: name.to_owned(), count };
        assert_eq!(bucket.reasons, [count("128", 4), count("unknown", 1)]);
        let tops = [&read.flappers[0], &read.refused[0], &read.refused_addresses[0]];
        assert_eq!(tops, [&count("f", 9), &count("r", 9), &count("a", 9)]);
    }

    #[test]
    fn an_incident_is_read_as_the_api_writes_it() {
        let read = incident(&serde_json::json!({
            "cause": "keepAlive", "certainty": "reported", "since": "2026-11-20T08:40:54.456Z",
            "clients": 412, "usual": 1.5, "message": "m",
            "shares": [{ "field": "subnet", "value": "10.0.7.0/24", "share": 0.998, "baseShare": 0.05 }],
        }));
        let read = read.unwrap();
        assert_eq!((read.cause.as_str(), read.clients, read.until), ("keepAlive", 412, None));
        assert_eq!(read.shares[0].percent, 99);
        assert!(!read.is_inferred);
    }

    #[test]
    fn an_answer_of_something_else_is_none() {
        assert_eq!(series(&serde_json::json!({ "results": [] })), None);
        assert_eq!(list(&serde_json::json!(7), incident), []);
    }
}
