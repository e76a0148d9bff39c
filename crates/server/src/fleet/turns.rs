//! Whose turn it is: the lock around the table. Called by [`super::Fleet`] for everything.
//!
//! A lock that serves in order would let one scan hold up everybody: a writer waits for the scan, and all who come
//! later wait for the writer. So a glance, which takes microseconds, overtakes a writer that waits, and a scan does
//! for some milliseconds, because otherwise each writer would empty the other processors of scans. After that the
//! writer is next.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How long a patient writer lets scans overtake it.
const PATIENCE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct Turns<T> {
    guarded: RwLock<T>,
    made: Instant,
    /// Until when scans may overtake the writer that waits, in microseconds since `made`; 0 when none waits.
    until_us: AtomicU64,
    patience: Duration,
}

impl<T> Turns<T> {
    pub fn new(guarded: T) -> Self {
        Self {
            guarded: RwLock::new(guarded),
            made: Instant::now(),
            until_us: AtomicU64::new(0),
            patience: PATIENCE,
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// To read for microseconds.
    pub fn glance(&self) -> RwLockReadGuard<'_, T> {
        self.guarded.read_recursive()
    }

    /// To read for milliseconds.
    pub fn scan(&self) -> RwLockReadGuard<'_, T> {
        let until_us = self.until_us.load(Ordering::Relaxed);
        // Without a writer both ways are the same.
        if until_us == 0 || self.now_us() < until_us {
            self.guarded.read_recursive()
        } else {
            self.guarded.read()
        }
    }

    /// To write at the next turn.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.write_until(1)
    }

    /// To write soon, in favour of scans.
    pub fn write_patiently(&self) -> RwLockWriteGuard<'_, T> {
        // Zero would be no writer.
        self.write_until(1.max(self.now_us().saturating_add(self.patience.as_micros() as u64)))
    }

    fn write_until(&self, until_us: u64) -> RwLockWriteGuard<'_, T> {
        self.until_us.store(until_us, Ordering::Relaxed);
        let guard = self.guarded.write();
        self.until_us.store(0, Ordering::Relaxed);
        guard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins a scan, lets a patient writer wait for it that writes a one, and does something meanwhile.
    fn while_a_writer_waits<R>(
        patience: Duration,
        work: impl FnOnce(&Turns<u8>, RwLockReadGuard<'_, u8>) -> R,
    ) -> R {
        let turns = Turns { patience, ..Turns::new(0) };
        std::thread::scope(|scope| {
            let scan = turns.scan();
            scope.spawn(|| *turns.write_patiently() = 1);
            // A plain reader is refused from the moment at which a writer waits.
            while turns.guarded.try_read().is_some() {
                std::thread::yield_now();
            }
            work(&turns, scan)
        })
    }

    #[test]
    fn a_scan_overtakes_a_writer_that_is_patient() {
        let seen = while_a_writer_waits(Duration::from_secs(3_600), |turns, _held| *turns.scan());
        assert_eq!(seen, 0);
    }

    #[test]
    fn a_writer_whose_patience_is_over_comes_before_the_next_scan_and_after_a_glance() {
        let seen = while_a_writer_waits(Duration::ZERO, |turns, held| {
            assert_eq!(*turns.glance(), 0);
            std::thread::scope(|scope| {
                let scan = scope.spawn(|| *turns.scan());
                drop(held);
                scan.join().ok()
            })
        });
        assert_eq!(seen, Some(1));
    }
}
