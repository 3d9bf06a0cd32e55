//! What clients saw of their calls, and how it compares with the ledger.
//!
//! A client does not know in which hour the gateway dates a call that began
//! before the hour's turn and was answered after it; and of a call without an
//! answer it does not know whether it was made. Such calls may be where the
//! ledger has them, within what is possible. Everything else has to be equal.

use std::collections::BTreeMap;

use metering_core::reconciliation::{HourlyCalls, Reconciliation};
use metering_core::window::{HOUR_MS, hour_start_ms};
use serde::{Deserialize, Serialize};

/// A key, an hour and an hour that it may be instead.
type Place = (u32, i64, i64);

/// Successful calls by key, counted from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    #[serde(with = "pairs")]
    answered: BTreeMap<Place, u64>,
    #[serde(with = "pairs")]
    unanswered: BTreeMap<Place, u64>,
}

/// JSON has no maps with such keys.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Place;

    pub fn serialize<S: Serializer>(map: &BTreeMap<Place, u64>, serializer: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Place, u64>, D::Error> {
        Ok(Vec::<(Place, u64)>::deserialize(deserializer)?.into_iter().collect())
    }
}

fn place(key: u32, sent_ms: i64, ended_ms: i64) -> Place {
    (key, hour_start_ms(sent_ms), hour_start_ms(ended_ms))
}

impl Seen {
    /// Notes a call that was answered with success.
    pub fn success(&mut self, key: u32, sent_ms: i64, answered_ms: i64) {
        *self.answered.entry(place(key, sent_ms, answered_ms)).or_default() += 1;
    }

    /// Notes a call that would have succeeded and was not answered.
    pub fn unanswered(&mut self, key: u32, sent_ms: i64, given_up_ms: i64) {
        *self.unanswered.entry(place(key, sent_ms, given_up_ms)).or_default() += 1;
    }

    /// Adds what another client saw.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in
            [(&mut self.answered, &other.answered), (&mut self.unanswered, &other.unanswered)]
        {
            for (place, calls) in theirs {
                *mine.entry(*place).or_default() += calls;
            }
        }
    }

    /// The same with other numbers of keys: the first becomes `first`.
    #[must_use]
    pub fn with_keys_from(&self, first: u32) -> Self {
        let moved = |map: &BTreeMap<Place, u64>| {
            map.iter().map(|(&(key, from, to), &calls)| ((key + first, from, to), calls)).collect()
        };
        Self { answered: moved(&self.answered), unanswered: moved(&self.unanswered) }
    }

    /// All successful calls.
    pub fn successful(&self) -> u64 {
        self.answered.values().sum()
    }

    /// From the first hour of any call to the end of the last; `None` without calls.
    pub fn span_ms(&self) -> Option<(i64, i64)> {
        let places = || self.answered.keys().chain(self.unanswered.keys());
        let from = places().map(|(_, from, _)| *from).min()?;
        Some((from, places().map(|(_, _, to)| *to).max()? + HOUR_MS))
    }

    /// Compares with the ledger; `key_ids` names the keys.
    pub fn reconcile(&self, key_ids: &[String], counted: &HourlyCalls) -> Reconciliation {
        let mut seen = HourlyCalls::new();
        let at = |key: u32, hour: i64| (key_ids[key as usize].clone(), hour);
        for (&(key, from, to), calls) in &self.answered {
            if from == to {
                *seen.entry(at(key, from)).or_default() += calls;
            }
        }
        // Now those that leave room, each put where the ledger has more than is explained so far.
        for (&(key, from, to), &calls) in self.answered.iter().filter(|((_, from, to), _)| from != to) {
            let first = calls.min(unexplained(&at(key, from), counted, &seen));
            *seen.entry(at(key, from)).or_default() += first;
            *seen.entry(at(key, to)).or_default() += calls - first;
        }
        for (&(key, from, to), &calls) in &self.unanswered {
            let mut left = calls;
            for hour in [from, to] {
                let here = left.min(unexplained(&at(key, hour), counted, &seen));
                left -= here;
                *seen.entry(at(key, hour)).or_default() += here;
            }
        }
        seen.retain(|_, calls| *calls > 0);
        Reconciliation::compare(&seen, counted)
    }
}

fn unexplained(place: &(String, i64), counted: &HourlyCalls, seen: &HourlyCalls) -> u64 {
    let calls = |count: &HourlyCalls| count.get(place).copied().unwrap_or(0);
    calls(counted).saturating_sub(calls(seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = HOUR_MS;

    fn found(seen: &Seen, counted: &[(i64, u64)]) -> (u64, u64) {
        let counted = counted.iter().map(|&(hour, calls)| (("a".to_owned(), hour * H), calls)).collect();
        let result = seen.reconcile(&["a".to_owned()], &counted);
        (result.missing(), result.surplus())
    }

    #[test]
    fn what_was_answered_within_an_hour_has_to_be_there() {
        let mut seen = Seen::default();
        seen.success(0, H, H + 1);
        seen.success(0, 2 * H - 2, 2 * H - 1);
        assert_eq!(found(&seen, &[(1, 2)]), (0, 0));
        assert_eq!(found(&seen, &[(1, 1)]), (1, 0));
        assert_eq!(found(&seen, &[(1, 3)]), (0, 1));
        assert_eq!(found(&seen, &[(2, 2)]), (2, 2));
    }

    #[test]
    fn a_call_across_the_turn_of_the_hour_is_in_either_and_in_one() {
        let mut seen = Seen::default();
        seen.success(0, 2 * H - 1, 2 * H + 1);
        assert_eq!((found(&seen, &[(1, 1)]), found(&seen, &[(2, 1)])), ((0, 0), (0, 0)));
        assert_eq!(found(&seen, &[(1, 1), (2, 1)]), (0, 1));
        assert_eq!(found(&seen, &[]), (1, 0));
    }

    #[test]
    fn a_call_without_an_answer_may_be_counted_once() {
        let mut seen = Seen::default();
        seen.unanswered(0, H, H + 1);
        assert_eq!(
            (found(&seen, &[]), found(&seen, &[(1, 1)]), found(&seen, &[(1, 2)])),
            ((0, 0), (0, 0), (0, 1))
        );
    }

    #[test]
    fn it_merges_and_survives_json() {
        let mut first = Seen::default();
        first.success(0, H, H);
        let mut second: Seen = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
        second.unanswered(1, 3 * H, 3 * H);
        first.merge(&second);
        assert_eq!((first.successful(), first.span_ms()), (2, Some((H, 4 * H))));
    }
}
