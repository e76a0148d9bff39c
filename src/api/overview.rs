//! What the overview asks for: the fleet over time, and incidents. Read by name and not by the model's types: the code
//! that reads maps of maps would weigh more than all the charts.

use rollcall_model::Timestamp;

use super::fetch::{Answer, get};
use super::{ApiError, Token, is_plain};
use crate::json;
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
    /// The oldest time that the log tells of, or the server's start if the log was empty then.
    pub begins: Timestamp,
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
    /// Why connections ended, by whom.
    pub reasons: Vec<Reason>,
}

/// How often connections were ended by somebody for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// By which one of [`ENDED_BY`].
    pub by: usize,
    /// The MQTT 5 reason code, decimal, or `unknown` or `other`.
    pub name: String,
    pub count: u64,
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
    pub ends: Vec<End>,
    /// How many of them are disconnected since; an older server does not say.
    pub still_away: Option<u64>,
}

/// One way in which connections of an incident ended, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub initiator: Option<String>,
    pub mqtt_reason_code: Option<u8>,
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
    if is_plain() {
        return Ok(None);
    }
    let address = format!("{STATISTICS}?fromTime=now-{}&step={}", period.name(), period.step());
    match get(&address, None, token).await {
        Err(ApiError::Refused { status: 404, .. }) => Ok(None),
        answer => series(&Members::of(&body(answer)?)?).ok_or(ApiError::Malformed).map(Some),
    }
}

/// The incidents of the past `hours`, at most 24, the newest first.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn incidents(hours: u32, token: &Token) -> Result<Vec<Incident>, ApiError> {
    if is_plain() {
        return Ok(Vec::new());
    }
    match get(&format!("{INCIDENTS}?fromTime=now-{hours}h"), None, token).await {
        Err(ApiError::Refused { status: 404, .. }) => Ok(Vec::new()),
        answer => Ok(Members::of(&body(answer)?)?.list("incidents", incident)),
    }
}

fn body(answer: Result<Option<Answer>, ApiError>) -> Result<String, ApiError> {
    answer?.map(|answer| answer.body).ok_or(ApiError::Malformed)
}

fn series(answer: &Members<'_>) -> Option<Series> {
    let complete_from = answer.time("completeFrom")?;
    Some(Series {
        step_ms: answer.read("stepMs").filter(|ms| *ms > 0)?,
        complete_from,
        begins: answer.time("begins").unwrap_or(complete_from),
        buckets: answer.value("buckets").map(|_| answer.list("buckets", bucket))?,
        flappers: answer.list("topFlappers", top),
        refused: answer.list("topRefused", top),
        refused_addresses: answer.list("topRefusedAddresses", top),
    })
}

fn bucket(bucket: &Members<'_>) -> Option<Bucket> {
    let ended = bucket.object("byInitiator");
    let by_whom = bucket.object("reasonsByInitiator");
    let mut reasons = Vec::new();
    for (by, whom) in ENDED_BY.iter().enumerate() {
        for (name, count) in by_whom.object(whom).0 {
            reasons.push(Reason { by, name, count: json::from_str(count).unwrap_or_default() });
        }
    }
    Some(Bucket {
        time: bucket.time("time")?,
        connected: bucket.read("connected"),
        is_inferred: bucket.text("connectedCertainty").is_some_and(|certainty| certainty == "inferred"),
        connects: bucket.number("connects"),
        disconnects: bucket.number("disconnects"),
        refused: bucket.number("refused"),
        ended: ENDED_BY.map(|name| ended.number(name)),
        reasons,
    })
}

fn top(top: &Members<'_>) -> Option<Counted> {
    Some(Counted { name: top.text("name")?, count: top.number("count") })
}

impl Incident {
    /// Whether somebody should look now: it goes on, or most of its clients are still away.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        match self.still_away {
            Some(0) => false,
            Some(away) if away.saturating_mul(2) >= self.clients => true,
            _ => self.until.is_none(),
        }
    }

    /// Reads one; `None` when it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        incident(&Members::of(text).ok()?)
    }
}

fn incident(incident: &Members<'_>) -> Option<Incident> {
    Some(Incident {
        cause: incident.text("cause")?,
        since: incident.time("since")?,
        until: incident.time("until"),
        clients: incident.number("clients"),
        is_inferred: incident.text("certainty").is_none_or(|certainty| certainty != "reported"),
        shares: incident.list("shares", share),
        ends: incident.list("ends", end),
        still_away: incident.read("stillAway"),
    })
}

fn end(end: &Members<'_>) -> Option<End> {
    Some(End { initiator: end.text("initiator"), mqtt_reason_code: end.read("mqttReasonCode") })
}

