//! What the State API says of a client, its filters, its entity tags.

use serde_json::json;

use crate::app::{TestApp, connect, publish, refuse, time_out};

const THERMO: &str = "d:acme01:thermo:t-17";

/// A small fleet: connected, timed out, an application, a gateway, a stranger.
fn fleet() -> TestApp {
    TestApp::with([
        connect(THERMO, 180),
        publish(THERMO, 10),
        connect("d:acme01:thermo:t-18", 50),
        time_out("d:acme01:thermo:t-18", 50, 20),
        connect("d:acme01:pump:P-1", 5),
        connect("g:acme01:gw:north", 300),
        connect("a:acme01:console", 2_000),
        refuse("intruder", 1),
    ])
}

fn check(app: &TestApp, query: &str, ids: &[&str]) {
    let answer = app.states(query);
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    assert_eq!(answer.ids(), ids, "{query}");
    assert_eq!(answer.body["meta"]["total_rows"], ids.len(), "{query}");
}

#[test]
fn a_connected_client_is_told_in_watsons_words() {
    let app = fleet();
    let answer = app.get(&format!("/api/v0002/clientconnectionstates/{THERMO}"));
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({
            "id": THERMO, "clientType": "device", "connectionStatus": "connected",
            "lastConnectTime": "2026-11-20T09:00:00.000Z",
            "lastActivityEvent": "mqttPublish", "lastActivityTime": "2026-11-20T11:50:00.000Z",
            "lastPublishTime": "2026-11-20T11:50:00.000Z",
            "mqttConnectProtocol": "3.1.1", "certainty": "reported", "clientAddr": "10.0.0.7", "secure": false,
            "deviceType": "thermo", "deviceId": "t-17", "recentConnects": 0,
        })
    );
}

#[test]
fn a_disconnected_client_says_who_ended_it_and_why() {
    let answer = fleet().get("/api/v0002/clientconnectionstates/d:acme01:thermo:t-18");
    let body = &answer.body;
    assert_eq!(body["connectionStatus"], "disconnected");
    assert_eq!(body["lastDisconnectTime"], "2026-11-20T11:40:00.000Z");
    assert_eq!(body["disconnectInitiator"], "server");
    assert_eq!((&body["mqttReasonCode"], &body["closeCode"]), (&json!(141), &json!(160)));
    assert_eq!(body["reason"], "The connection timed out.");
    assert_eq!(body["recentConnects"], 1);
}

#[test]
fn an_unknown_client_is_404_with_its_id_as_the_only_property() {
    let answer = fleet().get("/api/v0002/clientconnectionstates/fakeId");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.body["exception"]["properties"], json!(["fakeId"]));
    assert!(answer.body["message"].as_str().unwrap().contains("fakeId"));
}

#[test]
fn every_filter_finds_its_clients() {
    let app = fleet();
    let t18 = "d:acme01:thermo:t-18";
    let pump = "d:acme01:pump:P-1";
    check(&app, "connectionStatus=connected", &["a:acme01:console", pump, THERMO, "g:acme01:gw:north"]);
    check(&app, "connectionStatus=disconnected", &[t18, "intruder"]);
    check(&app, "deviceType=thermo", &[THERMO, t18]);
    check(&app, "typeId=thermo&deviceId=t-17", &[THERMO]);
    check(&app, "connectedAfter=2026-11-20T11:10:00.000Z", &[pump, t18]);
    check(&app, "lastConnectedAfter={currentTime-1H}", &[pump, t18]);
    check(&app, "lastConnectedAfter=%7BcurrentTime-1H%7D", &[pump, t18]);
    // Who never connected did not connect since then either.
    check(&app, "connectedBefore=now-1d", &["a:acme01:console", "intruder"]);
    check(&app, "connectedBefore=now-1d&connectedAfter=now-30d", &["a:acme01:console"]);
    check(&app, "disconnectedAfter=now-1h", &[t18]);
    check(&app, "disconnectedBefore=now-15m", &[t18]);
    check(&app, "activeAfter=now-10m", &[pump, THERMO]);
    check(&app, "activeBefore=now-4h", &["a:acme01:console", "g:acme01:gw:north", "intruder"]);
    check(&app, "publishedAfter=now-10m", &[THERMO]);
    check(&app, "publishedBefore=now-1m&deviceType=thermo", &[THERMO, t18]);
    check(&app, "clientType=gateway,application", &["a:acme01:console", "g:acme01:gw:north"]);
    check(&app, "disconnectInitiator=server", &[t18]);
    check(&app, "mqttReasonCode=0x8D", &[t18]);
    check(&app, "closeCode=91,160", &[t18]);
    check(&app, "lastActivityEvent=mqttPublish", &[THERMO]);
    check(&app, "mqttConnectProtocol=5", &[]);
    check(&app, "certainty=unknown", &["intruder"]);
    let all = ["a:acme01:console", pump, THERMO, t18, "g:acme01:gw:north"];
    check(&app, "clientAddr=10.0.0.7", &all);
    check(&app, "clientAddr=192.0.2.0/24&clientAddr=10.0.0.0/29", &all);
    check(&app, "clientAddr!=10.0.0.0/8", &["intruder"]);
    check(&app, "refusedAfter=now-2m", &["intruder"]);
    check(&app, "minRecentConnects=1", &[pump, t18]);
    check(&app, "search=p-1", &[pump]);
    check(&app, "stale=true", &[]);
}

