//! Changes of keys: each change writes the key and an entry of the invalidation log in one transaction, so
//! that no instance of the authorizer can miss it.
//!
//! Until a transaction has returned, concurrent reads may see any subset of its writes (DynamoDB Developer
//! Guide, "Isolation levels for DynamoDB transactions"). A change therefore begins only when all writes of
//! the previous change are visible. Then at most the change of the last entry can be partly visible, which
//! the decision cache relies on.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::invalidation::LogEntry;
use metering_core::ports::PortError;

use crate::invalidation_log::LogEnd;
use crate::key_items;
use crate::key_store::{Failure, KeyStore, KeyStoreError, MAX_TRIES, Write, malformed, pause};

/// Maximum number of repetitions of a change whose outcome is unknown.
const MAX_UNKNOWN: u32 = 3;
/// Time for which a deleted key is kept, so that a denial can give the reason, in seconds: 400 days.
const DELETED_RETENTION_S: i64 = 400 * 24 * 3_600;
/// The key id of an entry that only raises the log. No key can have this id.
const NO_KEY: &str = "-";

/// The invalidation log compared with the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStatus {
    /// The sequence of the last entry; `0` if there is none.
    pub head: u64,
    /// The highest version of any key; `0` if no key was changed yet.
    pub highest_version: u64,
}

impl LogStatus {
    /// Returns `true` if the log was lost or restored, so that it has to be raised.
    pub fn is_behind(&self) -> bool {
        self.head < self.highest_version
    }
}

impl KeyStore {
    /// Changes a key, appends the entry to the log, and returns the changed key. The version of the key is
    /// the sequence of the entry, and higher than all earlier versions of the key, even after the log was
    /// lost. If the outcome of an attempt is unknown, `is_done` decides from the key whether it was carried
    /// out.
    pub(crate) async fn change(
        &self,
        key_id: &str,
        now_ms: i64,
        new_secret: Option<KeyDigest>,
        is_done: impl Fn(&KeyRecord) -> bool,
        change: impl Fn(&mut KeyRecord) -> Result<(), KeyStoreError>,
    ) -> Result<KeyRecord, KeyStoreError> {
        let mut unknown = 0;
        for attempt in 0..MAX_TRIES {
            let found = self.get(key_id).await;
            let mut key =
                if unknown > 0 { found.map_err(|error| or_unknown(key_id, error))? } else { found? };
            if is_done(&key) {
                return Ok(key);
            }
            if key.deleted_at_ms.is_some() {
                return Err(KeyStoreError::Deleted { key_id: key_id.to_owned() });
            }
            let (seen, before) = (key.version, key.digest);
            change(&mut key)?;
            let end = self.log.read_end().await?;
            key.version = end.head.max(seen) + 1;
            let mut writes = vec![self.changed_item(&key, seen)?];
            let (key_id, sequence) = (key_id.to_owned(), key.version);
            let entry = LogEntry { sequence, key_id, changed_at_ms: now_ms };
            writes.extend(self.log.append(&end, &entry).map_err(malformed)?.map(Write::unless_changed));
            if let Some(digest) = &new_secret {
                writes.push(self.new_pointer(digest, &key.key_id)?);
            }
            writes.extend(self.checks_of_last_change(&end, Some((&key.key_id, before))).await?);
            match self.transact(&writes).await {
                Ok(()) => return Ok(key),
                Err(Failure::Exists) if is_done(&self.get(&key.key_id).await?) => {}
                Err(Failure::Exists) => return Err(KeyStoreError::Taken { key_id: key.key_id }),
                Err(Failure::Unknown(source)) if unknown == MAX_UNKNOWN => {
                    return Err(KeyStoreError::OutcomeUnknown { key_id: key.key_id, source });
                }
                Err(Failure::Unknown(_)) => unknown += 1,
                Err(Failure::Conflict) => pause(&key.key_id, attempt).await,
                Err(Failure::Other(error)) => return Err(error.into()),
            }
        }
        Err(KeyStoreError::Contention { key_id: key_id.to_owned() })
    }

