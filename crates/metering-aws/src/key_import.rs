//! Import of keys from a file: creates missing keys and changes keys that differ.

use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::ports::PortError;

use crate::key_store::{KeyStore, KeyStoreError, NewKey, check_description};

/// The result of importing a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// The key was created.
    Created,
    /// The key exists and matches the file.
    Unchanged,
    /// The key exists and differs from the file.
    Differs,
}

/// A key cannot become what a file describes.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The key was deleted.
    #[error("the key {key_id} was deleted, which is final; give its owner a new key")]
    Deleted {
        /// The id of the deleted key.
        key_id: String,
    },
    /// The secret belongs to another key.
    #[error("its secret belongs to the key {key_id}")]
    OtherKey {
        /// The id of the key with this secret.
        key_id: String,
    },
    /// The key has a secret that the file does not describe.
    #[error("the key {key_id} has another secret; `meter keys rotate {key_id}` replaces it")]
    OtherSecret {
        /// The id of the key.
        key_id: String,
    },
    /// A rotation has replaced the secret.
    #[error("its secret was replaced when the key {key_id} was rotated")]
    Replaced {
        /// The id of the rotated key.
        key_id: String,
    },
    /// The key belongs to another customer than the file says.
    #[error(
        "the key {key_id} belongs to another customer, or to none, which cannot be changed; create a new key for the customer"
    )]
    OtherCustomer {
        /// The id of the key.
        key_id: String,
    },
    /// There is no such key, and the file has no secret to create it with.
    #[error("there is no key {key_id}, and none can be created without sha256 or api_key")]
    NoSecret {
        /// The id in the file.
        key_id: String,
    },
    /// The file describes a deleted key, which is not deleted here.
    #[error(
        "the file lists the key {key_id} as deleted, but it is not deleted here; `meter keys delete {key_id}` deletes it"
    )]
    NotDeleted {
        /// The id of the key.
        key_id: String,
    },
    /// A table cannot be read or written.
    #[error(transparent)]
    Store(#[from] KeyStoreError),
}

impl From<PortError> for ImportError {
    fn from(error: PortError) -> Self {
        Self::Store(error.into())
    }
}

/// A key as a file describes it.
pub struct DescribedKey<F> {
    /// The id in the file, or the id to create the key with if the file has none.
    pub key_id: String,
    /// `true` if the file has the id. Otherwise the key is found by its secret.
    pub is_id_given: bool,
    /// The digest of the secret. `None` can only describe an existing key.
    pub digest: Option<KeyDigest>,
    /// Writes the fields that the file has into a key.
    pub describe: F,
}

impl KeyStore {
    /// Creates a key unless it exists, and otherwise compares it with its description.
    pub(crate) async fn import(
        &self,
        described: &DescribedKey<impl Fn(&mut KeyRecord)>,
        now_ms: i64,
    ) -> Result<Imported, ImportError> {
        if let Some(key) = described.as_new(now_ms) {
            match self.create(&key).await {
                Ok(()) => return Ok(Imported::Created),
                Err(KeyStoreError::Taken { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let existing = self.existing(described).await?;
        Ok(if described.matches(&existing) { Imported::Unchanged } else { Imported::Differs })
    }

    /// Returns what an import would do, and changes nothing.
    pub(crate) async fn preview_import(
        &self,
        described: &DescribedKey<impl Fn(&mut KeyRecord)>,
        now_ms: i64,
    ) -> Result<Imported, ImportError> {
        match (self.existing(described).await, described.as_new(now_ms)) {
            (Err(ImportError::NoSecret { .. }), Some(new)) => {
                check_description(new.record())?;
                Ok(Imported::Created)
            }
            (Err(error), _) => Err(error),
            (Ok(existing), _) if described.matches(&existing) => Ok(Imported::Unchanged),
            (Ok(existing), _) => {
                check_description(&described.as_applied_to(&existing))?;
                Ok(Imported::Differs)
            }
        }
    }

    /// Changes an existing key to match its description.
    pub(crate) async fn update_imported(
        &self,
        described: &DescribedKey<impl Fn(&mut KeyRecord)>,
        now_ms: i64,
    ) -> Result<KeyRecord, ImportError> {
        let existing = self.existing(described).await?;
        let change = |key: &mut KeyRecord| {
            (described.describe)(key);
            check_description(key)
        };
        let is_done = |key: &KeyRecord| described.matches(key);
        Ok(self.change(&existing.key_id, now_ms, None, is_done, change).await?)
    }

    /// Reads the existing key that is described.
    async fn existing(
        &self,
        described: &DescribedKey<impl Fn(&mut KeyRecord)>,
    ) -> Result<KeyRecord, ImportError> {
        let pointed = match &described.digest {
            Some(digest) => self.keys.pointer(digest).await?,
            None => None,
        };
        let key_id = pointed.clone().unwrap_or_else(|| described.key_id.clone());
        if described.is_id_given && key_id != described.key_id {
            return Err(ImportError::OtherKey { key_id });
        }
        match self.keys.key(&key_id).await? {
            // The item of a deleted key expires before the pointer of its secret.
            None if pointed.is_some() => Err(ImportError::Deleted { key_id }),
            None => Err(ImportError::NoSecret { key_id }),
            Some(key) if key.deleted_at_ms.is_some() => Err(ImportError::Deleted { key_id }),
            Some(key) if described.as_applied_to(&key).customer_id != key.customer_id => {
                Err(ImportError::OtherCustomer { key_id })
            }
            Some(key) if described.digest.is_none() || described.digest == key.digest => Ok(key),
            Some(_) if pointed.is_some() => Err(ImportError::Replaced { key_id }),
            Some(_) => Err(ImportError::OtherSecret { key_id }),
        }
    }
}

impl<F: Fn(&mut KeyRecord)> DescribedKey<F> {
    /// The key to create; `None` if the file has no secret.
    fn as_new(&self, now_ms: i64) -> Option<NewKey> {
        Some(NewKey::new(&self.key_id, self.digest?, now_ms).described(&self.describe))
    }

    fn matches(&self, existing: &KeyRecord) -> bool {
        self.as_applied_to(existing) == *existing
    }

    fn as_applied_to(&self, existing: &KeyRecord) -> KeyRecord {
        let mut described = existing.clone();
        (self.describe)(&mut described);
        described
    }
}
