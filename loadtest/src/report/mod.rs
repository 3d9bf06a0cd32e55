//! The report of a run: a text, `result.json`, histograms, an HTML page and a PNG image.

mod hdr;
mod html;
pub mod plot;
mod text;

use std::path::Path;

use anyhow::Context;

use crate::harness::outcome::Outcome;

pub use text::text;

/// Writes all files of a report into a folder.
///
/// # Errors
/// Returns an error if a file cannot be written.
pub fn write(outcome: &Outcome, folder: &Path) -> anyhow::Result<()> {
    outcome.write(folder)?;
    hdr::write(outcome, folder)?;
    let write = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    };
    let percentiles = plot::percentiles(outcome)?;
    write("freshness.png", &plot::png(&percentiles)?)?;
    write("report.html", html::page(outcome, &percentiles)?.as_bytes())
}