#[test]
fn filters_combine_and_repeated_ones_are_alternatives() {
    let app = fleet();
    check(&app, "deviceType=thermo&connectionStatus=connected", &[THERMO]);
    check(&app, "deviceType=pump&deviceType=gw", &["d:acme01:pump:P-1", "g:acme01:gw:north"]);
    check(&app, "deviceType!=thermo&clientType=device", &["d:acme01:pump:P-1"]);
    check(&app, "deviceType%21=thermo&clientType=device", &["d:acme01:pump:P-1"]);
}

#[test]
fn times_come_as_ibms_sdks_send_them() {
    let app = fleet();
    let pump = ["d:acme01:pump:P-1"];
    for time in [
        "2026-11-20T11:54:00.000Z",
        "2026-11-20T11:54:00",
        "2026-11-20T11:54:00.123456",
        "2026-11-20T13:54:00%2B02:00",
    ] {
        check(&app, &format!("connectedAfter={time}"), &pump);
    }
}

#[test]
fn a_state_whose_feed_is_lost_says_since_when() {
    let app = fleet();
    app.fleet.set_feed_lost(Some(crate::app::at("2026-11-20T11:52:00Z")));
    let answer = app.states("stale=true&search=thermo");
    assert_eq!(answer.ids(), [THERMO, "d:acme01:thermo:t-18"]);
    assert_eq!(answer.body["results"][0]["staleSince"], "2026-11-20T11:52:00.000Z");
}

#[test]
fn facets_come_only_when_asked_for_and_count_the_filtered_clients() {
    let app = fleet();
    assert!(app.states("").body["meta"].get("facets").is_none());
    let counted = app.states("_count=connectedAfter%3Dnow-1h&_count=clientAddr!%3D10.0.0.0/8&_limit=1&_count=connectedBefore%3Dnow-1d");
    let counts =
        json!({ "connectedAfter=now-1h": 2, "clientAddr!=10.0.0.0/8": 1, "connectedBefore=now-1d": 2 });
    assert_eq!(counted.body["meta"]["counts"], counts);
    let answer = app.states("_facets=connectionStatus,deviceType,closeCode&clientType=device&_limit=1");
    assert_eq!(
        answer.body["meta"],
        json!({ "total_rows": 3, "facets": {
            "connectionStatus": { "connected": 2, "disconnected": 1 },
            "deviceType": { "thermo": 2, "pump": 1 },
            "closeCode": { "160": 1 },
        } })
    );
    let most_frequent_first = r#""deviceType":{"thermo":2,"pump":1}"#;
    assert!(answer.text.contains(most_frequent_first), "{}", answer.text);
}

#[test]
fn what_a_caller_still_holds_is_not_sent_again() {
    let app = fleet();
    let paths = [
        "/api/v0002/clientconnectionstates?_limit=3",
        &format!("/api/v0002/clientconnectionstates/{THERMO}"),
        "/api/v0002/bulk/devices",
    ];
    for (minutes, path) in (0..9).rev().zip(paths) {
        let first = app.get(path);
        let tag = first.header("etag").unwrap().to_owned();
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        let second = app.get_if_none_match(path, &tag);
        assert_eq!((second.status, second.text.as_str()), (304, ""));
        assert_eq!(second.header("etag"), Some(tag.as_str()));
        assert_eq!(app.get_if_none_match(path, &format!("\"other\", {tag}")).status, 304);
        // A device keeps its names, whatever it does.
        let expect = if path.ends_with("devices") { 304 } else { 200 };
        app.tell(&[publish(THERMO, minutes)]);
        assert_eq!(app.get_if_none_match(path, &tag).status, expect, "{path}");
    }
}

#[test]
fn what_happens_to_others_does_not_change_what_a_caller_holds() {
    let app = fleet();
    let others =
        app.states("deviceType!=thermo&_limit=1").body["results"][0]["id"].as_str().unwrap().to_owned();
    let paths = [
        "/api/v0002/clientconnectionstates?deviceType=thermo&_facets=connectionStatus",
        &format!("/api/v0002/clientconnectionstates/{THERMO}"),
    ];
    for (minutes, path) in (0..9).rev().zip(paths) {
        let tag = app.get(path).header("etag").unwrap().to_owned();
        app.tell(&[publish(&others, minutes)]);
        assert_eq!(app.get_if_none_match(path, &tag).status, 304, "{path}");
        app.tell(&[publish(THERMO, minutes)]);
        assert_eq!(app.get_if_none_match(path, &tag).status, 200, "{path}");
    }
}

#[test]
fn answers_to_different_questions_have_different_tags() {
    let app = fleet();
    let tag = |query| app.states(query).header("etag").unwrap().to_owned();
    assert_ne!(tag("_limit=2"), tag("_limit=3"));
    assert_ne!(tag("deviceType=thermo"), tag("deviceId=thermo"));
    assert_eq!(tag("_limit=2&deviceType=a"), tag("deviceType=a&_limit=2"));
}

#[test]
fn the_state_api_is_switched_on() {
    assert_eq!(TestApp::start().get("/api/v0002/config/clientstate").body, json!({ "enabled": true }));
}
