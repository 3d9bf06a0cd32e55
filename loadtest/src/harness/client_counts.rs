//! Successful calls as the clients count them, and their comparison with the ledger.
//!
//! Two kinds of calls have no certain place in the ledger. The gateway may date
//! a call that was sent before the turn of an hour and answered after it to
//! either hour. A call without a response may have been processed or not. Both
//! are matched to what the ledger contains, within these possibilities.
//! All other calls must be in the ledger exactly.

use std::collections::BTreeMap;

use metering_core::metered_key::MeteredKey;
use metering_core::reconciliation::{HourlyCalls, Reconciliation};
use metering_core::window::{HOUR_MS, hour_start_ms};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The key of a call and the hours in which the gateway may have dated it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
struct Slot {
    /// Index of the key.
    key: u32,
    /// Start of the hour in which the call was sent, in milliseconds since 1970.
    sent_hour_ms: i64,
    /// Start of the hour in which the call ended, in milliseconds since 1970.
    ended_hour_ms: i64,
}

impl Slot {
    fn new(key: u32, sent_ms: i64, ended_ms: i64) -> Self {
        Self { key, sent_hour_ms: hour_start_ms(sent_ms), ended_hour_ms: hour_start_ms(ended_ms) }
    }

    fn is_certain(&self) -> bool {
        self.sent_hour_ms == self.ended_hour_ms
    }
}

/// A span of time, from its start to before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSpan {
    /// Start, in milliseconds since 1970.
    pub from_ms: i64,
    /// End, in milliseconds since 1970.
    pub to_ms: i64,
}

/// Numbers of calls by key and hour. Keys are indexes from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientCounts {
    /// Calls with a successful response.
    #[serde(with = "slot_list")]
    #[schemars(with = "Vec<slot_list::Entry>")]
    answered: BTreeMap<Slot, u64>,
    /// Calls that requested a successful response and got none.
    #[serde(with = "slot_list")]
    #[schemars(with = "Vec<slot_list::Entry>")]
    unanswered: BTreeMap<Slot, u64>,
}

/// Serde for counts by slot, as a list: JSON objects have only text keys.
mod slot_list {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Slot;

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub struct Entry {
        #[serde(flatten)]
        slot: Slot,
        /// Number of calls.
        calls: u64,
    }

