//! Keys, their log and their usage in an embedded DynamoDB.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::key_admin::{MessageOutcome, NewKey, Rotation};
use metering_aws::key_change::LogStatus;
use metering_aws::key_import::{DescribedKey, ImportError, Imported};
use metering_aws::key_store::KeyStoreError;
use metering_aws::ledger_items::TOTAL;
use metering_aws::{DynamoInvalidationLog, DynamoKeyTable, DynamoUsageTotals, KeyAdmin, KeyStore, tables};
use metering_core::api_key::{KeyDigest, KeyRecord, MAX_DESCRIPTION_BYTES};
use metering_core::authorization::{Denial, admits};
use metering_core::claims::owner::ShardName;
use metering_core::metered_key::{CallBreakdown, MeteredKey};
use metering_core::ports::{InvalidationLog, KeyTable, UsageTotals};
use metering_core::row_key::RowKey;
use metering_core::window::{UtcDay, UtcMonth};

const KEYS: &str = "keys";
const LOG: &str = "log";
const LEDGER: &str = "ledger";

async fn embedded() -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    let client = Client::new(&load_local(&endpoint, COMMAND_RETRY_POLICY).await);
    tables::create_keys(&client, KEYS).await.unwrap();
    tables::create_invalidation_log(&client, LOG).await.unwrap();
    tables::create_usage_ledger(&client, LEDGER).await.unwrap();
    client
}

fn digest(secret: &str) -> KeyDigest {
    KeyDigest::of_secret(secret).unwrap()
}

fn key(id: &str, secret: &str) -> NewKey {
    NewKey::new(id, digest(secret), 0).described(|key| key.owner = "acme".into())
}

/// Administers the keys of the test's tables, without messages.
fn admin(client: &Client) -> KeyAdmin {
    KeyAdmin::without_messages(KeyStore::new(client.clone(), KEYS, LOG))
}

fn rotation(secret: &str, overlap_ms: i64, end_previous: bool) -> Rotation {
    Rotation { digest: digest(secret), overlap_ms, end_previous }
}

#[tokio::test]
async fn a_key_and_its_pointer_are_there_together_or_not_at_all() {
    let client = embedded().await;
    let (keys, table) = (admin(&client), DynamoKeyTable::new(client.clone(), KEYS));
    keys.create(&key("a", "secret")).await.unwrap();
    assert_eq!(
        table.find_by_index(&digest("secret")).await.unwrap(),
        Some(key("a", "secret").record().clone())
    );
    assert_eq!(
        table.find_consistently(&digest("secret")).await.unwrap(),
        Some(key("a", "secret").record().clone())
    );
    // The id is free, the secret is not: neither item is written.
    assert!(matches!(keys.create(&key("b", "secret")).await, Err(KeyStoreError::Taken { .. })));
    assert!(matches!(keys.store().get("b").await, Err(KeyStoreError::NoSuchKey { .. })));
    assert!(matches!(keys.create(&key("a", "another")).await, Err(KeyStoreError::Taken { .. })));
    assert_eq!(table.find_consistently(&digest("another")).await.unwrap(), None);
    assert_eq!(keys.store().list().await.unwrap(), [key("a", "secret").record().clone()]);
    let stored = format!("{:?}", client.scan().table_name(KEYS).send().await.unwrap().items);
    assert!(!stored.contains("secret"), "{stored}");
}

/// A key that a file describes by its secret and limit, and perhaps by its id.
fn described(id: Option<&str>, secret: Option<&str>, limit: u64) -> DescribedKey<impl Fn(&mut KeyRecord)> {
    DescribedKey {
        key_id: id.unwrap_or("derived").to_owned(),
        is_id_given: id.is_some(),
        digest: secret.map(digest),
        describe: move |key: &mut KeyRecord| key.monthly_limit = Some(limit),
    }
}

#[tokio::test]
async fn a_description_sets_descriptive_fields_only_and_a_change_without_a_topic_publishes_nothing() {
    let keys = admin(&embedded().await);
    let new_key = key("a", "secret").described(|key| {
        *key = KeyRecord { name: "build".into(), deleted_at_ms: Some(1), version: 7, ..KeyRecord::default() };
    });
    keys.create(&new_key).await.unwrap();
    let created = keys.store().get("a").await.unwrap();
    assert_eq!((created.name.as_str(), created.digest), ("build", Some(digest("secret"))));
    assert_eq!((created.key_id.as_str(), created.deleted_at_ms, created.version), ("a", None, 0));
    let changed = keys.delete("a", 5).await.unwrap();
    assert!(matches!(changed.message, MessageOutcome::Disabled) && !changed.message.is_published());
}

