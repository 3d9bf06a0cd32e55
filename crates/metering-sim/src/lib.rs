//! A deterministic simulation of the whole path: the shipped consumer, authorizer
//! and reconciler over ports in memory, under randomly drawn faults.
//!
//! One thread carries out one step at a time: a delivery, an invocation, one
//! operation of a port, the passing of time, an operator's command. A seed
//! determines all steps, so a failure can be reproduced from its seed. An
//! [`auditor`] that shares no code with the meter knows which calls the API
//! logged. After every write it checks that the ledger has not too many calls,
//! and after all work is done that it has all of them. Another,
//! [`keys::auditor`], checks each decision of the authorizer.
//!
//! The keys of the calls differ by seed: few keys, so that rows count many calls; a
//! key for each call, so that the ledger shows which calls were counted; or the keys
//! that the authorizer admits while they are created, rotated and deleted.
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
pub mod arguments;
pub mod auditor;
pub mod faults;
mod identities;
pub mod keys;
pub mod ports;
mod promises;
pub mod search;
pub mod simulation;
pub mod stream;
pub mod trace;
