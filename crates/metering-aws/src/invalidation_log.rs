//! The invalidation log in DynamoDB: one partition, one item per entry, and
//! the head, which sorts after all of them, so that one Query reads both.
//!
//! A transaction is all or nothing, but a Query beside it may see a part of it
//! until it has returned (DynamoDB Developer Guide, "Isolation levels for
//! DynamoDB transactions"): a read with a gap is made again.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use metering_core::invalidation::{LogEntry, LogRead};
use metering_core::ports::{InvalidationLog, PortError};

use crate::error::port_error;
use crate::key_items::Item;

/// The partition.
const LOG: &str = "log";
/// Where the head sorts: after any sequence that there will be. A double holds
/// it exactly, so that no tool that shows it rounds it.
const HEAD: u64 = 1 << 53;
/// How often a read with a gap is made.
const MAX_READS: u32 = 3;
/// How long an entry is kept, in seconds: a week.
const RETENTION_S: i64 = 7 * 24 * 3_600;

/// The log.
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

    async fn query_after(&self, position: u64) -> Result<LogRead, PortError> {
        let operation = || format!("reading the invalidation log in table {}", self.table);
        let mut items = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :log AND sk > :position")
            .expression_attribute_values(":log", AttributeValue::S(LOG.to_owned()))
            .expression_attribute_values(":position", number(position))
            .into_paginator()
            .items()
            .send();
        let mut read = LogRead::default();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error(operation(), error))?;
            let malformed = || PortError::Refused {
                operation: operation(),
                source: "an entry of the log is malformed".into(),
            };
            match sequence(&item, "sk").ok_or_else(malformed)? {
                HEAD => read.head = sequence(&item, "sequence").ok_or_else(malformed)?,
                place => read.entries.push(entry(&item, place).ok_or_else(malformed)?),
            }
        }
        Ok(read)
    }

    /// The two writes that add an entry after `head`, for a transaction.
    pub(crate) fn append(
        &self,
        head: u64,
        key_id: &str,
        now_ms: i64,
    ) -> Result<[TransactWriteItem; 2], aws_sdk_dynamodb::error::BuildError> {
        let entry = Put::builder()
            .table_name(&self.table)
            .item("pk", AttributeValue::S(LOG.to_owned()))
            .item("sk", number(head + 1))
            .item("keyId", AttributeValue::S(key_id.to_owned()))
            .item("changedAtMs", AttributeValue::N(now_ms.to_string()))
            .item(crate::tables::TTL_ATTRIBUTE, AttributeValue::N((now_ms / 1000 + RETENTION_S).to_string()))
            .condition_expression("attribute_not_exists(pk)");
        let new_head = Update::builder()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(LOG.to_owned()))
            .key("sk", number(HEAD))
            .update_expression("SET #sequence = :new")
            .condition_expression(if head == 0 { "attribute_not_exists(pk)" } else { "#sequence = :old" })
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":new", number(head + 1));
        let new_head =
            if head == 0 { new_head } else { new_head.expression_attribute_values(":old", number(head)) };
        Ok([
            TransactWriteItem::builder().put(entry.build()?).build(),
            TransactWriteItem::builder().update(new_head.build()?).build(),
        ])
    }
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
        let Some(position) = position else {
            // Nothing is after the head but the head.
            return self.query_after(HEAD - 1).await;
        };
        let mut read = self.query_after(position).await?;
        for _ in 1..MAX_READS {
            if read.continues(position) {
                break;
            }
            read = self.query_after(position).await?;
        }
        Ok(read)
    }
}
