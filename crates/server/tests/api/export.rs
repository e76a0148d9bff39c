//! The export of states.

use serde_json::Value;

use crate::app::{TestApp, connect, publish, refuse, time_out};

fn fleet_of(clients: usize) -> TestApp {
    TestApp::with((0..clients).map(|number| connect(&format!("d:acme01:thermo:t-{number:05}"), 90)))
}

#[test]
fn an_export_has_every_row_of_every_page_and_says_how_many() {
    let app = fleet_of(4_500);
    let (headers, text) = app.download("/api/v0002/export/states");
    assert_eq!(
        (headers["x-total-rows"].to_str().unwrap(), headers["content-type"].to_str().unwrap()),
        ("4500", "application/x-ndjson")
    );
    let ids: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(ids.len() == 4_500 && ids.is_sorted());
    let listed = app.states("_limit=1&_skip=4499").body;
    assert_eq!(serde_json::from_str::<Value>(text.lines().last().unwrap()).unwrap(), listed["results"][0]);
}

#[test]
fn an_export_takes_filters_and_a_sort() {
    let id = "d:acme01:thermo:t-1";
    let app = TestApp::with([connect(id, 90), time_out(id, 90, 70), publish("=x,y", 10), refuse("z", 60)]);
    let (headers, text) = app.download(
        "/api/v0002/export/states?format=csv&connectionStatus=disconnected&_sort=-id&deviceType!=none",
    );
    assert!(headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert_eq!(headers["content-disposition"], "attachment; filename=\"clients.csv\"");
    let rows: Vec<&str> = text.split_terminator("\r\n").collect();
    assert!(rows[0].starts_with("id,clientType,connectionStatus,lastConnectTime"));
    let expected =
        ["z,other,", "d:acme01:thermo:t-1,device,disconnected,2026-11-20T10:30:00.000Z", "\"'=x,y\",other"];
    assert_eq!(rows.len(), 4, "{text}");
    assert!(rows[1..].iter().zip(expected).all(|(row, start)| row.starts_with(start)), "{text}");
    assert_eq!(headers["x-total-rows"], "3");
}

#[test]
fn what_has_no_place_in_an_export_is_refused() {
    let app = fleet_of(1);
    for (query, violation) in [
        ("_limit=5", ("_limit", "5")),
        ("_bookmark=x", ("_bookmark", "x")),
        ("format=xlsx", ("format", "xlsx")),
        ("colour=red", ("colour", "red")),
        ("_sort=-id&_afterId=x", ("_afterId", "x")),
    ] {
        assert_eq!(app.get(&format!("/api/v0002/export/states?{query}")).violations(), [violation]);
    }
}

/// Whatever the ids look like, the rows up to one and those after it are all rows, each once.
#[test]
fn an_export_goes_on_after_any_of_its_rows() {
    let odd = ["=1", "'=1", "''=1", "\t", "a,b", "two\nlines", "\"", "%2F+&", "ü", &"x".repeat(3_000)];
    let app = TestApp::with(odd.map(|id| connect(id, 90)));
    let (_, whole) = app.download("/api/v0002/export/states?connectionStatus=connected");
    let rows: Vec<&str> = whole.lines().collect();
    assert_eq!(rows.len(), odd.len());
    for (at, row) in rows.iter().enumerate() {
        let id = serde_json::from_str::<Value>(row).unwrap()["id"].as_str().unwrap().to_owned();
        let id = percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC);
        let rest = format!("/api/v0002/export/states?connectionStatus=connected&_afterId={id}");
        let (headers, text) = app.download(&rest);
        assert_eq!(text.lines().collect::<Vec<_>>(), rows[at + 1..]);
        assert_eq!(headers["x-total-rows"], odd.len().to_string());
    }
}

#[test]
fn the_rest_of_a_csv_has_no_header_and_may_begin_after_an_id_that_is_gone() {
    let app = fleet_of(4_500);
    let path = "/api/v0002/export/states?format=csv";
    let (_, whole) = app.download(path);
    let (_, rest) = app.download(&format!("{path}&_afterId=d:acme01:thermo:t-01999a"));
    let head = whole.find("d:acme01:thermo:t-02000").unwrap();
    assert_eq!(rest, whole[head..]);
    assert_eq!(app.download(&format!("{path}&_afterId=")).1, whole);
    assert_eq!(app.download(&format!("{path}&_afterId=z")).1, "");
}

#[test]
fn who_is_not_signed_in_gets_no_export() {
    let answer = fleet_of(1).send("GET", "/api/v0002/export/states", &[], "");
    assert_eq!(answer.status, 401);
}

#[test]
fn the_export_is_described_with_the_filters_of_the_list() {
    let description = fleet_of(1).get("/api/openapi.json").body;
    let names = |path: &str| {
        let parameters = description["paths"][path]["get"]["parameters"].as_array().unwrap();
        let names = parameters.iter().map(|parameter| parameter["name"].as_str().unwrap());
        let filters =
            names.filter(|name| !name.starts_with('_') && !matches!(*name, "format" | "If-None-Match"));
        filters.map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    let filters = names("/api/v0002/export/states");
    assert_eq!((filters.len(), &filters), (50, &names("/api/v0002/clientconnectionstates")));
}
