//! The ports through which the authorizer finds keys and learns of their changes.

use std::future::Future;

use super::PortError;
use crate::api_key::{KeyDigest, KeyRecord};
use crate::invalidation::LogRead;

/// The table of keys, which are found by the digests of their secrets.
pub trait KeyTable: Sync {
    /// Looks a key up in the index, which lags behind the table: its copy may be outdated, and a
    /// new key may be missing.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn find_by_index(
        &self,
        digest: &KeyDigest,
    ) -> impl Future<Output = Result<Option<KeyRecord>, PortError>> + Send;

    /// Looks a key up in the table with strongly consistent reads.
    ///
    /// # Errors
    /// When the table cannot be read.
    fn find_consistently(
        &self,
        digest: &KeyDigest,
    ) -> impl Future<Output = Result<Option<KeyRecord>, PortError>> + Send;
}

/// The invalidation log, which has an entry for each change of a key.
pub trait InvalidationLog: Sync {
    /// Reads the head and the entries after a position with strong consistency. Without a position,
    /// only the head is read.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn read_after(&self, position: Option<u64>) -> impl Future<Output = Result<LogRead, PortError>> + Send;
}
