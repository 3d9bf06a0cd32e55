//! The port through which usage and weights are read.

use std::future::Future;

use metering_core::metered_key::{Breakdown, MeteredKey};
use metering_core::ports::PortError;
use metering_core::window::{HOURS_PER_DAY, UtcDay};

use crate::weights::WeightLists;

/// The rows to read.
#[derive(Debug, Clone, Copy)]
pub enum RowsOf<'a> {
    /// The rows of a key.
    Key(&'a MeteredKey),
    /// The rows of all keys of a customer.
    Customer(&'a str),
    /// The rows of all keys. They are read by a scan of the whole table, in which the rows of a
    /// customer follow one another.
    All,
}

/// Counted calls of a key on a day, in one route class. Each shard has a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The calls that the row counts.
    pub breakdown: Breakdown,
    /// Number of calls in each UTC hour of the day.
    pub hours: [u64; HOURS_PER_DAY],
    /// Request time of the latest counted call, in milliseconds since 1970; 0 if there is none.
    pub last_call_ms: i64,
}

/// The ledger and the weights, as reports read them.
pub trait UsageSource: Sync {
    /// Reads the rows of the days from `from` to `to`, both included. `visit` gets every row that is
    /// read, so that it can limit their number: those of a customer and of all keys are read by month,
    /// also for other days. All rows are read with eventual consistency, those of a key or a customer
    /// with strong consistency. The rows with the calls of all keys together are left out.
    ///
    /// # Errors
    /// Fails if the ledger cannot be read or has a malformed row, or if `visit` fails.
    fn visit_rows<E: From<PortError> + Send>(
        &self,
        rows: RowsOf<'_>,
        days: [UtcDay; 2],
        visit: impl FnMut(&UsageRow) -> Result<(), E> + Send,
    ) -> impl Future<Output = Result<(), E>> + Send;

    /// Reads all lists of weights, strongly consistently.
    ///
    /// # Errors
    /// Fails if the lists cannot be read, or one of them is malformed.
    fn weights(&self) -> impl Future<Output = Result<WeightLists, PortError>> + Send;
}
