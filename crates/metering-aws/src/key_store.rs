//! The table of keys: reads, and the transactions that create and change keys.
//!
//! Only [`crate::key_admin::KeyAdmin`] calls what changes a key, so that no change is made without a decision
//! about its message. [`crate::key_change`] describes how a change is written so that no instance of the
//! authorizer can miss it.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use metering_core::api_key::{KeyDigest, KeyRecord, MAX_DESCRIPTION_BYTES, PreviousSecret};
use metering_core::ports::{KeyTable, PortError};

use crate::error::port_error;
use crate::invalidation_log::DynamoInvalidationLog;
use crate::key_items;
use crate::key_table::DynamoKeyTable;

/// Maximum number of attempts at a transaction that conflicts with other transactions.
pub(crate) const MAX_TRIES: u32 = 50;
/// Maximum wait between two attempts, in milliseconds.
const MAX_WAIT_MS: u64 = 200;

/// The table of keys with its invalidation log.
#[derive(Debug, Clone)]
pub struct KeyStore {
    client: Client,
    pub(crate) table: String,
    pub(crate) keys: DynamoKeyTable,
    pub(crate) log: DynamoInvalidationLog,
}

/// A key to create. Unlike a [`KeyRecord`], it always has a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    record: KeyRecord,
    digest: KeyDigest,
}

impl NewKey {
    /// A key with this id and secret, created at `created_at_ms`, without an owner or a limit.
    ///
    /// ```
    /// use metering_aws::key_admin::NewKey;
    /// use metering_core::api_key::KeyDigest;
    ///
    /// let digest = KeyDigest::of_secret("um_secret")?;
    /// let key = NewKey::new("key-1", digest, 0).described(|key| key.owner = "acme".into());
    /// assert_eq!((key.record().owner.as_str(), key.record().digest), ("acme", Some(digest)));
    /// # Ok::<(), metering_core::api_key::SecretProblem>(())
    /// ```
    pub fn new(key_id: impl Into<String>, digest: KeyDigest, created_at_ms: i64) -> Self {
        let key_id = key_id.into();
        let record = KeyRecord { key_id, digest: Some(digest), created_at_ms, ..KeyRecord::default() };
        Self { record, digest }
    }

    /// Sets the customer and the descriptive fields: owner, name, plan, monthly limit, expiry and labels. Changes that
    /// `describe` makes to other fields are discarded.
    #[must_use]
    pub fn described(self, describe: impl FnOnce(&mut KeyRecord)) -> Self {
        let Self { record, digest } = self;
        let mut described = record.clone();
        describe(&mut described);
        let KeyRecord { customer_id, owner, name, plan, monthly_limit, expires_at_ms, labels, .. } =
            described;
        Self {
            record: KeyRecord {
                customer_id,
                owner,
                name,
                plan,
                monthly_limit,
                expires_at_ms,
                labels,
                ..record
            },
            digest,
        }
    }

    /// The key as it will be stored.
    pub fn record(&self) -> &KeyRecord {
        &self.record
    }
}

/// The replacement of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The digest of the new secret.
    pub digest: KeyDigest,
    /// Time for which the present secret stays valid, in milliseconds, by the clock of the operator. With `0`
    /// no earlier secret is kept at all, so that none can stay valid because a clock is wrong.
    pub overlap_ms: i64,
    /// `true` if the overlap of an earlier rotation ends now. Otherwise a rotation during an overlap is
    /// refused.
    pub end_previous: bool,
}

/// A key could not be created, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// No key has this id.
    #[error("there is no key {key_id}; `meter keys list` lists all keys")]
    NoSuchKey {
        /// The id that was asked for.
        key_id: String,
    },
    /// The key was deleted, which is final.
    #[error("the key {key_id} was deleted; create a new one")]
    Deleted {
        /// The id of the deleted key.
        key_id: String,
    },
    /// Another key has the id or the secret.
    #[error("the id {key_id} or its secret is already in use by another key")]
    Taken {
        /// The id that was to be written.
        key_id: String,
    },
    /// The description of the key is longer than [`MAX_DESCRIPTION_BYTES`].
    #[error(
        "the owner, the name, the plan and the labels of the key {key_id} have {bytes} bytes, more than {MAX_DESCRIPTION_BYTES}; shorten them, or keep the rest in a system of your own"
    )]
    DescriptionTooLong {
        /// The id of the key.
        key_id: String,
        /// Their total length, in bytes.
        bytes: usize,
    },
    /// The secret that an earlier rotation replaced is still valid.
    #[error("the key {key_id} was rotated before, and its previous secret is still valid")]
    StillOverlapping {
        /// The id of the key.
        key_id: String,
        /// End of the previous secret's validity, in milliseconds since 1970.
        valid_until_ms: i64,
    },
    /// Every attempt conflicted with other changes.
    #[error(
        "the key {key_id} could not be changed, because other keys are being changed at the same time; try again"
    )]
    Contention {
        /// The id of the key.
        key_id: String,
    },
    /// DynamoDB did not answer, so the key may or may not have been created or changed.
    #[error(
        "DynamoDB did not answer, so it is not known whether the key {key_id} was changed; check with `meter keys show {key_id}`"
    )]
    OutcomeUnknown {
        /// The id of the key.
        key_id: String,
        /// The error of the last attempt.
        source: PortError,
    },
    /// A table cannot be read or written.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Refuses a key whose description is too long.
