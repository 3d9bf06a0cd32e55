//! The ledger's expressions as texts, and their effects in DynamoDB.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::StreamExt;
use metering_aws::DynamoUsageLedger;
use metering_aws::connection::{FUNCTION_RETRY_POLICY, load_local};
use metering_aws::key_usage::usage_of_key;
use metering_aws::ledger_items::{
    self, FINGERPRINT, FIRST_GUESS, LAST_CALL, NO_MARK, RowGuess, TOTAL, gap_attribute, update_expression,
};
use metering_core::aggregate::{BatchUsage, RecordIndex};
use metering_core::claims::owner::ShardName;
use metering_core::fingerprint::Fingerprint;
use metering_core::metered_key::{
    Breakdown, CallBreakdown, MAX_CUSTOMER_ID_BYTES, MAX_KEY_ID_BYTES, MeteredKey,
};
use metering_core::ports::{LedgerReply, PortError, RowRelease, UsageLedger};
use metering_core::row_key::RowKey;
use metering_core::shard::{Beginning, Gap};
use metering_core::update_plan::CounterUpdate;
use metering_core::window::{HOURS_PER_DAY, UtcDay};

use super::{LEDGER, NOW_MS, dynamodb, number, shard};

fn first_record() -> RecordIndex {
    BatchUsage::new().begin_record(number("1")).unwrap()
}

pub fn row(key: &str) -> RowKey {
    RowKey { breakdown: CallBreakdown::of_key(key, "2026-11-24".parse().unwrap()).into(), shard: shard() }
}

/// Returns the fingerprint of calls that all have the same large hash.
pub fn fingerprint(calls: u64) -> Fingerprint {
    Fingerprint::from_sum(u128::from(calls) * LARGE_HASH)
}

/// Few of these hashes add up to more than 2⁶⁴.
const LARGE_HASH: u128 = 0xF000_0000_0000_0001;

/// Returns the bytes of the responses of an hour in the tests.
pub fn response_bytes(calls: u64) -> u64 {
    calls * 1_000
}

pub fn update(first: &str, last: &str, hours: &[(usize, u64)]) -> CounterUpdate {
    let mut counts = [0; HOURS_PER_DAY];
    for (hour, calls) in hours {
        counts[*hour] = *calls;
    }
    CounterUpdate {
        row: row("key-1"),
        first: number(first),
        last: number(last),
        first_record: first_record(),
        hours: counts,
        response_bytes: Box::new(counts.map(response_bytes)),
        fingerprint: fingerprint(counts.iter().sum()),
        last_call_ms: NOW_MS,
        gaps: Vec::new(),
    }
}

/// Returns the gap from one record to another. The second is excluded.
pub fn gap(from: &str, before: &str) -> Gap {
    Gap { number: 0, from: Beginning::At(number(from)), before: number(before), closed_at_ms: NOW_MS }
}

pub async fn attributes(client: &Client, key: &str) -> Vec<(String, AttributeValue)> {
    attributes_of(client, &MeteredKey::without_customer(key)).await
}

async fn attributes_of(client: &Client, key: &MeteredKey) -> Vec<(String, AttributeValue)> {
    let rows = ledger_items::rows_of_partition(client, LEDGER, key).send().await.unwrap();
    let mut attributes: Vec<_> = rows.items.unwrap_or_default().into_iter().flatten().collect();
    attributes.sort_by(|left, right| left.0.cmp(&right.0));
    attributes
}

async fn attribute(client: &Client, name: &str) -> Option<String> {
    let attributes = attributes(client, "key-1").await;
    attributes.into_iter().find(|(known, _)| known == name).map(|(_, value)| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text,
        other => panic!("{name} is {other:?}"),
    })
}

