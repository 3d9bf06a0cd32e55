//! The invalidation log in DynamoDB.
//!
//! The log is one partition with one item per entry, and the head. The head sorts after all entries, so that
//! one Query reads both. It repeats the last entry, so that a reader of the head alone knows of the change.
//!
//! A transaction is all or nothing, but until it has returned, a concurrent Query may see a part of it
//! (DynamoDB Developer Guide, "Isolation levels for DynamoDB transactions"). A read with a gap is therefore
//! repeated.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem, Update};
use metering_core::invalidation::{LogEntry, LogRead};
use metering_core::ports::{InvalidationLog, PortError};

use crate::error::port_error;
use crate::key_items::Item;

/// The partition key of all items.
const LOG: &str = "log";
/// The sort key of the head: higher than any sequence. A double represents it exactly, so that no tool rounds
/// it.
const HEAD: u64 = 1 << 53;
/// Maximum number of reads while there is a gap.
const MAX_READS: u32 = 3;
/// Maximum number of entries of a read. An instance that missed more empties its cache, as after any
/// gap: reading them all could take longer than a decision may. They fit into the 1 MB of one response.
///
/// Source: DynamoDB API Reference, `Query`.
const MAX_ENTRIES: i32 = 2_000;
/// Time for which an entry is kept, in seconds: a week.
const RETENTION_S: i64 = 7 * 24 * 3_600;

/// The invalidation log, to read, and to append to in a transaction.
#[derive(Debug, Clone)]
pub struct DynamoInvalidationLog {
    client: Client,
    table: String,
}

