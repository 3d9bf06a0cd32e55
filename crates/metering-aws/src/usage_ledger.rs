//! The usage ledger in DynamoDB.

use std::collections::HashMap;
use std::fmt::Write;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use metering_core::ports::{LedgerReply, PortError, RowRelease, UsageLedger};
use metering_core::sequence_number::SequenceNumber;
use metering_core::update_plan::{CounterUpdate, RowKey};
use metering_core::window::{DAY_MS, UtcDay};

use crate::error::port_error;
use crate::key_items::Item;

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
    /// The condition.
    pub condition: String,
    /// The values that they refer to.
    pub values: HashMap<String, AttributeValue>,
}

/// What is taken for granted of a row by one try to update it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowGuess {
    /// Whether there is a row: only behind a gap it makes a difference.
    pub exists: bool,
    /// Whether the update's latest call is the row's latest.
    pub raises_last_call: bool,
}

/// Most updates: of a row that is there, by later calls.
pub const FIRST_GUESS: RowGuess = RowGuess { exists: true, raises_last_call: true };

/// Writes the expressions for these counts.
///
/// The fence writes only if nothing of the update is in the row yet. Behind a
/// gap the row also keeps the mark that it had before it. `total` and `ttl` are
/// reserved words of DynamoDB, hence `#total` and `#ttl`.
pub fn expression(update: &CounterUpdate, guess: RowGuess, retention_days: u32) -> Expression {
    let mut added = "ADD #total :total".to_owned();
    let mut values = HashMap::new();
    let number = |value: i128| AttributeValue::N(value.to_string());
    for (hour, calls) in update.hours.iter().enumerate().filter(|(_, calls)| **calls > 0) {
        let _ = write!(added, ", h{hour:02} :h{hour:02}");
        values.insert(format!(":h{hour:02}"), number(i128::from(*calls)));
    }
    values.insert(":total".to_owned(), number(i128::from(update.total())));
    values.insert(":ttl".to_owned(), expiry(update.row.day, retention_days));
    values.insert(":last".to_owned(), AttributeValue::S(update.last.storage_form().to_owned()));
    let mut set = "SET seq = :last, #ttl = :ttl".to_owned();
    let mut condition = match (update.gaps.is_empty(), guess.exists) {
        (true, _) => "(attribute_not_exists(seq) OR seq < :first)".to_owned(),
        (false, true) => "seq < :first".to_owned(),
        (false, false) => "attribute_not_exists(seq)".to_owned(),
    };
    if condition.contains(":first") {
        values.insert(":first".to_owned(), AttributeValue::S(update.first.storage_form().to_owned()));
    }
    for gap in &update.gaps {
        let name = gap_attribute(*gap);
        let before = if guess.exists { "seq" } else { ":none" };
        let _ = write!(set, ", {name} = if_not_exists({name}, {before})");
    }
    if !update.gaps.is_empty() && !guess.exists {
        values.insert(":none".to_owned(), AttributeValue::S(NO_MARK.to_owned()));
    }
    if guess.raises_last_call {
        set.push_str(", last_call = :last_call");
        condition.push_str(" AND (attribute_not_exists(last_call) OR last_call <= :last_call)");
        values.insert(":last_call".to_owned(), number(i128::from(update.last_call_ms)));
    }
    Expression { update: format!("{added} {set}"), condition, values }
}

/// The attribute that keeps the mark which a row had before a gap of its shard.
fn gap_attribute(number: u32) -> String {
    format!("gap{number}")
}

/// The mark before a gap of a row that was not there before it: below every mark.
const NO_MARK: &str = "000";

