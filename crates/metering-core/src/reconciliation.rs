//! The ledger against an independent count: what is missing, what is too much.

use std::collections::{BTreeMap, BTreeSet};

use crate::window::HOUR_MS;

/// Calls by key and by the start of their hour, in milliseconds since 1970.
pub type HourlyCalls = BTreeMap<(String, i64), u64>;

/// Calls of all keys by the start of their hour, in milliseconds since 1970.
pub type HourlyTotals = BTreeMap<i64, u64>;

/// An hour of a key in which the two counts differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub api_key_id: String,
    /// The start of the hour, in milliseconds since 1970.
    pub hour_start_ms: i64,
    /// Calls in the access log.
    pub logged: u64,
    /// Calls in the ledger.
    pub counted: u64,
}

impl Difference {
    /// Calls that the ledger lacks.
    pub fn missing(&self) -> u64 {
        self.logged.saturating_sub(self.counted)
    }

    /// Calls that the ledger has beyond the access log.
    pub fn surplus(&self) -> u64 {
        self.counted.saturating_sub(self.logged)
    }
}

/// What the comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// All calls in the access log.
    pub logged: u64,
    /// All calls in the ledger.
    pub counted: u64,
    /// Where they differ, by key and hour.
    pub differences: Vec<Difference>,
}

impl Reconciliation {
    /// Compares two counts of the same hours, key by key: what is missing of
    /// one key and too much of another are two faults, and no balance.
    pub fn of(logged: &HourlyCalls, counted: &HourlyCalls) -> Self {
        let mut result =
            Self { logged: logged.values().sum(), counted: counted.values().sum(), ..Self::default() };
        let places: BTreeSet<&(String, i64)> = logged.keys().chain(counted.keys()).collect();
        for place in places {
            let calls = |count: &HourlyCalls| count.get(place).copied().unwrap_or(0);
            let (logged, counted) = (calls(logged), calls(counted));
            if logged != counted {
                let (api_key_id, hour_start_ms) = place.clone();
                result.differences.push(Difference { api_key_id, hour_start_ms, logged, counted });
            }
        }
        result
    }

    /// Adds what was found in other hours.
    pub fn add(&mut self, other: Self) {
        self.logged += other.logged;
        self.counted += other.counted;
        self.differences.extend(other.differences);
    }

    /// Calls that the ledger lacks.
    pub fn missing(&self) -> u64 {
        self.differences.iter().map(Difference::missing).sum()
    }

    /// Calls that the ledger has beyond the access log.
    pub fn surplus(&self) -> u64 {
        self.differences.iter().map(Difference::surplus).sum()
    }
}

/// What is known of an hour that was compared.
///
/// The totals of an hour are compared first. Only where they differ is the hour
/// compared key by key, and what the keys say counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReconciledHour {
    /// Calls in the access log.
    pub logged: u64,
    /// By how much the ledger's total is above the access log's although each
    /// key agrees, or somebody has accepted the difference.
    pub accepted: i64,
    /// Whether the hour was compared key by key.
    pub is_compared_by_key: bool,
    /// How the keys differ; `None` where they agree.
    pub open: Option<OpenDifference>,
}

/// A difference that is not mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenDifference {
    /// The ledger's total when the keys were compared; `None` where they are yet to be.
    pub counted: Option<u64>,
    /// Calls that the ledger lacks, key by key.
    pub missing: u64,
    /// Calls that the ledger has beyond the access log, key by key.
    pub surplus: u64,
}

/// What an hour needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextComparison {
    /// Nothing: what is known of it holds.
    Nothing,
    /// The lines of the access log counted again: some may have been logged late.
    CountLogAgain,
    /// A comparison key by key.
    CompareKeys,
}

impl ReconciledHour {
    /// An hour that has so many calls in the access log.
    pub fn new(logged: u64) -> Self {
        Self { logged, ..Self::default() }
    }

