//! The Connection Logs API.

use serde_json::{Value, json};

use crate::app::{Answer, TestApp, connect, publish, refuse, time_out};

const THERMO: &str = "d:acme01:thermo:t-17";

/// A device that connected and timed out `sessions` times, an hour apart, the last one three hours ago.
fn app(sessions: i64) -> TestApp {
    let events = (3..3 + sessions).rev().flat_map(|hour| {
        [
            connect(THERMO, hour * 60),
            publish(THERMO, hour * 60 - 5),
            time_out(THERMO, hour * 60, hour * 60 - 10),
        ]
    });
    TestApp::with(events.chain([connect("g:acme01:gw:north", 30)]))
}

fn times(answer: &Answer) -> Vec<&str> {
    answer.body.as_array().unwrap().iter().map(|entry| entry["timestamp"].as_str().unwrap()).collect()
}

fn kinds(answer: &Answer) -> Vec<&Value> {
    answer.body.as_array().unwrap().iter().map(|entry| &entry["event"]).collect()
}

#[test]
fn a_log_is_a_bare_array_newest_first_in_watsons_words() {
    let answer = app(1).log("typeId=thermo&deviceId=t-17");
    assert_eq!(answer.status, 200);
    assert_eq!(times(&answer), ["2026-11-20T09:10:00.000Z", "2026-11-20T09:00:00.000Z"]);
    assert_eq!(answer.body[0]["message"], "Closed connection from 10.0.0.7. The connection timed out.");
    assert_eq!(
        answer.body[1]["message"],
        format!("Token auth succeeded: ClientID='{THERMO}', ClientIP=10.0.0.7")
    );
    assert_eq!((&answer.body[0]["readMsg"], &answer.body[0]["closeCode"]), (&json!(872), &json!(160)));
}

#[test]
fn a_device_log_has_10_entries_unless_up_to_20_are_asked_for() {
    let app = app(30);
    let log = |query: &str| times(&app.log(&format!("typeId=thermo&deviceId=t-17{query}"))).len();
    assert_eq!(log(""), 10);
    assert_eq!(log("&limit=20"), 20);
    assert_eq!(log("&limit=20&offset=55"), 5);
    assert_eq!(log("&offset=1000"), 0);
}

#[test]
fn gateways_have_a_log_like_devices() {
    assert_eq!(kinds(&app(0).log("typeId=gw&deviceId=north")), ["connect"]);
}

#[test]
fn the_bounds_of_time_are_inclusive_and_one_alone_is_enough() {
    let app = app(3);
    let log = |range: &str| app.log(&format!("typeId=thermo&deviceId=t-17&{range}"));
    let between = log("fromTime=2026-11-20T08:00:00&toTime=2026-11-20T08:10:00Z");
    assert_eq!(times(&between).len(), 2);
    let (since, until) = (log("fromTime=2026-11-20T08:00:00"), log("toTime=2026-11-20T08:10:00Z"));
    let after = log("fromTime=2026-11-20T08:10:00.001Z");
    assert_eq!(times(&since), [times(&after), times(&between)].concat());
    assert!(times(&until).starts_with(&times(&between)));
}

#[test]
fn bad_values_are_named() {
    let app = app(1);
    for (query, parameter, value) in [
        ("limit=21", "limit", "21"),
        ("limit=0", "limit", "0"),
        ("offset=0", "offset", "0"),
        ("offset=1001", "offset", "1001"),
        ("fromTime=then&toTime=now", "fromTime", "then"),
        ("event=sneeze", "event", "sneeze"),
    ] {
        let answer = app.log(&format!("typeId=thermo&deviceId=t-17&{query}"));
        assert_eq!(answer.violations(), [(parameter, value)], "{query}");
    }
    assert_eq!(app.log("").violations(), [("typeId", ""), ("deviceId", "")]);
    assert_eq!(app.log("typeId=thermo").violations(), [("deviceId", "")]);
    assert_eq!(app.log(&format!("clientId={THERMO}&limit=1001")).violations(), [("limit", "1001")]);
    assert_eq!(app.log(&format!("clientId={THERMO}&bookmark=x")).violations(), [("bookmark", "x")]);
}

#[test]
fn unknown_parameters_are_tolerated_as_ibms_connector_needs() {
    let answer = app(10).log("typeId=thermo&deviceId=t-17&_limit=100&colour=red");
    assert_eq!(times(&answer).len(), 10);
}

#[test]
fn the_log_of_an_unknown_device_or_client_is_404() {
    let app = app(1);
    let answer = app.log("typeId=thermo&deviceId=nobody");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.body["exception"]["properties"], json!(["d:acme01:thermo:nobody"]));
    let answer = app.log("clientId=nobody");
    assert_eq!((answer.status, &answer.body["exception"]["properties"]), (404, &json!(["nobody"])));
}

#[test]
fn any_client_has_a_log_by_its_id_filtered_by_event() {
    let app = app(2);
    app.tell(&[refuse(THERMO, 5)]);
    assert_eq!(times(&app.log(&format!("clientId={THERMO}&limit=1000"))).len(), 5);
    assert_eq!(kinds(&app.log(&format!("clientId={THERMO}&event=failedConnect"))), ["failedConnect"]);
    let two = app.log(&format!("clientId={THERMO}&event=failedConnect,connect"));
    assert_eq!(kinds(&two), ["failedConnect", "connect", "connect"]);
}

#[test]
fn links_lead_through_the_log_of_a_client() {
    let app = app(10);
    let mut path =
        format!("/api/v0002/logs/connection?clientId={THERMO}&limit=8&offset=2&event=connect,disconnect");
    let mut seen = Vec::new();
    loop {
        let answer = app.get(&path);
        seen.extend(times(&answer).into_iter().map(str::to_owned));
        let Some(link) = answer.header("link") else { break };
        path =
            link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().to_owned();
    }
    assert_eq!(seen.len(), 18);
    assert!(seen.is_sorted_by(|a, b| a > b));
    assert!(app.log("typeId=thermo&deviceId=t-17&limit=2").header("link").is_none());
}

#[test]
fn a_journal_that_fails_is_500_without_its_secrets() {
    let app = app(1);
    app.tell(&[connect("broken", 1)]);
    let answer = app.log("clientId=broken");
    assert_eq!(answer.status, 500);
    assert!(!answer.text.contains("fire"));
}
