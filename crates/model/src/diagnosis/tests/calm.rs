//! A calm fleet of ten thousand clients has no findings and no incidents.

use super::story::{DAY, Dice, GOODBYE, HOUR, KEEP_ALIVE, MINUTE, NETWORK, SECOND, Story, TAKEN_OVER, at};
use crate::diagnosis::{Base, Loss, incidents};

const CLIENTS: u32 = 10_000;
const DAYS: i64 = 8;
const NOW: i64 = DAYS * DAY;

#[test]
fn a_calm_fleet_has_no_findings_and_no_incidents() {
    for seed in [1, 2] {
        let mut losses: Vec<Loss> = Vec::new();
        let mut base = Base::default();
        for index in 0..CLIENTS {
            let story = life(index, &mut Dice(seed * 1_000_003 + u64::from(index)));
            losses
                .extend(story.losses().filter(|loss| loss.time > at(NOW - 2 * DAY) && loss.time <= at(NOW)));
            base.add_doc(&story.state(NOW));
            let findings = story.findings(NOW);
            assert!(findings.is_empty(), "client {index} of seed {seed}: {findings:#?}");
        }
        assert!(losses.len() > 5_000, "the fleet lives");
        assert_eq!(incidents(&losses, at(-DAY), &base, at(NOW)), []);
    }
}

fn life(index: u32, dice: &mut Dice) -> Story {
    let home = format!("10.{}.{}.7", index / 250, index % 250);
    let mut story = Story::of(&format!("d:acme01:type{}:n-{index}", index % 7));
    match index % 10 {
        0 => sleeps(&mut story, dice, &home, HOUR, GOODBYE),
        1 => sleeps(&mut story, dice, &home, HOUR, KEEP_ALIVE),
        2 => sleeps(&mut story, dice, &home, 30 * MINUTE, NETWORK),
        3 => works_by_day(&mut story, dice, &home),
        4 => roams(&mut story, dice, &home),
        5 => is_tried_by_hand(&mut story, dice, &home),
        6 => talks_and_leaves(&mut story, dice, &home),
        _ => stays(&mut story, dice, &home),
    }
    story
}

/// Connected for days; lost now and then, back within a minute; taken over from itself once in a while; restarted
/// by its operator on the last day.
fn stays(story: &mut Story, dice: &mut Dice, home: &str) {
    let mut start = dice.between(0, DAY);
    loop {
        let end = start + MINUTE + dice.exponential(36 * HOUR);
        let restart = (NOW - 5 * HOUR) + dice.between(0, 2 * HOUR);
        let (end, how) = match (start < restart && restart < end, dice.between(0, 4)) {
            (true, _) => (restart, GOODBYE),
            (_, 0) => (end, TAKEN_OVER),
            (_, 1) => (end, KEEP_ALIVE),
            _ => (end, NETWORK),
        };
        if end > NOW {
            story.open(start, home).publish(NOW - dice.between(0, 10 * MINUTE), home);
            return;
        }
        story.session_with(start, end, home, how, 1 + (end - start) as u64 / 60_000);
        start = if how == TAKEN_OVER { end - 10 } else { end + dice.between(SECOND, MINUTE) };
    }
}

fn sleeps(story: &mut Story, dice: &mut Dice, home: &str, period: i64, how: super::story::How) {
    let mut wake = NOW - 2 * DAY + dice.between(0, period);
    while wake < NOW - 5 * MINUTE {
        story.session_with(wake, wake + 95 * SECOND + dice.between(0, 500), home, how, 2);
        wake += period + dice.between(-2 * SECOND, 2 * SECOND);
    }
}

/// Switched off without a goodbye when the shift ends, each somewhat later or earlier.
fn works_by_day(story: &mut Story, dice: &mut Dice, home: &str) {
    for day in 0..DAYS {
        let (on, off) = (8 * HOUR + dice.between(0, 20 * MINUTE), 18 * HOUR + dice.between(0, 20 * MINUTE));
        story.session_with(day * DAY + on, day * DAY + off, home, KEEP_ALIVE, 600);
    }
}

fn roams(story: &mut Story, dice: &mut Dice, home: &str) {
    let addresses = [home.to_owned(), "198.51.100.77".to_owned(), "192.0.2.44".to_owned()];
    let mut start = dice.between(0, DAY);
    while start < NOW - HOUR {
        let addr = &addresses[dice.between(0, 3) as usize];
        let end = start + MINUTE + dice.exponential(90 * MINUTE);
        let how = [TAKEN_OVER, NETWORK, KEEP_ALIVE, GOODBYE][dice.between(0, 4) as usize];
        story.session(start, end, addr, how);
        start = if how == TAKEN_OVER { end - 15 } else { end + dice.between(SECOND, 20 * MINUTE) };
    }
}

/// A developer's afternoon.
fn is_tried_by_hand(story: &mut Story, dice: &mut Dice, home: &str) {
    let mut start = NOW - dice.between(HOUR, 20 * HOUR);
    for _ in 0..dice.between(2, 4) {
        story.refused(start, home);
        start += dice.between(10 * SECOND, MINUTE);
    }
    for _ in 0..dice.between(3, 10) {
        let end = start + dice.between(5 * SECOND, 5 * MINUTE);
        story.session(start, end, home, [GOODBYE, NETWORK][dice.between(0, 2) as usize]);
        start = end + dice.between(2 * SECOND, 3 * MINUTE);
    }
}

/// Comes with each message and says goodbye.
fn talks_and_leaves(story: &mut Story, dice: &mut Dice, home: &str) {
    let mut start = NOW - 12 * HOUR;
    while start < NOW - 5 * MINUTE {
        story.session_with(start, start + dice.between(200, 3_000), home, GOODBYE, 1);
        start += 4 * MINUTE + dice.between(0, 2 * MINUTE);
    }
}
