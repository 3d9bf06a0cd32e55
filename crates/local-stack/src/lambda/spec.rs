//! Configuration of a version of a function.

use std::path::PathBuf;

/// Configuration of one version of a function.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// Name of the function, without the stage.
    pub name: String,
    /// Number of the published version.
    pub version: String,
    /// Path of the binary, the same file that is deployed as `bootstrap`.
    pub binary: PathBuf,
    /// Names and values of the environment variables.
    pub environment: Vec<(String, String)>,
    /// Memory size, in MiB.
    pub memory_mib: u64,
    /// `true` if an allocation beyond `memory_mib` fails, as on Lambda.
    pub limits_memory: bool,
    /// Timeout of an invocation, in milliseconds.
    pub timeout_ms: u64,
    /// Maximum number of concurrent environments.
    pub max_environments: usize,
    /// `true` if an invocation goes to a random idle environment instead of the one that was used
    /// last.
    pub spreads: bool,
}
