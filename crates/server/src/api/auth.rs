//! Who may call what: the one place that asks, in front of all handlers.
//!
//! A handler that wants to know who is calling takes `Extension<Caller>`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::error::ApiError;
use super::session;
use crate::access::{self, Denied, Gate, shown};
use crate::arrival::Arrival;
use crate::identity::{Caller, Role};

/// What a call takes: `None` is open to everybody. Where there is nothing but reading, or nothing at all, everybody who is
/// let in hears that there is no such method or path.
fn required_role(method: &Method, path: &str, is_only_read: bool) -> Option<Role> {
    match (method.as_str(), path) {
        ("GET" | "HEAD", "/api/openapi.json") | ("POST", session::PATH) => None,
        // Everybody may sign out.
        ("GET" | "HEAD" | "OPTIONS", _) | ("DELETE", session::PATH) => Some(Role::Viewer),
        _ if is_only_read => Some(Role::Viewer),
        // What changes something is for administrators, unless it is named above this line.
        _ => Some(Role::Admin),
    }
}

/// Lets a request pass to its handler, or answers why not.
pub async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // A browser must not cover the page that fetches with a prompt of its own. It says itself that a page asks, but only over
    // TLS or on loopback; our page says so everywhere.
    let is_fetch =
        ["sec-fetch-mode", "x-requested-with"].iter().any(|name| parts.headers.contains_key(*name));
    match admitted(&shared, &parts).await {
        Ok(caller) => {
            if let Some(caller) = caller {
                parts.extensions.insert(caller);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) if is_fetch => error.into_response(),
        Err(error) => error.asking_for_basic().into_response(),
    }
}

async fn admitted(shared: &Shared, request: &Parts) -> Result<Option<Caller>, ApiError> {
    let (method, path, headers) = (&request.method, request.uri.path(), &request.headers);
    let route = request.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let Some(required) = required_role(method, path, shared.only_read.contains(route)) else {
        return Ok(None);
    };
    let from = address(&request.extensions);
    let caller = gate(shared, &request.extensions).caller(headers, from).await.map_err(|denied| match denied {
        Denied::Missing => {
            tracing::info!(address = shown(from), %method, path, reason = "no credentials", "refused a request");
            ApiError::unauthorized("Nobody is signed in")
        }
        Denied::Stale => ApiError::unauthorized("The session is over"),
        Denied::Refused(refusal) => ApiError::refused(refusal),
    })?;
    if caller.is_browser_session() {
        require_own_page(method, headers, from)?;
    }
    if caller.role < required {
        let (role, required_role) = (caller.role.as_str(), required.as_str());
        tracing::warn!(address = shown(from), %method, path, role, required_role, "refused a request");
        return Err(ApiError::forbidden_to(caller.role, required));
    }
    Ok(Some(caller))
}

/// Refuses what a page of another site can make a browser send: the browser adds the session's cookie by itself.
/// A form cannot send JSON, and a script of another site cannot without asking first, which nobody answers here.
///
/// # Errors
/// 403 for another site, 415 for a POST of something else than JSON.
pub fn require_own_page(method: &Method, headers: &HeaderMap, from: Option<IpAddr>) -> Result<(), ApiError> {
    if method.is_safe() {
        return Ok(());
    }
    if !access::is_same_origin(headers) {
        tracing::warn!(address = shown(from), %method, reason = "another site's page", "refused a request");
        return Err(ApiError::forbidden("A page of another site may not do this"));
    }
    // Without a body there is nothing to be JSON; a page of another site cannot send anything but POST unasked.
    if method == Method::POST && !is_json(headers) {
        return Err(ApiError::not_json());
    }
    Ok(())
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// What to ask about a request: its cookie has another name when it came over TLS.
pub fn gate(shared: &Shared, extensions: &Extensions) -> Gate {
    shared.state.gate.over(extensions.get::<Arrival>().is_some_and(|arrival| arrival.secure))
}

/// Where the request comes from.
pub fn address(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_a_viewer_and_whatever_is_not_named_an_administrator() {
        let check = |method: Method, path: &str, expect| {
            assert_eq!(required_role(&method, path, false), expect, "{method} {path}");
        };
        check(Method::GET, "/api/openapi.json", None);
        check(Method::POST, "/api/rollcall/v1/session", None);
        check(Method::GET, "/api/v0002/clientconnectionstates", Some(Role::Viewer));
        check(Method::GET, "/api/openapi.json/", Some(Role::Viewer));
        check(Method::DELETE, "/api/rollcall/v1/session", Some(Role::Viewer));
        check(Method::POST, "/api/v0002/anything", Some(Role::Admin));
        check(Method::DELETE, "/api/v0002/anything", Some(Role::Admin));
    }

    #[test]
    fn where_there_is_only_reading_a_viewer_may_hear_that_there_is_nothing_else() {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            assert_eq!(required_role(&method, "/api/v0002/incidents", true), Some(Role::Viewer), "{method}");
        }
    }
}
