//! The clocks of the system. No other crate reads one. Rules get the time as an argument.

#![warn(missing_docs)]

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Returns the present time, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Returns the microseconds since the first call of this function, from a
/// monotonic clock. It may stop while the execution environment is frozen.
pub fn monotonic_us() -> u64 {
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}
