//! Claims to records in DynamoDB.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_core::ports::{Claim, ClaimStore, PortError};
use metering_core::sequence_number::SequenceNumber;
use metering_core::usage_record::RecordIdentity;
use metering_core::window::HOUR_MS;

use crate::error::port_error;

/// A claim is granted to the first sequence number, and to it again.
pub const CONDITION: &str = "attribute_not_exists(pk) OR seq = :seq";

/// The claims, one row per record, which expire by themselves.
#[derive(Debug, Clone)]
pub struct DynamoClaimStore {
    client: Client,
    table: String,
    retention_hours: u32,
}

impl DynamoClaimStore {
    /// Claims in `table`, kept for `retention_hours` after the record's arrival.
    ///
    /// Keep them longer than the stream keeps its records: a record that is
    /// replayed after its claim is gone is fenced only where the ledger's row
    /// has moved past it.
    pub fn new(client: Client, table: impl Into<String>, retention_hours: u32) -> Self {
        Self { client, table: table.into(), retention_hours }
    }
}

impl ClaimStore for DynamoClaimStore {
    async fn claim(
        &self,
        identity: &RecordIdentity,
        shard_id: &str,
        sequence_number: &SequenceNumber,
        arrived_at_ms: i64,
    ) -> Result<Claim, PortError> {
        let holder = AttributeValue::S(format!("{shard_id}#{}", sequence_number.storage_form()));
        let expires_s = (arrived_at_ms + i64::from(self.retention_hours) * HOUR_MS) / 1000;
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", AttributeValue::S(identity.storage_key()))
            .item("seq", holder.clone())
            .item(crate::tables::TTL_ATTRIBUTE, AttributeValue::N(expires_s.to_string()))
            .condition_expression(CONDITION)
            .expression_attribute_values(":seq", holder)
            .send()
            .await;
        match result {
            Ok(_) => Ok(Claim::Granted),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(Claim::Duplicate)
            }
            Err(error) => Err(port_error(format!("claiming a record in table {}", self.table), error)),
        }
    }
}
