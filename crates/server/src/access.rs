//! Who is behind an HTTP request: API key and token in the `Authorization` header, or a browser's session cookie.
//!
//! The APIs ask in front of every call, `/mqtt` before it upgrades a connection. What the answer allows is decided
//! there.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::identity::{ABSOLUTE_EXPIRY_MS, Caller, Credentials, Holder, Refusal};

/// Asks the credentials. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    credentials: Arc<Credentials>,
    /// The server speaks TLS, so that its cookies must never travel without.
    is_secure: bool,
}

/// Why a request comes from nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It carries neither credentials nor a session.
    Missing,
    /// Its session is over, or never was.
    Stale,
    Refused(Refusal),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Gate {
    #[must_use]
    pub const fn new(credentials: Arc<Credentials>, is_secure: bool) -> Self {
        Self { credentials, is_secure }
    }

    #[must_use]
    pub const fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// The same for a request whose bytes were encrypted by a trusted proxy, if not by this server.
    #[must_use]
    pub fn over(&self, is_secure: bool) -> Self {
        Self { is_secure: self.is_secure || is_secure, ..self.clone() }
    }

    /// Who sends the request with these headers from this address. Refusals are logged here.
    ///
    /// # Errors
    /// [`Denied`] when it is nobody.
    pub async fn caller(&self, headers: &HeaderMap, from: Option<IpAddr>) -> Result<Caller, Denied> {
        if let Some(authorization) = headers.get(header::AUTHORIZATION) {
            let Some((key, token)) = basic(authorization) else {
                tracing::warn!(
                    address = shown(from),
                    reason = "no Basic authentication",
                    "refused a request"
                );
                return Err(Denied::Refused(Refusal::Key));
            };
            return self.by_key(&key, &token, from).await.map_err(Denied::from);
        }
        let Some(secret) = self.session_secret(headers) else {
            return Err(Denied::Missing);
        };
        match self.credentials.authenticate_session(secret).await {
            Ok(Some(caller)) => Ok(caller),
            Ok(None) => {
                tracing::info!(address = shown(from), reason = "the session is over", "refused a request");
                Err(Denied::Stale)
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Who has this key and token. Refusals are logged here.
    ///
    /// # Errors
    /// [`Refusal`] says why not.
    pub async fn by_key(&self, key: &str, token: &str, from: Option<IpAddr>) -> Result<Caller, Refusal> {
        let answer = self.credentials.authenticate_key(key, token.as_bytes(), from).await;
        if let Err(refusal) = answer {
            // Who mixes up key and token must not find the token in the log.
            let key: String =
                if key.starts_with("a-") { key.chars().take(60).collect() } else { "no key".to_owned() };
            tracing::warn!(address = shown(from), ?key, reason = %refusal, "refused a request");
        }
        answer
    }

    fn session_secret<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.cookie_name();
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| key.trim() == name).map(|(_, secret)| secret.trim())
    }

    /// A browser takes a cookie of that prefix from this host only, over TLS only.
    const fn cookie_name(&self) -> &'static str {
        if self.is_secure { "__Host-rollcall_session" } else { "rollcall_session" }
    }

    /// The cookie of a new session.
    #[must_use]
    pub fn cookie(&self, secret: &str) -> Option<HeaderValue> {
        self.cookie_for(secret, ABSOLUTE_EXPIRY_MS / 1_000)
    }

    /// Makes a browser forget the cookie.
    #[must_use]
    pub fn no_cookie(&self) -> Option<HeaderValue> {
        self.cookie_for("", 0)
    }

    fn cookie_for(&self, secret: &str, max_age_s: i64) -> Option<HeaderValue> {
        let (name, secure) = (self.cookie_name(), if self.is_secure { "; Secure" } else { "" });
        let cookie =
            format!("{name}={secret}; HttpOnly; SameSite=Strict; Path=/; Max-Age={max_age_s}{secure}");
        HeaderValue::try_from(cookie).ok().map(|mut cookie| {
            cookie.set_sensitive(true);
            cookie
        })
    }
}

