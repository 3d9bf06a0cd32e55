//! Which of the key's calls the ledger shows.
//!
//! The ledger counts calls and does not name them, so a count that has risen
//! may show an earlier call that was late. What it tells of single calls is
//! the time of the key's latest one, by API Gateway's clock. A call is shown
//! when that time lies in its own: from when it was sent to when it was
//! answered, give or take what two clocks may differ by. An earlier call is
//! before that, and a later one after it.
//!
//! - A missed call that is counted while a later one is awaited changes nothing
//!   for that one: its time is an earlier one.
//! - A call that is first seen beside a later one is a miss: it has waited for
//!   as long as lies between two calls.
//! - Of two calls within [`CLOCK_DIFFERENCE_MS`], as when an invocation comes
//!   twice, each may be taken for the other: what is measured then is the time
//!   of that which is counted first.

use metering_core::usage_history::KeyUsage;
use metering_core::window::{CallWindow, UtcDay, WindowError};

/// By how much this machine's clock and API Gateway's may differ, in
/// milliseconds; an HTTP API tells the time of a call in whole seconds.
pub const CLOCK_DIFFERENCE_MS: i64 = 5_000;

/// A call that was answered, and is awaited in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwaitedCall {
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: i64,
    /// When it was answered, in milliseconds since 1970.
    pub answered_ms: i64,
}

/// What the ledger tells of an awaited call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// Nothing yet.
    NotYet,
    /// It is counted.
    Shown,
    /// A later one is counted.
    Overtaken,
}

impl AwaitedCall {
    /// What the usage of its key tells of it.
    pub fn in_usage(&self, usage: &KeyUsage) -> Sighting {
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

    /// The days whose usage tells of it, as long as it is awaited until `now_ms`.
    ///
    /// # Errors
    /// When a time is none that usage has days for.
    pub fn days(&self, now_ms: i64) -> Result<(UtcDay, UtcDay), WindowError> {
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
            // An HTTP API's whole second, and a clock that is behind.
            (&[SENT_MS - 999 - 4_000], Sighting::Shown),
            (&[SENT_MS + 300 + 5_000], Sighting::Shown),
            (&[SENT_MS + MINUTE_MS], Sighting::Overtaken),
            (&[SENT_MS + 100, SENT_MS + MINUTE_MS], Sighting::Overtaken),
        ] {
            assert_eq!(CALL.in_usage(&usage(last_calls_ms)), sighting, "{last_calls_ms:?}");
        }
    }

    #[test]
    fn an_earlier_call_that_is_counted_late_is_not_taken_for_it() {
        let before = usage(&[SENT_MS - 2 * MINUTE_MS]);
        let mut after = usage(&[SENT_MS - 2 * MINUTE_MS, SENT_MS - MINUTE_MS]);
        let calls = |usage: &KeyUsage| usage.values().map(DayUsage::total).sum::<u64>();
        assert!(calls(&after) > calls(&before), "the count has risen");
        assert_eq!(CALL.in_usage(&after), Sighting::NotYet);
        after.append(&mut usage(&[SENT_MS + 2_500]));
        assert_eq!(CALL.in_usage(&after), Sighting::Shown, "the next day has a row of its own");
    }

    #[test]
    fn the_days_around_midnight_are_read() {
        let (from, to) = CALL.days(SENT_MS + 1_000).unwrap();
        assert_eq!((from.to_string(), to.to_string()), ("2026-11-24".into(), "2026-11-25".into()));
        let noon = AwaitedCall { sent_ms: SENT_MS - 43_200_000, answered_ms: SENT_MS - 43_199_000 };
        let (from, to) = noon.days(noon.answered_ms).unwrap();
        assert_eq!(from, to);
        assert!(AwaitedCall { sent_ms: 0, answered_ms: i64::MAX }.days(0).is_err());
    }
}
