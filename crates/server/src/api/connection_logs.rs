//! `GET /api/v0002/logs/connection`: what happened to one client, newest first.
//!
//! Watson names a device by `typeId` and `deviceId` and is narrow: 20 entries. With `clientId` every client has a
//! log, pages may be longer, and a `Link` header leads on.

mod request;

use axum::Json;
use axum::extract::State;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use rollcall_model::log::LogEntry;

use self::request::{LogRequest, Subject};
use super::error::{ApiError, ErrorBody};
use super::params::Pairs;
use super::schema::{ConnectionLogEntry, LogParameters};
use super::{ApiState, SharedState, devices};
use crate::identity::IdentityError;
use crate::journal::{JournalError, LogPage, LogQuery};

/// The connection log of one client, newest first.
///
/// Give either `typeId` and `deviceId`, or `clientId`. Parameters that are not known are ignored.
#[utoipa::path(
    get,
    path = "/api/v0002/logs/connection",
    operation_id = "listConnectionLogs",
    tag = "Connection Logs API",
    params(LogParameters),
    responses(
        (
            status = 200, body = Vec<ConnectionLogEntry>,
            description = "The entries, newest first.",
            headers(("Link" = String, description = "With `clientId`: the next page, `rel=\"next\"`; absent on the last."))
        ),
        (status = 400, description = "A parameter is missing or has a value that it cannot have.", body = ErrorBody),
        (
            status = 404, body = ErrorBody,
            description = "The client is not known; `exception.properties` is its id."
        ),
    ),
)]
pub async fn list(State(shared): SharedState, pairs: Pairs) -> Result<Response, ApiError> {
    let now = shared.now();
    let request = LogRequest::parse(&pairs, now).map_err(ApiError::invalid)?;
    let found = shared.read(|api| find(api, &request)).await?;
    let page = found.map_err(|error| ApiError::internal(&error))?;
    let page = page.ok_or_else(|| match &request.subject {
        Subject::Client(id) => ApiError::not_found("client", id),
        Subject::Device { type_id, device_id } => {
            let [as_device, _] = devices::client_ids(&shared.state.org, type_id, device_id);
            ApiError::not_found("device", &as_device)
        }
    })?;
    let next = page.next.and_then(|cursor| request.next_link(&pairs, cursor));
    let entries: Json<Vec<LogEntry>> = Json(page.entries);
    Ok(match next {
        Some(link) => ([(LINK, link)], entries).into_response(),
        None => entries.into_response(),
    })
}

/// The page that was asked for; `None` when the client is not known.
fn find(api: &ApiState, request: &LogRequest) -> Result<Option<LogPage>, FindError> {
    let client_id = match &request.subject {
        Subject::Client(id) => id.clone(),
        Subject::Device { type_id, device_id } => match devices::known_as(api, type_id, device_id)? {
            Some(id) => id,
            None => return Ok(None),
        },
    };
    let page = api.journal.log(&LogQuery { client_id: client_id.clone(), ..request.query.clone() })?;
    // Someone who only ever was refused need not be in the fleet, but is in the log.
    let is_known = !page.entries.is_empty() || devices::is_known(api, &client_id)?;
    Ok(is_known.then_some(page))
}

#[derive(Debug, thiserror::Error)]
enum FindError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}
