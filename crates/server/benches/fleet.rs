//! What the fleet costs: folding, scanning, selecting, counting, searching, and JSON.
//!
//! `ROLLCALL_BENCH_CLIENTS` sets the number of clients, a million unless given. Every figure is for one thread and
//! without HTTP.

mod population;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use population::{NOW_MS, activity, clients, connect, disconnect, id, now, started, state};
use rollcall_model::query::Query;
use rollcall_model::{ClientState, ConnectionEvent, Timestamp};
use rollcall_server::fleet::Fleet;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every field whose values a dashboard counts.
const FACETS: &str = "clientType,connectionStatus,lastActivityEvent,mqttConnectProtocol,disconnectInitiator,\
                      mqttReasonCode,closeCode,reason,certainty,secure,deviceType,staleSince,recentConnects";

fn filled() -> Fleet {
    let fleet = Fleet::new();
    fleet.load((0..clients()).map(state));
    fleet
}

fn query(text: &str) -> Query {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    Query::parse(pairs).unwrap_or_else(|violations| panic!("{text}: {violations:?}"))
}

/// Measures one question under the name of its group.
fn ask(c: &mut Criterion, fleet: &Fleet, group: &str, name: &str, text: &str) {
    let query = query(text);
    c.bench_function(&format!("{group}/{name}"), |b| b.iter(|| black_box(fleet.query(&query, now()))));
}

/// The bookmark of the page before this row.
fn bookmark(fleet: &Fleet, text: &str, row: u32) -> String {
    let query = query(&format!("{text}&_skip={row}"));
    let page = fleet.query(&query, now()).ok().and_then(|page| page.bookmark);
    page.unwrap_or_default()
}

fn sorts(c: &mut Criterion, fleet: &Fleet) {
    let deep = u64::from(clients()) * 9 / 10;
    let fields = [
        "id",
        "clientType",
        "connectionStatus",
        "lastConnectTime",
        "lastDisconnectTime",
        "lastActivityTime",
        "mqttReasonCode",
        "reason",
        "clientAddr",
        "secure",
        "deviceType",
        "deviceId",
        "staleSince",
        "recentConnects",
        "lastRefusedTime",
        "connectionStatus,-lastActivityTime",
        "deviceType,deviceId",
    ];
    for field in fields {
        ask(c, fleet, "sort first page", field, &format!("_sort={field}"));
        ask(c, fleet, "sort last page", field, &format!("_sort=-{field}&_skip={deep}"));
        let text = format!("_sort=-{field}");
        let bookmark = bookmark(fleet, &text, clients() - clients() / 100);
        ask(c, fleet, "sort by bookmark", field, &format!("{text}&_bookmark={bookmark}"));
    }
}

const FILTERS: [&str; 12] = [
    "connectionStatus=connected",
    "connectionStatus!=connected",
    "deviceType=pump-std",
    "deviceId=dev-00000017-",
    "disconnectInitiator=network,server",
    "mqttReasonCode=0x8D",
    "connectedAfter=now-2d",
    "activeBefore=now-1d",
    "refusedAfter=now-1d",
    "minRecentConnects=1",
    "stale=true",
    "search=0017",
];
const FOUR_FILTERS: &str = "connectionStatus=connected&deviceType!=pump-std&connectedAfter=now-20d&\
                            mqttConnectProtocol=5,3.1.1&search=00";

fn filters(c: &mut Criterion, fleet: &Fleet) {
    for filter in FILTERS {
        ask(c, fleet, "filter", filter, filter);
        let text = format!("{filter}&_sort=-lastActivityTime&_facets={FACETS}");
        ask(c, fleet, "filter, sort, facets", filter, &text);
    }
    for sort in ["id", "-lastActivityTime", "deviceId", "reason"] {
        let text = format!("{FOUR_FILTERS}&_sort={sort}&_facets={FACETS}");
        ask(c, fleet, "four filters and a search, facets", sort, &text);
    }
}

fn searches(c: &mut Criterion, fleet: &Fleet) {
    for needle in ["dev-00000017", "pump", "PUMP", "0017", "7", "nothing"] {
        ask(c, fleet, "search", needle, &format!("search={needle}"));
    }
}

fn facets(c: &mut Criterion, fleet: &Fleet) {
    ask(c, fleet, "facets", "all fields with few values, whole fleet", &format!("_facets={FACETS}"));
    ask(c, fleet, "facets", "the same, two thirds", &format!("connectedAfter=now-20d&_facets={FACETS}"));
    for field in ["deviceType", "clientAddr", "deviceId", "lastConnectTime", "id", "recentConnects"] {
        ask(c, fleet, "facet", field, &format!("_facets={field}&connectedAfter=now-29d"));
    }
}

fn folds(c: &mut Criterion, fleet: &Fleet) {
    const EVENTS: u32 = 10_000;
    let spread = |at: u32| (u64::from(at) * 7_919 % u64::from(clients())) as u32;
    let mut round = 0;
    let mut fold = |name: &str, make: &dyn Fn(u32, Timestamp) -> ConnectionEvent| {
        let mut group = c.benchmark_group("fold");
        group.throughput(Throughput::Elements(u64::from(EVENTS)));
        let mut batch = || {
            round += 1;
            let time = Timestamp::from_millis(NOW_MS + round);
            (0..EVENTS).map(|at| make(spread(at), time)).collect::<Vec<_>>()
        };
        group.bench_function(name, |b| {
            b.iter_batched(&mut batch, |events| fleet.apply(&events), BatchSize::LargeInput);
        });
        group.finish();
    };
    fold("activity", &activity);
    fold("connect of a client that is connected", &connect);
    fold("disconnect", &|number, time| disconnect(number, started(number), time));
    fold("a new client", &|number, time| {
        connect(clients() + number + (time.millis() - NOW_MS) as u32 * clients(), time)
    });
}

fn ids(c: &mut Criterion, fleet: &Fleet) {
    let wanted = id(clients() / 2);
    c.bench_function("one client/its document", |b| b.iter(|| black_box(fleet.doc(&wanted, now()))));
    let page = fleet.query(&query("_limit=100"), now()).map(|page| page.results).unwrap_or_default();
    c.bench_function("JSON/100 documents", |b| b.iter(|| black_box(serde_json::to_vec(&page))));
    let page = query("_limit=100");
    c.bench_function("JSON/a page of 100, found and written", |b| {
        b.iter(|| fleet.query(&page, now()).map(|page| serde_json::to_vec(&page.results)));
    });
}

fn loads(c: &mut Criterion) {
    let states: Vec<ClientState> = (0..clients()).map(state).collect();
    let mut group = c.benchmark_group("load");
    group.throughput(Throughput::Elements(u64::from(clients()))).sample_size(10);
    group.bench_function("states as they come", |b| {
        b.iter_batched(
            || states.clone(),
            |states| {
                let fleet = Fleet::new();
                fleet.load(states);
                fleet
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn all(c: &mut Criterion) {
    let fleet = filled();
    sorts(c, &fleet);
    filters(c, &fleet);
    searches(c, &fleet);
    facets(c, &fleet);
    ids(c, &fleet);
    folds(c, &fleet);
    drop(fleet);
    loads(c);
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = all
}
criterion_main!(benches);
