//! The parameters `fromTime` and `toTime` of the calls that look back over time.

use rollcall_model::Timestamp;
use rollcall_model::query::Violation;
use rollcall_model::time::TimeExpr;
use utoipa::IntoParams;

use super::error::{ApiError, violation};
use super::params::Pairs;

/// A span of time. Times are ISO 8601, with or without zone (without is UTC), or relative as in `now-2d`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "the fields are read by the derived description, never by code")]
pub struct SpanParameters {
    /// The beginning; 24 hours ago unless given.
    #[param(required = false, example = "now-6h")]
    from_time: String,
    /// The end; now unless given.
    #[param(required = false, example = "now")]
    to_time: String,
}

/// How finely a span is divided.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the field is read by the derived description, never by code")]
pub struct StepParameter {
    /// The length of a bucket: a number of `m`, `h` or `d`. Chosen by the length of the span unless given.
    #[param(required = false, example = "15m", pattern = "^[0-9]+[mhd]$")]
    step: String,
}

/// From when to when; the beginning may be after the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
    from_text: String,
}

const DEFAULT_MS: i64 = 24 * 3_600_000;

impl Span {
    /// Reads the two parameters; others than these and `also` are refused, so that a misspelt one is noticed.
    ///
    /// # Errors
    /// One violation for each parameter that is not known or is no time.
    pub fn parse(pairs: &Pairs, also: &[&str], now: Timestamp) -> Result<Self, Vec<Violation>> {
        let mut problems = Vec::new();
        for (name, value) in pairs.iter() {
            if !matches!(name, "fromTime" | "toTime") && !also.contains(&name) {
                problems.push(violation(name, value, "this parameter is not known"));
            }
        }
        let mut time = |name: &str, otherwise: Timestamp| match pairs.get(name).map(TimeExpr::parse) {
            None => otherwise,
            Some(Ok(time)) => time.resolve(now),
            Some(Err(error)) => {
                problems.push(violation(name, pairs.get(name).unwrap_or_default(), &error.to_string()));
                otherwise
            }
        };
        let (from, to) = (time("fromTime", now.plus_ms(-DEFAULT_MS)), time("toTime", now));
        let from_text = pairs.get("fromTime").unwrap_or_default().to_owned();
        if problems.is_empty() { Ok(Self { from, to, from_text }) } else { Err(problems) }
    }

    /// The error that the beginning cannot be what it is.
    pub fn refuse(&self, problem: &str) -> ApiError {
        ApiError::invalid_one("fromTime", &self.from_text, problem)
    }
}
