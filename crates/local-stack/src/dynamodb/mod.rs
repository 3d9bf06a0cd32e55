//! Amazon DynamoDB: the embedded database, and what it lacks.

pub mod expiry;
pub mod lagging_index;
mod proxy;
pub(crate) mod torn_transactions;
