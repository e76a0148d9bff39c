//! Watches against their definition: a page that is said to be unchanged is what a new one would be.

use super::*;

proptest! {
    #[test]
    fn a_watch_that_says_unchanged_is_right_whatever_happened(
        events in any_events(), query in any_query(), limit in 1..9_u32, is_second_page in any::<bool>(),
        later in prop::collection::vec((any_event(), any::<prop::sample::Index>(), any::<bool>(), 0..600_000_i64), 0..12),
    ) {
        let fleet = filled(&events);
        let mut query = Query { limit, skip: query.skip % 8, ..query };
        if is_second_page {
            query.bookmark = fleet.query(&query, now()).unwrap().bookmark;
            query.skip = if query.bookmark.is_some() { query.skip % 3 } else { query.skip };
        }
        let (mut page, mut watch) = fleet.query_watched(&query, now()).unwrap();
        let mut time = now();
        for (mut event, known, is_known, passed_ms) in later {
            // Most events are of clients that are known: each new one is a change.
            if is_known && !events.is_empty() {
                event.client_id = known.get(&events).client_id.clone();
            }
            fleet.apply(&[event]);
            time = time.plus_ms(passed_ms);
            if fleet.is_unchanged(&mut watch, time) {
                let version = fleet.version();
                prop_assert_eq!(fleet.query(&query, time).unwrap(), Page { version, ..page.clone() });
            } else {
                (page, watch) = fleet.query_watched(&query, time).unwrap();
            }
        }
    }
}

/// Something that happens to one of a few clients.
fn any_event_of_few() -> impl Strategy<Value = ConnectionEvent> {
    let id = select(vec!["d:acme:a:1", "d:acme:a:2", "d:acme:b:3", "d:acme:b:4", "d:acme:b:5", "other"]);
    (id, any_time(), any_peer(), any_kind()).prop_map(|(id, time, peer, kind)| ConnectionEvent {
        client_id: id.to_owned(),
        time,
        peer,
        kind,
    })
}

