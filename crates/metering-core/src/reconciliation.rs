//! The comparison of the ledger with an independent count, that of the access log.

use std::collections::{BTreeMap, BTreeSet};

use crate::fingerprint::CountedCalls;
use crate::metered_key::MeteredKey;
use crate::window::{HOUR_MS, UtcDay};

/// Number of calls by key and by the start of their hour, in milliseconds since 1970.
pub type HourlyCalls = BTreeMap<(MeteredKey, i64), u64>;

/// Calls by key and day, with their fingerprints.
pub type DailyIdentities = BTreeMap<(MeteredKey, UtcDay), CountedCalls>;

/// A comparison of two counts by the identity of their calls, as lists of keys and days.
///
/// ```
/// use metering_core::call_id::CallId;
/// use metering_core::fingerprint::CountedCalls;
/// use metering_core::metered_key::MeteredKey;
/// use metering_core::reconciliation::{ComparedIdentities, DailyIdentities};
///
/// let count = |request_ids: &[&str]| {
///     let mut calls = CountedCalls::default();
///     request_ids.iter().for_each(|request_id| calls.add(CallId::new(request_id, 1_795_509_270_000)));
///     DailyIdentities::from([((MeteredKey::without_customer("key-1"), "2026-11-24".parse().unwrap()), calls)])
/// };
/// let logged = count(&["a", "b"]);
/// let found = |counted| {
///     let ComparedIdentities { same, other, uncompared } = ComparedIdentities::compare(&logged, &counted);
///     [same.len(), other.len(), uncompared.len()]
/// };
/// assert_eq!(found(count(&["b", "a"])), [1, 0, 0]);
/// assert_eq!(found(count(&["a", "a"])), [0, 1, 0], "b is lost, and a is counted twice");
/// assert_eq!(found(count(&["a"])), [0, 0, 1]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComparedIdentities {
    /// Both counts are of the same calls.
    pub same: Vec<(MeteredKey, UtcDay)>,
    /// Both counts have the same number of calls, and not the same calls.
    pub other: Vec<(MeteredKey, UtcDay)>,
    /// The numbers differ, so the fingerprints say nothing.
    pub uncompared: Vec<(MeteredKey, UtcDay)>,
}

impl ComparedIdentities {
    /// Compares two counts of the same days.
    pub fn compare(logged: &DailyIdentities, counted: &DailyIdentities) -> Self {
        let mut result = Self::default();
        let places: BTreeSet<&(MeteredKey, UtcDay)> = logged.keys().chain(counted.keys()).collect();
        for place in places {
            let of = |count: &DailyIdentities| count.get(place).copied().unwrap_or_default();
            let (logged, counted) = (of(logged), of(counted));
            let places = if logged == counted {
                &mut result.same
            } else if logged.calls == counted.calls {
                &mut result.other
            } else {
                &mut result.uncompared
            };
            places.push(place.clone());
        }
        result
    }

    /// Adds the result of a comparison of other days.
    pub fn add(&mut self, other: Self) {
        self.same.extend(other.same);
        self.other.extend(other.other);
        self.uncompared.extend(other.uncompared);
    }
}

/// Number of calls of all keys by the start of their hour, in milliseconds since 1970.
pub type HourlyTotals = BTreeMap<i64, u64>;

/// An hour of a key in which the two counts differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key that the calls are of.
    pub key: MeteredKey,
    /// The start of the hour, in milliseconds since 1970.
    pub hour_start_ms: i64,
    /// Number of calls in the access log.
    pub logged: u64,
    /// Number of calls in the ledger.
    pub counted: u64,
}

impl Difference {
    /// Returns the number of calls that the ledger lacks.
    pub fn missing(&self) -> u64 {
        self.logged.saturating_sub(self.counted)
    }

    /// Returns the number of calls that the ledger has and the access log lacks.
    pub fn surplus(&self) -> u64 {
        self.counted.saturating_sub(self.logged)
    }
}

