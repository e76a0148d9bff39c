use proptest::collection::vec;
use proptest::prelude::*;
use rollcall_model::Timestamp;
use rollcall_model::time::TimeUnit;

use super::*;

fn times() -> impl Strategy<Value = TimeExpr> {
    let unit = prop_oneof![
        Just(TimeUnit::Second),
        Just(TimeUnit::Minute),
        Just(TimeUnit::Hour),
        Just(TimeUnit::Day),
        Just(TimeUnit::Week)
    ];
    prop_oneof![
        (0_i64..4_000_000_000_000).prop_map(|ms| TimeExpr::At(Timestamp::from_millis(ms))),
        (1_u32..100_000, unit).prop_map(|(amount, unit)| TimeExpr::Ago { amount, unit }),
    ]
}

fn ranges() -> impl Strategy<Value = Range> {
    (proptest::option::of(times()), proptest::option::of(times()))
        .prop_map(|(after, before)| Range { after, before })
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9:._-]{1,20}", "\\PC{1,20}", any::<String>()]
        .prop_filter("not empty", |t| !t.is_empty())
}

prop_compose! {
    fn pages()(
        tab in proptest::sample::select(Tab::ALL.to_vec()),
        span in proptest::sample::select(Span::ALL.to_vec()),
        is_full in any::<bool>(),
        events in proptest::sample::subsequence(EVENTS.map(|event| event.0).to_vec(), 0..=3),
    ) -> ClientPage {
        ClientPage { tab, span, is_full, events }
    }
}

prop_compose! {
    fn views()(
        ranges in [ranges(), ranges(), ranges()],
        search in proptest::option::of(texts()),
        types in vec(texts(), 0..3),
        status in proptest::sample::subsequence(vec!["connected", "disconnected"], 0..=2),
        codes in vec(0_u8..=255, 0..3),
        stale in any::<Option<bool>>(),
        sort in proptest::sample::subsequence(Field::ALL.to_vec(), 0..4),
        directions in vec(any::<bool>(), 4),
        client in proptest::option::of(texts()),
        log in ranges(),
        shows_demo in any::<bool>(),
        excluded in vec(texts(), 0..3),
        least in proptest::option::of(1_u32..64),
        columns in proptest::sample::subsequence(Field::ALL.to_vec(), 0..5),
        page in pages(),
        overview in proptest::option::of(proptest::sample::select(Period::ALL.to_vec())),
    ) -> View {
        let columns = Some(columns).filter(|columns| !columns.is_empty());
        // The page is written for an open client only.
        let page = if client.is_some() { page } else { ClientPage::default() };
        let mut view = View { client, log, shows_demo, columns, page, overview, ..View::default() };
        view.set_search(&search.unwrap_or_default());
        let unique = |mut list: Vec<String>| { list.sort(); list.dedup(); list };
        view.set_values(Field::DeviceType, unique(types));
        view.set_values(Field::ConnectionStatus, status.into_iter().map(str::to_owned).collect());
        view.set_values(Field::MqttReasonCode, unique(codes.iter().map(u8::to_string).collect()));
        view.set_stale(stale);
        view.set_choice(Field::DeviceType, true, unique(excluded));
        view.set_least(least);
        view.set_range(Field::LastConnectTime, ranges[0]);
        view.set_range(Field::LastDisconnectTime, ranges[1]);
        view.set_range(Field::LastActivityTime, ranges[2]);
        view.sort = sort.into_iter().zip(directions)
            .map(|(field, descending)| SortKey { field, descending }).collect();
        view
    }
}

proptest! {
    #[test]
    fn a_view_survives_being_a_link(view in views()) {
        let text = view.to_query_string();
        prop_assert!(text.is_ascii() && !text.contains(['#', ' ', '"', '<', '\'']), "{text}");
        prop_assert_eq!(View::from_query_string(&text), view);
    }

    #[test]
    fn any_text_is_some_view_and_that_view_survives(text in "\\PC{0,80}") {
        let view = View::from_query_string(&text);
        prop_assert_eq!(View::from_query_string(&view.to_query_string()), view);
    }
}

