//! Makes, changes and deletes keys.
//!
//! How a change is made so that no instance can miss it: [`crate::key_change`];
//! how keys are imported: [`crate::key_import`].

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use metering_core::api_key::{KeyDigest, KeyRecord, PreviousSecret};
use metering_core::ports::{KeyTable, PortError};

use crate::error::port_error;
use crate::invalidation_log::DynamoInvalidationLog;
use crate::key_items;
use crate::key_table::DynamoKeyTable;

/// How often a change is tried when others change the log at the same time.
pub(crate) const MAX_TRIES: u32 = 50;
/// The longest wait between two tries, in milliseconds.
const MAX_WAIT_MS: u64 = 200;

/// Keys, to administer.
#[derive(Debug, Clone)]
pub struct KeyStore {
    client: Client,
    pub(crate) table: String,
    pub(crate) keys: DynamoKeyTable,
    pub(crate) log: DynamoInvalidationLog,
}

/// Why a key could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// There is no such key.
    #[error("there is no key {key_id}; `meter keys list` shows those there are")]
    NoSuchKey {
        /// The key.
        key_id: String,
    },
    /// The key was deleted, which is final.
    #[error("the key {key_id} was deleted; make a new one")]
    Deleted {
        /// The key.
        key_id: String,
    },
    /// The id or the secret is taken.
    #[error("the id {key_id} or its secret is already in use by another key")]
    Taken {
        /// The key.
        key_id: String,
    },
    /// The secret before the current one is still valid.
    #[error("the key {key_id} was rotated before, and the secret of that time is still valid")]
    StillOverlapping {
        /// The key.
        key_id: String,
        /// Until when, in milliseconds since 1970.
        valid_until_ms: i64,
    },
    /// Others changed the log again and again.
    #[error("the key {key_id} could not be changed, since many others are being changed; try again")]
    Contention {
        /// The key.
        key_id: String,
    },
    /// Whether the key was made or changed is not known, since no reply came.
    #[error(
        "it is not known whether the key {key_id} was changed, since DynamoDB did not answer; look with `meter keys show {key_id}`"
    )]
    Unknown {
        /// The key.
        key_id: String,
        /// What the last try met.
        source: PortError,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Port(#[from] PortError),
}

pub(crate) enum Failure {
    /// The log or the key was changed meanwhile.
    Again,
    /// Something exists that must not.
    Exists,
    /// No reply came: it was carried out, will be, or never is.
    Unknown(PortError),
    /// It was not carried out.
    Other(PortError),
}

impl KeyStore {
    /// The keys in a table, with the log of their changes.
    pub fn new(client: Client, table: impl Into<String>, invalidation_table: impl Into<String>) -> Self {
        let table = table.into();
        let keys = DynamoKeyTable::new(client.clone(), table.clone());
        let log = DynamoInvalidationLog::new(client.clone(), invalidation_table);
        Self { client, table, keys, log }
    }

    /// Makes a key and the pointer of its secret, in one transaction.
    ///
    /// # Errors
    /// When the id or the secret is taken, or the table cannot be written.
    pub async fn create(&self, key: &KeyRecord) -> Result<(), KeyStoreError> {
        let taken = || KeyStoreError::Taken { key_id: key.key_id.clone() };
        let digest = key.digest.ok_or_else(taken)?;
        let writes = [self.new_item(key_items::to_item(key, None))?, self.new_pointer(&digest, &key.key_id)?];
        let mut is_unknown = false;
        for attempt in 0..MAX_TRIES {
            if is_unknown && self.is_made(key, &digest).await? {
                return Ok(());
            }
            match self.transact(writes.to_vec()).await {
                Ok(()) => return Ok(()),
                Err(Failure::Exists) if is_unknown && self.is_made(key, &digest).await? => return Ok(()),
                Err(Failure::Exists) => return Err(taken()),
                Err(Failure::Unknown(source)) if is_unknown => {
                    return Err(KeyStoreError::Unknown { key_id: key.key_id.clone(), source });
                }
                Err(Failure::Unknown(_)) => is_unknown = true,
                Err(Failure::Again) => pause(&key.key_id, attempt).await,
                Err(Failure::Other(error)) => return Err(error.into()),
            }
        }
        Err(KeyStoreError::Contention { key_id: key.key_id.clone() })
    }

    /// Whether a key with this secret is there, whose making was not answered.
    async fn is_made(&self, key: &KeyRecord, digest: &KeyDigest) -> Result<bool, PortError> {
        let made = self.keys.find_consistently(digest).await?;
        Ok(made.is_some_and(|made| made.key_id == key.key_id))
    }

    /// Reads a key, also one that was deleted.
    ///
    /// # Errors
    /// When there is none, or the table cannot be read.
    pub async fn get(&self, key_id: &str) -> Result<KeyRecord, KeyStoreError> {
        let key = self.keys.key(key_id).await?;
        key.ok_or_else(|| KeyStoreError::NoSuchKey { key_id: key_id.to_owned() })
    }

    /// Reads all keys, by scanning the whole table: for people, not for calls.
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

    /// Deletes a key for good. What it has used stays in the ledger.
    ///
    /// # Errors
    /// When there is no such key, it was deleted before, or the tables cannot be written.
    pub async fn delete(&self, key_id: &str, now_ms: i64) -> Result<KeyRecord, KeyStoreError> {
        let change = |key: &mut KeyRecord| {
            key.deleted_at_ms = Some(now_ms);
            key.digest = None;
            key.previous = None;
            Ok(())
        };
        let is_done = |key: &KeyRecord| key.deleted_at_ms == Some(now_ms);
        self.change(key_id, now_ms, None, is_done, change).await
    }

    /// Gives a key another secret. The present one stays valid for `overlap_ms`,
    /// by the clock of `now_ms`; with `end_previous`, an earlier rotation's
    /// overlap is cut short. With an overlap of 0 no earlier secret is kept at
    /// all, so that none can stay valid by the error of a clock. Where the key
    /// has this secret already, nothing is changed.
    ///
    /// # Errors
    /// When there is no such key, an earlier overlap is not over, the secret
    /// is taken, or the tables cannot be written.
    pub async fn rotate(
        &self,
        key_id: &str,
        digest: KeyDigest,
        overlap_ms: i64,
        end_previous: bool,
        now_ms: i64,
    ) -> Result<KeyRecord, KeyStoreError> {
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

    /// Changes what else is known of a key: its limit, plan, expiry, name or labels.
    ///
    /// # Errors
    /// When there is no such key, or the tables cannot be written.
    pub async fn update(
        &self,
        key_id: &str,
        now_ms: i64,
        change: impl Fn(&mut KeyRecord),
    ) -> Result<KeyRecord, KeyStoreError> {
        let change = |key: &mut KeyRecord| {
            change(key);
            Ok(())
        };
        self.change(key_id, now_ms, None, |_| false, change).await
    }

    fn new_item(&self, item: key_items::Item) -> Result<TransactWriteItem, PortError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(pk)").build().map_err(malformed)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    pub(crate) fn new_pointer(
        &self,
        digest: &KeyDigest,
        key_id: &str,
    ) -> Result<TransactWriteItem, PortError> {
        self.new_item(key_items::pointer(digest, key_id))
    }

    pub(crate) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<(), Failure> {
        let creates_only = |place: usize| {
            writes[place].put().is_some_and(|put| {
                put.table_name() == self.table
                    && put.condition_expression() == Some("attribute_not_exists(pk)")
            })
        };
        let request = self.client.transact_write_items().set_transact_items(Some(writes.clone()));
        let Err(error) = request.send().await else { return Ok(()) };
        if let SdkError::ServiceError(service) = &error
            && let TransactWriteItemsError::TransactionCanceledException(canceled) = service.err()
        {
            let reasons = canceled.cancellation_reasons();
            let code = |place: usize| reasons.get(place).and_then(|reason| reason.code()).unwrap_or("None");
            if (0..writes.len()).any(|place| code(place) == "ConditionalCheckFailed" && creates_only(place)) {
                return Err(Failure::Exists);
            }
            if (0..writes.len()).any(|place| !["None", "ValidationError"].contains(&code(place))) {
                return Err(Failure::Again);
            }
        }
        let was_refused = match &error {
            SdkError::ConstructionFailure(_) => true,
            // A try before is still at it.
            SdkError::ServiceError(service) if service.err().is_transaction_in_progress_exception() => false,
            SdkError::ServiceError(service) => service.raw().status().is_client_error(),
            _ => false,
        };
        let error = port_error(format!("writing the keys in table {}", self.table), error);
        Err(if was_refused { Failure::Other(error) } else { Failure::Unknown(error) })
    }
}

/// Waits before another try, each key for another time, so that two that
/// collide do not do so again.
pub(crate) async fn pause(key_id: &str, attempt: u32) {
    let spread = key_id.bytes().fold(attempt, |sum, byte| (sum * 31 + u32::from(byte)) % 97);
    let wait_ms = u64::from(spread % 20 + attempt * 5).min(MAX_WAIT_MS);
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
}

pub(crate) fn malformed(error: aws_sdk_dynamodb::error::BuildError) -> PortError {
    PortError::Refused { operation: "writing a key".to_owned(), source: Box::new(error) }
}
