//! How long to wait before the next attempt: longer each time, never the same for all dashboards at once.
//!
//! Used for the feed and for the API.

use std::time::Duration;

const FIRST_MS: f64 = 500.0;
const MAX_MS: f64 = 15_000.0;

/// Doubles from half a second to fifteen seconds, each with a jitter of a quarter.
pub struct Backoff {
    next_ms: f64,
    /// A number from 0 to 1, different each time.
    random: fn() -> f64,
}

impl Backoff {
    #[must_use]
    pub const fn new(random: fn() -> f64) -> Self {
        Self { next_ms: FIRST_MS, random }
    }

    pub const fn reset(&mut self) {
        self.next_ms = FIRST_MS;
    }

    pub fn wait(&mut self) -> Duration {
        let base_ms = self.next_ms;
        self.next_ms = (base_ms * 2.0).min(MAX_MS);
        Duration::from_millis((base_ms * (0.75 + 0.5 * (self.random)())) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_start_over() {
        let mut backoff = Backoff::new(|| 0.5);
        let waits: Vec<u128> = (0..7).map(|_| backoff.wait().as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
        backoff.reset();
        assert_eq!(backoff.wait().as_millis(), 500);
    }

    #[test]
    fn the_jitter_is_a_quarter() {
        let shortest = Backoff::new(|| 0.0).wait();
        let longest = Backoff::new(|| 1.0).wait();
        assert_eq!((shortest.as_millis(), longest.as_millis()), (375, 625));
    }
}
