//! ISO 8601 as it is met in the wild, read and written without a calendar library, which would be 25 KB of code in the
//! browser.
//!
//! Called by [`super::Timestamp`] only. It knows the proleptic Gregorian calendar and nothing of time zones but their
//! offsets. What it accepts is exactly what `chrono` accepts with the formats listed in the tests.

use std::fmt;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Years that an offset can bring into the four-digit ones, and those themselves.
const YEARS: std::ops::RangeInclusive<i64> = 0..=10_000;
/// The days of the months, January first, in a year that is no leap year.
const MONTH_DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// What stands between the date and the time. It decides what may follow the time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// `T`: any offset, or none.
    Upper,
    /// `t`: only as in RFC 3339, with its digits, seconds and offset.
    Lower,
    /// Blanks: without an offset, or as in RFC 3339.
    Blank,
}

/// Reads a date, or a date and a time, with `Z`, with an offset, or without either (then UTC).
///
/// Returns milliseconds since 1970, perhaps outside of the four-digit years by a day or two. Digits beyond the
/// milliseconds are cut off, and second 60, which a leap second has, counts as the first of the next minute.
pub fn parse(text: &str) -> Option<i64> {
    let is_rfc3339 = has_rfc3339_digits(text);
    let mut rest = Rest(text);
    let day_ms = rest.date()? * DAY_MS;
    if rest.is_utc() {
        return Some(day_ms);
    }
    let separator = rest.separator();
    let time_ms = rest.time()?;
    let offset_min = match separator {
        Separator::Upper | Separator::Blank if rest.is_utc() => return Some(day_ms + time_ms),
        Separator::Upper => rest.offset(false)?,
        Separator::Lower | Separator::Blank if is_rfc3339 => rest.offset(true)?,
        Separator::Lower | Separator::Blank => return None,
    };
    rest.0.is_empty().then_some(day_ms + time_ms - offset_min * MINUTE_MS)
}

