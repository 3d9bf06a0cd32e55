//! The result of `meter keys import`.

use anyhow::bail;
use schemars::JsonSchema;
use serde::Serialize;

use crate::dry_run::would_be;
use crate::output::{count, print_json};

/// The result of an import: numbers of rows.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct ImportSummary {
    /// `false` if nothing was changed, because of `--dry-run`.
    pub applied: bool,
    /// Rows whose keys were created, or would be.
    pub created: u64,
    /// Rows whose keys existed and were changed, or would be.
    pub updated: u64,
    /// Rows whose keys existed and already matched.
    pub unchanged: u64,
    /// Rows that were rejected. Standard error has a reason for each.
    pub rejected: u64,
}

impl ImportSummary {
    pub fn print(&self, json: bool) -> anyhow::Result<&Self> {
        let Self { applied, created, updated, unchanged, rejected } = self;
        let verb = would_be(*applied);
        if json {
            print_json(self)?;
        } else {
            println!(
                "Keys: {created} {verb}created, {updated} {verb}updated, {unchanged} unchanged, {rejected} {verb}rejected."
            );
        }
        Ok(self)
    }

    pub fn require_none_rejected(&self, file: &str) -> anyhow::Result<()> {
        if self.rejected > 0 {
            bail!(
                "{} of {file} rejected; fix the file and run the import again",
                count(self.rejected, "row")
            );
        }
        Ok(())
    }
}
