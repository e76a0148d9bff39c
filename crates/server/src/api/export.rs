//! `GET /api/v0002/export/states`: every state that passes the filters, in one answer that is written while it is read.
//!
//! The fleet is read a page at a time, in the line of the other questions, so a long export holds up nobody. It is no
//! snapshot: a client that changes meanwhile is there as it was or as it is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use rollcall_model::Timestamp;
use rollcall_model::query::Query;

use super::error::{ApiError, ErrorBody};
use super::params::Pairs;
use super::schema::{ExportParameters, FilterParameters};
use super::{Shared, SharedState};
use crate::export::{Format, StateRows, states_query};
use crate::fleet::{Page, after_id};

/// How often, and after which pause, a page is asked for again while the server has too much to do.
const OVERLOADED_TRIES: u32 = 60;
const OVERLOADED_PAUSE: Duration = Duration::from_secs(1);
/// Where to go on.
const AFTER_ID: &str = "_afterId";
/// How many rows the whole export has, also where only the rest of it is asked for.
const TOTAL_ROWS: HeaderName = HeaderName::from_static("x-total-rows");

/// All clients that pass every filter, as a file.
///
/// The filters are those of the list of states; there are no pages. The header `X-Total-Rows` says at the start how many
/// rows passed the filters then; what changes meanwhile can make them more or fewer. An answer that ends early is
/// broken off, not complete: the same request with `_afterId`, the id of the last whole row, gets the rest. In CSV a cell
/// that a spreadsheet would run as a formula has an apostrophe in front.
#[utoipa::path(
    get,
    path = "/api/v0002/export/states",
    operation_id = "exportClientConnectionStates",
    tag = "State API",
    params(FilterParameters, ExportParameters),
    responses(
        (
            status = 200, description = "All states.",
            content((String = "application/x-ndjson"), (String = "text/csv")),
            headers(("X-Total-Rows" = u64, description = "How many rows there are, for a display of progress."))
        ),
        (
            status = 400, body = ErrorBody,
            description = "A parameter is not known or has a value that it cannot have; `violations` says which."
        ),
    ),
)]
pub async fn states(State(shared): SharedState, pairs: Pairs) -> Result<Response, ApiError> {
    let name = pairs.get("format").unwrap_or("ndjson");
    let format = Format::from_name(name)
        .ok_or_else(|| ApiError::invalid_one("format", name, "ndjson or csv is needed"))?;
    let filters = pairs.iter().filter(|(name, _)| !matches!(*name, "format" | AFTER_ID));
    let mut query = states_query(filters).map_err(ApiError::invalid)?;
    let after = pairs.get(AFTER_ID).filter(|id| !id.is_empty());
    if let Some(id) = after {
        if !query.sort.is_empty() {
            return Err(ApiError::invalid_one(
                AFTER_ID,
                id,
                "leave _sort out: it goes by the order of the ids",
            ));
        }
        query.bookmark = Some(after_id(&query, id));
    }
    let rows = StateRows(format);
    let now = shared.now();

    // The first page before the answer begins: it knows how many rows there are.
    let mut first = Vec::new();
    if after.is_none() {
        rows.start(&mut first);
    }
    let page = ask(&shared, query.clone(), now).await?;
    let total = page.total_rows;
    let rest = append(&mut first, rows, page, query)?;
    let body = stream::try_unfold((Some(first), rest), move |(ready, rest)| {
        let shared = Arc::clone(&shared);
        async move { next(&shared, rows, now, ready, rest).await }
    });
    let file = format!("attachment; filename=\"clients.{}\"", format.extension());
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
        (CONTENT_DISPOSITION, HeaderValue::from_str(&file).map_err(|error| ApiError::internal(&error))?),
        (TOTAL_ROWS, HeaderValue::from(total)),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

async fn ask(shared: &Arc<Shared>, query: Query, now: Timestamp) -> Result<Page, ApiError> {
    let page = shared.busy(move |api| api.fleet.query(&query, now)).await?;
    page.map_err(|error| ApiError::internal(&error))
}

/// Appends a page and returns the question for the next one, if there is one.
fn append(
    out: &mut Vec<u8>,
    rows: StateRows,
    page: Page,
    mut query: Query,
) -> Result<Option<Query>, ApiError> {
    for doc in &page.results {
        rows.push(out, doc, None).map_err(|error| ApiError::internal(&error))?;
    }
    query.bookmark = page.bookmark;
    Ok(query.bookmark.is_some().then_some(query))
}

/// What is ready and what is still to be asked.
type Rest = (Option<Vec<u8>>, Option<Query>);

/// The next piece of the body. An error breaks the answer off, so that nobody takes it for complete.
async fn next(
    shared: &Arc<Shared>,
    rows: StateRows,
    now: Timestamp,
    ready: Option<Vec<u8>>,
    rest: Option<Query>,
) -> io::Result<Option<(Bytes, Rest)>> {
    if let Some(ready) = ready {
        return Ok(Some((ready.into(), (None, rest))));
    }
    let Some(query) = rest else { return Ok(None) };
    let mut out = Vec::new();
    let step = match patiently(shared, &query, now).await {
        Ok(page) => append(&mut out, rows, page, query),
        Err(error) => Err(error),
    };
    // What went wrong is in the server's log.
    let rest = step.map_err(|_| io::Error::other("the export was broken off"))?;
    Ok(Some((out.into(), (None, rest))))
}

/// Asks again a few times when too many others ask: half an export is of no use.
async fn patiently(shared: &Arc<Shared>, query: &Query, now: Timestamp) -> Result<Page, ApiError> {
    for _ in 0..OVERLOADED_TRIES {
        match ask(shared, query.clone(), now).await {
            Err(error) if error.is_overload() => tokio::time::sleep(OVERLOADED_PAUSE).await,
            result => return result,
        }
    }
    ask(shared, query.clone(), now).await
}
