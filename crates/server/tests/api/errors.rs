//! Requests that cannot be answered, and how that is said.

use serde_json::json;

use crate::app::{TestApp, connect};

#[test]
fn each_bad_parameter_is_named_with_its_value() {
    let app = TestApp::start();
    for (query, parameter, value) in [
        ("_limit=0", "_limit", "0"),
        ("_limit=1001", "_limit", "1001"),
        ("_limit=many", "_limit", "many"),
        ("_skip=-1", "_skip", "-1"),
        ("_sort=colour", "_sort", "colour"),
        ("_sort=id,-id", "_sort", "id,-id"),
        ("_facets=colour", "_facets", "colour"),
        ("_count=connectedAfter%3Dsoon", "_count", "connectedAfter=soon"),
        ("_count=colour%3Dred", "_count", "colour=red"),
        ("connectionStatus=asleep", "connectionStatus", "asleep"),
        ("connectedAfter=yesterday", "connectedAfter", "yesterday"),
        ("connectedAfter=2026-02-30T00:00:00Z", "connectedAfter", "2026-02-30T00:00:00Z"),
        ("mqttReasonCode=256", "mqttReasonCode", "256"),
        ("stale=perhaps", "stale", "perhaps"),
        ("minRecentConnects=65", "minRecentConnects", "65"),
        ("colour=red+and+blue", "colour", "red and blue"),
        ("_colour=red", "_colour", "red"),
        ("search=%FF", "search", "%FF"),
    ] {
        assert_eq!(app.states(query).violations(), [(parameter, value)], "{query}");
    }
}

#[test]
fn all_bad_parameters_are_named_at_once() {
    let answer = TestApp::start().states("_limit=5000&stale=7&deviceType=thermo");
    assert_eq!(answer.violations(), [("_limit", "5000"), ("stale", "7")]);
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.starts_with("CUDRS0007E: The request was not valid."), "{message}");
    assert_eq!(answer.body["exception"], json!({ "id": "CUDRS0007E", "properties": [] }));
}

#[test]
fn an_unknown_path_is_404_in_json() {
    let app = TestApp::start();
    for path in [
        "/api",
        "/api/",
        "/api/v0002",
        "/api/v0002/unknown",
        "/api/v0002/clientconnectionstates/a/b",
        "/api/v0001/x",
    ] {
        let answer = app.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body["message"].is_string(), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn a_wrong_method_is_405_and_says_which_are_right() {
    let app = TestApp::start();
    for path in [
        "/api/v0002/clientconnectionstates",
        "/api/v0002/logs/connection",
        "/api/openapi.json",
        "/api/rollcall/v1/status",
    ] {
        let answer = app.post(path);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{path}");
        assert_eq!(answer.body["exception"]["properties"], json!(["POST"]));
    }
}

/// Requests waited in a queue without an end when the disk did not answer.
#[test]
fn who_comes_in_a_crowd_is_told_to_try_again() {
    let app = TestApp::with([connect("stuck", 1)]);
    app.set_stuck(true);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (told, finished) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        // As many as run and wait at the same time, and some more.
        for _ in 0..cores.max(2) + 256 + 8 {
            let (app, told) = (&app, told.clone());
            scope.spawn(move || told.send(app.log("clientId=stuck")).unwrap());
        }
        for answer in finished.iter().take(8) {
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
            assert_eq!(answer.body["exception"]["id"], "ROLLC0503E");
        }
        app.set_stuck(false);
    });
    assert!(finished.try_iter().all(|answer| answer.status == 200));
}
