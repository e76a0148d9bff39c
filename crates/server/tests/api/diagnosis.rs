//! What is wrong with a client, what hit many, and the fleet over time.

use rollcall_model::ConnectionEvent;

use crate::app::{TestApp, connect, refuse, time_out};

const CUT: &str = "d:acme01:thermo:cut";

fn path(id: &str) -> String {
    format!("/api/v0002/clientconnectionstates/{id}/diagnosis")
}

/// One client that is cut off every half hour; 60 meters lost together 90 minutes ago, ten of them back, among 300 others that stay;
/// an id that is refused.
pub fn troubled() -> TestApp {
    let mut events: Vec<ConnectionEvent> = Vec::new();
    for round in 0..12 {
        let start = 400 - round * 31;
        events.extend([connect(CUT, start), time_out(CUT, start, start - 30)]);
    }
    events.push(connect(CUT, 400 - 12 * 31));
    for meter in 0..60 {
        let id = format!("d:acme01:meter:m-{meter}");
        events.extend([connect(&id, 300), time_out(&id, 300, 90)]);
    }
    events.extend((50..60).map(|meter| connect(&format!("d:acme01:meter:m-{meter}"), 20)));
    events.extend((0..300).map(|index| connect(&format!("d:acme01:thermo:t-{index}"), 300)));
    events.extend((1..10).map(|minutes| refuse("d:acme01:thermo:locked", minutes)));
    TestApp::with(events)
}

#[test]
fn a_client_that_is_cut_off_regularly_is_told_with_the_interval_and_the_evidence() {
    let answer = troubled().get(&path(CUT));
    assert_eq!(answer.status, 200, "{answer:?}");
    let finding = &answer.body["findings"][0];
    assert_eq!((&finding["kind"], &finding["cause"]), (&"regularTimeout".into(), &"keepAlive".into()));
    assert_eq!((&finding["intervalMs"], &finding["sessions"]), (&1_800_000.into(), &12.into()));
    assert_eq!(finding["evidence"].as_array().unwrap().len(), 12);
    assert_eq!(finding["evidence"][0]["event"], "disconnect");
    assert_eq!((&answer.body["clientId"], &answer.body["entries"]), (&CUT.into(), &25.into()));
}

#[test]
fn a_client_that_is_well_has_no_findings() {
    let answer = troubled().get(&path("d:acme01:thermo:t-7"));
    assert_eq!((answer.status, &answer.body["findings"]), (200, &serde_json::json!([])));
}

#[test]
fn who_only_ever_was_refused_has_a_diagnosis_too() {
    let answer = troubled().get(&path("d:acme01:thermo:locked"));
    let finding = &answer.body["findings"][0];
    assert_eq!((&finding["kind"], &finding["attempts"]), (&"refused".into(), &9.into()), "{answer:?}");
    assert_eq!(finding["whileConnected"], false);
}

#[test]
fn a_client_that_is_not_known_has_no_diagnosis() {
    let answer = troubled().get(&path("nobody"));
    assert_eq!((answer.status, &answer.body["exception"]["properties"][0]), (404, &"nobody".into()));
}

#[test]
fn a_journal_that_cannot_be_read_is_the_servers_fault() {
    assert_eq!(troubled().get(&path("broken")).status, 500);
}

#[test]
fn an_incident_says_how_many_and_what_they_share_and_its_clients_say_that_they_were_part_of_it() {
    let app = troubled();
    let answer = app.get("/api/v0002/incidents");
    let incidents = answer.body["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 1, "{answer:?}");
    assert_eq!((&incidents[0]["cause"], &incidents[0]["clients"]), (&"keepAlive".into(), &60.into()));
    let types = incidents[0]["shares"].as_array().unwrap();
    let share = types.iter().find(|share| share["field"] == "deviceType").unwrap();
    assert_eq!((&share["value"], &share["share"]), (&"meter".into(), &1.0.into()));
    assert!(share["baseShare"].as_f64().unwrap() < 0.2, "{share}");
    assert_eq!(
        incidents[0]["ends"],
        serde_json::json!([{ "initiator": "server", "mqttReasonCode": 141, "clients": 60 }])
    );
    assert_eq!(incidents[0]["stillAway"], 50);
    // All clients of this app have one address.
    assert!(types.iter().all(|share| share["field"] != "subnet"));
    let member = app.get(&path("d:acme01:meter:m-3"));
    assert_eq!(member.body["findings"][0]["kind"], "massDisconnect");
    assert_eq!(member.body["findings"][0]["incident"], incidents[0]);
}

#[test]
fn incidents_are_those_of_the_span() {
    let app = troubled();
    let found = |span: &str| {
        let answer = app.get(&format!("/api/v0002/incidents?{span}"));
        answer.body["incidents"].as_array().unwrap_or_else(|| panic!("{answer:?}")).len()
    };
    assert_eq!(found("fromTime=now-2h"), 1);
    assert_eq!(found("fromTime=now-1h"), 0);
    assert_eq!(found("fromTime=now-3h&toTime=now-2h"), 0);
    assert_eq!(
        app.get("/api/v0002/incidents?fromTime=now&toTime=now-2h").violations(),
        [("fromTime", "now")]
    );
    assert_eq!(app.get("/api/v0002/incidents?from=now-2h").violations(), [("from", "now-2h")]);
}

#[test]
fn statistics_tell_what_happened_in_each_step_and_who_is_busiest() {
    let answer = troubled().get("/api/v0002/statistics?fromTime=now-2h&step=30m");
    let buckets = answer.body["buckets"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    assert_eq!((buckets.len(), &answer.body["stepMs"]), (4, &1_800_000.into()));
    // 90 minutes ago is the start of the second bucket.
    assert_eq!(buckets[1]["disconnects"], 60);
    assert_eq!(
        (&buckets[1]["byInitiator"]["server"], &buckets[1]["byReason"]["141"]),
        (&60.into(), &60.into())
    );
    assert_eq!(buckets[1]["reasonsByInitiator"]["server"]["141"], 60);
    assert_eq!((&buckets[3]["refused"], &buckets[3]["connected"]), (&9.into(), &311.into()));
    assert_eq!(answer.body["topFlappers"][0]["name"], CUT);
    assert_eq!(answer.body["topRefused"][0]["name"], "d:acme01:thermo:locked");
    assert_eq!((&answer.body["topRefusedAddresses"][0]["count"]), &9);
}

#[test]
fn a_span_or_a_step_that_cannot_be_is_refused_with_its_name() {
    let app = TestApp::start();
    let check = |query: &str, expect: (&str, &str)| {
        assert_eq!(app.get(&format!("/api/v0002/statistics?{query}")).violations(), [expect], "{query}");
    };
    check("fromTime=yesterday", ("fromTime", "yesterday"));
    check("toTime=", ("toTime", ""));
    check("step=5s", ("step", "5s"));
    check("fromTime=now-2d&step=5m", ("step", "5m"));
    check("fromTime=now-31d", ("fromTime", "now-31d"));
    check("fromTime=now-1h&toTime=now-2h", ("fromTime", "now-1h"));
    check("bucket=5m", ("bucket", "5m"));
    assert_eq!(app.get("/api/v0002/statistics?fromTime=now-30d").status, 200);
}

#[test]
fn a_parameter_that_is_not_known_is_refused() {
    let path = "/api/v0002/clientconnectionstates/d:acme01:thermo:cut/diagnosis";
    let answer = troubled().get(&format!("{path}?fromTime=now-1d"));
    assert_eq!(answer.violations(), [("fromTime", "now-1d")]);
}
