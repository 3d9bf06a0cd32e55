//! The rows of a file of keys.

use std::io::{Cursor, Read};

use anyhow::{Context, bail};

use super::fields::nearly;
use super::values::DescribedRow;
use super::{Format, documents, table};
use crate::input::open;

/// A row, read or rejected.
#[derive(Debug)]
pub struct Row {
    /// The line that it stands in.
    pub line: usize,
    /// The key, or what is wrong with it.
    pub key: Result<DescribedRow, String>,
}

/// What is in a file.
#[derive(Debug, Default)]
pub struct File {
    /// Its rows, in order.
    pub rows: Vec<Row>,
    /// Names of columns or members that are not known, and were passed over.
    pub unknown: Vec<String>,
}

/// Reads a file. The format is found out where none is given.
///
/// # Errors
/// When the file as a whole cannot be read; a bad row is in the answer.
pub fn read(content: &[u8], format: Option<Format>) -> anyhow::Result<File> {
    if content.starts_with(b"PK\x03\x04") {
        bail!("it is a workbook or another archive; save its sheet as CSV in UTF-8");
    }
    let text = text_of(content)?;
    let is_json = match format {
        Some(format) => format == Format::Jsonl,
        None => text.trim_start().starts_with(['{', '[']),
    };
    let file = if is_json { documents::read(text)? } else { table::read(&text)? };
    for name in &file.unknown {
        if let Some(known) = nearly(name) {
            bail!("there is no field {name:?}, and it is nearly {known:?}: rename it, or leave it out");
        }
    }
    Ok(file)
}

/// The text of a file, whose lines end with `\n`.
fn text_of(content: &[u8]) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    open::text(Cursor::new(content.to_vec())).read_to_end(&mut bytes).context("it cannot be inflated")?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.replace("\r\n", "\n").replace('\r', "\n")),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = &error.as_bytes()[..valid];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            bail!(
                "line {line} is not UTF-8; it may be Latin-1 or Windows-1252, as Excel writes CSV: save it as \"CSV UTF-8\""
            )
        }
    }
}
