//! Import and export against each other, on real folders.

use std::path::Path;

use clap::Parser;
use proptest::prelude::*;
use rollcall_model::log::LogEntry;
use rollcall_model::{
    ActivityEvent, Certainty, ClientState, ConnectionEvent, Counters, End, Initiator, Peer, Protocol,
    SessionKey, Timestamp,
};
use rollcall_model::{EventKind, event::MqttVersion};

use super::*;
use crate::data_folder::DataFolder;
use crate::export;

#[derive(Parser)]
enum Cli {
    Import(ImportArgs),
    #[command(subcommand)]
    Export(export::Command),
}

fn run_import(data: &Path, files: &[&Path]) -> Tally {
    let mut args = vec!["rollcall", "import", "--data", data.to_str().unwrap()];
    args.extend(files.iter().map(|file| file.to_str().unwrap()));
    match Cli::parse_from(args) {
        Cli::Import(args) => import(args).unwrap(),
        Cli::Export(_) => unreachable!(),
    }
}

fn run_export(data: &Path, what: &str, file: &Path) {
    let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
    match Cli::parse_from(["rollcall", "export", what, "--data", data, "--output", file]) {
        Cli::Export(command) => export::run(command).unwrap(),
        Cli::Import(_) => unreachable!(),
    }
}

/// All states by id, and all log entries by client and in order. The user that all devices share is not told.
fn contents(data: &Path) -> (Vec<ClientState>, Vec<ConnectionEvent>) {
    let folder = DataFolder::open(data).unwrap();
    let mut states = Vec::new();
    folder.fleet.for_each(|state| states.push(state.clone()));
    states.sort_by(|a, b| a.id.cmp(&b.id));
    let mut log = Vec::new();
    let each = &mut |mut event: ConnectionEvent| {
        event.peer.user = event.peer.user.filter(|user| user != "use-token-auth");
        log.push(event);
        true
    };
    folder.journal.each(0, each).unwrap();
    log.sort_by(|a, b| a.client_id.cmp(&b.client_id));
    (states, log)
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + ms)
}

fn any_peer() -> impl Strategy<Value = Peer> {
    let protocol = (prop::sample::select(MqttVersion::ALL.to_vec()), any::<bool>())
        .prop_map(|(version, websocket)| Protocol { version, websocket });
    (
        prop::option::of("10\\.0\\.0\\.[1-3]"),
        any::<Option<u16>>(),
        any::<Option<u16>>(),
        prop::option::of(protocol),
        any::<Option<bool>>(),
        prop::option::of(prop::sample::select(vec!["use-token-auth", "ann", ""])),
    )
        .prop_map(|(addr, port, server_port, protocol, secure, user)| Peer {
            addr,
            port,
            server_port,
            protocol,
            secure,
            user: user.map(str::to_owned),
        })
}

fn any_end() -> impl Strategy<Value = End> {
    (
        prop::sample::select(Certainty::ALL.to_vec()),
        0..9_000_000_i64,
        prop::option::of(prop::sample::select(Initiator::ALL.to_vec())),
        any::<Option<u8>>(),
        prop::option::of(prop::sample::select(vec![0, 91, 160, 288, 9_999])),
        prop::option::of(prop::sample::select(vec!["", "gone \"fishing\"\n", "The connection timed out."])),
        any::<Option<u64>>(),
    )
        .prop_map(|(certainty, ms, initiator, mqtt_reason_code, close_code, reason, read_msg)| End {
            certainty,
            time: at(ms),
            initiator,
            mqtt_reason_code,
            close_code,
            reason: reason.map(str::to_owned),
            counters: Counters { read_msg, ..Counters::default() },
        })
}

