//! Clients outside Watson's grammar whose ids name a device by a pattern of the server.

use rollcall_model::ClientState;
use serde_json::json;

use crate::app::{TestApp, connect, refuse};

const PATTERNS: [&str; 2] = ["^(?<type>[^/]+)/hall-[0-9]/(?<id>[^/]+)/v2$", "^shelly(?<type>[a-z]+)-"];
const PUMP: &str = "pump/hall-7/p 1/v2";

fn app() -> TestApp {
    let app = TestApp::named_by(&PATTERNS);
    let ids =
        [PUMP, "pump/hall-8/p2/v2", "shellyplug-A4", "mqttjs_1", "d:acme01:pump:p2", "a:acme01:console"];
    app.tell(&ids.map(|id| connect(id, 1)));
    app
}

#[test]
fn a_state_has_the_names_that_the_pattern_finds() {
    let names = |id: &str| {
        let body = app().states(&format!("search={id}")).body["results"][0].clone();
        (body["clientType"].clone(), body["deviceType"].clone(), body["deviceId"].clone())
    };
    assert_eq!(names("hall-7"), (json!("other"), json!("pump"), json!("p 1")));
    assert_eq!(names("shelly"), (json!("other"), json!("plug"), json!(null)));
    assert_eq!(names("mqttjs"), (json!("other"), json!("mqtt"), json!(null)));
    assert_eq!(names("acme01:pump"), (json!("device"), json!("pump"), json!("p2")));
    let one = app().get("/api/v0002/clientconnectionstates/pump%2Fhall-7%2Fp%201%2Fv2");
    assert_eq!((&one.body["deviceType"], &one.body["deviceId"]), (&json!("pump"), &json!("p 1")));
}

#[test]
fn filters_sorts_and_facets_go_by_these_names() {
    let app = app();
    assert_eq!(app.states("deviceType=pump&clientType=other").ids(), [PUMP, "pump/hall-8/p2/v2"]);
    assert_eq!(app.states("deviceId=p%201").ids(), [PUMP]);
    assert_eq!(app.states("deviceId=p2&_sort=-clientType").ids(), ["pump/hall-8/p2/v2", "d:acme01:pump:p2"]);
    assert_eq!(app.states("deviceType=plug").ids(), ["shellyplug-A4"]);
    assert_eq!(app.states("deviceId!=p2&deviceType=pump").ids(), [PUMP]);
    let sorted = app.states("_sort=deviceId&_limit=3");
    assert_eq!(sorted.ids(), [PUMP, "d:acme01:pump:p2", "pump/hall-8/p2/v2"]);
    let facets = app.states("_facets=deviceType,deviceId").body["meta"]["facets"].clone();
    let expect =
        json!({ "deviceType": { "pump": 3, "mqtt": 1, "plug": 1 }, "deviceId": { "p2": 2, "p 1": 1 } });
    assert_eq!(facets, expect);
}

#[test]
fn whoever_has_both_names_is_a_device_and_has_a_log_by_them() {
    let app = app();
    let device = app.get("/api/v0002/device/types/pump/devices/p%201");
    let state = "/api/v0002/clientconnectionstates/pump%2Fhall-7%2Fp%201%2Fv2";
    let expect =
        json!({ "clientId": PUMP, "typeId": "pump", "deviceId": "p 1", "refs": { "clientState": state } });
    assert_eq!(device.body, expect);
    assert_eq!(app.get(state).body["id"], PUMP);
    let list = app.get("/api/v0002/device/types/pump/devices");
    let ids: Vec<_> =
        list.body["results"].as_array().unwrap().iter().map(|device| &device["clientId"]).collect();
    assert_eq!(ids, ["d:acme01:pump:p2", PUMP, "pump/hall-8/p2/v2"]);
    assert_eq!(app.get("/api/v0002/bulk/devices").body["meta"]["total_rows"], 3);
    app.tell(&[refuse(PUMP, 0)]);
    assert_eq!(app.log("typeId=pump&deviceId=p%201").body.as_array().map(Vec::len), Some(2));
    // Watson's grammar goes before the patterns.
    let both = app.get("/api/v0002/device/types/pump/devices/p2");
    assert_eq!(both.body["clientId"], "d:acme01:pump:p2");
    assert_eq!(app.get("/api/v0002/device/types/plug/devices/A4").status, 404);
}

#[test]
fn restored_states_follow_the_patterns_of_this_start() {
    let app = TestApp::named_by(&["hall-(?<type>[0-9])"]);
    app.fleet.load([ClientState::new(PUMP.to_owned())]);
    assert_eq!(app.states("deviceType=7").ids(), [PUMP]);
    assert_eq!(app.states("deviceType=pump").ids(), [""; 0]);
}
