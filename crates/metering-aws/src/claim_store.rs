//! The claims in DynamoDB: heads of shards, verdicts on records, pages of calls.
//!
//! | item | `pk` | `sk` |
//! | --- | --- | --- |
//! | head of a shard | `shard#NAME` | `head` |
//! | verdict on a record | `shard#NAME` | `record#SEQUENCE_NUMBER` in storage form |
//! | page of a slice | `calls#START_MS#GROUP` | `page#NUMBER`, five digits |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::QueryError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use metering_core::claims::layout::SliceKey;
use metering_core::claims::owner::{RecordName, ShardName};
use metering_core::claims::slice_claim::{PageWrite, StoredPage};
use metering_core::class_lists::ClassLists;
use metering_core::ports::{ClaimStore, PortError, WriteReply};
use metering_core::sequence_number::SequenceNumber;
use metering_core::shard::{HeadWrite, QuarantinedPart, ShardHead, Verdict};

use crate::claim_items::{self, HEAD, MalformedClaim};
use crate::dated_lists::CLASS_LISTS;
use crate::error::port_error;
use crate::key_items::Item;
use crate::schema::NEW_CONDITION;

/// The condition of optimistic locking: the item is unchanged since it was read.
pub const VERSION_CONDITION: &str = "version = :version";

/// The claims in a table with a time to live.
#[derive(Debug, Clone)]
pub struct DynamoClaimStore {
    client: Client,
    table: String,
}

impl DynamoClaimStore {
    /// Returns the store of the claims in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    fn operation(&self, what: &str) -> String {
        format!("{what} in table {}", self.table)
    }

    fn malformed(&self, what: &str, source: MalformedClaim) -> PortError {
        PortError::Refused { operation: self.operation(what), source: Box::new(source) }
    }

    /// Reads the items of a partition with sort keys in `from..=to`.
    async fn query(&self, pk: String, from: String, to: String, what: &str) -> Result<Vec<Item>, PortError> {
        items_between(&self.client, &self.table, pk, (from, to))
            .await
            .map_err(|error| port_error(self.operation(what), error))
    }

    /// Puts an item if its stored version is `expected`; `None` means that it does not exist yet.
    async fn put(&self, item: Item, expected: Option<u64>, what: &str) -> Result<WriteReply, PortError> {
        let mut request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request = match expected {
            None => request.condition_expression(NEW_CONDITION),
            Some(version) => request
                .condition_expression(VERSION_CONDITION)
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        match request.send().await {
            Ok(_) => Ok(WriteReply::Written),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(WriteReply::Conflict)
            }
            Err(error) => Err(port_error(self.operation(what), error)),
        }
    }

    /// Writes a head and its verdicts in one transaction.
    async fn put_together(&self, write: &HeadWrite) -> Result<WriteReply, PortError> {
        let what = "writing the head of a shard with verdicts";
        let expected = (write.head.version > 0).then_some(write.head.version);
        let put = |item: Item| Put::builder().table_name(&self.table).set_item(Some(item));
        let head = put(claim_items::head_item(write));
        let head = match expected {
            None => head.condition_expression(NEW_CONDITION),
            Some(version) => head
                .condition_expression(VERSION_CONDITION)
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        let mut request = self.client.transact_write_items();
        let verdicts = write.verdicts.iter().map(|verdict| put(claim_items::verdict_item(write, verdict)));
        for put in std::iter::once(head).chain(verdicts) {
            let put = put.build().map_err(|error| PortError::Refused {
                operation: self.operation(what),
                source: Box::new(error),
            })?;
            request = request.transact_items(TransactWriteItem::builder().put(put).build());
        }
        match request.send().await {
            Ok(_) => Ok(WriteReply::Written),
            Err(error) if error.as_service_error().is_some_and(is_conflict) => Ok(WriteReply::Conflict),
            Err(error) => Err(port_error(self.operation(what), error)),
        }
    }
}

/// Reads the items of a partition with sort keys in `from..=to`, with strongly
/// consistent reads.
pub async fn items_between(
    client: &Client,
    table: &str,
    pk: String,
    (from, to): (String, String),
) -> Result<Vec<Item>, SdkError<QueryError>> {
    query_between(client, table, pk, (from, to))
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
}

