//! Histories whose cause is known.

use super::story::{Dice, GOODBYE, HOUR, KEEP_ALIVE, MINUTE, NETWORK, SECOND, Story, TAKEN_OVER, at};
use crate::diagnosis::{Cause, Confidence, Finding, FindingKind};
use crate::event::EventKind;

const HERE: &str = "10.0.0.7";
const THERE: &str = "192.0.2.9";

/// Two clients that throw each other out every `hold`; ends with one of them connected.
fn contested(takeovers: i64, hold: i64, addresses: [&str; 2]) -> Story {
    let mut story = Story::new();
    for round in 0..takeovers {
        let addr = addresses[(round % 2) as usize];
        story.session(round * hold, (round + 1) * hold + 20, addr, TAKEN_OVER);
    }
    story.open(takeovers * hold, addresses[(takeovers % 2) as usize]);
    story
}

#[test]
fn two_clients_with_one_id_are_found_with_both_addresses() {
    let findings = contested(30, 8 * SECOND, [HERE, THERE]).findings(5 * MINUTE);
    let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
    let FindingKind::SharedId { takeovers, addresses, hold_ms } = &finding.kind else {
        panic!("{finding:#?}")
    };
    assert_eq!((*takeovers, *hold_ms), (30, 8 * SECOND));
    assert_eq!(addresses, &[HERE, THERE]);
    assert_eq!((finding.confidence, finding.since, finding.until), (Confidence::High, at(8_020), None));
    assert_eq!(finding.evidence.len(), super::super::EVIDENCE_MAX);
    assert!(finding.evidence.iter().all(|entry| entry.mqtt_reason_code == Some(0x8E)));
    assert!(finding.evidence.is_sorted_by(|a, b| a.timestamp >= b.timestamp));
    assert!(finding.message.contains("from 10.0.0.7 and 192.0.2.9"), "{}", finding.message);
}

/// As Watson's own messages tell it, of an end without its session.
#[test]
fn two_clients_with_one_id_are_found_where_ends_name_no_session() {
    let mut story = contested(30, 8 * SECOND, [HERE, THERE]);
    for event in &mut story.events {
        if let EventKind::Disconnect { session, .. } = &mut event.kind {
            *session = None;
        }
    }
    let findings = story.findings(5 * MINUTE);
    let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
    let FindingKind::SharedId { takeovers, addresses, hold_ms } = &finding.kind else {
        panic!("{finding:#?}")
    };
    assert_eq!((*takeovers, *hold_ms, addresses.len()), (30, 8 * SECOND, 2));
}

#[test]
fn two_patient_clients_with_one_id_are_found_with_less_confidence() {
    let findings = contested(14, 4 * MINUTE, [HERE, THERE]).findings(HOUR);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((findings[0].kind.as_str(), findings[0].confidence), ("sharedId", Confidence::Medium));
}

#[test]
fn two_clients_behind_one_address_are_found_by_their_pace() {
    contested(40, 2 * SECOND, [HERE, HERE]).check(2 * MINUTE, &["sharedId"]);
}

#[test]
fn a_contest_that_is_over_says_since_when() {
    let story = contested(30, 8 * SECOND, [HERE, THERE]);
    assert_eq!(story.findings(3 * HOUR)[0].until, Some(at(240_020)));
    // After a day it is history.
    story.check(25 * HOUR, &[]);
}

/// A client that is cut off after `interval` and is back within seconds.
fn cut_off(times: i64, interval: i64, jitter: i64, how: super::story::How) -> Story {
    let (mut story, mut dice, mut start) = (Story::new(), Dice(7), 0);
    for _ in 0..times {
        let end = start + interval + dice.between(-jitter, jitter + 1);
        story.session_with(start, end, HERE, how, 40);
        start = end + dice.between(2 * SECOND, 20 * SECOND);
    }
    story.open(start, HERE);
    story
}

#[test]
fn a_nat_that_forgets_after_an_hour_is_found_with_the_interval() {
    let findings = cut_off(12, HOUR, 5 * SECOND, NETWORK).findings(12 * HOUR + 10 * MINUTE);
    let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
    let FindingKind::RegularTimeout { interval_ms, spread_ms, sessions, cause } = finding.kind else {
        panic!("{finding:#?}")
    };
    assert!((interval_ms - HOUR).abs() < 5 * SECOND && spread_ms <= 5 * SECOND, "{interval_ms} {spread_ms}");
    assert_eq!((sessions, cause, finding.confidence), (12, Cause::Network, Confidence::High));
    assert_eq!(finding.until, None);
}

#[test]
fn keep_alives_that_run_out_at_a_regular_interval_are_found() {
    cut_off(7, 7 * MINUTE + 30 * SECOND, 2 * SECOND, KEEP_ALIVE).check(55 * MINUTE, &["regularTimeout"]);
}

