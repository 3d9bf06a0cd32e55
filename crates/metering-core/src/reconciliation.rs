//! The ledger against an independent count: what is missing, what is too much.

use std::collections::{BTreeMap, BTreeSet};

/// Calls by key and by the start of their hour, in milliseconds since 1970.
pub type HourlyCalls = BTreeMap<(String, i64), u64>;

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

    /// Calls that the ledger lacks.
    pub fn missing(&self) -> u64 {
        self.differences.iter().map(Difference::missing).sum()
    }

    /// Calls that the ledger has beyond the access log.
    pub fn surplus(&self) -> u64 {
        self.differences.iter().map(Difference::surplus).sum()
    }
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
