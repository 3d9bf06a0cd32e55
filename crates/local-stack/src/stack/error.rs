//! Why a stack could not be started.

use metering_aws::key_store::KeyStoreError;

use crate::stack::demo_keys::DemoKeyError;

/// Why a stack could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("the data folder {folder} cannot be used")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another stack uses the folder.
    #[error("another `meter local` uses the data folder {folder}; stop it, or choose another with --data")]
    InUse {
        /// The folder.
        folder: String,
    },
    /// A function's binary is not there.
    #[error(
        "a function's binary is not at {binary}; build them with scripts/build-local.sh, or name their folder with --binaries"
    )]
    NoBinary {
        /// Where it was looked for.
        binary: String,
    },
    /// A port cannot be had.
    #[error("port {port} of 127.0.0.1 cannot be used; choose another, or 0 for any")]
    Port {
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] DemoKeyError),
    /// The key of the canary cannot be used.
    #[error("the canary has no key to call with; run without it: --no-canary")]
    CanaryKey {
        /// What the table said.
        source: KeyStoreError,
    },
    /// A part could not be started.
    #[error("{part} could not be started")]
    Part {
        /// The part.
        part: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The error of a part.
pub(super) fn part(
    part: &'static str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StartError {
    StartError::Part { part, source: error.into() }
}
