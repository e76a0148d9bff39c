//! Histories that look like trouble and are none.

use super::story::{
    DAY, Dice, GOODBYE, HOUR, KEEP_ALIVE, MINUTE, NETWORK, SECOND, SHUTDOWN, Story, TAKEN_OVER,
};

const HOME: &str = "203.0.113.5";
const MOBILE: &str = "198.51.100.77";
const OFFICE: &str = "192.0.2.44";

#[test]
fn a_device_that_wakes_every_hour_and_says_goodbye_is_fine() {
    let mut story = Story::new();
    for hour in 0..72 {
        story.session_with(hour * HOUR, hour * HOUR + 10 * SECOND, HOME, GOODBYE, 3);
    }
    story.check(72 * HOUR, &[]);
}

#[test]
fn a_device_that_sleeps_without_a_goodbye_is_fine() {
    for how in [NETWORK, KEEP_ALIVE] {
        let mut story = Story::new();
        for hour in 0..72 {
            story.session_with(hour * HOUR, hour * HOUR + 90 * SECOND, HOME, how, 3);
        }
        story.check(72 * HOUR, &[]);
    }
}

#[test]
fn a_device_that_wakes_every_five_minutes_is_fine() {
    for how in [GOODBYE, NETWORK] {
        let mut story = Story::new();
        for round in 0..300 {
            story.session_with(round * 5 * MINUTE, round * 5 * MINUTE + 90 * SECOND, HOME, how, 1);
        }
        story.check(300 * 5 * MINUTE, &[]);
    }
}

#[test]
fn a_client_that_connects_for_each_message_is_fine() {
    let mut story = Story::new();
    for round in 0..400 {
        story.session_with(round * 20 * SECOND, round * 20 * SECOND + SECOND, HOME, GOODBYE, 1);
    }
    story.check(400 * 20 * SECOND, &[]);
}

#[test]
fn a_roaming_phone_is_fine() {
    for seed in 0..60 {
        let (mut story, mut dice, mut start) = (Story::new(), Dice(seed), 0);
        while start < 3 * DAY {
            let addr = [HOME, MOBILE, OFFICE][dice.between(0, 3) as usize];
            let end = start + dice.between(3 * MINUTE, 2 * HOUR);
            let how = [TAKEN_OVER, NETWORK, KEEP_ALIVE][dice.between(0, 3) as usize];
            story.session(start, end, addr, how);
            // Taken over is who comes back before the server has noticed.
            start = if how == TAKEN_OVER { end - 20 } else { end + dice.between(SECOND, 10 * MINUTE) };
        }
        story.open(start, HOME).check(start + MINUTE, &[]);
    }
}

#[test]
fn a_phone_at_the_edge_of_its_wifi_is_fine() {
    let mut story = Story::new();
    for (round, addr) in [HOME, MOBILE, HOME, MOBILE].into_iter().enumerate() {
        let start = round as i64 * 2 * MINUTE;
        story.session(start, start + 2 * MINUTE + 20, addr, TAKEN_OVER);
    }
    story.open(8 * MINUTE, HOME).check(9 * MINUTE, &[]);
}

#[test]
fn one_takeover_after_a_change_of_network_is_fine() {
    let mut story = Story::new();
    story.session(0, 5 * HOUR + 30, HOME, TAKEN_OVER).open(5 * HOUR, MOBILE);
    story.check(5 * HOUR + MINUTE, &[]);
}

/// Every connection leaves the NAT by any of its two addresses, and each time the client is back before the server
/// notices that the old connection is dead.
#[test]
fn a_shaky_client_behind_a_nat_with_two_addresses_is_not_two_clients() {
    for seed in 0..60 {
        let (mut story, mut dice, mut start) = (Story::new(), Dice(seed), 0);
        for _ in 0..30 {
            let end = start + dice.between(2 * MINUTE, 12 * MINUTE);
            story.session(start, end + 15, [HOME, MOBILE][dice.between(0, 2) as usize], TAKEN_OVER);
            start = end;
        }
        let now = start + MINUTE;
        let findings = story.open(start, HOME).findings(now);
        assert!(findings.iter().all(|finding| finding.kind.as_str() != "sharedId"), "{seed}: {findings:#?}");
    }
}

#[test]
fn a_device_that_is_switched_off_every_evening_is_fine() {
    let mut story = Story::new();
    for day in 0..20 {
        story.session_with(day * DAY + 8 * HOUR, day * DAY + 18 * HOUR, HOME, KEEP_ALIVE, 600);
    }
    story.open(20 * DAY + 8 * HOUR, HOME);
    story.check(20 * DAY + 9 * HOUR, &[]);
    story.check(20 * DAY + 3 * HOUR, &[]);
}

#[test]
fn a_router_that_restarts_every_night_is_fine() {
    let mut story = Story::new();
    for day in 0..20 {
        story.session_with(day * DAY + MINUTE, (day + 1) * DAY, HOME, NETWORK, 1_440);
    }
    story.open(20 * DAY + MINUTE, HOME).check(20 * DAY + HOUR, &[]);
}

