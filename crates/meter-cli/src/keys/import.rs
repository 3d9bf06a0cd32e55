//! `meter keys import`: keys of another system.
//!
//! A row has `sha256`, the hash of a secret, or `api_key`, the secret itself,
//! which is hashed here and kept nowhere. The id of a key follows from its
//! hash where none is given, so that importing a file twice makes no key twice.

mod progress;
mod rows;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::ValueEnum;
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use lambda_support::clock::now_ms;
use metering_aws::KeyStore;
use metering_aws::key_store::{Imported, KeyStoreError};
use metering_core::api_key::KeyRecord;
use serde_json::json;

use crate::target::{Target, TargetArguments};
use progress::Progress;
use rows::{Row, read_rows};

/// Keys that are written at the same time.
const CONCURRENCY: usize = 16;
/// Rows after which it is noted how far the import has come.
const ROWS_PER_NOTE: usize = 200;

/// Arguments of `meter keys import`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file. Columns or members: sha256 or `api_key`, owner, and optionally
    /// `api_key_id`, name, plan, `monthly_limit`, `expires_at` and labels
    file: PathBuf,
    /// The file's format [default: by the name, CSV for .csv]
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
    /// One JSON object per line.
    Jsonl,
}

/// What became of the rows.
#[derive(Default)]
struct Outcome {
    created: u64,
    already_there: u64,
    rejected: u64,
}

/// Imports the keys of a file.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let is_csv = arguments.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let format = arguments.format.unwrap_or(if is_csv { Format::Csv } else { Format::Jsonl });
    let shown = arguments.file.display().to_string();
    let text = std::fs::read_to_string(&arguments.file).with_context(|| format!("{shown} cannot be read"))?;
    let rows = read_rows(&text, format).with_context(|| format!("{shown} cannot be imported"))?;
    let store = Target::find(&arguments.target).await?.key_store();
    let mut progress = Progress::of_file(&arguments.file, &text)?;
    let skipped = progress.done().min(rows.len());
    if skipped > 0 {
        eprintln!("continuing after row {skipped}, where the last import of {shown} stopped");
    }
    let bar = ProgressBar::new(rows.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} keys  {per_sec}  {eta} left")?);
    bar.set_position(skipped as u64);
    let mut outcome = Outcome::default();
    for chunk in rows[skipped..].chunks(ROWS_PER_NOTE) {
        import_chunk(&store, chunk, &mut outcome, &bar).await.with_context(|| {
            format!("the import stopped after row {}; run it again to continue", progress.done())
        })?;
        progress.advance(chunk.len())?;
    }
    bar.finish_and_clear();
    progress.finish()?;
    let Outcome { created, already_there, rejected } = outcome;
    if arguments.json {
        println!("{}", json!({"created": created, "alreadyThere": already_there, "rejected": rejected}));
    } else {
        println!(
            "{created} keys were made, {already_there} were there already, {rejected} rows were rejected."
        );
    }
    if rejected > 0 {
        bail!("{rejected} rows of {shown} were rejected; mend them and import the file again");
    }
    Ok(())
}

/// Imports some rows. What is wrong with a row is said, and the others are imported.
async fn import_chunk(
    store: &KeyStore,
    rows: &[Row],
    outcome: &mut Outcome,
    bar: &ProgressBar,
) -> Result<(), KeyStoreError> {
    let now_ms = now_ms();
    let keys = rows.iter().filter_map(|row| match &row.key {
        Ok(key) => Some((row.line, KeyRecord { created_at_ms: now_ms, ..key.clone() })),
        Err(problem) => {
            bar.suspend(|| eprintln!("line {}: {problem}", row.line));
            outcome.rejected += 1;
            bar.inc(1);
            None
        }
    });
    let keys: Vec<_> = keys.collect();
    let import = |(line, key): (usize, KeyRecord)| async move { (line, store.import(&key).await) };
    let mut results = stream::iter(keys).map(import).buffer_unordered(CONCURRENCY);
    while let Some((line, result)) = results.next().await {
        match result {
            Ok(Imported::Created) => outcome.created += 1,
            Ok(Imported::AlreadyThere) => outcome.already_there += 1,
            Err(error @ KeyStoreError::Taken { .. }) => {
                bar.suspend(|| eprintln!("line {line}: {error}"));
                outcome.rejected += 1;
            }
            Err(error) => return Err(error),
        }
        bar.inc(1);
    }
    Ok(())
}
