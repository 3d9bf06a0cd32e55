//! What a run leaves behind: text, `result.json`, histograms, an HTML page and a PNG.

mod hdr;
mod html;
pub mod plot;
mod text;

use std::path::Path;

use anyhow::Context;

use crate::harness::outcome::Outcome;

pub use text::text;

/// Writes everything into a folder.
///
/// # Errors
/// When something cannot be written.
pub fn write(outcome: &Outcome, folder: &Path) -> anyhow::Result<()> {
    outcome.write(folder)?;
    hdr::write(outcome, folder)?;
    let write = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))
    };
    let percentiles = plot::percentiles(outcome)?;
    write("freshness.png", &plot::png(&percentiles)?)?;
    write("report.html", html::page(outcome, &percentiles)?.as_bytes())
}
