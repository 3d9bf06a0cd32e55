//! `meter keys import`: keys of another system.
//!
//! A row has `sha256`, the hash of a secret, or `api_key`, the secret itself,
//! which is hashed here and kept nowhere. The id of a key follows from its
//! hash where none is given, so that importing a file twice makes no key
//! twice. A key that is there already becomes what its row says.

mod documents;
mod fields;
mod progress;
mod repeats;
mod rows;
mod table;
mod values;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use lambda_support::clock::now_ms;
use metering_aws::KeyStore;
use metering_aws::key_import::{DescribedKey, ImportError, Imported};
use metering_aws::key_store::KeyStoreError;
use metering_core::api_key::KeyRecord;
use serde_json::json;

use super::change::publish;
use super::duration::time_text;
use crate::input::open::Source;
use crate::target::{Target, TargetArguments};
use progress::Progress;
use rows::{File, Row};
use values::DescribedRow;

/// Keys that are written at the same time.
const CONCURRENCY: usize = 16;
/// Rows after which it is noted how far the import has come.
const ROWS_PER_NOTE: usize = 200;

/// Arguments of `meter keys import`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file, or - for standard input: CSV with a header, or JSON. Columns or members: sha256 or
    /// `api_key`, owner, and optionally `api_key_id`, name, plan, `monthly_limit`, `expires_at` and
    /// labels; or what API Gateway calls them
    file: PathBuf,
    /// The file's format [default: found out]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// The format of a file.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// With a header line.
    Csv,
    /// Objects, one per line or otherwise.
    #[value(alias = "json")]
    Jsonl,
}

/// What became of the rows.
#[derive(Default)]
struct Outcome {
    made: u64,
    updated: u64,
    unchanged: u64,
    rejected: u64,
}

/// An import that is under way.
struct Import {
    target: Target,
    store: KeyStore,
    bar: ProgressBar,
    outcome: Outcome,
}

/// Imports the keys of a file.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let shown = Source::of(&arguments.file).to_string();
    let content = content(&arguments.file).with_context(|| format!("{shown} cannot be read"))?;
    let file = rows::read(&content, arguments.format);
    let File { mut rows, unknown } = file.with_context(|| format!("{shown} cannot be imported"))?;
    if rows.is_empty() {
        eprintln!("{shown} has no keys");
    }
    if !unknown.is_empty() {
        eprintln!("passed over, since there are no such fields: {}", unknown.join(", "));
    }
    repeats::reject(&mut rows);
    let target = Target::find(&arguments.target).await?;
    let store = target.key_store();
    let bar = ProgressBar::new(rows.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} keys  {per_sec}  {eta} left")?);
    let mut import = Import { target, store, bar, outcome: Outcome::default() };
    import.rows(&rows, Progress::of_file(&arguments.file, &content)?, &shown).await?;
    import.print(arguments.json);
    let rejected = import.outcome.rejected;
    if rejected > 0 {
        bail!("{rejected} rows of {shown} were rejected; mend them and import the file again");
    }
    Ok(())
}

fn content(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    Source::of(file).open()?.read_to_end(&mut content)?;
    Ok(content)
}

impl Import {
    /// Imports all rows that were not done before.
    async fn rows(&mut self, rows: &[Row], mut progress: Progress, shown: &str) -> anyhow::Result<()> {
        let skipped = progress.done().min(rows.len());
        if skipped > 0 {
            eprintln!("continuing after row {skipped}, where the last import of {shown} stopped");
        }
        self.bar.set_position(skipped as u64);
        for chunk in rows[skipped..].chunks(ROWS_PER_NOTE) {
            self.chunk(chunk).await.with_context(|| {
                format!("the import stopped after row {}; run it again to continue", progress.done())
            })?;
            progress.advance(chunk.len())?;
        }
        self.bar.finish_and_clear();
        progress.finish()
    }

    /// Imports some rows. What is wrong with a row is said, and the others are imported.
    async fn chunk(&mut self, rows: &[Row]) -> Result<(), KeyStoreError> {
        let mut described = Vec::new();
        for row in rows {
            match &row.key {
                Ok(key) => described.push((row.line, key)),
                Err(problem) => self.reject(row.line, problem),
            }
        }
        let store = self.store.clone();
        let import = |(line, row)| {
            let store = &store;
            async move { (line, row, import_row(store, row).await) }
        };
        let results: Vec<_> =
            stream::iter(described).map(import).buffer_unordered(CONCURRENCY).collect().await;
        for (line, row, result) in results {
            let result = match result {
                Ok(Imported::Differs) => self.update(row).await,
                result => result,
            };
            match result {
                Ok(Imported::Made) => self.outcome.made += 1,
                Ok(Imported::Differs) => self.outcome.updated += 1,
                Ok(Imported::Unchanged) => self.outcome.unchanged += 1,
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
        let key = self.store.update_imported(&described(row), now_ms()).await?;
        if let Err(error) = publish(&self.target, &key, "updated", now_ms()).await {
            tracing::warn!(
                "nobody could be told of {} by message ({error:#}); the change holds all the same, by the invalidation log",
                key.key_id
            );
        }
        Ok(Imported::Differs)
    }

    fn reject(&mut self, line: usize, problem: &str) {
        self.bar.suspend(|| eprintln!("line {line}: {problem}"));
        self.outcome.rejected += 1;
        self.bar.inc(1);
    }

    fn print(&self, as_json: bool) {
        let Outcome { made, updated, unchanged, rejected } = self.outcome;
        if as_json {
            println!(
                "{}",
                json!({"made": made, "updated": updated, "unchanged": unchanged, "rejected": rejected})
            );
            return;
        }
        println!("Keys: {made} made, {updated} updated, {unchanged} unchanged, {rejected} rejected.");
        if updated > 0 {
            let everywhere_ms = now_ms().saturating_add_unsigned(self.target.sync_interval_ms);
            println!("Every instance must know of the updates by {}.", time_text(everywhere_ms));
        }
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

async fn import_row(store: &KeyStore, row: &DescribedRow) -> Result<Imported, ImportError> {
    if row.is_deleted {
        return import_deleted(store, &row.id()).await;
    }
    store.import(&described(row), now_ms()).await
}

/// A row says that its key was deleted. That is so here, or has to be done by name.
async fn import_deleted(store: &KeyStore, key_id: &str) -> Result<Imported, ImportError> {
    match store.get(key_id).await {
        Ok(key) if key.deleted_at_ms.is_none() => Err(ImportError::NotDeleted { key_id: key_id.to_owned() }),
        Ok(_) | Err(KeyStoreError::NoSuchKey { .. }) => Ok(Imported::Unchanged),
        Err(error) => Err(error.into()),
    }
}
