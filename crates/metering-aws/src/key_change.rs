//! Changes of keys: each is one transaction with its entry in the invalidation
//! log, so that no instance can miss it.
//!
//! Reads beside a transaction may see its writes in any mixture until it has
//! returned (DynamoDB Developer Guide, "Isolation levels for DynamoDB
//! transactions"). So a change begins only when all writes of the one before are
//! visible: then the last entry alone can be of a change that is half visible,
//! which is what the decision cache relies on.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::invalidation::LogEntry;
use metering_core::ports::PortError;

use crate::invalidation_log::LogEnd;
use crate::key_items;
use crate::key_store::{Failure, KeyStore, KeyStoreError, MAX_TRIES, malformed, pause};

/// How often a change is tried again whose outcome is not known.
const MAX_UNKNOWN: u32 = 3;
/// How long a deleted key can still be told from an unknown one, in seconds: 400 days.
const DELETED_RETENTION_S: i64 = 400 * 24 * 3_600;
/// What stands for a key in an entry that only raises the log; no key is called so.
const NO_KEY: &str = "-";

/// How the invalidation log stands to the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStanding {
    /// The sequence of the last entry; 0 where there is none.
    pub head: u64,
    /// The highest version of a key; 0 where none was changed yet.
    pub highest_version: u64,
}

impl LogStanding {
    /// Whether the log was lost or restored: it has to be raised.
    pub fn is_behind(&self) -> bool {
        self.head < self.highest_version
    }
}

impl KeyStore {
    /// Changes a key and adds the log's entry, whose sequence is the version
    /// of the key that is returned: above all that the key had, also where the
    /// log has begun anew below it. Where it is not known what became of a try,
    /// `is_done` tells it from the key.
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
            writes.extend(self.log.append(&end, &entry).map_err(malformed)?);
            if let Some(digest) = &new_secret {
                writes.push(self.new_pointer(digest, &key.key_id)?);
            }
            writes.extend(self.checks_of_last_change(&end, Some((&key.key_id, before))).await?);
            match self.transact(writes).await {
                Ok(()) => return Ok(key),
                Err(Failure::Exists) if is_done(&self.get(&key.key_id).await?) => {}
                Err(Failure::Exists) => return Err(KeyStoreError::Taken { key_id: key.key_id }),
                Err(Failure::Unknown(source)) if unknown == MAX_UNKNOWN => {
                    return Err(KeyStoreError::Unknown { key_id: key.key_id, source });
                }
                Err(Failure::Unknown(_)) => unknown += 1,
                Err(Failure::Again) => pause(&key.key_id, attempt).await,
                Err(Failure::Other(error)) => return Err(error.into()),
            }
        }
        Err(KeyStoreError::Contention { key_id: key_id.to_owned() })
    }

    /// What a transaction has to check for the change of the last entry to be
    /// over: whatever of it cannot be seen. A transaction that writes an item
    /// keeps others from it until it is over (DynamoDB Developer Guide,
    /// "Transaction conflict handling in DynamoDB"), so a check that passes
    /// proves that the write is not merely late: the item has expired, or its
    /// table was restored. Checks of `changed` are made by its own write.
    async fn checks_of_last_change(
        &self,
        end: &LogEnd,
        changed: Option<(&str, Option<KeyDigest>)>,
    ) -> Result<Vec<TransactWriteItem>, PortError> {
        let mut checks = Vec::new();
        let Some(last) = &end.last else { return Ok(checks) };
        if !end.has_entry {
            checks.push(self.log.check_no_entry(end.head).map_err(malformed)?);
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

    fn check_version(&self, key: &KeyRecord) -> Result<TransactWriteItem, PortError> {
        self.check("version = :seen", key_items::key_pk(&key.key_id), Some(key.version))
    }

    fn check(
        &self,
        condition: &str,
        pk: AttributeValue,
        seen: Option<u64>,
    ) -> Result<TransactWriteItem, PortError> {
        let check =
            ConditionCheck::builder().table_name(&self.table).key("pk", pk).condition_expression(condition);
        let check = match seen {
            Some(seen) => check.expression_attribute_values(":seen", AttributeValue::N(seen.to_string())),
            None => check,
        };
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(malformed)?).build())
    }

    fn changed_item(&self, key: &KeyRecord, seen: u64) -> Result<TransactWriteItem, PortError> {
        let expires_s = key.deleted_at_ms.map(|deleted| deleted / 1000 + DELETED_RETENTION_S);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(key_items::to_item(key, expires_s)))
            .condition_expression("version = :seen")
            .expression_attribute_values(":seen", AttributeValue::N(seen.to_string()));
        Ok(TransactWriteItem::builder().put(put.build().map_err(malformed)?).build())
    }

    /// Compares the log with the versions of all keys, by scanning their table.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn log_standing(&self) -> Result<LogStanding, KeyStoreError> {
        let highest_version = self.list().await?.iter().map(|key| key.version).max().unwrap_or(0);
        Ok(LogStanding { head: self.log.read_end().await?.head, highest_version })
    }

    /// Raises a log that is behind the keys above all their versions, so that
    /// keys can be remembered again. Returns how it stands then.
    ///
    /// # Errors
    /// When a table cannot be read or written.
    pub async fn raise_log(&self, now_ms: i64) -> Result<LogStanding, KeyStoreError> {
        for attempt in 0..MAX_TRIES {
            let standing = self.log_standing().await?;
            if !standing.is_behind() {
                return Ok(standing);
            }
            let end = self.log.read_end().await?;
            let (sequence, key_id) = (standing.highest_version + 1, NO_KEY.to_owned());
            let entry = LogEntry { sequence, key_id, changed_at_ms: now_ms };
            let mut writes = self.log.append(&end, &entry).map_err(malformed)?.to_vec();
            writes.extend(self.checks_of_last_change(&end, None).await?);
            match self.transact(writes).await {
                Ok(()) | Err(Failure::Exists | Failure::Unknown(_)) => {}
                Err(Failure::Again) => pause(NO_KEY, attempt).await,
                Err(Failure::Other(error)) => return Err(error.into()),
            }
        }
        Err(KeyStoreError::Contention { key_id: NO_KEY.to_owned() })
    }
}

/// A key that cannot be read after a change of unknown outcome tells nothing of it.
fn or_unknown(key_id: &str, error: KeyStoreError) -> KeyStoreError {
    match error {
        KeyStoreError::Port(source) => KeyStoreError::Unknown { key_id: key_id.to_owned(), source },
        error => error,
    }
}
