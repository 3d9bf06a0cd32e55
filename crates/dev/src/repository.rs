//! The repository and its generated files.

use std::path::{Path, PathBuf};

pub struct File {
    /// The path from the root of the repository.
    pub path: &'static str,
    /// The text of the file.
    pub content: String,
}

/// Returns the root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
