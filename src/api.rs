//! The State API, the Connection Logs API and Rollcall's own status, as typed calls.
//!
//! Called by the stores; the only module that fetches. It knows no view and retries nothing.

mod diagnosis;
mod fetch;
mod first;
mod overview;
mod plain;
mod session;

use std::collections::HashMap;

use rollcall_model::client_id::encode_path_segment;
use rollcall_model::log::{LogEntry, LogEvent};
use rollcall_model::query::{Filter, Query};
use rollcall_model::{StateDoc, Timestamp};
use serde::Deserialize;

pub use diagnosis::{Finding, diagnosis, diagnosis_address};
pub use fetch::{
    Abort, ApiError, Stream, Token, accept_answers_from_now_on, is_dialect_known, is_plain, learn_dialect,
    login, on_unauthorized,
};
use fetch::{get, get_json};
pub use first::first_date;
pub use overview::{Bucket, Counted, ENDED_BY, End, Incident, Reason, Series, Share, incidents, statistics};
pub use session::{Credentials, Who, made_up_client_id, sign_in, sign_in_with, sign_out, who_am_i};

use crate::url::{encode_pairs, event_names};

const STATES: &str = "/api/v0002/clientconnectionstates";
const LOGS: &str = "/api/v0002/logs/connection";
const EXPORT: &str = "/api/v0002/export/states";
const STATUS: &str = "/api/rollcall/v1/status";

/// The date of an answer, as its header says it, and between which moments by the reader's clock it was made.
#[derive(Debug)]
pub struct Dated {
    pub date: String,
    pub asked_ms: i64,
    pub told_ms: i64,
}

/// A page of states.
#[derive(Debug, Deserialize)]
pub struct Listing {
    pub results: Vec<StateDoc>,
    pub bookmark: Option<String>,
    /// A plain Watson server sends none.
    pub meta: Option<Meta>,
    #[serde(skip)]
    pub etag: Option<String>,
    /// The date of the answer, as its header says it.
    #[serde(skip)]
    pub date: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Meta {
    pub total_rows: Option<u64>,
    #[serde(default)]
    pub facets: HashMap<String, HashMap<String, u64>>,
    #[serde(default)]
    pub counts: HashMap<String, u64>,
    /// How many rows come before the client whose place was asked for, if it is one of them.
    pub place: Option<u64>,
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub version: String,
    pub org: String,
    #[serde(default)]
    pub demo_clients: u64,
    /// A demo fleet runs there or did. An older server does not say, and may have.
    pub had_demo: Option<bool>,
    /// Where MQTT clients connect: host and port.
    #[serde(default)]
    pub mqtt_addr: String,
    /// The same over TLS, where the server has a certificate.
    pub mqtts_addr: Option<String>,
    /// Devices connect without credentials; an older server does not say.
    #[serde(default)]
    pub accepts_anonymous: bool,
    /// Since when the feed from the broker is lost.
    pub feed_lost: Option<Timestamp>,
    #[serde(default)]
    pub lost_events: u64,
    pub journal_error: Option<String>,
    pub now: Timestamp,
    #[serde(default)]
    pub counts: FleetCounts,
    pub monitor_client_id: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FleetCounts {
    pub connected: u64,
    pub disconnected: u64,
    pub stale: u64,
}

/// A page of a client's log, newest first, and the address of the next.
#[derive(Debug, Default)]
pub struct LogPage {
    pub entries: Vec<LogEntry>,
    pub next: Option<String>,
}

/// The states that a query asks for; `None` when they are still those that `etag` names.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn list(query: &Query, etag: Option<&str>, token: &Token) -> Result<Option<Listing>, ApiError> {
    let address = format!("{STATES}?{}", encode_pairs(&query.to_pairs()));
    let Some(answer) = get(&address, etag, token).await? else { return Ok(None) };
    let mut listing: Listing = answer.parse()?;
    listing.etag = answer.etag;
    listing.date = answer.date;
    Ok(Some(listing))
}

/// The same as the server wrote it, for those who pass it on.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn states_text(query: &Query, token: &Token) -> Result<String, ApiError> {
    let address = format!("{STATES}?{}", encode_pairs(&query.to_pairs()));
    get(&address, None, token).await?.map(|answer| answer.body).ok_or(ApiError::Malformed)
}

