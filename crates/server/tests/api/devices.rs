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

/// The list of devices calls the id of a client `clientId`, and could not be sorted by it.
#[test]
fn devices_are_sorted_by_every_field_that_they_have() {
    let app = app();
    let ids = |sort: &str| {
        let answer = app.get(&format!("/api/v0002/bulk/devices?_sort={sort}"));
        device_ids(&answer).into_iter().map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("-clientId"), ["north", "t-2", "t-1"]);
    assert_eq!(ids("-typeId,-deviceId"), ["t-2", "t-1", "north"]);
}

/// IBM's SDK for Python iterates the devices of a type under this path, and got 404.
#[test]
fn devices_of_a_type_are_listed_with_a_slash_at_the_end_too() {
    let app = app();
    assert_eq!(device_ids(&app.get("/api/v0002/device/types/thermo/devices/?_limit=50")), ["t-1", "t-2"]);
}

#[test]
fn a_registered_device_exists_before_it_was_ever_seen() {
    let app = app();
    app.credentials.add_device("thermo", "new", "acme01").unwrap();
    app.credentials.add_gateway("gw", "south", "acme01").unwrap();
    for (type_id, device_id, id) in
        [("thermo", "new", "d:acme01:thermo:new"), ("gw", "south", "g:acme01:gw:south")]
    {
        let device = app.get(&format!("/api/v0002/device/types/{type_id}/devices/{device_id}"));
        assert_eq!((device.status, &device.body["clientId"]), (200, &json!(id)));
        assert_eq!((&device.body["typeId"], &device.body["deviceId"]), (&json!(type_id), &json!(device_id)));
        let log = app.log(&format!("typeId={type_id}&deviceId={device_id}"));
        assert_eq!((log.status, &log.body), (200, &json!([])));
        let log = app.log(&format!("clientId={id}"));
        assert_eq!((log.status, &log.body), (200, &json!([])));
        // Nothing is known of it.
        assert_eq!(app.get(device.body["refs"]["clientState"].as_str().unwrap()).status, 404);
    }
    assert_eq!(app.states("").body["meta"]["total_rows"], 5);
    app.credentials.remove("d:acme01:thermo:new").unwrap();
    assert_eq!(app.get("/api/v0002/device/types/thermo/devices/new").status, 404);
    assert_eq!(app.log("typeId=thermo&deviceId=new").status, 404);
    assert_eq!(device_ids(&app.get("/api/v0002/device/types/thermo/devices")), ["t-1", "t-2"]);
}

#[test]
fn registered_devices_are_listed_beside_those_that_were_seen_and_each_once() {
    let app = app();
    let of_type = || app.get("/api/v0002/device/types/thermo/devices");
    let tag = of_type().header("etag").unwrap().to_owned();
    for id in ["t-0", "t-1", "t-15", "t-9"] {
        app.credentials.add_device("thermo", id, "acme01").unwrap();
    }
    // None of these belongs here: another organisation, no device.
    app.credentials.add_device("thermo", "t-3", "other").unwrap();
    app.credentials.add_client("d:acme01:thermo").unwrap();
    let changed = app.get_if_none_match("/api/v0002/device/types/thermo/devices", &tag);
    assert_eq!(device_ids(&changed), ["t-0", "t-1", "t-15", "t-2", "t-9"]);
    assert_eq!(changed.body["meta"]["total_rows"], 5);
    let tag = changed.header("etag").unwrap();
    assert_eq!(app.get_if_none_match("/api/v0002/device/types/thermo/devices", tag).status, 304);
    let skipped = app.get("/api/v0002/bulk/devices?_skip=2&_limit=3&_facets=deviceType");
    assert_eq!(device_ids(&skipped), ["t-15", "t-2", "t-9"]);
    assert_eq!(
        skipped.body["meta"],
        json!({ "total_rows": 6, "facets": { "deviceType": { "thermo": 5, "gw": 1 } } })
    );
    // It connects, and is still there once.
    app.tell(&[connect("d:acme01:thermo:t-15", 0)]);
    assert_eq!(device_ids(&of_type()), ["t-0", "t-1", "t-15", "t-2", "t-9"]);
    assert_eq!(of_type().body["meta"]["total_rows"], 5);
}

