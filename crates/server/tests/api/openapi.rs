//! The description of the API is true.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::app::{TestApp, connect, publish, refuse, time_out};

/// Follows a `$ref` into the components.
fn resolve<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(path) => description.pointer(path.trim_start_matches('#')).unwrap_or_else(|| panic!("{path}")),
        None => schema,
    }
}

fn response_schema<'a>(description: &'a Value, path: &str) -> &'a Value {
    let schema =
        &description["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    resolve(description, schema)
}

fn parameter_names(description: &Value, path: &str) -> BTreeSet<String> {
    let parameters = description["paths"][path]["get"]["parameters"].as_array().unwrap();
    parameters.iter().map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
}

/// Each member that an answer has is described, and each that must be there is there.
fn check_members(schema: &Value, answer: &Value) {
    let described = schema["properties"].as_object().unwrap_or_else(|| panic!("{schema}"));
    for name in answer.as_object().unwrap().keys() {
        assert!(described.contains_key(name), "{name} is not described");
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(answer.get(name.as_str().unwrap()).is_some(), "{name} is missing");
    }
}

#[test]
fn states_and_log_entries_are_described_as_they_are() {
    let id = "d:acme01:thermo:t-1";
    let app = TestApp::with([connect(id, 90), publish(id, 80), time_out(id, 90, 70), refuse(id, 60)]);
    app.fleet.set_feed_lost(Some(crate::app::at(crate::app::NOW)));
    let description = app.get("/api/openapi.json").body;
    let state = response_schema(&description, "/api/v0002/clientconnectionstates/{clientId}");
    let full = app.get(&format!("/api/v0002/clientconnectionstates/{id}")).body;
    check_members(state, &full);
    // This client has every field, so every described one is real.
    assert_eq!(state["properties"].as_object().unwrap().len(), full.as_object().unwrap().len());
    let log = response_schema(&description, "/api/v0002/logs/connection");
    let entries = app.log(&format!("clientId={id}")).body;
    entries
        .as_array()
        .unwrap()
        .iter()
        .for_each(|entry| check_members(resolve(&description, &log["items"]), entry));
    let list = response_schema(&description, "/api/v0002/clientconnectionstates");
    let answer = app.states("_facets=certainty").body;
    check_members(list, &answer);
    check_members(resolve(&description, &list["properties"]["meta"]), &answer["meta"]);
    let error = app.states("_limit=0").body;
    check_members(&description["components"]["schemas"]["ErrorBody"], &error);
}

#[test]
fn diagnosis_incidents_and_statistics_are_described_as_they_are() {
    let app = crate::diagnosis::troubled();
    let description = app.get("/api/openapi.json").body;
    let check = |path: &str, call: &str| {
        let (schema, answer) = (response_schema(&description, path), app.get(call).body);
        check_members(schema, &answer);
        (schema["properties"].clone(), answer)
    };
    let items = |members: &Value, name: &str| resolve(&description, &members[name]["items"]).clone();
    let (members, answer) = check(
        "/api/v0002/clientconnectionstates/{clientId}/diagnosis",
        "/api/v0002/clientconnectionstates/d:acme01:thermo:cut/diagnosis",
    );
    let finding = items(&members, "findings");
    answer["findings"].as_array().unwrap().iter().for_each(|answer| check_members(&finding, answer));
    let (members, answer) = check("/api/v0002/incidents", "/api/v0002/incidents");
    let incident = items(&members, "incidents");
    check_members(&incident, &answer["incidents"][0]);
    check_members(&items(&incident["properties"], "shares"), &answer["incidents"][0]["shares"][0]);
    let (members, answer) = check("/api/v0002/statistics", "/api/v0002/statistics");
    check_members(&items(&members, "buckets"), &answer["buckets"][100]);
    check_members(&items(&members, "topFlappers"), &answer["topFlappers"][0]);
}

#[test]
fn every_described_filter_is_understood_and_the_other_way_round() {
    let app = TestApp::start();
    let description = app.get("/api/openapi.json").body;
    assert_eq!(description["openapi"], "3.1.0");
    let names = parameter_names(&description, "/api/v0002/clientconnectionstates");
    for name in names.iter().filter(|name| *name != "If-None-Match") {
        let answer = app.states(&format!("{name}=x"));
        let message = answer.text;
        assert!(!message.contains("not known"), "{name}: {message}");
    }
    let filters = names
        .iter()
        .filter(|name| !name.starts_with('_') && !name.ends_with('!') && *name != "If-None-Match");
    let excluding: BTreeSet<_> = filters.map(|name| format!("{name}!")).collect();
    assert!(excluding.is_subset(&names) && excluding.len() == 25, "{}", excluding.len());
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(description: &Value, value: &Value) {
        resolve(description, value);
        match value {
            Value::Object(members) => members.values().for_each(|member| check(description, member)),
            Value::Array(items) => items.iter().for_each(|item| check(description, item)),
            _ => {}
        }
    }
    let description = TestApp::start().get("/api/openapi.json").body;
    check(&description, &description);
}

#[test]
fn every_call_says_who_may_ask_and_what_others_hear() {
    let description = TestApp::start().send("GET", "/api/openapi.json", &[], "").body;
    let schemes = &description["components"]["securitySchemes"];
    assert_eq!((&schemes["basic"]["scheme"], &schemes["cookie"]["in"]), (&"basic".into(), &"cookie".into()));
    assert_eq!(description["security"], serde_json::json!([{ "basic": [] }, { "cookie": [] }]));
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for status in ["401", "403", "429", "503"] {
                assert!(operation["responses"].get(status).is_some(), "{method} {path} {status}");
            }
            let is_open = operation["security"] == serde_json::json!([{}]);
            assert_eq!(is_open, method == "post" && path.ends_with("/session"), "{method} {path}");
        }
    }
}
