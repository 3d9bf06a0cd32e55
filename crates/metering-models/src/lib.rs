//! The environment in which the models of counting run the shipped code: the run of a batch
//! ([`metering_core::batch_run`]) on tables with the conditions that DynamoDB evaluates
//! ([`memory_ports::Store`]).
//!
//! The models share the event source mapping, the invocations and their faults, the operator and
//! the audit. `tests/ledger_model.rs` and `tests/ownership_model.rs` choose the records and the
//! numbers of faults.

#![expect(clippy::unwrap_used, reason = "a model stops where something is wrong")]
#![expect(clippy::missing_panics_doc, reason = "a panic is a defect of the model")]

pub mod audit;
pub mod batches;
pub mod checking;
pub mod coverage;
pub mod invocation;
pub mod protocol;
pub mod shared;
pub mod state;
pub mod storage;
pub mod trace;
