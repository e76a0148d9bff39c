//! Numbers, dates, relative times, durations and plurals, as the reader's language writes them.
//!
//! A thin layer over the browser's `Intl`, called by views inside reactive closures (the language is tracked). The
//! formatters are costly to make and are kept until the language changes. Works in browsers only.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use js_sys::{Array, Date, Function, Intl, Object, Reflect};
use leptos::prelude::{ArcRwSignal, Get, Set};
use rollcall_model::Timestamp;
use rollcall_model::time::TimeUnit;
use wasm_bindgen::JsValue;

use crate::i18n::{self, Catalogue};

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The formatters of one language and one zone.
struct Formats {
    catalogue: Arc<Catalogue>,
    is_utc: bool,
    locales: Array,
    number: Function,
    decimal: Function,
    clock: Function,
    clock_short: Function,
    day: Function,
    day_year: Function,
    /// The exact formatters in local time and in UTC, made when first needed.
    exact: [OnceCell<Function>; 2],
    relative: Intl::RelativeTimeFormat,
    plural: Intl::PluralRules,
    /// Formatters of units by unit and style, made when first needed.
    units: RefCell<Vec<(String, Function)>>,
    /// The name of the zone.
    zone: String,
}

const UTC: &[(&str, &str)] = &[("timeZone", "UTC")];
const HOUR: (&str, &str) = ("hour", "2-digit");
const MINUTE: (&str, &str) = ("minute", "2-digit");
const SECOND: (&str, &str) = ("second", "2-digit");
const DAY: (&str, &str) = ("day", "numeric");
const MONTH: (&str, &str) = ("month", "short");
const YEAR: (&str, &str) = ("year", "numeric");
const EXACT: [(&str, &str); 8] =
    [DAY, MONTH, YEAR, HOUR, MINUTE, SECOND, ("fractionalSecondDigits", "3"), ("timeZoneName", "short")];

fn date_format(locales: &Array, zone: &[(&str, &str)], parts: &[(&str, &str)]) -> Intl::DateTimeFormat {
    Intl::DateTimeFormat::new(locales, &options(&[&[("hourCycle", "h23")], zone, parts].concat()))
}

thread_local! {
    static FORMATS: RefCell<Option<Formats>> = const { RefCell::new(None) };
    /// Whether times are told in UTC instead of local time.
    static IS_UTC: ArcRwSignal<bool> = ArcRwSignal::new(false);
}

/// Tells all times in UTC, or in local time.
pub fn set_utc(is_utc: bool) {
    IS_UTC.with(|signal| signal.set(is_utc));
}

/// Whether times are told in UTC, tracked.
#[must_use]
pub fn is_utc() -> bool {
    IS_UTC.with(ArcRwSignal::get)
}

/// Another number whenever all texts must be written anew: in another language or another zone. Tracked.
#[must_use]
pub fn serial() -> usize {
    Arc::as_ptr(&i18n::current()) as usize + usize::from(is_utc())
}

/// Makes the formatters of the language, which takes some milliseconds.
pub fn prepare() {
    with(|_| ());
}

fn with<T>(then: impl FnOnce(&Formats) -> T) -> T {
    let (catalogue, is_utc) = (i18n::current(), is_utc());
    FORMATS.with_borrow_mut(|formats| {
        let is_kept =
            |formats: &Formats| Arc::ptr_eq(&formats.catalogue, &catalogue) && formats.is_utc == is_utc;
        let kept = formats.take().filter(is_kept);
        then(formats.insert(kept.unwrap_or_else(|| Formats::new(catalogue, is_utc))))
    })
}

