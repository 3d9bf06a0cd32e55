//! Brings keys to what a file says of them: makes those that are not there,
//! and changes those that differ.

use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::ports::PortError;

use crate::key_store::{KeyStore, KeyStoreError};

/// What became of an imported key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// It is new.
    Made,
    /// It was there, and is as the file says.
    Unchanged,
    /// It was there, and differs from what the file says.
    Differs,
}

/// Why a key cannot be brought to what a file says.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The key was deleted.
    #[error("the key {key_id} was deleted, which is final; give its owner a new key")]
    Deleted {
        /// The key.
        key_id: String,
    },
    /// The secret is another key's.
    #[error("its secret belongs to the key {key_id}")]
    OtherKey {
        /// That key.
        key_id: String,
    },
    /// The key has another secret.
    #[error("the key {key_id} has another secret; `meter keys rotate {key_id}` gives it a new one")]
    OtherSecret {
        /// The key.
        key_id: String,
    },
    /// The secret was replaced.
    #[error("its secret was replaced when the key {key_id} was rotated")]
    Replaced {
        /// The key.
        key_id: String,
    },
    /// There is no key, and nothing to make one of.
    #[error("there is no key {key_id}, and without sha256 or api_key none can be made")]
    NoSecret {
        /// The key.
        key_id: String,
    },
    /// The key was deleted elsewhere.
    #[error(
        "it says that the key {key_id} was deleted, and here it was not; `meter keys delete {key_id}` deletes it"
    )]
    NotDeleted {
        /// The key.
        key_id: String,
    },
    /// The store cannot be used, or not now.
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
    /// Its id, or the one that it is made with where the file names none.
    pub key_id: String,
    /// Whether the file names the id. A key whose id it does not name is known by its secret.
    pub is_id_given: bool,
    /// The digest of its secret. Without one, a key that is there is changed.
    pub digest: Option<KeyDigest>,
    /// Puts what the file says of it into a key.
    pub describe: F,
}

impl KeyStore {
    /// Makes a key, unless it is there. It can be repeated.
    ///
    /// # Errors
    /// When the key cannot become what the file says, or the tables cannot be used.
    pub async fn import(
        &self,
        described: &DescribedKey<impl Fn(&mut KeyRecord)>,
        now_ms: i64,
    ) -> Result<Imported, ImportError> {
        if described.digest.is_some() {
            match self.create(&described.as_new(now_ms)).await {
                Ok(()) => return Ok(Imported::Made),
                Err(KeyStoreError::Taken { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let present = self.present(described).await?;
        Ok(if described.is_like(&present) { Imported::Unchanged } else { Imported::Differs })
    }

    /// Changes a key that differs from what the file says, with its entry in
    /// the invalidation log. Changes wait for each other, so several at a time gain nothing.
    ///
    /// # Errors
    /// When the key cannot become what the file says, or the tables cannot be used.
    pub async fn update_imported(
        &self,
        described: &DescribedKey<impl Fn(&mut KeyRecord)>,
        now_ms: i64,
    ) -> Result<KeyRecord, ImportError> {
        let present = self.present(described).await?;
        let change = |key: &mut KeyRecord| {
            (described.describe)(key);
            Ok(())
        };
        let is_done = |key: &KeyRecord| described.is_like(key);
        Ok(self.change(&present.key_id, now_ms, None, is_done, change).await?)
    }

    /// The key that is described, which has to be there.
    async fn present(
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
            Some(key) if described.digest.is_none() || described.digest == key.digest => Ok(key),
            Some(_) if pointed.is_some() => Err(ImportError::Replaced { key_id }),
            Some(_) => Err(ImportError::OtherSecret { key_id }),
        }
    }
}

impl<F: Fn(&mut KeyRecord)> DescribedKey<F> {
    fn as_new(&self, now_ms: i64) -> KeyRecord {
        let mut key = KeyRecord { created_at_ms: now_ms, ..KeyRecord::default() };
        (self.describe)(&mut key);
        KeyRecord { key_id: self.key_id.clone(), digest: self.digest, ..key }
    }

    fn is_like(&self, present: &KeyRecord) -> bool {
        let mut described = present.clone();
        (self.describe)(&mut described);
        described == *present
    }
}
