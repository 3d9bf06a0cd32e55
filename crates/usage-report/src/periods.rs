//! The periods of a report: hours, days or months of a time zone.

use std::collections::HashMap;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use metering_core::window::{HOURS_PER_DAY, UtcDay};

use crate::source::{HourUsage, UsageRow, hour_starts_ms};

/// Seconds of an hour.
const HOUR_S: i32 = 3_600;

/// The length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Period {
    /// An hour, named by its local time
    Hour,
    /// A day of the time zone
    Day,
    /// A month of the time zone
    Month,
    /// All days of the report together
    Total,
}

/// A text that is not the length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("usage is added up by hour, day, month or total")]
pub struct NotAPeriod;

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        match text {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            "month" => Ok(Self::Month),
            "total" => Ok(Self::Total),
            _ => Err(NotAPeriod),
        }
    }
}

/// Days or a time zone for which there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// No time zone has this name.
    #[error("there is no time zone {zone:?}; write it as Europe/Berlin")]
    NoSuchZone {
        /// The name that was asked for.
        zone: String,
    },
    /// Days of the zone begin within a UTC hour.
    #[error(
        "usage is counted by UTC hours, and {zone} is {offset} from UTC: its days begin within an hour. Use a time zone of whole hours"
    )]
    WithinHour {
        /// Name of the zone.
        zone: String,
        /// Difference of the zone from UTC.
        offset: String,
    },
    /// A day is not in the calendar of the ledger.
    #[error("the day {day} is out of range")]
    OutOfRange {
        /// The day that was asked for.
        day: Date,
    },
}

/// Returns the time zone with a name, such as `Europe/Berlin`.
///
/// # Errors
/// Fails if no time zone has this name.
pub fn time_zone(name: &str) -> Result<TimeZone, PeriodError> {
    TimeZone::get(name).map_err(|_| PeriodError::NoSuchZone { zone: name.to_owned() })
}

/// The periods from one local day to another, both included.
#[derive(Debug)]
pub struct Periods {
    first: Date,
    last: Date,
    zone: TimeZone,
    by: Period,
    /// Names of the periods, in the order of time.
    names: Vec<String>,
    /// The period of each UTC hour, by UTC day; `None` for an hour outside of the days.
    of_hours: HashMap<UtcDay, [Option<usize>; HOURS_PER_DAY]>,
}

impl Periods {
    /// Returns the periods of the days from `first` to `last` in a time zone.
    ///
    /// # Errors
    /// When a day of the zone does not begin with a UTC hour, in which usage is counted.
    pub fn new([first, last]: [Date; 2], zone: TimeZone, by: Period) -> Result<Self, PeriodError> {
        let mut periods = Self { first, last, zone, by, names: Vec::new(), of_hours: HashMap::new() };
        let utc = |day: Date| day.to_string().parse::<UtcDay>().map_err(|_| PeriodError::OutOfRange { day });
        let to = utc(last)?.plus_days(1);
        let mut day = utc(first)?.plus_days(-1);
        while day <= to {
            let of_hours = periods.of_day(day)?;
            if of_hours.iter().any(Option::is_some) {
                periods.of_hours.insert(day, of_hours);
            }
            day = day.plus_days(1);
        }
        Ok(periods)
    }

    /// Returns the first and the last UTC day with an hour of the periods.
    pub fn utc_days(&self) -> [UtcDay; 2] {
        let days = self.of_hours.keys();
        let [first, last] = [days.clone().min(), days.max()];
        [first, last].map(|day| day.copied().unwrap_or(UtcDay::EPOCH))
    }

    /// Returns the name of a period.
    pub fn name(&self, period: usize) -> &str {
        &self.names[period]
    }

    /// Returns the usage of a row in the periods, by hour, each with its period.
    pub fn of_row(&self, row: &UsageRow) -> impl Iterator<Item = (usize, HourUsage)> {
        let of_hours = self.of_hours.get(&row.breakdown.day).into_iter().flatten();
        of_hours.zip(row.by_hour()).filter_map(|(period, usage)| Some(((*period)?, usage?)))
    }

    /// Returns the hours of a UTC day that are in the periods, each with its period and its start, in milliseconds since
    /// 1970.
    pub fn hours_of(&self, day: UtcDay) -> impl Iterator<Item = (usize, i64)> {
        let of_hours = self.of_hours.get(&day).into_iter().flatten();
        of_hours.zip(hour_starts_ms(day)).filter_map(|(period, start_ms)| Some(((*period)?, start_ms)))
    }

    fn of_day(&mut self, day: UtcDay) -> Result<[Option<usize>; HOURS_PER_DAY], PeriodError> {
        let mut periods = [None; HOURS_PER_DAY];
        for (period, start_ms) in periods.iter_mut().zip(hour_starts_ms(day)) {
            let start = Timestamp::from_millisecond(start_ms)
                .map_err(|_| PeriodError::OutOfRange { day: self.last })?;
            let offset = self.zone.to_offset(start);
            if offset.seconds() % HOUR_S != 0 {
                return Err(PeriodError::WithinHour {
                    zone: self.zone.iana_name().unwrap_or("the time zone").to_owned(),
                    offset: offset.to_string(),
                });
            }
            let local = self.zone.to_datetime(start);
            if (self.first..=self.last).contains(&local.date()) {
                let name = match self.by {
                    Period::Hour if offset.is_zero() => local.strftime("%Y-%m-%dT%HZ").to_string(),
                    Period::Hour => format!("{}{offset}", local.strftime("%Y-%m-%dT%H")),
                    Period::Day => local.date().to_string(),
                    Period::Month => local.strftime("%Y-%m").to_string(),
                    Period::Total => format!("{}/{}", self.first, self.last),
                };
                *period = Some(self.place(name));
            }
        }
        Ok(periods)
    }

