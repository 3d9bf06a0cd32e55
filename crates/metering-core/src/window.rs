//! UTC hours, days and months: the windows in which usage is counted.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;

/// Length of an hour, in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// Length of a UTC day, in milliseconds. POSIX time has no leap seconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Number of hours in a day, and of hourly counters in a ledger row.
pub const HOURS_PER_DAY: usize = 24;

/// Returns the start of the hour that contains `at_ms`. Both are in milliseconds since 1970.
pub const fn hour_start_ms(at_ms: i64) -> i64 {
    at_ms.div_euclid(HOUR_MS) * HOUR_MS
}

/// Formats a time in milliseconds since 1970 as RFC 3339.
pub fn time_text(epoch_ms: i64) -> String {
    Timestamp::from_millisecond(epoch_ms)
        .map_or_else(|_| format!("{epoch_ms} ms since 1970"), |time| time.to_string())
}

/// A UTC calendar day, counted in days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcDay(i32);

/// A UTC calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcMonth(UtcDay);

impl UtcMonth {
    /// Returns the month that contains a time, in milliseconds since 1970.
    ///
    /// # Errors
    /// When the time is outside the years 0001 to 9999.
    pub fn at(epoch_ms: i64) -> Result<Self, WindowError> {
        Ok(Self(CallWindow::at(epoch_ms)?.day.first_of_month()))
    }

    /// Returns the first day of the month.
    pub fn first_day(self) -> UtcDay {
        self.0
    }

    /// Returns the first and the last day of the month.
    pub fn days(self) -> [UtcDay; 2] {
        [self.0, self.0.last_of_month()]
    }

    /// Returns the month after this one.
    #[must_use]
    pub fn next(self) -> Self {
        // 31 days after the first of a month is always in the next one.
        Self(self.0.plus_days(31).first_of_month())
    }
}

/// The hour of a UTC day in which a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallWindow {
    /// The UTC day of the request time.
    pub day: UtcDay,
    /// The hour of the day, 0 to 23.
    pub hour: u8,
}

/// A text or a number that is not a calendar day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The time is outside the years of a calendar day.
    #[error("{epoch_ms} ms since 1970 is outside the years 0001 to 9999")]
    OutOfRange {
        /// The time, in milliseconds since 1970.
        epoch_ms: i64,
    },
    /// The text is not a day in the form `YYYY-MM-DD`.
    #[error("a day is written YYYY-MM-DD, as in 2026-11-24")]
    NotADay,
}

impl UtcDay {
    /// 1970-01-01.
    pub const EPOCH: Self = Self(0);

    /// Returns the start of the day, in milliseconds since 1970.
    pub fn start_ms(self) -> i64 {
        i64::from(self.0) * DAY_MS
    }

    /// Returns the day that is `days` later, or earlier if `days` is negative.
    #[must_use]
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Returns the first day of the month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        let day_of_month = self.date().map_or(1, |date| i32::from(date.day()));
        self.plus_days(1 - day_of_month)
    }

    /// Returns the last day of the month.
    #[must_use]
    pub fn last_of_month(self) -> Self {
        UtcMonth(self.first_of_month()).next().first_day().plus_days(-1)
    }

    fn date(self) -> Option<Date> {
        let timestamp = Timestamp::from_millisecond(self.start_ms()).ok()?;
        Some(jiff::tz::Offset::UTC.to_datetime(timestamp).date())
    }
}

impl CallWindow {
    /// Returns the window of a call that was made at `epoch_ms` milliseconds since 1970.
    ///
    /// ```
    /// use metering_core::window::CallWindow;
    ///
    /// let window = CallWindow::at(1_795_509_270_000)?; // 2026-11-24T08:34:30Z
    /// assert_eq!((window.day.to_string().as_str(), window.hour), ("2026-11-24", 8));
    /// # Ok::<(), metering_core::window::WindowError>(())
    /// ```
    ///
    /// # Errors
    /// When the time is outside the years 0001 to 9999.
    pub fn at(epoch_ms: i64) -> Result<Self, WindowError> {
        let out_of_range = WindowError::OutOfRange { epoch_ms };
        if !(FIRST_MS..=LAST_MS).contains(&epoch_ms) {
            return Err(out_of_range);
        }
        let hours = epoch_ms.div_euclid(HOUR_MS);
        let day = i32::try_from(hours.div_euclid(24)).map_err(|_| out_of_range.clone())?;
        let hour = u8::try_from(hours.rem_euclid(24)).map_err(|_| out_of_range)?;
        Ok(Self { day: UtcDay(day), hour })
    }
}

