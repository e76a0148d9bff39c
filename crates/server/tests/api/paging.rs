//! Paging and sorting of the State API.

use crate::app::{TestApp, connect, publish};

fn fleet(clients: usize) -> TestApp {
    TestApp::with((0..clients).map(|n| connect(&format!("d:acme01:thermo:{n:03}"), n as i64 % 7)))
}

/// Follows the bookmarks to the end.
fn walk(app: &TestApp, query: &str) -> Vec<Vec<String>> {
    let (mut pages, mut bookmark) = (Vec::new(), String::new());
    loop {
        let answer = app.states(&format!("{query}{bookmark}"));
        pages.push(answer.ids().into_iter().map(str::to_owned).collect());
        match answer.body.get("bookmark") {
            Some(next) => bookmark = format!("&_bookmark={}", next.as_str().unwrap()),
            None => return pages,
        }
    }
}

#[test]
fn a_page_has_25_rows_unless_another_limit_is_asked_for() {
    let app = fleet(60);
    assert_eq!(app.states("").ids().len(), 25);
    assert_eq!(app.states("_limit=50").ids().len(), 50);
    assert_eq!(app.states("_limit=1000").ids().len(), 60);
}

#[test]
fn bookmarks_lead_through_all_pages_and_the_last_has_none() {
    let app = fleet(60);
    let pages = walk(&app, "_limit=25");
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [25, 25, 10]);
    assert_eq!(pages.concat(), (0..60).map(|n| format!("d:acme01:thermo:{n:03}")).collect::<Vec<_>>());
    assert_eq!(walk(&app, "_limit=30").len(), 2, "a full last page has no bookmark");
}

#[test]
fn bookmarks_follow_any_sort() {
    let app = fleet(60);
    let sorted = app.states("_limit=1000&_sort=-lastConnectTime,-id");
    assert_eq!(walk(&app, "_limit=7&_sort=-lastConnectTime,-id").concat(), sorted.ids());
    assert_eq!(sorted.ids()[0], "d:acme01:thermo:056");
}

#[test]
fn the_limit_may_change_on_the_way_and_the_filters_may_not() {
    let app = fleet(60);
    let first = app.states("_limit=5&deviceType=thermo");
    let bookmark = first.body["bookmark"].as_str().unwrap();
    let next = app.states(&format!("_limit=2&deviceType=thermo&_facets=certainty&_bookmark={bookmark}"));
    assert_eq!(next.ids(), ["d:acme01:thermo:005", "d:acme01:thermo:006"]);
    for query in ["", "deviceType=thermo&connectionStatus=connected&", "deviceType=thermo&_sort=-id&"] {
        let answer = app.states(&format!("{query}_bookmark={bookmark}"));
        assert_eq!(answer.violations(), [("_bookmark", bookmark)], "{query}");
    }
}

#[test]
fn a_broken_bookmark_is_refused_by_name() {
    let app = fleet(3);
    assert_eq!(app.states("_bookmark=nonsense").violations(), [("_bookmark", "nonsense")]);
    assert_eq!(app.states("_bookmark=%2B%2B").violations(), [("_bookmark", "++")]);
}

#[test]
fn skip_jumps_to_any_row_and_says_what_follows() {
    let app = fleet(60);
    let answer = app.states("_skip=40&_limit=10&_sort=id");
    assert_eq!(answer.ids()[0], "d:acme01:thermo:040");
    assert!(answer.body.get("bookmark").is_some());
    let last = app.states("_skip=58&_sort=-id");
    assert_eq!(last.ids(), ["d:acme01:thermo:001", "d:acme01:thermo:000"]);
    assert!(last.body.get("bookmark").is_none());
    let beyond = app.states("_skip=18446744073709551615");
    assert_eq!((beyond.ids().len(), &beyond.body["meta"]["total_rows"]), (0, &60.into()));
}

#[test]
fn ibms_example_of_a_sorted_request_works() {
    let app = fleet(10);
    app.tell(&[publish("d:acme01:thermo:004", 0)]);
    let answer = app.states("_limit=100&_sort=-lastActivityTime");
    // Both were active just now; then the id decides.
    assert_eq!(answer.ids()[..3], ["d:acme01:thermo:000", "d:acme01:thermo:004", "d:acme01:thermo:007"]);
}

#[test]
fn a_walk_over_a_changing_fleet_meets_everyone_once() {
    let app = fleet(30);
    let first = app.states("_limit=10");
    app.tell(&[
        connect("d:acme01:thermo:000a", 0),
        connect("d:acme01:thermo:015a", 0),
        publish("d:acme01:thermo:009", 0),
    ]);
    let rest = walk(&app, &format!("_limit=10&_bookmark={}", first.body["bookmark"].as_str().unwrap()));
    let rest = rest.first().unwrap();
    assert_eq!(rest[0], "d:acme01:thermo:010");
    assert!(rest.contains(&"d:acme01:thermo:015a".to_owned()));
}
