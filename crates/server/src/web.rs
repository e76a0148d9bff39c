//! The dashboard's files, embedded in the binary, and the headers that every answer carries.
//!
//! The files come from `dist/`, which `cargo xtask` builds before it builds the server; a binary that was built
//! without them says so on its page. Each file may lie beside a `.br` and a `.gz` of itself.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../dist"]
#[allow_missing = true]
struct Dist;

/// No inline script or style, nothing from elsewhere; WebAssembly may be compiled.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

const NO_DASHBOARD: &str = "This binary was built without the dashboard. Build it with: cargo xtask build\n";

/// The page.
pub async fn index(headers: HeaderMap) -> Response {
    file("index.html", &headers).unwrap_or_else(|| (StatusCode::NOT_FOUND, NO_DASHBOARD).into_response())
}

/// One of the page's files.
pub async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&path, &headers)
        .unwrap_or_else(|| (StatusCode::NOT_FOUND, "There is nothing at this address.\n").into_response())
}

/// Whether the dashboard is in the binary.
#[must_use]
pub fn has_dashboard() -> bool {
    Dist::get("index.html").is_some()
}

fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    if path.ends_with(".br") || path.ends_with(".gz") {
        return None;
    }
    let plain = Dist::get(path)?;
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    let packed = [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .filter(|(encoding, _)| accepts(accepted, encoding))
        .find_map(|(encoding, ending)| Some((encoding, Dist::get(&format!("{path}{ending}"))?)));
    let mut answer = HeaderMap::new();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_str(plain.metadata.mimetype()).ok()?);
    answer.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // Hashed names never change their content; the page itself names the current ones.
    let caching = if is_hashed(path) { "public, max-age=31536000, immutable" } else { "no-cache" };
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    let data = match packed {
        Some((encoding, packed)) => {
            answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            packed.data
        }
        None => plain.data,
    };
    Some((answer, data).into_response())
}

/// Whether an `Accept-Encoding` value allows an encoding. `q=0` forbids it.
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|part| {
        let mut parts = part.split(';').map(str::trim);
        parts.next() == Some(encoding) && !parts.any(|p| matches!(p, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// Trunk puts a hash, as in `main-0123456789abcdef.css`, into every name but the page's: 64 bits in hexadecimal
/// without leading zeros.
fn is_hashed(path: &str) -> bool {
    path.split(['-', '.', '_'])
        .any(|part| (12..=16).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_used_only_when_the_browser_accepts_it() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(!accepts("gzip;q=1.0, br;q=0", "br"));
        assert!(!accepts("", "gzip"));
    }

    #[test]
    fn only_files_with_a_hash_in_their_name_are_cached_for_good() {
        assert!(is_hashed("rollcall-1c0ffee1c0ffee12_bg.wasm"));
        assert!(!is_hashed("index.html"));
    }
}
