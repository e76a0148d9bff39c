//! `GET /api/v0002/clientconnectionstates`: filtered, sorted, paged and counted.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use rollcall_model::StateDoc;
use rollcall_model::query::{Field, Query};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::api::error::{ApiError, ErrorBody};
use crate::api::etag::Tagged;
use crate::api::params::Pairs;
use crate::api::schema::{ClientConnectionStates, FilterParameters, PagingParameters};
use crate::api::{ApiState, SharedState};
use crate::fleet::{BookmarkError, Page};

/// The states of all clients that pass every filter.
///
/// All filters combine with AND. A parameter that stands more than once gives alternatives; so does a comma, where
/// the values are a closed list or codes. `!` at the end of a parameter's name excludes what it finds:
/// `deviceType!=demo`. A walk by `_bookmark` in id order over a changing fleet returns every client that matched
/// throughout exactly once; in another order a client whose sort value changes meanwhile may be met twice or missed.
#[utoipa::path(
    get,
    path = "/api/v0002/clientconnectionstates",
    operation_id = "listClientConnectionStates",
    tag = "State API",
    params(
        FilterParameters,
        PagingParameters,
        (
            "If-None-Match" = Option<String>, Header,
            description = "The `ETag` of an earlier answer: the answer is 304 if it is still right."
        ),
    ),
    responses(
        (
            status = 200, description = "One page of states.", body = ClientConnectionStates,
            headers(("ETag" = String, description = "For `If-None-Match`."))
        ),
        (status = 304, description = "The page is still the one that the caller holds."),
        (
            status = 400, body = ErrorBody,
            description = "A parameter is not known or has a value that it cannot have; `violations` says which."
        ),
    ),
)]
pub async fn list(
    State(shared): SharedState,
    RawQuery(question): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (question, now) = (question.unwrap_or_default(), shared.now());
    if let Some(answer) = shared.tags.held(&question, &headers, &shared.state.fleet, now) {
        return Ok(answer);
    }
    let pairs = Pairs::decode(&question)?;
    let query = Query::parse(pairs.iter()).map_err(ApiError::invalid)?;
    let this = Arc::clone(&shared);
    let answered = move |api: &ApiState| -> Result<Tagged, ApiError> {
        let (page, watch) = api
            .fleet
            .query_watched(&query, now)
            .map_err(|error| bookmark_refused(query.bookmark.as_deref(), error))?;
        let list = this.tags.tagged(&List::new(page, &pairs, |doc| doc), true)?;
        this.tags.keep(question, &list, watch);
        Ok(list)
    };
    Ok(shared.busy(answered).await??.to(&headers))
}

pub fn bookmark_refused(bookmark: Option<&str>, error: BookmarkError) -> ApiError {
    ApiError::invalid_one("_bookmark", bookmark.unwrap_or_default(), &error.to_string())
}

/// A page on the wire.
#[derive(serde::Serialize)]
pub struct List<R> {
    results: Vec<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bookmark: Option<String>,
    meta: Meta,
}

#[derive(serde::Serialize)]
struct Meta {
    total_rows: u64,
    #[serde(skip_serializing_if = "Facets::is_empty")]
    facets: Facets,
    #[serde(skip_serializing_if = "Counts::is_empty")]
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<u64>,
}

impl<R> List<R> {
    /// `pairs` are the question, whose names the facets get.
    pub fn new(page: Page, pairs: &Pairs, row: impl Fn(StateDoc) -> R) -> Self {
        Self {
            results: page.results.into_iter().map(row).collect(),
            bookmark: page.bookmark,
            meta: Meta {
                total_rows: page.total_rows,
                facets: Facets::new(page.facets, pairs),
                counts: Counts(page.counts),
                place: page.place,
            },
        }
    }
}

/// Facets as an object of objects, whose members keep their order: the most frequent value first.
struct Facets {
    counts: Vec<(Field, Counts)>,
    /// The names that were asked for, each once; a field can have two.
    names: Vec<(String, Field)>,
}

impl Facets {
    fn new(counts: Vec<(Field, Vec<(String, u64)>)>, pairs: &Pairs) -> Self {
        let mut names: Vec<(String, Field)> = Vec::new();
        for name in pairs.all("_facets").flat_map(|value| value.split(',')).map(str::trim) {
            if let Some(field) =
                Field::from_name(name).filter(|_| names.iter().all(|(known, _)| known != name))
            {
                names.push((name.to_owned(), field));
            }
        }
        Self { counts: counts.into_iter().map(|(field, counts)| (field, Counts(counts))).collect(), names }
    }

    fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

/// Counts as an object, whose members keep their order.
struct Counts(Vec<(String, u64)>);

impl Counts {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Facets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.names.len()))?;
        for (name, field) in &self.names {
            if let Some((_, counts)) = self.counts.iter().find(|(counted, _)| counted == field) {
                map.serialize_entry(name, counts)?;
            }
        }
        map.end()
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(value, count)| (value, count)))
    }
}