impl Caller {
    /// Whether a browser sent the credentials by itself, which it does for every page that asks it to.
    #[must_use]
    pub const fn is_browser_session(&self) -> bool {
        matches!(self.holder, Holder::Session(_))
    }
}

/// An address for the log.
#[must_use]
pub fn shown(from: Option<IpAddr>) -> String {
    from.map_or_else(|| "unknown".to_owned(), |address| address.to_canonical().to_string())
}

/// Key and token of an `Authorization` header.
fn basic(authorization: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (key, token) = decoded.split_once(':')?;
    Some((key.to_owned(), token.to_owned()))
}

/// A browser lets any page send a request or open a WebSocket to any host and sends its cookies along; the
/// `Origin` header, which no script can forge, tells from where. Clients that are no browsers send none.
#[must_use]
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|o| o.parse::<Uri>().ok());
    let (Some(origin), Some(host)) = (origin, host) else {
        return false;
    };
    let default_port = match origin.scheme_str() {
        Some("https" | "wss") => ":443",
        Some("http" | "ws") => ":80",
        _ => return false,
    };
    let without_default = |authority: &str| {
        let authority = authority.to_ascii_lowercase();
        authority.strip_suffix(default_port).map_or_else(|| authority.clone(), ToOwned::to_owned)
    };
    origin.authority().is_some_and(|authority| without_default(authority.as_str()) == without_default(host))
}

/// Whether the request names this machine, or comes from no browser. A site can make its own name point to
/// this machine, and is then of the same origin as the server that answers there.
#[must_use]
pub fn names_this_machine(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::ORIGIN) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<axum::http::uri::Authority>().ok()) else {
        return false;
    };
    let name = authority.host().to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: Option<&str>, host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    fn check(origin: Option<&str>, host: &str, expect: bool) {
        assert_eq!(is_same_origin(&headers(origin, host)), expect, "{origin:?} {host}");
    }

    #[test]
    fn only_pages_of_the_same_host_and_clients_without_origin_are_of_the_same_origin() {
        check(None, "rollcall.example", true);
        check(Some("https://rollcall.example"), "rollcall.example", true);
        check(Some("https://Rollcall.Example"), "rollcall.example:443", true);
        check(Some("http://rollcall.example:8080"), "rollcall.example:8080", true);
        check(Some("http://[::1]:8080"), "[::1]:8080", true);
        check(Some("http://rollcall.example:8080"), "rollcall.example", false);
        check(Some("https://evil.example"), "rollcall.example", false);
        check(Some("https://rollcall.example.evil"), "rollcall.example", false);
        check(Some("null"), "rollcall.example", false);
        check(Some("file://"), "rollcall.example", false);
        check(Some(""), "rollcall.example", false);
    }

    #[test]
    fn a_page_whose_name_only_points_here_does_not_name_this_machine() {
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "acme01.localhost"] {
            assert!(names_this_machine(&headers(Some("http://x"), host)), "{host}");
        }
        for host in ["evil.example:8080", "localhost.evil.example", "192.0.2.7", ""] {
            assert!(!names_this_machine(&headers(Some("http://x"), host)), "{host}");
        }
        assert!(names_this_machine(&headers(None, "evil.example")));
    }

    #[test]
    fn basic_authentication_is_read_in_any_case_and_a_token_may_hold_colons() {
        let read = |text: &str| basic(&HeaderValue::from_str(text).unwrap());
        let pair = Some(("a-acme01-x".to_owned(), "to:ken".to_owned()));
        assert_eq!(read("Basic YS1hY21lMDEteDp0bzprZW4="), pair);
        assert_eq!(read("basic  YS1hY21lMDEteDp0bzprZW4="), pair);
        assert_eq!(read("Bearer YS1hY21lMDEteDp0bzprZW4="), None);
        assert_eq!(read("Basic ?"), None);
        assert_eq!(read("Basic"), None);
    }
}
