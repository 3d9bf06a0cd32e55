//! The progress of an import, saved next to the imported file so that an interrupted import can be continued.

use std::path::{Path, PathBuf};

use anyhow::Context;
use metering_core::api_key::KeyDigest;
use serde::{Deserialize, Serialize};

/// The progress of an import.
pub struct Progress {
    path: PathBuf,
    saved: Saved,
}

/// The content of the progress file.
#[derive(Serialize, Deserialize)]
struct Saved {
    /// SHA-256 of the imported file. The progress of another version of the file is discarded.
    sha256: String,
    /// Number of completed rows.
    rows: usize,
}

impl Progress {
    /// Reads the progress of the import of a file with this content.
    pub fn read(file: &Path, content: &[u8]) -> anyhow::Result<Self> {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".progress");
        let path = file.with_file_name(name);
        let sha256 = KeyDigest::of_bytes(content).to_string();
        let saved = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice::<Saved>(&text).ok().filter(|saved| saved.sha256 == sha256),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        Ok(Self { path, saved: saved.unwrap_or(Saved { sha256, rows: 0 }) })
    }

    /// Number of rows that were completed.
    pub fn completed_rows(&self) -> usize {
        self.saved.rows
    }

    /// Saves that further rows are completed.
    pub fn advance(&mut self, rows: usize) -> anyhow::Result<()> {
        self.saved.rows += rows;
        let shown = self.path.display();
        std::fs::write(&self.path, serde_json::to_vec(&self.saved)?)
            .with_context(|| format!("{shown} cannot be written"))
    }

    /// Removes the progress file after the last row.
    pub fn finish(self) -> anyhow::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}
