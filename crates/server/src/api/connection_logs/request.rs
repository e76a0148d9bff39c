//! What a request to the Connection Logs API asks for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rollcall_model::Timestamp;
use rollcall_model::log::LogEvent;
use rollcall_model::query::Violation;
use rollcall_model::time::TimeExpr;

use crate::api::error::violation;
use crate::api::params::Pairs;
use crate::fleet::text_hash;
use crate::journal::{LogCursor, LogQuery};

const DEFAULT_LIMIT: u32 = 10;
/// Watson's bounds, for a device that is named by type and id.
const DEVICE_LIMIT_MAX: u32 = 20;
const OFFSET_MAX: u32 = 1_000;
/// Rollcall's, for a client that is named by its id.
const CLIENT_LIMIT_MAX: u32 = 1_000;
/// Longer than a client id can be.
const ID_BYTES_MAX: usize = 65_535;

/// Whose log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Client(String),
    Device { type_id: String, device_id: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRequest {
    pub subject: Subject,
    /// Its client id is still empty.
    pub query: LogQuery,
}

impl LogRequest {
    /// Reads the parameters; those that are not known are ignored, because IBM's own connector sends some.
    ///
    /// # Errors
    /// One violation for each parameter that is missing or has a value that it cannot have.
    pub fn parse(pairs: &Pairs, now: Timestamp) -> Result<Self, Vec<Violation>> {
        let mut problems = Vec::new();
        let subject = subject(pairs, &mut problems);
        let is_client = matches!(subject, Some(Subject::Client(_)));
        let limit_max = if is_client { CLIENT_LIMIT_MAX } else { DEVICE_LIMIT_MAX };
        let limit = number(pairs, "limit", 1..=limit_max, &mut problems).unwrap_or(DEFAULT_LIMIT);
        let offset = number(pairs, "offset", 1..=OFFSET_MAX, &mut problems).unwrap_or(0);
        let (from, to) = times(pairs, now, &mut problems);
        let events = events(pairs, &mut problems);
        let after = pairs.get("bookmark").filter(|text| is_client && !text.is_empty()).and_then(|bookmark| {
            let cursor = read_bookmark(bookmark, pairs);
            if cursor.is_none() {
                problems.push(violation("bookmark", bookmark, "this is not a bookmark of this client's log"));
            }
            cursor
        });
        match subject {
            Some(subject) if problems.is_empty() => {
                let query = LogQuery { client_id: String::new(), from, to, events, limit, offset, after };
                Ok(Self { subject, query })
            }
            _ => Err(problems),
        }
    }

    /// The `Link` header that leads to the page behind `cursor`; for logs by client id only.
    pub fn next_link(&self, pairs: &Pairs, cursor: LogCursor) -> Option<String> {
        let Subject::Client(id) = &self.subject else { return None };
        let bookmark = write_bookmark(id, cursor);
        let others = pairs.iter().filter(|(name, _)| !matches!(*name, "bookmark" | "offset"));
        let query = Pairs::encode(others.chain([("bookmark", bookmark.as_str())]));
        Some(format!("</api/v0002/logs/connection?{query}>; rel=\"next\""))
    }
}

fn subject(pairs: &Pairs, problems: &mut Vec<Violation>) -> Option<Subject> {
    for name in ["clientId", "typeId", "deviceId"] {
        if let Some(value) = pairs.get(name).filter(|value| value.len() > ID_BYTES_MAX) {
            problems.push(violation(name, value, "a value may have at most 65,535 bytes"));
        }
    }
    if let Some(id) = pairs.get("clientId") {
        return Some(Subject::Client(id.to_owned()));
    }
    let mut needed = |name: &str| {
        let value = pairs.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        if value.is_none() {
            problems.push(violation(name, "", "typeId and deviceId are needed, or clientId"));
        }
        value
    };
    let (type_id, device_id) = (needed("typeId"), needed("deviceId"));
    Some(Subject::Device { type_id: type_id?, device_id: device_id? })
}

fn number(
    pairs: &Pairs,
    name: &str,
    range: std::ops::RangeInclusive<u32>,
    problems: &mut Vec<Violation>,
) -> Option<u32> {
    let value = pairs.get(name)?;
    let number = value.parse().ok().filter(|number| range.contains(number));
    if number.is_none() {
        let problem = format!("a whole number from {} to {} is needed", range.start(), range.end());
        problems.push(violation(name, value, &problem));
    }
    number
}

fn times(
    pairs: &Pairs,
    now: Timestamp,
    problems: &mut Vec<Violation>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let mut time = |name: &str| {
        let value = pairs.get(name)?;
        match TimeExpr::parse(value) {
            Ok(time) => Some(time.resolve(now)),
            Err(error) => {
                problems.push(violation(name, value, &error.to_string()));
                None
            }
        }
    };
    // Watson wanted both or none; one alone says enough.
    (time("fromTime"), time("toTime"))
}

fn events(pairs: &Pairs, problems: &mut Vec<Violation>) -> Vec<LogEvent> {
    let mut events = Vec::new();
    for value in pairs.all("event") {
        for name in value.split(',').map(str::trim) {
            match name {
                "connect" => events.push(LogEvent::Connect),
                "failedConnect" => events.push(LogEvent::FailedConnect),
                "disconnect" => events.push(LogEvent::Disconnect),
                _ => {
                    let problem = "one or more of connect, failedConnect, disconnect are needed";
                    problems.push(violation("event", value, problem));
                    break;
                }
            }
        }
    }
    events
}

/// A bookmark belongs to the log of one client; other parameters may change between pages.
fn write_bookmark(id: &str, cursor: LogCursor) -> String {
    let numbers = [cursor.time.millis().to_be_bytes(), cursor.sequence.to_be_bytes()].concat();
    URL_SAFE_NO_PAD.encode([&text_hash([id]).to_be_bytes()[..], &numbers].concat())
}

fn read_bookmark(bookmark: &str, pairs: &Pairs) -> Option<LogCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(bookmark).ok()?;
    let (hash, rest) = bytes.split_first_chunk::<8>()?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let sequence: &[u8; 8] = rest.try_into().ok()?;
    let own = text_hash(pairs.get("clientId"));
    (u64::from_be_bytes(*hash) == own).then(|| LogCursor {
        time: Timestamp::from_millis(i64::from_be_bytes(*time)),
        sequence: i64::from_be_bytes(*sequence),
    })
}
