//! Clocks of functions that can be wrong.
//!
//! The processes are started with libfaketime, which adds the content of a file to the time of day.
//! The monotonic clock is left alone, as an adjustment of the time of day leaves it alone.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::fault::FaultyFunction;

/// Folders of Debian's package `libfaketime`, and of a build from source.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
];

/// Returns the path of libfaketime, which a process preloads for a clock of its own.
///
/// # Errors
/// Returns an error if libfaketime is not installed.
pub fn libfaketime() -> anyhow::Result<&'static str> {
    LIBRARIES.into_iter().find(|path| Path::new(path).is_file()).context(
        "libfaketime is missing, which gives a process a clock of its own; install it (Debian: apt-get install libfaketime)",
    )
}

/// The files that set the clocks of the functions.
#[derive(Debug, Clone)]
pub struct ClockFiles {
    folder: PathBuf,
}

impl ClockFiles {
    /// Returns the files of a data folder.
    pub fn new(data_folder: &Path) -> Self {
        Self { folder: data_folder.to_owned() }
    }

    fn path(&self, function: FaultyFunction) -> PathBuf {
        self.folder.join(format!("clock-{}", function.service()))
    }

    /// Sets the difference of a function's clock from the right time, in seconds.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn set(&self, function: FaultyFunction, jump_s: i32) -> anyhow::Result<()> {
        let path = self.path(function);
        let new = path.with_extension("new");
        // A process may read the file at any time, so it is replaced as a whole.
        std::fs::write(&new, format!("{jump_s:+}\n"))
            .and_then(|()| std::fs::rename(&new, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Returns the environment variables with which a function has the clock of its file.
    ///
    /// # Errors
    /// Returns an error if libfaketime is not installed.
    pub fn environment(&self, function: FaultyFunction) -> anyhow::Result<Vec<(String, String)>> {
        let path = self.path(function);
        let variables = [
            ("LD_PRELOAD", libfaketime()?),
            ("FAKETIME_TIMESTAMP_FILE", &path.to_string_lossy()),
            ("FAKETIME_CACHE_DURATION", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_DISABLE_SHM", "1"),
        ];
        Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }
}