#[tokio::test]
async fn an_imported_key_becomes_what_its_file_says_or_it_is_said_why_not() {
    let client = embedded().await;
    let (keys, log) = (admin(&client), DynamoInvalidationLog::new(client.clone(), LOG));
    let import = async |id, secret, limit| {
        keys.import(&described(id, secret, limit), 5).await.map_err(|error| error.to_string())
    };
    assert_eq!(import(Some("a"), Some("s1"), 10).await, Ok(Imported::Created));
    assert_eq!(import(Some("a"), Some("s1"), 10).await, Ok(Imported::Unchanged));
    // A key is known by its secret, and by its id where there is no secret.
    for (id, secret, limit) in [(Some("a"), Some("s1"), 11), (None, Some("s1"), 12), (Some("a"), None, 13)] {
        assert_eq!(import(id, secret, limit).await, Ok(Imported::Differs), "{id:?} {secret:?}");
        let key = keys.update_imported(&described(id, secret, limit), 5).await.unwrap().key;
        assert_eq!((key.monthly_limit, key.version, &*key.key_id), (Some(limit), limit - 10, "a"));
        assert_eq!(keys.store().get("a").await.unwrap(), key);
        assert_eq!(log.read_after(Some(key.version - 1)).await.unwrap().entries[0].key_id, "a");
    }
    assert_eq!(import(Some("a"), None, 13).await, Ok(Imported::Unchanged));
    let refused = async |id, secret, words: &str| {
        let problem = import(id, secret, 99).await.unwrap_err();
        assert!(problem.contains(words), "{problem}");
    };
    refused(Some("b"), Some("s1"), "its secret belongs to the key a").await;
    refused(Some("a"), Some("s2"), "the key a has another secret").await;
    refused(Some("b"), None, "there is no key b").await;
    keys.rotate("a", &rotation("s3", 1_000, false), 6).await.unwrap();
    refused(None, Some("s1"), "was replaced when the key a was rotated").await;
    keys.delete("a", 7).await.unwrap();
    for (id, secret) in
        [(Some("a"), Some("s3")), (None, Some("s3")), (Some("a"), Some("s4")), (Some("a"), None)]
    {
        refused(id, secret, "the key a was deleted").await;
    }
    let broken = KeyAdmin::without_messages(KeyStore::new(client, "no-such-table", LOG));
    let error = broken.import(&described(None, Some("s1"), 1), 5).await.unwrap_err();
    assert!(matches!(error, ImportError::Store(_)), "{error}");
}

#[tokio::test]
async fn a_deleted_key_leaves_the_index_and_is_still_told_from_an_unknown_one() {
    let client = embedded().await;
    let (keys, table) = (admin(&client), DynamoKeyTable::new(client.clone(), KEYS));
    keys.create(&key("a", "secret")).await.unwrap();
    keys.rotate("a", &rotation("second", 1_000, false), 5_000).await.unwrap();
    let found = table.find_consistently(&digest("secret")).await.unwrap().unwrap();
    assert_eq!((found.version, found.previous.unwrap().valid_until_ms), (1, 6_000));
    keys.delete("a", 7_000).await.unwrap();
    for secret in ["secret", "second"] {
        assert_eq!(table.find_by_index(&digest(secret)).await.unwrap(), None);
        let found = table.find_consistently(&digest(secret)).await.unwrap().unwrap();
        assert_eq!((found.deleted_at_ms, found.digest, found.version), (Some(7_000), None, 2));
    }
    assert!(matches!(keys.delete("a", 8_000).await, Err(KeyStoreError::Deleted { .. })));
    let read = DynamoInvalidationLog::new(client, LOG).read_after(Some(0)).await.unwrap();
    assert_eq!((read.head, read.entries.len(), read.entries[1].changed_at_ms), (2, 2, 7_000));
}

/// The end of the overlap would be by the operator's clock and be judged by
/// that of the authorizer.
#[tokio::test]
async fn with_an_overlap_of_0_a_leaked_secret_ends_whatever_the_clock_of_the_operator_shows() {
    let client = embedded().await;
    let (keys, true_ms, operators_ms) = (admin(&client), 5_000, 605_000);
    keys.create(&key("a", "first")).await.unwrap();
    keys.rotate("a", &rotation("second", 60_000, false), operators_ms).await.unwrap();
    let refused = keys.rotate("a", &rotation("third", 60_000, false), operators_ms).await;
    assert!(matches!(refused, Err(KeyStoreError::StillOverlapping { .. })));
    for (end_previous, secret) in [(false, "third"), (true, "fourth")] {
        let rotated = keys.rotate("a", &rotation(secret, 0, end_previous), operators_ms).await.unwrap().key;
        assert_eq!(rotated.previous, None);
        assert_eq!(admits(&rotated, &digest(secret), true_ms), Ok(()));
        for ended in ["first", "second", "leaked"] {
            assert_eq!(admits(&rotated, &digest(ended), true_ms), Err(Denial::Expired), "{ended}");
        }
        let again = keys.rotate("a", &rotation(secret, 0, end_previous), operators_ms).await.unwrap().key;
        assert_eq!(again, rotated, "the same secret again changes nothing");
    }
}

