//! The losses of the past two days, for incidents: the newest so many.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use rollcall_model::diagnosis::Loss;
use rollcall_model::{ConnectionEvent, Timestamp};

/// At about 80 bytes each, 16 MB.
const LOSSES_MAX: usize = 200_000;
/// Incidents are those of one day; what happens every day is known from the day before.
const KEEP_MS: i64 = 50 * 3_600_000;
/// Types of devices that share their text. Beyond that each loss has its own.
const TYPES_MAX: usize = 10_000;

pub(super) struct Losses {
    kept: VecDeque<Loss>,
    types: HashSet<Arc<str>>,
    /// The newest that had to go before its time.
    given_up: Timestamp,
}

impl Default for Losses {
    fn default() -> Self {
        let given_up = Timestamp::from_millis(i64::MIN);
        Self { kept: VecDeque::new(), types: HashSet::new(), given_up }
    }
}

impl Losses {
    pub fn push(&mut self, event: &ConnectionEvent) {
        let Some(mut loss) = Loss::of(event) else { return };
        if let Some(own) = &mut loss.device_type {
            match self.types.get(own) {
                Some(shared) => *own = Arc::clone(shared),
                None if self.types.len() < TYPES_MAX => drop(self.types.insert(Arc::clone(own))),
                None => {}
            }
        }
        self.kept.push_back(loss);
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.kept.len() > LOSSES_MAX {
            if let Some(oldest) = self.kept.pop_front() {
                self.given_up = self.given_up.max(oldest.time);
            }
        }
    }

    /// Puts the losses of the time before in front of those that came meanwhile.
    pub fn prepend(&mut self, mut earlier: Self) {
        earlier.kept.append(&mut self.kept);
        self.kept = earlier.kept;
        self.given_up = self.given_up.max(earlier.given_up);
        self.shrink();
    }

    pub fn forget(&mut self, now: Timestamp) {
        let oldest = now.plus_ms(-KEEP_MS);
        while self.kept.front().is_some_and(|loss| loss.time < oldest) {
            self.kept.pop_front();
        }
    }

    pub fn all(&self) -> Vec<Loss> {
        self.kept.iter().cloned().collect()
    }

    pub const fn complete_from(&self) -> Timestamp {
        self.given_up
    }
}