    fn place(&mut self, name: String) -> usize {
        if self.names.last() != Some(&name) {
            self.names.push(name);
        }
        self.names.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use metering_core::metered_key::CallBreakdown;
    use metering_core::window::HOUR_MS;

    use super::*;

    fn periods(days: [&str; 2], zone: &str, by: Period) -> Result<Periods, PeriodError> {
        Periods::new(days.map(|day| day.parse().unwrap()), TimeZone::get(zone).unwrap(), by)
    }

    /// The periods of one call in each hour of a UTC day.
    fn row_without_calls(day: &str) -> UsageRow {
        let breakdown = CallBreakdown::of_key("key-1", day.parse().unwrap()).into();
        let (hours, response_bytes) = ([0; HOURS_PER_DAY], [0; HOURS_PER_DAY]);
        UsageRow { breakdown, hours, response_bytes, last_call_ms: 0 }
    }

    fn of_day(periods: &Periods, day: &str) -> Vec<(String, u64)> {
        let mut found: Vec<(String, u64)> = Vec::new();
        for (period, usage) in
            periods.of_row(&UsageRow { hours: [1; HOURS_PER_DAY], ..row_without_calls(day) })
        {
            let name = periods.name(period);
            match found.last_mut() {
                Some((last, sum)) if last == name => *sum += usage.calls,
                _ => found.push((name.to_owned(), usage.calls)),
            }
        }
        found
    }

    #[test]
    fn a_day_of_a_zone_begins_at_its_midnight() {
        let berlin = periods(["2026-11-24", "2026-11-25"], "Europe/Berlin", Period::Day).unwrap();
        let day = |day: &str, calls| (format!("2026-11-{day}"), calls);
        assert_eq!(of_day(&berlin, "2026-11-23"), [day("24", 1)]);
        assert_eq!(of_day(&berlin, "2026-11-24"), [day("24", 23), day("25", 1)]);
        assert_eq!(of_day(&berlin, "2026-11-25"), [day("25", 23)]);
        assert_eq!(of_day(&berlin, "2026-11-26"), []);
    }

    #[test]
    fn the_hour_that_a_zone_has_twice_is_two_periods() {
        let berlin = periods(["2026-10-25", "2026-10-25"], "Europe/Berlin", Period::Hour).unwrap();
        let hours: Vec<String> = of_day(&berlin, "2026-10-25").into_iter().map(|(name, _)| name).collect();
        assert_eq!(&hours[..2], ["2026-10-25T02+02", "2026-10-25T02+01"]);
        let days = periods(["2026-10-25", "2026-10-25"], "Europe/Berlin", Period::Day).unwrap();
        let calls = ["2026-10-24", "2026-10-25"].map(|day| of_day(&days, day)[0].1);
        assert_eq!(calls.iter().sum::<u64>(), 25);
    }

    #[test]
    fn months_and_hours_of_utc_have_their_usual_names() {
        let months = periods(["2026-11-30", "2026-12-01"], "UTC", Period::Month).unwrap();
        assert_eq!(of_day(&months, "2026-11-30"), [("2026-11".to_owned(), 24)]);
        assert_eq!(of_day(&months, "2026-12-01"), [("2026-12".to_owned(), 24)]);
        let hours = periods(["2026-11-30", "2026-11-30"], "UTC", Period::Hour).unwrap();
        assert_eq!(of_day(&hours, "2026-11-30")[23], ("2026-11-30T23Z".to_owned(), 1));
        let total = periods(["2026-11-30", "2026-12-01"], "UTC", Period::Total).unwrap();
        assert_eq!(of_day(&total, "2026-12-01"), [("2026-11-30/2026-12-01".to_owned(), 24)]);
    }

    #[test]
    fn each_call_has_the_start_of_its_hour() {
        let days = periods(["1970-01-02", "1970-01-02"], "UTC", Period::Day).unwrap();
        let mut row = row_without_calls("1970-01-02");
        (row.hours[0], row.hours[23], row.response_bytes[23]) = (5, 7, 900);
        let usage =
            |hour, calls, response_bytes| HourUsage { start_ms: hour * HOUR_MS, calls, response_bytes };
        assert_eq!(days.of_row(&row).collect::<Vec<_>>(), [(0, usage(24, 5, 0)), (0, usage(47, 7, 900))]);
    }

    #[test]
    fn periods_and_zones_have_names() {
        assert_eq!(
            ["hour", "day", "month", "total"].map(str::parse),
            [Ok(Period::Hour), Ok(Period::Day), Ok(Period::Month), Ok(Period::Total)]
        );
        assert_eq!("week".parse::<Period>(), Err(NotAPeriod));
        assert!(time_zone("Europe/Berlin").is_ok());
        let problem = time_zone("Berlin").unwrap_err().to_string();
        assert_eq!(problem, "there is no time zone \"Berlin\"; write it as Europe/Berlin");
    }

    #[test]
    fn a_zone_whose_days_begin_within_a_utc_hour_is_refused() {
        let problem =
            periods(["2026-11-24", "2026-11-24"], "Asia/Kolkata", Period::Day).unwrap_err().to_string();
        assert!(problem.contains("Asia/Kolkata is +05:30 from UTC"), "{problem}");
    }
}
