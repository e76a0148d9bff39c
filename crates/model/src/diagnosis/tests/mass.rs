//! Mass disconnects, what they share, and what only looks like one.

use super::story::{DAY, Dice, GOODBYE, HOUR, How, KEEP_ALIVE, MINUTE, NETWORK, SECOND, SHUTDOWN, Story, at};
use crate::diagnosis::{Base, Cause, Incident, Loss, ShareField, incidents};
use crate::event::{Certainty, EventKind, MqttVersion};

/// A fleet of stories, one in five of the type `pump`, each in one of twenty subnets.
fn fleet(size: u32) -> Vec<(Story, String)> {
    let of = |index: u32| {
        let device_type = if index.is_multiple_of(5) { "pump" } else { "thermo" };
        let story = Story::of(&format!("d:acme01:{device_type}:n-{index}"));
        (story, format!("10.0.{}.{}", index % 20, index / 20 % 250))
    };
    (0..size).map(of).collect()
}

/// Losses that always happen: each client about once a day.
fn usual_losses(fleet: &mut [(Story, String)], days: i64) {
    let mut dice = Dice(11);
    for (story, addr) in fleet {
        let mut time = dice.exponential(DAY);
        while time < days * DAY {
            story.session(time - MINUTE, time, addr, NETWORK);
            time += dice.exponential(DAY) + 2 * MINUTE;
        }
    }
}

fn found(fleet: &[(Story, String)], now: i64) -> Vec<Incident> {
    found_since(fleet, -DAY, now)
}

fn found_since(fleet: &[(Story, String)], known_from: i64, now: i64) -> Vec<Incident> {
    let losses: Vec<Loss> =
        fleet.iter().flat_map(|(story, _)| story.losses()).filter(|loss| loss.time <= at(now)).collect();
    let mut base = Base::default();
    fleet.iter().for_each(|(story, addr)| base.add(&story.id, Some(addr), Some(MqttVersion::V311)));
    incidents(&losses, at(known_from), &base, at(now))
}

/// Ends the sessions of those that `hit` chooses, spread over `spread`, at `time`.
fn strike(
    fleet: &mut [(Story, String)],
    time: i64,
    spread: i64,
    how: How,
    hit: impl Fn(&str, &str) -> bool,
) -> u64 {
    let (mut dice, mut count) = (Dice(23), 0);
    for (story, addr) in fleet {
        if hit(&story.id, addr) {
            let moment = time + dice.between(0, spread.max(1));
            story.session(moment - HOUR, moment, addr, how);
            count += 1;
        }
    }
    count
}

#[test]
fn a_subnet_that_goes_down_is_an_incident_and_says_which_subnet() {
    let mut fleet = fleet(2_000);
    usual_losses(&mut fleet, 2);
    let time = 2 * DAY - HOUR;
    let hit = strike(&mut fleet, time, 90 * SECOND, KEEP_ALIVE, |_, addr| addr.starts_with("10.0.7."));
    let found = found(&fleet, 2 * DAY);
    let [incident] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(incident.cause, Cause::KeepAlive);
    assert!(incident.clients >= hit && incident.clients < hit + 20, "{incident:#?}");
    assert!(incident.usual > 0.0 && incident.usual < 20.0, "{incident:#?}");
    let subnet = incident.shares.iter().find(|share| share.field == ShareField::Subnet).unwrap();
    assert_eq!(subnet.value, "10.0.7.0/24");
    assert!(subnet.share > 0.9 && subnet.base_share == Some(0.05), "{subnet:?}");
    assert!(incident.shares.iter().any(|share| share.value == "141"));
    // Four of five in the subnet are thermos, as in the whole fleet.
    assert!(incident.shares.iter().all(|share| share.field != ShareField::DeviceType), "{incident:#?}");
    assert!((at(time - MINUTE)..=at(time + 5 * MINUTE)).contains(&incident.since));
    assert!(incident.until.is_some());
}

/// A site has more addresses than a /24: nothing was said to be common of 40,000 clients in one /16.
#[test]
fn a_region_that_goes_down_is_told_by_the_narrowest_network_that_holds_it() {
    let mut fleet = fleet(2_000);
    for (at, (_, addr)) in fleet.iter_mut().enumerate().filter(|(at, _)| at % 5 == 0) {
        *addr = format!("10.64.{}.{}", 16 + at % 13, at % 250);
    }
    strike(&mut fleet, DAY, MINUTE, NETWORK, |_, addr| addr.starts_with("10.64."));
    let found = found(&fleet, DAY + HOUR);
    let [incident] = found.as_slice() else { panic!("{found:#?}") };
    let subnets = incident.shares.iter().filter(|share| share.field == ShareField::Subnet);
    let subnets: Vec<_> =
        subnets.map(|share| (share.value.as_str(), share.share, share.base_share)).collect();
    assert_eq!(subnets, [("10.64.16.0/20", 1.0, Some(0.2))]);
}

