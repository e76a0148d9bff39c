//! What the log is told at most once a minute, and counted meanwhile: whoever brings it about must not fill the log.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Seldom {
    count: u64,
    told: Option<Instant>,
}

impl Seldom {
    /// Counts. How many there were since the log was told, if it is time to tell it again; then it counts as told.
    pub fn count(&mut self, more: u64) -> Option<u64> {
        self.count += more;
        if self.told.is_some_and(|told| told.elapsed() < EVERY) {
            return None;
        }
        self.told = Some(Instant::now());
        Some(std::mem::take(&mut self.count))
    }
}
