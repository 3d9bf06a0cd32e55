//! Stores buckets as folders and objects as files below them, whose paths are their keys.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use md5::{Digest, Md5};

/// Maximum length of a key, in bytes. Source: S3 User Guide, "Naming Amazon S3 objects".
const MAX_KEY_BYTES: usize = 1_024;

/// An error response of S3.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct S3Error {
    /// HTTP status.
    pub status: u16,
    /// Error code of the S3 API, for example `NoSuchKey`.
    pub code: &'static str,
    pub message: String,
}

impl S3Error {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

impl From<std::io::Error> for S3Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(500, "InternalError", format!("the bucket's folder cannot be used: {error}"))
    }
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSummary {
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last write.
    pub modified: SystemTime,
    /// MD5 digest of the content, in hexadecimal digits.
    pub etag: String,
}

/// The buckets and objects.
#[derive(Debug)]
pub struct S3Store {
    folder: PathBuf,
}

impl S3Store {
    /// Opens a folder and creates the missing buckets.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be written.
    pub fn open(folder: &Path, buckets: &[&str]) -> std::io::Result<Self> {
        for bucket in buckets {
            std::fs::create_dir_all(folder.join(bucket))?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Writes an object atomically.
    ///
    /// # Errors
    /// Returns an error if the bucket does not exist, the key is not supported, or the file cannot
    /// be written.
    pub fn put(&self, bucket: &str, key: &str, content: &[u8]) -> Result<(), S3Error> {
        let path = self.path_of(bucket, key)?;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        // The temporary file is next to the buckets, where it is not listed.
        let unfinished = self.folder.join(format!(".unfinished-{:032x}", rand::random::<u128>()));
        std::fs::write(&unfinished, content)?;
        Ok(std::fs::rename(&unfinished, path)?)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// Returns an error if the object does not exist.
    pub fn get(&self, bucket: &str, key: &str) -> Result<(Vec<u8>, ObjectSummary), S3Error> {
        let path = self.path_of(bucket, key)?;
        if !path.is_file() {
            return Err(S3Error::new(404, "NoSuchKey", format!("the bucket {bucket} has no object {key}")));
        }
        let content = std::fs::read(&path)?;
        let summary = summary(key.to_owned(), &path, &content)?;
        Ok((content, summary))
    }

    /// Deletes an object. Succeeds if the object does not exist.
    ///
    /// # Errors
    /// Returns an error if the bucket does not exist or the file cannot be removed.
    pub fn delete(&self, bucket: &str, key: &str) -> Result<(), S3Error> {
        let path = self.path_of(bucket, key)?;
        if path.is_file() {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Lists up to `limit` objects of a bucket whose keys begin with `prefix` and are greater than
    /// `after`, in the byte order of their keys.
    ///
    /// # Errors
    /// Returns an error if the bucket does not exist or cannot be read.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ObjectSummary>, S3Error> {
        let root = self.bucket(bucket)?;
        let mut keys = Vec::new();
        collect_keys(&root, "", &mut keys)?;
        keys.retain(|key| key.starts_with(prefix) && key.as_str() > after);
        keys.sort_unstable();
        keys.truncate(limit);
        let summary_of = |key: String| {
            let path = root.join(&key);
            Ok(summary(key, &path, &std::fs::read(&path)?)?)
        };
        keys.into_iter().map(summary_of).collect()
    }

    fn bucket(&self, bucket: &str) -> Result<PathBuf, S3Error> {
        let folder = self.folder.join(bucket);
        if bucket.is_empty() || bucket.contains(['/', '.']) || !folder.is_dir() {
            return Err(S3Error::new(404, "NoSuchBucket", format!("there is no bucket {bucket:?}")));
        }
        Ok(folder)
    }

    /// Returns the path of the file of an object. Refuses keys that are not a path below the
    /// bucket.
    fn path_of(&self, bucket: &str, key: &str) -> Result<PathBuf, S3Error> {
        let folder = self.bucket(bucket)?;
        if key.len() > MAX_KEY_BYTES {
            return Err(S3Error::new(400, "KeyTooLongError", format!("the key has {} bytes", key.len())));
        }
        if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let message =
                format!("the key {key:?} has an empty part, . or .., which the local stack does not support");
            return Err(S3Error::new(501, "NotImplemented", message));
        }
        Ok(folder.join(key))
    }
}

fn summary(key: String, path: &Path, content: &[u8]) -> std::io::Result<ObjectSummary> {
    let modified = std::fs::metadata(path)?.modified()?;
    let digest = u128::from_be_bytes(Md5::digest(content).into());
    Ok(ObjectSummary { key, size: content.len() as u64, modified, etag: format!("{digest:032x}") })
}

fn collect_keys(folder: &Path, prefix: &str, keys: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect_keys(&entry.path(), &format!("{key}/"), keys)?;
        } else {
            keys.push(key);
        }
    }
    Ok(())
}
