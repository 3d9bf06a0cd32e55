//! Runs one read of a kind at a time: concurrent misses of one key share one lookup.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Number of locks from which on the unused ones are removed. A cancelled task may leave its lock behind.
const MAX_UNUSED_LOCKS: usize = 1_000;

/// One lock for each key, as long as a task holds it or waits for it.
#[derive(Debug)]
pub struct SingleFlight<K: Eq + Hash> {
    flights: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
}

impl<K: Eq + Hash> Default for SingleFlight<K> {
    fn default() -> Self {
        Self { flights: Mutex::default() }
    }
}

/// The right to perform a read; released on drop.
#[derive(Debug)]
pub struct Flight<'flights, K: Eq + Hash + Clone> {
    flights: &'flights SingleFlight<K>,
    key: K,
    guard: Option<OwnedMutexGuard<()>>,
    /// `true` if another task held the right before, and may have completed the read.
    pub waited: bool,
}

impl<K: Eq + Hash + Clone> SingleFlight<K> {
    /// Waits until no other task holds the right for `key`.
    pub async fn begin(&self, key: K) -> Flight<'_, K> {
        let lock = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            if flights.len() >= MAX_UNUSED_LOCKS {
                // The last task that waited for them was cancelled.
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
        // The only reference is that of the map: no task waits.
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

    #[tokio::test]
    async fn locks_that_cancelled_tasks_leave_behind_are_removed_when_there_are_many() {
        let flights = SingleFlight::default();
        for key in 0..MAX_UNUSED_LOCKS {
            flights.flights.lock().unwrap().insert(key, Arc::default());
        }
        let held = flights.begin(MAX_UNUSED_LOCKS).await;
        assert_eq!(flights.flights.lock().unwrap().len(), 1);
        for key in 1..MAX_UNUSED_LOCKS {
            flights.flights.lock().unwrap().insert(key, Arc::default());
        }
        drop(flights.begin(0).await);
        let left: Vec<usize> = flights.flights.lock().unwrap().keys().copied().collect();
        assert_eq!(left, [MAX_UNUSED_LOCKS], "a lock that a task holds is not removed");
        drop(held);
        assert!(flights.flights.lock().unwrap().is_empty());
    }
}