#[test]
fn a_bad_firmware_of_one_type_says_which_type() {
    let mut fleet = fleet(1_000);
    strike(&mut fleet, DAY, MINUTE, NETWORK, |id, _| id.contains(":pump:"));
    let found = found(&fleet, DAY + MINUTE);
    let [incident] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((incident.clients, incident.until), (200, None));
    let types: Vec<_> =
        incident.shares.iter().filter(|share| share.field == ShareField::DeviceType).collect();
    assert_eq!((types.len(), types[0].value.as_str(), types[0].base_share), (1, "pump", Some(0.2)));
}

#[test]
fn a_type_that_nearly_the_whole_fleet_has_is_not_what_they_share() {
    let mut fleet = fleet(1_000);
    strike(&mut fleet, DAY, MINUTE, NETWORK, |id, _| id.contains(":thermo:"));
    let found = found(&fleet, DAY + HOUR);
    assert_eq!((found.len(), found[0].clients), (1, 800));
    assert!(found[0].shares.iter().all(|share| share.field == ShareField::MqttReasonCode), "{found:#?}");
}

#[test]
fn a_planned_restart_of_the_server_is_told_as_that_and_not_as_the_network() {
    let mut fleet = fleet(1_000);
    usual_losses(&mut fleet, 2);
    strike(&mut fleet, DAY + HOUR, SECOND, SHUTDOWN, |_, _| true);
    let found = found(&fleet, DAY + 2 * HOUR);
    assert_eq!((found.len(), found[0].cause, found[0].clients), (1, Cause::ServerShutdown, 1_000));
    assert!(found[0].message.starts_with("The server was shut down"), "{}", found[0].message);
    assert!(found[0].until.is_some());
    let (story, _) = &mut fleet[17];
    let mut findings = story.findings_with(&found, DAY + 2 * HOUR);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings.remove(0).kind.as_str(), "massDisconnect");
    // Back again, it was a restart and no trouble of this client.
    story.open(DAY + HOUR + MINUTE, "10.0.0.1");
    assert_eq!(story.findings_with(&found, DAY + 2 * HOUR), []);
}

/// Losses of clients that come and go, every two minutes each, some of them a minute.
fn restless(clients: i64, from: i64, to: i64) -> Vec<(Story, String)> {
    let story = |number: i64| {
        let mut story = Story::of(&format!("d:acme01:cam:restless-{number}"));
        let mut time = from + number * 17 * SECOND;
        while time < to {
            story.session(time, time + SECOND, "10.9.9.9", NETWORK);
            time += 2 * MINUTE;
        }
        (story, "10.9.9.9".to_owned())
    };
    (0..clients).map(story).collect()
}

/// Three clients that were lost each minute made the outage of the others last for hours: it was not told at all.
#[test]
fn an_outage_is_found_among_clients_that_come_and_go_all_the_time() {
    let mut fleet = fleet(600);
    let time = DAY - HOUR;
    let hit = strike(&mut fleet, time, MINUTE, NETWORK, |_, addr| addr.starts_with("10.0.7."));
    fleet.extend(restless(7, DAY - 6 * HOUR, DAY));
    let found = found(&fleet, DAY);
    let [incident] = found.as_slice() else { panic!("{found:#?}") };
    assert!((hit..hit + 3).contains(&incident.clients), "{incident:#?}");
    assert!(incident.shares.iter().any(|share| share.value == "10.0.7.0/24"), "{incident:#?}");
    let is_told = |(story, _): &(Story, String)| {
        let findings = story.findings_with(&found, DAY);
        findings.iter().any(|finding| finding.kind.as_str() == "massDisconnect")
    };
    assert_eq!(fleet.iter().filter(|one| is_told(one)).count() as u64, hit);
}

/// Losses of five clients a minute, each lost once, for so many minutes; they are the last of the fleet.
fn uneasy(fleet: &mut [(Story, String)], from: i64, minutes: usize) {
    for (number, (story, addr)) in fleet.iter_mut().rev().take(minutes * 5).enumerate() {
        let time = from + number as i64 * 12 * SECOND;
        story.session(time - MINUTE, time, addr, NETWORK);
    }
}

/// What others lost was taken for a part of the incident, until it said nothing any more, or was too long for one. `known_from`
/// is when the server was first started.
#[test]
fn an_incident_is_over_when_only_what_was_usual_lately_goes_on() {
    for (known_from, uneasy_from) in [(DAY, DAY), (-DAY, DAY - 3 * HOUR)] {
        let time = DAY + 7 * MINUTE;
        let now = time + 9 * MINUTE;
        let mut fleet = fleet(4_000);
        let minutes = (now - uneasy_from) / MINUTE;
        uneasy(&mut fleet, uneasy_from, usize::try_from(minutes).unwrap());
        fleet[0].0.session(known_from, known_from + MINUTE, "10.0.0.0", NETWORK);
        let hit = strike(&mut fleet, time, SECOND, NETWORK, |_, addr| addr.starts_with("10.0.7."));
        let found = found_since(&fleet, known_from, now);
        let [incident] = found.as_slice() else { panic!("{found:#?}") };
        assert!((hit..hit + 15).contains(&incident.clients), "{incident:#?}");
        assert!(incident.until.is_some_and(|until| until < at(time + 3 * MINUTE)), "{incident:#?}");
        assert!(incident.shares.iter().any(|share| share.value == "10.0.7.0/24"), "{incident:#?}");
    }
}

