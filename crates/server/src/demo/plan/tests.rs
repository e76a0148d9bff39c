use std::collections::{HashMap, HashSet};

use rollcall_model::{ClientId, ClientType};

use super::*;

fn roster(clients: u32) -> Roster {
    Roster::new(clients, "acme01", 7, Pace::CALM)
}

#[test]
fn the_same_seed_plans_the_same_fleet_and_another_seed_another() {
    let plans = |seed| {
        let roster = Roster::new(50, "acme01", seed, Pace::CALM);
        let stretches: Vec<_> = roster.members().iter().map(|m| roster.stretch(m, 3)).collect();
        (roster.members, stretches)
    };
    assert_eq!(plans(1), plans(1));
    assert_ne!(plans(1), plans(2));
}

#[test]
fn ids_are_unique_follow_the_grammar_and_are_marked_as_demo() {
    for size in [1, 7, 200, 1_000] {
        let roster = roster(size);
        let ids: HashSet<_> = roster.members().iter().map(|m| &m.client_id).collect();
        assert_eq!(ids.len(), size as usize);
        for id in ids {
            let parsed = ClientId::parse(id);
            assert_ne!(parsed.client_type, ClientType::Other, "{id}");
            assert_eq!(parsed.device_type, Some(DEMO_DEVICE_TYPE), "{id}");
        }
    }
}

#[test]
fn a_fleet_of_200_has_every_kind_of_client_and_of_temper() {
    let roster = roster(200);
    let mut kinds: HashMap<Kind, u32> = HashMap::new();
    let mut tempers: HashMap<Temper, u32> = HashMap::new();
    for member in roster.members() {
        *kinds.entry(member.kind).or_default() += 1;
        *tempers.entry(member.temper).or_default() += 1;
    }
    assert_eq!((kinds.len(), kinds[&Kind::Console], kinds[&Kind::Gateway]), (6, 5, 10));
    assert_eq!((tempers[&Temper::LockedOut], tempers[&Temper::Flapping]), (4, 2));
    let v5 = roster.members().iter().filter(|m| m.version == Version::V5_0).count();
    assert!((60..140).contains(&v5), "{v5} of MQTT 5");
}

#[test]
fn every_turn_is_taken_within_half_a_minute_of_the_start_whatever_the_size_of_the_fleet() {
    for size in [1, 2, 3, 6, 7, 8, 200] {
        let roster = roster(size);
        let mut seen = HashSet::new();
        for member in roster.members() {
            let mut time = roster.arrival(member);
            for number in 0..Turn::ALL.len() as u32 {
                let stretch = roster.stretch(member, number);
                time += stretch.hold;
                if time < Duration::from_secs(30) {
                    assert!(member.can(stretch.turn), "{} cannot {:?}", member.client_id, stretch.turn);
                    seen.insert(stretch.turn);
                }
                time += stretch.away;
            }
        }
        // A fleet of one or two has to be away and to come back in between, which takes longer.
        assert!(seen.len() == Turn::ALL.len() || size < 3, "{size} clients: {seen:?}");
    }
}

#[test]
fn steady_clients_take_every_turn_as_often_as_its_weight_says() {
    let roster = roster(200);
    let member = roster.members().iter().find(|m| m.can(Turn::WrongPassword) && m.can(Turn::GoodbyeWithWill));
    let member = member.filter(|m| m.temper == Temper::Steady).unwrap_or(&roster.members()[4]);
    let mut counts: HashMap<Turn, u32> = HashMap::new();
    for number in 1..20_001 {
        *counts.entry(roster.stretch(member, number).turn).or_default() += 1;
    }
    let possible: Vec<_> = Turn::ALL.into_iter().filter(|t| member.can(*t)).collect();
    let total: u32 = possible.iter().map(|t| t.weight()).sum();
    for turn in possible {
        let share = f64::from(counts[&turn]) / 20_000.0;
        let expected = f64::from(turn.weight()) / f64::from(total);
        assert!((share - expected).abs() < 0.02, "{turn:?}: {share} instead of {expected}");
    }
}

#[test]
fn a_fleet_of_200_is_calm() {
    let roster = roster(200);
    let minutes = |durations: f64| durations / 60.0;
    let turns_per_minute: f64 = roster
        .members()
        .iter()
        .map(|m| (1..400).map(|n| roster.stretch(m, n)).fold(0.0, |s, x| s + (x.hold + x.away).as_secs_f64()))
        .map(|total| 399.0 / minutes(total))
        .sum();
    assert!((2.0..8.0).contains(&turns_per_minute), "{turns_per_minute} turns per minute");
    let deeds_per_second: f64 = roster.members().iter().map(|m| 1.0 / m.kind.beat_s()).sum();
    assert!((2.0..6.0).contains(&deeds_per_second), "{deeds_per_second} deeds per second");
}

#[test]
fn a_client_that_falls_silent_has_a_short_keep_alive_and_a_flapping_one_a_regular_period() {
    let roster = roster(200);
    for member in roster.members() {
        for number in 0..50 {
            let stretch = roster.stretch(member, number);
            let short = stretch.keep_alive_s == Pace::CALM.keep_alive_silent_s;
            assert_eq!(short, stretch.turn == Turn::Silence);
            if member.temper == Temper::Flapping {
                assert!((120..124).contains(&stretch.hold.as_secs()));
            }
        }
    }
}
