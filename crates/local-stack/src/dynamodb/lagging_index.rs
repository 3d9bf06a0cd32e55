//! Simulated lag of the global secondary index that finds a key by its secret.
//!
//! The embedded DynamoDB updates an index with each write; AWS updates it some time later. If a lag
//! is configured, this type answers the queries of the index instead. Each change of a key becomes
//! visible after a random time; changes of the same key become visible in their order.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use metering_aws::schema::HASHED_KEY_INDEX;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::sync::locked;

/// An index whose content lags behind its table.
#[derive(Debug)]
pub struct LaggingIndex {
    max_lag_ms: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: StdRng,
    /// Partition key (`key#ID`) of the key that has or had a secret, by the secret's digest.
    by_digest: HashMap<String, String>,
    keys: HashMap<String, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    visible: Option<Value>,
    pending: VecDeque<(i64, Value)>,
}

impl LaggingIndex {
    /// Creates an index that lags by up to `max_lag_ms`.
    pub fn new(max_lag_ms: u64, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed ^ 0x1d);
        let state = State { random, by_digest: HashMap::new(), keys: HashMap::new() };
        Self { max_lag_ms, state: Mutex::new(state) }
    }

    /// Applies a committed transaction.
    pub fn apply(&self, request: &Value, now_ms: i64) {
        let items = request["TransactItems"].as_array().into_iter().flatten();
        for item in items.map(|write| &write["Put"]["Item"]) {
            let Some(pk) = item["pk"]["S"].as_str().filter(|pk| pk.starts_with("key#")) else { continue };
            let mut state = locked(&self.state);
            let lag_ms = state.random.random_range(0..=self.max_lag_ms);
            if let Some(digest) = item["hashedKey"]["S"].as_str() {
                state.by_digest.insert(digest.to_owned(), pk.to_owned());
            }
            let entry = state.keys.entry(pk.to_owned()).or_default();
            let before = entry.pending.back().map_or(0, |(visible_at, _)| *visible_at);
            let visible_at = now_ms.saturating_add_unsigned(lag_ms).max(before);
            entry.pending.push_back((visible_at, item.clone()));
        }
    }

    /// Answers a query of the index. Returns `None` for a query of another index or of a table.
    pub fn query(&self, request: &Value, now_ms: i64) -> Option<Value> {
        if request["IndexName"] != HASHED_KEY_INDEX {
            return None;
        }
        let digest = request["ExpressionAttributeValues"][":digest"]["S"].as_str()?;
        let mut state = locked(&self.state);
        let pk = state.by_digest.get(digest).cloned();
        let item = pk.and_then(|pk| {
            let entry = state.keys.get_mut(&pk)?;
            while entry.pending.front().is_some_and(|(visible_at, _)| *visible_at <= now_ms) {
                entry.visible = entry.pending.pop_front().map(|(_, item)| item);
            }
            entry.visible.clone().filter(|item| item["hashedKey"]["S"] == digest)
        });
        let items: Vec<Value> = item.into_iter().collect();
        Some(json!({"Count": items.len(), "ScannedCount": items.len(), "Items": items}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_appears_and_disappears_after_at_most_the_lag() {
        let index = LaggingIndex::new(100, 7);
        let put = |item: Value| json!({"TransactItems": [{"Put": {"Item": item}}, {"Update": {}}]});
        let query =
            json!({"IndexName": HASHED_KEY_INDEX, "ExpressionAttributeValues": {":digest": {"S": "d"}}});
        let found = |now_ms| index.query(&query, now_ms).unwrap()["Count"].as_u64().unwrap();
        index.apply(&put(json!({"pk": {"S": "key#1"}, "hashedKey": {"S": "d"}})), 1_000);
        assert_eq!(found(999), 0);
        assert_eq!(found(1_100), 1);
        index.apply(&put(json!({"pk": {"S": "key#1"}})), 2_000);
        assert_eq!(found(1_999), 1);
        assert_eq!(found(2_100), 0);
        assert_eq!(index.query(&json!({"TableName": "usage"}), 0), None);
    }
}
