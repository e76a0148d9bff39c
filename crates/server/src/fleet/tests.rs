//! The fleet against its definition: states against the fold, answers against `Filter::matches` and `compare`.

mod watch;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use rollcall_model::event::{MqttVersion, Protocol};
use rollcall_model::query::{Count, SortKey, Term, Test, compare};
use rollcall_model::time::{TimeExpr, TimeUnit};
use rollcall_model::{ActivityEvent, Certainty, Counters, End, Initiator, Peer, SessionKey};

use super::*;

const NOW_MS: i64 = 1_790_000_000_000;

fn now() -> Timestamp {
    Timestamp::from_millis(NOW_MS)
}

fn any_id() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (select(vec!["d", "g"]), select(vec!["thermo", "gw", "Demo"]), 0..12_u32)
            .prop_map(|(kind, device_type, number)| format!("{kind}:acme:{device_type}:Pump-{number}")),
        2 => select(vec!["a:acme:console", "A:acme:jobs:1", "a:acme:demo-x", "mqttjs_1", "ÅNGSTRÖM", "K", "İ", "", "::", "d:::"])
            .prop_map(str::to_owned),
        1 => "[a-c:]{0,4}",
    ]
}

/// Times around now, often equal, sometimes far away.
fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (-20..5_i64).prop_map(|steps| Timestamp::from_millis(NOW_MS + steps * 600_000)),
        1 => any::<i64>().prop_map(Timestamp::from_millis),
    ]
}

fn any_key() -> impl Strategy<Value = SessionKey> {
    (any_time(), prop_oneof![Just(0), 0..3_u64, any::<u64>()])
        .prop_map(|(start, connection)| SessionKey { start, connection })
}

fn any_peer() -> impl Strategy<Value = Peer> {
    let addr = prop_oneof![
        "(::ffff:)?10\\.0\\.0\\.[1-5]",
        "fe80::[0-9a-f]{4}:1234:5678:9abc",
        "(FE8|fe9|0)0:[0-3]?::",
        ".{0,20}"
    ];
    let protocol = (select(MqttVersion::ALL.to_vec()), any::<bool>())
        .prop_map(|(version, websocket)| Protocol { version, websocket });
    (
        prop::option::of(addr),
        any::<Option<u16>>(),
        any::<Option<u16>>(),
        prop::option::of(protocol),
        any::<Option<bool>>(),
        prop::option::of(prop_oneof![Just("use-token-auth".to_owned()), ".{0,80}"]),
    )
        .prop_map(|(addr, port, server_port, protocol, secure, user)| Peer {
            addr,
            port,
            server_port,
            protocol,
            secure,
            user,
        })
}

fn any_end() -> impl Strategy<Value = End> {
    (
        select(Certainty::ALL.to_vec()),
        any_time(),
        prop::option::of(select(Initiator::ALL.to_vec())),
        prop::option::of(select(vec![0, 0x80, 0x8D, 0x8E, 255_u8])),
        prop::option::of(select(vec![0, 91, 160, 288, 65_535_u16])),
        prop::option::of(prop_oneof![Just("Rebooting".to_owned()), ".{0,90}"]),
        any::<(Option<u64>, Option<u64>, Option<u64>, Option<u64>)>(),
    )
        .prop_map(|(certainty, time, initiator, mqtt_reason_code, close_code, reason, counters)| End {
            certainty,
            time,
            initiator,
            mqtt_reason_code,
            close_code,
            reason,
            counters: Counters {
                read_msg: counters.0,
                read_bytes: counters.1,
                write_msg: counters.2,
                write_bytes: counters.3,
            },
        })
}

fn any_kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        4 => (any_key(), select(Certainty::ALL.to_vec()))
            .prop_map(|(session, certainty)| EventKind::Connect { session, certainty }),
        3 => (prop::option::of(any_key()), any_end()).prop_map(|(session, end)| EventKind::Disconnect { session, end }),
        1 => Just(EventKind::FailedConnect { mqtt_reason_code: None, close_code: None, reason: None }),
        2 => (prop::option::of(any_key()), select(ActivityEvent::ALL.to_vec()))
            .prop_map(|(session, event)| EventKind::Activity { session, event }),
        1 => Just(EventKind::Missed),
    ]
}

