//! Signing in, asking who is signed in, and signing out. What secrets there are travel in a body, once, and the
//! answer's cookie is out of reach for every script, this one included.

use serde::Deserialize;

use super::fetch::{Request, Token, send};
use super::{ApiError, accept_answers_from_now_on};
use crate::json;

const SESSION: &str = "/api/rollcall/v1/session";

/// What opens a session.
pub enum Credentials {
    Key {
        key: String,
        token: String,
    },
    /// The code of a one-time link.
    Code {
        code: String,
    },
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Who {
    pub role: String,
    /// The name of the API key; a one-time link has none, nor has every key.
    pub name: Option<String>,
}

/// Opens a session. What was asked before it is no longer able to tell that nobody is signed in.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn sign_in(credentials: &Credentials) -> Result<Who, ApiError> {
    let body = match credentials {
        Credentials::Key { key, token } => json::object(&[("key", key), ("token", token)]),
        Credentials::Code { code } => json::object(&[("code", code)]),
    };
    let request = Request { method: "POST", json: Some(body), ..Request::get(SESSION) };
    let who = send(&request, &Token::default()).await?.ok_or(ApiError::Malformed)?.parse()?;
    accept_answers_from_now_on();
    Ok(who)
}

/// Who is signed in; `None` from a server that knows no sessions.
///
/// # Errors
/// When the server cannot be reached or refuses; status 401 when nobody is signed in.
pub async fn who_am_i() -> Result<Option<Who>, ApiError> {
    match send(&Request::get(SESSION), &Token::default()).await {
        Ok(answer) => answer.ok_or(ApiError::Malformed)?.parse().map(Some),
        Err(ApiError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Closes the session. That it was closed already is no error.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn sign_out() -> Result<(), ApiError> {
    match send(&Request { method: "DELETE", ..Request::get(SESSION) }, &Token::default()).await {
        Ok(_) | Err(ApiError::Refused { status: 401, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
