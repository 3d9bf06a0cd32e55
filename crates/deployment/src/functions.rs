//! The Lambda functions and their limits.

// The services. A service is also the name of the function's binary.
pub const USAGE_CONSUMER: &str = "usage-consumer";
pub const API_AUTHORIZER: &str = "api-authorizer";
pub const INVALIDATION_FANOUT: &str = "invalidation-fanout";
pub const USAGE_ENDPOINT: &str = "usage-endpoint";
pub const USAGE_RECONCILER: &str = "usage-reconciler";
pub const USAGE_CANARY: &str = "usage-canary";

/// The limits of a Lambda function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionLimits {
    /// Memory size, in MiB.
    pub memory_mib: u32,
    /// Time-out of an invocation, in milliseconds.
    pub timeout_ms: u64,
}

/// The limits of each function, by service.
pub const FUNCTIONS: [(&str, FunctionLimits); 6] = [
    (USAGE_CONSUMER, FunctionLimits { memory_mib: 256, timeout_ms: 60_000 }),
    (API_AUTHORIZER, FunctionLimits { memory_mib: 256, timeout_ms: 5_000 }),
    (INVALIDATION_FANOUT, FunctionLimits { memory_mib: 128, timeout_ms: 60_000 }),
    (USAGE_ENDPOINT, FunctionLimits { memory_mib: 128, timeout_ms: 15_000 }),
    (USAGE_RECONCILER, FunctionLimits { memory_mib: 512, timeout_ms: 900_000 }),
    (USAGE_CANARY, FunctionLimits { memory_mib: 128, timeout_ms: 150_000 }),
];

/// Returns the limits of the function of a service.
///
/// # Panics
/// Panics if no function has this service.
pub fn limits(service: &str) -> FunctionLimits {
    let found = FUNCTIONS.iter().find(|(name, _)| *name == service);
    found.unwrap_or_else(|| panic!("there is no function {service}")).1
}
