//! Behaviour of AWS that emulators rarely show, enabled one at a time. All functions of these
//! stacks are `examples/probe_function.rs`, so that the tests do not depend on the meter.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod delivery;
mod expiry;
mod given_up;
mod log_groups;
mod memory;
mod probe_stack;
mod queues;
mod restart;
mod versions;