fn any_event() -> impl Strategy<Value = ConnectionEvent> {
    (any_id(), any_time(), any_peer(), any_kind()).prop_map(|(client_id, time, peer, kind)| ConnectionEvent {
        client_id,
        time,
        peer,
        kind,
    })
}

pub(crate) fn any_events() -> impl Strategy<Value = Vec<ConnectionEvent>> {
    prop::collection::vec(any_event(), 0..150)
}

/// The states that the fold alone gives.
pub(crate) fn folded(events: &[ConnectionEvent]) -> BTreeMap<String, ClientState> {
    let mut states = BTreeMap::new();
    for event in events {
        let state = states.entry(event.client_id.clone());
        fold(state.or_insert_with(|| ClientState::new(event.client_id.clone())), event);
    }
    states
}

fn filled(events: &[ConnectionEvent]) -> Fleet {
    let fleet = Fleet::new();
    fleet.apply(events);
    fleet
}

fn any_time_expr() -> impl Strategy<Value = TimeExpr> {
    prop_oneof![
        any_time().prop_map(TimeExpr::At),
        (0..5_u32).prop_map(|amount| TimeExpr::Ago { amount, unit: TimeUnit::Hour }),
    ]
}

fn any_test() -> impl Strategy<Value = Test> {
    let value = prop_oneof![
        6 => select(vec![
            "connected", "disconnected", "device", "other", "thermo", "mqtt", "Pump-1", "Pump-2", "mqttPublish", "5",
            "0", "1", "141", "128", "91", "client", "network", "reported", "true", "10.0.0.1", "Rebooting", "007",
        ]).prop_map(str::to_owned),
        1 => any_time().prop_map(|time| time.to_string()),
    ];
    let needle = select(vec!["", "PUMP-1", "pump", ":", "å", "k", "i", "reb", "10."]).prop_map(str::to_owned);
    prop_oneof![
        4 => prop::collection::vec(value, 1..4).prop_map(Test::AnyOf),
        2 => prop::collection::vec(any_time_expr(), 1..3).prop_map(Test::After),
        2 => prop::collection::vec(any_time_expr(), 1..3).prop_map(Test::Before),
        2 => prop::collection::vec(needle, 1..3).prop_map(Test::Contains),
        1 => (0..4_u32).prop_map(Test::AtLeast),
        1 => any::<bool>().prop_map(Test::Present),
    ]
}

fn any_term() -> impl Strategy<Value = Term> {
    let field = || select(Field::ALL.to_vec());
    let tested = prop_oneof![6 => (field(), any_test()), 1 => (Just(Field::ClientAddr), any_networks())];
    (tested, any::<bool>()).prop_map(|((field, test), negated)| Term { field, test, negated })
}

fn any_networks() -> impl Strategy<Value = Test> {
    let networks =
        ["10.0.0.3", "10.0.0.2/31", "10.0.0.0/8", "0.0.0.0/0", "fe80::/9", "fe80::8000:0:0:0/65", "::/0"];
    prop::collection::vec(select(networks.map(str::to_owned).to_vec()), 1..3).prop_map(Test::AnyOf)
}

fn any_sort() -> impl Strategy<Value = Vec<SortKey>> {
    let key = (select(Field::ALL.to_vec()), any::<bool>())
        .prop_map(|(field, descending)| SortKey { field, descending });
    prop::collection::vec(key, 0..4)
}

fn any_query() -> impl Strategy<Value = Query> {
    let terms = prop::collection::vec(any_term(), 0..3);
    let facets = prop::collection::vec(select(Field::ALL.to_vec()), 0..3);
    (terms, any_sort(), 1..30_u32, 0..30_u64, facets, any_counts()).prop_map(
        |(terms, sort, limit, skip, facets, counts)| {
            let filter = rollcall_model::query::Filter { terms };
            Query { filter, sort, limit, skip, facets, counts, ..Query::default() }
        },
    )
}

