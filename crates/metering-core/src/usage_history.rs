//! The usage of a key by day.

use std::collections::BTreeMap;

use crate::window::{HOURS_PER_DAY, UtcDay};

/// The usage of one day, added up over all shards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayUsage {
    /// Number of calls in each UTC hour of the day.
    pub hours: [u64; HOURS_PER_DAY],
    /// Request time of the latest call in the ledger, in milliseconds since 1970.
    pub last_call_ms: i64,
}

impl DayUsage {
    /// Returns the number of calls on the day.
    pub fn total(&self) -> u64 {
        self.hours.iter().sum()
    }
}

/// The usage of one key. Days without calls are left out.
pub type KeyUsage = BTreeMap<UtcDay, DayUsage>;
