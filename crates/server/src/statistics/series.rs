//! From what is counted to the answer for a range.

use std::collections::BTreeMap;
use std::str::FromStr;

use rollcall_model::Timestamp;
use rollcall_model::statistics::{Bucket as BucketAnswer, Statistics as Answer};

use super::count::{Bucket, Reason};
use super::{HOUR_MS, HOURS_KEPT_MS, Kept, MINUTE_MS, MINUTES_KEPT_MS};

/// The most buckets in an answer.
const BUCKETS_MAX: i64 = 1_500;
/// What a range is divided into at most, unless a step is asked for.
const BUCKETS_USUAL: i64 = 200;
/// Steps that divide a day.
const STEPS_MIN: [i64; 10] = [1, 2, 5, 10, 15, 30, 60, 180, 360, 1_440];

/// The length of a bucket: whole minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step(i64);

impl FromStr for Step {
    type Err = RangeError;

    /// Reads a number with one of the units `m h d`.
    fn from_str(text: &str) -> Result<Self, RangeError> {
        let unit_at = text.len().saturating_sub(1);
        let (digits, unit) = text.split_at_checked(unit_at).ok_or(RangeError::NoStep)?;
        let minutes = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            _ => return Err(RangeError::NoStep),
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse::<i64>().ok().filter(|number| is_number && *number > 0);
        let step_ms = number.and_then(|number| number.checked_mul(minutes * MINUTE_MS));
        step_ms.filter(|ms| *ms <= HOURS_KEPT_MS).map(Self).ok_or(RangeError::NoStep)
    }
}

/// A range of time, in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    from: Timestamp,
    to: Timestamp,
    step_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error("a number of minutes, hours or days is needed, as in 5m, 1h or 1d, up to 30d")]
    NoStep,
    #[error("this is not before toTime, or not before now")]
    Empty,
    #[error("only the past 30 days are counted")]
    TooOld,
    #[error("minutes are counted for the past 24 hours only; for an earlier fromTime take whole hours")]
    TooFine,
    #[error("this divides the range into more than 1,500 buckets")]
    TooMany,
}

impl RangeError {
    /// The parameter that is wrong.
    #[must_use]
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Empty | Self::TooOld => "fromTime",
            Self::NoStep | Self::TooFine | Self::TooMany => "step",
        }
    }
}

impl Range {
    /// A range that can be answered: widened to whole buckets, and not beyond now. Without a step one is chosen.
    ///
    /// # Errors
    /// When it cannot.
    pub fn new(
        from: Timestamp,
        to: Timestamp,
        step: Option<Step>,
        now: Timestamp,
    ) -> Result<Self, RangeError> {
        let to = to.min(now);
        if from >= to {
            return Err(RangeError::Empty);
        }
        // A relative time that is as old as allowed when it is asked for.
        const SLACK_MS: i64 = MINUTE_MS;
        let age_ms = now.millis() - from.millis();
        if age_ms > HOURS_KEPT_MS + SLACK_MS {
            return Err(RangeError::TooOld);
        }
        let is_recent = age_ms <= MINUTES_KEPT_MS + SLACK_MS;
        let length_ms = to.millis() - from.millis();
        let usual = STEPS_MIN
            .iter()
            .map(|minutes| minutes * MINUTE_MS)
            .find(|step_ms| length_ms / step_ms <= BUCKETS_USUAL && (is_recent || step_ms % HOUR_MS == 0));
        let step_ms = step.map_or(usual.unwrap_or(24 * HOUR_MS), |Step(ms)| ms);
        if !is_recent && step_ms % HOUR_MS != 0 {
            return Err(RangeError::TooFine);
        }
        if length_ms / step_ms > BUCKETS_MAX {
            return Err(RangeError::TooMany);
        }
        let from = Timestamp::from_millis(from.millis().div_euclid(step_ms) * step_ms);
        Ok(Self { from, to, step_ms })
    }
}

impl Kept {
    pub(super) fn series(&self, Range { from, to, step_ms }: Range) -> Answer {
        let counts = if step_ms % HOUR_MS == 0 { &self.hours } else { &self.minutes };
        let mut connected = counts.connected_before(from);
        let starts = std::iter::successors(Some(from), |start| Some(start.plus_ms(step_ms)));
        let buckets = starts.take_while(|start| *start < to).map(|start| {
            let mut bucket = Bucket::default();
            let end = start.plus_ms(step_ms);
            counts.between(start, end).for_each(|(_, part)| bucket.add(part));
            // While nothing is heard, nothing changes.
            connected = bucket.connected.or(connected);
            bucket.connected = connected;
            answer(start, &bucket)
        });
        let buckets = buckets.collect();
        let lists = self.tops.lists(from, to);
        Answer {
            from,
            to,
            step_ms,
            complete_from: self.complete_from,
            begins: Some(self.begins),
            buckets,
            top_flappers: lists.flappers,
            top_refused: lists.refused,
            top_refused_addresses: lists.addresses,
        }
    }
}

fn answer(time: Timestamp, bucket: &Bucket) -> BucketAnswer {
    let mut by_initiator = BTreeMap::<String, u64>::new();
    let mut by_reason = BTreeMap::<String, u64>::new();
    let mut reasons_by_initiator = BTreeMap::<String, BTreeMap<String, u64>>::new();
    for ((initiator, reason), times) in &bucket.ends {
        let initiator = initiator.map_or("unknown", rollcall_model::Initiator::as_str);
        *by_initiator.entry(initiator.to_owned()).or_default() += times;
        let reason = match reason {
            Reason::Code(code) => code.to_string(),
            Reason::Unknown => "unknown".to_owned(),
            Reason::Other => "other".to_owned(),
        };
        *by_reason.entry(reason.clone()).or_default() += times;
        let reasons = reasons_by_initiator.entry(initiator.to_owned()).or_default();
        *reasons.entry(reason).or_default() += times;
    }
    BucketAnswer {
        time,
        connected: bucket.connected.map(|(connected, _)| connected),
        connected_certainty: bucket.connected.map(|(_, certainty)| certainty),
        connects: bucket.connects,
        disconnects: bucket.ends.values().sum(),
        refused: bucket.refused,
        by_initiator,
        by_reason,
        reasons_by_initiator,
    }
}
