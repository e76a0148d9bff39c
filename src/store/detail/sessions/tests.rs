use proptest::prelude::*;

use super::*;

const T0: i64 = 1_800_000_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(T0 + seconds * 1_000)
}

/// An entry in few letters: `+5` connect at 5 s, `-9/5` disconnect at 9 s of the session since 5 s, `-9` the same
/// without its session, `%9` because the id was taken over, `?9/5` inferred, `x7` refused.
fn entry(text: &str) -> Arc<LogEntry> {
    let (kind, rest) = text.split_at(1);
    let (time, start) = rest.split_once('/').map_or((rest, None), |(time, start)| (time, Some(start)));
    let seconds = |text: &str| at(text.parse().unwrap());
    let event = match kind {
        "+" => "connect",
        "x" => "failedConnect",
        _ => "disconnect",
    };
    let certainty = if kind == "?" { "inferred" } else { "reported" };
    let json = serde_json::json!({
        "message": "", "timestamp": seconds(time), "event": event, "certainty": certainty,
        "closeCode": (kind == "%").then_some(288),
        "connectTime": if kind == "+" { Some(seconds(time)) } else { start.map(seconds) },
    });
    Arc::new(serde_json::from_value(json).unwrap())
}

/// A log, oldest first as one reads it.
fn log(text: &str) -> Vec<Arc<LogEntry>> {
    text.split_whitespace().rev().map(entry).collect()
}

fn doc(status: &str, connect: i64, disconnect: Option<i64>) -> StateDoc {
    let json = serde_json::json!({
        "id": "c", "clientType": "other", "connectionStatus": status, "lastConnectTime": at(connect),
        "lastDisconnectTime": disconnect.map(at),
    });
    serde_json::from_value(json).unwrap()
}

/// Sessions as `start-end`, with `~` for an inferred end, `…` for open, `!` for unknown, `?` for an unknown start.
fn shown(found: &Sessions) -> String {
    let seconds = |time: Timestamp| (time.millis() - T0) / 1_000;
    let one = |session: &Session| {
        let end = match session.end {
            Ending::Open => "…".to_owned(),
            Ending::Unknown => "!".to_owned(),
            Ending::At(time, Certainty::Reported) => seconds(time).to_string(),
            Ending::At(time, _) => format!("{}~", seconds(time)),
        };
        let start = if session.has_start { seconds(session.start).to_string() } else { "?".to_owned() };
        format!("{start}-{end}")
    };
    found.sessions.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn check(text: &str, doc: Option<&StateDoc>, expect: &str) {
    assert_eq!(shown(&sessions(&log(text), doc)), expect, "{text}");
}

#[test]
fn a_disconnect_ends_the_session_that_it_names() {
    check("+1 -5/1 +7 -9/7", None, "1-5 7-9");
    // A taken-over session ends after the next one began.
    check("+1 +4 -5/1 -9/4", None, "1-5 4-9");
    check("+1 -5 +7 -9", None, "1-5 7-9");
}

#[test]
fn what_the_log_does_not_say_is_inferred() {
    check("+1 +4 -9/4", None, "1-4~ 4-9");
    check("+1 ?5/1", None, "1-5~");
    check("+1", None, "1-!");
    check("-5", None, "?-5");
    check("-5/2 +7", None, "2-5 7-!");
}

#[test]
fn the_state_tells_of_the_newest_session() {
    check("+1", Some(&doc("connected", 1, None)), "1-…");
    check("", Some(&doc("connected", 1, None)), "1-…");
    check("+1 -3/1", Some(&doc("connected", 8, Some(3))), "1-3 8-…");
    check("+1", Some(&doc("disconnected", 1, Some(6))), "1-6");
    check("+1 -3/1", Some(&doc("disconnected", 1, Some(3))), "1-3");
}

#[test]
fn a_session_whose_feed_was_lost_is_not_shown_as_open() {
    let stale = StateDoc { stale_since: Some(at(4)), ..doc("connected", 1, None) };
    check("+1", Some(&stale), "1-4~");
}

#[test]
fn an_entry_that_is_there_twice_counts_once() {
    check("+1 +1 -5/1 -5/1", None, "1-5");
    check("-5/1 +1", None, "1-5");
}

#[test]
fn failed_attempts_are_no_sessions() {
    let found = sessions(&log("x1 +2 x3 -4/2"), None);
    assert_eq!((shown(&found).as_str(), found.refused.len()), ("2-4", 2));
}

#[test]
fn the_messages_of_a_plain_watson_server_are_understood() {
    let plain = |message: &str, seconds: i64| {
        let json = serde_json::json!({ "message": message, "timestamp": at(seconds) });
        Arc::new(serde_json::from_value::<LogEntry>(json).unwrap())
    };
    let log = [
        plain("Closed connection from 10.0.0.7. The connection timed out.", 9),
        plain("Token auth failed (x): ClientID='d:o:t:1', ClientIP=10.0.0.7", 5),
        plain("Token auth succeeded: ClientID='d:o:t:1', ClientIP=10.0.0.7", 2),
        plain("Something else", 1),
    ];
    let found = sessions(&log, None);
    assert_eq!((shown(&found).as_str(), found.refused.len()), ("2-9", 1));
}

proptest! {
    #[test]
    fn whatever_the_log_holds_sessions_are_in_order_and_none_ends_before_it_starts(
        entries in prop::collection::vec((0..4_u8, 0..50_i64, prop::option::of(0..50_i64)), 0..60),
    ) {
        let mut entries = entries;
        entries.sort_by_key(|(_, time, _)| -time);
        let kinds = ["+", "-", "?", "x"];
        let log: Vec<_> = entries
            .iter()
            .map(|(kind, time, start)| {
                let start = start.map(|start| format!("/{}", start.min(*time))).unwrap_or_default();
                entry(&format!("{}{time}{start}", kinds[usize::from(*kind)]))
            })
            .collect();
        let found = sessions(&log, None);
        prop_assert!(found.sessions.is_sorted_by_key(|session| session.start));
        for session in &found.sessions {
            prop_assert!(session.end_or(at(60)) >= session.start);
        }
        prop_assert!(found.sessions.len() + found.refused.len() <= log.len());
    }
}

/// A plain message of a take-over comes after the connect that caused it, and was taken for the end of the new session.
#[test]
fn who_takes_an_id_over_is_not_who_lost_it() {
    let open = doc("connected", 40, None);
    check("+0 +20 %20 +40 %41", Some(&open), "0-20 20-41 40-…");
    // Told before it, or long after: the end of what was open.
    check("+0 %20 +20 %40 +40", Some(&open), "0-20 20-40 40-…");
    check("+0 %20", Some(&doc("disconnected", 0, Some(20))), "0-20");
    check("+0 -10 +20 %21", Some(&doc("disconnected", 20, Some(21))), "0-10 20-21");
}
