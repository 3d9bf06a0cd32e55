//! Keys and the authorizer: the shipped authorizer over tables of keys that show
//! changes as DynamoDB may.

pub mod auditor;
pub mod calendar;
pub mod instance;
pub mod ledger_history;
pub mod limit_auditor;
pub mod ports;
pub mod tables;
