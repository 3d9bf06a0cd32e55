//! `meter keys import`: imports keys of another system.
//!
//! A row has `sha256`, the hash of a secret, or `api_key`, the secret itself, which is hashed here and never
//! stored. If a row has no id, the id is derived from the hash, so that importing a file twice creates no key
//! twice. An existing key is changed to match its row.

mod customers;
mod documents;
pub mod fields;
mod preview;
mod progress;
pub mod repeats;
pub mod rows;
mod summary;
mod table;
pub mod values;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use metering_aws::KeyAdmin;
use metering_aws::key_import::{DescribedKey, ImportError, Imported};
use metering_aws::key_store::KeyStoreError;
use metering_core::api_key::KeyRecord;
use system_clock::now_ms;

use super::change::warn_if_unpublished;
use crate::dry_run::DryRun;
use crate::input::open::Source;
use crate::output::time_text;
use crate::target::{Target, TargetArguments};
use progress::Progress;
pub use summary::ImportSummary;
use values::{DescribedRow, File, Row};

/// Maximum size of a file, compressed or not, in bytes: more than a million keys.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Maximum number of keys that are created concurrently.
const CONCURRENCY: usize = 16;
/// Number of rows after which the progress is saved.
const ROWS_PER_SAVE: usize = 200;

/// Arguments of `meter keys import`.
#[derive(clap::Args)]
pub struct Arguments {
    /// File to import, or - for standard input: CSV with a header, or JSON. Columns or members: sha256
    /// or `api_key`, owner or `customer_id`, and optionally `api_key_id`, name, plan, `monthly_limit`, `expires_at` and
    /// labels. The names that API Gateway uses are accepted too
    file: PathBuf,
    /// Format of the file [default: detected]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    dry_run: DryRun,
    /// Print JSON, as described in docs/schemas/meter-keys-import.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// The format of a file.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// CSV with a header line
    Csv,
    /// JSON objects, one per line, in an array, or one after the other
    #[value(alias = "json")]
    Jsonl,
}

/// An import in progress.
struct Import {
    target: Target,
    admin: KeyAdmin,
    bar: ProgressBar,
    summary: ImportSummary,
}

/// Imports the keys of a file.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let shown = Source::from_path(&arguments.file).to_string();
    let content = content(&arguments.file).with_context(|| format!("{shown} cannot be read"))?;
    let file = rows::read(&content, arguments.format);
    let File { mut rows, unknown } = file.with_context(|| format!("{shown} cannot be imported"))?;
    if rows.is_empty() {
        eprintln!("{shown} has no keys");
    }
    if !unknown.is_empty() {
        eprintln!("ignored, because there are no such fields: {}", unknown.join(", "));
    }
    repeats::reject_contradictions(&mut rows);
    let target = Target::find(&arguments.target).await?;
    let new_customers = customers::missing(&rows, &target.meter.customers()).await?;
    let ids = new_customers.iter().cloned().collect::<Vec<_>>().join(", ");
    let admin = target.key_admin();
    if arguments.dry_run.is_on() {
        let completed = Progress::read(&arguments.file, &content)?.completed_rows().min(rows.len());
        if completed > 0 {
            eprintln!("would continue after row {completed}, at which the last import of {shown} stopped");
        }
        let summary = preview::preview(&rows[completed..], &admin).await?;
        if !ids.is_empty() {
            eprintln!("would create the customers {ids}");
        }
        return summary.print(arguments.json)?.require_none_rejected(&shown);
    }
    customers::create(&new_customers, &target.meter.customers()).await?;
    if !ids.is_empty() {
        eprintln!("created the customers {ids}");
    }
    let bar = ProgressBar::new(rows.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} keys  {per_sec}  {eta} left")?);
    let mut import =
        Import { target, admin, bar, summary: ImportSummary { applied: true, ..ImportSummary::default() } };
    import.import_rows(&rows, Progress::read(&arguments.file, &content)?, &shown).await?;
    import.summary.print(arguments.json)?;
    if !arguments.json && import.summary.updated > 0 {
        let everywhere_ms = now_ms().saturating_add_unsigned(import.target.sync_interval_ms);
        println!("Every instance knows of the updates by {}.", time_text(everywhere_ms));
    }
    import.summary.require_none_rejected(&shown)
}

fn content(file: &Path) -> anyhow::Result<Vec<u8>> {
    read_whole(Source::from_path(file).open()?)
}

