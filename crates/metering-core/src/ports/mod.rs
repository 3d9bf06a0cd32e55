//! The storage and the services that the rules need, as traits.
//!
//! Each module has the ports of one use: [`usage`] those of the consumer and of
//! the readers of the ledger, [`keys`] those of the authorizer, [`alerts`] the
//! notifications about limits, and [`reconciliation`] those of the reconciler.
//! All of them are re-exported here.

pub mod alerts;
pub mod keys;
pub mod reconciliation;
pub mod usage;

use std::error::Error;

pub use alerts::{UsageAlert, UsageAlerts};
pub use keys::{InvalidationLog, KeyTable};
pub use reconciliation::{AccessLogCounts, ComparedHours, LedgerCounts};
pub use usage::{
    ClaimStore, CountingProgress, LedgerReply, Quarantine, QuarantinedRecord, RowRelease, StreamRetention,
    UsageHistory, UsageLedger, UsageTotals, WriteReply,
};

/// The failure of a port's operation. No record is lost by it: the caller reports the record as
/// failed, and the record is delivered again.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The operation was throttled, timed out, or met an outage. It may succeed later.
    #[error("{operation} could not be completed now")]
    Retryable {
        /// The operation and its target, such as a table.
        operation: String,
        /// The error of the service.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The service refused the operation, for example because a permission or a table is missing.
    /// It may succeed after an operator has repaired the deployment.
    #[error("{operation} was refused")]
    Refused {
        /// The operation and its target, such as a table.
        operation: String,
        /// The error of the service.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The service refused the content of the operation, and always will.
    #[error("{operation} was refused because of its content")]
    Invalid {
        /// The operation and its target, such as a table.
        operation: String,
        /// The error of the service.
        source: Box<dyn Error + Send + Sync>,
    },
}
