//! The rows of the usage ledger as DynamoDB items.
//!
//! A row has the attributes
//!
//! | attribute | type | value |
//! | --- | --- | --- |
//! | `pk` | S | the customer, or the key if it belongs to no customer: `customer#ID`, `key#ID` |
//! | `sk` | S | `MONTH#KEY#DAY#CLASS#SHARD`: the key is empty if `pk` has it; the class is empty if there is none; the shard is qualified by account, region and stream |
//! | `h00` to `h23` | N | the calls of an hour; absent if there were none |
//! | `total` | N | the sum of the hours |
//! | `b00` to `b23` | N | the bytes of the responses of an hour; absent if there were none |
//! | `fingerprint` | N | the sum of the 64-bit hashes of all calls |
//! | `last_call` | N | the latest counted call, in milliseconds since 1970 |
//! | `seq` | S | the high-water mark, in the storage form of sequence numbers |
//! | `gap0`, `gap1`, ... | S | the high-water mark that the row had before a gap of its shard |
//! | `ttl` | N | the time of expiry, in seconds since 1970 |

use std::collections::HashMap;
use std::fmt::Write;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_core::fingerprint::Fingerprint;
use metering_core::metered_key::MeteredKey;
use metering_core::ports::RowRelease;
use metering_core::row_key::{RowKey, partition_key, sort_key_ranges};
use metering_core::sequence_number::SequenceNumber;
use metering_core::update_plan::CounterUpdate;
use metering_core::window::{DAY_MS, HOURS_PER_DAY, UtcDay};

use crate::key_items::Item;

/// The attribute with the sum of the hours. A reserved word of DynamoDB, so
/// expressions write `#total`.
pub const TOTAL: &str = "total";
/// The attribute with the fingerprint of the calls.
pub const FINGERPRINT: &str = "fingerprint";
/// The attribute with the latest counted call.
pub const LAST_CALL: &str = "last_call";
/// The attribute with the high-water mark.
const HIGH_WATER_MARK: &str = "seq";

/// The high-water mark before a gap if the row did not exist yet. It is below
/// every sequence number.
pub const NO_MARK: &str = "000";

/// The calls of a row, or the bytes of their responses, by hour of its day.
pub type Hours = [u64; HOURS_PER_DAY];

/// Returns the name of the attribute with the calls of an hour of the day.
pub(crate) fn hour_attribute(hour: usize) -> String {
    format!("h{hour:02}")
}

/// Returns the name of the attribute with the response bytes of an hour of the day.
pub(crate) fn response_bytes_attribute(hour: usize) -> String {
    format!("b{hour:02}")
}

/// Returns the name of the attribute with the high-water mark before a gap.
pub fn gap_attribute(number: u32) -> String {
    format!("gap{number}")
}

/// Returns the primary key of a row: partition key and sort key.
pub(crate) fn primary_key(row: &RowKey) -> (AttributeValue, AttributeValue) {
    (AttributeValue::S(row.partition_key()), AttributeValue::S(row.sort_key()))
}

/// Starts a query for all rows of the customer of a key; of the key alone if it belongs to none.
pub fn rows_of_partition(client: &Client, table: &str, key: &MeteredKey) -> QueryFluentBuilder {
    query_partition(client, table, partition_key(key))
}

fn query_partition(client: &Client, table: &str, partition: String) -> QueryFluentBuilder {
    client
        .query()
        .table_name(table)
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(partition))
}

/// Starts queries for the rows of a key from the day `from` to the day `to`, both included: one for
/// each month. They also return rows of other keys whose ids contain `#`, which
/// the caller has to leave out.
pub(crate) fn rows_of_days(
    client: &Client,
    table: &str,
    key: &MeteredKey,
    [from, to]: [UtcDay; 2],
) -> impl Iterator<Item = QueryFluentBuilder> {
    sort_key_ranges(key, from, to)
        .into_iter()
        .map(move |sort_keys| rows_between(client, table, partition_key(key), sort_keys))
}

/// Starts a query for the rows of a partition with sort keys from the first to the last, both included.
pub(crate) fn rows_between(
    client: &Client,
    table: &str,
    partition: String,
    [first, last]: [String; 2],
) -> QueryFluentBuilder {
    query_partition(client, table, partition)
        .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
        .expression_attribute_values(":from", AttributeValue::S(first))
        .expression_attribute_values(":to", AttributeValue::S(last))
}

