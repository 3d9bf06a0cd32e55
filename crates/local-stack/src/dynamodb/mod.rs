//! Amazon DynamoDB: the embedded database, and what it lacks.

mod database;
pub mod expiry;
pub mod lagging_index;
mod proxy;
mod torn_transactions;

pub use proxy::DynamoDb;