#[test]
fn a_client_that_notices_the_cut_before_the_server_is_found_too() {
    let (mut story, interval) = (Story::new(), 20 * MINUTE);
    for round in 0..9 {
        story.session(round * interval, (round + 1) * interval + 5, HERE, TAKEN_OVER);
    }
    story.open(9 * interval, HERE).check(9 * interval + MINUTE, &["regularTimeout"]);
}

#[test]
fn what_is_regular_is_told_from_where_it_began() {
    let findings = cut_off(60, 10 * MINUTE, SECOND, NETWORK).findings(11 * HOUR);
    let FindingKind::RegularTimeout { sessions, .. } = findings[0].kind else { panic!("{findings:#?}") };
    assert_eq!(sessions, 60);
    assert!(findings[0].since <= at(10 * MINUTE + SECOND));
}

#[test]
fn a_client_that_is_refused_since_its_password_changed_is_found_with_the_reason() {
    let mut story = Story::new();
    story.session(0, 2 * HOUR, HERE, NETWORK);
    (0..30).for_each(|attempt| {
        story.refused(2 * HOUR + attempt * MINUTE, HERE);
    });
    let findings = story.findings(2 * HOUR + 31 * MINUTE);
    let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
    let FindingKind::Refused { attempts, mqtt_reason_code, close_code, while_connected, .. } = &finding.kind
    else {
        panic!("{finding:#?}")
    };
    assert_eq!(
        (*attempts, *mqtt_reason_code, *close_code, *while_connected),
        (30, Some(0x86), Some(180), false)
    );
    assert_eq!((finding.since, finding.until), (at(2 * HOUR), None));
}

#[test]
fn a_stranger_who_keeps_trying_a_live_id_is_told_apart_from_its_client() {
    let mut story = Story::new();
    story.open(0, HERE);
    (1..9).for_each(|attempt| {
        story.refused(attempt * MINUTE, THERE);
    });
    let findings = story.findings(10 * MINUTE);
    let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
    let FindingKind::Refused { while_connected, addresses, .. } = &finding.kind else {
        panic!("{finding:#?}")
    };
    assert!(*while_connected);
    assert_eq!(addresses, &[THERE]);
}

/// "Never let in" was told of a client that had been connected all the time, once it had gone.
#[test]
fn a_stranger_who_tried_a_live_id_is_still_a_stranger_when_its_client_has_gone() {
    let mut story = Story::new();
    story.session(0, 10 * MINUTE, HERE, GOODBYE);
    (1..9).for_each(|attempt| {
        story.refused(attempt * MINUTE, THERE);
    });
    let is_strange = |story: &Story, now: i64| match &story.findings(now)[..] {
        [Finding { kind: FindingKind::Refused { attempts: 8, while_connected, .. }, .. }] => *while_connected,
        other => panic!("{other:#?}"),
    };
    assert!(is_strange(&story, 11 * MINUTE));
    // What is tried after that is the client's own trouble.
    (20..28).for_each(|attempt| {
        story.refused(attempt * MINUTE, HERE);
    });
    assert!(!is_strange(&story, 30 * MINUTE));
}

#[test]
fn a_flapping_client_is_found_with_how_often() {
    let (mut story, mut dice, mut start) = (Story::new(), Dice(3), 0);
    let mut losses = 0;
    while start < 50 * MINUTE {
        let end = start + dice.between(5 * SECOND, 4 * MINUTE);
        story.session(start, end, HERE, NETWORK);
        start = end + dice.between(SECOND, 15 * SECOND);
        losses += 1;
    }
    story.open(start, HERE);
    let findings = story.findings(55 * MINUTE);
    let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
    let FindingKind::Flapping { losses: found, cause, .. } = finding.kind else { panic!("{finding:#?}") };
    assert_eq!((found, cause), (losses, Cause::Network));
}

#[test]
fn a_client_that_is_lost_all_day_long_is_flapping_too() {
    let (mut story, mut dice, mut start) = (Story::new(), Dice(5), 0);
    while start < 23 * HOUR {
        let end = start + dice.between(5 * MINUTE, 50 * MINUTE);
        story.session(start, end, HERE, KEEP_ALIVE);
        start = end + dice.between(SECOND, MINUTE);
    }
    story.open(start, HERE).check(24 * HOUR, &["flapping"]);
}

#[test]
fn a_client_that_stops_talking_is_found_by_its_own_habit() {
    let mut story = Story::new();
    for day in 0..8 {
        // A message a minute, six hours at a time.
        story.session_with(day * 24 * HOUR, day * 24 * HOUR + 6 * HOUR, HERE, GOODBYE, 360);
    }
    story.open(8 * 24 * HOUR, HERE).publish(8 * 24 * HOUR + MINUTE, HERE);
    story.check(8 * 24 * HOUR + 11 * HOUR, &[]);
    let findings = story.findings(8 * 24 * HOUR + 14 * HOUR);
    let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
    let FindingKind::Silent { usual_gap_ms, sessions, .. } = finding.kind else { panic!("{finding:#?}") };
    assert_eq!((usual_gap_ms, sessions), (MINUTE, 8));
    assert_eq!(finding.since, at(8 * 24 * HOUR + MINUTE));
}
