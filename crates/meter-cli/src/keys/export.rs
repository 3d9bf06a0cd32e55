//! `meter keys export`: the keys for another region or environment.

use std::collections::BTreeMap;

use metering_core::api_key::{KeyDigest, KeyRecord};
use schemars::JsonSchema;
use serde::Serialize;

use crate::closed_output::stdout;
use crate::output::{time_text, write_json};
use crate::target::{Target, TargetArguments};

/// Arguments of `meter keys export`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
}

/// A key with the hash of its secret.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedKey {
    /// Id under which usage is counted.
    pub api_key_id: String,
    /// Id of the customer who pays for its calls; null if it belongs to none.
    pub customer_id: Option<String>,
    /// Owner of the key.
    pub owner: String,
    /// Descriptive name; empty if there is none.
    pub name: String,
    /// Plan under which the key is sold; empty if there is none.
    pub plan: String,
    /// Billed calls that are allowed in a UTC month; null if there is no limit.
    pub monthly_limit: Option<u64>,
    /// Time at which the key expires, as RFC 3339; null if it does not.
    pub expires_at: Option<String>,
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// SHA-256 of the secret, as 64 hexadecimal digits.
    pub sha256: String,
}

impl ExportedKey {
    pub fn new(key: &KeyRecord, digest: &KeyDigest) -> Self {
        Self {
            api_key_id: key.key_id.clone(),
            customer_id: key.customer_id.clone(),
            owner: key.owner.clone(),
            name: key.name.clone(),
            plan: key.plan.clone(),
            monthly_limit: key.monthly_limit,
            expires_at: key.expires_at_ms.map(time_text),
            labels: key.labels.clone(),
            sha256: digest.to_string(),
        }
    }
}

/// Prints all keys that are not deleted as JSON lines, with the hashes of their secrets. A replaced secret
/// that is still valid is not exported.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let keys = Target::find(&arguments.target).await?.key_store().list().await?;
    let mut output = stdout();
    for key in keys.iter().filter(|key| key.deleted_at_ms.is_none()) {
        if let Some(digest) = &key.digest {
            write_json(&mut output, &ExportedKey::new(key, digest))?;
        }
    }
    Ok(())
}