pub(crate) fn check_description(key: &KeyRecord) -> Result<(), KeyStoreError> {
    match key.description_bytes() {
        0..=MAX_DESCRIPTION_BYTES => Ok(()),
        bytes => Err(KeyStoreError::DescriptionTooLong { key_id: key.key_id.clone(), bytes }),
    }
}

/// A write of a transaction, with the meaning of a failed condition.
///
/// DynamoDB reports a failed condition by the position of its write, and not by its text.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) item: TransactWriteItem,
    pub(crate) if_refused: Refusal,
}

/// Meaning of a failed condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The write creates an item of the table of keys, and that item exists: the id or the secret is taken.
    Exists,
    /// Another change was made since the condition's value was read.
    Changed,
}

impl Write {
    /// A write whose condition fails after a concurrent change.
    pub(crate) fn unless_changed(item: TransactWriteItem) -> Self {
        Self { item, if_refused: Refusal::Changed }
    }
}

/// A transaction that did not succeed.
pub(crate) enum Failure {
    /// The log or the key was changed concurrently; read both and try again.
    Conflict,
    /// An item that was to be created exists.
    Exists,
    /// No reply came. The transaction was carried out, will be, or never is.
    Unknown(PortError),
    /// The transaction was not carried out.
    Other(PortError),
}

impl KeyStore {
    /// The keys in a table, and the log of their changes.
    pub fn new(client: Client, table: impl Into<String>, invalidation_table: impl Into<String>) -> Self {
        let table = table.into();
        let keys = DynamoKeyTable::new(client.clone(), table.clone());
        let log = DynamoInvalidationLog::new(client.clone(), invalidation_table);
        Self { client, table, keys, log }
    }

    /// Writes a new key and the pointer of its secret in one transaction.
    pub(crate) async fn create(&self, key: &NewKey) -> Result<(), KeyStoreError> {
        let NewKey { record, digest } = key;
        check_description(record)?;
        let key_id = || record.key_id.clone();
        let writes =
            [self.new_item(key_items::to_item(record, None))?, self.new_pointer(digest, &record.key_id)?];
        let mut is_unknown = false;
        for attempt in 0..MAX_TRIES {
            if is_unknown && self.was_created(key).await? {
                return Ok(());
            }
            match self.transact(&writes).await {
                Ok(()) => return Ok(()),
                Err(Failure::Exists) if is_unknown && self.was_created(key).await? => return Ok(()),
                Err(Failure::Exists) => return Err(KeyStoreError::Taken { key_id: key_id() }),
                Err(Failure::Unknown(source)) if is_unknown => {
                    return Err(KeyStoreError::OutcomeUnknown { key_id: key_id(), source });
                }
                Err(Failure::Unknown(_)) => is_unknown = true,
                Err(Failure::Conflict) => pause(&record.key_id, attempt).await,
                Err(Failure::Other(error)) => return Err(error.into()),
            }
        }
        Err(KeyStoreError::Contention { key_id: key_id() })
    }

    /// Returns `true` if an attempt without a reply has created the key.
    async fn was_created(&self, key: &NewKey) -> Result<bool, PortError> {
        let found = self.keys.find_consistently(&key.digest).await?;
        Ok(found.is_some_and(|found| found.key_id == key.record.key_id))
    }

    /// Reads a key, including a deleted one.
    ///
    /// # Errors
    /// When no key has this id, or the table cannot be read.
    pub async fn get(&self, key_id: &str) -> Result<KeyRecord, KeyStoreError> {
        let key = self.keys.key(key_id).await?;
        key.ok_or_else(|| KeyStoreError::NoSuchKey { key_id: key_id.to_owned() })
    }

