//! Client ids are any text, and travel through paths and query strings.

use rollcall_model::client_id::encode_path_segment;

use crate::app::{TestApp, connect};

fn check(id: &str) {
    let app = TestApp::with([connect(id, 1), connect("other", 1)]);
    let path = encode_path_segment(id);
    let answer = app.get(&format!("/api/v0002/clientconnectionstates/{path}"));
    let shown = &id[..id.len().min(40)];
    assert_eq!((answer.status, &answer.body["id"]), (200, &id.into()), "{shown}");
    let answer = app.log(&format!("clientId={path}"));
    assert_eq!((answer.status, &answer.body[0]["clientId"]), (200, &id.into()), "{shown}");
    let answer = app.states(&format!("search={path}"));
    assert!(answer.ids().contains(&id), "{shown}");
    // Whatever stands in the id, it is in the bookmark of a page that ends with it.
    let first = app.states("_limit=1");
    let bookmark = first.body["bookmark"].as_str().unwrap();
    assert_eq!(app.states(&format!("_bookmark={bookmark}")).ids().len(), 1, "{shown}");
}

#[test]
fn an_id_may_hold_anything() {
    for id in [
        "my pump",
        "a/b/c",
        "100%",
        "%2F",
        "say \"hi\" 'there'",
        "🌡️ thermo",
        "a+b",
        "a&b=c",
        "?x#y",
        "..",
        ".",
        "line\nbreak",
        "[::1]",
        "back\\slash",
        "d:acme01:thermo:a/b",
        "<b>",
        "Ünïcödé",
    ] {
        check(id);
    }
}

#[test]
fn an_id_may_be_60_kib_long() {
    check(&"x".repeat(60 * 1024));
    check(&format!("d:acme01:thermo:{}", "y".repeat(60 * 1024)));
}

#[test]
fn watsons_ids_need_no_escapes() {
    let app = TestApp::with([connect("d:acme01:thermo:t-17", 1)]);
    for path in ["d:acme01:thermo:t-17", "d%3Aacme01%3Athermo%3At-17"] {
        assert_eq!(app.get(&format!("/api/v0002/clientconnectionstates/{path}")).status, 200);
    }
}

#[test]
fn ids_that_are_not_utf8_are_refused() {
    let answer = TestApp::start().get("/api/v0002/clientconnectionstates/%FF%FE");
    assert_eq!(answer.violations()[0].0, "path");
}
