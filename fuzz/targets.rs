//! What the fuzz targets try and what must hold, whatever the input.
//!
//! Two programs use this file: the binaries in `fuzz_targets/`, which libFuzzer drives for as long as a person lets
//! it (`cargo xtask fuzz TARGET`), and the server's test `fuzz`, which runs the same functions on stable over the
//! corpus and some seconds of mutated input. A target panics when a property does not hold.

// A property that does not hold is a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use rollcall_model::client_id::{
    ClientId, ClientType, decode_topic_level, encode_path_segment, encode_topic_level,
};
use rollcall_model::log::LogEntry;
use rollcall_model::monitor::MonitorMessage;
use rollcall_model::query::{Query, compare};
use rollcall_model::time::TimeExpr;
use rollcall_model::{ClientState, StateDoc, Timestamp, fold};
use rollcall_server::fleet::Fleet;

/// What a fuzzer calls with its input; it panics when a property does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also the name of its corpus.
pub const ALL: [(&str, Target); 5] = [
    ("client_id", client_id),
    ("query", query),
    ("bookmark", bookmark),
    ("time", time),
    ("monitor", monitor),
];

/// A client id is taken apart without loss, and is one level of a topic and one segment of a path.
pub fn client_id(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parsed = ClientId::parse(&text);
    let rebuilt = match (parsed.client_type, parsed.org, parsed.device_type, parsed.device_id, parsed.app_id)
    {
        (ClientType::Device, Some(org), Some(kind), Some(id), None) => format!("d:{org}:{kind}:{id}"),
        (ClientType::Gateway, Some(org), Some(kind), Some(id), None) => format!("g:{org}:{kind}:{id}"),
        (ClientType::Application, Some(org), _, None, Some(app)) => format!("{}:{org}:{app}", &text[..1]),
        (ClientType::Other, None, Some(_), None, None) => text.clone().into_owned(),
        parts => panic!("{parts:?} cannot be together"),
    };
    assert_eq!(rebuilt, text);
    assert_eq!(ClientId::parse(&rebuilt), parsed);

    let topic = parsed.monitor_topic(&text);
    let levels: Vec<&str> = topic.split('/').collect();
    let named = match levels[..] {
        ["iot-2", "app", app, "mon"] => app,
        ["iot-2", "type", _, "id", id, "mon"] => id,
        _ => panic!("{topic:?} is no monitor topic"),
    };
    assert!(!topic.contains(['+', '#', '\0']), "{topic:?} cannot be published to");
    let expect = parsed.app_id.or(parsed.device_id).unwrap_or(&text);
    assert_eq!(decode_topic_level(named).as_deref(), Some(expect));
    // The text need not be one that we encoded; read and written again it stays what it is.
    if let Some(decoded) = decode_topic_level(&text) {
        assert_eq!(decode_topic_level(&encode_topic_level(&decoded)), Some(decoded));
    }

    let segment = encode_path_segment(&text);
    assert!(
        segment.is_ascii() && !segment.contains(['/', '?', '#', ' ']) && !matches!(&*segment, "." | "..")
    );
    assert_eq!(percent_decode_str(&segment).decode_utf8().unwrap(), text);
}

/// A query that is understood is written so that it is understood again, and the fleet's answer to it is the one that
/// the model's definition gives.
pub fn query(data: &[u8]) {
    let pairs = pairs(&String::from_utf8_lossy(data));
    let query = match Query::parse(borrowed(&pairs)) {
        Ok(query) => query,
        Err(violations) => {
            assert!(!violations.is_empty());
            assert!(violations.iter().all(|violation| !violation.problem.is_empty()));
            return;
        }
    };
    let written = query.to_pairs();
    assert_eq!(Query::parse(borrowed(&written)).as_ref(), Ok(&query), "{written:?}");

    let mut expect: Vec<&StateDoc> = FLEET.docs.iter().filter(|doc| query.filter.matches(doc, NOW)).collect();
    expect.sort_by(|a, b| compare(a, b, &query.sort));
    let total = expect.len() as u64;
    let skip = usize::try_from(query.skip).unwrap_or(usize::MAX);
    let expect: Vec<&StateDoc> = expect.into_iter().skip(skip).take(query.limit as usize).collect();
    let page = FLEET.fleet.query(&Query { bookmark: None, ..query }, NOW).unwrap();
    assert_eq!(page.total_rows, total);
    assert_eq!(page.results.iter().collect::<Vec<_>>(), expect);
}