    /// Reads all keys, including deleted ones, in the order of their ids. Scans the whole table, so it is for
    /// administration and not for the path of a call.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(&self) -> Result<Vec<KeyRecord>, KeyStoreError> {
        let operation = || format!("reading the keys in table {}", self.table);
        let mut items = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .filter_expression("begins_with(pk, :keys)")
            .expression_attribute_values(":keys", key_items::key_pk(""))
            .into_paginator()
            .items()
            .send();
        let mut keys = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error(operation(), error))?;
            let key = key_items::from_item(&item);
            keys.push(
                key.map_err(|error| PortError::Refused { operation: operation(), source: Box::new(error) })?,
            );
        }
        keys.sort_by(|left, right| left.key_id.cmp(&right.key_id));
        Ok(keys)
    }

    /// Deletes a key. Its usage stays in the ledger.
    pub(crate) async fn delete(&self, key_id: &str, now_ms: i64) -> Result<KeyRecord, KeyStoreError> {
        let change = |key: &mut KeyRecord| {
            key.deleted_at_ms = Some(now_ms);
            key.digest = None;
            key.previous = None;
            Ok(())
        };
        let is_done = |key: &KeyRecord| key.deleted_at_ms == Some(now_ms);
        self.change(key_id, now_ms, None, is_done, change).await
    }

    /// Replaces the secret of a key. [`Rotation`] describes the overlap. If the key already
    /// has this secret, nothing is changed.
    pub(crate) async fn rotate(
        &self,
        key_id: &str,
        rotation: &Rotation,
        now_ms: i64,
    ) -> Result<KeyRecord, KeyStoreError> {
        let Rotation { digest, overlap_ms, end_previous } = *rotation;
        let change = |key: &mut KeyRecord| {
            let overlapping = key.previous.as_ref().filter(|previous| now_ms < previous.valid_until_ms);
            if let (Some(previous), false) = (overlapping, end_previous || overlap_ms == 0) {
                let (key_id, valid_until_ms) = (key.key_id.clone(), previous.valid_until_ms);
                return Err(KeyStoreError::StillOverlapping { key_id, valid_until_ms });
            }
            let valid_until_ms = now_ms + overlap_ms;
            let previous = key.digest.map(|digest| PreviousSecret { digest, valid_until_ms });
            key.previous = previous.filter(|_| overlap_ms > 0);
            key.digest = Some(digest);
            Ok(())
        };
        let is_done = |key: &KeyRecord| key.digest == Some(digest);
        self.change(key_id, now_ms, Some(digest), is_done, change).await
    }

    /// Changes the descriptive fields of a key.
    pub(crate) async fn update(
        &self,
        key_id: &str,
        now_ms: i64,
        change: impl Fn(&mut KeyRecord),
    ) -> Result<KeyRecord, KeyStoreError> {
        let change = |key: &mut KeyRecord| {
            change(key);
            check_description(key)
        };
        self.change(key_id, now_ms, None, |_| false, change).await
    }

    fn new_item(&self, item: key_items::Item) -> Result<Write, PortError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(pk)").build().map_err(malformed)?;
        Ok(Write { item: TransactWriteItem::builder().put(put).build(), if_refused: Refusal::Exists })
    }

    pub(crate) fn new_pointer(&self, digest: &KeyDigest, key_id: &str) -> Result<Write, PortError> {
        self.new_item(key_items::pointer(digest, key_id))
    }

    /// Carries out all writes or none.
    ///
    /// A cancelled transaction has one reason for each write, in the order of the writes. Source: DynamoDB
    /// API Reference, `TransactWriteItems`, `TransactionCanceledException`.
    pub(crate) async fn transact(&self, writes: &[Write]) -> Result<(), Failure> {
        let items = writes.iter().map(|write| write.item.clone()).collect();
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        let Err(error) = request.send().await else { return Ok(()) };
        if let SdkError::ServiceError(service) = &error
            && let TransactWriteItemsError::TransactionCanceledException(canceled) = service.err()
        {
            let codes = canceled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None"));
            let refused: Vec<(&Write, &str)> = writes.iter().zip(codes).collect();
            let exists = |(write, code): &(&Write, &str)| {
                *code == "ConditionalCheckFailed" && write.if_refused == Refusal::Exists
            };
            if refused.iter().any(exists) {
                return Err(Failure::Exists);
            }
            if refused.iter().any(|(_, code)| !["None", "ValidationError"].contains(code)) {
                return Err(Failure::Conflict);
            }
        }
        let was_refused = match &error {
            SdkError::ConstructionFailure(_) => true,
            // An earlier attempt of this request is still being carried out.
            SdkError::ServiceError(service) if service.err().is_transaction_in_progress_exception() => false,
            SdkError::ServiceError(service) => service.raw().status().is_client_error(),
            _ => false,
        };
        let error = port_error(format!("writing the keys in table {}", self.table), error);
        Err(if was_refused { Failure::Other(error) } else { Failure::Unknown(error) })
    }
}

/// Waits before the next attempt. The wait depends on the key, so that two changes that conflicted do not
/// conflict again.
pub(crate) async fn pause(key_id: &str, attempt: u32) {
    let spread = key_id.bytes().fold(attempt, |sum, byte| (sum * 31 + u32::from(byte)) % 97);
    let wait_ms = u64::from(spread % 20 + attempt * 5).min(MAX_WAIT_MS);
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
}

pub(crate) fn malformed(error: aws_sdk_dynamodb::error::BuildError) -> PortError {
    PortError::Refused { operation: "writing a key".to_owned(), source: Box::new(error) }
}