    /// What the hour needs, when the ledger's total is `counted`. A sample of
    /// the hours is compared key by key whatever the totals say.
    pub fn next_comparison(
        &self,
        counted: u64,
        is_log_counted_again: bool,
        is_sample: bool,
    ) -> NextComparison {
        let difference = self.difference(counted);
        match self.open {
            Some(open) if open.counted == Some(counted) => NextComparison::Nothing,
            None if difference == 0 && (self.is_compared_by_key || !is_sample) => NextComparison::Nothing,
            _ if difference > 0 && !is_log_counted_again => NextComparison::CountLogAgain,
            _ => NextComparison::CompareKeys,
        }
    }

    /// Takes the result of a comparison of this hour, key by key, of the keys
    /// that the access log knows.
    ///
    /// A total may be below the sum of its keys: a batch that was given up
    /// half-way had not come to it. It is above where the ledger has keys that
    /// the access log does not know, or where such a batch came to it while later
    /// ones fenced its rows: that has to be accepted by somebody.
    pub fn keys_are_compared(&mut self, counted: u64, found: &Reconciliation) {
        self.logged = found.logged;
        self.is_compared_by_key = true;
        let of_unknown_keys = counted.saturating_sub(found.counted);
        let (missing, surplus) = (found.missing(), found.surplus() + of_unknown_keys);
        if missing + surplus == 0 {
            self.accept(counted);
        } else {
            self.accepted = 0;
            self.open = Some(OpenDifference { counted: Some(counted), missing, surplus });
        }
    }

    /// Takes note of a difference whose keys are yet to be compared.
    pub fn postpone(&mut self, counted: u64) {
        let (missing, surplus) = self.by_totals(counted);
        self.open = (missing + surplus > 0).then_some(OpenDifference { counted: None, missing, surplus });
    }

    /// Takes the difference for right.
    pub fn accept(&mut self, counted: u64) {
        self.open = None;
        self.accepted = signed(counted) - signed(self.logged);
    }

    /// Calls that are missing and calls that are too many, as far as is known.
    pub fn missing_and_surplus(&self, counted: u64) -> (u64, u64) {
        self.open.map_or_else(|| self.by_totals(counted), |open| (open.missing, open.surplus))
    }

    fn by_totals(&self, counted: u64) -> (u64, u64) {
        let difference = self.difference(counted);
        let calls = difference.unsigned_abs();
        if difference < 0 { (calls, 0) } else { (0, calls) }
    }

    fn difference(&self, counted: u64) -> i64 {
        signed(counted) - signed(self.logged) - self.accepted
    }
}

fn signed(calls: u64) -> i64 {
    i64::try_from(calls).unwrap_or(i64::MAX)
}

