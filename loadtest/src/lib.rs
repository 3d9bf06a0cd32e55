//! The load test: an open-loop harness that proves freshness and exactness,
//! and a simulation of what no machine here can run.

pub mod child;
pub mod client;
pub mod consumption;
pub mod fault_schedule;
pub mod find_rate;
pub mod fleet;
pub mod histogram;
pub mod keys;
pub mod local;
pub mod memory;
pub mod naive;
pub mod outcome;
pub mod probe;
pub mod profile;
pub mod progress;
pub mod report;
pub mod run;
pub mod schedule;
pub mod seen;
pub mod shard_read;
pub mod simulation;
pub mod split;
pub mod target;
pub mod verdict;
pub mod worker;
pub mod workload;
