//! The errors of starting a stack.

use metering_aws::key_store::KeyStoreError;

use super::demo_keys::DemoKeyError;
use super::portal_key::PortalKeyError;

/// A failure to start a stack.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be read or written.
    #[error("the data folder {folder} cannot be used")]
    Folder { folder: String, source: std::io::Error },
    /// Another stack has locked the data folder.
    #[error("another `meter local` uses the data folder {folder}; stop it, or choose another with --data")]
    InUse { folder: String },
    /// The binary of a function does not exist.
    #[error(
        "the binary {binary} of a function does not exist; build it with scripts/build-local.sh, or name its folder with --binaries"
    )]
    NoBinary { binary: String },
    /// A port is taken or not allowed.
    #[error("port {port} of 127.0.0.1 cannot be used; choose another, or 0 for any")]
    Port { port: u16, source: std::io::Error },
    /// The demonstration keys cannot be used.
    #[error(transparent)]
    Keys(#[from] DemoKeyError),
    /// The private key of the usage page cannot be used.
    #[error(transparent)]
    PortalKey(#[from] PortalKeyError),
    /// The key of the canary cannot be written.
    #[error("the key of the canary cannot be created; run without the canary: --no-canary")]
    CanaryKey { source: KeyStoreError },
    /// A part of the stack could not be started, or has stopped.
    #[error("{part} could not be started")]
    Part { part: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
}

/// Returns the error of a part of the stack.
pub(super) fn part_error(
    part: &'static str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StartError {
    StartError::Part { part, source: error.into() }
}