/// The input's first line is a query string; what follows is tried as a bookmark, and as the inside of one. A walk by
/// real bookmarks meets every row of the query once, in order.
pub fn bookmark(data: &[u8]) {
    let (question, rest) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    let pairs = pairs(&String::from_utf8_lossy(question));
    let query = Query::parse(borrowed(&pairs)).unwrap_or_default();
    let query = Query { skip: 0, bookmark: None, facets: Vec::new(), ..query };
    let ask =
        |bookmark: Option<String>, limit| FLEET.fleet.query(&Query { bookmark, limit, ..query.clone() }, NOW);
    let all = ask(None, ROWS_MAX).unwrap();
    assert_eq!(all.bookmark, None);

    // Whatever is no bookmark is refused or harmless.
    let text = String::from_utf8_lossy(rest).into_owned();
    for bookmark in [text, URL_SAFE_NO_PAD.encode(rest)] {
        if let Ok(page) = ask(Some(bookmark), 1) {
            assert_eq!(page.total_rows, all.total_rows);
        }
    }
    // Bytes at random do not get past the hash of the parameters, so a real one is put in front of them.
    if let Some(real) = ask(None, 1).unwrap().bookmark {
        let mut forged = URL_SAFE_NO_PAD.decode(real).unwrap();
        forged.truncate(prefix_len(&forged));
        forged.extend(rest);
        if let Ok(page) = ask(Some(URL_SAFE_NO_PAD.encode(forged)), 1) {
            assert_eq!(page.total_rows, all.total_rows);
        }
    }

    let limit = 1 + u32::from(rest.first().copied().unwrap_or(0) % 7);
    let (mut met, mut next) = (Vec::new(), None);
    loop {
        let page = ask(next, limit).unwrap();
        met.extend(page.results);
        assert!(met.len() <= all.results.len(), "the walk goes round in circles");
        next = page.bookmark;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(met, all.results);
}

/// How many bytes of a bookmark come before its position: the version, and the hash as a number of seven bits a byte.
fn prefix_len(bookmark: &[u8]) -> usize {
    let hash = bookmark.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count() + 1;
    1 + hash
}

/// A time that is understood is written so that it is understood again, and never leaves the years that can be
/// written.
pub fn time(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(expr) = TimeExpr::parse(&text) {
        assert_eq!(TimeExpr::parse(&expr.to_string()), Ok(expr));
        for now in [Timestamp::from_millis(i64::MIN), NOW, Timestamp::from_millis(i64::MAX)] {
            let resolved = expr.resolve(now);
            assert_eq!(Timestamp::parse(&resolved.to_string()), Ok(resolved));
            assert!(!expr.is_relative() || resolved <= now);
        }
    }
    if let Ok(time) = Timestamp::parse(&text) {
        assert_eq!(time.to_string().len(), "2026-11-20T08:40:54.456Z".len());
        assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
    }
}

/// A monitor message that is understood tells the same event when it is written and read again, and the fold takes
/// the event, once or twice.
pub fn monitor(data: &[u8]) {
    let Ok(message) = serde_json::from_slice::<MonitorMessage>(data) else { return };
    assert_eq!(rewritten(&message), message);
    let event = message.to_event();
    if let Some(told) = MonitorMessage::from_event(&event) {
        assert_eq!(rewritten(&told).to_event(), event);
    }
    if let Some(entry) = LogEntry::from_event(&event) {
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<LogEntry>(&json).unwrap(), entry);
    }

    let mut state = ClientState::new(event.client_id.clone());
    fold(&mut state, &event);
    let once = state.clone();
    fold(&mut state, &event);
    assert_eq!(state, once);
    let doc = state.doc(NOW, None);
    let json = serde_json::to_string(&doc).unwrap();
    assert_eq!(serde_json::from_str::<StateDoc>(&json).unwrap(), doc);

    // Who comes later and reads only the retained message knows the same.
    if let Some(retained) = MonitorMessage::retained(&state) {
        let mut late = ClientState::new(state.id.clone());
        fold(&mut late, &rewritten(&retained).to_event());
        assert_eq!(late.status(), state.status());
    }
}

fn rewritten(message: &MonitorMessage) -> MonitorMessage {
    serde_json::from_str(&serde_json::to_string(message).unwrap()).unwrap()
}

/// The decoded pairs of a query string, as the API reads them.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(n, v)| (decode(n), decode(v)))
        .collect()
}

fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// 2026-11-20T12:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);
/// More than the fleet below has.
const ROWS_MAX: u32 = 1_000;

struct SmallFleet {
    fleet: Fleet,
    /// The same clients, in the order of their ids.
    docs: Vec<StateDoc>,
}

/// A fleet with a few clients of every kind, among them ids that are hard to handle.
static FLEET: LazyLock<SmallFleet> = LazyLock::new(|| {
    let long = "x".repeat(3_000);
    let ids = [
        "d:acme01:thermo:t-17",
        "g:acme01:gw:north",
        "a:acme01:console",
        "A:acme01:jobs:1",
        "İstanbul ß",
        "",
    ];
    let ids = ids.into_iter().chain(["a/b+c#d%\u{7f}", &long, "d:acme01:thermo:t-18", "d:acme01:demo:T-17"]);
    let protocols = ["mqtt3", "mqtt4-ws", "mqtt5", "mqtt-tcp"];
    let mut events = Vec::new();
    for (at, id) in (0_i64..).zip(ids) {
        let connected = NOW.plus_ms(-at * 1_800_000 - 60_000);
        let mut tell = |message: serde_json::Value| {
            events.push(serde_json::from_value::<MonitorMessage>(message).unwrap().to_event());
        };
        let protocol = protocols[usize::try_from(at).unwrap() % protocols.len()];
        tell(serde_json::json!({
            "Action": "Connect", "Time": connected, "ClientID": id, "ClientAddr": format!("10.0.0.{at}"),
            "Secure": at % 2 == 0, "Protocol": protocol
        }));
        if at % 3 == 1 {
            tell(serde_json::json!({
                "Action": "Disconnect", "Time": connected.plus_ms(30_000), "ClientID": id, "CloseCode": 90 + at,
                "Reason": format!("reason {at}")
            }));
        }
        if at % 4 == 2 {
            tell(serde_json::json!({
                "Action": "FailedConnect", "Time": connected.plus_ms(40_000), "ClientID": id, "CloseCode": 180
            }));
            tell(serde_json::json!({
                "Action": "Activity", "Time": connected.plus_ms(50_000), "ClientID": id, "Event": "mqttPublish"
            }));
        }
    }
    let fleet = Fleet::new();
    fleet.apply(&events);
    let docs = fleet.query(&Query { limit: ROWS_MAX, ..Query::default() }, NOW).unwrap().results;
    assert!(docs.len() == 10 && docs.is_sorted_by(|a, b| a.id < b.id));
    SmallFleet { fleet, docs }
});