/// A row of the ledger as it is stored. Unless a method says otherwise, it
/// returns `None` if its attribute is missing or malformed.
#[derive(Debug, Clone, Copy)]
pub struct LedgerItem<'item>(pub &'item Item);

impl<'item> LedgerItem<'item> {
    fn text(self, attribute: &str) -> Option<&'item str> {
        self.0.get(attribute)?.as_s().ok().map(String::as_str)
    }

    /// Returns the sort key.
    pub fn sort_key(self) -> Option<&'item str> {
        self.text("sk")
    }

    /// Returns what the row counts, and the shard that writes it.
    pub fn row_key(self) -> Option<RowKey> {
        RowKey::parse(self.text("pk")?, self.sort_key()?)
    }

    /// Returns the calls of each hour of the day. A missing attribute means 0.
    ///
    /// # Errors
    /// Fails with the name of an attribute that is malformed, or with [`TOTAL`] if it is not the sum.
    pub fn hours(self) -> Result<Hours, String> {
        let hours = self.numbers(hour_attribute)?;
        let is_whole = self.number_or_zero(TOTAL) == Some(hours.iter().sum());
        if is_whole { Ok(hours) } else { Err(TOTAL.to_owned()) }
    }

    /// Returns the length of the responses of each hour of the day, in bytes. A missing attribute means 0.
    ///
    /// # Errors
    /// Fails with the name of an attribute that is malformed.
    pub fn response_bytes(self) -> Result<Hours, String> {
        self.numbers(response_bytes_attribute)
    }

    /// Returns a number for each hour of the day, each in the attribute that `attribute` names.
    fn numbers(self, attribute: impl Fn(usize) -> String) -> Result<Hours, String> {
        let mut numbers = [0; HOURS_PER_DAY];
        for (hour, number) in numbers.iter_mut().enumerate() {
            let attribute = attribute(hour);
            *number = self.number_or_zero(&attribute).ok_or(attribute)?;
        }
        Ok(numbers)
    }

    /// Returns the fingerprint of the calls. Rows that an earlier version of the
    /// consumer wrote have none.
    pub fn fingerprint(self) -> Option<Fingerprint> {
        self.0.get(FINGERPRINT)?.as_n().ok()?.parse().ok().map(Fingerprint::from_sum)
    }

    /// Returns the sum of the hours.
    pub fn total(self) -> Option<u64> {
        self.0.get(TOTAL)?.as_n().ok()?.parse().ok()
    }

    /// Returns the latest counted call, in milliseconds since 1970. A missing attribute means 0.
    pub fn last_call_ms(self) -> Option<i64> {
        i64::try_from(self.number_or_zero(LAST_CALL)?).ok()
    }

    pub(crate) fn number_or_zero(self, attribute: &str) -> Option<u64> {
        self.0.get(attribute).map_or(Some(0), |value| value.as_n().ok()?.parse().ok())
    }

    /// Returns the high-water mark.
    ///
    /// # Errors
    /// Fails if the attribute is missing or not a sequence number.
    pub fn high_water_mark(self) -> Result<SequenceNumber, String> {
        let Some(stored) = self.text(HIGH_WATER_MARK) else {
            return Err(format!("the row's condition failed, but the row has no mark {HIGH_WATER_MARK:?}"));
        };
        SequenceNumber::from_storage_form(stored)
            .map_err(|error| format!("the row's mark {stored:?}: {error}"))
    }

    /// Returns the stored high-water mark before a gap.
    pub(crate) fn mark_before_gap(self, number: u32) -> Option<&'item str> {
        self.text(&gap_attribute(number))
    }
}

/// The expressions of a conditional update.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// The value of `UpdateExpression`.
    pub update: String,
    /// The value of `ConditionExpression`.
    pub condition: String,
    /// The values of `ExpressionAttributeValues`.
    pub values: HashMap<String, AttributeValue>,
}

/// The assumptions that one attempt to update a row makes about the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowGuess {
    /// `true` if the row exists. It matters only behind a gap.
    pub exists: bool,
    /// `true` if the update's latest call is the row's latest call.
    pub raises_last_call: bool,
}

