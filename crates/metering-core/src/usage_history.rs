//! The usage of a key by day.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use crate::fingerprint::Fingerprint;
use crate::window::{HOURS_PER_DAY, UtcDay};

/// The usage of one day, added up over all shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayUsage {
    /// Number of calls in each UTC hour of the day.
    pub hours: [u64; HOURS_PER_DAY],
    /// Fingerprint of the calls of the day; `None` if some of them were counted in rows that have none.
    pub fingerprint: Option<Fingerprint>,
    /// Request time of the latest call in the ledger, in milliseconds since 1970.
    pub last_call_ms: i64,
}

impl Default for DayUsage {
    /// A day without calls.
    fn default() -> Self {
        let fingerprint = Some(Fingerprint::default());
        Self { hours: [0; HOURS_PER_DAY], fingerprint, last_call_ms: 0 }
    }
}

impl DayUsage {
    /// Returns the number of calls on the day.
    pub fn total(&self) -> u64 {
        self.hours.iter().sum()
    }
}

impl AddAssign for DayUsage {
    fn add_assign(&mut self, other: Self) {
        for (calls, added) in self.hours.iter_mut().zip(other.hours) {
            *calls += added;
        }
        self.fingerprint = self.fingerprint.zip(other.fingerprint).map(|(sum, added)| sum + added);
        self.last_call_ms = self.last_call_ms.max(other.last_call_ms);
    }
}

/// The usage of one key. Days without calls are left out.
pub type KeyUsage = BTreeMap<UtcDay, DayUsage>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_day_has_its_first_and_its_last_hour() {
        let mut day = DayUsage::default();
        assert_eq!(day.total(), 0);
        day.hours[0] = 3;
        day.hours[HOURS_PER_DAY - 1] = 4;
        assert_eq!(day.total(), 7);
    }

    #[test]
    fn days_are_added_hour_by_hour_with_their_fingerprints_and_the_latest_call() {
        let day = |calls: u64, sum: u128, last_call_ms: i64| {
            let mut hours = [0; HOURS_PER_DAY];
            hours[7] = calls;
            DayUsage { hours, fingerprint: Some(Fingerprint::from_sum(sum)), last_call_ms }
        };
        let mut sum = day(1, 10, 50);
        sum += day(2, 20, 40);
        assert_eq!(sum, day(3, 30, 50));
        sum += DayUsage { fingerprint: None, ..day(1, 0, 60) };
        assert_eq!((sum.hours[7], sum.fingerprint, sum.last_call_ms), (4, None, 60));
    }
}