/// Every state that passes the filter, as the server writes it to a file of the format (`csv` or `ndjson`), and how many
/// there are; `None` from a server that writes no files. Of the file only the rows `after` a client, if one is named.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn export(
    filter: Filter,
    format: &str,
    after: Option<&str>,
    token: Token,
) -> Result<Option<(Stream, Option<u64>)>, ApiError> {
    if is_plain() {
        return Ok(None);
    }
    let mut pairs = Query { filter, ..Query::default() }.to_pairs();
    pairs.push(("format".to_owned(), format.to_owned()));
    pairs.extend(after.map(|id| ("_afterId".to_owned(), id.to_owned())));
    match Stream::open(&format!("{EXPORT}?{}", encode_pairs(&pairs)), token).await {
        Err(ApiError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
        Ok((stream, headers)) => {
            let rows = headers.get("x-total-rows").ok().flatten();
            Ok(Some((stream, rows.and_then(|rows| rows.parse().ok()))))
        }
    }
}

/// The address of one client's state.
#[must_use]
pub fn client_address(id: &str) -> String {
    format!("{STATES}/{}", encode_path_segment(id))
}

/// The state of one client; `None` when the server does not know it.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn client(id: &str, token: &Token) -> Result<Option<StateDoc>, ApiError> {
    match get_json(&client_address(id), token).await {
        Err(ApiError::Refused { status: 404, .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// The address of the newest page of a client's log; of all kinds of entry where `events` names none. Empty where the
/// server keeps no log of such a client.
#[must_use]
pub fn log_address(
    id: &str,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    events: &[LogEvent],
    limit: u32,
) -> String {
    if is_plain() {
        return plain::log_address(id, from, to).unwrap_or_default();
    }
    let mut pairs = vec![("clientId".to_owned(), id.to_owned()), ("limit".to_owned(), limit.to_string())];
    if !events.is_empty() {
        pairs.push(("event".to_owned(), event_names(events)));
    }
    let times = [("fromTime", from), ("toTime", to)];
    pairs.extend(times.into_iter().filter_map(|(name, time)| Some((name.to_owned(), time?.to_string()))));
    format!("{LOGS}?{}", encode_pairs(&pairs))
}

/// A page of a log, by its address. A client that was never logged has an empty log, and so has one without an address.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn log(address: &str, token: &Token) -> Result<LogPage, ApiError> {
    if address.is_empty() {
        return Ok(LogPage::default());
    }
    let answer = match get(address, None, token).await {
        Err(ApiError::Refused { status: 404, .. }) | Ok(None) => return Ok(LogPage::default()),
        Ok(Some(answer)) => answer,
        Err(error) => return Err(error),
    };
    let entries: Vec<LogEntry> = answer.parse()?;
    let next = answer.link.as_deref().and_then(next_link).or_else(|| plain::next(address, &entries));
    Ok(LogPage { entries, next })
}

/// What the server says of itself; `None` from a plain Watson server.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn status(token: &Token) -> Result<Option<Status>, ApiError> {
    get(STATUS, None, token).await?.map(|answer| answer.parse()).transpose()
}

/// The text of a catalogue file.
///
/// # Errors
/// When the server cannot be reached or has no such file.
pub async fn catalogue(language: &str, token: &Token) -> Result<String, ApiError> {
    let answer = get(&format!("/locales/{language}.json"), None, token).await?;
    answer.map(|answer| answer.body).ok_or(ApiError::Malformed)
}

/// The path and query of the `rel="next"` entry of a `Link` header. The origin is dropped: the page may talk to
/// its own server only.
fn next_link(header: &str) -> Option<String> {
    let entry =
        header.split(',').find(|entry| entry.contains("rel=\"next\"") || entry.contains("rel=next"))?;
    let address = entry.split_once('<')?.1.split_once('>')?.0;
    let path = match address.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => address,
    };
    path.starts_with(LOGS).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_a_link_header() {
        let check = |header: &str, expect: Option<&str>| assert_eq!(next_link(header).as_deref(), expect);
        check("</api/v0002/logs/connection?a=1>; rel=\"next\"", Some("/api/v0002/logs/connection?a=1"));
        check("<http://h:1/api/v0002/logs/connection?b>; rel=\"next\"", Some("/api/v0002/logs/connection?b"));
        check("</elsewhere>; rel=\"next\"", None);
        check("</api/v0002/logs/connection?a=1>; rel=\"prev\"", None);
        check("", None);
    }

    #[test]
    fn the_status_of_an_older_or_newer_server_is_read() {
        let text =
            r#"{"version":"1","org":"acme01","now":"2026-11-20T12:00:00Z","feedLost":null,"surprise":[1]}"#;
        let status: Status = crate::json::from_str(text).unwrap();
        assert_eq!((status.org.as_str(), status.counts), ("acme01", FleetCounts::default()));
    }
}