#[test]
fn a_server_that_is_restarted_many_times_is_not_the_clients_fault() {
    let mut story = Story::new();
    for round in 0..30 {
        story.session(round * 3 * MINUTE, (round + 1) * 3 * MINUTE - 5 * SECOND, HOME, SHUTDOWN);
    }
    story.open(90 * MINUTE, HOME).check(91 * MINUTE, &[]);
}

#[test]
fn a_test_client_that_is_run_by_hand_is_fine() {
    for how in [GOODBYE, NETWORK] {
        let mut story = Story::new();
        for run in 0..9 {
            story.session(run * 4 * MINUTE, run * 4 * MINUTE + (20 + run * 7) * SECOND, HOME, how);
        }
        story.check(40 * MINUTE, &[]);
    }
}

#[test]
fn a_password_that_was_mistyped_is_fine() {
    let mut story = Story::new();
    story.refused(0, HOME).refused(20 * SECOND, HOME).refused(45 * SECOND, HOME);
    story.check(MINUTE, &[]);
    // And so are many attempts that a later one made good.
    (2..20).for_each(|attempt| {
        story.refused(attempt * MINUTE, HOME);
    });
    story.open(21 * MINUTE, HOME).check(22 * MINUTE, &[]);
}

#[test]
fn a_broker_whose_clock_is_ahead_or_was_set_back_is_fine() {
    let mut story = Story::new();
    // Set back by ten minutes, so that sessions end before they began.
    for round in 0..30 {
        story.session(round * HOUR, round * HOUR - 10 * MINUTE, HOME, NETWORK);
    }
    story.open(30 * HOUR, HOME).check(30 * HOUR, &[]);
    // A year ahead.
    let mut ahead = Story::new();
    (0..50).for_each(|round| {
        ahead.session(365 * DAY + round * MINUTE, 365 * DAY + round * MINUTE + 1, HOME, NETWORK);
    });
    let log = ahead.log(366 * DAY);
    assert!(crate::diagnosis::diagnose(&ahead.state(0), &log, &[], super::story::at(0)).is_empty());
}

#[test]
fn an_import_that_gives_everything_one_time_tells_nothing() {
    let mut story = Story::new();
    for _ in 0..100 {
        story.session(0, 0, HOME, NETWORK).session(0, 0, MOBILE, TAKEN_OVER).refused(0, OFFICE);
    }
    story.check(MINUTE, &[]);
}

#[test]
fn a_client_that_only_listens_is_fine() {
    let mut story = Story::new();
    for day in 0..8 {
        story.session(day * DAY, day * DAY + 6 * HOUR, HOME, GOODBYE);
    }
    story.open(8 * DAY, HOME).check(12 * DAY, &[]);
}

#[test]
fn a_client_that_sends_all_its_messages_once_a_day_is_fine() {
    let mut story = Story::new();
    for day in 0..8 {
        // Connected all day long, a thousand messages at midnight.
        story.session_with(day * DAY, (day + 1) * DAY - MINUTE, HOME, GOODBYE, 1_000);
    }
    story.open(8 * DAY, HOME).publish(8 * DAY + MINUTE, HOME).check(9 * DAY, &[]);
}

/// A ping was taken for a sign of life: a client whose program hangs pings on, and was never told.
#[test]
fn who_only_pings_is_silent() {
    let mut story = Story::new();
    for day in 0..8 {
        story.session_with(day * DAY, day * DAY + 6 * HOUR, HOME, GOODBYE, 360);
    }
    story.open(8 * DAY, HOME).publish(8 * DAY + HOUR, HOME);
    for hour in 2..24 {
        story.ping(8 * DAY + hour * HOUR, HOME);
    }
    story.check(8 * DAY + 5 * HOUR, &[]);
    story.check(9 * DAY, &["silent"]);
    // Whose last message was not kept may have sent one.
    let forgotten = crate::StateDoc { last_publish_time: None, ..story.state(9 * DAY) };
    let (log, now) = (story.log(9 * DAY), super::story::at(9 * DAY));
    assert!(crate::diagnosis::diagnose(&forgotten, &log, &[], now).is_empty());
}

#[test]
fn nothing_is_said_of_a_state_that_is_stale() {
    let mut story = Story::new();
    for day in 0..8 {
        story.session_with(day * DAY, day * DAY + 6 * HOUR, HOME, GOODBYE, 360);
    }
    story.open(8 * DAY, HOME);
    let now = 9 * DAY;
    let stale = crate::StateDoc { stale_since: Some(super::story::at(8 * DAY + HOUR)), ..story.state(now) };
    assert!(crate::diagnosis::diagnose(&stale, &story.log(now), &[], super::story::at(now)).is_empty());
    story.check(now, &["silent"]);
}
