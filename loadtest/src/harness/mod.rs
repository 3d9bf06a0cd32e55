//! The open-loop harness: it sends the calls of a profile, measures freshness
//! with probes, and compares the ledger with the clients' counts.

pub mod baseline;
pub mod child;
pub mod client;
pub mod client_counts;
pub mod clock_files;
pub mod consumption;
pub mod faults;
pub mod find_rate;
pub mod fleet;
pub mod identities;
pub mod interruption;
pub mod interval;
pub mod keys;
pub mod latency_breakdown;
pub mod local;
pub mod memory;
pub mod outcome;
pub mod probe;
pub mod progress;
pub mod route_classes;
pub mod run;
pub mod schedule;
pub mod shard_read;
pub mod system_under_test;
pub mod verdict;
pub mod worker;
pub mod workload;