    pub fn serialize<S: Serializer>(map: &BTreeMap<Slot, u64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.iter().map(|(&slot, &calls)| Entry { slot, calls }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Slot, u64>, D::Error> {
        let entries = Vec::<Entry>::deserialize(deserializer)?;
        Ok(entries.into_iter().map(|Entry { slot, calls }| (slot, calls)).collect())
    }
}

impl ClientCounts {
    /// Counts a call with a successful response.
    pub fn record_success(&mut self, key: u32, sent_ms: i64, answered_ms: i64) {
        *self.answered.entry(Slot::new(key, sent_ms, answered_ms)).or_default() += 1;
    }

    /// Counts a call that requested a successful response and got none.
    pub fn record_unanswered(&mut self, key: u32, sent_ms: i64, given_up_ms: i64) {
        *self.unanswered.entry(Slot::new(key, sent_ms, given_up_ms)).or_default() += 1;
    }

    /// Adds the counts of another client.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in
            [(&mut self.answered, &other.answered), (&mut self.unanswered, &other.unanswered)]
        {
            for (slot, calls) in theirs {
                *mine.entry(*slot).or_default() += calls;
            }
        }
    }

    /// Returns the same counts with the indexes of keys shifted by `first`.
    #[must_use]
    pub fn with_keys_from(&self, first: u32) -> Self {
        let shifted = |map: &BTreeMap<Slot, u64>| {
            map.iter().map(|(&slot, &calls)| (Slot { key: slot.key + first, ..slot }, calls)).collect()
        };
        Self { answered: shifted(&self.answered), unanswered: shifted(&self.unanswered) }
    }

    /// Returns the number of successful calls.
    pub fn successful(&self) -> u64 {
        self.answered.values().sum()
    }

    /// Returns the span from the first hour of any call to the end of the last; `None` without calls.
    pub fn span(&self) -> Option<TimeSpan> {
        let slots = || self.answered.keys().chain(self.unanswered.keys());
        let from_ms = slots().map(|slot| slot.sent_hour_ms).min()?;
        let to_ms = slots().map(|slot| slot.ended_hour_ms).max()? + HOUR_MS;
        Some(TimeSpan { from_ms, to_ms })
    }

    /// Compares the counts with the ledger's. `keys` has the key of each key index.
    pub fn reconcile(&self, keys: &[MeteredKey], ledger: &HourlyCalls) -> Reconciliation {
        let mut expected = HourlyCalls::new();
        let at = |key: u32, hour_ms: i64| (keys[key as usize].clone(), hour_ms);
        for (slot, calls) in self.answered.iter().filter(|(slot, _)| slot.is_certain()) {
            *expected.entry(at(slot.key, slot.sent_hour_ms)).or_default() += calls;
        }
        // The uncertain calls come last, so that they fill what the certain ones leave unexplained.
        for (slot, &calls) in self.answered.iter().filter(|(slot, _)| !slot.is_certain()) {
            let (first, second) = (at(slot.key, slot.sent_hour_ms), at(slot.key, slot.ended_hour_ms));
            let in_first = calls.min(unexplained(&first, ledger, &expected));
            *expected.entry(first).or_default() += in_first;
            *expected.entry(second).or_default() += calls - in_first;
        }
        for (slot, &calls) in &self.unanswered {
            let mut left = calls;
            for hour_ms in [slot.sent_hour_ms, slot.ended_hour_ms] {
                let here = left.min(unexplained(&at(slot.key, hour_ms), ledger, &expected));
                left -= here;
                *expected.entry(at(slot.key, hour_ms)).or_default() += here;
            }
        }
        expected.retain(|_, calls| *calls > 0);
        Reconciliation::compare(&expected, ledger)
    }
}

/// Returns the calls of a key and hour that the ledger has beyond the expected ones.
fn unexplained(key_and_hour: &(MeteredKey, i64), ledger: &HourlyCalls, expected: &HourlyCalls) -> u64 {
    let calls = |count: &HourlyCalls| count.get(key_and_hour).copied().unwrap_or(0);
    calls(ledger).saturating_sub(calls(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = HOUR_MS;

    fn found(counts: &ClientCounts, ledger: &[(i64, u64)]) -> (u64, u64) {
        let ledger = ledger
            .iter()
            .map(|&(hour, calls)| ((MeteredKey::without_customer("a"), hour * H), calls))
            .collect();
        let result = counts.reconcile(&[MeteredKey::without_customer("a")], &ledger);
        (result.missing(), result.surplus())
    }

    #[test]
    fn what_was_answered_within_an_hour_has_to_be_there() {
        let mut counts = ClientCounts::default();
        counts.record_success(0, H, H + 1);
        counts.record_success(0, 2 * H - 2, 2 * H - 1);
        assert_eq!(found(&counts, &[(1, 2)]), (0, 0));
        assert_eq!(found(&counts, &[(1, 1)]), (1, 0));
        assert_eq!(found(&counts, &[(1, 3)]), (0, 1));
        assert_eq!(found(&counts, &[(2, 2)]), (2, 2));
    }

    #[test]
    fn a_call_across_the_turn_of_the_hour_is_in_either_and_in_one() {
        let mut counts = ClientCounts::default();
        counts.record_success(0, 2 * H - 1, 2 * H + 1);
        assert_eq!((found(&counts, &[(1, 1)]), found(&counts, &[(2, 1)])), ((0, 0), (0, 0)));
        assert_eq!(found(&counts, &[(1, 1), (2, 1)]), (0, 1));
        assert_eq!(found(&counts, &[]), (1, 0));
    }

    #[test]
    fn a_call_without_an_answer_may_be_counted_once() {
        let mut counts = ClientCounts::default();
        counts.record_unanswered(0, H, H + 1);
        assert_eq!(
            (found(&counts, &[]), found(&counts, &[(1, 1)]), found(&counts, &[(1, 2)])),
            ((0, 0), (0, 0), (0, 1))
        );
    }

    #[test]
    fn it_merges_and_survives_json() {
        let mut first = ClientCounts::default();
        first.record_success(0, H, H);
        let mut second: ClientCounts = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
        second.record_unanswered(1, 3 * H, 3 * H);
        first.merge(&second);
        assert_eq!((first.successful(), first.span()), (2, Some(TimeSpan { from_ms: H, to_ms: 4 * H })));
    }
}
