//! Entity tags: which answer a caller holds, so that asking again costs next to nothing while it is still true.
//!
//! A tag is a hash of the answer, so a caller who shows it holds that answer. To find this out without making the
//! answer again, the tags of the newest lists are kept, each with a watch that knows whether anything has happened
//! to its page since. Where the watch cannot tell, the answer is made again and its hash compared.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::{AHashMap, RandomState};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rollcall_model::Timestamp;
use serde::Serialize;

use super::error::ApiError;
use crate::fleet::{Fleet, Watch};

/// Lists whose tags are kept.
const KEPT_MAX: usize = 256;
/// Of a list with a longer question no tag is kept.
const QUESTION_BYTES_MAX: usize = 4_096;
/// Room for the JSON of a page.
const BODY_BYTES: usize = 32 * 1_024;

/// What tells tags.
#[derive(Debug, Default)]
pub struct Tags {
    /// With keys of its own in each run of the server, so that nobody can make two answers with one tag.
    hasher: RandomState,
    kept: Mutex<AHashMap<String, Arc<Kept>>>,
    /// Counts the uses of what is kept.
    uses: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    tag: String,
    watch: Mutex<Watch>,
    used: AtomicU64,
}

/// An answer in JSON, and its tag.
#[derive(Debug)]
pub struct Tagged {
    tag: String,
    body: Vec<u8>,
}

impl Tags {
    /// Writes an answer.
    ///
    /// # Errors
    /// When it has no JSON, which would be a bug.
    pub fn tagged(&self, answer: &impl Serialize, is_page: bool) -> Result<Tagged, ApiError> {
        let mut body = Vec::with_capacity(if is_page { BODY_BYTES } else { 1_024 });
        serde_json::to_writer(&mut body, answer).map_err(|error| ApiError::internal(&error))?;
        let tag = format!("W/\"{:x}-{:x}\"", self.hasher.hash_one(&body), body.len());
        Ok(Tagged { tag, body })
    }

    /// The answer 304, if the caller holds a list that was kept for this question, and it is still true.
    pub fn held(
        &self,
        question: &str,
        headers: &HeaderMap,
        fleet: &Fleet,
        now: Timestamp,
    ) -> Option<Response> {
        headers.get(header::IF_NONE_MATCH)?;
        let kept = Arc::clone(lock(&self.kept).get(question)?);
        let is_true = is_held(headers, &kept.tag) && fleet.is_unchanged(&mut lock(&kept.watch), now);
        kept.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        is_true.then(|| not_modified(&kept.tag))
    }

    /// Keeps the tag of the answer to a question.
    pub fn keep(&self, question: String, list: &Tagged, watch: Watch) {
        if question.len() > QUESTION_BYTES_MAX {
            return;
        }
        let kept = Kept {
            tag: list.tag.clone(),
            watch: Mutex::new(watch),
            used: AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed)),
        };
        let mut all = lock(&self.kept);
        if all.len() >= KEPT_MAX && !all.contains_key(&question) {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.used.load(Ordering::Relaxed));
            if let Some(oldest) = oldest.map(|(question, _)| question.clone()) {
                all.remove(&oldest);
            }
        }
        all.insert(question, Arc::new(kept));
    }
}

impl Tagged {
    /// The answer to a caller who may hold it.
    pub fn to(self, headers: &HeaderMap) -> Response {
        if is_held(headers, &self.tag) {
            return not_modified(&self.tag);
        }
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (caching(&self.tag), [content_type], self.body).into_response()
    }
}

/// Whether the caller holds the answer with this tag. Compares weakly, as RFC 9110 wants for `If-None-Match`.
fn is_held(headers: &HeaderMap, tag: &str) -> bool {
    fn opaque(tag: &str) -> &str {
        tag.trim().trim_start_matches("W/")
    }
    let wanted = opaque(tag);
    let held = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    held.flat_map(|value| value.split(',')).any(|held| held.trim() == "*" || opaque(held) == wanted)
}

fn not_modified(tag: &str) -> Response {
    (StatusCode::NOT_MODIFIED, caching(tag)).into_response()
}

/// An answer may be kept but must be checked before each use.
fn caching(tag: &str) -> [(HeaderName, HeaderValue); 2] {
    // It is made of hexadecimal digits.
    let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""));
    [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))]
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
