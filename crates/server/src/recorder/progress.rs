//! How far the folding is ahead of the disk, so that no state is kept that knows of an event which the log does not
//! have: after a kill the states would tell of a session that is nowhere recorded. Counted in batches.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::journal::JournalError;

/// See the module.
#[derive(Debug, Default)]
pub struct Progress {
    counts: Mutex<Counts>,
    moved: Condvar,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    /// Batches whose folding has begun.
    folding: u64,
    /// Batches that the log has.
    appended: u64,
    is_over: bool,
}

impl Progress {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called before a batch is folded.
    pub fn begin_fold(&self) {
        self.counts().folding += 1;
    }

    /// The log has so many batches.
    pub fn set_appended(&self, batches: u64) {
        self.counts().appended = batches;
        self.moved.notify_all();
    }

    /// No batch will be appended any more.
    pub fn end(&self) {
        self.counts().is_over = true;
        self.moved.notify_all();
    }

    /// Waits until the log has every batch that the fleet may have by now.
    ///
    /// # Errors
    /// When it will never have them.
    pub fn wait_for_log(&self) -> Result<(), JournalError> {
        let goal = self.counts().folding;
        let waits = |counts: &mut Counts| counts.appended < goal && !counts.is_over;
        let counts = self.moved.wait_while(self.counts(), waits).unwrap_or_else(PoisonError::into_inner);
        if counts.appended < goal {
            return Err(JournalError::Failed("the log has not all events of the states".to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A snapshot that has seen a batch which the log never gets must not be kept.
    #[test]
    fn whoever_has_seen_a_batch_waits_until_the_log_has_it_or_is_told_that_it_never_will() {
        let progress = Progress::default();
        assert!(progress.wait_for_log().is_ok());
        progress.begin_fold();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| progress.wait_for_log());
            progress.set_appended(1);
            assert!(waiting.join().unwrap().is_ok());
        });
        progress.begin_fold();
        progress.end();
        assert!(progress.wait_for_log().is_err());
    }
}
