//! The API keys of the local gateway, from a file.

use std::collections::HashMap;
use std::path::Path;

use rand::Rng;
use serde::{Deserialize, Serialize};

/// How many keys a new file is given.
const NEW_KEYS: usize = 5;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeedKey {
    /// What usage is counted under.
    pub api_key_id: String,
    /// What the client sends as `x-api-key`.
    pub api_key: String,
}

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("the key file {path} cannot be read or written")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It has another form.
    #[error("the key file {path} is not a JSON list of {{\"apiKeyId\": ..., \"apiKey\": ...}}")]
    Form {
        /// The file.
        path: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Two keys have the same secret.
    #[error("the key file {path} gives two key ids the same apiKey")]
    Repeated {
        /// The file.
        path: String,
    },
}

/// The ids of keys by their secrets.
pub type KeyIds = HashMap<String, String>;

/// Reads a file of keys; one that does not exist is written first.
///
/// # Errors
/// When the file cannot be used.
pub fn load_or_create(path: &Path) -> Result<Vec<SeedKey>, KeyFileError> {
    let shown = || path.display().to_string();
    let file_error = |source| KeyFileError::File { path: shown(), source };
    if !path.exists() {
        let keys: Vec<SeedKey> = (1..=NEW_KEYS)
            .map(|number| SeedKey {
                api_key_id: format!("key-{number}"),
                api_key: format!("{:032x}", rand::rng().random::<u128>()),
            })
            .collect();
        let text = serde_json::to_string_pretty(&keys)
            .map_err(|source| KeyFileError::Form { path: shown(), source })?;
        std::fs::write(path, text).map_err(file_error)?;
    }
    let text = std::fs::read_to_string(path).map_err(file_error)?;
    serde_json::from_str(&text).map_err(|source| KeyFileError::Form { path: shown(), source })
}

/// The ids of keys by their secrets.
///
/// # Errors
/// When two keys have the same secret.
pub fn ids_by_secret(keys: &[SeedKey], path: &Path) -> Result<KeyIds, KeyFileError> {
    let ids: KeyIds = keys.iter().map(|key| (key.api_key.clone(), key.api_key_id.clone())).collect();
    if ids.len() == keys.len() {
        Ok(ids)
    } else {
        Err(KeyFileError::Repeated { path: path.display().to_string() })
    }
}
