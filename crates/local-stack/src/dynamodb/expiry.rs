//! Time to live: items of DynamoDB whose time is over are deleted.
//!
//! AWS deletes them within a few days, in the background; until then they are
//! still read. Source: DynamoDB Developer Guide, "Using time to live (TTL) in
//! DynamoDB". Here a sweep deletes them in all tables that have TTL enabled.

use std::time::Duration;

use dynoxide::Database;
use tokio::time::MissedTickBehavior;

/// An item could not be deleted.
#[derive(Debug, thiserror::Error)]
#[error("items whose time to live is over cannot be deleted: {0}")]
pub struct ExpiryError(String);

/// Deletes what has expired in a database.
#[derive(Clone)]
pub struct Expiry {
    database: Database,
}

impl Expiry {
    /// For a database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Deletes the items whose time to live was over when this began, and
    /// returns how many there were.
    ///
    /// # Errors
    /// When the database of the tables cannot be read or written.
    pub async fn sweep(&self) -> Result<usize, ExpiryError> {
        let database = self.database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        swept.map_err(|error| ExpiryError(error.to_string()))?.map_err(|error| ExpiryError(error.to_string()))
    }

    /// Sweeps again and again, for ever; never where the interval is 0.
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
                Ok(deleted) => tracing::info!(deleted, "items were deleted as their time to live was over"),
                Err(error) => tracing::warn!(%error, "expired items stay until the next sweep"),
            }
        }
    }
}
