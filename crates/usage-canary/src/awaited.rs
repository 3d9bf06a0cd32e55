//! Recognition of the canary's call in the ledger.
//!
//! The ledger counts calls and does not name them, so a higher count may come
//! from an earlier call that was late. The ledger also has the time of the key's
//! latest call, by API Gateway's clock. A call is shown if that time is between
//! request and response of the call, with a tolerance for the difference of two
//! clocks. An earlier call is before that, and a later call after it.
//!
//! - A missed call that is counted while the canary waits for a later one does
//!   not affect the later one, because its time is earlier.
//! - A call that is first seen together with a later one is a miss: it was late
//!   by at least the time between two calls.
//! - Two calls within [`CLOCK_DIFFERENCE_MS`], as after a duplicate invocation,
//!   cannot be distinguished. The measured time is then that of the call that is
//!   counted first.

use metering_core::usage_history::KeyUsage;
use metering_core::window::{CallWindow, UtcDay, WindowError};

/// Maximum difference between this machine's clock and API Gateway's, in
/// milliseconds. An HTTP API logs the time of a call in whole seconds.
pub const CLOCK_DIFFERENCE_MS: i64 = 5_000;

/// A call that was answered, and that the ledger does not show yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwaitedCall {
    /// Time of the request, in milliseconds since 1970.
    pub sent_ms: i64,
    /// Time of the response, in milliseconds since 1970.
    pub answered_ms: i64,
}

/// What the ledger shows of an awaited call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// The call is not counted yet.
    NotYet,
    /// The call is counted.
    Shown,
    /// A later call is counted.
    Overtaken,
}

impl AwaitedCall {
    /// Looks for the call in the usage of its key.
    pub fn find_in(&self, usage: &KeyUsage) -> Sighting {
        let last_call_ms = usage.values().map(|day| day.last_call_ms).max().unwrap_or(i64::MIN);
        if last_call_ms < self.earliest_ms() {
            Sighting::NotYet
        } else if last_call_ms <= self.answered_ms.saturating_add(CLOCK_DIFFERENCE_MS) {
            Sighting::Shown
        } else {
            Sighting::Overtaken
        }
    }

    fn earliest_ms(&self) -> i64 {
        self.sent_ms.saturating_sub(CLOCK_DIFFERENCE_MS)
    }

    /// Returns the first and last day in whose usage the call may appear by `now_ms`.
    ///
    /// # Errors
    /// When a time is outside the range of days in the ledger.
    pub fn possible_days(&self, now_ms: i64) -> Result<(UtcDay, UtcDay), WindowError> {
        let last_ms = now_ms.max(self.answered_ms).saturating_add(CLOCK_DIFFERENCE_MS);
        Ok((CallWindow::at(self.earliest_ms())?.day, CallWindow::at(last_ms)?.day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metering_core::usage_history::DayUsage;

    /// 2026-11-24T23:59:58Z, shortly before midnight.
    const SENT_MS: i64 = 1_795_564_798_000;
    const CALL: AwaitedCall = AwaitedCall { sent_ms: SENT_MS, answered_ms: SENT_MS + 300 };
    const MINUTE_MS: i64 = 60_000;

    fn usage(last_calls_ms: &[i64]) -> KeyUsage {
        let mut usage = KeyUsage::new();
        for &last_call_ms in last_calls_ms {
            let window = CallWindow::at(last_call_ms).unwrap();
            let day: &mut DayUsage = usage.entry(window.day).or_default();
            day.hours[usize::from(window.hour)] += 1;
            day.last_call_ms = day.last_call_ms.max(last_call_ms);
        }
        usage
    }

    #[test]
    fn a_call_is_shown_by_its_own_time_alone() {
        for (last_calls_ms, sighting) in [
            (&[][..], Sighting::NotYet),
            (&[SENT_MS - MINUTE_MS], Sighting::NotYet),
            (&[SENT_MS + 100], Sighting::Shown),
            (&[SENT_MS - MINUTE_MS, SENT_MS + 100], Sighting::Shown),
            // The whole second of an HTTP API, and a clock that is behind.
            (&[SENT_MS - 999 - 4_000], Sighting::Shown),
            (&[SENT_MS + 300 + 5_000], Sighting::Shown),
            (&[SENT_MS + MINUTE_MS], Sighting::Overtaken),
            (&[SENT_MS + 100, SENT_MS + MINUTE_MS], Sighting::Overtaken),
        ] {
            assert_eq!(CALL.find_in(&usage(last_calls_ms)), sighting, "{last_calls_ms:?}");
        }
    }

    #[test]
    fn an_earlier_call_that_is_counted_late_is_not_taken_for_it() {
        let before = usage(&[SENT_MS - 2 * MINUTE_MS]);
        let mut after = usage(&[SENT_MS - 2 * MINUTE_MS, SENT_MS - MINUTE_MS]);
        let calls = |usage: &KeyUsage| usage.values().map(DayUsage::total).sum::<u64>();
        assert!(calls(&after) > calls(&before), "the count has risen");
        assert_eq!(CALL.find_in(&after), Sighting::NotYet);
        after.append(&mut usage(&[SENT_MS + 2_500]));
        assert_eq!(CALL.find_in(&after), Sighting::Shown, "the next day has its own row");
    }

    #[test]
    fn the_days_around_midnight_are_read() {
        let (from, to) = CALL.possible_days(SENT_MS + 1_000).unwrap();
        assert_eq!((from.to_string(), to.to_string()), ("2026-11-24".into(), "2026-11-25".into()));
        let noon = AwaitedCall { sent_ms: SENT_MS - 43_200_000, answered_ms: SENT_MS - 43_199_000 };
        let (from, to) = noon.possible_days(noon.answered_ms).unwrap();
        assert_eq!(from, to);
        assert!(AwaitedCall { sent_ms: 0, answered_ms: i64::MAX }.possible_days(0).is_err());
    }
}
