//! `meter keys import --dry-run`: what an import would do.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use metering_aws::KeyAdmin;
use metering_aws::key_import::{ImportError, Imported};
use metering_aws::key_store::KeyStoreError;
use system_clock::now_ms;

use super::values::{DescribedRow, Row};
use super::{CONCURRENCY, ImportSummary, described, import_deleted};

/// Compares all rows with the keys, prints the problem of each row that an import would reject, and returns the
/// numbers of rows.
pub async fn preview(rows: &[Row], admin: &KeyAdmin) -> anyhow::Result<ImportSummary> {
    let mut summary = ImportSummary::default();
    let mut created = HashSet::new();
    let mut results = stream::iter(rows).map(|row| preview_row(row, admin)).buffered(CONCURRENCY);
    let mut rows = rows.iter();
    while let (Some(result), Some(row)) = (results.next().await, rows.next()) {
        match result? {
            // A second row of the same key finds it there.
            Ok(Imported::Created) if !created.insert(row.key.as_ref().map(DescribedRow::id)) => {
                summary.unchanged += 1;
            }
            Ok(Imported::Created) => summary.created += 1,
            Ok(Imported::Differs) => summary.updated += 1,
            Ok(Imported::Unchanged) => summary.unchanged += 1,
            Err(problem) => {
                eprintln!("line {}: {problem}", row.line);
                summary.rejected += 1;
            }
        }
    }
    Ok(summary)
}

/// Returns what an import would do with a row, or why it would reject the row.
async fn preview_row(row: &Row, admin: &KeyAdmin) -> anyhow::Result<Result<Imported, String>> {
    let row = match &row.key {
        Ok(row) => row,
        Err(problem) => return Ok(Err(problem.clone())),
    };
    let found = if row.is_deleted {
        import_deleted(admin, &row.id()).await
    } else {
        admin.preview_import(&described(row), now_ms()).await
    };
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(ImportError::Store(error)) if !matches!(error, KeyStoreError::DescriptionTooLong { .. }) => {
            Err(error.into())
        }
        Err(problem) => Ok(Err(problem.to_string())),
    }
}