fn query_between(
    client: &Client,
    table: &str,
    pk: String,
    (from, to): (String, String),
) -> QueryFluentBuilder {
    client
        .query()
        .table_name(table)
        .consistent_read(true)
        .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
        .expression_attribute_values(":pk", AttributeValue::S(pk))
        .expression_attribute_values(":from", AttributeValue::S(from))
        .expression_attribute_values(":to", AttributeValue::S(to))
}

/// Returns `true` if a transaction failed because another one writes the same items.
fn is_conflict(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { return false };
    let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
}

impl ClaimStore for DynamoClaimStore {
    async fn read_class_lists(&self) -> Result<ClassLists, PortError> {
        CLASS_LISTS.read(&self.client, &self.table).await.map(ClassLists::from_stored)
    }

    async fn read_head(&self, shard: &ShardName) -> Result<Option<ShardHead>, PortError> {
        let what = "reading the head of a shard";
        let reply = self
            .client
            .get_item()
            .table_name(&self.table)
            .consistent_read(true)
            .key("pk", AttributeValue::S(claim_items::shard_pk(shard)))
            .key("sk", AttributeValue::S(HEAD.to_owned()))
            .send()
            .await
            .map_err(|error| port_error(self.operation(what), error))?;
        let head = reply.item.map(|item| claim_items::read_head(&item)).transpose();
        head.map_err(|error| self.malformed(what, error))
    }

    async fn read_verdicts(
        &self,
        shard: &ShardName,
        first: &SequenceNumber,
        last: &SequenceNumber,
    ) -> Result<Vec<(SequenceNumber, Verdict)>, PortError> {
        let what = "reading verdicts on records";
        let (from, to) = (claim_items::record_sk(first), claim_items::record_sk(last));
        let items = self.query(claim_items::shard_pk(shard), from, to, what).await?;
        let verdicts = items.iter().map(claim_items::read_verdict).collect::<Result<_, _>>();
        verdicts.map_err(|error| self.malformed(what, error))
    }

    async fn write_head(&self, write: &HeadWrite) -> Result<WriteReply, PortError> {
        if write.verdicts.is_empty() {
            let expected = (write.head.version > 0).then_some(write.head.version);
            self.put(claim_items::head_item(write), expected, "writing the head of a shard").await
        } else {
            self.put_together(write).await
        }
    }

    async fn mark_kept(&self, record: &RecordName, part: &QuarantinedPart) -> Result<WriteReply, PortError> {
        let (name, part) = claim_items::part_attribute(part);
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(claim_items::shard_pk(&record.shard)))
            .key("sk", AttributeValue::S(claim_items::record_sk(&record.sequence_number)))
            .update_expression("SET kept = :kept")
            .condition_expression("#part = :part")
            .expression_attribute_names("#part", name)
            .expression_attribute_values(":part", part)
            .expression_attribute_values(":kept", AttributeValue::Bool(true))
            .send()
            .await;
        match result {
            Ok(_) => Ok(WriteReply::Written),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(WriteReply::Conflict)
            }
            Err(error) => Err(port_error(self.operation("marking a record as kept"), error)),
        }
    }

    async fn read_slice(&self, slice: SliceKey) -> Result<Vec<StoredPage>, PortError> {
        let what = "reading the claims of a slice";
        // ':' is the character after '9', so the range contains all page numbers.
        let range = ("page#".to_owned(), "page#:".to_owned());
        let query = query_between(&self.client, &self.table, slice.to_string(), range);
        let mut items = query.into_paginator().items().send();
        // A slice may be as large as memory allows once: no second copy of its items is kept.
        let mut pages = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| port_error(self.operation(what), error))?;
            pages.push(claim_items::read_page(&item).map_err(|error| self.malformed(what, error))?);
        }
        Ok(pages)
    }

    async fn write_page(&self, write: &PageWrite) -> Result<WriteReply, PortError> {
        self.put(claim_items::page_item(write), write.expected_version, "writing claims").await
    }
}
