//! Time to live (TTL): deletion of expired DynamoDB items.
//!
//! AWS deletes expired items within a few days, in the background; until then, reads still return
//! them. Source: DynamoDB Developer Guide, "Using time to live (TTL) in DynamoDB". Here a sweep
//! deletes them in all tables that have TTL enabled.

use std::time::Duration;

use dynoxide::Database;
use tokio::time::MissedTickBehavior;

/// Expired items could not be deleted.
#[derive(Debug, thiserror::Error)]
#[error("expired items cannot be deleted: {0}")]
pub struct ExpiryError(String);

/// Deletes the expired items of a database.
#[derive(Clone)]
pub struct Expiry {
    database: Database,
}

impl Expiry {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Deletes the items that have expired before the call, and returns their number.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read or written.
    pub async fn sweep(&self) -> Result<usize, ExpiryError> {
        let database = self.database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        swept.map_err(|error| ExpiryError(error.to_string()))?.map_err(|error| ExpiryError(error.to_string()))
    }

    /// Sweeps at an interval until the task is dropped. With an interval of 0, never sweeps.
    pub async fn sweep_regularly(self, interval_ms: u64) {
        if interval_ms == 0 {
            return;
        }
        let mut times = tokio::time::interval(Duration::from_millis(interval_ms));
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            match self.sweep().await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "deleted expired items"),
                Err(error) => tracing::warn!(%error, "deleting expired items failed; retrying later"),
            }
        }
    }
}
