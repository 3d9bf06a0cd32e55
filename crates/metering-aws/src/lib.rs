//! The ports of `metering-core` on the AWS SDK.

pub mod claim_store;
pub mod connection;
mod error;
pub mod quarantine_queue;
pub mod tables;
pub mod usage_ledger;
pub mod usage_report;

pub use claim_store::DynamoClaimStore;
pub use quarantine_queue::QuarantineQueue;
pub use usage_ledger::DynamoUsageLedger;