/// 0001-01-01T00:00:00Z in milliseconds since 1970.
const FIRST_MS: i64 = -62_135_596_800_000;
/// 9999-12-30T22:00:00Z in milliseconds since 1970, the latest time that jiff supports with any offset.
const LAST_MS: i64 = 253_402_207_200_000;

impl fmt::Display for UtcDay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => write!(formatter, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
            None => write!(formatter, "day {} of 1970", self.0),
        }
    }
}

impl FromStr for UtcDay {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let date: Date = text.parse().map_err(|_| WindowError::NotADay)?;
        // Other forms of ISO 8601 are refused.
        if date.to_string() != text {
            return Err(WindowError::NotADay);
        }
        let midnight =
            jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).map_err(|_| WindowError::NotADay)?;
        CallWindow::at(midnight.as_millisecond()).map(|window| window.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_month_ends_on_its_last_day() {
        let day = |text: &str| text.parse::<UtcDay>().unwrap();
        for (any, last) in [
            ("2026-11-30", "2026-11-30"),
            ("2026-12-01", "2026-12-31"),
            ("2026-02-14", "2026-02-28"),
            ("2028-02-14", "2028-02-29"),
        ] {
            assert_eq!(day(any).last_of_month(), day(last), "{any}");
        }
    }

    proptest! {
        #[test]
        fn a_call_lies_inside_its_window(epoch_ms in FIRST_MS..=LAST_MS) {
            let window = CallWindow::at(epoch_ms).unwrap();
            let start = window.day.start_ms() + i64::from(window.hour) * HOUR_MS;
            prop_assert!(start <= epoch_ms && epoch_ms < start + HOUR_MS);
            prop_assert!(usize::from(window.hour) < HOURS_PER_DAY);
        }

        #[test]
        fn a_day_round_trips_through_its_text(epoch_ms in FIRST_MS..=LAST_MS) {
            let day = CallWindow::at(epoch_ms).unwrap().day;
            prop_assert_eq!(day.to_string().parse::<UtcDay>().unwrap(), day);
        }

        #[test]
        fn text_order_of_days_is_time_order(left in 0..LAST_MS, right in 0..LAST_MS) {
            let (a, b) = (CallWindow::at(left).unwrap().day, CallWindow::at(right).unwrap().day);
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        }

        #[test]
        fn the_next_month_begins_when_this_one_ends(epoch_ms in 0_i64..4_000_000_000_000) {
            let month = UtcMonth::at(epoch_ms).unwrap();
            let next_ms = month.next().first_day().start_ms();
            prop_assert!(month.first_day().start_ms() <= epoch_ms && epoch_ms < next_ms);
            prop_assert_eq!(UtcMonth::at(next_ms - 1).unwrap(), month);
            prop_assert_eq!(UtcMonth::at(next_ms).unwrap(), month.next());
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".*", number in any::<i64>()) {
            let _ = text.parse::<UtcDay>();
            let _ = CallWindow::at(number);
        }
    }

    #[test]
    fn an_hour_begins_at_or_before_its_times() {
        assert_eq!([0, 1, HOUR_MS - 1, HOUR_MS].map(hour_start_ms), [0, 0, 0, HOUR_MS]);
        assert_eq!([-1, 5 * HOUR_MS + 7].map(hour_start_ms), [-HOUR_MS, 5 * HOUR_MS]);
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in ["2026-02-29", "2026-13-01", "2026-1-01", "20261124", "", "2026-11-24T00"] {
            assert_eq!(text.parse::<UtcDay>(), Err(WindowError::NotADay), "{text}");
        }
    }
}
