//! The geometry of the time line: times to pixels, what falls into one pixel, zoom, and where the axis has its marks.
//!
//! Called by the time line whenever it draws; pure. However many sessions there are, what it returns is bounded by the
//! width.

use rollcall_model::Timestamp;

use crate::store::ClientSession;

/// The narrowest span that can be zoomed to.
const SPAN_MIN_MS: i64 = 2_000;
/// What is narrower than this is merged with its neighbours, in pixels.
const MERGE_PX: f64 = 1.0;
/// The sessions of a client hardly overlap: so many before the first in view can still reach into it.
const REACH_BACK: usize = 8;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const STEPS_MS: [i64; 15] = [
    1_000,
    5_000,
    15_000,
    MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    5 * DAY_MS,
    10 * DAY_MS,
];

/// A span of time on a number of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub from: i64,
    pub to: i64,
    pub width: f64,
}

/// Sessions or attempts that are drawn as one: `first..=last` of their list, oldest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    pub x0: f64,
    pub x1: f64,
    pub first: usize,
    pub last: usize,
}

impl Mark {
    #[must_use]
    pub const fn count(&self) -> usize {
        self.last - self.first + 1
    }
}

impl Scale {
    #[must_use]
    pub fn x(&self, ms: i64) -> f64 {
        (ms - self.from) as f64 / self.span().max(1) as f64 * self.width
    }

    #[must_use]
    pub fn at(&self, x: f64) -> i64 {
        self.from + (x / self.width.max(1.0) * self.span() as f64) as i64
    }

    #[must_use]
    pub const fn span(&self) -> i64 {
        self.to - self.from
    }

    fn clip(&self, x: f64) -> f64 {
        x.max(0.0).min(self.width)
    }

    /// The span that is `factor` times as wide, with what is at `x` staying there, within `whole`.
    #[must_use]
    pub fn zoomed(&self, factor: f64, x: f64, whole: (i64, i64)) -> (i64, i64) {
        let span = ((self.span() as f64 * factor) as i64).clamp(SPAN_MIN_MS, (whole.1 - whole.0).max(1));
        let share = x / self.width.max(1.0);
        fit(self.at(x) - (share * span as f64) as i64, span, whole)
    }

    /// The span moved by a share of itself, within `whole`.
    #[must_use]
    pub fn panned(&self, share: f64, whole: (i64, i64)) -> (i64, i64) {
        fit(self.from + (share * self.span() as f64) as i64, self.span(), whole)
    }

    /// A span as long as this one with `ms` in its middle, within `whole`.
    #[must_use]
    pub fn around(&self, ms: i64, whole: (i64, i64)) -> (i64, i64) {
        fit(ms - self.span() / 2, self.span(), whole)
    }

    /// The span between two pixels, within `whole`; `None` when they are too close to be meant.
    #[must_use]
    pub fn between(&self, a: f64, b: f64, whole: (i64, i64)) -> Option<(i64, i64)> {
        let (a, b) = (self.clip(a.min(b)), self.clip(a.max(b)));
        let span = (self.at(b) - self.at(a)).max(SPAN_MIN_MS);
        (b - a >= 4.0).then(|| fit(self.at(a), span, whole))
    }

    /// The sessions in view. Those narrower than a pixel are merged with what is less than a pixel away.
    #[must_use]
    pub fn bars(&self, sessions: &[ClientSession], now: Timestamp) -> Vec<Mark> {
        let begin = sessions.partition_point(|session| session.start.millis() < self.from);
        let mut marks: Vec<Mark> = Vec::new();
        let mut is_mergeable = false;
        for (at, session) in sessions.iter().enumerate().skip(begin.saturating_sub(REACH_BACK)) {
            let (start, end) = (session.start.millis(), session.end_or(now).millis());
            if start > self.to {
                break;
            }
            if end < self.from {
                continue;
            }
            let (x0, x1) = (self.clip(self.x(start)), self.clip(self.x(end)));
            let is_narrow = x1 - x0 < MERGE_PX;
            match marks.last_mut().filter(|last| is_narrow && is_mergeable && x0 - last.x1 < MERGE_PX) {
                Some(last) => {
                    last.last = at;
                    last.x1 = last.x1.max(x1);
                }
                None => {
                    marks.push(Mark { x0, x1, first: at, last: at });
                    is_mergeable = is_narrow;
                }
            }
        }
        marks
    }

    /// For which share of the time any of the sessions was open, in columns that are `step` pixels wide from `x0` to `x1`.
    #[must_use]
    pub fn shares(
        &self,
        sessions: &[ClientSession],
        now: Timestamp,
        (x0, x1): (f64, f64),
        step: f64,
    ) -> Vec<f64> {
        let edge = |column: usize| (x0 + column as f64 * step).min(x1);
        let mut shares = vec![0.0; ((x1 - x0) / step).ceil() as usize];
        for session in sessions {
            let (from, to) = (self.x(session.start.millis()), self.x(session.end_or(now).millis()));
            // A place before the first column is the first: a negative number becomes 0.
            let first = ((from - x0) / step) as usize;
            let reached =
                shares.iter_mut().enumerate().skip(first).take_while(|(column, _)| edge(*column) < to);
            for (column, share) in reached {
                let (left, right) = (edge(column), edge(column + 1));
                *share += (to.min(right) - from.max(left)).max(0.0) / (right - left);
            }
        }
        shares
    }

    /// Moments in view, ascending; those less than `apart` pixels from each other are merged.
    #[must_use]
    pub fn points(&self, times: &[i64], apart: f64) -> Vec<Mark> {
        let begin = times.partition_point(|time| *time < self.from);
        let mut marks: Vec<Mark> = Vec::new();
        for (at, time) in times.iter().enumerate().skip(begin).take_while(|(_, time)| **time <= self.to) {
            let x = self.x(*time);
            match marks.last_mut().filter(|last| x - last.x0 < apart) {
                Some(last) => {
                    last.last = at;
                    last.x1 = x;
                }
                None => marks.push(Mark { x0: x, x1: x, first: at, last: at }),
            }
        }
        marks
    }

    /// Where the axis has its marks, at least `apart` pixels from each other, and whether each is the beginning of a day
    /// in the zone whose offset from UTC `offset` tells.
    #[must_use]
    pub fn ticks(&self, apart: f64, offset: &dyn Fn(i64) -> i64) -> Vec<(i64, bool)> {
        let most = (self.width / apart).max(1.0);
        let wanted = (self.span() as f64 / most) as i64;
        let step = STEPS_MS.into_iter().find(|step| *step >= wanted).unwrap_or(STEPS_MS[STEPS_MS.len() - 1]);
        let mut ticks = Vec::new();
        let mut local = (self.from + offset(self.from)).div_euclid(step) * step;
        // One more than fits, because the first may lie before the beginning.
        for _ in 0..=(self.span() / step + 2) {
            // The offset may change on the way, twice a year.
            let time = local - offset(local - offset(local));
            if time >= self.from && time <= self.to {
                ticks.push((time, local.rem_euclid(DAY_MS) == 0));
            }
            local += step;
        }
        ticks
    }
}

fn fit(from: i64, span: i64, whole: (i64, i64)) -> (i64, i64) {
    let span = span.min(whole.1 - whole.0);
    let from = from.clamp(whole.0, (whole.1 - span).max(whole.0));
    (from, from + span)
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
