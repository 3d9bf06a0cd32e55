//! The Lambda functions and their limits.

/// The limits of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionLimits {
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// Time of an invocation, in milliseconds.
    pub timeout_ms: u64,
}

/// Each function by its service, which is the name of its binary.
pub const FUNCTIONS: [(&str, FunctionLimits); 6] = [
    ("usage-consumer", FunctionLimits { memory_mib: 256, timeout_ms: 60_000 }),
    ("api-authorizer", FunctionLimits { memory_mib: 256, timeout_ms: 5_000 }),
    ("invalidation-fanout", FunctionLimits { memory_mib: 128, timeout_ms: 60_000 }),
    ("usage-endpoint", FunctionLimits { memory_mib: 128, timeout_ms: 15_000 }),
    ("usage-reconciler", FunctionLimits { memory_mib: 512, timeout_ms: 900_000 }),
    ("usage-canary", FunctionLimits { memory_mib: 128, timeout_ms: 150_000 }),
];

/// The limits of the function of a service.
///
/// # Panics
/// Panics if no function has this service.
pub fn limits(service: &str) -> FunctionLimits {
    let found = FUNCTIONS.iter().find(|(name, _)| *name == service);
    found.unwrap_or_else(|| panic!("there is no function {service}")).1
}