/// The result of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// Number of calls in the access log, of all keys and hours.
    pub logged: u64,
    /// Number of calls in the ledger, of all keys and hours.
    pub counted: u64,
    /// The hours of keys in which the counts differ, in the order of keys and hours.
    pub differences: Vec<Difference>,
}

impl Reconciliation {
    /// Compares two counts of the same hours, key by key. Missing calls of one key and a surplus of
    /// another do not cancel each other out.
    pub fn compare(logged: &HourlyCalls, counted: &HourlyCalls) -> Self {
        let mut result =
            Self { logged: logged.values().sum(), counted: counted.values().sum(), ..Self::default() };
        let places: BTreeSet<&(MeteredKey, i64)> = logged.keys().chain(counted.keys()).collect();
        for place in places {
            let calls = |count: &HourlyCalls| count.get(place).copied().unwrap_or(0);
            let (logged, counted) = (calls(logged), calls(counted));
            if logged != counted {
                let (key, hour_start_ms) = place.clone();
                result.differences.push(Difference { key, hour_start_ms, logged, counted });
            }
        }
        result
    }

    /// Adds the result of a comparison of other hours.
    pub fn add(&mut self, other: Self) {
        self.logged += other.logged;
        self.counted += other.counted;
        self.differences.extend(other.differences);
    }

    /// Returns the number of calls that the ledger lacks.
    pub fn missing(&self) -> u64 {
        self.differences.iter().map(Difference::missing).sum()
    }

    /// Returns the number of calls that the ledger has and the access log lacks.
    pub fn surplus(&self) -> u64 {
        self.differences.iter().map(Difference::surplus).sum()
    }
}

/// The stored result for an hour that was compared.
///
/// The totals of an hour are compared first. Only if they differ is the hour compared key by key.
/// The comparison by key takes precedence over the totals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReconciledHour {
    /// Number of calls in the access log.
    pub logged: u64,
    /// The accepted difference between the total of the ledger and that of the access log: each key
    /// agrees although the totals differ, or an operator has accepted the difference.
    pub accepted: i64,
    /// `true` if the hour was compared key by key.
    pub is_compared_by_key: bool,
    /// The difference by key; `None` if the keys agree.
    pub open: Option<OpenDifference>,
}

/// A difference that is neither repaired nor accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenDifference {
    /// The total of the ledger when the keys were compared; `None` if they have not been compared.
    pub counted: Option<u64>,
    /// Number of calls that the ledger lacks, summed over the keys.
    pub missing: u64,
    /// Number of calls that the ledger has and the access log lacks, summed over the keys.
    pub surplus: u64,
}

/// The next comparison of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextComparison {
    /// None: the stored result is still valid.
    Nothing,
    /// The lines of the access log have to be counted again: some may have been logged late.
    CountLogAgain,
    /// The hour has to be compared key by key.
    CompareKeys,
}

impl ReconciledHour {
    /// Begins an hour that has `logged` calls in the access log.
    pub fn new(logged: u64) -> Self {
        Self { logged, ..Self::default() }
    }

    /// Returns the next comparison of the hour, when the ledger's total is `counted`. An hour of
    /// the sample is compared key by key even if the totals agree.
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

