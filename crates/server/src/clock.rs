//! The one place that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use rollcall_model::Timestamp;

/// Now, by the machine's clock.
#[must_use]
pub fn now() -> Timestamp {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}