/// Whether an hour is one of the sample that is compared key by key: one of
/// each day, another each day.
pub fn is_sample(hour_start_ms: i64) -> bool {
    let hours = hour_start_ms.div_euclid(HOUR_MS);
    hours.rem_euclid(24) == hours.div_euclid(24).rem_euclid(24)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn calls(calls: &[(&str, i64, u64)]) -> HourlyCalls {
        calls.iter().map(|&(key, hour, count)| ((key.to_owned(), hour), count)).collect()
    }

    #[test]
    fn a_surplus_of_one_key_does_not_hide_what_another_lacks() {
        let found =
            Reconciliation::of(&calls(&[("a", 0, 5), ("b", 0, 5)]), &calls(&[("a", 0, 3), ("b", 0, 7)]));
        assert_eq!((found.logged, found.counted), (10, 10));
        assert_eq!((found.missing(), found.surplus(), found.differences.len()), (2, 2, 2));
    }

    #[test]
    fn an_hour_that_only_one_side_knows_is_a_difference() {
        let found = Reconciliation::of(&calls(&[("a", 0, 5)]), &calls(&[("a", 3_600_000, 5)]));
        assert_eq!((found.missing(), found.surplus()), (5, 5));
        assert_eq!(Reconciliation::of(&calls(&[("a", 0, 0)]), &calls(&[])).differences, []);
    }

    fn by_key(logged: u64, counted: u64) -> Reconciliation {
        Reconciliation::of(&calls(&[("a", 0, logged)]), &calls(&[("a", 0, counted)]))
    }

    #[test]
    fn only_hours_whose_totals_differ_are_compared_by_key_and_a_sample() {
        let hour = ReconciledHour::new(7);
        assert_eq!(hour.next_comparison(7, false, false), NextComparison::Nothing);
        assert_eq!(hour.next_comparison(6, false, false), NextComparison::CompareKeys);
        assert_eq!(
            hour.next_comparison(8, false, false),
            NextComparison::CountLogAgain,
            "a line may be late"
        );
        assert_eq!(hour.next_comparison(8, true, false), NextComparison::CompareKeys);
        let mut sample = ReconciledHour::new(7);
        assert_eq!(sample.next_comparison(7, false, true), NextComparison::CompareKeys);
        sample.keys_are_compared(7, &by_key(7, 7));
        assert_eq!(sample.next_comparison(7, false, true), NextComparison::Nothing, "once is enough");
        let samples = (0..24 * 24).filter(|hour| is_sample(hour * HOUR_MS)).count();
        assert_eq!(samples, 24, "one hour of each day");
    }

    #[test]
    fn what_is_missing_stays_open_until_it_is_counted() {
        let mut hour = ReconciledHour::new(7);
        assert_eq!(hour.missing_and_surplus(5), (2, 0), "before the keys are compared");
        hour.keys_are_compared(5, &by_key(7, 5));
        assert_eq!(hour.next_comparison(5, false, false), NextComparison::Nothing, "it was looked at");
        assert_eq!(hour.missing_and_surplus(5), (2, 0));
        assert_eq!(
            hour.next_comparison(7, false, false),
            NextComparison::CompareKeys,
            "something was put back"
        );
        hour.keys_are_compared(7, &by_key(7, 7));
        assert_eq!((hour.missing_and_surplus(7), hour.accepted), ((0, 0), 0));
    }

    #[test]
    fn equal_totals_of_keys_that_differ_stay_open() {
        let mut hour = ReconciledHour::new(10);
        let swapped =
            Reconciliation::of(&calls(&[("a", 0, 5), ("b", 0, 5)]), &calls(&[("a", 0, 3), ("b", 0, 7)]));
        hour.keys_are_compared(10, &swapped);
        assert_eq!(hour.next_comparison(10, false, true), NextComparison::Nothing);
        assert_eq!(hour.missing_and_surplus(10), (2, 2));
    }

    #[test]
    fn a_total_that_is_wrong_although_the_keys_agree_is_told_no_more() {
        let mut hour = ReconciledHour::new(7);
        hour.keys_are_compared(5, &by_key(7, 7));
        assert_eq!((hour.accepted, hour.missing_and_surplus(5)), (-2, (0, 0)));
        assert_eq!(hour.next_comparison(5, false, false), NextComparison::Nothing);
        assert_eq!(hour.next_comparison(4, false, false), NextComparison::CompareKeys);
        let mut unknown = ReconciledHour::new(7);
        unknown.keys_are_compared(9, &by_key(7, 7));
        assert_eq!(unknown.missing_and_surplus(9), (0, 2), "of keys that the access log does not know");
        let mut given = ReconciledHour::new(7);
        given.keys_are_compared(5, &by_key(7, 5));
        given.accept(5);
        assert_eq!((given.missing_and_surplus(5), given.missing_and_surplus(4)), ((0, 0), (1, 0)));
    }

    proptest! {
        #[test]
        fn the_differences_explain_both_totals(
            logged in proptest::collection::btree_map(("[a-c]", 0_i64..3), 0_u64..9, 0..9),
            counted in proptest::collection::btree_map(("[a-c]", 0_i64..3), 0_u64..9, 0..9),
        ) {
            let found = Reconciliation::of(&logged, &counted);
            prop_assert_eq!(found.logged + found.surplus(), found.counted + found.missing());
            prop_assert_eq!(found.differences.is_empty(), found.missing() + found.surplus() == 0);
        }
    }
}