/// Makes the log what it was at an earlier head.
async fn restore_log(client: &Client, head: u64) {
    let items = client.scan().table_name(LOG).send().await.unwrap().items.unwrap();
    for item in &items {
        let delete = client.delete_item().table_name(LOG);
        let sk: u64 = item["sk"].as_n().unwrap().parse().unwrap();
        if sk > head {
            delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
        }
    }
    let Some(last) = items.iter().find(|item| item["sk"].as_n().unwrap() == &head.to_string()) else {
        return;
    };
    let mut item = last.clone();
    item.insert("sk".to_owned(), AttributeValue::N((1_u64 << 53).to_string()));
    item.insert("sequence".to_owned(), AttributeValue::N(head.to_string()));
    client.put_item().table_name(LOG).set_item(Some(item)).send().await.unwrap();
}

#[tokio::test]
async fn versions_rise_also_after_the_log_was_lost_or_restored() {
    for restored in [0, 1] {
        let client = embedded().await;
        let keys = admin(&client);
        for id in ["a", "b"] {
            keys.create(&key(id, id)).await.unwrap();
            for change in 0..3 {
                keys.update(id, change, |_| {}).await.unwrap();
            }
        }
        restore_log(&client, restored).await;
        assert_eq!(
            keys.store().log_status().await.unwrap(),
            LogStatus { head: restored, highest_version: 6 }
        );
        assert_eq!(keys.delete("a", 7).await.unwrap().key.version, 4, "above what the key had");
        assert_eq!(keys.delete("b", 8).await.unwrap().key.version, 7);
        let status = keys.store().log_status().await.unwrap();
        assert_eq!((status.head, status.is_behind()), (7, false));
    }
}

#[tokio::test]
async fn a_log_that_is_behind_is_raised_above_all_versions_once() {
    let client = embedded().await;
    let keys = admin(&client);
    keys.create(&key("a", "secret")).await.unwrap();
    assert!(!keys.raise_log(0).await.unwrap().is_behind(), "nothing was changed yet");
    for change in 0..3 {
        keys.update("a", change, |_| {}).await.unwrap();
    }
    restore_log(&client, 0).await;
    assert!(keys.store().log_status().await.unwrap().is_behind());
    for _ in 0..2 {
        assert_eq!(keys.raise_log(9).await.unwrap(), LogStatus { head: 4, highest_version: 3 });
    }
    assert_eq!(keys.update("a", 10, |_| {}).await.unwrap().key.version, 5);
}

#[tokio::test]
async fn the_head_tells_of_the_last_entry_also_where_that_cannot_be_read() {
    let client = embedded().await;
    let (keys, log) = (admin(&client), DynamoInvalidationLog::new(client.clone(), LOG));
    keys.create(&key("a", "secret")).await.unwrap();
    keys.update("a", 1, |_| {}).await.unwrap();
    let last = keys.update("a", 2, |_| {}).await.unwrap().key.version;
    let whole = log.read_after(Some(1)).await.unwrap();
    assert_eq!((whole.head, whole.entries.len()), (last, 1));
    assert_eq!(log.read_after(None).await.unwrap(), whole);
    let entry = client.delete_item().table_name(LOG).key("pk", AttributeValue::S("log".to_owned()));
    entry.key("sk", AttributeValue::N(last.to_string())).send().await.unwrap();
    assert_eq!(log.read_after(Some(1)).await.unwrap(), whole);
    assert_eq!(
        keys.update("a", 3, |_| {}).await.unwrap().key.version,
        3,
        "it has expired, so nothing is awaited"
    );
}

#[tokio::test]
async fn a_read_of_more_changes_than_a_response_holds_is_a_gap_with_the_last_one() {
    let client = embedded().await;
    let log = DynamoInvalidationLog::new(client.clone(), LOG);
    let put = async |sequence: u64, head: Option<u64>| {
        let place = AttributeValue::N(head.unwrap_or(sequence).to_string());
        let item = client.put_item().table_name(LOG).item("pk", AttributeValue::S("log".to_owned()));
        let item = item.item("sk", place).item("keyId", AttributeValue::S(format!("k{sequence}")));
        let item = item.item("changedAtMs", AttributeValue::N("1".to_owned()));
        item.item("sequence", AttributeValue::N(sequence.to_string())).send().await.unwrap();
    };
    for sequence in 1..=2_001 {
        put(sequence, None).await;
    }
    put(2_001, Some(1 << 53)).await;
    let read = log.read_after(Some(1)).await.unwrap();
    assert!(read.is_whole_after(1) && read.entries.len() == 2_000, "all of the most");
    let read = log.read_after(Some(0)).await.unwrap();
    assert_eq!((read.head, read.entries.len(), read.entries[0].sequence), (2_001, 1, 2_001));
    assert!(!read.is_whole_after(0), "an instance empties its cache");
}

