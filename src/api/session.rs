//! Signing in, asking who is signed in, and signing out. What secrets there are travel in a body, once, and the
//! answer's cookie is out of reach for every script, this one included.

use serde::Deserialize;

use super::fetch::{Login, Request, Token, is_plain, log_in, login, remember_session, send, send_cookies};
use super::{ApiError, accept_answers_from_now_on};
use crate::{browser, json};

const SESSION: &str = "/api/rollcall/v1/session";
/// What every server of the API answers to everybody with a key.
pub(super) const ENABLED: &str = "/api/v0002/config/clientstate";
/// What the messages of a server begin with that knows sessions.
pub(super) const OWN_MESSAGE: &str = "ROLLC";

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
    /// A server that knows no sessions does not say.
    pub role: Option<String>,
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
    // What comes of it is a cookie.
    send_cookies(true);
    let who = send(&request, &Token::default()).await?.ok_or(ApiError::Malformed)?.parse()?;
    remember_session(true);
    accept_answers_from_now_on();
    Ok(who)
}

/// Opens a session with an API key; at a server that knows no sessions the key itself must do.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn sign_in_with(key: String, token: String) -> Result<Who, ApiError> {
    if !is_plain() {
        let credentials = Credentials::Key { key: key.clone(), token: token.clone() };
        match sign_in(&credentials).await {
            Err(error) if needs_login(&error) => {}
            answer => return answer,
        }
    }
    log_in_with(key, token).await
}

/// Whether a refused sign-in says that the server knows no sessions.
fn needs_login(error: &ApiError) -> bool {
    match error {
        ApiError::Refused { status: 404 | 405, .. } => true,
        // A server may refuse every stranger before it looks at the path.
        ApiError::Refused { status: 401, message, .. } => !message.starts_with(OWN_MESSAGE),
        _ => false,
    }
}

/// The id of an application that nobody else has, for a server that gives out none. A tab keeps its own.
#[must_use]
pub fn made_up_client_id(org: &str) -> String {
    // Each page that is loaded would be another client in the server's list.
    let own = browser::name_of_tab("rollcall-client", || {
        format!("{:08x}", (js_sys::Math::random() * f64::from(u32::MAX)) as u32)
    });
    format!("a:{org}:rollcall-{own}")
}

/// Signs in at a server that knows no sessions: from now on every request carries key and token, which nothing but the
/// memory of this page keeps.
///
/// # Errors
/// When the server cannot be reached or refuses.
async fn log_in_with(key: String, token: String) -> Result<Who, ApiError> {
    let window = web_sys::window().ok_or(ApiError::Unreachable)?;
    // The browser encodes no text beyond Latin-1, and no key has such.
    let basic = window.btoa(&format!("{key}:{token}")).map_err(|_| ApiError::Malformed)?;
    // The key of an application names its organization: `a-{org}-…`.
    let org = key.split('-').nth(1).unwrap_or("org");
    let client_id = made_up_client_id(org);
    log_in(Some(Login { basic: format!("Basic {basic}"), mqtt: (key.clone(), token), client_id }));
    let answer = send(&Request::get(ENABLED), &Token::default()).await;
    if let Err(error) = answer {
        log_in(None);
        return Err(error);
    }
    accept_answers_from_now_on();
    Ok(Who { role: None, name: Some(key) })
}

/// Who is signed in; `None` from a server that knows no sessions.
///
/// # Errors
/// When the server cannot be reached or refuses; status 401 when nobody is signed in.
pub async fn who_am_i() -> Result<Option<Who>, ApiError> {
    let is_plain = is_plain();
    let address = if is_plain { ENABLED } else { SESSION };
    match send(&Request::get(address), &Token::default()).await {
        Ok(_) if is_plain => Ok(None),
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
    if login().is_some() {
        log_in(None);
        return Ok(());
    }
    match send(&Request { method: "DELETE", ..Request::get(SESSION) }, &Token::default()).await {
        Ok(_) | Err(ApiError::Refused { status: 401, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
