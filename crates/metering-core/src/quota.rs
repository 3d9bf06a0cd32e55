//! Monthly limits, their usage, and the thresholds of which owners are notified.

use crate::window::{UtcDay, UtcMonth};

/// The calls of a key in a month, as the ledger had them at the time of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MonthUsage {
    /// The month in which the calls were made.
    pub month: UtcMonth,
    /// The first day of the month that is not settled. Earlier days are not read again.
    pub settled_before: UtcDay,
    /// Number of calls on the days before `settled_before`.
    pub settled: u64,
    /// Number of calls on the other days of the month.
    pub recent: u64,
}

impl MonthUsage {
    /// Begins a read of a month's usage on the day `today`. Returns the days to read, both included, and the
    /// usage to which their calls are to be added. The settled days of `known` are not read again; yesterday
    /// is read again each time, because late records still arrive for it.
    pub fn begin_read(month: UtcMonth, known: Option<Self>, today: UtcDay) -> ([UtcDay; 2], Self) {
        let [first, last] = month.days();
        let from = known.map_or(first, |known| known.settled_before);
        let settled_before = today.plus_days(-1).clamp(from, month.next().first_day());
        let settled = known.map_or(0, |known| known.settled);
        ([from, last], Self { month, settled_before, settled, recent: 0 })
    }

    /// Adds calls of a day that was read.
    pub fn add(&mut self, day: UtcDay, calls: u64) {
        let part = if day < self.settled_before { &mut self.settled } else { &mut self.recent };
        *part += calls;
    }

    /// Returns the number of calls in the month.
    pub fn total(&self) -> u64 {
        self.settled + self.recent
    }
}

/// The state of a key's monthly limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Maximum number of billed calls per month.
    pub limit: u64,
    /// Number of billed calls in the month that the ledger has.
    pub used: u64,
    /// End of the month, in milliseconds since 1970.
    pub resets_at_ms: i64,
}

impl Quota {
    /// Compares the usage of a month with the limit.
    ///
    /// ```
    /// use metering_core::quota::{MonthUsage, Quota, Threshold};
    /// use metering_core::window::UtcMonth;
    ///
    /// let month = UtcMonth::at(1_795_509_270_000)?; // November 2026
    /// let usage = MonthUsage { month, settled_before: month.first_day(), settled: 0, recent: 800 };
    /// let quota = Quota::new(1_000, &usage);
    /// assert_eq!((quota.remaining(), quota.is_exhausted()), (200, false));
    /// assert_eq!(quota.threshold_reached(), Some(Threshold::Percent80));
    /// assert_eq!(quota.resets_at_ms, 1_796_083_200_000); // 2026-12-01T00:00:00Z
    /// # Ok::<(), metering_core::window::WindowError>(())
    /// ```
    pub fn new(limit: u64, usage: &MonthUsage) -> Self {
        Self { limit, used: usage.total(), resets_at_ms: usage.month.next().first_day().start_ms() }
    }

    /// Returns the number of calls that may still be made in the month.
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Returns `true` if no further call may be made in the month.
    pub fn is_exhausted(&self) -> bool {
        self.used >= self.limit
    }

    /// Returns the highest threshold that is reached. A limit of 0 has none: such a key is closed
    /// on purpose, and its owner is not notified.
    pub fn threshold_reached(&self) -> Option<Threshold> {
        if self.limit == 0 {
            return None;
        }
        Threshold::DESCENDING.into_iter().find(|threshold| {
            u128::from(self.used) * 100 >= u128::from(self.limit) * u128::from(threshold.percent())
        })
    }
}

/// A part of a limit. The owner of a key is notified when the usage reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Threshold {
    /// 80 percent of the limit.
    Percent80,
    /// The whole limit.
    Percent100,
}

impl Threshold {
    const DESCENDING: [Self; 2] = [Self::Percent100, Self::Percent80];

    /// Returns the part of the limit, in percent.
    pub fn percent(self) -> u8 {
        match self {
            Self::Percent80 => 80,
            Self::Percent100 => 100,
        }
    }

    /// Returns this threshold and those below it, the lowest first.
    pub fn up_to(self) -> impl Iterator<Item = Self> {
        Self::DESCENDING.into_iter().rev().filter(move |threshold| *threshold <= self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(settled: u64, recent: u64) -> MonthUsage {
        let month = UtcMonth::at(1_795_509_270_000).unwrap();
        MonthUsage { month, settled_before: month.first_day().plus_days(9), settled, recent }
    }

    #[test]
    fn a_month_resets_at_the_first_of_the_next() {
        let quota = Quota::new(100, &usage(60, 39));
        assert_eq!(quota.resets_at_ms, "2026-12-01".parse::<UtcDay>().unwrap().start_ms());
        assert_eq!((quota.remaining(), quota.is_exhausted()), (1, false));
        assert!(Quota::new(100, &usage(60, 40)).is_exhausted());
        assert_eq!(Quota::new(100, &usage(60, 400)).remaining(), 0);
    }

    #[test]
    fn yesterday_and_today_are_read_again_and_earlier_days_are_not() {
        let (month, day) = (UtcMonth::at(1_795_509_270_000).unwrap(), |text: &str| text.parse().unwrap());
        let (days, mut usage) = MonthUsage::begin_read(month, None, day("2026-11-24"));
        assert_eq!(days, [day("2026-11-01"), day("2026-11-30")]);
        for (text, calls) in [("2026-11-01", 1), ("2026-11-22", 2), ("2026-11-23", 4), ("2026-11-24", 8)] {
            usage.add(day(text), calls);
        }
        assert_eq!((usage.settled, usage.recent), (3, 12));
        let (days, usage) = MonthUsage::begin_read(month, Some(usage), day("2026-11-25"));
        assert_eq!((days[0], usage.total(), usage.settled_before), (day("2026-11-23"), 3, day("2026-11-24")));
        let (days, usage) = MonthUsage::begin_read(month, Some(usage), day("2026-11-20"));
        assert_eq!(
            (days[0], usage.settled_before),
            (day("2026-11-24"), day("2026-11-24")),
            "a clock set back"
        );
        let (days, usage) = MonthUsage::begin_read(month, None, day("2026-11-01"));
        assert_eq!((days[0], usage.settled_before), (day("2026-11-01"), day("2026-11-01")));
    }

    #[test]
    fn thresholds_are_reached_at_exactly_their_part() {
        let reached = |limit, used| Quota::new(limit, &usage(0, used)).threshold_reached();
        assert_eq!(reached(1_000, 799), None);
        assert_eq!(reached(1_000, 800), Some(Threshold::Percent80));
        assert_eq!(reached(1_000, 999), Some(Threshold::Percent80));
        assert_eq!(reached(1_000, 1_000), Some(Threshold::Percent100));
        assert_eq!(reached(0, 0), None, "a closed key");
        assert_eq!(reached(u64::MAX, u64::MAX - 1), Some(Threshold::Percent80));
        let all: Vec<u8> = Threshold::Percent100.up_to().map(Threshold::percent).collect();
        assert_eq!(all, [80, 100]);
    }
}