    /// Returns the condition checks that fail while the change of the last entry is still being carried out:
    /// one for each write of that change that is not visible.
    ///
    /// A transaction excludes others from its items until it has ended (DynamoDB Developer Guide,
    /// "Transaction conflict handling in DynamoDB"). A check that passes therefore proves that the write is
    /// not merely late: the item has expired, or its table was restored. The item of the key `changed` needs
    /// no check, because the transaction writes it with a condition of its own.
    async fn checks_of_last_change(
        &self,
        end: &LogEnd,
        changed: Option<(&str, Option<KeyDigest>)>,
    ) -> Result<Vec<Write>, PortError> {
        let mut checks = Vec::new();
        let Some(last) = &end.last else { return Ok(checks) };
        if !end.has_entry {
            checks.push(Write::unless_changed(self.log.check_no_entry(end.head).map_err(malformed)?));
        }
        let digest = match changed {
            Some((key_id, digest)) if key_id == last.key_id => digest,
            _ => {
                let Some(key) = self.keys.key(&last.key_id).await? else { return Ok(checks) };
                if key.version < end.head {
                    checks.push(self.check_version(&key)?);
                }
                key.digest
            }
        };
        if let Some(digest) = digest
            && self.keys.pointer(&digest).await?.is_none()
        {
            checks.push(self.check("attribute_not_exists(pk)", key_items::pointer_pk(&digest), None)?);
        }
        Ok(checks)
    }

    fn check_version(&self, key: &KeyRecord) -> Result<Write, PortError> {
        self.check("version = :seen", key_items::key_pk(&key.key_id), Some(key.version))
    }

    fn check(&self, condition: &str, pk: AttributeValue, seen: Option<u64>) -> Result<Write, PortError> {
        let check =
            ConditionCheck::builder().table_name(&self.table).key("pk", pk).condition_expression(condition);
        let check = match seen {
            Some(seen) => check.expression_attribute_values(":seen", AttributeValue::N(seen.to_string())),
            None => check,
        };
        let check = check.build().map_err(malformed)?;
        Ok(Write::unless_changed(TransactWriteItem::builder().condition_check(check).build()))
    }

    fn changed_item(&self, key: &KeyRecord, seen: u64) -> Result<Write, PortError> {
        let expires_s = key.deleted_at_ms.map(|deleted| deleted / 1000 + DELETED_RETENTION_S);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(key_items::to_item(key, expires_s)))
            .condition_expression("version = :seen")
            .expression_attribute_values(":seen", AttributeValue::N(seen.to_string()));
        let put = put.build().map_err(malformed)?;
        Ok(Write::unless_changed(TransactWriteItem::builder().put(put).build()))
    }

    /// Compares the log with the versions of all keys. Scans the table of keys.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn log_status(&self) -> Result<LogStatus, KeyStoreError> {
        let highest_version = self.list().await?.iter().map(|key| key.version).max().unwrap_or(0);
        Ok(LogStatus { head: self.log.read_end().await?.head, highest_version })
    }

    /// Raises a log that is behind the keys above all their versions, and returns the status afterwards.
    pub(crate) async fn raise_log(&self, now_ms: i64) -> Result<LogStatus, KeyStoreError> {
        for attempt in 0..MAX_TRIES {
            let status = self.log_status().await?;
            if !status.is_behind() {
                return Ok(status);
            }
            let end = self.log.read_end().await?;
            let (sequence, key_id) = (status.highest_version + 1, NO_KEY.to_owned());
            let entry = LogEntry { sequence, key_id, changed_at_ms: now_ms };
            let entry = self.log.append(&end, &entry).map_err(malformed)?;
            let mut writes = entry.map(Write::unless_changed).to_vec();
            writes.extend(self.checks_of_last_change(&end, None).await?);
            match self.transact(&writes).await {
                Ok(()) | Err(Failure::Exists | Failure::Unknown(_)) => {}
                Err(Failure::Conflict) => pause(NO_KEY, attempt).await,
                Err(Failure::Other(error)) => return Err(error.into()),
            }
        }
        Err(KeyStoreError::Contention { key_id: NO_KEY.to_owned() })
    }
}

/// Converts an error of reading the key after an attempt with an unknown outcome: the outcome is still
/// unknown.
fn or_unknown(key_id: &str, error: KeyStoreError) -> KeyStoreError {
    match error {
        KeyStoreError::Port(source) => KeyStoreError::OutcomeUnknown { key_id: key_id.to_owned(), source },
        error => error,
    }
}
