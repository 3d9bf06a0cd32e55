//! What a key has used, day by day.

use std::collections::BTreeMap;

use crate::window::{HOURS_PER_DAY, UtcDay};

/// The calls of one day, added up over all shards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayUsage {
    /// Calls per hour.
    pub hours: [u64; HOURS_PER_DAY],
    /// The latest call that the ledger tells of, in milliseconds since 1970.
    pub last_call_ms: i64,
}

impl DayUsage {
    /// The calls of the day.
    pub fn total(&self) -> u64 {
        self.hours.iter().sum()
    }
}

/// The usage of one key, for the days that have any.
pub type KeyUsage = BTreeMap<UtcDay, DayUsage>;
