//! Slows down who keeps presenting wrong credentials, so that guessing takes for ever and costs the server little.
//!
//! Three counters, each forgotten some minutes after its last failure. *One address, one key*: after five
//! failures the pair has to wait, longer each time. *One address*: the same after fifty, whatever the keys; many
//! devices share an address, so that one with a wrong token must not keep the others out. *One key*, from
//! anywhere: attempts on it take longer, never more than two seconds, because strangers elsewhere must not be
//! able to lock its owner out. A token that was verified before is honoured without asking here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::Refusal;
use super::store::lock;
use crate::arrival::neighbourhood;

/// Failures that cost nothing: people mistype.
const FREE_OF_PAIR: u32 = 5;
const FREE_OF_ADDRESS: u32 = 50;
const FREE_OF_KEY: u32 = 5;
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Everybody behind a proxy on this machine comes from here, and its owner types here.
const WAIT_MAX_ON_LOOPBACK: Duration = Duration::from_secs(5);
const SLOW_FIRST: Duration = Duration::from_millis(125);
const SLOW_MAX: Duration = Duration::from_secs(2);
const MEMORY: Duration = Duration::from_secs(10 * 60);
/// Counters held. Beyond that those of the longest peace make room.
const COUNTERS_MAX: usize = 20_000;

/// What is being guessed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The token of an API key that exists.
    Key(String),
    /// The token of a client id that is registered.
    Client(String),
    /// Which keys there are.
    AnyKey,
    /// Which client ids there are.
    AnyClient,
    /// A sign-in link.
    Link,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Counter {
    Pair(Option<IpAddr>, Subject),
    Address(Option<IpAddr>),
    Subject(Subject),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
    /// No attempt before.
    until: Instant,
}

#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<Counter, Failures>>);

impl Throttle {
    /// # Errors
    /// [`Refusal::TooMany`] when this address has to wait.
    pub fn check(&self, from: Option<IpAddr>, subject: &Subject) -> Result<(), Refusal> {
        self.check_at(from, subject, Instant::now())
    }

    fn check_at(&self, from: Option<IpAddr>, subject: &Subject, now: Instant) -> Result<(), Refusal> {
        let network = from.map(neighbourhood);
        let table = lock(&self.0);
        let wait = [Counter::Pair(network, subject.clone()), Counter::Address(network)]
            .iter()
            .filter_map(|counter| table.get(counter))
            .map(|failures| failures.until.saturating_duration_since(now))
            .max()
            .unwrap_or_default();
        if wait.is_zero() { Ok(()) } else { Err(Refusal::TooMany(wait.as_secs_f64().ceil() as u64)) }
    }

    /// How much longer than usual an attempt on this has to take.
    pub fn slowness(&self, subject: &Subject) -> Duration {
        self.slowness_at(subject, Instant::now())
    }

    fn slowness_at(&self, subject: &Subject, now: Instant) -> Duration {
        let table = lock(&self.0);
        let failures = table.get(&Counter::Subject(subject.clone()));
        let remembered = failures.filter(|failures| !failures.is_forgotten(now));
        remembered
            .map_or(Duration::ZERO, |failures| growing(failures.count, FREE_OF_KEY, SLOW_FIRST, SLOW_MAX))
    }

    /// Notes wrong credentials.
    pub fn failed(&self, from: Option<IpAddr>, subject: Subject) {
        self.failed_at(from, subject, Instant::now());
    }

    fn failed_at(&self, from: Option<IpAddr>, subject: Subject, now: Instant) {
        let wait_max = if from.is_some_and(|address| address.to_canonical().is_loopback()) {
            WAIT_MAX_ON_LOOPBACK
        } else {
            WAIT_MAX
        };
        let network = from.map(neighbourhood);
        let mut table = lock(&self.0);
        make_room(&mut table, now);
        let mut count = |counter, free, wait_max| {
            let failures = table.entry(counter).or_insert(Failures { count: 0, last: now, until: now });
            if failures.is_forgotten(now) {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
            failures.until = now + growing(failures.count, free, WAIT_FIRST, wait_max);
        };
        count(Counter::Pair(network, subject.clone()), FREE_OF_PAIR, wait_max);
        count(Counter::Address(network), FREE_OF_ADDRESS, wait_max);
        if matches!(subject, Subject::Key(_) | Subject::Client(_)) {
            count(Counter::Subject(subject), FREE_OF_KEY, Duration::ZERO);
        }
    }
}

impl Failures {
    fn is_forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= MEMORY
    }
}

