//! The ports of `metering-core` on the AWS SDK.

pub mod call_log;
mod claim_items;
pub mod claim_store;
pub mod connection;
mod error;
pub mod invalidation_log;
pub mod key_change;
mod key_items;
pub mod key_store;
pub mod key_table;
pub mod month_usage;
pub mod quarantine_queue;
pub mod stream_reader;
pub mod stream_retention;
pub mod tables;
pub mod topic;
pub mod usage_alerts;
pub mod usage_ledger;
pub mod usage_report;

pub use call_log::CallLog;
pub use claim_store::DynamoClaimStore;
pub use invalidation_log::DynamoInvalidationLog;
pub use key_store::KeyStore;
pub use key_table::DynamoKeyTable;
pub use month_usage::DynamoUsageTotals;
pub use quarantine_queue::QuarantineQueue;
pub use stream_retention::KinesisRetention;
pub use topic::Topic;
pub use usage_alerts::SnsUsageAlerts;
pub use usage_ledger::DynamoUsageLedger;
pub use usage_report::DynamoUsageHistory;
