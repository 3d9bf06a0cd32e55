//! Monthly limits: how much of one is used, and when to say so.

use crate::window::{UtcDay, UtcMonth};

/// The calls of a key in a month, as far as they were known when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MonthUsage {
    /// The month.
    pub month: UtcMonth,
    /// Days of the month before this one are in `settled` and need not be read again.
    pub settled_before: UtcDay,
    /// The calls of the days before `settled_before`.
    pub settled: u64,
    /// The calls since.
    pub recent: u64,
}

impl MonthUsage {
    /// All calls of the month.
    pub fn total(&self) -> u64 {
        self.settled + self.recent
    }
}

/// How a key stands against its monthly limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The limit, in successful calls.
    pub limit: u64,
    /// The calls that the ledger has.
    pub used: u64,
    /// When the month ends, in milliseconds since 1970.
    pub resets_at_ms: i64,
}

impl Quota {
    /// What this usage leaves of a limit.
    pub fn of(limit: u64, usage: &MonthUsage) -> Self {
        Self { limit, used: usage.total(), resets_at_ms: usage.month.next().first_day().start_ms() }
    }

    /// Calls that may still be made.
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Whether no further call may be made.
    pub fn is_exhausted(&self) -> bool {
        self.used >= self.limit
    }

    /// The highest threshold that has been reached; none of a limit of 0, which
    /// is a closed key and no news.
    pub fn threshold_reached(&self) -> Option<Threshold> {
        if self.limit == 0 {
            return None;
        }
        Threshold::DESCENDING.into_iter().find(|threshold| {
            u128::from(self.used) * 100 >= u128::from(self.limit) * u128::from(threshold.percent())
        })
    }
}

/// A part of a limit at which somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Threshold {
    /// Four fifths of the limit.
    Percent80,
    /// All of the limit.
    Percent100,
}

impl Threshold {
    const DESCENDING: [Self; 2] = [Self::Percent100, Self::Percent80];

    /// The part of the limit, in percent.
    pub fn percent(self) -> u8 {
        match self {
            Self::Percent80 => 80,
            Self::Percent100 => 100,
        }
    }

    /// This threshold and those below it, the lowest first.
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
        let quota = Quota::of(100, &usage(60, 39));
        assert_eq!(quota.resets_at_ms, "2026-12-01".parse::<UtcDay>().unwrap().start_ms());
        assert_eq!((quota.remaining(), quota.is_exhausted()), (1, false));
        assert!(Quota::of(100, &usage(60, 40)).is_exhausted());
        assert_eq!(Quota::of(100, &usage(60, 400)).remaining(), 0);
    }

    #[test]
    fn thresholds_are_reached_at_exactly_their_part() {
        let reached = |limit, used| Quota::of(limit, &usage(0, used)).threshold_reached();
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
