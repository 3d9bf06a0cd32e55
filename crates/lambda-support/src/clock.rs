//! The only place of the meter that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// The present time, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
