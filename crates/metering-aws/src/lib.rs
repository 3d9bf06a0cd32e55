//! Adapters to AWS: the ports of `metering-core` on the AWS SDK, the
//! administration of API keys, and readers of the access log and of the
//! quarantine for the tools.

#![warn(missing_docs)]

pub mod attachments;
pub mod call_log;
mod claim_items;
pub mod claim_store;
pub mod claimed_calls;
pub mod connection;
pub mod customer_store;
pub mod dated_lists;
mod error;
pub mod given_up;
pub mod invalidation_log;
pub mod key_admin;
pub mod key_change;
pub mod key_import;
mod key_items;
pub mod key_store;
pub mod key_table;
pub mod key_usage;
pub mod ledger_items;
pub mod logged_calls;
pub mod logged_events;
pub mod meter_target;
pub mod month_usage;
pub mod put_back;
pub mod quarantine_queue;
pub mod reconciliation_store;
pub mod schema;
pub mod stream_progress;
pub mod stream_retention;
pub mod tables;
pub mod topic;
pub mod usage_alerts;
pub mod usage_ledger;
pub mod usage_source;

pub use call_log::CallLog;
pub use claim_store::DynamoClaimStore;
pub use customer_store::CustomerStore;
pub use given_up::GivenUpBucket;
pub use invalidation_log::DynamoInvalidationLog;
pub use key_admin::KeyAdmin;
pub use key_store::KeyStore;
pub use key_table::DynamoKeyTable;
pub use key_usage::{DynamoLedgerCounts, DynamoUsageHistory};
pub use meter_target::MeterTarget;
pub use month_usage::DynamoUsageTotals;
pub use put_back::StreamWriter;
pub use quarantine_queue::QuarantineQueue;
pub use reconciliation_store::ReconciliationStore;
pub use stream_progress::StreamProgress;
pub use stream_retention::KinesisRetention;
pub use topic::Topic;
pub use usage_alerts::SnsUsageAlerts;
pub use usage_ledger::DynamoUsageLedger;
pub use usage_source::DynamoUsageSource;
