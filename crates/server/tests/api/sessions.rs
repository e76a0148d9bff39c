//! Browsers: signing in, staying in, signing out, and what other sites cannot do.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rollcall_model::Timestamp;
use rollcall_server::identity::{ABSOLUTE_EXPIRY_MS, Credentials, IDLE_EXPIRY_MS, LINK_LIFETIME_MS, Role};
use serde_json::json;

use crate::app::{Answer, NOW, TestApp, at};

const SESSION: &str = "/api/rollcall/v1/session";
const STATUS: &str = "/api/rollcall/v1/status";
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn by_key(app: &TestApp) -> String {
    json!({ "key": app.key.key, "token": app.key.token }).to_string()
}

fn by_link(app: &TestApp) -> String {
    json!({ "code": app.credentials.make_link().unwrap().code }).to_string()
}

/// Signs in and returns the cookie as the browser sends it.
fn sign_in(app: &TestApp, body: &str) -> String {
    cookie(&app.send("POST", SESSION, &[JSON], body))
}

fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

fn with_cookie(app: &TestApp, method: &str, path: &str, cookie: &str) -> Answer {
    app.send(method, path, &[("Cookie", cookie), ("Sec-Fetch-Mode", "cors")], "")
}

/// An app whose clock the test turns, in milliseconds.
fn with_clock() -> (TestApp, Arc<AtomicI64>) {
    let time_ms = Arc::new(AtomicI64::new(at(NOW).millis()));
    let shown = Arc::clone(&time_ms);
    let clock = Arc::new(move || Timestamp::from_millis(shown.load(Ordering::Relaxed)));
    (TestApp::guarded_by(Arc::new(Credentials::in_memory_at(clock).unwrap()), false), time_ms)
}

#[test]
fn a_key_opens_a_session_with_its_role_and_name() {
    let (app, _) = with_clock();
    let answer = app.send("POST", SESSION, &[JSON], &by_key(&app));
    let expires = "2026-11-21T00:00:00.000Z";
    let who =
        json!({ "role": "admin", "key": app.key.key, "name": "tests", "org": "acme01", "expires": expires });
    assert_eq!(answer.body, who);
    let cookie = cookie(&answer);
    let secret = cookie.strip_prefix("rollcall_session=").unwrap();
    assert_eq!(secret.len(), 43);
    let flags = answer.header("set-cookie").unwrap().strip_prefix(&cookie).unwrap();
    assert_eq!(flags, "; HttpOnly; SameSite=Strict; Path=/; Max-Age=604800");
    assert_eq!(with_cookie(&app, "GET", STATUS, &format!("theme=dark; {cookie}")).status, 200);
    assert_eq!(with_cookie(&app, "GET", SESSION, &cookie).body, who);
    assert_eq!(
        app.get(SESSION).body,
        json!({ "role": "admin", "key": app.key.key, "name": "tests", "org": "acme01" })
    );
    assert_eq!(with_cookie(&app, "GET", STATUS, &cookie.to_uppercase()).status, 401);
}

#[test]
fn with_tls_the_cookie_never_travels_without() {
    let app = TestApp::guarded_by(Arc::new(Credentials::in_memory().unwrap()), true);
    let answer = app.send("POST", SESSION, &[JSON], &by_key(&app));
    let cookie = cookie(&answer);
    assert!(cookie.starts_with("__Host-rollcall_session="), "{cookie}");
    let flags = "; HttpOnly; SameSite=Strict; Path=/; Max-Age=604800; Secure";
    assert!(answer.header("set-cookie").unwrap().ends_with(flags));
    assert_eq!(with_cookie(&app, "GET", STATUS, &cookie).status, 200);
    let plain = cookie.trim_start_matches("__Host-");
    assert_eq!(with_cookie(&app, "GET", STATUS, plain).status, 401);
}

#[test]
fn a_proxy_that_speaks_tls_is_as_good() {
    let app = TestApp::start();
    let encrypted = ("X-Forwarded-Proto", "https");
    let cookie = cookie(&app.send("POST", SESSION, &[JSON, encrypted], &by_key(&app)));
    assert!(cookie.starts_with("__Host-rollcall_session="), "{cookie}");
    assert_eq!(app.send("GET", STATUS, &[("Cookie", &cookie), encrypted], "").status, 200);
    let out = app.send("DELETE", SESSION, &[("Cookie", &cookie), encrypted], "");
    assert!(out.header("set-cookie").unwrap().starts_with("__Host-rollcall_session=;"));
}

