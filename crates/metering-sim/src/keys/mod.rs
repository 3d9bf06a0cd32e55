//! Keys and the authorizer: the shipped authorizer over tables of keys that show
//! changes as DynamoDB may.

pub mod auditor;
pub mod instance;
pub mod ports;
pub mod tables;