impl DynamoInvalidationLog {
    /// The log in a table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn operation(&self) -> String {
        format!("reading the invalidation log in table {}", self.table)
    }

    fn malformed(&self) -> PortError {
        PortError::Refused { operation: self.operation(), source: "an entry of the log is malformed".into() }
    }

    /// Parses the head: the last entry, which it repeats.
    fn head(&self, item: &Item) -> Result<LogEntry, PortError> {
        let sequence = sequence(item, "sequence").ok_or_else(|| self.malformed())?;
        entry(item, sequence).ok_or_else(|| self.malformed())
    }

    /// Reads the entries after a position, and the head. `None` if there are more than
    /// [`MAX_ENTRIES`]; the last entry alone if the position is `None`.
    async fn query_after(&self, position: Option<u64>) -> Result<Option<LogRead>, PortError> {
        let reply = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            // The head, and one more item, without which DynamoDB does not say that it was the last.
            .limit(MAX_ENTRIES + 2)
            .key_condition_expression("pk = :log AND sk > :position")
            .expression_attribute_values(":log", AttributeValue::S(LOG.to_owned()))
            .expression_attribute_values(":position", number(position.unwrap_or(HEAD - 1)))
            .send()
            .await
            .map_err(|error| port_error(self.operation(), error))?;
        if reply.last_evaluated_key.is_some() {
            return Ok(None);
        }
        let (mut read, mut head) = (LogRead::default(), None);
        for item in reply.items() {
            match sequence(item, "sk").ok_or_else(|| self.malformed())? {
                HEAD => head = Some(self.head(item)?),
                place => read.entries.push(entry(item, place).ok_or_else(|| self.malformed())?),
            }
        }
        let Some(last) = head else { return Ok(Some(read)) };
        read.head = last.sequence;
        if position.is_none_or(|position| position < last.sequence) {
            let place = read.entries.partition_point(|entry| entry.sequence < last.sequence);
            if read.entries.get(place).is_none_or(|entry| entry.sequence > last.sequence) {
                read.entries.insert(place, last);
            }
        }
        Ok(Some(read))
    }

    /// Reads the last entry alone, from the head.
    async fn read_last(&self) -> Result<LogRead, PortError> {
        Ok(self.query_after(None).await?.unwrap_or_default())
    }

    /// Reads the end of the log with strong consistency, before a change of a key.
    pub(crate) async fn read_end(&self) -> Result<LogEnd, PortError> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(2)
            .key_condition_expression("pk = :log")
            .expression_attribute_values(":log", AttributeValue::S(LOG.to_owned()));
        let reply = request.send().await.map_err(|error| port_error(self.operation(), error))?;
        let items = reply.items();
        let is_head = |item: &&Item| sequence(item, "sk") == Some(HEAD);
        let last = items.iter().find(is_head).map(|item| self.head(item)).transpose()?;
        let head = last.as_ref().map_or(0, |last| last.sequence);
        let has_entry = items.iter().any(|item| sequence(item, "sk") == Some(head));
        Ok(LogEnd { head, last, has_entry })
    }

    /// Builds the two writes that append an entry after `end` in a transaction: the entry and the head.
    pub(crate) fn append(
        &self,
        end: &LogEnd,
        entry: &LogEntry,
    ) -> Result<[TransactWriteItem; 2], BuildError> {
        let changed_at = AttributeValue::N(entry.changed_at_ms.to_string());
        let ttl = AttributeValue::N((entry.changed_at_ms / 1000 + RETENTION_S).to_string());
        let new_entry = Put::builder()
            .table_name(&self.table)
            .item("pk", AttributeValue::S(LOG.to_owned()))
            .item("sk", number(entry.sequence))
            .item("keyId", AttributeValue::S(entry.key_id.clone()))
            .item("changedAtMs", changed_at.clone())
            .item(crate::schema::TTL_ATTRIBUTE, ttl)
            .condition_expression("attribute_not_exists(pk)");
        let new_head = Update::builder()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(LOG.to_owned()))
            .key("sk", number(HEAD))
            .update_expression("SET #sequence = :new, keyId = :key, changedAtMs = :changed")
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":new", number(entry.sequence))
            .expression_attribute_values(":key", AttributeValue::S(entry.key_id.clone()))
            .expression_attribute_values(":changed", changed_at);
        let new_head = if end.last.is_none() {
            new_head.condition_expression("attribute_not_exists(pk)")
        } else {
            let old = new_head.expression_attribute_values(":old", number(end.head));
            old.condition_expression("#sequence = :old")
        };
        Ok([
            TransactWriteItem::builder().put(new_entry.build()?).build(),
            TransactWriteItem::builder().update(new_head.build()?).build(),
        ])
    }

    /// Builds the condition check that there is no entry with this sequence, neither written nor being
    /// written.
    pub(crate) fn check_no_entry(&self, sequence: u64) -> Result<TransactWriteItem, BuildError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(LOG.to_owned()))
            .key("sk", number(sequence))
            .condition_expression("attribute_not_exists(pk)");
        Ok(TransactWriteItem::builder().condition_check(check.build()?).build())
    }
}

/// The end of the log as a change of a key has read it.
#[derive(Debug)]
pub(crate) struct LogEnd {
    /// The sequence of the last entry ever written; `0` if there is none.
    pub(crate) head: u64,
    /// The last entry, from the head. `None` if the log has no head.
    pub(crate) last: Option<LogEntry>,
    /// `true` if the item of the last entry is visible. It is not after it has expired, or while its
    /// transaction is being carried out.
    pub(crate) has_entry: bool,
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn sequence(item: &Item, attribute: &str) -> Option<u64> {
    item.get(attribute)?.as_n().ok()?.parse().ok()
}

fn entry(item: &Item, sequence: u64) -> Option<LogEntry> {
    let key_id = item.get("keyId")?.as_s().ok()?.clone();
    let changed_at_ms = item.get("changedAtMs")?.as_n().ok()?.parse().ok()?;
    Some(LogEntry { sequence, key_id, changed_at_ms })
}

impl InvalidationLog for DynamoInvalidationLog {
    async fn read_after(&self, position: Option<u64>) -> Result<LogRead, PortError> {
        let Some(after) = position else { return self.read_last().await };
        let mut tries = 0;
        loop {
            let Some(read) = self.query_after(position).await? else { return self.read_last().await };
            tries += 1;
            if read.is_whole_after(after) || tries == MAX_READS {
                return Ok(read);
            }
        }
    }
}
