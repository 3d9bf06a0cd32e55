//! The private key of a local stack, by which tokens of the usage page are signed.

use std::path::Path;

use portal_token::{InvalidKey, PrivateKey};

use super::secret_file;

/// The name of the file in the data folder.
pub const PORTAL_KEY_FILE: &str = "portal-key.pem";

/// A problem of the file of the private key.
#[derive(Debug, thiserror::Error)]
pub enum PortalKeyError {
    /// The file cannot be read or written.
    #[error("the private key {path} of the usage page cannot be read or written")]
    File { path: String, source: std::io::Error },
    /// The file has no key.
    #[error("the private key {path} of the usage page cannot be used; delete it to have a new one made")]
    Key { path: String, source: InvalidKey },
}

/// Reads the private key of a data folder, or makes one if the folder has none.
///
/// # Errors
/// Returns an error if the file cannot be read or written, or has no key.
pub fn read_or_create(folder: &Path) -> Result<PrivateKey, PortalKeyError> {
    let path = folder.join(PORTAL_KEY_FILE);
    let shown = || path.display().to_string();
    let invalid = |source| PortalKeyError::Key { path: shown(), source };
    let unusable = |source| PortalKeyError::File { path: shown(), source };
    if path.exists() {
        return PrivateKey::from_pem(&std::fs::read_to_string(&path).map_err(unusable)?).map_err(invalid);
    }
    let key = PrivateKey::generate().map_err(invalid)?;
    secret_file::create(&path, &key.to_pem()).map_err(unusable)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let key = read_or_create(folder.path()).unwrap();
        assert_eq!(read_or_create(folder.path()).unwrap().public_key(), key.public_key());
        std::fs::write(folder.path().join(PORTAL_KEY_FILE), "no key").unwrap();
        let error = read_or_create(folder.path()).unwrap_err().to_string();
        assert!(error.contains("delete it to have a new one made"), "{error}");
    }
}
