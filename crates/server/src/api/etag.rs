//! Entity tags: which answer a caller holds, so that asking again costs nothing while it is still true.
//!
//! A tag names the run of the server, the fleet's version, the question and, because two things change by the
//! mere passing of time, the time: the second for relative filters (`now-15m`), otherwise the minute, because
//! `recentConnects` counts down as connects grow older than an hour. Within such a step an answer may be held to
//! be the same although a count has just changed; the tags are weak for that reason.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rollcall_model::Timestamp;
use serde::Serialize;

use crate::fleet::text_hash;

/// What the answer depends on besides the fleet's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    run: u64,
    hash: u64,
    step: i64,
}

impl Question {
    /// `texts` name the question; `is_relative` when it has filters that move with the time.
    pub fn new<'a>(
        run: u64,
        texts: impl IntoIterator<Item = &'a str>,
        is_relative: bool,
        now: Timestamp,
    ) -> Self {
        let step_ms = if is_relative { 1_000 } else { 60_000 };
        Self { run, hash: text_hash(texts), step: now.millis().div_euclid(step_ms) }
    }

    pub fn tag(&self, fleet_version: u64) -> String {
        format!("W/\"{:x}-{fleet_version:x}-{:x}-{:x}\"", self.run, self.hash, self.step)
    }
}

/// Whether the caller holds the answer with this tag. Compares weakly, as RFC 9110 wants for `If-None-Match`.
pub fn is_held(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let wanted = opaque(tag);
    let held = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    held.flat_map(|value| value.split(',')).any(|held| held.trim() == "*" || opaque(held) == wanted)
}

pub fn not_modified(tag: &str) -> Response {
    (StatusCode::NOT_MODIFIED, headers(tag)).into_response()
}

pub fn tagged(tag: &str, body: impl Serialize) -> Response {
    (headers(tag), Json(body)).into_response()
}

/// An answer may be kept but must be checked before each use.
fn headers(tag: &str) -> [(header::HeaderName, String); 2] {
    [(header::ETAG, tag.to_owned()), (header::CACHE_CONTROL, "no-cache".to_owned())]
}
