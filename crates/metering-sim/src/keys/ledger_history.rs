//! What the ledger counted for each row at each time, for reads that lag and for their audit.

use std::collections::BTreeMap;

use memory_ports::Store;
use metering_core::row_key::RowKey;

/// The calls of the rows after each write to them.
#[derive(Debug, Clone, Default)]
pub struct LedgerHistory {
    /// The time of each write, in milliseconds since 1970, and the calls of the row after it.
    writes: BTreeMap<RowKey, Vec<(i64, u64)>>,
}

impl LedgerHistory {
    /// Adds a write to a row.
    pub fn record(&mut self, store: &Store, row: &RowKey, now_ms: i64) {
        if let Some(counters) = store.rows.get(row).filter(|_| !row.key().is_totals()) {
            let writes = self.writes.entry(row.clone()).or_default();
            writes.push((now_ms, counters.hours.iter().sum()));
        }
    }

    /// Returns the rows with their calls. `seen_at_ms` returns the time at which a row is seen, in
    /// milliseconds since 1970, or `None` if it is not.
    pub fn calls(&self, mut seen_at_ms: impl FnMut(&RowKey) -> Option<i64>) -> Vec<(&RowKey, u64)> {
        let rows = self.writes.iter().filter_map(|(row, writes)| {
            let seen_ms = seen_at_ms(row)?;
            let (_, calls) = writes.iter().rev().find(|(at_ms, _)| *at_ms <= seen_ms)?;
            Some((row, *calls))
        });
        rows.collect()
    }
}