/// At most one filter, most often one that a change does not tell the result of, and one order.
fn any_narrow_query() -> impl Strategy<Value = Query> {
    let term = |field, test| vec![Term { field, test, negated: false }];
    let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let terms = select(vec![
        Vec::new(),
        Vec::new(),
        term(Field::ClientAddr, Test::AnyOf(values(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]))),
        term(Field::Reason, Test::Contains(values(&["reb", "time", "close"]))),
        term(Field::StaleSince, Test::Present(true)),
        term(Field::ConnectionStatus, Test::AnyOf(values(&["disconnected"]))),
    ]);
    let key = (select(Field::ALL.to_vec()), any::<bool>())
        .prop_map(|(field, descending)| SortKey { field, descending });
    (terms, key, 1..3_u32, 0..3_u64).prop_map(|(terms, key, limit, skip)| {
        let filter = rollcall_model::query::Filter { terms };
        Query { filter, sort: vec![key], limit, skip, ..Query::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_watch_is_right_about_each_change_of_a_few_clients(
        events in prop::collection::vec(any_event_of_few(), 10..30), query in any_narrow_query(),
        is_second_page in any::<bool>(), later in prop::collection::vec(any_event_of_few(), 1..10),
    ) {
        let (fleet, mut query) = (filled(&events), query);
        if is_second_page {
            query.bookmark = fleet.query(&query, now()).unwrap().bookmark;
            query.skip = 0;
        }
        for event in later {
            let (page, mut watch) = fleet.query_watched(&query, now()).unwrap();
            fleet.apply(&[event]);
            if fleet.is_unchanged(&mut watch, now()) {
                let version = fleet.version();
                prop_assert_eq!(fleet.query(&query, now()).unwrap(), Page { version, ..page });
            }
        }
    }
}

fn connect_at(id: &str, ms: i64) -> ConnectionEvent {
    let session = SessionKey { start: Timestamp::from_millis(NOW_MS + ms), connection: 0 };
    let kind = EventKind::Connect { session, certainty: Certainty::Reported };
    ConnectionEvent { client_id: id.to_owned(), time: session.start, peer: Peer::default(), kind }
}

fn publish_at(id: &str, ms: i64) -> ConnectionEvent {
    let kind = EventKind::Activity { session: None, event: ActivityEvent::Publish };
    let time = Timestamp::from_millis(NOW_MS + ms);
    ConnectionEvent { client_id: id.to_owned(), time, peer: Peer::default(), kind }
}

/// Whether the page of this query stays what it is while this happens to one of four clients that connected one minute
/// after the other.
fn is_unchanged_by(query: &str, event: &ConnectionEvent) -> bool {
    let clients = ["d:acme:a:1", "d:acme:a:2", "d:acme:b:3", "d:acme:b:4"];
    let connects = clients.iter().zip([0, 60_000, 120_000, 180_000]).map(|(id, ms)| connect_at(id, ms));
    let fleet = filled(&connects.collect::<Vec<_>>());
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, mut watch) = fleet.query_watched(&Query::parse(pairs).unwrap(), now()).unwrap();
    fleet.apply(std::slice::from_ref(event));
    fleet.is_unchanged(&mut watch, now())
}

#[test]
fn a_page_is_unchanged_by_what_happens_elsewhere() {
    let check = |query, event: &ConnectionEvent, expect| {
        assert_eq!(is_unchanged_by(query, event), expect, "{query}");
    };
    let (first, last) = (publish_at("d:acme:a:1", 200_000), publish_at("d:acme:b:4", 200_000));
    check("_limit=2", &last, true);
    check("_limit=2", &first, false);
    check("_limit=2&_skip=2", &first, true);
    check("deviceType=a", &last, true);
    check("deviceType=b", &last, false);
    check("_limit=2&_facets=connectionStatus,deviceType", &last, true);
    check("_limit=2&_facets=lastActivityEvent", &last, false);
    check("_limit=2&_count=connectedAfter=2026-01-01", &last, true);
    check("_limit=2&_count=lastActivityEvent=mqttPublish", &last, false);
    check("_limit=2&_count=connectedAfter=now-1h", &last, false);
    check("_limit=2&_sort=-lastActivityTime", &last, false);
    check("connectionStatus=disconnected", &first, true);
    // It goes from behind the page to behind the page, or from the page to its end.
    check("_limit=1&_sort=lastConnectTime", &connect_at("d:acme:b:3", 240_000), true);
    check("_limit=1&_sort=lastConnectTime", &connect_at("d:acme:a:1", 240_000), false);
    // It was before the page and is behind it.
    check("_limit=1&_skip=2&_sort=lastConnectTime", &connect_at("d:acme:a:1", 240_000), false);
    check("_limit=1&_skip=3&_sort=-lastConnectTime", &connect_at("d:acme:b:3", 240_000), true);
    check("_limit=2", &connect_at("d:acme:b:5", 0), false);
}

#[test]
fn a_page_changes_when_a_connect_on_it_grows_older_than_an_hour() {
    let fleet = filled(&[connect_at("a", -60_000), connect_at("a", -10_000), connect_at("b", 0)]);
    let watch = |query| fleet.query_watched(query, now()).unwrap().1;
    let later = |minutes: i64, ms| now().plus_ms(minutes * 60_000 + ms);
    let first = Query { limit: 1, ..Query::default() };
    assert!(fleet.is_unchanged(&mut watch(&first), later(59, -1)));
    assert!(!fleet.is_unchanged(&mut watch(&first), later(59, 0)));
    let second = Query { skip: 1, ..first.clone() };
    assert!(fleet.is_unchanged(&mut watch(&second), later(60, -1)));
    assert!(!fleet.is_unchanged(&mut watch(&second), later(60, 0)));
    let counted = Query { facets: vec![Field::RecentConnects], ..first.clone() };
    assert!(!fleet.is_unchanged(&mut watch(&counted), now()));
}

#[test]
fn a_watch_does_not_outlive_the_changes_that_are_kept() {
    let fleet = filled(&[connect("a"), connect("b")]);
    let query = Query { limit: 1, ..Query::default() };
    let (_, mut watch) = fleet.query_watched(&query, now()).unwrap();
    let later: Vec<_> = (1..100).map(|ms| publish_at("b", ms)).collect();
    for events in later.chunks(10) {
        fleet.apply(events);
        assert!(fleet.is_unchanged(&mut watch, now()));
    }
    fleet.apply(&later);
    fleet.apply(&later);
    assert!(!fleet.is_unchanged(&mut watch, now()));
}

#[test]
fn nothing_is_unchanged_when_the_feed_is_lost_or_states_are_loaded() {
    let fleet = filled(&[connect("a")]);
    let (_, mut watch) = fleet.query_watched(&Query::default(), now()).unwrap();
    fleet.set_feed_lost(Some(now()));
    assert!(!fleet.is_unchanged(&mut watch, now()));
    let (_, mut watch) = fleet.query_watched(&Query::default(), now()).unwrap();
    fleet.load([ClientState::new("b".to_owned())]);
    assert!(!fleet.is_unchanged(&mut watch, now()));
}

#[test]
fn nothing_is_unchanged_when_states_are_replaced_or_changed_in_place() {
    let fleet = filled(&[connect("a")]);
    let watch = || fleet.query_watched(&Query::default(), now()).unwrap().1;
    let mut before = watch();
    fleet.put(&ClientState::new("a".to_owned()));
    assert!(!fleet.is_unchanged(&mut before, now()));
    let mut before = watch();
    fleet.update(false, |state| {
        fold(state, &connect("a"));
        true
    });
    assert!(!fleet.is_unchanged(&mut before, now()));
}
