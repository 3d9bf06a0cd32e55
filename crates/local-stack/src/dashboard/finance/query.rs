//! What a report is about: a range of days of a time zone, and the properties by which usage is grouped.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use system_clock::now_ms;
use usage_report::groups::{NotAProperty, Property};
use usage_report::periods::{Period, Periods, time_zone};

/// Maximum number of days of a report, which is that of a leap year.
const MAX_DAYS: i32 = 366;

/// The range of days, as the page asks for it.
#[derive(Debug, Default, Deserialize)]
pub struct RangeParameters {
    /// First day, YYYY-MM-DD; by default the first of the month of the last day.
    #[serde(default)]
    from: String,
    /// Last day, YYYY-MM-DD; by default today.
    #[serde(default)]
    to: String,
    /// Time zone, as in `Europe/Berlin`; by default UTC.
    #[serde(default)]
    zone: String,
}

/// A range of days of a time zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    pub from: Date,
    pub to: Date,
    pub zone: String,
}

impl Span {
    /// Reads a range.
    ///
    /// # Errors
    /// Returns a text for the reader when a day or the zone is malformed, the range is empty or too long, or a day is out
    /// of range or begins within a UTC hour.
    pub fn new(RangeParameters { from, to, zone }: &RangeParameters) -> Result<Self, String> {
        let zone = if zone.is_empty() { "UTC" } else { zone };
        let now = Timestamp::from_millisecond(now_ms()).map_err(|error| error.to_string())?;
        let today = time_zone(zone).map_err(|error| error.to_string())?.to_datetime(now).date();
        let day = |text: &str, usual: Date| match text {
            "" => Ok(usual),
            text => text.parse().map_err(|_| format!("{text:?} is not a day; write it as YYYY-MM-DD")),
        };
        let to: Date = day(to, today)?;
        let from: Date = day(from, to.first_of_month())?;
        let days = (to - from).get_days() + 1;
        let span = match days {
            1..=MAX_DAYS => Self { from, to, zone: zone.to_owned() },
            ..1 => return Err(format!("the first day {from} is after the last day {to}")),
            _ => return Err(format!("{days} days are more than {MAX_DAYS}; choose a shorter range")),
        };
        span.periods(Period::Total)?;
        Ok(span)
    }

    /// Returns the periods of the range.
    ///
    /// # Errors
    /// When a day of the zone does not begin with a UTC hour.
    pub fn periods(&self, by: Period) -> Result<Periods, String> {
        let zone = time_zone(&self.zone).map_err(|error| error.to_string())?;
        Periods::new([self.from, self.to], zone, by).map_err(|error| error.to_string())
    }

    /// Returns the name of the range, as in `2026-11-01/2026-11-30`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.from, self.to)
    }

    /// Returns the name of a file with the usage of the range, as in `usage-2026-11-01-2026-11-30.csv`. It ends with
    /// the time zone unless that is UTC.
    pub fn file_name(&self) -> String {
        let Self { from, to, zone } = self;
        let zone = if zone == "UTC" { String::new() } else { format!("-{}", zone.replace('/', "-")) };
        format!("usage-{from}-{to}{zone}.csv")
    }

    /// Returns `true` if the range is within a UTC month, for which keys have limits.
    pub fn is_within_month(&self) -> bool {
        self.zone == "UTC" && self.from.first_of_month() == self.to.first_of_month()
    }
}

/// The range and the groups of a report.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReportQuery {
    pub span: Span,
    pub by: Vec<Property>,
}

impl ReportQuery {
    /// Reads a query. Usage is grouped by customer and key if no properties are named.
    ///
    /// # Errors
    /// When a part of it is malformed.
    pub fn new(range: &RangeParameters, by: &str) -> Result<Self, String> {
        let names = if by.is_empty() { "customer,key" } else { by };
        let named: Result<Vec<Property>, NotAProperty> = names.split(',').map(str::parse).collect();
        let named = named.map_err(|error| error.to_string())?;
        // Each property once and in the same order, so that a report is kept once.
        let mut by = vec![Property::Customer, Property::Key, Property::Class];
        by.retain(|property| named.contains(property));
        Ok(Self { span: Span::new(range)?, by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(from: &str, to: &str, zone: &str, by: &str) -> Result<ReportQuery, String> {
        let [from, to, zone] = [from, to, zone].map(str::to_owned);
        ReportQuery::new(&RangeParameters { from, to, zone }, by)
    }

    #[test]
    fn a_range_is_the_present_month_unless_it_is_named() {
        let usual = query("", "", "", "").unwrap();
        assert_eq!(usual.span.from, usual.span.to.first_of_month());
        assert_eq!(usual.by, [Property::Customer, Property::Key]);
        let october = query("", "2026-10-31", "Europe/Berlin", "class").unwrap();
        assert_eq!(october.span.name(), "2026-10-01/2026-10-31");
        assert_eq!(october.span.file_name(), "usage-2026-10-01-2026-10-31-Europe-Berlin.csv");
        assert!(!october.span.is_within_month(), "limits are for UTC months");
        assert!(query("2026-10-05", "2026-10-31", "", "").unwrap().span.is_within_month());
        assert!(!query("2026-10-05", "2026-11-01", "", "").unwrap().span.is_within_month());
    }

    #[test]
    fn the_same_properties_are_the_same_query() {
        let by = |by| query("2026-11-01", "2026-11-02", "", by).unwrap();
        assert_eq!(by("class,key,class"), by("key,class"));
        assert_eq!(by("").span.file_name(), "usage-2026-11-01-2026-11-02.csv");
    }

    #[test]
    fn what_is_malformed_is_named() {
        let problem = |from, to, zone, by| query(from, to, zone, by).unwrap_err();
        assert_eq!(problem("1", "", "", ""), "\"1\" is not a day; write it as YYYY-MM-DD");
        assert!(problem("2026-11-02", "2026-11-01", "", "").contains("is after the last day"));
        assert!(query("2024-01-01", "2024-12-31", "", "").is_ok(), "a leap year");
        assert!(problem("2024-01-01", "2025-01-01", "", "").starts_with("367 days are more than 366"));
        assert!(problem("", "", "Berlin", "").contains("there is no time zone \"Berlin\""));
        let within_hour = problem("2026-11-01", "2026-11-02", "Asia/Kolkata", "");
        assert!(within_hour.contains("Asia/Kolkata is +05:30 from UTC"), "{within_hour}");
        assert!(problem("", "", "", "owner").contains("customer, key or class"));
    }
}
