//! The load test: an open-loop harness that measures freshness and checks that
//! the counts are exact, and a simulation of loads that one machine cannot run.

pub mod chaos;
pub mod exit_status;
pub mod fault;
pub mod harness;
pub mod histogram;
pub mod key_distribution;
pub mod profile;
pub mod report;
pub mod schema;
pub mod simulation;
