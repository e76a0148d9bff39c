//! `/api/rollcall/v1/session`: how a browser signs in, asks who it is, and signs out.
//!
//! The token is sent once, in a body, and never again: from then on a cookie that no script can read stands for
//! it.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use rollcall_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SharedState;
use super::auth;
use super::error::{ApiError, ErrorBody};
use crate::access::shown;
use crate::identity::{Caller, Holder, NewSession, Refusal};

pub const PATH: &str = "/api/rollcall/v1/session";

/// A key, its token, and some room.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// An API key and its token, or the code of a one-time link.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Credentials {
    Key {
        #[schema(example = "a-acme01-x7k2m9q4tz")]
        key: String,
        token: String,
    },
    Code {
        /// What follows `#code=` in a sign-in link.
        code: String,
    },
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionAnswer {
    /// `viewer` may read everything, `operator` may also act on clients, `admin` may do everything.
    #[schema(value_type = String, example = "viewer")]
    role: crate::identity::Role,
    /// The API key that it is, or that opened the session; absent for a session of a sign-in link.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "a-acme01-x7k2m9q4tz")]
    key: Option<String>,
    /// The name of the API key, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "Control room")]
    name: Option<String>,
    #[schema(example = "acme01")]
    org: String,
    /// When the session ends if it is not used until then; absent for Basic authentication, which has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>, format = DateTime)]
    expires: Option<Timestamp>,
}

impl From<Caller> for SessionAnswer {
    fn from(caller: Caller) -> Self {
        let Caller { role, key, name, org, expires, holder: _ } = caller;
        Self { role, key, name, org, expires }
    }
}

/// Signs a browser in: the answer sets the cookie of a session.
///
/// The session ends after twelve hours without use and after seven days in any case, and when its key is revoked.
#[utoipa::path(
    post,
    path = "/api/rollcall/v1/session",
    operation_id = "signIn",
    tag = "Rollcall",
    security(()),
    request_body = Credentials,
    responses(
        (
            status = 200, description = "Signed in.", body = SessionAnswer,
            headers(("Set-Cookie" = String, description = "The session."))
        ),
        (status = 400, description = "The body is not what it should be.", body = ErrorBody),
        (status = 403, description = "The request comes from a page of another site, or the key is another organisation's.", body = ErrorBody),
        (status = 413, description = "The body is too large.", body = ErrorBody),
        (status = 415, description = "The body is not JSON.", body = ErrorBody),
    ),
)]
pub async fn sign_in(State(shared): SharedState, request: Request) -> Result<Response, ApiError> {
    let from = auth::address(request.extensions());
    let gate = auth::gate(&shared, request.extensions());
    auth::require_own_page(request.method(), request.headers(), from)?;
    let body = to_bytes(request.into_body(), BODY_BYTES_MAX)
        .await
        .map_err(|_| ApiError::too_large(BODY_BYTES_MAX))?;
    // The body itself is a secret, so that it is not shown.
    let presented: Credentials = serde_json::from_slice(&body).map_err(|_| {
        ApiError::invalid_one("body", "…", "it must be {\"key\":…,\"token\":…} or {\"code\":…}")
    })?;
    let session = match presented {
        Credentials::Key { key, token } => {
            let caller = gate.by_key(&key, &token, from).await.map_err(ApiError::refused)?;
            gate.credentials().open_session(caller).await
        }
        Credentials::Code { code } => {
            if let Err(refusal) = gate.credentials().use_link(&code, from).await {
                tracing::warn!(address = shown(from), reason = %refusal, "refused a sign-in");
                return Err(refused_link(refusal));
            }
            gate.credentials().open_link_session(&shared.state.org).await
        }
    };
    let NewSession { secret, caller } = session.map_err(ApiError::refused)?;
    tracing::info!(address = shown(from), role = caller.role.as_str(), name = caller.name, "signed in");
    let mut answer = Json(SessionAnswer::from(caller)).into_response();
    answer.headers_mut().extend(gate.cookie(&secret).map(|cookie| (SET_COOKIE, cookie)));
    Ok(answer)
}

fn refused_link(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Link => {
            let advice =
                "The sign-in link was used already or is too old; `rollcall keys link` makes another one";
            ApiError::unauthorized(advice)
        }
        other => ApiError::refused(other),
    }
}

/// Who is signed in, by session or by API key.
#[utoipa::path(
    get,
    path = "/api/rollcall/v1/session",
    operation_id = "getSession",
    tag = "Rollcall",
    responses((status = 200, description = "Who it is.", body = SessionAnswer)),
)]
pub async fn who_am_i(Extension(caller): Extension<Caller>) -> Json<SessionAnswer> {
    Json(SessionAnswer::from(caller))
}

/// Signs out: ends the session and the MQTT connections that rest on it.
#[utoipa::path(
    delete,
    path = "/api/rollcall/v1/session",
    operation_id = "signOut",
    tag = "Rollcall",
    responses((status = 204, description = "Signed out.")),
)]
pub async fn sign_out(
    State(shared): SharedState,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let gate = auth::gate(&shared, request.extensions());
    if let Holder::Session(id) = caller.holder {
        gate.credentials().close_session(id).await.map_err(ApiError::refused)?;
    }
    let mut answer = StatusCode::NO_CONTENT.into_response();
    answer.headers_mut().extend(gate.no_cookie().map(|cookie| (SET_COOKIE, cookie)));
    Ok(answer)
}
