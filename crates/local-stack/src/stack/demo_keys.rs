//! The demonstration keys of a new local stack.
//!
//! Their secrets are in a file of the data folder. No other key's secret is stored.

use std::path::Path;

use metering_aws::KeyAdmin;
use metering_aws::key_admin::NewKey;
use metering_aws::key_store::KeyStoreError;
use metering_core::api_key::KeyDigest;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::secret_file;

/// The name of the file in the data folder.
pub const DEMO_KEY_FILE: &str = "demo-keys.json";

/// A demonstration key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoKey {
    /// The id under which usage is counted.
    pub api_key_id: String,
    /// The secret, which a client sends as `x-api-key`.
    pub api_key: String,
}

/// A problem of the file of demonstration keys.
#[derive(Debug, thiserror::Error)]
pub enum DemoKeyError {
    /// The file cannot be read or written.
    #[error("the file of demonstration keys {path} cannot be read or written")]
    File { path: String, source: std::io::Error },
    /// The file is not a list of keys.
    #[error(
        "the file of demonstration keys {path} is not a JSON list of {{\"api_key_id\": ..., \"api_key\": ...}}"
    )]
    Form { path: String, source: serde_json::Error },
    /// The keys cannot be written to the table.
    #[error(transparent)]
    Store(#[from] KeyStoreError),
}

/// Reads the keys of a data folder.
///
/// # Errors
/// Returns an error if the file cannot be read or is not a list of keys.
pub fn read(folder: &Path) -> Result<Vec<DemoKey>, DemoKeyError> {
    let path = folder.join(DEMO_KEY_FILE);
    let shown = || path.display().to_string();
    let text =
        std::fs::read_to_string(&path).map_err(|source| DemoKeyError::File { path: shown(), source })?;
    serde_json::from_str(&text).map_err(|source| DemoKeyError::Form { path: shown(), source })
}

/// Reads the keys of a data folder, or creates `count` keys if the folder has none.
///
/// # Errors
/// Returns an error if the file or the table cannot be read or written.
pub async fn read_or_create(
    folder: &Path,
    count: usize,
    admin: &KeyAdmin,
    now_ms: i64,
) -> Result<Vec<DemoKey>, DemoKeyError> {
    let path = folder.join(DEMO_KEY_FILE);
    if path.exists() {
        return read(folder);
    }
    let keys: Vec<DemoKey> = (1..=count)
        .map(|number| DemoKey {
            api_key_id: format!("key-{number}"),
            api_key: format!("demo_{:032x}", rand::rng().random::<u128>()),
        })
        .collect();
    for DemoKey { api_key_id, api_key } in &keys {
        let key = NewKey::new(api_key_id, KeyDigest::of_bytes(api_key.as_bytes()), now_ms);
        let key = key.described(|key| {
            key.owner = "demo".into();
            key.name = format!("demonstration key {api_key_id}");
        });
        admin.create(&key).await?;
    }
    let text = serde_json::to_string_pretty(&keys)
        .map_err(|source| DemoKeyError::Form { path: path.display().to_string(), source })?;
    secret_file::create(&path, &text)
        .map_err(|source| DemoKeyError::File { path: path.display().to_string(), source })?;
    Ok(keys)
}
