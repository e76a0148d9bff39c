//! What is counted, for how long, and in how much memory.

use rollcall_model::{Counters, End, Initiator, Peer, SessionKey};

use super::*;
use crate::journal::Journal as _;
use crate::journal::sqlite::SqliteJournal;

/// Noon.
const NOW: i64 = 20_000 * 86_400_000 + 12 * HOUR_MS;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOW + ms)
}

fn event(id: &str, ms: i64, kind: EventKind) -> ConnectionEvent {
    let peer = Peer { addr: Some("10.0.0.7".to_owned()), ..Peer::default() };
    ConnectionEvent { client_id: id.to_owned(), time: at(ms), peer, kind }
}

fn connect(id: &str, ms: i64) -> ConnectionEvent {
    let session = SessionKey { start: at(ms), connection: 0 };
    event(id, ms, EventKind::Connect { session, certainty: Certainty::Reported })
}

fn disconnect(id: &str, ms: i64, code: u8) -> ConnectionEvent {
    let end = End {
        certainty: Certainty::Reported,
        time: at(ms),
        initiator: Some(if code == 0 { Initiator::Client } else { Initiator::Network }),
        mqtt_reason_code: Some(code),
        close_code: None,
        reason: None,
        counters: Counters::default(),
    };
    event(id, ms, EventKind::Disconnect { session: None, end })
}

fn refused(id: &str, ms: i64) -> ConnectionEvent {
    event(id, ms, EventKind::FailedConnect { mqtt_reason_code: Some(0x86), close_code: None, reason: None })
}

fn range(from: i64, to: i64, step: &str) -> Range {
    Range::new(at(from), at(to), Some(step.parse().unwrap()), at(0)).unwrap()
}

/// Connected, connects, disconnects and refused of each bucket.
fn shape(answer: &Answer) -> Vec<(Option<u64>, u64, u64, u64)> {
    let buckets = answer.buckets.iter();
    buckets.map(|it| (it.connected, it.connects, it.disconnects, it.refused)).collect()
}

#[test]
fn each_minute_tells_what_happened_in_it_and_how_many_were_connected_at_its_end() {
    let statistics = Statistics::new(at(-4 * MINUTE_MS), 5);
    let [third, second] = [-3 * MINUTE_MS, -2 * MINUTE_MS];
    statistics.record(&[connect("a", third), connect("b", third + 1)], 7, at(third + 2));
    statistics.record(&[disconnect("a", second, 0x80), refused("x", second)], 6, at(second + 1));
    let answer = statistics.series(range(-5 * MINUTE_MS, 0, "1m"));
    assert_eq!(
        shape(&answer),
        [
            // Before the start nothing is known.
            (None, 0, 0, 0),
            (Some(5), 0, 0, 0),
            (Some(7), 2, 0, 0),
            (Some(6), 0, 1, 1),
            // Nothing happened, so nothing changed.
            (Some(6), 0, 0, 0),
        ]
    );
    assert_eq!(answer.buckets[3].by_initiator["network"], 1);
    assert_eq!(answer.buckets[3].by_reason["128"], 1);
    assert_eq!(answer.buckets[3].reasons_by_initiator["network"]["128"], 1);
    // The same in one bucket.
    assert_eq!(shape(&statistics.series(range(-5 * MINUTE_MS, 0, "5m"))), [(Some(6), 2, 1, 1)]);
    let hours = statistics.series(range(-HOUR_MS, 0, "1h"));
    assert_eq!(shape(&hours), [(Some(6), 2, 1, 1)]);
}