impl Formats {
    fn new(catalogue: Arc<Catalogue>, is_utc: bool) -> Self {
        let locales = Array::of1(&JsValue::from_str(&regional(&catalogue.language)));
        let date =
            |parts: &[(&str, &str)]| date_format(&locales, if is_utc { UTC } else { &[] }, parts).format();
        let clock = date_format(&locales, if is_utc { UTC } else { &[] }, &[HOUR, MINUTE, SECOND]);
        let zone = Reflect::get(&clock.resolved_options(), &JsValue::from_str("timeZone"));
        // Where the narrow style is no more than a minus sign.
        let ago = if catalogue.language == "fr" { "short" } else { "narrow" };
        Self {
            number: Intl::NumberFormat::new(&locales, &Object::new()).format(),
            decimal: Intl::NumberFormat::new(&locales, &options(&[("maximumFractionDigits", "1")])).format(),
            clock: clock.format(),
            clock_short: date(&[HOUR, MINUTE]),
            day: date(&[DAY, MONTH]),
            day_year: date(&[DAY, MONTH, YEAR]),
            exact: Default::default(),
            relative: Intl::RelativeTimeFormat::new(
                &locales,
                &options(&[("style", ago), ("numeric", "always")]),
            ),
            plural: Intl::PluralRules::new(&locales, &Object::new()),
            units: RefCell::default(),
            zone: zone.ok().and_then(|zone| zone.as_string()).unwrap_or_default(),
            locales,
            catalogue,
            is_utc,
        }
    }
}

impl Formats {
    /// The day of a time as short as it is not ambiguous; `None` for today.
    fn day_of(&self, time: Timestamp, now: Timestamp) -> Option<String> {
        let [then, today] = [time, now].map(local_date);
        let format = if then.0 == today.0 { &self.day } else { &self.day_year };
        (then != today).then(|| call_time(format, time))
    }

    /// A time to the millisecond with its zone, in local time or in UTC.
    fn exact(&self, time: Timestamp, is_utc: bool) -> String {
        let format = self.exact[usize::from(is_utc)]
            .get_or_init(|| date_format(&self.locales, if is_utc { UTC } else { &[] }, &EXACT).format());
        call_time(format, time)
    }

    fn unit(&self, amount: f64, unit: &str, display: &str) -> String {
        let name = format!("{unit} {display}");
        let mut units = self.units.borrow_mut();
        let at = units.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            let options = options(&[("style", "unit"), ("unit", unit), ("unitDisplay", display)]);
            units.push((name, Intl::NumberFormat::new(&self.locales, &options).format()));
            units.len() - 1
        });
        call(&units[at].1, &JsValue::from_f64(amount))
    }
}

/// The reader's own variant of the language, where the browser names one: `en-GB` writes dates unlike `en-US`.
fn regional(language: &str) -> String {
    let own = web_sys::window().and_then(|window| window.navigator().language());
    let base = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    own.filter(|own| !language.contains('-') && base(own) == base(language))
        .unwrap_or_else(|| language.to_owned())
}

fn options(pairs: &[(&str, &str)]) -> Object {
    let object = Object::new();
    for (name, value) in pairs {
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&object, &JsValue::from_str(name), &JsValue::from_str(value));
    }
    object
}

fn call(formatter: &Function, value: &JsValue) -> String {
    formatter.call1(&JsValue::UNDEFINED, value).ok().and_then(|text| text.as_string()).unwrap_or_default()
}

fn call_time(formatter: &Function, time: Timestamp) -> String {
    call(formatter, &JsValue::from_f64(time.millis() as f64))
}

/// A count, grouped: `911,002`.
#[must_use]
pub fn number(count: u64) -> String {
    with(|formats| call(&formats.number, &JsValue::from_f64(count as f64)))
}

/// A number with at most one digit after the point.
#[must_use]
pub fn decimal(value: f64) -> String {
    with(|formats| call(&formats.decimal, &JsValue::from_f64(value)))
}

/// The CLDR plural category of a count.
#[must_use]
pub fn plural_category(count: u64) -> String {
    with(|formats| String::from(formats.plural.select(count as f64)))
}

/// `08:52:01`, local time.
#[must_use]
pub fn clock(time: Timestamp) -> String {
    with(|formats| call_time(&formats.clock, time))
}