fn share(share: &Members<'_>) -> Option<Share> {
    let share_of = share.read::<f64>("share")?.clamp(0.0, 1.0);
    let percent = (share_of * 100.0).round() as u64;
    // Not all is not a hundred of a hundred.
    let percent = if share_of < 1.0 { percent.min(99) } else { percent };
    Some(Share { field: share.text("field")?, value: share.text("value")?, percent })
}

/// The members of an object, each with the text of its value.
struct Members<'a>(Vec<(String, &'a str)>);

impl<'a> Members<'a> {
    fn of(text: &'a str) -> Result<Self, ApiError> {
        json::members(text).map(Self).map_err(|_| ApiError::Malformed)
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rfind(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// `None` for what is absent or of another type.
    fn read<T: serde::Deserialize<'a>>(&self, name: &str) -> Option<T> {
        json::from_str(self.value(name)?).ok()
    }

    fn number(&self, name: &str) -> u64 {
        self.read(name).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.read(name)
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse(&self.text(name)?).ok()
    }

    /// Without members if it is absent or no object.
    fn object(&self, name: &str) -> Members<'a> {
        self.value(name).and_then(|value| Self::of(value).ok()).unwrap_or(Self(Vec::new()))
    }

    /// What can be read of a list; a newer server may have more in it.
    fn list<T>(&self, name: &str, read: fn(&Members<'_>) -> Option<T>) -> Vec<T> {
        let items = self.value(name).and_then(|value| json::items(value).ok()).unwrap_or_default();
        items.into_iter().filter_map(|item| read(&Members::of(item).ok()?)).collect()
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
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
            reasons_by_initiator: [
                ("network".to_owned(), [("128".to_owned(), 4)].into()),
                ("unknown".to_owned(), [("unknown".to_owned(), 1)].into()),
            ]
            .into(),
        };
        let names = |name: &str| vec![Top { name: name.to_owned(), count: 9 }];
        let statistics = Statistics {
            from: at,
            to: at,
            step_ms: 60_000,
            complete_from: at,
            begins: Some(at.plus_ms(1)),
            buckets: vec![told],
            top_flappers: names("f"),
            top_refused: names("r"),
            top_refused_addresses: names("a"),
        };
        let text = serde_json::to_string(&statistics).unwrap();
        let read = series(&Members::of(&text).unwrap()).unwrap();
        let bucket = &read.buckets[0];
        assert_eq!((read.step_ms, read.complete_from, bucket.time), (60_000, at, at));
        assert_eq!(read.begins, at.plus_ms(1));
        assert_eq!((bucket.connected, bucket.is_inferred), (Some(7), true));
        assert_eq!((bucket.connects, bucket.disconnects, bucket.refused), (3, 5, 2));
        assert_eq!(bucket.ended, [0, 0, 4, 1]);
        let reason = |by, name: &str, count| Reason { by, name: name.to_owned(), count };
        assert_eq!(bucket.reasons, [reason(2, "128", 4), reason(3, "unknown", 1)]);
        let count = |name: &str, count| Counted { name: name.to_owned(), count };
        let tops = [&read.flappers[0], &read.refused[0], &read.refused_addresses[0]];
        assert_eq!(tops, [&count("f", 9), &count("r", 9), &count("a", 9)]);
    }

    #[test]
    fn an_incident_is_read_as_the_api_writes_it() {
        let text = serde_json::json!({
            "cause": "keepAlive", "certainty": "reported", "since": "2026-11-20T08:40:54.456Z",
            "clients": 412, "usual": 1.5, "message": "m",
            "shares": [{ "field": "subnet", "value": "10.0.7.0/24", "share": 0.998, "baseShare": 0.05 }],
            "ends": [{ "initiator": "server", "mqttReasonCode": 141, "clients": 400 }, { "clients": 12 }],
            "stillAway": 3,
        })
        .to_string();
        let read = incident(&Members::of(&text).unwrap()).unwrap();
        assert_eq!((read.cause.as_str(), read.clients, read.until), ("keepAlive", 412, None));
        assert_eq!(read.shares[0].percent, 99);
        let by_server = End { initiator: Some("server".to_owned()), mqtt_reason_code: Some(141) };
        assert_eq!(read.ends, [by_server, End { initiator: None, mqtt_reason_code: None }]);
        assert!(!read.is_inferred);
        assert_eq!((read.still_away, read.is_urgent()), (Some(3), true));
        let over = Incident { until: Some(read.since), ..read.clone() };
        assert!(!over.is_urgent() && Incident { still_away: Some(206), ..over }.is_urgent());
    }

    #[test]
    fn an_answer_of_something_else_is_none() {
        let other = Members::of(r#"{ "results": 7 }"#).unwrap();
        assert_eq!(series(&other), None);
        assert_eq!(other.list("results", incident), []);
        assert!(Members::of("7").is_err());
    }
}
