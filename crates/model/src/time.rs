//! Points in time as the contract writes them: UTC, milliseconds, ISO 8601; and the relative times of filters.
//!
//! Nothing here asks what time it is: a relative time is resolved against a `now` that the caller gives.

mod iso8601;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds since 1970-01-01T00:00:00Z, within the years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The first and the last instant that ISO 8601 can write with a four-digit year.
const MIN_MS: i64 = -62_135_596_800_000;
const MAX_MS: i64 = 253_402_300_799_999;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "“{0}” is not a time: use ISO 8601 as in 2026-11-20T08:40:54Z (without a zone it is UTC), or a relative time as in now-2d or now-15m"
)]
pub struct TimeError(pub String);

impl Timestamp {
    /// Times outside the years 0001 to 9999 become the nearest instant inside.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        if ms < MIN_MS {
            Self(MIN_MS)
        } else if ms > MAX_MS {
            Self(MAX_MS)
        } else {
            Self(ms)
        }
    }

    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self::from_millis(self.0.saturating_add(ms))
    }

    /// Reads ISO 8601: with `Z`, with an offset or without zone (then UTC), seconds and milliseconds optional,
    /// `T` or a space between date and time, or a date alone (its midnight).
    ///
    /// # Errors
    /// When the text is none of these, or names no real instant.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let trimmed = text.trim();
        // A `+` that nobody escaped arrives as a blank: the query string of an offset east of Greenwich.
        let split =
            trimmed.split_once(' ').filter(|(time, offset)| time.contains('T') && !offset.contains(' '));
        let ms = match split {
            Some((time, offset)) => iso8601::parse(format!("{time}+{offset}").trim()),
            None => iso8601::parse(trimmed),
        };
        ms.and_then(Self::checked).ok_or_else(|| TimeError(text.to_owned()))
    }

    fn checked(ms: i64) -> Option<Self> {
        (MIN_MS..=MAX_MS).contains(&ms).then_some(Self(ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(iso8601::Written::new(self.0).as_str())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(iso8601::Written::new(self.0).as_str())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// A time in a filter: fixed, or so long before the moment of asking. Relative times stay relative in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeExpr {
    At(Timestamp),
    /// `now` minus this, in the unit it was written in.
    Ago {
        amount: u32,
        unit: TimeUnit,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
}

impl TimeUnit {
    #[must_use]
    pub const fn millis(self) -> i64 {
        match self {
            Self::Second => 1_000,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Week => 7 * 86_400_000,
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::Second => 's',
            Self::Minute => 'm',
            Self::Hour => 'h',
            Self::Day => 'd',
            Self::Week => 'w',
        }
    }
}

impl TimeExpr {
    /// Reads ISO 8601, `now`, `now-2d` (units `s m h d w`), or the older documents' `{currentTime-2D}`.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let trimmed = text.trim();
        let inner = trimmed.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(trimmed);
        let relative = inner.strip_prefix("now").or_else(|| inner.strip_prefix("currentTime"));
        let Some(rest) = relative else {
            return Timestamp::parse(trimmed).map(Self::At);
        };
        Self::parse_offset(rest).ok_or_else(|| TimeError(text.to_owned()))
    }

    fn parse_offset(rest: &str) -> Option<Self> {
        if rest.is_empty() {
            return Some(Self::Ago { amount: 0, unit: TimeUnit::Second });
        }
        let rest = rest.strip_prefix('-')?;
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, unit) = rest.split_at(unit_at);
        let unit = match unit {
            "s" | "S" => TimeUnit::Second,
            "m" | "M" => TimeUnit::Minute,
            "h" | "H" => TimeUnit::Hour,
            "d" | "D" => TimeUnit::Day,
            "w" | "W" => TimeUnit::Week,
            _ => return None,
        };
        let amount = digits.parse().ok()?;
        // No time ago is now in every unit, and is written without one.
        Some(Self::Ago { amount, unit: if amount == 0 { TimeUnit::Second } else { unit } })
    }

    #[must_use]
    pub const fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago { amount, unit } => now.plus_ms(-(amount as i64 * unit.millis())),
        }
    }

    #[must_use]
    pub const fn is_relative(self) -> bool {
        matches!(self, Self::Ago { .. })
    }
}

impl fmt::Display for TimeExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(time) => time.fmt(f),
            Self::Ago { amount: 0, .. } => f.write_str("now"),
            Self::Ago { amount, unit } => write!(f, "now-{amount}{}", unit.letter()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expect: &str) {
        assert_eq!(Timestamp::parse(input).unwrap().to_string(), expect, "{input}");
    }

    #[test]
    fn every_form_that_the_sdks_send_is_understood() {
        check("2026-11-20T08:40:54.456Z", "2026-11-20T08:40:54.456Z");
        check("2026-11-20T08:40:54.456123", "2026-11-20T08:40:54.456Z");
        check("2026-11-20T08:40:54", "2026-11-20T08:40:54.000Z");
        check("2026-11-20T08:40:54Z", "2026-11-20T08:40:54.000Z");
        check("2014-07-07T06:37:56.494-04:00", "2014-07-07T10:37:56.494Z");
        check("2014-07-07T06:37:56.494-0400", "2014-07-07T10:37:56.494Z");
        check("2014-07-07T06:37:56.494 04:00", "2014-07-07T02:37:56.494Z");
        check("2026-11-20T08:40Z", "2026-11-20T08:40:00.000Z");
        check("2026-11-20 08:40:54", "2026-11-20T08:40:54.000Z");
        check("2026-11-20", "2026-11-20T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_text_in_the_message() {
        for bad in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-30T00:00:00Z",
            "now-",
            "now-2y",
            "now+2d",
            "now-99999999999d",
            "12",
        ] {
            let error = TimeExpr::parse(bad).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    /// `now-0d` was written as `now` and came back as another value, so that a view of the dashboard changed by being
    /// opened from its own address.
    #[test]
    fn no_time_ago_is_now_in_every_unit() {
        assert_eq!(TimeExpr::parse("now-0d"), TimeExpr::parse("now"));
    }

    #[test]
    fn relative_times_resolve_against_the_moment_of_asking() {
        let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        for (input, expect) in [
            ("now", "2026-11-20T12:00:00.000Z"),
            ("now-15m", "2026-11-20T11:45:00.000Z"),
            ("now-2d", "2026-11-18T12:00:00.000Z"),
            ("{currentTime-2D}", "2026-11-18T12:00:00.000Z"),
        ] {
            assert_eq!(TimeExpr::parse(input).unwrap().resolve(now).to_string(), expect);
        }
    }

    proptest! {
        #[test]
        fn a_time_survives_being_written_and_read(ms in MIN_MS..=MAX_MS) {
            let time = Timestamp::from_millis(ms);
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = TimeExpr::parse(&text);
        }
    }
}
