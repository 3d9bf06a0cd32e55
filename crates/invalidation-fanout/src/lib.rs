//! The Lambda function that empties API Gateway's own caches of authorizer
//! answers when a key is changed.
//!
//! A stage that caches answers goes on admitting a key until its cache expires,
//! whatever the authorizer knows. [`handler`] has the stages flushed when a
//! message of the invalidation topic arrives.

pub mod config;
pub mod handler;
pub mod stage_cache;
