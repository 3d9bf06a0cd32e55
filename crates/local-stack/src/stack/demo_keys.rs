//! The keys that a new local stack is given, so that it can be tried at once.
//!
//! Their secrets are in a file of the data folder: that is for trying only, no
//! other secret is ever kept.

use std::path::Path;

use metering_aws::KeyStore;
use metering_aws::key_store::KeyStoreError;
use metering_core::api_key::{KeyDigest, KeyRecord};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// The file, in the data folder.
pub const DEMO_KEY_FILE: &str = "demo-keys.json";

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DemoKey {
    /// What usage is counted under.
    pub api_key_id: String,
    /// What the client sends as `x-api-key`.
    pub api_key: String,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DemoKeyError {
    /// The file cannot be read or written.
    #[error("the file of demonstration keys {path} cannot be read or written")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It has another form.
    #[error(
        "the file of demonstration keys {path} is not a JSON list of {{\"apiKeyId\": ..., \"apiKey\": ...}}"
    )]
    Form {
        /// The file.
        path: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// They cannot be put into the table.
    #[error(transparent)]
    Store(#[from] KeyStoreError),
}

/// Reads the keys of a data folder.
///
/// # Errors
/// When the file cannot be used.
pub fn read(folder: &Path) -> Result<Vec<DemoKey>, DemoKeyError> {
    let path = folder.join(DEMO_KEY_FILE);
    let shown = || path.display().to_string();
    let text =
        std::fs::read_to_string(&path).map_err(|source| DemoKeyError::File { path: shown(), source })?;
    serde_json::from_str(&text).map_err(|source| DemoKeyError::Form { path: shown(), source })
}

/// Reads the keys of a data folder; makes them first, where the stack is new.
///
/// # Errors
/// When the file or the table cannot be used.
pub async fn read_or_create(
    folder: &Path,
    count: usize,
    store: &KeyStore,
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
        let key = KeyRecord {
            key_id: api_key_id.clone(),
            owner: "demo".to_owned(),
            name: format!("demonstration key {api_key_id}"),
            digest: Some(KeyDigest::of_bytes(api_key.as_bytes())),
            created_at_ms: now_ms,
            ..KeyRecord::default()
        };
        store.create(&key).await?;
    }
    let text = serde_json::to_string_pretty(&keys)
        .map_err(|source| DemoKeyError::Form { path: path.display().to_string(), source })?;
    std::fs::write(&path, text)
        .map_err(|source| DemoKeyError::File { path: path.display().to_string(), source })?;
    Ok(keys)
}
