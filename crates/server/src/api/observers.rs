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

    /// Whether this client id was given to a dashboard.
    #[must_use]
    pub fn is_observer(&self, client_id: &str) -> bool {
        self.is_observer_at(client_id, Instant::now())
    }

    fn is_observer_at(&self, client_id: &str, now: Instant) -> bool {
        if !client_id.starts_with(PREFIX) {
            return false;
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
    fn is_observer(&self, client_id: &str) -> bool {
        Self::is_observer(self, client_id)
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
        assert!(registry.is_observer_at(&id, start + LIFETIME - Duration::from_secs(1)));
        assert!(!registry.is_observer_at("rollcall-dashboard-guessed", start));
        assert!(!registry.is_observer_at("", start));
        assert!(!registry.is_observer_at(&id, start + LIFETIME));
    }

    #[test]
    fn the_oldest_ids_make_room() {
        let registry = ObserverRegistry::new();
        let first = registry.issue();
        let second = registry.issue();
        for _ in 0..OBSERVERS_MAX - 1 {
            registry.issue();
        }
        assert!(!registry.is_observer(&first));
        assert!(registry.is_observer(&second));
    }
}