fn any_counts() -> impl Strategy<Value = Vec<Count>> {
    let asked = select(vec![
        "connectedAfter=now-2h",
        "connectedBefore=now-1h",
        "disconnectedBefore!=now-1h",
        "refusedAfter=now-3h",
        "minRecentConnects=2",
        "stale=false",
        "clientAddr=10.0.0.0/31",
        "deviceType=thermo",
        "closeCode!=91,160",
        "search=pump",
    ]);
    prop::collection::vec(asked.prop_map(|asked| Count::parse(asked).unwrap()), 0..3)
}

/// The rows that pass, in order.
fn expected(
    states: &BTreeMap<String, ClientState>,
    query: &Query,
    feed_lost: Option<Timestamp>,
) -> Vec<StateDoc> {
    let docs = states.values().map(|state| state.doc(now(), feed_lost));
    let mut docs: Vec<_> = docs.filter(|doc| query.filter.matches(doc, now())).collect();
    docs.sort_by(|a, b| compare(a, b, &query.sort));
    docs
}

fn expected_facet(docs: &[StateDoc], field: Field) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::new();
    docs.iter().filter_map(|doc| field.text(doc)).for_each(|text| *counts.entry(text).or_insert(0) += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(FACET_VALUES_MAX);
    counts
}

proptest! {
    #[test]
    fn the_fleet_holds_exactly_what_the_fold_gives(events in any_events(), batch in 1..20_usize) {
        let fleet = Fleet::new();
        for events in events.chunks(batch) {
            let touched: Vec<_> = fleet.apply(events).into_iter().filter_map(|slot| fleet.state_at(slot)).collect();
            let ids: std::collections::BTreeSet<_> = events.iter().map(|event| &event.client_id).collect();
            prop_assert_eq!(touched.iter().map(|state| &state.id).collect::<std::collections::BTreeSet<_>>(), ids);
        }
        let states = folded(&events);
        prop_assert_eq!(fleet.len(), states.len());
        for (id, state) in &states {
            prop_assert_eq!(fleet.get(id), Some(state.clone()));
            prop_assert_eq!(fleet.doc(id, now()), Some(state.doc(now(), None)));
        }
        let connected: Vec<_> = states.values().filter(|s| s.is_connected()).map(|s| s.id.clone()).collect();
        let mut ids = fleet.connected_ids();
        ids.sort_unstable();
        prop_assert_eq!(fleet.counts().connected as usize, connected.len());
        prop_assert_eq!(ids, connected);
        let loaded = Fleet::new();
        loaded.load(states.values().cloned());
        let mut seen = BTreeMap::new();
        loaded.for_each(|state| { seen.insert(state.id.clone(), state.clone()); });
        prop_assert_eq!(seen, states);
    }

    #[test]
    fn answers_are_those_of_the_definition(
        events in any_events(), query in any_query(), feed_lost in prop::option::of(any_time()),
    ) {
        let fleet = filled(&events);
        fleet.set_feed_lost(feed_lost);
        let docs = expected(&folded(&events), &query, feed_lost);
        let page = fleet.query(&query, now()).unwrap();
        let window: Vec<_> = docs.iter().skip(query.skip as usize).take(query.limit as usize).cloned().collect();
        prop_assert_eq!(page.results, window);
        prop_assert_eq!(page.total_rows, docs.len() as u64);
        prop_assert_eq!(page.bookmark.is_some(), docs.len() as u64 > query.skip + u64::from(query.limit));
        let facets: Vec<_> = query.facets.iter().map(|field| (*field, expected_facet(&docs, *field))).collect();
        prop_assert_eq!(page.facets, facets);
        for (place, doc) in docs.iter().enumerate().step_by(7) {
            let query = Query { place_of: Some(doc.id.clone()), ..query.clone() };
            prop_assert_eq!(fleet.query(&query, now()).unwrap().place, Some(place as u64));
        }
        prop_assert_eq!(page.place, None);
        let count = |count: &Count| {
            let passing = docs.iter().filter(|doc| count.term().matches(doc, now()));
            (count.asked().to_owned(), passing.count() as u64)
        };
        prop_assert_eq!(page.counts, query.counts.iter().map(count).collect::<Vec<_>>());
        prop_assert_eq!(fleet.counts().stale, folded(&events).values().filter(|s| s.stale_since(feed_lost).is_some()).count() as u64);
    }

    #[test]
    fn bookmarks_lead_through_all_rows_in_order_whatever_the_limits(
        events in any_events(), query in any_query(), limits in prop::collection::vec(1..9_u32, 1..5), restarted in any::<bool>(),
    ) {
        let fleet = filled(&events);
        let docs = expected(&folded(&events), &query, None);
        let mut query = Query { skip: 0, ..query };
        let mut walked = Vec::new();
        for limit in limits.into_iter().cycle() {
            query.limit = limit;
            let page = if restarted {
                let other = Fleet::new();
                other.load(folded(&events).into_values());
                other.query(&query, now()).unwrap()
            } else {
                fleet.query(&query, now()).unwrap()
            };
            walked.extend(page.results);
            query.bookmark = page.bookmark;
            if query.bookmark.is_none() {
                break;
            }
        }
        prop_assert_eq!(walked, docs);
    }

    #[test]
    fn a_roster_beside_the_fleet_answers_as_one_table_of_both_would(
        events in any_events(), registered in prop::collection::vec(any_id(), 0..40), query in any_query(), limit in 1..9_u32,
    ) {
        let (fleet, one) = (Fleet::new(), filled(&events));
        one.write().load_ids(registered.clone());
        let mut roster = Roster::new(registered.clone());
        // The clients come while the roster is in use.
        for some in events.chunks(7) {
            fleet.apply(some);
            fleet.query_with(&mut roster, &Query::default(), now()).unwrap();
        }
        let query = Query { place_of: registered.first().cloned(), ..query };
        let page = fleet.query_with(&mut roster, &query, now()).unwrap();
        let expect = one.query(&query, now()).unwrap();
        prop_assert_eq!(page.place, expect.place);
        prop_assert_eq!(page.results, expect.results);
        prop_assert_eq!((page.total_rows, page.bookmark.is_some()), (expect.total_rows, expect.bookmark.is_some()));
        prop_assert_eq!((page.facets, page.counts), (expect.facets, expect.counts));
        let mut query = Query { skip: 0, limit: 1_000, ..query };
        let expect = one.query(&query, now()).unwrap().results;
        query.limit = limit;
        let mut walked = Vec::new();
        loop {
            let page = fleet.query_with(&mut roster, &query, now()).unwrap();
            walked.extend(page.results);
            query.bookmark = page.bookmark;
            if query.bookmark.is_none() {
                break;
            }
        }
        prop_assert_eq!(walked, expect);
    }

    #[test]
    fn a_walk_in_id_order_meets_every_steady_client_exactly_once(
        events in any_events(), changes in prop::collection::vec(any_event(), 0..60), limit in 1..6_u32, descending in any::<bool>(),
        terms in prop::collection::vec(any_term(), 0..2),
    ) {
        let fleet = filled(&events);
        let sort = if descending { vec![SortKey { field: Field::Id, descending }] } else { Vec::new() };
        let mut query = Query { limit, sort, filter: rollcall_model::query::Filter { terms }, ..Query::default() };
        let mut states = folded(&events);
        let mut steady: std::collections::BTreeSet<_> = expected(&states, &query, None).into_iter().map(|doc| doc.id).collect();
        let (mut met, mut changes) = (Vec::new(), changes.into_iter());
        loop {
            let page = fleet.query(&query, now()).unwrap();
            met.extend(page.results.into_iter().map(|doc| doc.id));
            query.bookmark = page.bookmark;
            if query.bookmark.is_none() {
                break;
            }
            for event in changes.by_ref().take(5) {
                fold(states.entry(event.client_id.clone()).or_insert_with(|| ClientState::new(event.client_id.clone())), &event);
                fleet.apply(&[event]);
            }
            steady.retain(|id| query.filter.matches(&states[id].doc(now(), None), now()));
        }
        for id in steady {
            prop_assert_eq!(met.iter().filter(|seen| **seen == id).count(), 1, "{}", id);
        }
        let mut once = met.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), met.len(), "no client comes twice");
    }

    #[test]
    fn no_text_as_a_bookmark_makes_the_fleet_panic(text in "[A-Za-z0-9_-]{0,40}", query in any_query()) {
        let fleet = filled(&[]);
        let _ = fleet.query(&Query { bookmark: Some(text), ..query }, now());
    }
}