#[test]
fn the_usual_expression_is_this() {
    let expression = update_expression(&update("9", "10", &[(7, 3), (23, 4)]), FIRST_GUESS, 400);
    assert_eq!(
        expression.update,
        "ADD #total :total, fingerprint :fingerprint, h07 :h07, b07 :b07, h23 :h23, b23 :b23 SET seq = :last, #ttl = :ttl, last_call = :last_call"
    );
    assert_eq!(
        expression.condition,
        "(attribute_not_exists(seq) OR seq < :first) AND (attribute_not_exists(last_call) OR last_call <= :last_call)"
    );
    let mut values: Vec<(String, AttributeValue)> = expression.values.into_iter().collect();
    values.sort_by(|left, right| left.0.cmp(&right.0));
    let n = |digits: &str| AttributeValue::N(digits.to_owned());
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let expected = [
        (":b07", n("3000")),
        (":b23", n("4000")),
        // The hashes of seven calls, modulo 2⁶⁴.
        (":fingerprint", n("10376293541461622791")),
        (":first", s("0019")),
        (":h07", n("3")),
        (":h23", n("4")),
        (":last", s("00210")),
        (":last_call", n("1795509270000")),
        (":total", n("7")),
        // 2026-11-25T00:00:00Z and 400 days.
        (":ttl", n("1830124800")),
    ];
    assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn without_response_bytes_the_expression_has_no_attribute_for_them() {
    let update = CounterUpdate { response_bytes: Box::default(), ..update("9", "10", &[(7, 3)]) };
    let expression = update_expression(&update, FIRST_GUESS, 400);
    assert!(!expression.update.contains("b07"), "{}", expression.update);
    assert!(!expression.values.contains_key(":b07"));
}

#[test]
fn behind_a_gap_the_expression_keeps_the_mark_that_was_there_or_was_not() {
    let update = CounterUpdate { gaps: vec![0, 3], ..update("9", "10", &[(7, 3)]) };
    let guess = RowGuess { exists: true, raises_last_call: false };
    let of_a_row = update_expression(&update, guess, 400);
    assert!(of_a_row.update.ends_with("gap0 = if_not_exists(gap0, seq), gap3 = if_not_exists(gap3, seq)"));
    assert_eq!(of_a_row.condition, "seq < :first");
    let of_none = update_expression(&update, RowGuess { exists: false, ..guess }, 400);
    assert!(of_none.update.ends_with("gap0 = if_not_exists(gap0, :none), gap3 = if_not_exists(gap3, :none)"));
    assert_eq!(of_none.condition, "attribute_not_exists(seq)");
}

#[tokio::test]
async fn an_update_counts_once_and_a_fence_hands_back_the_mark() {
    let client = dynamodb().await;
    let ledger = DynamoUsageLedger::new(client.clone(), LEDGER, 400);
    ledger.connect().await.unwrap();
    let apply = async |first: &str, last: &str, calls: u64| {
        ledger.apply(&update(first, last, &[(7, calls)])).await.unwrap()
    };

    assert_eq!(apply("8", "9", 3).await, LedgerReply::Applied);
    assert_eq!(apply("8", "9", 3).await, LedgerReply::Fenced(number("9")), "the same batch again");
    assert_eq!(apply("9", "12", 100).await, LedgerReply::Fenced(number("9")), "a batch that overlaps it");
    assert_eq!(apply("10", "12", 4).await, LedgerReply::Applied, "two digits come after one");
    assert_eq!(apply("2", "3", 100).await, LedgerReply::Fenced(number("12")), "a replay from the beginning");
    let longest = "9".repeat(128);
    assert_eq!(apply(&longest, &longest, 1).await, LedgerReply::Applied, "128 digits");
    assert_eq!(apply("13", "14", 100).await, LedgerReply::Fenced(number(&longest)));

    let day: UtcDay = "2026-11-24".parse().unwrap();
    let usage =
        usage_of_key(&client, LEDGER, &MeteredKey::without_customer("key-1"), day, day).await.unwrap();
    assert_eq!((usage[&day].total(), usage[&day].hours[7]), (8, 8));
    assert_eq!(usage[&day].fingerprint, Some(fingerprint(8)));
    // A row that an earlier version has written.
    let earlier = client.update_item().table_name(LEDGER).update_expression("REMOVE fingerprint");
    let key = [("pk", row("key-1").partition_key()), ("sk", row("key-1").sort_key())];
    let key = key.map(|(name, text)| (name.to_owned(), AttributeValue::S(text)));
    earlier.set_key(Some(key.into())).send().await.unwrap();
    let usage =
        usage_of_key(&client, LEDGER, &MeteredKey::without_customer("key-1"), day, day).await.unwrap();
    assert_eq!((usage[&day].total(), usage[&day].fingerprint), (8, None));
}

/// Size of an item. Source: DynamoDB Developer Guide, "DynamoDB item sizes and formats".
fn item_bytes(attributes: &[(String, AttributeValue)]) -> usize {
    let bytes = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|(name, value)| name.len() + bytes(value)).sum()
}

