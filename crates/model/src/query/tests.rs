//! What a query means, and that what is written is read again.

use proptest::prelude::*;

use super::*;
use crate::state::ClientState;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-20T12:00:00Z").unwrap()
}

fn parse(query: &str) -> Result<Query, Vec<Violation>> {
    Query::parse(
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, ""))),
    )
}

fn doc(id: &str, connected: Option<&str>) -> StateDoc {
    let mut doc = ClientState::new(id.to_owned()).doc(now(), None);
    doc.last_connect_time = connected.map(|time| Timestamp::parse(time).unwrap());
    doc
}

fn matches(query: &str, doc: &StateDoc) -> bool {
    parse(query).unwrap().filter.matches(doc, now())
}

#[test]
fn a_repeated_parameter_and_a_comma_list_are_alternatives() {
    let query = parse("connectionStatus=connected,disconnected&deviceType=a&deviceType=b&typeId=c").unwrap();
    assert_eq!(query.filter.terms.len(), 2);
    assert_eq!(query.filter.terms[1].values(), ["a", "b", "c"]);
    assert!(matches("deviceType=thermo&deviceType=pump", &doc("d:o:pump:1", None)));
    assert!(!matches("deviceType=thermo,pump", &doc("d:o:pump:1", None)));
}

/// Of `stale=true&stale=false` only the last counted, and a comma was refused.
#[test]
fn both_values_of_stale_are_alternatives_too() {
    let stale = StateDoc { stale_since: Some(now()), ..doc("d:o:pump:1", None) };
    let fresh = doc("d:o:pump:2", None);
    let found = |query: &str| (matches(query, &stale), matches(query, &fresh));
    for query in ["stale=true&stale=false", "stale=false,true", "stale=true&stale=false&stale=true"] {
        assert_eq!(found(query), (true, true), "{query}");
    }
    assert_eq!(found("stale!=true&stale!=false"), (false, false));
    assert_eq!(found("stale=true&stale=true"), (true, false));
    assert_eq!(found("stale!=true"), (false, true));
    assert!(parse("stale=true,maybe").is_err());
}

/// A value that stood twice in a comma list was written as two parameters and read again as one.
#[test]
fn a_value_that_stands_twice_counts_once() {
    let query = parse("connectionStatus=connected,connected&closeCode=91,091").unwrap();
    assert_eq!(query.filter.terms[0].values(), ["connected"]);
    assert_eq!(query.filter.terms[1].values(), ["91"]);
}

/// Thousands of codes fit into one parameter; written as one parameter each they could not be read again.
#[test]
fn values_are_counted_inside_comma_lists_too() {
    let codes = |from: u32, to: u32| (from..to).map(|code| code.to_string()).collect::<Vec<_>>().join(",");
    assert!(parse(&format!("closeCode={}", codes(0, 1_000))).is_ok());
    let problem = "a request may have at most 1000 values";
    for query in [
        format!("closeCode={}", codes(0, 1_001)),
        format!("closeCode={}&closeCode={}", codes(0, 600), codes(600, 1_200)),
    ] {
        let violations = parse(&query).unwrap_err();
        assert_eq!(
            (violations[0].parameter.as_str(), violations[0].problem.as_str()),
            ("closeCode", problem)
        );
    }
}

#[test]
fn an_address_lies_in_its_network_and_in_no_other() {
    let check = |addr: &str, value: &str, expect: bool| {
        let mut doc = doc("d:o:pump:1", None);
        doc.client_addr = Some(addr.to_owned());
        assert_eq!(matches(&format!("clientAddr={value}"), &doc), expect, "{addr} in {value}");
        assert_eq!(matches(&format!("clientAddr!={value}"), &doc), !expect, "{addr} not in {value}");
    };
    check("10.0.7.5", "10.0.7.5", true);
    check("10.0.7.50", "10.0.7.5", false);
    check("10.0.7.5", "10.0.7.0/24", true);
    check("110.0.7.5", "10.0.7.0/24", false);
    check("10.0.8.0", "10.0.7.0/24", false);
    check("10.0.8.0", "10.0.0.0/20", true);
    check("10.0.16.0", "10.0.0.0/20", false);
    check("192.0.2.1", "0.0.0.0/0", true);
    check("2001:db8::1", "0.0.0.0/0", false);
    check("2001:db8::1", "2001:DB8:0:0::/64", true);
    check("2001:db8:0:1::1", "2001:db8::/64", false);
    check("2001:db8:0:1::1", "2001:db8::/32", true);
    check("10.0.7.5", "::/0", false);
    check("::ffff:10.0.7.5", "10.0.7.0/24", true);
    check("10.0.7.5", "::ffff:10.0.7.0/120", true);
    check("gateway.example", "0.0.0.0/0", false);
}