fn refused(id: &str) -> ConnectionEvent {
    let kind = EventKind::FailedConnect { mqtt_reason_code: Some(0x86), close_code: Some(180), reason: None };
    ConnectionEvent { client_id: id.to_owned(), time: now(), peer: Peer::default(), kind }
}

fn connect(id: &str) -> ConnectionEvent {
    let session = SessionKey { start: now(), connection: 0 };
    let kind = EventKind::Connect { session, certainty: Certainty::Reported };
    ConnectionEvent { client_id: id.to_owned(), time: now(), peer: Peer::default(), kind }
}

#[test]
fn strangers_are_bounded_until_they_become_clients() {
    let fleet = Fleet::with_strangers_max(2);
    fleet.apply(&[refused("a"), refused("b"), refused("c"), connect("d")]);
    assert_eq!((fleet.len(), fleet.refused_strangers_dropped()), (3, 1));
    assert!(fleet.get("c").is_none());
    fleet.apply(&[connect("a"), refused("c"), refused("e"), refused("d")]);
    assert_eq!((fleet.len(), fleet.refused_strangers_dropped()), (4, 2));
}

#[test]
fn a_bookmark_of_other_parameters_or_no_bookmark_at_all_is_refused() {
    let fleet = filled(&[connect("a"), connect("b"), connect("c")]);
    let mut query = Query { limit: 1, ..Query::default() };
    query.bookmark = fleet.query(&query, now()).unwrap().bookmark;
    let other = Query { sort: vec![SortKey { field: Field::Reason, descending: false }], ..query.clone() };
    assert_eq!(fleet.query(&other, now()), Err(BookmarkError::OtherParameters));
    let broken = Query { bookmark: Some("Lorem".to_owned()), ..query.clone() };
    assert_eq!(fleet.query(&broken, now()), Err(BookmarkError::Unreadable));
    let facets = Query { facets: vec![Field::ConnectionStatus], limit: 9, ..query };
    assert_eq!(fleet.query(&facets, now()).unwrap().results.len(), 2);
}