/// As short as can be without being ambiguous: `08:52` today, `18 Nov 08:52` this year, `18 Nov 2025` before.
#[must_use]
pub fn moment(time: Timestamp, now: Timestamp) -> String {
    with(|formats| {
        let [then, today] = [time, now].map(local_date);
        if then == today {
            call_time(&formats.clock_short, time)
        } else if then.0 == today.0 {
            format!("{} {}", call_time(&formats.day, time), call_time(&formats.clock_short, time))
        } else {
            call_time(&formats.day_year, time)
        }
    })
}

/// The time of today, or the day: for where it stands before how long ago that is.
#[must_use]
pub fn moment_brief(time: Timestamp, now: Timestamp) -> String {
    with(|formats| formats.day_of(time, now).unwrap_or_else(|| call_time(&formats.clock_short, time)))
}

/// Like [`moment`], to the second: `08:52:01`, `18 Nov 08:52:01`, `18 Nov 2025 08:52:01`.
#[must_use]
pub fn moment_exact(time: Timestamp, now: Timestamp) -> String {
    with(|formats| {
        let clock = call_time(&formats.clock, time);
        match formats.day_of(time, now) {
            Some(day) => format!("{day} {clock}"),
            None => clock,
        }
    })
}

/// Both zones, to the millisecond, on two lines: for tooltips and for copying.
#[must_use]
pub fn exact(time: Timestamp) -> String {
    with(|formats| format!("{}\n{}", formats.exact(time, false), formats.exact(time, true)))
}

/// Local time to the millisecond, with the zone.
#[must_use]
pub fn exact_local(time: Timestamp) -> String {
    with(|formats| formats.exact(time, false))
}

/// `3h ago`, in the narrow style of the language.
#[must_use]
pub fn relative(time: Timestamp, now: Timestamp) -> String {
    // Clocks differ: what seems to lie in the future has just happened.
    let ago_ms = (now.millis() - time.millis()).max(0);
    let (amount, unit) = match ago_ms {
        ms if ms < MINUTE_MS => (ms / SECOND_MS, "second"),
        ms if ms < HOUR_MS => (ms / MINUTE_MS, "minute"),
        ms if ms < DAY_MS => (ms / HOUR_MS, "hour"),
        ms => (ms / DAY_MS, "day"),
    };
    with(|formats| String::from(formats.relative.format(-(amount as f64), unit)))
}

/// The two largest units of a span: `3 hr 4 min`.
#[must_use]
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let units = match ms {
        ms if ms < MINUTE_MS => vec![(ms / SECOND_MS, "second")],
        ms if ms < HOUR_MS => vec![(ms / MINUTE_MS, "minute"), (ms % MINUTE_MS / SECOND_MS, "second")],
        ms if ms < DAY_MS => vec![(ms / HOUR_MS, "hour"), (ms % HOUR_MS / MINUTE_MS, "minute")],
        ms => vec![(ms / DAY_MS, "day"), (ms % DAY_MS / HOUR_MS, "hour")],
    };
    with(|formats| {
        let texts: Vec<String> = units
            .iter()
            .enumerate()
            .filter(|(at, (amount, _))| *at == 0 || *amount > 0)
            .map(|(_, (amount, unit))| formats.unit(*amount as f64, unit, "short"))
            .collect();
        texts.join(" ")
    })
}

/// The name of the zone that times are told in: the reader's, as in `Europe/Berlin`, or `UTC`.
#[must_use]
pub fn time_zone() -> String {
    with(|formats| formats.zone.clone())
}

/// A time as a date whose UTC parts are those of the zone that times are told in.
fn zoned(time: Timestamp) -> Date {
    let ms = time.millis() as f64;
    let date = Date::new(&JsValue::from_f64(ms));
    if is_utc() {
        return date;
    }
    Date::new(&JsValue::from_f64(ms - date.get_timezone_offset() * MINUTE_MS as f64))
}