fn any_event() -> impl Strategy<Value = ConnectionEvent> {
    let id = prop::sample::select(vec!["d:acme01:thermo:t-1", "a:acme01:console", "=1+1", "köln/\"日本\"\n"]);
    let session = || {
        (0..4_i64, any::<u64>()).prop_map(|(hour, number)| SessionKey {
            start: at(hour * 1_000_000),
            connection: number % 3 * (u64::MAX / 2),
        })
    };
    let kind = prop_oneof![
        (session(), prop::sample::select(Certainty::ALL.to_vec()))
            .prop_map(|(session, certainty)| EventKind::Connect { session, certainty }),
        (prop::option::of(session()), any_end())
            .prop_map(|(session, end)| EventKind::Disconnect { session, end }),
        any_end().prop_map(|end| EventKind::FailedConnect {
            mqtt_reason_code: end.mqtt_reason_code,
            close_code: end.close_code,
            reason: end.reason,
        }),
        (prop::option::of(session()), prop::sample::select(ActivityEvent::ALL.to_vec()))
            .prop_map(|(session, event)| EventKind::Activity { session, event }),
        Just(EventKind::Missed),
    ];
    (id, any_peer(), 0..9_000_000_i64, kind).prop_map(|(id, peer, ms, kind)| {
        let time = match &kind {
            EventKind::Connect { session, .. } => session.start,
            EventKind::Disconnect { end, .. } => end.time,
            _ => at(ms),
        };
        ConnectionEvent { client_id: id.to_owned(), time, peer, kind }
    })
}

/// A folder in which these things happened, each once.
fn folder_of(data: &Path, events: &[ConnectionEvent]) {
    let folder = DataFolder::open_or_create(data).unwrap();
    let mut told: Vec<(LogEntry, &ConnectionEvent)> = Vec::new();
    for event in events {
        match LogEntry::from_event(event) {
            Some(entry) if told.iter().any(|(other, _)| *other == entry) => continue,
            Some(entry) => told.push((entry, event)),
            None => {}
        }
        folder.fleet.apply(std::slice::from_ref(event));
    }
    let logged: Vec<_> = told.into_iter().map(|(_, event)| event.clone()).collect();
    folder.journal.append(&logged).unwrap();
    folder.save(at(9_000_000)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_fleet_exported_and_imported_is_the_same_fleet_also_twice_and_in_any_order(
        events in prop::collection::vec(any_event(), 0..40), states_first in any::<bool>()
    ) {
        let place = tempfile::tempdir().unwrap();
        let [from, to, log, states] = ["from", "to", "log.ndjson", "states.ndjson"].map(|name| place.path().join(name));
        folder_of(&from, &events);
        run_export(&from, "log", &log);
        run_export(&from, "states", &states);
        let files = if states_first { [states.as_path(), &log] } else { [log.as_path(), &states] };
        let first = run_import(&to, &files);
        prop_assert_eq!((first.bad, first.known), (0, 0));
        prop_assert_eq!(contents(&from), contents(&to));
        let second = run_import(&to, &files);
        prop_assert_eq!((second.logged, second.known), (0, first.logged));
        prop_assert_eq!(contents(&from), contents(&to));
        run_import(&from, &files);
        prop_assert_eq!(contents(&from), contents(&to));
    }

    #[test]
    fn no_line_makes_the_parser_panic(line in prop::collection::vec(any::<u8>(), 0..60), text in "\\{\"Action\":\"Connect\",\"Kept\":[^\"]{0,20}\\}") {
        let _ = line::parse(&line, Some("acme01"));
        let _ = line::parse(text.as_bytes(), None);
    }
}

/// The log alone says nothing of activity; what the State API tells of a client that is known adds it.
#[test]
fn a_state_as_the_api_tells_it_is_taken_whole_for_an_unknown_client_and_its_activity_for_a_known_one() {
    let place = tempfile::tempdir().unwrap();
    let (data, file) = (place.path().join("data"), place.path().join("x.ndjson"));
    let known = r#"{"Action":"Connect","Time":"2026-11-20T08:00:00Z","ClientID":"known","ConnectTime":"2026-11-20T08:00:00Z","Certainty":"reported"}"#;
    let doc = |id: &str| {
        format!(
            r#"{{"id":"{id}","clientType":"other","connectionStatus":"disconnected","lastConnectTime":"2026-11-20T07:00:00Z","lastDisconnectTime":"2026-11-20T07:30:00Z","lastActivityEvent":"mqttPublish","lastActivityTime":"2026-11-20T09:00:00Z"}}"#
        )
    };
    std::fs::write(&file, [known, &doc("known"), &doc("new")].join("\n")).unwrap();
    let tally = run_import(&data, &[&file]);
    assert_eq!((tally.bad, tally.logged, tally.states), (0, 1, 2));
    let (states, _) = contents(&data);
    let shown: Vec<_> =
        states.iter().map(|state| (state.id.as_str(), state.is_connected(), state.last_activity)).collect();
    let active = Some((Timestamp::parse("2026-11-20T09:00:00Z").unwrap(), ActivityEvent::Publish));
    assert_eq!(shown, [("known", true, active), ("new", false, active)]);
}
