//! Work on the rows of a large fleet, in pieces, so that several cores can share it.
//!
//! Whoever asks takes one piece after the other; for each core on which nobody else does, a thread of a pool helps. It
//! waits for nobody but those who have begun a piece: when all cores are in use, it does everything itself. Cores that
//! other programs use are found out by how soon a helper begins: one that is late shows that there is no core for it, and
//! for a while nobody is asked to help.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Things in a piece, which are words of a bitmap mostly: a piece takes a fraction of a millisecond.
const PIECE: usize = if cfg!(test) { 2 } else { 1_024 };
/// More threads would wait for the same memory.
const HELPERS_MAX: usize = 3;

/// A helper that begins later than this had to wait for a core; waking one up that is idle takes a part of it.
const LATE: Duration = Duration::from_micros(700);
/// For so many times as long as it was late nobody is asked to help, so that waiting for one costs little.
const REST: u32 = 20;

struct Helpers {
    pool: ThreadPool,
    cores: usize,
    /// How many take pieces, those who ask included.
    busy: AtomicUsize,
    rest: Mutex<Rest>,
}

/// When helpers may be asked again.
#[derive(Default)]
struct Rest(Option<Instant>);

impl Rest {
    fn is_over(&self, now: Instant) -> bool {
        self.0.is_none_or(|until| until <= now)
    }

    /// A helper that was asked at one time has begun at another.
    fn note(&mut self, asked: Instant, begun: Instant) {
        let waited = begun.saturating_duration_since(asked);
        if waited > LATE {
            self.0 = Some(begun + waited * REST);
        }
    }
}

/// `None` where there is one core only.
static HELPERS: LazyLock<Option<Helpers>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let helpers = (cores - 1).min(HELPERS_MAX);
    let builder = ThreadPoolBuilder::new().num_threads(helpers).thread_name(|at| format!("scan-{at}"));
    let pool = (helpers > 0).then(|| builder.build())?;
    let pool = pool.inspect_err(|error| tracing::warn!(%error, "questions are answered by one core each"));
    Some(Helpers { pool: pool.ok()?, cores: helpers + 1, busy: AtomicUsize::new(0), rest: Mutex::default() })
});

impl Helpers {
    /// The one who asks.
    fn ask(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy(&self.busy)
    }

    /// One more, if there is a core for it.
    fn take(&self, now: Instant) -> Option<Busy<'_>> {
        if !self.rest.lock().unwrap_or_else(PoisonError::into_inner).is_over(now) {
            return None;
        }
        let one_more = |busy: usize| (busy < self.cores).then_some(busy + 1);
        let taken = self.busy.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.ok().map(|_| Busy(&self.busy))
    }
}

/// Somebody who takes pieces until this is dropped.
struct Busy<'a>(&'a AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Calls `work` with ranges that are `0..count` together, and returns what it gave for each, in order.
pub fn each<R: Send>(count: usize, work: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    let pieces = count.div_ceil(PIECE);
    let Some(helpers) = HELPERS.as_ref().filter(|_| pieces > 1) else { return vec![work(0..count)] };
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(pieces)));
    let take_all = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= pieces {
                return;
            }
            let result = work(at * PIECE..count.min((at + 1) * PIECE));
            done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
        }
    };
    let _asks = helpers.ask();
    let asked = Instant::now();
    helpers.pool.in_place_scope(|scope| {
        for busy in std::iter::from_fn(|| helpers.take(asked)).take(pieces - 1) {
            scope.spawn(|_| {
                let _busy = busy;
                let mut rest = helpers.rest.lock().unwrap_or_else(PoisonError::into_inner);
                rest.note(asked, Instant::now());
                drop(rest);
                take_all();
            });
        }
        take_all();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_the_whole_in_order_whoever_takes_them() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for count in 0..200 {
                        let all: Vec<_> = each(count, |range| range).into_iter().flatten().collect();
                        assert_eq!(all, (0..count).collect::<Vec<_>>());
                    }
                });
            }
        });
    }

    #[test]
    fn nobody_is_asked_to_help_for_a_while_after_one_was_late() {
        let (start, mut rest) = (Instant::now(), Rest::default());
        let after = |ms| start + Duration::from_millis(ms);
        rest.note(start, start + LATE);
        assert!(rest.is_over(start));
        rest.note(start, after(3));
        assert!(!rest.is_over(after(62)) && rest.is_over(after(63)));
    }

    #[test]
    fn a_piece_that_panics_fails_the_whole_and_no_later_one() {
        let failed = std::panic::catch_unwind(|| each(100, |range| assert!(!range.contains(&50))));
        assert!(failed.is_err());
        assert_eq!(each(100, |range| range.len()).into_iter().sum::<usize>(), 100);
    }
}