#[tokio::test]
async fn a_description_of_a_key_has_two_kilobytes_and_not_one_byte_more() {
    let client = embedded().await;
    let keys = admin(&client);
    let name = |bytes: usize| move |key: &mut KeyRecord| key.name = "n".repeat(bytes);
    let owned = key("a", "secret").described(|key| key.owner = "o".to_owned());
    keys.create(&owned).await.unwrap();
    keys.update("a", 1, name(MAX_DESCRIPTION_BYTES - 1)).await.unwrap();
    let error = keys.update("a", 2, name(MAX_DESCRIPTION_BYTES)).await.unwrap_err();
    assert!(error.to_string().contains("2049 bytes, more than 2048; shorten them"), "{error}");
    let too_long = key("b", "other").described(name(MAX_DESCRIPTION_BYTES + 1 - "acme".len()));
    let error = keys.create(&too_long).await.unwrap_err();
    assert!(matches!(error, KeyStoreError::DescriptionTooLong { bytes: 2_049, .. }), "{error}");
    keys.delete("a", 3).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_the_same_time_get_one_sequence_each_without_a_gap() {
    let client = embedded().await;
    let (keys, log) = (admin(&client), DynamoInvalidationLog::new(client, LOG));
    assert_eq!(log.read_after(None).await.unwrap().head, 0);
    for number in 0..12 {
        keys.create(&key(&format!("k{number}"), &format!("s{number}"))).await.unwrap();
    }
    let deletions: Vec<_> = (0..12)
        .map(|number| {
            let keys = keys.clone();
            tokio::spawn(async move { keys.delete(&format!("k{number}"), number).await.unwrap().key.version })
        })
        .collect();
    let mut versions = Vec::new();
    for deletion in deletions {
        versions.push(deletion.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=12).collect::<Vec<u64>>());
    let read = log.read_after(Some(7)).await.unwrap();
    assert!(read.is_whole_after(7) && read.head == 12, "{read:?}");
    assert_eq!(log.read_after(None).await.unwrap().head, 12);
    assert!(log.read_after(Some(12)).await.unwrap().entries.is_empty());
}

async fn put_row(client: &Client, day: &str, shard: &str, total: u64) {
    let shard = ShardName::from_stored(shard);
    let row = RowKey { breakdown: CallBreakdown::of_key("a", day.parse().unwrap()).into(), shard };
    let request = client.put_item().table_name(LEDGER).item("pk", AttributeValue::S(row.partition_key()));
    let request = request.item("sk", AttributeValue::S(row.sort_key()));
    request.item(TOTAL, AttributeValue::N(total.to_string())).send().await.unwrap();
}

#[tokio::test]
async fn a_month_is_added_up_once_and_then_only_its_last_two_days() {
    let client = embedded().await;
    let usage = DynamoUsageTotals::new(client.clone(), LEDGER);
    for (day, shard, total) in [
        ("2026-10-31", "a", 1_000),
        ("2026-11-01", "a", 1),
        ("2026-11-01", "b", 2),
        ("2026-11-22", "a", 4),
        ("2026-11-23", "a", 8),
        ("2026-11-24", "a", 16),
        ("2026-12-01", "a", 2_000),
    ] {
        put_row(&client, day, shard, total).await;
    }
    let day = |text: &str| text.parse::<UtcDay>().unwrap();
    let month = UtcMonth::at(day("2026-11-24").start_ms()).unwrap();
    let key = MeteredKey::without_customer("a");
    let first = usage.month_usage(&key, month, None, day("2026-11-24")).await.unwrap();
    assert_eq!((first.settled, first.recent, first.settled_before), (7, 24, day("2026-11-23")));
    // A settled day is not read again; yesterday is.
    put_row(&client, "2026-11-22", "b", 500).await;
    put_row(&client, "2026-11-23", "b", 32).await;
    let second = usage.month_usage(&key, month, Some(first), day("2026-11-25")).await.unwrap();
    assert_eq!((second.settled, second.recent, second.settled_before), (47, 16, day("2026-11-24")));
    assert_eq!(usage.month_usage(&key, month, None, day("2026-11-25")).await.unwrap().total(), 563);
    let on_the_first = usage.month_usage(&key, month, None, day("2026-11-01")).await.unwrap();
    assert_eq!((on_the_first.settled, on_the_first.total()), (0, 563));
    assert_eq!(
        usage
            .month_usage(&MeteredKey::without_customer("nobody"), month, None, day("2026-11-25"))
            .await
            .unwrap()
            .total(),
        0
    );
}
