//! What AWS does and an emulation likes to hide, switched on one by one. The
//! functions of these stacks are all `examples/probe_function.rs`, so nothing
//! here depends on what the meter makes of it.

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
