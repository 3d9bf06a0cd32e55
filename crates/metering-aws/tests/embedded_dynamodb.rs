//! The condition expressions: golden, and at work in an embedded DynamoDB.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_aws::connection::{FUNCTION_PATIENCE, load_local};
use metering_aws::usage_report::usage_of_key;
use metering_aws::{DynamoClaimStore, DynamoUsageLedger, claim_store, tables, usage_ledger};
use metering_core::aggregate::{BatchUsage, RecordIndex};
use metering_core::ports::{Claim, ClaimStore, LedgerReply, PortError, UsageLedger};
use metering_core::sequence_number::SequenceNumber;
use metering_core::update_plan::{CounterUpdate, RowKey};
use metering_core::usage_record::RecordIdentity;
use metering_core::window::{HOURS_PER_DAY, UtcDay};

const LEDGER: &str = "ledger";
const CLAIMS: &str = "claims";

async fn embedded() -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    let client = Client::new(&load_local(&endpoint, FUNCTION_PATIENCE).await);
    tables::create_usage_ledger(&client, LEDGER).await.unwrap();
    tables::create_claims(&client, CLAIMS).await.unwrap();
    client
}

fn number(digits: &str) -> SequenceNumber {
    SequenceNumber::parse(digits).unwrap()
}

fn first_record() -> RecordIndex {
    BatchUsage::new().begin_record(number("1")).unwrap()
}

fn update(first: &str, last: &str, hours: &[(usize, u64)]) -> CounterUpdate {
    let mut counts = [0; HOURS_PER_DAY];
    for (hour, calls) in hours {
        counts[*hour] = *calls;
    }
    CounterUpdate {
        row: RowKey {
            api_key_id: "key-1".into(),
            day: "2026-11-24".parse().unwrap(),
            shard_id: "shardId-000000000000".into(),
        },
        first: number(first),
        last: number(last),
        first_record: first_record(),
        hours: counts,
        last_call_ms: 1_795_509_270_000,
    }
}

#[test]
fn the_expressions_are_these() {
    let expression = usage_ledger::expression(&update("9", "10", &[(7, 3), (23, 4)]), 400);
    assert_eq!(
        expression.update,
        "ADD #total :total, h07 :h07, h23 :h23 SET seq = :last, last_call = :last_call, #ttl = :ttl"
    );
    assert_eq!(usage_ledger::CONDITION, "attribute_not_exists(seq) OR seq < :first");
    assert_eq!(claim_store::CONDITION, "attribute_not_exists(pk) OR seq = :seq");
    let mut values: Vec<(String, AttributeValue)> = expression.values.into_iter().collect();
    values.sort_by(|left, right| left.0.cmp(&right.0));
    let n = |digits: &str| AttributeValue::N(digits.to_owned());
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let expected = [
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

#[tokio::test]
async fn an_update_counts_once_and_a_fence_hands_back_the_mark() {
    let client = embedded().await;
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
    let usage = usage_of_key(&client, LEDGER, "key-1", day, day).await.unwrap();
    assert_eq!((usage[&day].total(), usage[&day].hours[7]), (8, 8));
}

#[tokio::test]
async fn a_month_is_read_from_its_days_and_shards_and_nothing_else() {
    let client = embedded().await;
    let ledger = DynamoUsageLedger::new(client.clone(), LEDGER, 400);
    for (key, day, shard) in [
        ("key-1", "2026-10-31", "a"),
        ("key-1", "2026-11-01", "a"),
        ("key-1", "2026-11-01", "b"),
        ("key-1", "2026-11-30", "shardId-999999999999"),
        ("key-1", "2026-12-01", "a"),
        ("key-2", "2026-11-01", "a"),
    ] {
        let mut update = update("1", "1", &[(0, 1), (5, 2)]);
        update.row = RowKey { api_key_id: key.into(), day: day.parse().unwrap(), shard_id: shard.into() };
        assert_eq!(ledger.apply(&update).await.unwrap(), LedgerReply::Applied);
    }
    let (from, to) = ("2026-11-01".parse().unwrap(), "2026-11-30".parse().unwrap());
    let usage = usage_of_key(&client, LEDGER, "key-1", from, to).await.unwrap();
    let totals: Vec<(String, u64)> =
        usage.iter().map(|(day, usage)| (day.to_string(), usage.total())).collect();
    assert_eq!(totals, [("2026-11-01".to_owned(), 6), ("2026-11-30".to_owned(), 3)]);
}

#[tokio::test]
async fn the_first_sequence_number_holds_the_claim_and_may_claim_again() {
    let claims = DynamoClaimStore::new(embedded().await, CLAIMS, 72);
    let identity = |first: &str, count| RecordIdentity {
        origin: "group/stream".to_owned(),
        first_event_id: first.to_owned(),
        last_event_id: "9".to_owned(),
        event_count: count,
    };
    let claim = async |identity: &RecordIdentity, shard: &str, digits: &str| {
        claims.claim(identity, shard, &number(digits), 1_795_509_270_000).await.unwrap()
    };
    assert_eq!(claim(&identity("1", 5), "a", "100").await, Claim::Granted);
    assert_eq!(claim(&identity("1", 5), "a", "100").await, Claim::Granted, "a retry");
    assert_eq!(claim(&identity("1", 5), "a", "101").await, Claim::Duplicate);
    assert_eq!(claim(&identity("1", 5), "b", "100").await, Claim::Duplicate, "another shard");
    assert_eq!(claim(&identity("1", 4), "a", "101").await, Claim::Granted, "a part of it");
    assert_eq!(claim(&identity("2", 5), "a", "101").await, Claim::Granted, "other events");
}

#[tokio::test]
async fn a_missing_table_is_refused_and_an_unreachable_one_can_be_tried_again() {
    let client = embedded().await;
    let refused =
        DynamoUsageLedger::new(client, "no-such-table", 400).apply(&update("1", "1", &[(0, 1)])).await;
    assert!(matches!(refused, Err(PortError::Refused { .. })), "{refused:?}");

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::new(&load_local(&format!("http://{closed}"), FUNCTION_PATIENCE).await);
    let unreachable = DynamoUsageLedger::new(client, LEDGER, 400).apply(&update("1", "1", &[(0, 1)])).await;
    assert!(matches!(unreachable, Err(PortError::Retryable { .. })), "{unreachable:?}");
}