/// The assumptions that are right for most updates.
pub const FIRST_GUESS: RowGuess = RowGuess { exists: true, raises_last_call: true };

/// Writes the expressions that add the counts of an update to its row.
///
/// The condition is the fence: the update is written only if the row counts
/// none of its records yet. Behind a gap, the row also keeps the high-water
/// mark that it had before the gap. `total` and `ttl` are reserved words of
/// DynamoDB, hence `#total` and `#ttl`.
///
/// ```
/// use metering_aws::ledger_items::{FIRST_GUESS, update_expression};
/// use metering_core::aggregate::BatchUsage;
/// use metering_core::claims::owner::ShardName;
/// use metering_core::fingerprint::Fingerprint;
/// use metering_core::metered_key::CallBreakdown;
/// use metering_core::sequence_number::SequenceNumber;
/// use metering_core::row_key::RowKey;
/// use metering_core::update_plan::CounterUpdate;
///
/// let record = SequenceNumber::parse("42").unwrap();
/// let mut hours = [0; 24];
/// hours[7] = 3;
/// let mut response_bytes = [0; 24];
/// response_bytes[7] = 4_096;
/// let update = CounterUpdate {
///     row: RowKey {
///         breakdown: CallBreakdown::of_key("key-1", "2026-11-24".parse().unwrap()).into(),
///         shard: ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000000"),
///     },
///     first: record.clone(),
///     last: record.clone(),
///     first_record: BatchUsage::new().begin_record(record).unwrap(),
///     hours,
///     response_bytes: Box::new(response_bytes),
///     fingerprint: Fingerprint::from_sum(12_345),
///     last_call_ms: 1_795_509_270_000,
///     gaps: Vec::new(),
/// };
/// let expression = update_expression(&update, FIRST_GUESS, 400);
/// assert_eq!(
///     expression.update,
///     "ADD #total :total, fingerprint :fingerprint, h07 :h07, b07 :b07 SET seq = :last, #ttl = :ttl, last_call = :last_call"
/// );
/// assert!(expression.condition.starts_with("(attribute_not_exists(seq) OR seq < :first)"));
/// ```
pub fn update_expression(update: &CounterUpdate, guess: RowGuess, retention_days: u32) -> Expression {
    let mut added = format!("ADD #total :total, {FINGERPRINT} :{FINGERPRINT}");
    let mut values = HashMap::new();
    let number = |value: i128| AttributeValue::N(value.to_string());
    let mut add = |name: String, amount: u64| {
        if amount > 0 {
            let _ = write!(added, ", {name} :{name}");
            values.insert(format!(":{name}"), number(i128::from(amount)));
        }
    };
    for (hour, (calls, bytes)) in update.hours.into_iter().zip(*update.response_bytes).enumerate() {
        add(hour_attribute(hour), calls);
        add(response_bytes_attribute(hour), bytes);
    }
    values.insert(format!(":{FINGERPRINT}"), number(i128::from(update.fingerprint.number())));
    values.insert(":total".to_owned(), number(i128::from(update.total())));
    values.insert(":ttl".to_owned(), expiry(update.row.day(), retention_days));
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
        let before = if guess.exists { HIGH_WATER_MARK } else { ":none" };
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

/// Writes the expressions that fence the records of a gap off from a row, and
/// that keep the high-water mark before the gap.
pub(crate) fn release_expression(release: &RowRelease, exists: bool, retention_days: u32) -> Expression {
    let name = gap_attribute(release.gap.number);
    let fence = release.gap.before.predecessor();
    let mut values = HashMap::from([
        (":fence".to_owned(), AttributeValue::S(fence.storage_form().to_owned())),
        (":zero".to_owned(), AttributeValue::N("0".to_owned())),
        (":ttl".to_owned(), expiry(release.row.day(), retention_days)),
    ]);
    let (before, condition) = if exists {
        (HIGH_WATER_MARK, format!("seq < :fence AND attribute_not_exists({name})"))
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

/// Returns the time at which the row of a day expires, in seconds since 1970.
/// The retention starts at the end of the day.
fn expiry(day: UtcDay, retention_days: u32) -> AttributeValue {
    let expires_ms = day.start_ms() + (i64::from(retention_days) + 1) * DAY_MS;
    AttributeValue::N((expires_ms / 1000).to_string())
}
