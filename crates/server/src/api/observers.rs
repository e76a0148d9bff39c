//! Observers: the MQTT connections of dashboards. A dashboard that watches the fleet is not a client of it, so the
//! status answer gives it a client id that the broker's source recognises and leaves out.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::distr::Alphanumeric;

const PREFIX: &str = "rollcall-dashboard-";
/// Enough that no id is guessed and none is given twice: 131 bits.
const RANDOM_CHARS: usize = 22;
const OBSERVERS_MAX: usize = 10_000;
const LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// The ids that were given to dashboards: at most 10,000, the oldest forgotten first, each for a day.
#[derive(Debug, Default)]
pub struct ObserverRegistry {
    issued: Mutex<Issued>,
}

#[derive(Debug, Default)]
struct Issued {
    ids: HashSet<String>,
    /// Oldest first.
    by_age: VecDeque<(Instant, String)>,
}

impl ObserverRegistry {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A fresh client id for a dashboard.
    pub fn issue(&self) -> String {
        self.issue_at(Instant::now())
    }

    fn issue_at(&self, now: Instant) -> String {
        let random = rand::rng().sample_iter(Alphanumeric).take(RANDOM_CHARS).map(char::from);
        let id: String = PREFIX.chars().chain(random).collect();
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.forget_old(now);
        while issued.by_age.len() >= OBSERVERS_MAX {
            issued.forget_oldest();
        }
        issued.ids.insert(id.clone());
        issued.by_age.push_back((now, id.clone()));
        id
    }

    /// Whether this client id was given to a dashboard. A page that is open for longer than this process, or than a day,
    /// comes back with an id that is not known here: who has a browser session and such an id is a dashboard as well.
    #[must_use]
    pub fn is_observer(&self, client_id: &str, has_session: bool) -> bool {
        self.is_observer_at(client_id, has_session, Instant::now())
    }

    fn is_observer_at(&self, client_id: &str, has_session: bool, now: Instant) -> bool {
        if !client_id.starts_with(PREFIX) {
            return false;
        }
        if has_session && client_id.len() == PREFIX.len() + RANDOM_CHARS {
            return true;
        }
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.forget_old(now);
        issued.ids.contains(client_id)
    }
}

impl Issued {
    fn forget_old(&mut self, now: Instant) {
        while self.by_age.front().is_some_and(|(time, _)| now.duration_since(*time) >= LIFETIME) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.by_age.pop_front() {
            self.ids.remove(&id);
        }
    }
}

impl crate::source::embedded::Observers for ObserverRegistry {
    fn is_observer(&self, client_id: &str, has_session: bool) -> bool {
        Self::is_observer(self, client_id, has_session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issued_id_is_an_observer_for_a_day_and_no_other_id_is() {
        let (registry, start) = (ObserverRegistry::new(), Instant::now());
        let id = registry.issue_at(start);
        assert_eq!(id.len(), PREFIX.len() + RANDOM_CHARS);
        assert!(registry.is_observer_at(&id, false, start + LIFETIME - Duration::from_secs(1)));
        assert!(!registry.is_observer_at("rollcall-dashboard-guessed", false, start));
        assert!(!registry.is_observer_at("", false, start));
        assert!(!registry.is_observer_at(&id, false, start + LIFETIME));
    }

    #[test]
    fn a_page_that_outlives_the_server_stays_an_observer_by_its_session() {
        let (before, after) = (ObserverRegistry::new(), ObserverRegistry::new());
        let id = before.issue();
        assert!(after.is_observer(&id, true));
        assert!(!after.is_observer(&id, false));
        assert!(!after.is_observer("rollcall-dashboard-short", true));
        assert!(!after.is_observer("d:acme01:thermo:t-1", true));
    }

    #[test]
    fn the_oldest_ids_make_room() {
        let registry = ObserverRegistry::new();
        let first = registry.issue();
        let second = registry.issue();
        for _ in 0..OBSERVERS_MAX - 1 {
            registry.issue();
        }
        assert!(!registry.is_observer(&first, false));
        assert!(registry.is_observer(&second, false));
    }
}