    /// Records the result of a comparison of this hour key by key, of the keys in the access log.
    ///
    /// The total of the ledger may be below the sum of its keys: a batch that was given up half-way
    /// had not added to the total yet. It may be above the sum if the ledger has keys that the
    /// access log lacks, or if such a batch added to the total while later batches fenced its rows.
    /// An operator has to accept a total above the sum.
    pub fn record_key_comparison(&mut self, counted: u64, found: &Reconciliation) {
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

    /// Records a difference of the totals, for a later comparison key by key.
    pub fn postpone(&mut self, counted: u64) {
        let (missing, surplus) = self.by_totals(counted);
        self.open = (missing + surplus > 0).then_some(OpenDifference { counted: None, missing, surplus });
    }

    /// Accepts the present difference. It is not reported again.
    pub fn accept(&mut self, counted: u64) {
        self.open = None;
        self.accepted = signed(counted) - signed(self.logged);
    }

    /// Returns the number of missing calls and the number of surplus calls: by key if the keys were
    /// compared, by the totals otherwise.
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

/// Returns `true` if an hour is part of the sample that is compared key by key: one hour of each
/// day, a different one on 24 consecutive days.
pub fn is_sample(hour_start_ms: i64) -> bool {
    let hours = hour_start_ms.div_euclid(HOUR_MS);
    hours.rem_euclid(24) == hours.div_euclid(24).rem_euclid(24)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn calls(calls: &[(&str, i64, u64)]) -> HourlyCalls {
        calls.iter().map(|&(key, hour, count)| ((MeteredKey::without_customer(key), hour), count)).collect()
    }

    #[test]
    fn a_surplus_of_one_key_does_not_hide_what_another_lacks() {
        let found =
            Reconciliation::compare(&calls(&[("a", 0, 5), ("b", 0, 5)]), &calls(&[("a", 0, 3), ("b", 0, 7)]));
        assert_eq!((found.logged, found.counted), (10, 10));
        assert_eq!((found.missing(), found.surplus(), found.differences.len()), (2, 2, 2));
    }

    fn identities(days: &[(&str, &str, u64, u128)]) -> DailyIdentities {
        let counted = |&(key, day, calls, sum): &(&str, &str, u64, u128)| {
            let fingerprint = crate::fingerprint::Fingerprint::from_sum(sum);
            ((MeteredKey::without_customer(key), day.parse().unwrap()), CountedCalls { calls, fingerprint })
        };
        days.iter().map(counted).collect()
    }

    #[test]
    fn only_equal_numbers_of_calls_are_compared_by_identity() {
        let (first, second) = ("2026-11-24", "2026-11-25");
        let logged = identities(&[
            ("a", first, 2, 7),
            ("a", second, 2, 7),
            ("b", first, 2, 7),
            ("b", second, 2, 7),
            ("c", first, 1, 1),
        ]);
        let counted = identities(&[
            ("a", first, 2, 7),
            ("a", second, 2, 8),
            ("b", first, 3, 7),
            ("b", second, 3, 8),
            ("d", first, 1, 1),
        ]);
        let mut found = ComparedIdentities::compare(&logged, &counted);
        let place =
            |key: &str, day: &str| (MeteredKey::without_customer(key), day.parse::<UtcDay>().unwrap());
        let expected = ComparedIdentities {
            same: vec![place("a", first)],
            other: vec![place("a", second)],
            uncompared: vec![place("b", first), place("b", second), place("c", first), place("d", first)],
        };
        assert_eq!(found, expected);
        found.add(expected);
        assert_eq!([found.same.len(), found.other.len(), found.uncompared.len()], [2, 2, 8]);
    }

    #[test]
    fn an_hour_that_only_one_side_knows_is_a_difference() {
        let found = Reconciliation::compare(&calls(&[("a", 0, 5)]), &calls(&[("a", 3_600_000, 5)]));
        assert_eq!((found.missing(), found.surplus()), (5, 5));
        assert_eq!(Reconciliation::compare(&calls(&[("a", 0, 0)]), &calls(&[])).differences, []);
    }

    fn by_key(logged: u64, counted: u64) -> Reconciliation {
        Reconciliation::compare(&calls(&[("a", 0, logged)]), &calls(&[("a", 0, counted)]))
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
        sample.record_key_comparison(7, &by_key(7, 7));
        assert_eq!(sample.next_comparison(7, false, true), NextComparison::Nothing, "once is enough");
        let samples = (0..24 * 24).filter(|hour| is_sample(hour * HOUR_MS)).count();
        assert_eq!(samples, 24, "one hour of each day");
    }

    #[test]
    fn comparisons_of_two_hours_add_up() {
        let mut both = by_key(7, 5);
        both.add(Reconciliation::compare(&calls(&[("b", HOUR_MS, 2)]), &calls(&[("b", HOUR_MS, 6)])));
        assert_eq!((both.logged, both.counted), (9, 11));
        assert_eq!((both.missing(), both.surplus(), both.differences.len()), (2, 4, 2));
    }

    #[test]
    fn a_postponed_difference_is_open_and_its_keys_are_still_to_be_compared() {
        for (counted, open) in [(5, Some((2, 0))), (7, None), (8, Some((0, 1)))] {
            let mut hour = ReconciledHour::new(7);
            hour.postpone(counted);
            let found = hour.open.map(|open| {
                assert_eq!(open.counted, None);
                (open.missing, open.surplus)
            });
            assert_eq!(found, open, "{counted} of 7 are counted");
            let next = if open.is_some() { NextComparison::CompareKeys } else { NextComparison::Nothing };
            assert_eq!(hour.next_comparison(counted, true, false), next);
        }
    }

    #[test]
    fn what_is_missing_stays_open_until_it_is_counted() {
        let mut hour = ReconciledHour::new(7);
        assert_eq!(hour.missing_and_surplus(5), (2, 0), "before the keys are compared");
        hour.record_key_comparison(5, &by_key(7, 5));
        assert_eq!(hour.next_comparison(5, false, false), NextComparison::Nothing, "it was compared already");
        assert_eq!(hour.missing_and_surplus(5), (2, 0));
        assert_eq!(
            hour.next_comparison(7, false, false),
            NextComparison::CompareKeys,
            "something was put back"
        );
        hour.record_key_comparison(7, &by_key(7, 7));
        assert_eq!((hour.missing_and_surplus(7), hour.accepted), ((0, 0), 0));
    }

    #[test]
    fn equal_totals_of_keys_that_differ_stay_open() {
        let mut hour = ReconciledHour::new(10);
        let swapped =
            Reconciliation::compare(&calls(&[("a", 0, 5), ("b", 0, 5)]), &calls(&[("a", 0, 3), ("b", 0, 7)]));
        hour.record_key_comparison(10, &swapped);
        assert_eq!(hour.next_comparison(10, false, true), NextComparison::Nothing);
        assert_eq!(hour.missing_and_surplus(10), (2, 2));
    }

    #[test]
    fn a_total_that_is_wrong_although_the_keys_agree_is_reported_no_more() {
        let mut hour = ReconciledHour::new(7);
        hour.record_key_comparison(5, &by_key(7, 7));
        assert_eq!((hour.accepted, hour.missing_and_surplus(5)), (-2, (0, 0)));
        assert_eq!(hour.next_comparison(5, false, false), NextComparison::Nothing);
        assert_eq!(hour.next_comparison(4, false, false), NextComparison::CompareKeys);
        let mut unknown = ReconciledHour::new(7);
        unknown.record_key_comparison(9, &by_key(7, 7));
        assert_eq!(unknown.missing_and_surplus(9), (0, 2), "of keys that the access log does not know");
        let mut given = ReconciledHour::new(7);
        given.record_key_comparison(5, &by_key(7, 5));
        given.accept(5);
        assert_eq!((given.missing_and_surplus(5), given.missing_and_surplus(4)), ((0, 0), (1, 0)));
    }

    proptest! {
        #[test]
        fn the_differences_explain_both_totals(
            logged in proptest::collection::btree_map(("[a-c]".prop_map(MeteredKey::without_customer), 0_i64..3), 0_u64..9, 0..9),
            counted in proptest::collection::btree_map(("[a-c]".prop_map(MeteredKey::without_customer), 0_i64..3), 0_u64..9, 0..9),
        ) {
            let found = Reconciliation::compare(&logged, &counted);
            prop_assert_eq!(found.logged + found.surplus(), found.counted + found.missing());
            prop_assert_eq!(found.differences.is_empty(), found.missing() + found.surplus() == 0);
        }
    }
}
