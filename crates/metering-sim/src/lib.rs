//! A deterministic simulation of counting: the shipped consumer over ports in
//! memory, under every fault that a seed draws.
//!
//! One thread carries out one step at a time: a delivery, an invocation, one
//! operation of a port, the passing of time, an operator's command. A seed
//! draws the steps, so a seed is a story that can be told again. An
//! [`auditor`] that shares no code with the meter knows what the API produced
//! and looks at the ledger after every write: never too many calls; once all
//! is quiet, all of them.
//!
//! ```
//! use metering_sim::faults::FaultSet;
//! use metering_sim::simulation::{Settings, simulate};
//!
//! let settings = Settings { steps: 500, faults: FaultSet::all() };
//! let outcome = simulate(7, &settings, false);
//! assert_eq!(outcome.problem, None);
//! ```

pub mod api_log;
pub mod auditor;
pub mod faults;
pub mod ports;
pub mod search;
pub mod simulation;
pub mod story;
pub mod stream;
