//! The Lambda functions and their limits.

// The services. A service is also the name of the function's binary.

/// Counts the calls of the access log.
pub const CONSUMER: &str = "usage-consumer";
/// Admits or denies calls by their API keys.
pub const AUTHORIZER: &str = "api-authorizer";
/// Flushes API Gateway's caches of authorizer results.
pub const FANOUT: &str = "invalidation-fanout";
/// Returns a customer's usage at `GET /usage`.
pub const USAGE_ENDPOINT: &str = "usage-endpoint";
/// Serves the usage page of a customer, and its data.
pub const PORTAL: &str = "usage-portal";
/// Compares the ledger with the access log.
pub const RECONCILER: &str = "usage-reconciler";
/// Calls the API and measures the time until the ledger shows the call.
pub const CANARY: &str = "usage-canary";

/// The limits of a Lambda function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionLimits {
    /// Memory size, in MiB.
    pub memory_mib: u32,
    /// Time-out of an invocation, in milliseconds.
    pub timeout_ms: u64,
}

/// The limits of each function, by service.
pub const FUNCTIONS: [(&str, FunctionLimits); 7] = [
    (CONSUMER, FunctionLimits { memory_mib: 256, timeout_ms: 60_000 }),
    (AUTHORIZER, FunctionLimits { memory_mib: 256, timeout_ms: 5_000 }),
    (FANOUT, FunctionLimits { memory_mib: 128, timeout_ms: 60_000 }),
    (USAGE_ENDPOINT, FunctionLimits { memory_mib: 128, timeout_ms: 15_000 }),
    (PORTAL, FunctionLimits { memory_mib: 128, timeout_ms: 15_000 }),
    (RECONCILER, FunctionLimits { memory_mib: 512, timeout_ms: 900_000 }),
    (CANARY, FunctionLimits { memory_mib: 128, timeout_ms: 150_000 }),
];

/// Returns the limits of the function of a service.
///
/// # Panics
/// Panics if no function has this service.
pub fn limits(service: &str) -> FunctionLimits {
    let found = FUNCTIONS.iter().find(|(name, _)| *name == service);
    found.unwrap_or_else(|| panic!("there is no function {service}")).1
}