/// Year, month and day of a time.
fn local_date(time: Timestamp) -> (u32, u32, u32) {
    let date = zoned(time);
    (date.get_utc_full_year(), date.get_utc_month(), date.get_utc_date())
}

/// The value of an `<input type=datetime-local>` that stands for the time: `2026-11-20T08:52`.
#[must_use]
pub fn to_local_input(time: Timestamp) -> String {
    // `2026-11-20T08:52:00.000Z`; years beyond 9999 would be longer, and no timestamp has them.
    String::from(zoned(time).to_iso_string()).chars().take(16).collect()
}

/// Reads what [`to_local_input`] writes, or the like with seconds; `None` for an empty or incomplete input.
#[must_use]
pub fn from_local_input(text: &str) -> Option<Timestamp> {
    // Without a zone, date and time together are local time by the standard of ECMAScript.
    let ms = if is_utc() { Date::parse(&format!("{text}Z")) } else { Date::parse(text) };
    (text.contains('T') && ms.is_finite()).then(|| Timestamp::from_millis(ms as i64))
}

/// An amount of a unit of time as it was written: `24 hr`, not a day.
#[must_use]
pub fn amount(amount: u32, unit: TimeUnit) -> String {
    let unit = match unit {
        TimeUnit::Second => "second",
        TimeUnit::Minute => "minute",
        TimeUnit::Hour => "hour",
        TimeUnit::Day => "day",
        TimeUnit::Week => "week",
    };
    with(|formats| formats.unit(f64::from(amount), unit, "short"))
}

/// How long a message was on its way: `0.2 s`, `12 ms`.
#[must_use]
pub fn latency(ms: f64) -> String {
    with(|formats| {
        if ms < 100.0 {
            formats.unit(ms.max(1.0).round(), "millisecond", "short")
        } else {
            formats.unit((ms / 100.0).round() / 10.0, "second", "narrow")
        }
    })
}

/// Day and minute, whatever the day, with the year unless it is this one: for the ends of a chosen range.
#[must_use]
pub fn minute(time: Timestamp) -> String {
    let is_this_year = local_date(time).0 == local_date(Timestamp::from_millis(Date::now() as i64)).0;
    with(|formats| {
        let day = if is_this_year { &formats.day } else { &formats.day_year };
        format!("{} {}", call_time(day, time), call_time(&formats.clock_short, time))
    })
}

/// Whether two times are of one day, in the zone that times are told in.
#[must_use]
pub fn is_same_day(a: Timestamp, b: Timestamp) -> bool {
    local_date(a) == local_date(b)
}

/// The time of day to the minute, whatever the day: `08:52`.
#[must_use]
pub fn clock_short(time: Timestamp) -> String {
    with(|formats| call_time(&formats.clock_short, time))
}

/// The day alone: `18 Nov`.
#[must_use]
pub fn day(time: Timestamp) -> String {
    with(|formats| call_time(&formats.day, time))
}

/// A share between 0 and 1: `97.2%`.
#[must_use]
pub fn percent(share: f64) -> String {
    let options = options(&[("style", "percent"), ("maximumFractionDigits", "1")]);
    with(|formats| {
        call(&Intl::NumberFormat::new(&formats.locales, &options).format(), &JsValue::from_f64(share))
    })
}

/// An amount of data: `1.3MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
    let power = (0..units.len() - 1).find(|power| count < 1_000_u64.pow(*power as u32 + 1));
    let power = power.unwrap_or(units.len() - 1);
    let amount = count as f64 / 1_000_f64.powi(power as i32);
    let rounded = if amount < 10.0 { (amount * 10.0).round() / 10.0 } else { amount.round() };
    with(|formats| formats.unit(rounded, units[power], "narrow"))
}

/// How far local time is ahead of UTC at that time, in milliseconds.
#[must_use]
pub fn zone_offset_ms(time: Timestamp) -> i64 {
    -(Date::new(&JsValue::from_f64(time.millis() as f64)).get_timezone_offset() as i64) * MINUTE_MS
}
