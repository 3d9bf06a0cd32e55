//! One at a time, for each thing: concurrent misses of one key make one lookup.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// From how many on to look for some that nobody wants any more.
const MANY: usize = 1_000;

/// A lock for each key, for as long as somebody holds or wants it.
#[derive(Debug)]
pub struct SingleFlight<K: Eq + Hash> {
    flights: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
}

impl<K: Eq + Hash> Default for SingleFlight<K> {
    fn default() -> Self {
        Self { flights: Mutex::default() }
    }
}

/// The right to do a thing.
#[derive(Debug)]
pub struct Flight<'flights, K: Eq + Hash + Clone> {
    flights: &'flights SingleFlight<K>,
    key: K,
    guard: Option<OwnedMutexGuard<()>>,
    /// Whether another had it first, and may have done the thing.
    pub waited: bool,
}

impl<K: Eq + Hash + Clone> SingleFlight<K> {
    /// Waits until nobody else does this thing.
    pub async fn begin(&self, key: K) -> Flight<'_, K> {
        let lock = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            if flights.len() >= MANY {
                // Those whose last waiter gave up.
                flights.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            flights.entry(key.clone()).or_default().clone()
        };
        let (guard, waited) = match lock.clone().try_lock_owned() {
            Ok(guard) => (guard, false),
            Err(_) => (lock.lock_owned().await, true),
        };
        Flight { flights: self, key, guard: Some(guard), waited }
    }
}

impl<K: Eq + Hash + Clone> Drop for Flight<'_, K> {
    fn drop(&mut self) {
        let mut flights = self.flights.flights.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.guard.take());
        // One is the map's own: nobody waits.
        if flights.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_nothing_is_left_behind() {
        let flights = Arc::new(SingleFlight::default());
        let first = flights.begin("a").await;
        assert!(!first.waited && !flights.begin("b").await.waited);
        let waiting = tokio::spawn({
            let flights = flights.clone();
            async move { flights.begin("a").await.waited }
        });
        while Arc::strong_count(&flights.flights.lock().unwrap()["a"]) < 3 {
            tokio::task::yield_now().await;
        }
        drop(first);
        assert!(waiting.await.unwrap());
        assert!(flights.flights.lock().unwrap().is_empty());
    }
}