#[test]
fn a_link_signs_in_an_administrator_once() {
    let (app, time_ms) = with_clock();
    let link = by_link(&app);
    let answer = app.send("POST", SESSION, &[JSON], &link);
    assert_eq!((&answer.body["role"], &answer.body["org"]), (&json!("admin"), &json!("acme01")));
    assert_eq!(with_cookie(&app, "GET", STATUS, &cookie(&answer)).status, 200);
    let again = app.send("POST", SESSION, &[JSON, ("Sec-Fetch-Mode", "cors")], &link);
    assert_eq!((again.status, again.header("set-cookie")), (401, None));
    let late = by_link(&app);
    time_ms.fetch_add(LINK_LIFETIME_MS, Ordering::Relaxed);
    assert_eq!(app.send("POST", SESSION, &[JSON], &late).status, 401);
}

#[test]
fn guessing_links_is_slowed_down() {
    let app = TestApp::start();
    let guess = || app.send("POST", SESSION, &[JSON], "{\"code\":\"guessed\"}").status;
    assert_eq!([(); 5].map(|()| guess()), [401; 5]);
    assert_eq!(guess(), 429);
}

#[test]
fn who_signs_out_is_out() {
    let app = TestApp::start();
    let (first, second) = (sign_in(&app, &by_key(&app)), sign_in(&app, &by_key(&app)));
    let answer = with_cookie(&app, "DELETE", SESSION, &first);
    assert_eq!(answer.status, 204);
    let gone = "rollcall_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0";
    assert_eq!(answer.header("set-cookie"), Some(gone));
    let after = with_cookie(&app, "GET", STATUS, &first);
    assert_eq!((after.status, after.header("www-authenticate")), (401, None));
    assert_eq!(with_cookie(&app, "GET", STATUS, &second).status, 200);
}

#[test]
fn a_session_ends_when_it_is_idle_or_old_or_its_key_is_revoked() {
    let (app, time_ms) = with_clock();
    let is_open = |cookie: &str| with_cookie(&app, "GET", STATUS, cookie).status == 200;
    let idle = sign_in(&app, &by_key(&app));
    time_ms.fetch_add(IDLE_EXPIRY_MS - 1, Ordering::Relaxed);
    assert!(is_open(&idle));
    time_ms.fetch_add(IDLE_EXPIRY_MS, Ordering::Relaxed);
    assert!(!is_open(&idle));

    let old = sign_in(&app, &by_key(&app));
    for _ in 0..ABSOLUTE_EXPIRY_MS / (IDLE_EXPIRY_MS - 1) {
        time_ms.fetch_add(IDLE_EXPIRY_MS - 1, Ordering::Relaxed);
        assert!(is_open(&old));
    }
    time_ms.fetch_add(IDLE_EXPIRY_MS - 1, Ordering::Relaxed);
    assert!(!is_open(&old));

    let revoked = sign_in(&app, &by_key(&app));
    assert!(is_open(&revoked));
    app.credentials.revoke_key(&app.key.key).unwrap();
    assert!(!is_open(&revoked));
}

#[test]
fn a_page_of_another_site_can_neither_sign_in_nor_out_nor_change_anything() {
    let app = TestApp::start();
    let cookie = sign_in(&app, &by_key(&app));
    let own = app.base.as_str();
    for (origin, allowed) in [("https://evil.example", false), ("null", false), (own, true)] {
        let answer = app.send("POST", SESSION, &[JSON, ("Origin", origin)], &by_key(&app));
        assert_eq!(answer.status, if allowed { 200 } else { 403 }, "{origin}");
        let headers = [JSON, ("Origin", origin), ("Cookie", &cookie)];
        let answer = app.send("POST", STATUS, &headers, "{}");
        assert_eq!(answer.status, if allowed { 405 } else { 403 }, "{origin}");
        let answer = app.send("DELETE", SESSION, &headers[1..], "");
        assert_eq!(answer.status, if allowed { 204 } else { 403 }, "{origin}");
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"] {
        let answer = app.send("POST", SESSION, &[("Content-Type", content_type)], &by_key(&app));
        assert_eq!(answer.status, 415, "{content_type}");
    }
    // Without a cookie no browser adds anything by itself.
    let key = app.credentials.add_key("acme01", Role::Admin, None).unwrap();
    let headers = [("Origin", "https://evil.example"), ("Authorization", &*crate::app::basic(&key))];
    assert_eq!(app.send("POST", STATUS, &headers, "").status, 405);
}

#[test]
fn what_is_no_sign_in_is_400_and_too_much_is_413_and_neither_is_repeated() {
    let app = TestApp::start();
    for body in ["{}", "[", "{\"key\":\"secret-key\"}", "{\"code\":7}", "\"secret-key\""] {
        let answer = app.send("POST", SESSION, &[JSON], body);
        assert_eq!(answer.violations(), [("body", "…")], "{body}");
        assert!(!answer.text.contains("secret"), "{}", answer.text);
    }
    let large = format!("{{\"code\":\"{}\"}}", "x".repeat(5_000));
    assert_eq!(app.send("POST", SESSION, &[JSON], &large).status, 413);
    let wrong = json!({ "key": app.key.key, "token": "wrong" }).to_string();
    assert_eq!(app.send("POST", SESSION, &[JSON], &wrong).status, 401);
}
