//! `meter keys export`: the keys for another region or environment.

use std::io::Write;

use metering_core::api_key::{KeyDigest, KeyRecord};
use serde_json::{Value, json};

use super::duration::time_text;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter keys export`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
}

/// Prints the keys that were not deleted as JSON lines, with the hashes of
/// their secrets. A secret that was replaced and is still valid is not among them.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let keys = Target::find(&arguments.target).await?.key_store().list().await?;
    let mut output = std::io::stdout().lock();
    for key in keys.iter().filter(|key| key.deleted_at_ms.is_none()) {
        if let Some(digest) = &key.digest {
            writeln!(output, "{}", row(key, digest))?;
        }
    }
    Ok(())
}

fn row(key: &KeyRecord, digest: &KeyDigest) -> Value {
    json!({
        "api_key_id": key.key_id, "owner": key.owner, "name": key.name, "plan": key.plan, "monthly_limit": key.monthly_limit,
        "expires_at": key.expires_at_ms.map(time_text), "labels": key.labels, "sha256": digest.to_string(),
    })
}
