//! The usage ledger in DynamoDB.

use std::collections::HashMap;
use std::fmt::Write;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use metering_core::ports::{LedgerReply, PortError, UsageLedger};
use metering_core::sequence_number::SequenceNumber;
use metering_core::update_plan::CounterUpdate;
use metering_core::window::DAY_MS;

use crate::error::port_error;

/// The fence: write only if nothing of this update is in the row yet.
pub const CONDITION: &str = "attribute_not_exists(seq) OR seq < :first";

/// The ledger, one row per key, day and shard.
#[derive(Debug, Clone)]
pub struct DynamoUsageLedger {
    client: Client,
    table: String,
    retention_days: u32,
}

/// An update as DynamoDB wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// The update expression.
    pub update: String,
    /// The values it and the condition refer to.
    pub values: HashMap<String, AttributeValue>,
}

/// Writes the update expression for these counts.
///
/// `total` and `ttl` are reserved words of DynamoDB, hence `#total` and `#ttl`.
pub fn expression(update: &CounterUpdate, retention_days: u32) -> Expression {
    let mut added = "ADD #total :total".to_owned();
    let mut values = HashMap::new();
    let number = |value: i128| AttributeValue::N(value.to_string());
    for (hour, calls) in update.hours.iter().enumerate().filter(|(_, calls)| **calls > 0) {
        let _ = write!(added, ", h{hour:02} :h{hour:02}");
        values.insert(format!(":h{hour:02}"), number(i128::from(*calls)));
    }
    // The day itself is kept whole, so the retention starts at its end.
    let expires_ms = update.row.day.start_ms() + (i64::from(retention_days) + 1) * DAY_MS;
    values.insert(":total".to_owned(), number(i128::from(update.total())));
    values.insert(":last_call".to_owned(), number(i128::from(update.last_call_ms)));
    values.insert(":ttl".to_owned(), number(i128::from(expires_ms / 1000)));
    values.insert(":first".to_owned(), AttributeValue::S(update.first.storage_form().to_owned()));
    values.insert(":last".to_owned(), AttributeValue::S(update.last.storage_form().to_owned()));
    Expression { update: format!("{added} SET seq = :last, last_call = :last_call, #ttl = :ttl"), values }
}

impl DynamoUsageLedger {
    /// A ledger in `table` whose rows expire `retention_days` after their day.
    pub fn new(client: Client, table: impl Into<String>, retention_days: u32) -> Self {
        Self { client, table: table.into(), retention_days }
    }

    /// Opens the connection, so that the first batch does not wait for it.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn connect(&self) -> Result<(), PortError> {
        let nothing = AttributeValue::S("connect".to_owned());
        let request =
            self.client.get_item().table_name(&self.table).key("pk", nothing.clone()).key("sk", nothing);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(port_error(format!("reading the table {}", self.table), error)),
        }
    }
}

impl UsageLedger for DynamoUsageLedger {
    async fn apply(&self, update: &CounterUpdate) -> Result<LedgerReply, PortError> {
        let Expression { update: update_expression, values } = expression(update, self.retention_days);
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(update.row.api_key_id.to_string()))
            .key("sk", AttributeValue::S(update.row.sort_key()))
            .update_expression(update_expression)
            .condition_expression(CONDITION)
            .expression_attribute_names("#total", "total")
            .expression_attribute_names("#ttl", crate::tables::TTL_ATTRIBUTE)
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(LedgerReply::Applied) };
        let operation = || format!("updating {} of table {}", update.row.sort_key(), self.table);
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                stored_mark(refused.item.as_ref())
                    .map(LedgerReply::Fenced)
                    .map_err(|source| PortError::Refused { operation: operation(), source: source.into() })
            }
            _ => Err(port_error(operation(), error)),
        }
    }
}

fn stored_mark(row: Option<&HashMap<String, AttributeValue>>) -> Result<SequenceNumber, String> {
    let Some(AttributeValue::S(stored)) = row.and_then(|row| row.get("seq")) else {
        return Err("the row's condition failed, but the row bears no mark \"seq\"".to_owned());
    };
    SequenceNumber::from_storage_form(stored).map_err(|error| format!("the row's mark {stored:?}: {error}"))
}