/// The device ids on all pages, two on each.
fn walk(app: &TestApp, sort: &str, between_pages: impl Fn(usize)) -> Vec<String> {
    let (mut ids, mut bookmark, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = app.get(&format!("/api/v0002/bulk/devices?_limit=2&_sort={sort}{bookmark}"));
        assert_eq!(page.body["meta"]["total_rows"], 40);
        ids.extend(device_ids(&page).into_iter().map(|id| id.as_str().unwrap().to_owned()));
        match page.body.get("bookmark") {
            Some(next) => bookmark = format!("&_bookmark={}", next.as_str().unwrap()),
            None => return ids,
        }
        pages += 1;
        between_pages(pages);
    }
}

#[test]
fn a_walk_over_seen_and_registered_devices_returns_each_once_in_every_order() {
    let app = TestApp::start();
    let id = |n: usize| format!("{n:02}");
    let type_of = |n: usize| if n.is_multiple_of(2) { "even" } else { "odd" };
    // Every third was seen; of those some are registered, too.
    for n in 0..40 {
        if n % 3 == 0 {
            app.tell(&[connect(&format!("d:acme01:{}:{}", type_of(n), id(n)), n as i64)]);
        }
        if n % 3 != 0 || n % 4 == 0 {
            app.credentials.add_device(type_of(n), &id(n), "acme01").unwrap();
        }
    }
    let all = |order: Vec<usize>| order.into_iter().map(id).collect::<Vec<_>>();
    let (even, odd) = ((0..40).step_by(2), (1..40).step_by(2));
    let by_id = || even.clone().chain(odd.clone()).collect::<Vec<_>>();
    let nothing = |_| {};
    assert_eq!(walk(&app, "id", nothing), all(by_id()));
    assert_eq!(walk(&app, "-id", nothing), all(by_id().into_iter().rev().collect()));
    assert_eq!(walk(&app, "deviceId", nothing), all((0..40).collect()));
    assert_eq!(walk(&app, "-deviceType,-id", nothing), all(by_id().into_iter().rev().collect()));
    assert_eq!(
        walk(&app, "-deviceType,deviceId", nothing),
        all(odd.clone().chain(even.clone()).collect::<Vec<_>>())
    );
    // Those without the value come last, by id.
    let (seen, unseen): (Vec<_>, Vec<_>) = by_id().into_iter().partition(|n| n % 3 == 0);
    let mut newest_first = seen;
    newest_first.sort_unstable();
    assert_eq!(walk(&app, "-lastConnectTime", nothing), all([newest_first, unseen].concat()));
    // Devices that connect during a walk by id keep their places.
    let connect_one = |n: usize| app.tell(&[connect(&format!("d:acme01:even:{}", id(2 * n)), 0)]);
    assert_eq!(walk(&app, "id", connect_one), all(by_id()));
}

/// They came under the field's other name.
#[test]
fn facets_have_the_names_that_were_asked_for() {
    let app = TestApp::with([connect("d:acme01:thermo:t-1", 5)]);
    let counts = json!({ "thermo": 1 });
    for list in ["/api/v0002/bulk/devices", "/api/v0002/clientconnectionstates"] {
        for (facets, expect) in [
            ("typeId", json!({ "typeId": counts })),
            ("deviceType", json!({ "deviceType": counts })),
            ("deviceType,+typeId,typeId", json!({ "deviceType": counts, "typeId": counts })),
            ("clientId", json!({ "clientId": { "d:acme01:thermo:t-1": 1 } })),
        ] {
            let answer = app.get(&format!("{list}?_facets={facets}"));
            assert_eq!(answer.body["meta"]["facets"], expect, "{list} {facets}");
        }
    }
}