#[test]
fn a_late_event_is_counted_in_its_own_time_and_one_from_the_future_now() {
    let statistics = Statistics::new(at(-2 * HOUR_MS), 0);
    statistics.record(&[connect("a", -HOUR_MS), connect("b", 99 * HOUR_MS)], 2, at(-MINUTE_MS));
    let answer = statistics.series(range(-2 * HOUR_MS, 0, "1h"));
    assert_eq!(shape(&answer).iter().map(|bucket| bucket.1).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn the_busiest_are_told_among_many_that_come_once() {
    let statistics = Statistics::new(at(-HOUR_MS), 0);
    let mut events = Vec::new();
    for round in 0..5_000 {
        events.push(disconnect(&format!("once-{round}"), -MINUTE_MS, 0x80));
        events.push(disconnect(&format!("polite-{}", round % 3), -MINUTE_MS, 0));
        if round % 5 == 0 {
            events.push(disconnect("flapper", -MINUTE_MS, 0x80));
            events.push(refused("stranger", -MINUTE_MS));
        }
    }
    statistics.record(&events, 0, at(0));
    let answer = statistics.series(range(-HOUR_MS, 0, "1h"));
    let names = |tops: &[rollcall_model::statistics::Top]| {
        tops.iter().map(|top| (top.name.clone(), top.count)).collect::<Vec<_>>()
    };
    let flappers = names(&answer.top_flappers);
    assert_eq!(flappers.len(), 1, "{flappers:?}");
    assert_eq!(flappers[0].0, "flapper");
    assert!((500..=1_000).contains(&flappers[0].1), "{flappers:?}");
    assert_eq!(names(&answer.top_refused), [("stranger".to_owned(), 1_000)]);
    assert_eq!(names(&answer.top_refused_addresses), [("10.0.0.7".to_owned(), 1_000)]);
}

#[test]
fn what_a_stranger_makes_up_takes_bounded_memory() {
    let statistics = Statistics::new(at(-HOUR_MS), 0);
    let long = "x".repeat(600);
    for minute in -3..0 {
        let events: Vec<_> = (0..=255).map(|code| disconnect(&long, minute * MINUTE_MS, code)).collect();
        statistics.record(&events, 0, at(0));
    }
    let answer = statistics.series(range(-2 * MINUTE_MS, 0, "1m"));
    assert_eq!(answer.top_flappers, []);
    assert!(answer.buckets[1].by_reason.len() <= 50 && answer.buckets[1].by_reason["other"] > 200);
    assert_eq!(answer.buckets[1].disconnects, 256);
}

#[test]
fn what_is_older_than_is_kept_is_forgotten() {
    let statistics = Statistics::new(at(-40 * 24 * HOUR_MS), 1);
    for day in -40..=0 {
        let time = day * 24 * HOUR_MS;
        statistics.record(&[disconnect("a", time, 0x80), refused("b", time)], 3, at(time));
    }
    let kept = statistics.kept();
    assert!(kept.minutes.between(at(-50 * 24 * HOUR_MS), at(-25 * HOUR_MS)).next().is_none());
    assert!(kept.hours.between(at(-50 * 24 * HOUR_MS), at(-31 * 24 * HOUR_MS)).next().is_none());
    assert_eq!(kept.losses.all().len(), 3);
}

#[test]
fn a_restart_knows_from_the_journal_what_happened_before() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(directory.path(), crate::journal::Retention::default()).unwrap();
    let minute = |minutes: i64| minutes * MINUTE_MS;
    let before = [
        connect("old", -40 * 24 * HOUR_MS),
        connect("a", minute(-50)),
        connect("b", minute(-40)),
        disconnect("a", minute(-30), 0x80),
        refused("x", minute(-30) + 1),
        refused("x", minute(-30) + 2),
    ];
    journal.append(&before).unwrap();
    let statistics = Statistics::new(at(minute(-20)), 1);
    statistics.record(&[connect("c", minute(-15))], 2, at(minute(-15)));
    assert_eq!(statistics.complete_from(), at(minute(-20)));
    seed(&statistics, &journal).unwrap();
    assert_eq!(statistics.complete_from(), at(minute(-20)).plus_ms(-HOURS_KEPT_MS));
    let answer = statistics.series(range(minute(-60), 0, "10m"));
    assert_eq!(answer.begins, Some(at(-40 * 24 * HOUR_MS)));
    assert_eq!(
        shape(&answer),
        [
            (None, 0, 0, 0),
            (Some(1), 1, 0, 0),
            (Some(2), 1, 0, 0),
            (Some(1), 0, 1, 2),
            (Some(2), 1, 0, 0),
            (Some(2), 0, 0, 0),
        ]
    );
    let certainties: Vec<_> = answer.buckets.iter().map(|bucket| bucket.connected_certainty).collect();
    let (inferred, reported) = (Some(Certainty::Inferred), Some(Certainty::Reported));
    assert_eq!(certainties, [None, inferred, inferred, inferred, reported, reported]);
    assert_eq!(answer.top_refused[0].count, 2);
    assert_eq!(statistics.kept().losses.all().len(), 1);
}

#[test]
fn a_range_that_cannot_be_answered_says_why() {
    let check = |from: i64, to: i64, step: &str, expect: &str| {
        let range = step.parse().and_then(|step| Range::new(at(from), at(to), Some(step), at(0)));
        assert_eq!(range.unwrap_err().to_string().split(' ').next(), Some(expect), "{step}");
    };
    for step in ["", "m", "0m", "5s", "1.5h", "-1h", "+1h", "99999999999999999999m", "31d", "５m", "é"] {
        check(-HOUR_MS, 0, step, "a");
    }
    check(0, 0, "1m", "this");
    check(HOUR_MS, 2 * HOUR_MS, "1m", "this");
    check(-31 * 24 * HOUR_MS, 0, "1d", "only");
    check(-25 * HOUR_MS, 0, "5m", "minutes");
    // A day in minutes fits, and no step means a suitable one.
    assert_eq!(
        Range::new(at(-24 * HOUR_MS), at(0), None, at(0)),
        Range::new(at(-24 * HOUR_MS), at(0), Some("10m".parse().unwrap()), at(0))
    );
    assert!(Range::new(at(-24 * HOUR_MS), at(0), Some("1m".parse().unwrap()), at(0)).is_ok());
}

#[test]
fn a_server_without_a_log_begins_with_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(directory.path(), crate::journal::Retention::default()).unwrap();
    let statistics = Statistics::new(at(-7 * MINUTE_MS), 0);
    statistics.record(&[connect("a", -6 * MINUTE_MS)], 1, at(-6 * MINUTE_MS));
    seed(&statistics, &journal).unwrap();
    assert_eq!(statistics.series(range(-HOUR_MS, 0, "1h")).begins, Some(at(-7 * MINUTE_MS)));
}