/// An update of an item of up to 1,024 bytes takes one write unit. The responses of an hour are up to a terabyte.
#[tokio::test]
async fn a_row_with_calls_in_each_hour_takes_one_write_unit_with_the_longest_names() {
    let client = dynamodb().await;
    let ledger = DynamoUsageLedger::new(client.clone(), LEDGER, 400);
    let names =
        [(0, 36, 0), (20, 36, 6), (0, MAX_KEY_ID_BYTES, 32), (MAX_CUSTOMER_ID_BYTES, MAX_KEY_ID_BYTES, 32)];
    let sizes = futures_util::stream::iter(names).then(async |(customer_bytes, key_bytes, class_bytes)| {
        let name = |bytes: usize| Some("n".repeat(bytes).into()).filter(|_| bytes > 0);
        let key = MeteredKey { customer_id: name(customer_bytes), api_key_id: "k".repeat(key_bytes).into() };
        let day = "2026-11-24".parse().unwrap();
        let breakdown = Breakdown { key: key.clone(), route_class: name(class_bytes), day };
        let busy: Vec<_> = (0..HOURS_PER_DAY).map(|hour| (hour, 900_000_000)).collect();
        let number = "49665345".repeat(7);
        let update =
            CounterUpdate { row: RowKey { breakdown, shard: shard() }, ..update(&number, &number, &busy) };
        ledger.apply(&update).await.unwrap();
        let stored = attributes_of(&client, &key).await.into_iter().map(|(name, value)| {
            // A number has at most 38 digits.
            let is_fingerprint = name == FINGERPRINT;
            (name, if is_fingerprint { AttributeValue::N("9".repeat(38)) } else { value })
        });
        item_bytes(&stored.collect::<Vec<_>>())
    });
    assert_eq!(sizes.collect::<Vec<_>>().await, [693, 724, 945, 1_014]);
}

#[tokio::test]
async fn the_latest_call_only_rises_and_a_late_record_counts_all_the_same() {
    let client = dynamodb().await;
    let ledger = DynamoUsageLedger::new(client.clone(), LEDGER, 400);
    for (sequence_number, last_call_ms, latest) in
        [("1", 50, "50"), ("2", 20, "50"), ("3", 50, "50"), ("4", 70, "70")]
    {
        let update = CounterUpdate { last_call_ms, ..update(sequence_number, sequence_number, &[(0, 1)]) };
        assert_eq!(ledger.apply(&update).await.unwrap(), LedgerReply::Applied);
        assert_eq!(attribute(&client, LAST_CALL).await.as_deref(), Some(latest));
    }
    assert_eq!(attribute(&client, TOTAL).await.as_deref(), Some("4"));
}

