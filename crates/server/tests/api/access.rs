//! Who may ask: API keys and their roles, and what those hear who may not.

use std::sync::Arc;

use rollcall_server::identity::{Credentials, NewKey, Role};
use serde_json::json;

use crate::app::{TestApp, basic};

const STATUS: &str = "/api/rollcall/v1/status";
const STATES: &str = "/api/v0002/clientconnectionstates";

/// The status of a request with this key.
fn ask(app: &TestApp, key: &NewKey) -> u16 {
    app.send("GET", STATES, &[("Authorization", &basic(key))], "").status
}

#[test]
fn without_credentials_everything_but_the_description_is_401() {
    let app = TestApp::start();
    for path in
        [STATES, "/api/v0002/clientconnectionstates/x", STATUS, "/api/nothing", "/api", "/api/openapi.json/"]
    {
        let answer = app.send("GET", path, &[], "");
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"Rollcall\""), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.body["exception"], json!({ "id": "ROLLC0401E", "properties": [] }), "{path}");
    }
    assert_eq!(app.send("GET", "/api/openapi.json", &[], "").status, 200);
}

#[test]
fn a_page_that_fetches_is_not_covered_by_the_browsers_prompt() {
    let app = TestApp::start();
    for header in [("Sec-Fetch-Mode", "cors"), ("X-Requested-With", "XMLHttpRequest")] {
        let answer = app.send("GET", STATUS, &[header], "");
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, None), "{header:?}");
    }
}

#[test]
fn what_is_no_key_and_token_is_401() {
    let app = TestApp::start();
    let (key, token) = (app.key.key.as_str(), app.key.token.as_str());
    let with = |key: &str, token: &str| basic(&NewKey { key: key.to_owned(), token: token.to_owned() });
    for header in [
        with(key, "wrong"),
        with(key, ""),
        with("", ""),
        with("a-acme01-0000000000", token),
        with(&key.to_uppercase(), token),
        format!("Bearer {token}"),
        "Basic !".to_owned(),
        "Basic".to_owned(),
    ] {
        let answer = app.send("GET", STATUS, &[("Authorization", &header)], "");
        assert_eq!(answer.status, 401, "{header}");
        assert!(!answer.text.contains(token), "{}", answer.text);
    }
}

#[test]
fn a_viewer_reads_and_what_could_change_something_takes_more() {
    let app = TestApp::start();
    for (role, status) in [(Role::Viewer, 403), (Role::Operator, 403), (Role::Admin, 405)] {
        let key = app.credentials.add_key("acme01", role, None).unwrap();
        assert_eq!(ask(&app, &key), 200);
        // Other methods do change something there.
        let answer = app.send("PUT", "/api/rollcall/v1/session", &[("Authorization", &basic(&key))], "");
        assert_eq!(answer.status, status, "{role:?}");
        if status == 403 {
            assert_eq!(answer.body["exception"], json!({ "id": "ROLLC0403E", "properties": ["admin"] }));
            assert_eq!(answer.header("www-authenticate"), None);
        }
    }
}

/// A viewer heard of a role that would be needed, which does not help either.
#[test]
fn where_there_is_only_reading_everybody_who_is_let_in_hears_405_and_elsewhere_404() {
    let app = TestApp::start();
    for role in [Role::Viewer, Role::Admin] {
        let key = app.credentials.add_key("acme01", role, None).unwrap();
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let ask = |path: &str| app.send(method, path, &[("Authorization", &basic(&key))], "");
            for path in [
                STATES,
                STATUS,
                "/api/v0002/clientconnectionstates/d:acme01:thermo:t-1",
                "/api/v0002/config/clientstate",
                "/api/v0002/device/types/thermo/devices/",
            ] {
                let answer = ask(path);
                assert_eq!(
                    (answer.status, answer.header("allow")),
                    (405, Some("GET,HEAD")),
                    "{method} {path}"
                );
            }
            for path in ["/api", "/api/nothing", "/api/v0002/device/types"] {
                assert_eq!(ask(path).status, 404, "{method} {path}");
            }
        }
    }
    assert_eq!(app.send("POST", STATES, &[], "").status, 401);
    assert_eq!(app.send("POST", "/api/nothing", &[], "").status, 401);
}

#[test]
fn a_revoked_key_is_401_at_once_although_it_was_just_used() {
    let app = TestApp::start();
    let key = app.credentials.add_key("acme01", Role::Viewer, None).unwrap();
    assert_eq!((ask(&app, &key), ask(&app, &key)), (200, 200));
    assert!(app.credentials.revoke_key(&key.key).unwrap());
    assert_eq!(ask(&app, &key), 401);
}

#[test]
fn a_key_of_another_organisation_is_403() {
    let app = TestApp::start();
    app.credentials.serve("acme01", "http://127.0.0.1:8080/").unwrap();
    let key = app.credentials.add_key("other", Role::Admin, None).unwrap();
    assert!(key.key.starts_with("a-other-") && key.key.len() == 18, "{}", key.key);
    assert_eq!(ask(&app, &key), 403);
}

#[test]
fn five_wrong_tokens_are_followed_by_429_and_the_right_one_still_opens() {
    let app = TestApp::start();
    assert_eq!(ask(&app, &app.key), 200);
    let wrong = NewKey { token: "wrong".to_owned(), ..app.key.clone() };
    for attempt in 0..5 {
        assert_eq!(ask(&app, &wrong), 401, "{attempt}");
    }
    let answer = app.send("GET", STATUS, &[("Authorization", &basic(&wrong))], "");
    assert_eq!(answer.status, 429);
    let wait_s: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&wait_s), "{wait_s}");
    assert_eq!(ask(&app, &app.key), 200);
    // Another key is another matter.
    let other = app.credentials.add_key("acme01", Role::Viewer, None).unwrap();
    assert_eq!(ask(&app, &other), 200);
}

#[test]
fn a_store_that_does_not_answer_is_503_and_lets_nobody_in() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::guarded_by(Arc::new(Credentials::open(directory.path()).unwrap()), false);
    assert_eq!(ask(&app, &app.key), 200);
    let store = rusqlite::Connection::open(directory.path().join("identity.db")).unwrap();
    store.execute_batch("DROP TABLE keys; DROP TABLE sessions; DROP TABLE links;").unwrap();
    assert_eq!(ask(&app, &app.key), 503);
    let answer = app.send("GET", STATUS, &[("Cookie", "rollcall_session=x")], "");
    assert_eq!((answer.status, &answer.body["exception"]["id"]), (503, &"ROLLC0503E".into()));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn a_stranger_does_not_lock_out_the_owner_of_a_key_elsewhere() {
    let app = TestApp::start();
    let wrong = basic(&NewKey { token: "wrong".to_owned(), ..app.key.clone() });
    let from = |address: &str, authorization: &str| {
        let headers = [("Authorization", authorization), ("X-Forwarded-For", address)];
        app.send("GET", STATUS, &headers, "").status
    };
    for _ in 0..5 {
        assert_eq!(from("192.0.2.7", &wrong), 401);
    }
    assert_eq!(from("192.0.2.7", &wrong), 429);
    // The right token was never seen before, so that nothing is remembered of it.
    assert_eq!(from("192.0.2.7", &basic(&app.key)), 429);
    assert_eq!(from("192.0.2.8", &basic(&app.key)), 200);
    assert_eq!(from("192.0.2.7", &basic(&app.key)), 200);
}
