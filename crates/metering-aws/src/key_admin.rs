//! Administration of keys: a change is a transaction and a message.
//!
//! The transaction writes the key and its entry in the invalidation log. It alone bounds the time until every
//! instance of the authorizer knows of the change. The message, published afterwards, only makes this sooner.

use invalidation_message::InvalidationMessage;
use metering_core::api_key::KeyRecord;
use system_clock::now_ms;

use crate::key_change::LogStatus;
use crate::key_import::{DescribedKey, ImportError, Imported};
use crate::key_store::{KeyStore, KeyStoreError};
pub use crate::key_store::{NewKey, Rotation};
use crate::topic::{PublishError, Topic};

/// The subject of the messages.
const SUBJECT: &str = "API key changed";

/// Creates, changes and deletes keys.
#[derive(Debug, Clone)]
pub struct KeyAdmin {
    store: KeyStore,
    topic: Option<Topic>,
}

/// A change of a key that has been made.
#[derive(Debug)]
pub struct KeyChange {
    /// The key after the change.
    pub key: KeyRecord,
    /// Time at which the transaction had returned, in milliseconds since 1970. Every instance of the
    /// authorizer knows of the change at the latest one `SYNC_INTERVAL_MS` after it.
    pub committed_at_ms: i64,
    /// The outcome of publishing the message.
    pub message: MessageOutcome,
}

/// The outcome of publishing the message of a change.
#[derive(Debug)]
pub enum MessageOutcome {
    /// The topic has taken the message.
    Published,
    /// The message could not be published. The change still takes effect through the invalidation log.
    Failed(PublishError),
    /// This [`KeyAdmin`] publishes no messages.
    Disabled,
}

impl MessageOutcome {
    /// Returns `true` if the topic has taken the message.
    pub fn is_published(&self) -> bool {
        matches!(self, Self::Published)
    }
}

impl KeyAdmin {
    /// Administers the keys of a table and publishes each change to a topic.
    pub fn new(store: KeyStore, topic: Topic) -> Self {
        Self { store, topic: Some(topic) }
    }

    /// Administers the keys of a table without messages. Changes take effect through the invalidation log
    /// alone. For tools whose keys no call uses at the time, and for tests of the log.
    pub fn without_messages(store: KeyStore) -> Self {
        Self { store, topic: None }
    }

    /// The keys, to read.
    pub fn store(&self) -> &KeyStore {
        &self.store
    }

    /// Creates a key. No instance caches a key that does not exist for longer than its `UNKNOWN_TTL_MS`, so
    /// that no message is published.
    ///
    /// # Errors
    /// When the id or the secret is taken, or the table cannot be written.
    pub async fn create(&self, key: &NewKey) -> Result<(), KeyStoreError> {
        self.store.create(key).await
    }

    /// Changes the descriptive fields of a key: owner, name, plan, monthly limit, expiry or labels.
    ///
    /// # Errors
    /// When there is no such key, it was deleted, or the tables cannot be written.
    pub async fn update(
        &self,
        key_id: &str,
        now_ms: i64,
        change: impl Fn(&mut KeyRecord),
    ) -> Result<KeyChange, KeyStoreError> {
        let key = self.store.update(key_id, now_ms, change).await?;
        Ok(self.publish(key, "updated").await)
    }

    /// Replaces the secret of a key. If the key already has this secret, nothing is changed.
    ///
    /// # Errors
    /// When there is no such key, it was deleted, an earlier overlap has not ended, the secret is taken, or the tables
    /// cannot be written.
    pub async fn rotate(
        &self,
        key_id: &str,
        rotation: &Rotation,
        now_ms: i64,
    ) -> Result<KeyChange, KeyStoreError> {
        let key = self.store.rotate(key_id, rotation, now_ms).await?;
        Ok(self.publish(key, "rotated").await)
    }

    /// Deletes a key. Its usage stays in the ledger.
    ///
    /// # Errors
    /// When there is no such key, it was deleted before, or the tables cannot be written.
    pub async fn delete(&self, key_id: &str, now_ms: i64) -> Result<KeyChange, KeyStoreError> {
        let key = self.store.delete(key_id, now_ms).await?;
        Ok(self.publish(key, "deleted").await)
    }

    /// Creates a key that a file describes, unless it exists. An existing key is compared, and not changed.
    /// The operation is idempotent.
    ///
    /// # Errors
    /// When the key cannot become what the file describes, or the tables cannot be read or written.
    pub async fn import(
        &self,
        described: &DescribedKey<impl Fn(&mut KeyRecord)>,
        now_ms: i64,
    ) -> Result<Imported, ImportError> {
        self.store.import(described, now_ms).await
    }

    /// Returns what [`Self::import`] would find, and creates nothing.
    ///
    /// # Errors
    /// When the key cannot become what the file describes, or the tables cannot be read.
    pub async fn preview_import(
        &self,
        described: &DescribedKey<impl Fn(&mut KeyRecord)>,
        now_ms: i64,
    ) -> Result<Imported, ImportError> {
        self.store.preview_import(described, now_ms).await
    }

    /// Changes an existing key that differs from its description in a file. Changes wait for one another, so
    /// that concurrent calls are not faster.
    ///
    /// # Errors
    /// When the key cannot become what the file describes, or the tables cannot be read or written.
    pub async fn update_imported(
        &self,
        described: &DescribedKey<impl Fn(&mut KeyRecord)>,
        now_ms: i64,
    ) -> Result<KeyChange, ImportError> {
        let key = self.store.update_imported(described, now_ms).await?;
        Ok(self.publish(key, "updated").await)
    }

    /// Raises an invalidation log that is behind the keys above all their versions, so that instances cache
    /// keys again. Returns the status afterwards.
    ///
    /// # Errors
    /// When a table cannot be read or written.
    pub async fn raise_log(&self, now_ms: i64) -> Result<LogStatus, KeyStoreError> {
        self.store.raise_log(now_ms).await
    }

    async fn publish(&self, key: KeyRecord, change: &str) -> KeyChange {
        let committed_at_ms = now_ms();
        let message = match &self.topic {
            None => MessageOutcome::Disabled,
            Some(topic) => {
                let message = InvalidationMessage {
                    api_key_id: key.key_id.clone(),
                    sequence: key.version,
                    change: change.to_owned(),
                    changed_at_ms: committed_at_ms,
                };
                match topic.publish_patiently(SUBJECT, &message.to_json()).await {
                    Ok(()) => MessageOutcome::Published,
                    Err(error) => MessageOutcome::Failed(error),
                }
            }
        };
        KeyChange { key, committed_at_ms, message }
    }
}
