//! The usage ledger in DynamoDB: the port through which the consumer writes it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use metering_core::ports::{LedgerReply, PortError, RowRelease, UsageLedger};
use metering_core::row_key::RowKey;
use metering_core::sequence_number::SequenceNumber;
use metering_core::update_plan::CounterUpdate;

use crate::error::port_error;
use crate::key_items::Item;
use crate::ledger_items::{
    Expression, FIRST_GUESS, LedgerItem, RowGuess, TOTAL, primary_key, release_expression, update_expression,
};

/// A ledger with one row for each key, route class, day and shard.
#[derive(Debug, Clone)]
pub struct DynamoUsageLedger {
    client: Client,
    table: String,
    retention_days: u32,
}

/// Maximum number of attempts of one update, each with another [`RowGuess`].
const MAX_GUESSES: u32 = 4;

impl DynamoUsageLedger {
    /// Returns the ledger in `table`, whose rows expire `retention_days` after their day.
    pub fn new(client: Client, table: impl Into<String>, retention_days: u32) -> Self {
        Self { client, table: table.into(), retention_days }
    }

    /// Opens the connection, so that the first batch does not wait for it.
    ///
    /// # Errors
    /// Fails if the table cannot be read.
    pub async fn connect(&self) -> Result<(), PortError> {
        let nothing = AttributeValue::S("connect".to_owned());
        let request =
            self.client.get_item().table_name(&self.table).key("pk", nothing.clone()).key("sk", nothing);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(port_error(format!("reading the table {}", self.table), error)),
        }
    }

    fn operation(&self, row: &RowKey) -> String {
        format!("updating {} of table {}", row.sort_key(), self.table)
    }

    /// Prepares an update of a row. If its condition fails, the error contains the row.
    fn update(&self, row: &RowKey, expression: Expression) -> UpdateItemFluentBuilder {
        let (pk, sk) = primary_key(row);
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", pk)
            .key("sk", sk)
            .update_expression(expression.update)
            .condition_expression(expression.condition)
            .expression_attribute_names("#total", TOTAL)
            .expression_attribute_names("#ttl", crate::schema::TTL_ATTRIBUTE)
            .set_expression_attribute_values(Some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Sends an update. If its condition fails, returns the stored row, if any.
    async fn send(
        &self,
        row: &RowKey,
        request: UpdateItemFluentBuilder,
    ) -> Result<Result<UpdateItemOutput, Option<Item>>, PortError> {
        match request.send().await {
            Ok(output) => Ok(Ok(output)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Err(refused.item.clone().filter(|item| !item.is_empty())))
                }
                _ => Err(port_error(self.operation(row), error)),
            },
        }
    }

    fn high_water_mark(&self, row: &RowKey, item: &Item) -> Result<SequenceNumber, PortError> {
        LedgerItem(item)
            .high_water_mark()
            .map_err(|source| PortError::Refused { operation: self.operation(row), source: source.into() })
    }

    fn contended(&self, row: &RowKey) -> PortError {
        let source = "the row changed between all attempts: a shard must have only one consumer".into();
        PortError::Retryable { operation: self.operation(row), source }
    }
}

impl UsageLedger for DynamoUsageLedger {
    async fn apply(&self, update: &CounterUpdate) -> Result<LedgerReply, PortError> {
        let mut guess = FIRST_GUESS;
        for _ in 0..MAX_GUESSES {
            let expression = update_expression(update, guess, self.retention_days);
            let item = match self.send(&update.row, self.update(&update.row, expression)).await? {
                Ok(_) => return Ok(LedgerReply::Applied),
                Err(None) => {
                    guess.exists = false;
                    continue;
                }
                Err(Some(item)) => item,
            };
            let mark = self.high_water_mark(&update.row, &item)?;
            if mark >= update.first {
                return Ok(LedgerReply::Fenced(mark));
            }
            // The fence admits the update, so a guess was wrong: the row exists, or has a later call.
            guess = RowGuess { exists: true, raises_last_call: guess.raises_last_call && !guess.exists };
        }
        Err(self.contended(&update.row))
    }

    async fn release(&self, release: &RowRelease) -> Result<bool, PortError> {
        let RowRelease { row, record, gap, .. } = release;
        for _ in 0..MAX_GUESSES {
            let fenced = release_expression(release, true, self.retention_days);
            let request = self.update(row, fenced).return_values(ReturnValue::UpdatedOld);
            let item = match self.send(row, request).await? {
                Ok(output) => output.attributes.unwrap_or_default(),
                Err(Some(item)) => item,
                Err(None) => {
                    let new = release_expression(release, false, self.retention_days);
                    if self.send(row, self.update(row, new)).await?.is_ok() {
                        return Ok(false);
                    }
                    continue;
                }
            };
            let before_gap = match LedgerItem(&item).mark_before_gap(gap.number) {
                Some(stored) => stored.to_owned(),
                None => self.high_water_mark(row, &item)?.storage_form().to_owned(),
            };
            return Ok(*before_gap >= *record.storage_form());
        }
        Err(self.contended(row))
    }
}
