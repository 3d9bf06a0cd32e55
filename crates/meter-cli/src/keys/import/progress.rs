//! How far an import has come, in a file beside its file, so that it can be continued.

use std::path::{Path, PathBuf};

use anyhow::Context;
use metering_core::api_key::KeyDigest;
use serde::{Deserialize, Serialize};

/// The progress of an import.
pub struct Progress {
    path: PathBuf,
    note: Note,
}

#[derive(Serialize, Deserialize)]
struct Note {
    /// The SHA-256 of the file, by which a changed one is known.
    sha256: String,
    /// Rows that are done.
    rows: usize,
}

impl Progress {
    /// The progress of the import of a file with this content.
    pub fn of_file(file: &Path, content: &[u8]) -> anyhow::Result<Self> {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".progress");
        let path = file.with_file_name(name);
        let sha256 = KeyDigest::of_bytes(content).to_string();
        let note = match std::fs::read(&path) {
            Ok(note) => serde_json::from_slice::<Note>(&note).ok().filter(|note| note.sha256 == sha256),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        Ok(Self { path, note: note.unwrap_or(Note { sha256, rows: 0 }) })
    }

    /// Rows that are done.
    pub fn done(&self) -> usize {
        self.note.rows
    }

    /// Notes that further rows are done.
    pub fn advance(&mut self, rows: usize) -> anyhow::Result<()> {
        self.note.rows += rows;
        let shown = self.path.display();
        std::fs::write(&self.path, serde_json::to_vec(&self.note)?)
            .with_context(|| format!("{shown} cannot be written"))
    }

    /// Forgets the note: everything is done.
    pub fn finish(self) -> anyhow::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}
