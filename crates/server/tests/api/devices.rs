//! The device resources that IBM's SDKs read.

use serde_json::{Value, json};

use crate::app::{Answer, TestApp, connect};

fn app() -> TestApp {
    TestApp::with(
        ["d:acme01:thermo:t-1", "d:acme01:thermo:t-2", "g:acme01:gw:north", "a:acme01:console", "mqttjs_1"]
            .map(|id| connect(id, 1)),
    )
}

fn device_ids(answer: &Answer) -> Vec<&Value> {
    answer.body["results"].as_array().unwrap().iter().map(|device| &device["deviceId"]).collect()
}

#[test]
fn a_device_leads_to_its_state() {
    let app = app();
    let answer = app.get("/api/v0002/device/types/gw/devices/north");
    assert_eq!(
        answer.body,
        json!({ "clientId": "g:acme01:gw:north", "typeId": "gw", "deviceId": "north",
            "refs": { "clientState": "/api/v0002/clientconnectionstates/g:acme01:gw:north" } })
    );
    let state = app.get(answer.body["refs"]["clientState"].as_str().unwrap());
    assert_eq!(state.body["id"], "g:acme01:gw:north");
}

#[test]
fn an_unknown_device_is_404() {
    let answer = app().get("/api/v0002/device/types/thermo/devices/t-99");
    assert_eq!(
        (answer.status, &answer.body["exception"]["properties"]),
        (404, &json!(["d:acme01:thermo:t-99"]))
    );
}

#[test]
fn devices_are_listed_by_type_and_in_bulk_page_by_page() {
    let app = app();
    assert_eq!(device_ids(&app.get("/api/v0002/device/types/thermo/devices")), ["t-1", "t-2"]);
    assert_eq!(device_ids(&app.get("/api/v0002/device/types/none/devices")), [""; 0]);
    let first = app.get("/api/v0002/bulk/devices?_limit=2&_sort=-typeId,deviceId");
    assert_eq!(device_ids(&first), ["t-1", "t-2"]);
    assert_eq!(first.body["meta"]["total_rows"], 3);
    let bookmark = first.body["bookmark"].as_str().unwrap();
    let second = app.get(&format!("/api/v0002/bulk/devices?_sort=-typeId,deviceId&_bookmark={bookmark}"));
    assert_eq!(device_ids(&second), ["north"]);
    assert!(second.body.get("bookmark").is_none());
}

/// IBM's SDK for Python iterates the devices of a type under this path, and got 404.
#[test]
fn devices_of_a_type_are_listed_with_a_slash_at_the_end_too() {
    let app = app();
    assert_eq!(device_ids(&app.get("/api/v0002/device/types/thermo/devices/?_limit=50")), ["t-1", "t-2"]);
}
