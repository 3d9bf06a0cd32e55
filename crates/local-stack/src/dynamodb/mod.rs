//! Amazon DynamoDB: the embedded database, with added expiry, faults, metrics and index lag.

mod database;
pub mod expiry;
pub mod lagging_index;
mod proxy;
mod torn_transactions;

pub use proxy::DynamoDb;