#[tokio::test]
async fn an_update_behind_a_gap_keeps_the_mark_before_it_whatever_was_guessed() {
    let client = dynamodb().await;
    let ledger = DynamoUsageLedger::new(client.clone(), LEDGER, 400);
    // The row does not exist, so the first guess is wrong.
    let first = CounterUpdate { gaps: vec![0], last_call_ms: 90, ..update("5", "5", &[(0, 1)]) };
    assert_eq!(ledger.apply(&first).await.unwrap(), LedgerReply::Applied);
    assert_eq!(attribute(&client, &gap_attribute(0)).await.as_deref(), Some(NO_MARK));
    // The row exists and has a later call, so another guess is wrong.
    let second = CounterUpdate { gaps: vec![0, 1], last_call_ms: 10, ..update("20", "21", &[(0, 1)]) };
    assert_eq!(ledger.apply(&second).await.unwrap(), LedgerReply::Applied);
    assert_eq!(
        attribute(&client, &gap_attribute(0)).await.as_deref(),
        Some(NO_MARK),
        "what was noted stays noted"
    );
    assert_eq!(attribute(&client, &gap_attribute(1)).await.as_deref(), Some("0015"));
    assert_eq!(attribute(&client, LAST_CALL).await.as_deref(), Some("90"));
    assert_eq!(ledger.apply(&second).await.unwrap(), LedgerReply::Fenced(number("21")));
    assert_eq!(attribute(&client, TOTAL).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_row_that_is_asked_behind_a_gap_takes_nothing_from_within_it_any_more() {
    let client = dynamodb().await;
    let ledger = DynamoUsageLedger::new(client.clone(), LEDGER, 400);
    let release = async |key: &str, record: &str| {
        let release = RowRelease {
            row: row(key),
            record: number(record),
            gap: gap("5", "10"),
            earlier_gaps: Vec::new(),
        };
        ledger.release(&release).await.unwrap()
    };
    // Record 6 was counted. The records from 7 on were given up before.
    ledger.apply(&update("5", "6", &[(0, 2)])).await.unwrap();
    for _ in 0..2 {
        assert!(release("key-1", "6").await);
        assert!(!release("key-1", "7").await);
    }
    let late = ledger.apply(&update("7", "9", &[(0, 100)])).await.unwrap();
    assert_eq!(late, LedgerReply::Fenced(number("9")), "a late invocation counts nothing");
    let behind = CounterUpdate { gaps: vec![0], ..update("10", "11", &[(0, 1)]) };
    assert_eq!(ledger.apply(&behind).await.unwrap(), LedgerReply::Applied);
    assert!(
        release("key-1", "6").await && !release("key-1", "7").await,
        "the answer stays the same after later records"
    );
    assert_eq!(attribute(&client, TOTAL).await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_row_that_is_not_there_is_fenced_as_well() {
    let client = dynamodb().await;
    let ledger = DynamoUsageLedger::new(client.clone(), LEDGER, 400);
    let release =
        RowRelease { row: row("key-1"), record: number("6"), gap: gap("5", "10"), earlier_gaps: Vec::new() };
    assert!(!ledger.release(&release).await.unwrap());
    let late = ledger.apply(&update("5", "9", &[(0, 100)])).await.unwrap();
    assert_eq!(late, LedgerReply::Fenced(number("9")));
    assert_eq!(attribute(&client, TOTAL).await.as_deref(), Some("0"), "the release creates a row");
    let behind = CounterUpdate { gaps: vec![0], ..update("10", "10", &[(0, 1)]) };
    assert_eq!(ledger.apply(&behind).await.unwrap(), LedgerReply::Applied);
    assert!(!ledger.release(&release).await.unwrap());
    // The row got records behind the gap before the release: its mark before the gap decides.
    let noted = CounterUpdate { row: row("key-2"), gaps: vec![0], ..update("12", "12", &[(0, 1)]) };
    assert_eq!(ledger.apply(&noted).await.unwrap(), LedgerReply::Applied);
    assert!(!ledger.release(&RowRelease { row: row("key-2"), ..release }).await.unwrap());
}

#[tokio::test]
async fn a_month_is_read_from_its_days_and_shards_and_nothing_else() {
    let client = dynamodb().await;
    let ledger = DynamoUsageLedger::new(client.clone(), LEDGER, 400);
    for (key, day, shard) in [
        ("key-1", "2026-10-31", "1/r/usage/a"),
        ("key-1", "2026-11-01", "1/r/usage/a"),
        ("key-1", "2026-11-01", "1/r/other/a"),
        ("key-1", "2026-11-30", "999999999999/us-west-2/usage/shardId-999999999999"),
        ("key-1", "2026-12-01", "1/r/usage/a"),
        ("key-2", "2026-11-01", "1/r/usage/a"),
    ] {
        let mut update = update("1", "1", &[(0, 1), (5, 2)]);
        let shard = ShardName::from_stored(shard);
        update.row = RowKey { breakdown: CallBreakdown::of_key(key, day.parse().unwrap()).into(), shard };
        assert_eq!(ledger.apply(&update).await.unwrap(), LedgerReply::Applied);
    }
    let (from, to) = ("2026-11-01".parse().unwrap(), "2026-11-30".parse().unwrap());
    let usage =
        usage_of_key(&client, LEDGER, &MeteredKey::without_customer("key-1"), from, to).await.unwrap();
    let totals: Vec<(String, u64)> =
        usage.iter().map(|(day, usage)| (day.to_string(), usage.total())).collect();
    assert_eq!(totals, [("2026-11-01".to_owned(), 6), ("2026-11-30".to_owned(), 3)]);
}

#[tokio::test]
async fn a_failure_is_classified_by_its_remedy() {
    let client = dynamodb().await;
    let refused = DynamoUsageLedger::new(client.clone(), "no-such-table", 400)
        .apply(&update("1", "1", &[(0, 1)]))
        .await;
    assert!(matches!(refused, Err(PortError::Refused { .. })), "{refused:?}");

    // A key has at most 2,048 bytes: such a row will never be written.
    let too_long = CounterUpdate { row: row(&"k".repeat(2_049)), ..update("1", "1", &[(0, 1)]) };
    let invalid = DynamoUsageLedger::new(client, LEDGER, 400).apply(&too_long).await;
    assert!(matches!(invalid, Err(PortError::Invalid { .. })), "{invalid:?}");

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::new(&load_local(&format!("http://{closed}"), FUNCTION_RETRY_POLICY).await);
    let unreachable = DynamoUsageLedger::new(client, LEDGER, 400).apply(&update("1", "1", &[(0, 1)])).await;
    assert!(matches!(unreachable, Err(PortError::Retryable { .. })), "{unreachable:?}");
}