#[test]
fn the_default_view_has_no_query_string() {
    assert_eq!(View::default().to_query_string(), "");
    assert_eq!(View::from_query_string(""), View::default());
}

#[test]
fn a_link_reads_like_the_call_of_the_api() {
    let text =
        "?connectionStatus=disconnected&deviceType!=demo&disconnectedAfter=now-2d&_sort=-lastDisconnectTime";
    let view = View::from_query_string(text);
    assert_eq!(view.values(Field::ConnectionStatus), ["disconnected"]);
    assert_eq!(view.range(Field::LastDisconnectTime).after, TimeExpr::parse("now-2d").ok());
    assert_eq!(format!("?{}", view.to_query_string()), text);
}

#[test]
fn what_a_link_asks_for_in_vain_is_told() {
    let check = |text: &str, expect: &[&str]| assert_eq!(View::read(text).1, expect, "{text}");
    check(
        "?connectionStatus=connected&search=%20x&_limit=5&span=7d&columns=id&overview=1h&deviceType!=",
        &[],
    );
    check("disconnectInitiator=netwrok&deviceType=pump", &["disconnectInitiator=netwrok"]);
    check("colour=red&activeBefore=yesterday", &["colour=red", "activeBefore=yesterday"]);
    check("search=a&_skip=5&_bookmark=b&_colour=red", &["_colour=red"]);
}

#[test]
fn demo_clients_are_hidden_until_the_reader_says_otherwise() {
    let hidden = |text: &str| !View::from_query_string(text).effective_filter(true).terms.is_empty();
    assert!(hidden(""));
    assert!(!hidden("deviceType!="));
    let chosen = View::from_query_string("deviceType=demo");
    assert_eq!(chosen.effective_filter(true), chosen.filter);
    assert!(View::default().effective_filter(false).terms.is_empty());
}

#[test]
fn what_is_not_understood_is_left_out() {
    let view = View::from_query_string("nonsense=1&connectionStatus=asleep&search=pump&_sort=nothing&=&&x");
    assert_eq!(view.search(), "pump");
    assert_eq!(view.filter.terms.len(), 1);
}

#[test]
fn a_filter_can_include_and_exclude_values_of_one_field_at_once() {
    let mut view = View::from_query_string("deviceType=pump&deviceType!=demo&minRecentConnects=6");
    assert_eq!(view.choice(Field::DeviceType, false), ["pump"]);
    assert_eq!(view.choice(Field::DeviceType, true), ["demo"]);
    assert_eq!(view.least(), Some(6));
    view.set_choice(Field::DeviceType, false, Vec::new());
    view.set_least(None);
    assert_eq!(view.to_query_string(), "deviceType!=demo");
}

#[test]
fn a_link_can_name_the_columns() {
    let view = View::from_query_string("columns=id,nonsense,reason,id");
    assert_eq!(view.columns, Some(vec![Field::Id, Field::Reason]));
    assert_eq!(view.to_query_string(), "columns=id,reason");
    assert_eq!(View::from_query_string("columns=nonsense").columns, None);
}

#[test]
fn a_filter_on_addresses_is_written_as_networks_are() {
    let (view, left_out) = View::read("?clientAddr=10.0.7.9/24&clientAddr=2001:DB8::1&clientAddr!=10.0.0.7");
    assert!(left_out.is_empty(), "{left_out:?}");
    assert_eq!(view.choice(Field::ClientAddr, false), ["10.0.7.0/24", "2001:db8::1"]);
    assert_eq!(view.choice(Field::ClientAddr, true), ["10.0.0.7"]);
    assert_eq!(View::from_query_string(&view.to_query_string()), view);
    assert_eq!(View::read("?clientAddr=nonsense").1, ["clientAddr=nonsense"]);
}
