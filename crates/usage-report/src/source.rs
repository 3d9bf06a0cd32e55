//! The port through which usage and weights are read.

use std::future::Future;

use metering_core::metered_key::{Breakdown, MeteredKey};
use metering_core::ports::PortError;
use metering_core::window::{HOUR_MS, HOURS_PER_DAY, UtcDay};

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
    /// Length of the responses of each UTC hour of the day, in bytes.
    pub response_bytes: [u64; HOURS_PER_DAY],
    /// Request time of the latest counted call, in milliseconds since 1970; 0 if there is none.
    pub last_call_ms: i64,
}

/// What a row counts of one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourUsage {
    /// Start of the hour, in milliseconds since 1970.
    pub start_ms: i64,
    /// Number of calls, at least 1.
    pub calls: u64,
    /// Length of their responses, in bytes.
    pub response_bytes: u64,
}

impl UsageRow {
    /// Returns each hour of the day with its usage; `None` for an hour without calls.
    pub fn by_hour(&self) -> impl Iterator<Item = Option<HourUsage>> {
        let starts_ms = hour_starts_ms(self.breakdown.day);
        let hours = starts_ms.zip(self.hours.into_iter().zip(self.response_bytes));
        hours.map(|(start_ms, (calls, response_bytes))| {
            (calls > 0).then_some(HourUsage { start_ms, calls, response_bytes })
        })
    }
}

/// Returns the starts of the hours of a day and those that follow, in milliseconds since 1970.
pub(crate) fn hour_starts_ms(day: UtcDay) -> impl Iterator<Item = i64> {
    (0..).map(move |hour| day.start_ms() + hour * HOUR_MS)
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