#[test]
fn ids_of_any_length_are_walked_with_short_bookmarks() {
    let ids: Vec<_> = (0..5).map(|n| format!("{}{n}", "x".repeat(65_000))).collect();
    let fleet = filled(&ids.iter().map(|id| connect(id)).collect::<Vec<_>>());
    let mut query = Query { limit: 2, ..Query::default() };
    let mut walked = Vec::new();
    loop {
        let page = fleet.query(&query, now()).unwrap();
        walked.extend(page.results.into_iter().map(|doc| doc.id));
        query.bookmark = page.bookmark;
        match &query.bookmark {
            Some(bookmark) => assert!(bookmark.len() < 100),
            None => break,
        }
    }
    assert_eq!(walked, ids);
}

#[test]
fn a_sort_that_names_an_empty_field_twice_is_walked_to_its_end() {
    let fleet = filled(&["c", "a", "b"].map(connect));
    let key = |field| SortKey { field, descending: false };
    let sort = vec![key(Field::StaleSince), key(Field::StaleSince), key(Field::ClientType)];
    let mut query = Query { sort, limit: 1, ..Query::default() };
    for id in ["a", "b", "c"] {
        let page = fleet.query(&query, now()).unwrap();
        assert_eq!(page.results.first().map(|doc| doc.id.as_str()), Some(id));
        query.bookmark = page.bookmark;
    }
    assert_eq!(query.bookmark, None);
}
