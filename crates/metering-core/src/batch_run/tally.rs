//! The counts that a run reports.

/// The counts of a run so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunTally {
    /// Calls that this run added to the rows of keys.
    pub counted_calls: u64,
    /// Rows of the ledger that were written, those of totals included.
    pub ledger_writes: u64,
    /// Updates that were not written as planned, because of a row's high-water mark.
    pub fenced_updates: u64,
    /// Pages of claims that were written.
    pub page_writes: u64,
    /// Heads that were written.
    pub head_writes: u64,
    /// Conditional writes of pages and heads that failed because of a concurrent write, and were
    /// planned again.
    pub conflicts: u64,
    /// Records that an earlier run had already processed completely.
    pub replayed_records: u64,
    /// Calls that another record owns.
    pub duplicate_calls: u64,
    /// Records of which a part was put into quarantine.
    pub kept_records: u64,
    /// Events that were put into quarantine, without those of records that are there as a whole.
    pub kept_events: u64,
    /// Calls that their row of the ledger refused, or that found their slice of claims full.
    pub refused_calls: u64,
    /// Records that had been given up, and were put into quarantine.
    pub given_up_records: u64,
    /// Records with calls that another version of the function claimed and this one cannot read.
    pub unreadable_claims: u64,
}