/// Writes `2026-11-20T08:40:54.456Z`. `ms` is within the years 0001 to 9999.
pub fn write(ms: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (year, month, day) = date_of(ms.div_euclid(DAY_MS));
    let time = ms.rem_euclid(DAY_MS);
    let (hour, minute) = (time / (60 * MINUTE_MS), time / MINUTE_MS % 60);
    let (second, milli) = (time / 1_000 % 60, time % 1_000);
    // By hand: a page of states has hundreds of times, and the general way takes most of the time of its JSON.
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (end, number) in
        [(4, year), (7, month), (10, day), (13, hour), (16, minute), (19, second), (23, milli)]
    {
        let mut rest = number;
        for digit in text[..end].iter_mut().rev().take_while(|byte| byte.is_ascii_digit()) {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    f.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

/// RFC 3339 wants each field with all its digits: `2026-11-20T08:40:54`, with one character for the `T`.
fn has_rfc3339_digits(text: &str) -> bool {
    let shape = "dddd-dd-dd?dd:dd:dd";
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'd' => byte.is_ascii_digit(),
        b'?' => matches!(byte, b'T' | b't' | b' '),
        _ => byte == wanted,
    };
    text.len() >= shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// Days since 1970-01-01.
    fn date(&mut self) -> Option<i64> {
        let year = self.year()?;
        self.char('-')?;
        let month = self.number(2)?;
        self.char('-')?;
        let day = self.number(2)?;
        let usual = *MONTH_DAYS.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
        let last = if month == 2 && is_leap(year) { 29 } else { usual };
        (1..=last).contains(&day).then(|| days_to(year, month, day))
    }

    /// Nothing more, or the `Z` that means the same.
    fn is_utc(&self) -> bool {
        matches!(self.0, "" | "Z" | "z")
    }

    fn year(&mut self) -> Option<i64> {
        self.0 = self.0.trim_start();
        let year = if self.char('-').is_some() {
            -self.digits(usize::MAX)?
        } else if self.char('+').is_some() {
            self.digits(usize::MAX)?
        } else {
            self.digits(4)?
        };
        YEARS.contains(&year).then_some(year)
    }

    fn separator(&mut self) -> Separator {
        if self.char('T').is_some() {
            Separator::Upper
        } else if self.char('t').is_some() {
            Separator::Lower
        } else {
            self.0 = self.0.trim_start();
            Separator::Blank
        }
    }

    /// Milliseconds since midnight.
    fn time(&mut self) -> Option<i64> {
        let hour = self.number(2).filter(|hour| *hour < 24)?;
        self.char(':')?;
        let minute = self.number(2).filter(|minute| *minute < 60)?;
        let minutes_ms = (hour * 60 + minute) * MINUTE_MS;
        if self.char(':').is_none() {
            return Some(minutes_ms);
        }
        let second = self.number(2).filter(|second| *second <= 60)?;
        let fraction_ms = if self.char('.').is_some() { self.fraction()? } else { 0 };
        Some(minutes_ms + second * 1_000 + fraction_ms)
    }

    /// Milliseconds of a fraction of a second with at least one digit.
    fn fraction(&mut self) -> Option<i64> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        let leading = digits.get(..3).unwrap_or(digits);
        let scale = [0, 100, 10, 1].get(leading.len()).filter(|scale| **scale > 0)?;
        Some(leading.parse::<i64>().ok()? * scale)
    }

    /// Minutes east of Greenwich, less than a day. Strictly as in `+04:00` and `Z`; otherwise also as in `+0400`,
    /// `+04`, `+04 00` and after blanks.
    fn offset(&mut self, is_strict: bool) -> Option<i64> {
        if !is_strict {
            self.0 = self.0.trim_start();
        }
        if self.char('Z').or_else(|| self.char('z')).is_some() {
            return Some(0);
        }
        let sign = match (self.char('+'), self.char('-').or_else(|| self.char('\u{2212}'))) {
            (Some(()), None) => 1,
            (None, Some(())) => -1,
            _ => return None,
        };
        let hours = self.two_digits()?;
        if is_strict {
            self.char(':')?;
        } else {
            self.0 = self.0.trim_start_matches(|c: char| c == ':' || c.is_whitespace());
        }
        let minutes = if self.0.is_empty() && !is_strict { 0 } else { self.two_digits()? };
        (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
    }

    fn char(&mut self, wanted: char) -> Option<()> {
        self.0 = self.0.strip_prefix(wanted)?;
        Some(())
    }

    /// A number of at least one digit, perhaps after blanks.
    fn number(&mut self, most: usize) -> Option<i64> {
        self.0 = self.0.trim_start();
        self.digits(most)
    }

    fn digits(&mut self, most: usize) -> Option<i64> {
        let count = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        // Nothing at all is no number, and neither is what has too many digits.
        digits.parse().ok()
    }

    fn two_digits(&mut self) -> Option<i64> {
        let before = self.0.len();
        let number = self.digits(2)?;
        (before - self.0.len() == 2).then_some(number)
    }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Years are counted from March, so that the leap day is the last one; 400 years are 146,097 days.
const fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - DAYS_TO_1970
}

/// From the first of March of the year 0.
const DAYS_TO_1970: i64 = 719_468;

/// Year, month and day.
const fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};
    use proptest::prelude::*;

    use crate::time::{MAX_MS, MIN_MS, Timestamp};

    /// The same with `chrono`: what is to be accepted, and what it means.
    fn by_chrono(text: &str) -> Option<i64> {
        let zoned = DateTime::parse_from_rfc3339(text).ok().or_else(|| {
            let formats = ["%Y-%m-%dT%H:%M%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
            formats.iter().find_map(|format| DateTime::parse_from_str(text, format).ok())
        });
        if let Some(time) = zoned {
            return Some(time.timestamp_millis());
        }
        let naive = text.strip_suffix(['Z', 'z']).unwrap_or(text);
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(naive, format).ok())
            .or_else(|| NaiveDate::parse_from_str(naive, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
            .map(|time| time.and_utc().timestamp_millis())
    }

    fn check(text: &str) -> Result<(), TestCaseError> {
        let within = |ms: &i64| (MIN_MS..=MAX_MS).contains(ms);
        let text = text.trim();
        prop_assert_eq!(super::parse(text).filter(within), by_chrono(text).filter(within), "{:?}", text);
        Ok(())
    }

    #[test]
    fn the_edges_are_where_chrono_has_them() {
        for text in [
            "0001-01-01T00:00:00+14:00",
            "0001-01-01T00:00:00Z",
            "0000-12-31T10:00:00-14:00",
            "+10000-01-01T00:00:00+14:00",
            "+00000000000000000000000002026-01-01",
            "99999999999999999999-01-01",
            "+99999999999999999999-01-01",
            "9999-12-31T23:59:60Z",
            "2016-12-31T23:59:60.999Z",
            "2026-01-01T08:40:61",
            "2026-02-29",
            "2028-02-29",
            "2100-02-29",
            "2000-02-29",
            "2026-1-2T3:4",
            "2026-11-2008:40",
            "2026-11-20t08:40:54",
            "2026-11-20t08:40:54z",
            "2026-11-20 08:40:54+01:00",
            "2026-11-20 08:40:54+0100",
            "2026-11-20  08:40:54+01:00",
            "2026-11-20 08:40:54\u{2212}01:00",
            "2026-11-20T08:40:54\u{2212}0100",
            "2026-11-20T08:40\t+01\t: 30",
            "2026-11-20T08:40+01:",
            "2026-11-20T08:40+1",
            "2026-11-20T08:40+01:3",
            "2026-11-20T08:40+24",
            "2026-11-20T08:40-23:59",
            "2026-11-20T08:40:54.Z",
            "2026-11-20T08:40:54.1234567890123Z",
            "2026-11-20T24:00",
            "2026-11-20Z",
            "2026-11-20Zz",
            "2026-11-20T08:40:54ZZ",
            "2026-11-20 08:40:54\tZ",
        ] {
            check(text).unwrap();
        }
    }

    /// Something like a time, with a wrong digit or a strange separator here and there.
    fn nearly_a_time() -> impl Strategy<Value = String> {
        let blank = "[ \t\u{a0}]{0,1}";
        let date = format!("[+-]?[0-9]{{1,5}}-{blank}[0-9]{{1,2}}-{blank}[0-3]?[0-9]");
        let time = format!("([Tt ]|{blank}){blank}[0-2]?[0-9]:{blank}[0-6]?[0-9]");
        let seconds = format!("(:{blank}[0-6]?[0-9](\\.[0-9]{{0,11}})?)?");
        let zone = format!("({blank}([Zz]|[+\u{2212}-][0-2]?[0-9][: ]?{blank}([0-6][0-9])?))?");
        let often_right = format!("2[0-9]{{3}}-1[012]-[12][0-9]{time}{seconds}{zone}");
        let loose = format!("{date}({time}{seconds}{zone})?");
        let matching = |pattern: &str| proptest::string::string_regex(pattern).unwrap();
        prop_oneof![matching(&often_right), matching(&loose)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn what_looks_like_a_time_is_read_as_chrono_reads_it(text in nearly_a_time()) {
            check(&text)?;
        }

        #[test]
        fn a_changed_character_changes_the_same_as_with_chrono(
            ms in MIN_MS..=MAX_MS,
            at in 0usize..30,
            length in 0usize..3,
            put in "[-0-9TtZz:. +\t\u{2212}é]{0,2}",
        ) {
            let mut text = Timestamp::from_millis(ms).to_string();
            let (start, end) = (at.min(text.len()), (at + length).min(text.len()));
            text.replace_range(start..end, &put);
            check(&text)?;
        }

        #[test]
        fn times_are_written_as_chrono_writes_them(ms in MIN_MS..=MAX_MS) {
            let expect = DateTime::from_timestamp_millis(ms).unwrap();
            let expect = expect.to_rfc3339_opts(SecondsFormat::Millis, true);
            prop_assert_eq!(Timestamp::from_millis(ms).to_string(), expect);
        }
    }
}
