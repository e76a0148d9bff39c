//! The order of the entries and duplicates among them make no difference, and whatever the log, it is read.

use proptest::prelude::*;
use proptest::sample::select;

use super::story::{GOODBYE, KEEP_ALIVE, NETWORK, SECOND, SHUTDOWN, Story, TAKEN_OVER, at};
use crate::diagnosis::{Finding, diagnose};

/// A busy half hour on a clock of ten seconds, so that many entries have the same time.
fn story() -> impl Strategy<Value = Story> {
    let how = select(vec![GOODBYE, KEEP_ALIVE, NETWORK, SHUTDOWN, TAKEN_OVER]);
    let address = select(vec!["10.0.0.7", "192.0.2.9"]);
    let part = (0..180_i64, 0..4_i64, address, how, 0..5_u8);
    prop::collection::vec(part, 0..120).prop_map(|parts| {
        let mut story = Story::new();
        for (start, life, addr, how, kind) in parts {
            let (start, life) = (start * 10 * SECOND, life * 10 * SECOND);
            match kind {
                0 => story.refused(start, addr),
                1 => story.open(start, addr),
                _ => story.session(start, start + life, addr, how),
            };
        }
        story
    })
}

proptest! {
    #[test]
    fn order_and_duplicates_make_no_difference(
        story in story(),
        shuffle in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..200),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..50),
    ) {
        let now = 1_900 * SECOND;
        let (state, log) = (story.state(now), story.log(now));
        let expect = diagnose(&state, &log, &[], at(now));
        let mut other = log.clone();
        if !log.is_empty() {
            other.extend(again.iter().map(|index| index.get(&log).clone()));
            for (a, b) in shuffle {
                let (a, b) = (a.index(other.len()), b.index(other.len()));
                other.swap(a, b);
            }
        }
        prop_assert_eq!(diagnose(&state, &other, &[], at(now)), expect);
    }

    #[test]
    fn a_finding_is_backed_by_the_log_and_survives_being_written_and_read(story in story()) {
        let now = 1_900 * SECOND;
        let log = story.log(now);
        for finding in story.findings(now) {
            prop_assert!(!finding.evidence.is_empty());
            prop_assert!(finding.evidence.iter().all(|entry| log.contains(entry)));
            prop_assert!(finding.until.is_none_or(|until| finding.since <= until && until <= at(now)));
            let text = serde_json::to_string(&finding).unwrap();
            prop_assert_eq!(serde_json::from_str::<Finding>(&text).unwrap(), finding);
        }
    }
}

/// The names are keys of the catalogues and values of the API.
#[test]
fn the_name_of_a_finding_is_the_one_on_the_wire() {
    let mut story = Story::new();
    for round in 0..30 {
        story.session(round * 60 * SECOND, (round + 1) * 60 * SECOND - 500, "10.0.0.7", NETWORK);
    }
    let findings = story.open(1_800 * SECOND, "10.0.0.7").findings(1_801 * SECOND);
    assert_eq!(findings.len(), 1);
    let wire = serde_json::to_value(&findings[0]).unwrap();
    assert_eq!(wire["kind"], findings[0].kind.as_str());
    assert_eq!(
        (&wire["cause"], &wire["confidence"], &wire["intervalMs"]),
        (&"network".into(), &"high".into(), &59_500.into())
    );
}

#[test]
fn a_log_of_a_plain_watson_server_tells_nothing() {
    let mut story = Story::new();
    for round in 0..30 {
        story.session(round * 60 * SECOND, (round + 1) * 60 * SECOND - 500, "10.0.0.7", NETWORK);
    }
    let now = 1_801 * SECOND;
    let bare = |entry: &crate::log::LogEntry| {
        serde_json::from_value(serde_json::json!({ "message": entry.message, "timestamp": entry.timestamp }))
    };
    let log: Vec<_> = story.log(now).iter().map(|entry| bare(entry).unwrap()).collect();
    assert_eq!(diagnose(&story.state(now), &log, &[], at(now)), []);
}
