//! What a Lambda function runs.

use std::path::PathBuf;

/// What a function runs and how.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// Its name.
    pub name: String,
    /// The published version that this is.
    pub version: String,
    /// The binary, the same file that is deployed as `bootstrap`.
    pub binary: PathBuf,
    /// Its environment variables.
    pub environment: Vec<(String, String)>,
    /// Memory that a process may have, in MiB.
    pub memory_mib: u64,
    /// Whether an allocation beyond `memory_mib` fails, as it does on Lambda.
    pub limits_memory: bool,
    /// How long an invocation may take, in milliseconds.
    pub timeout_ms: u64,
    /// The most environments at once.
    pub max_environments: usize,
    /// Whether an invocation goes to any idle environment, and not to the one
    /// that was used last.
    pub spreads: bool,
}