#[test]
fn an_incident_in_the_first_minute_is_one() {
    let mut fleet = fleet(100);
    strike(&mut fleet, DAY, SECOND, NETWORK, |_, _| true);
    assert_eq!(found_since(&fleet, DAY, DAY + MINUTE).len(), 1);
}

#[test]
fn a_client_that_said_goodbye_during_an_outage_was_not_part_of_it() {
    let mut fleet = fleet(500);
    strike(&mut fleet, DAY, MINUTE, NETWORK, |id, _| !id.ends_with("-3"));
    fleet[3].0.session(DAY - HOUR, DAY + 10 * SECOND, "10.0.3.0", GOODBYE);
    let found = found(&fleet, DAY + HOUR);
    assert_eq!(found.len(), 1);
    assert_eq!(fleet[3].0.findings_with(&found, DAY + HOUR), []);
    assert_eq!(fleet[4].0.findings_with(&found, DAY + HOUR).len(), 1);
}

#[test]
fn devices_that_are_restarted_one_after_the_other_are_no_incident() {
    for how in [GOODBYE, NETWORK] {
        let mut fleet = fleet(4_000);
        usual_losses(&mut fleet, 2);
        strike(&mut fleet, DAY + 6 * HOUR, 2 * HOUR, how, |_, _| true);
        assert_eq!(found(&fleet, DAY + 9 * HOUR), []);
    }
}

#[test]
fn a_fleet_that_says_goodbye_together_is_no_incident() {
    let mut fleet = fleet(1_000);
    strike(&mut fleet, DAY, SECOND, GOODBYE, |_, _| true);
    assert_eq!(found(&fleet, DAY + MINUTE), []);
}

#[test]
fn a_plant_that_is_switched_off_every_evening_is_no_incident() {
    let mut fleet = fleet(1_000);
    for day in 0..3 {
        strike(&mut fleet, day * DAY + 18 * HOUR, 3 * MINUTE, KEEP_ALIVE, |id, _| id.contains(":pump:"));
    }
    assert_eq!(found(&fleet, 2 * DAY + 19 * HOUR), []);
    // The first evening is not known to be a habit.
    assert_eq!(found(&fleet, 19 * HOUR).len(), 1);
}

#[test]
fn one_client_that_is_lost_a_hundred_times_is_no_mass() {
    let mut story = Story::new();
    for round in 0..100 {
        story.session(round * SECOND, round * SECOND + 500, "10.0.0.7", NETWORK);
    }
    assert_eq!(found(&[(story, String::new())], MINUTE * 2), []);
}

#[test]
fn an_incident_across_the_border_of_two_minutes_is_one() {
    let mut fleet = fleet(30);
    strike(&mut fleet, 10 * MINUTE - 5 * SECOND, 10 * SECOND, NETWORK, |_, _| true);
    let found = found(&fleet, HOUR);
    assert_eq!((found.len(), found[0].clients), (1, 30));
}

#[test]
fn order_and_duplicates_make_no_difference_to_incidents() {
    let mut fleet = fleet(300);
    usual_losses(&mut fleet, 1);
    strike(&mut fleet, DAY - HOUR, MINUTE, NETWORK, |_, _| true);
    let mut losses: Vec<Loss> = fleet.iter().flat_map(|(story, _)| story.losses()).collect();
    let base = Base::default();
    let expect = incidents(&losses, at(-DAY), &base, at(DAY));
    assert_eq!(expect.len(), 1);
    losses.extend(losses.clone());
    losses.sort_by_key(|loss| (loss.client, std::cmp::Reverse(loss.time)));
    assert_eq!(incidents(&losses, at(-DAY), &base, at(DAY)), expect);
}

#[test]
fn an_incident_survives_being_written_and_read() {
    let mut fleet = fleet(100);
    strike(&mut fleet, DAY, MINUTE, NETWORK, |_, _| true);
    let [incident] = &found(&fleet, DAY + HOUR)[..] else { panic!() };
    let text = serde_json::to_string(incident).unwrap();
    let read: Incident = serde_json::from_str(&text).unwrap();
    assert_eq!((read.last(), serde_json::to_string(&read).unwrap()), (incident.last(), text));
}

/// A server that died was not there to report how its connections ended.
#[test]
fn what_was_inferred_is_not_told_as_reported() {
    let mut fleet = fleet(100);
    strike(&mut fleet, DAY, 1, SHUTDOWN, |_, _| true);
    for (story, _) in &mut fleet {
        for event in &mut story.events {
            if let EventKind::Disconnect { end, .. } = &mut event.kind {
                end.certainty = Certainty::Inferred;
            }
        }
    }
    let found = found(&fleet, DAY + HOUR);
    assert_eq!((found[0].cause, found[0].certainty), (Cause::ServerShutdown, Certainty::Inferred));
    assert!(found[0].message.ends_with("Not all of these ends were reported."), "{}", found[0].message);
}