/// Reads a file of at most [`MAX_FILE_BYTES`].
fn read_whole(reader: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        bail!("it has more than {MAX_FILE_BYTES} bytes; cut it into several files");
    }
    Ok(content)
}

impl Import {
    /// Imports all rows after those that an interrupted import has completed.
    async fn import_rows(&mut self, rows: &[Row], mut progress: Progress, shown: &str) -> anyhow::Result<()> {
        let skipped = progress.completed_rows().min(rows.len());
        if skipped > 0 {
            eprintln!("continuing after row {skipped}, at which the last import of {shown} stopped");
        }
        self.bar.set_position(skipped as u64);
        for chunk in rows[skipped..].chunks(ROWS_PER_SAVE) {
            self.import_chunk(chunk).await.with_context(|| {
                format!(
                    "the import stopped after row {}; run it again to continue",
                    progress.completed_rows()
                )
            })?;
            progress.advance(chunk.len())?;
        }
        self.bar.finish_and_clear();
        progress.finish()
    }

    /// Imports some rows. Prints the problem of each rejected row and continues with the others.
    async fn import_chunk(&mut self, rows: &[Row]) -> Result<(), KeyStoreError> {
        let mut described = Vec::new();
        for row in rows {
            match &row.key {
                Ok(key) => described.push((row.line, key)),
                Err(problem) => self.reject(row.line, problem),
            }
        }
        let admin = self.admin.clone();
        let import = |(line, row)| {
            let admin = &admin;
            async move { (line, row, import_row(admin, row).await) }
        };
        let results: Vec<_> =
            stream::iter(described).map(import).buffer_unordered(CONCURRENCY).collect().await;
        for (line, row, result) in results {
            let result = match result {
                Ok(Imported::Differs) => self.update(row).await,
                result => result,
            };
            match result {
                Ok(Imported::Created) => self.summary.created += 1,
                Ok(Imported::Differs) => self.summary.updated += 1,
                Ok(Imported::Unchanged) => self.summary.unchanged += 1,
                Err(ImportError::Store(error @ KeyStoreError::DescriptionTooLong { .. })) => {
                    self.reject(line, &error.to_string());
                    continue;
                }
                Err(ImportError::Store(error)) => return Err(error),
                Err(problem) => {
                    self.reject(line, &problem.to_string());
                    continue;
                }
            }
            self.bar.inc(1);
        }
        Ok(())
    }

    /// Changes a key that differs from its row.
    async fn update(&self, row: &DescribedRow) -> Result<Imported, ImportError> {
        let changed = self.admin.update_imported(&described(row), now_ms()).await?;
        warn_if_unpublished(&changed);
        Ok(Imported::Differs)
    }

    fn reject(&mut self, line: usize, problem: &str) {
        self.bar.suspend(|| eprintln!("line {line}: {problem}"));
        self.summary.rejected += 1;
        self.bar.inc(1);
    }
}

fn described(row: &DescribedRow) -> DescribedKey<impl Fn(&mut KeyRecord)> {
    DescribedKey {
        key_id: row.id(),
        is_id_given: row.key_id.is_some(),
        digest: row.digest,
        describe: |key: &mut KeyRecord| row.apply(key),
    }
}

async fn import_row(admin: &KeyAdmin, row: &DescribedRow) -> Result<Imported, ImportError> {
    if row.is_deleted {
        return import_deleted(admin, &row.id()).await;
    }
    admin.import(&described(row), now_ms()).await
}

/// Imports a row whose key was deleted elsewhere. An import deletes no key: if the key exists here, the row
/// is rejected.
async fn import_deleted(admin: &KeyAdmin, key_id: &str) -> Result<Imported, ImportError> {
    match admin.store().get(key_id).await {
        Ok(key) if key.deleted_at_ms.is_none() => Err(ImportError::NotDeleted { key_id: key_id.to_owned() }),
        Ok(_) | Err(KeyStoreError::NoSuchKey { .. }) => Ok(Imported::Unchanged),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_256_mebibytes_and_not_one_byte_more() {
        let read =
            |bytes: u64| read_whole(std::io::repeat(b'\n').take(bytes)).map(|content| content.len() as u64);
        assert_eq!(read(MAX_FILE_BYTES).unwrap(), MAX_FILE_BYTES);
        let error = read(MAX_FILE_BYTES + 1).unwrap_err().to_string();
        assert!(error.contains("cut it into several files"), "{error}");
    }
}
