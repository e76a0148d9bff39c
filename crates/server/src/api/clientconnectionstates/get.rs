//! `GET /api/v0002/clientconnectionstates/{clientId}`: the state of one client.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::SharedState;
use crate::api::error::{ApiError, ErrorBody};
use crate::api::params::Segments;
use crate::api::schema::ClientConnectionState;

/// The state of one client.
#[utoipa::path(
    get,
    path = "/api/v0002/clientconnectionstates/{clientId}",
    operation_id = "getClientConnectionState",
    tag = "State API",
    params(
        (
            "clientId" = String, Path, example = "d:acme01:thermo:t-17",
            description = "The client id, percent-encoded; colons may stay as they are, a slash is `%2F`."
        ),
        (
            "If-None-Match" = Option<String>, Header,
            description = "The `ETag` of an earlier answer: the answer is 304 if it is still right."
        ),
    ),
    responses(
        (
            status = 200, description = "The state of the client.", body = ClientConnectionState,
            headers(("ETag" = String, description = "For `If-None-Match`."))
        ),
        (status = 304, description = "The state is still the one that the caller holds."),
        (status = 400, description = "The id is not UTF-8.", body = ErrorBody),
        (
            status = 404, body = ErrorBody,
            description = "No client of that id is known; `exception.properties` is the id."
        ),
    ),
)]
pub async fn get(
    State(shared): SharedState,
    Segments(client_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // Right here, without waiting for a core behind the lists: it takes some microseconds, and the lock is never
    // held for long.
    let doc = shared.state.fleet.doc(&client_id, shared.now());
    let doc = doc.ok_or_else(|| ApiError::not_found("client", &client_id))?;
    Ok(shared.tags.tagged(&doc, false)?.to(&headers))
}