#[test]
fn networks_are_written_one_way_and_what_is_none_is_refused() {
    let values = |query: &str| parse(query).map(|query| query.filter.terms[0].values());
    assert_eq!(values("clientAddr=10.0.7.9/24&clientAddr=10.0.7.0/24").unwrap(), ["10.0.7.0/24"]);
    assert_eq!(values("clientAddr=10.0.7.9/32").unwrap(), ["10.0.7.9"]);
    assert_eq!(values("clientAddr=2001:DB8::9/32").unwrap(), ["2001:db8::/32"]);
    for bad in ["10.0.7", "10.0.7.0/33", "::/129", "10.0.7.0/", "/24", "host", "010.0.0.1", "10.0.7.0/-1", ""]
    {
        let violations = values(&format!("clientAddr={bad}")).unwrap_err();
        assert_eq!((&*violations[0].parameter, &*violations[0].value), ("clientAddr", bad));
    }
}

#[test]
fn an_exclamation_mark_excludes() {
    assert!(matches("deviceType!=demo", &doc("d:o:pump:1", None)));
    assert!(!matches("deviceType!=demo", &doc("d:o:demo:1", None)));
    assert!(matches("deviceType!=demo", &doc("a:o:console", None)));
}

#[test]
fn a_client_that_never_connected_matches_no_time_filter_but_not_since() {
    let never = doc("d:o:pump:1", None);
    assert!(!matches("connectedAfter=2000-01-01", &never));
    assert!(!matches("disconnectedBefore=now", &never));
    // It was in no list of those that did not connect for a day.
    assert!(matches("connectedBefore=now", &never));
    assert!(matches("activeBefore=now-2d", &never));
    assert!(!matches("connectedBefore!=now", &never));
    let old = doc("d:o:pump:1", Some("2026-11-17T00:00:00Z"));
    assert!(matches("connectedBefore=now-2d", &old));
    assert!(matches("lastConnectedAfter={currentTime-7D}", &old));
    assert!(!matches("connectedAfter=now-2d", &old));
}

#[test]
fn a_search_ignores_case_and_finds_any_substring() {
    assert!(matches("search=PUMP", &doc("d:o:pump:1", None)));
    assert!(matches("search=ÄPFEL", &doc("äpfel", None)));
    assert!(!matches("search=thermo", &doc("d:o:pump:1", None)));
}

#[test]
fn a_filter_that_is_to_be_counted_is_written_as_it_would_be_in_force() {
    let query =
        parse("deviceType=pump&_count=connectedAfter=now-15m&_count=closeCode!=91&_count=closeCode!=91")
            .unwrap();
    let asked: Vec<_> = query.counts.iter().map(Count::asked).collect();
    assert_eq!(asked, ["connectedAfter=now-15m", "closeCode!=91"]);
    assert_eq!(query.filter.terms.len(), 1);
    for bad in ["connectedAfter", "connectedAfter=soon", "colour=red", "_limit=3", "stale=true,false"] {
        assert_eq!(parse(&format!("_count={bad}")).unwrap_err()[0].parameter, "_count");
    }
    let many: Vec<_> = (0..33).map(|least| format!("_count=minRecentConnects={least}")).collect();
    assert_eq!(parse(&many.join("&")).unwrap_err().len(), 1);
}

#[test]
fn bad_parameters_are_all_named_with_their_values() {
    let violations = parse(
        "connectionStatus=gone&_limit=5000&_sort=colour&connectedAfter=soon&colour=red&mqttReasonCode=999",
    )
    .unwrap_err();
    let named: Vec<_> = violations.iter().map(|v| (v.parameter.as_str(), v.value.as_str())).collect();
    assert_eq!(
        named,
        [
            ("connectionStatus", "gone"),
            ("_limit", "5000"),
            ("_sort", "colour"),
            ("connectedAfter", "soon"),
            ("colour", "red"),
            ("mqttReasonCode", "999"),
        ]
    );
}