/// When the row of a day may be deleted. The day itself is kept whole, so the
/// retention starts at its end.
fn expiry(day: UtcDay, retention_days: u32) -> AttributeValue {
    let expires_ms = day.start_ms() + (i64::from(retention_days) + 1) * DAY_MS;
    AttributeValue::N((expires_ms / 1000).to_string())
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

/// How often a row is guessed anew in one update.
const MAX_GUESSES: u32 = 4;

impl DynamoUsageLedger {
    fn operation(&self, row: &RowKey) -> String {
        format!("updating {} of table {}", row.sort_key(), self.table)
    }

    /// Starts an update of a row that tells the row where its condition fails.
    fn update(&self, row: &RowKey, expression: Expression) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(row.api_key_id.to_string()))
            .key("sk", AttributeValue::S(row.sort_key()))
            .update_expression(expression.update)
            .condition_expression(expression.condition)
            .expression_attribute_names("#total", "total")
            .expression_attribute_names("#ttl", crate::schema::TTL_ATTRIBUTE)
            .set_expression_attribute_values(Some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Carries an update out. Where its condition fails, the row that it met.
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

    fn mark(&self, row: &RowKey, item: &Item) -> Result<SequenceNumber, PortError> {
        stored_mark(item)
            .map_err(|source| PortError::Refused { operation: self.operation(row), source: source.into() })
    }

    fn unsteady(&self, row: &RowKey) -> PortError {
        let source = "the row changes with every try: one shard must have one consumer".into();
        PortError::Retryable { operation: self.operation(row), source }
    }
}

impl UsageLedger for DynamoUsageLedger {
    async fn apply(&self, update: &CounterUpdate) -> Result<LedgerReply, PortError> {
        let mut guess = FIRST_GUESS;
        for _ in 0..MAX_GUESSES {
            let expression = expression(update, guess, self.retention_days);
            let item = match self.send(&update.row, self.update(&update.row, expression)).await? {
                Ok(_) => return Ok(LedgerReply::Applied),
                Err(None) => {
                    guess.exists = false;
                    continue;
                }
                Err(Some(item)) => item,
            };
            let mark = self.mark(&update.row, &item)?;
            if mark >= update.first {
                return Ok(LedgerReply::Fenced(mark));
            }
            // The fence lets it pass: the row is there, or has a later call.
            guess = RowGuess { exists: true, raises_last_call: guess.raises_last_call && !guess.exists };
        }
        Err(self.unsteady(&update.row))
    }

    async fn release(&self, release: &RowRelease) -> Result<bool, PortError> {
        let RowRelease { row, record, gap, .. } = release;
        let name = gap_attribute(gap.number);
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
            let before_gap = match item.get(&name) {
                Some(AttributeValue::S(stored)) => stored.clone(),
                _ => self.mark(row, &item)?.storage_form().to_owned(),
            };
            return Ok(*before_gap >= *record.storage_form());
        }
        Err(self.unsteady(row))
    }
}

/// Keeps the records of a gap out of a row, and keeps the mark it had before.
fn release_expression(release: &RowRelease, exists: bool, retention_days: u32) -> Expression {
    let name = gap_attribute(release.gap.number);
    let fence = release.gap.before.predecessor();
    let mut values = HashMap::from([
        (":fence".to_owned(), AttributeValue::S(fence.storage_form().to_owned())),
        (":zero".to_owned(), AttributeValue::N("0".to_owned())),
        (":ttl".to_owned(), expiry(release.row.day, retention_days)),
    ]);
    let (before, condition) = if exists {
        ("seq", format!("seq < :fence AND attribute_not_exists({name})"))
    } else {
        values.insert(":none".to_owned(), AttributeValue::S(NO_MARK.to_owned()));
        (":none", "attribute_not_exists(seq)".to_owned())
    };
    let earlier = release.earlier_gaps.iter().map(|gap| gap_attribute(*gap));
    let earlier: Vec<String> =
        earlier.map(|gap| format!(", {gap} = if_not_exists({gap}, {before})")).collect();
    let earlier = earlier.concat();
    let update = format!("ADD #total :zero SET {name} = {before}{earlier}, seq = :fence, #ttl = :ttl");
    Expression { update, condition, values }
}

fn stored_mark(row: &Item) -> Result<SequenceNumber, String> {
    let Some(AttributeValue::S(stored)) = row.get("seq") else {
        return Err("the row's condition failed, but the row bears no mark \"seq\"".to_owned());
    };
    SequenceNumber::from_storage_form(stored).map_err(|error| format!("the row's mark {stored:?}: {error}"))
}
