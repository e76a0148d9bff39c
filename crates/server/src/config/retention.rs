//! How long the log is kept, as people write it: `30d`, `10GB`, `unlimited`. Called by [`super`] only.

use std::str::FromStr;

use serde::Deserialize;

use crate::journal::Retention;

/// A time, or no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Age(Option<i64>);

/// A size, or no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(Option<u64>);

const UNLIMITED: &str = "unlimited";
const AGE_DEFAULT: Age = Age(Some(30 * DAY_MS));
const SIZE_DEFAULT: Size = Size(Some(10_000_000_000));
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Less could not be kept: it is the size of the smallest parts that the log goes in.
const SIZE_MIN: u64 = 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    #[error(
        "“{0}” is no time to keep the log: write a whole number and h, d or w, as in 30d, or {UNLIMITED}"
    )]
    Age(String),
    #[error(
        "“{0}” is no size for the log: write a whole number and MB, GB or TB, as in 10GB, at least 1MB, or {UNLIMITED}"
    )]
    Size(String),
}

/// The retention in force where these are given.
pub fn resolve(age: Option<Age>, size: Option<Size>) -> Retention {
    Retention { max_age_ms: age.unwrap_or(AGE_DEFAULT).0, max_bytes: size.unwrap_or(SIZE_DEFAULT).0 }
}

impl FromStr for Age {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        if text == UNLIMITED {
            return Ok(Self(None));
        }
        let units = [("h", HOUR_MS), ("d", DAY_MS), ("w", 7 * DAY_MS)];
        let ms = units.iter().find_map(|(unit, ms)| {
            let number: i64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*ms).filter(|ms| *ms > 0)
        });
        ms.map(|ms| Self(Some(ms))).ok_or_else(|| RetentionError::Age(text.to_owned()))
    }
}

impl FromStr for Size {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        if text == UNLIMITED {
            return Ok(Self(None));
        }
        let upper = text.to_ascii_uppercase();
        let units = [("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000_u64)];
        let bytes = units.iter().find_map(|(unit, bytes)| {
            let number: u64 = upper.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*bytes).filter(|bytes| *bytes >= SIZE_MIN)
        });
        bytes.map(|bytes| Self(Some(bytes))).ok_or_else(|| RetentionError::Size(text.to_owned()))
    }
}

impl TryFrom<String> for Age {
    type Error = RetentionError;

    fn try_from(text: String) -> Result<Self, RetentionError> {
        text.parse()
    }
}

impl TryFrom<String> for Size {
    type Error = RetentionError;

    fn try_from(text: String) -> Result<Self, RetentionError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_as_people_write_them() {
        assert_eq!("36h".parse(), Ok(Age(Some(36 * HOUR_MS))));
        assert_eq!("2 w".parse(), Ok(Age(Some(14 * DAY_MS))));
        assert_eq!("500mb".parse(), Ok(Size(Some(500_000_000))));
        assert_eq!("unlimited".parse(), Ok(Size(None)));
        assert_eq!(
            resolve(None, None),
            Retention { max_age_ms: Some(30 * DAY_MS), max_bytes: Some(10_000_000_000) }
        );
    }

    #[test]
    fn what_is_no_bound_is_refused_with_the_text_in_the_message() {
        for bad in ["", "30", "d", "0d", "-1d", "1.5d", "9999999999999999d", "日d"] {
            assert!(bad.parse::<Age>().unwrap_err().to_string().contains(bad));
        }
        for bad in ["", "10", "GB", "0GB", "10KB", "99999999999999999TB"] {
            assert!(bad.parse::<Size>().unwrap_err().to_string().contains(bad));
        }
    }
}