#[test]
fn absent_values_are_last_in_either_direction() {
    let (never, old) = (doc("a", None), doc("b", Some("2026-11-17T00:00:00Z")));
    for sort in ["lastConnectTime", "-lastConnectTime"] {
        assert_eq!(compare(&never, &old, &parse_sort(sort).unwrap()), Ordering::Greater, "{sort}");
    }
}

fn any_query() -> impl Strategy<Value = Query> {
    let time = prop_oneof![
        (0..4_000_000_000_000_i64).prop_map(|ms| TimeExpr::At(Timestamp::from_millis(ms))),
        (1..500_u32).prop_map(|amount| TimeExpr::Ago { amount, unit: crate::time::TimeUnit::Hour }),
    ];
    let times = prop::collection::vec(time, 1..3);
    let term = prop_oneof![
        prop::sample::subsequence(vec!["device", "gateway", "application", "other"], 1..=4)
            .prop_map(|v| (Field::ClientType, Test::AnyOf(v.into_iter().map(str::to_owned).collect()))),
        prop::collection::hash_set("\\PC{0,8}", 1..3)
            .prop_map(|v| (Field::DeviceType, Test::AnyOf(v.into_iter().collect()))),
        prop::collection::hash_set(0..=255_u8, 1..3)
            .prop_map(|v| (Field::MqttReasonCode, Test::AnyOf(v.iter().map(u8::to_string).collect()))),
        prop::collection::hash_set((any::<std::net::IpAddr>(), 0..=128_u8), 1..3).prop_map(|v| {
            let mut networks: Vec<_> =
                v.into_iter().map(|(address, bits)| Network::around(address, bits).to_string()).collect();
            networks.sort();
            networks.dedup();
            (Field::ClientAddr, Test::AnyOf(networks))
        }),
        times.clone().prop_map(|v| (Field::LastActivityTime, Test::After(v))),
        times.prop_map(|v| (Field::LastDisconnectTime, Test::Before(v))),
        any::<bool>().prop_map(|v| (Field::StaleSince, Test::Present(v))),
        (0..=64_u32).prop_map(|v| (Field::RecentConnects, Test::AtLeast(v))),
        "\\PC{1,8}".prop_map(|v| (Field::Id, Test::Contains(vec![v]))),
    ];
    let terms = prop::collection::vec((term, any::<bool>()), 0..5).prop_map(|terms| {
        let mut filter = Filter::default();
        for ((field, test), negated) in terms {
            let term = Term { field, test, negated };
            if filter.terms.iter().all(|t| t.parameter() != term.parameter()) {
                filter.terms.push(term);
            }
        }
        filter
    });
    let sort = prop::sample::subsequence(Field::ALL.to_vec(), 0..4).prop_map(|fields| {
        fields
            .into_iter()
            .map(|field| SortKey { field, descending: (field as u8).is_multiple_of(2) })
            .collect()
    });
    let facets = prop::sample::subsequence(Field::ALL.to_vec(), 0..4);
    let asked = vec!["connectedAfter=now-15m", "clientAddr!=10.0.0.0/8", "search==", "stale=true"];
    let counts = prop::sample::subsequence(asked, 0..4)
        .prop_map(|asked| asked.into_iter().map(|asked| Count::parse(asked).unwrap()).collect());
    (terms, sort, 1..=MAX_LIMIT, 0..9_u64, facets, counts).prop_map(
        |(filter, sort, limit, skip, facets, counts)| Query {
            place_of: (skip == 3).then(|| "d:o:pump:1 & more".to_owned()),
            filter,
            sort,
            limit,
            skip,
            bookmark: None,
            facets,
            counts,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(query in any_query()) {
        let pairs = query.to_pairs();
        prop_assert_eq!(Query::parse(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))), Ok(query));
    }

    #[test]
    fn no_parameters_make_the_parser_panic(pairs in prop::collection::vec(("\\PC{0,20}", "\\PC{0,20}"), 0..8)) {
        let _ = Query::parse(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    }
}

#[test]
fn a_search_finds_letters_in_either_case_wherever_they_stand() {
    for (text, needle) in
        [("Pump-0", "pUMP"), ("ΟΔΟΣ", "οδοσ"), ("ΟΔΟΣ-ΑΒ", "δοΣ"), ("ÇA-1", "ça"), ("İ", "i")]
    {
        assert!(lowercase(text).contains(&lowercase(needle)), "{needle} in {text}");
    }
    assert!(!lowercase("Pump").contains(&lowercase("Pomp")));
}