/// Nothing until the free failures are used up, then twice as much each time.
fn growing(count: u32, free: u32, first: Duration, max: Duration) -> Duration {
    match count.checked_sub(free) {
        None => Duration::ZERO,
        Some(over) => first.saturating_mul(2_u32.saturating_pow(over)).min(max),
    }
}

fn make_room(table: &mut HashMap<Counter, Failures>, now: Instant) {
    if table.len() < COUNTERS_MAX {
        return;
    }
    table.retain(|_, failures| !failures.is_forgotten(now));
    if table.len() < COUNTERS_MAX {
        return;
    }
    let mut times: Vec<Instant> = table.values().map(|failures| failures.last).collect();
    let (_, median, _) = {
        let middle = times.len() / 2;
        times.select_nth_unstable(middle)
    };
    let median = *median;
    table.retain(|_, failures| failures.last > median);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const STRANGER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)));
    const OWNER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8)));
    const LOOPBACK: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn key(name: &str) -> Subject {
        Subject::Key(name.to_owned())
    }

    fn fail(throttle: &Throttle, from: Option<IpAddr>, subject: &Subject, times: u32, now: Instant) {
        for _ in 0..times {
            throttle.failed_at(from, subject.clone(), now);
        }
    }

    #[test]
    fn the_wait_begins_after_five_failures_grows_and_is_forgotten() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        fail(&throttle, STRANGER, &key("k"), 4, now);
        assert_eq!(throttle.check_at(STRANGER, &key("k"), now), Ok(()));
        for expect in [1, 2, 4, 8, 16, 32, 60, 60] {
            fail(&throttle, STRANGER, &key("k"), 1, now);
            assert_eq!(throttle.check_at(STRANGER, &key("k"), now), Err(Refusal::TooMany(expect)));
        }
        let later = now + Duration::from_secs(61);
        assert_eq!(throttle.check_at(STRANGER, &key("k"), later), Ok(()));
        fail(&throttle, STRANGER, &key("k"), 1, now + MEMORY);
        assert_eq!(throttle.check_at(STRANGER, &key("k"), now + MEMORY), Ok(()));
    }

    #[test]
    fn a_stranger_elsewhere_only_slows_the_owner_of_a_key() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        fail(&throttle, STRANGER, &key("k"), 40, now);
        assert_eq!(throttle.check_at(OWNER, &key("k"), now), Ok(()));
        assert_eq!(throttle.slowness_at(&key("k"), now), SLOW_MAX);
        assert_eq!(throttle.slowness_at(&key("other"), now), Duration::ZERO);
        assert_eq!(throttle.slowness_at(&key("k"), now + MEMORY), Duration::ZERO);
    }

    #[test]
    fn one_wrong_device_does_not_keep_out_the_others_behind_its_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        fail(&throttle, STRANGER, &Subject::Client("wrong".to_owned()), 20, now);
        assert_eq!(throttle.check_at(STRANGER, &Subject::Client("right".to_owned()), now), Ok(()));
    }

    #[test]
    fn who_tries_many_keys_from_one_address_waits_for_all_of_them() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..60 {
            fail(&throttle, STRANGER, &key(&number.to_string()), 1, now);
        }
        assert!(throttle.check_at(STRANGER, &key("another"), now).is_err());
        assert_eq!(throttle.check_at(OWNER, &key("another"), now), Ok(()));
    }

    #[test]
    fn loopback_never_waits_long() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        fail(&throttle, LOOPBACK, &key("k"), 1_000, now);
        assert_eq!(throttle.check_at(LOOPBACK, &key("k"), now), Err(Refusal::TooMany(5)));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address_and_the_table_stays_small() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..10_u16 {
            let from = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number);
            fail(&throttle, Some(from.into()), &key("k"), 1, now);
        }
        let from = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 9, 9, 9, 9);
        assert!(throttle.check_at(Some(from.into()), &key("k"), now).is_err());
        for number in 0..30_000_u32 {
            let from = std::net::Ipv4Addr::from_bits(number);
            throttle.failed_at(
                Some(from.into()),
                Subject::AnyKey,
                now + Duration::from_millis(number.into()),
            );
        }
        assert!(lock(&throttle.0).len() <= COUNTERS_MAX + 3);
    }
}
