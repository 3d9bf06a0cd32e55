//! Records that Lambda gave up in an outage are put back from the on-failure bucket.
//! The quarantine is emptied although its queue shuffles, misses and repeats messages.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::BTreeMap;
use std::path::Path;

use aws_sdk_kinesis::primitives::Blob;
use end_to_end::calls::options;
use end_to_end::calls::usage_by_key_id;
use end_to_end::meter::{documented, meter, stdout};
use local_stack::faults::FaultRates;
use local_stack::stack::{LocalStack, STREAM};
use metering_core::usage_history::DayUsage;
use serde_json::{Value, json};
use system_clock::now_ms;

fn call(id: &str, key: &Value) -> String {
    json!({"extendedRequestId": id, "apiKeyId": key, "status": "200", "requestTimeEpoch": now_ms().to_string()}).to_string()
}

async fn put(stack: &LocalStack, line: String) {
    let put = stack.kinesis_client.put_record().stream_name(STREAM).partition_key("p");
    put.data(Blob::new(line)).send().await.unwrap();
}

async fn totals(stack: &LocalStack) -> BTreeMap<String, u64> {
    let usage = usage_by_key_id(&stack.ledger_client).await;
    usage.into_iter().map(|(key, days)| (key, days.values().map(DayUsage::total).sum())).collect()
}

/// Runs `meter` on the running stack of a folder, and returns its output.
async fn meter_output(folder: &Path, arguments: &[&str]) -> String {
    let data = folder.join("data").to_str().unwrap().to_owned();
    let arguments = arguments.iter().map(|argument| (*argument).to_owned());
    let arguments: Vec<String> = arguments.chain(["--data".to_owned(), data]).collect();
    let command = move || stdout(&meter(&arguments.iter().map(String::as_str).collect::<Vec<_>>()));
    tokio::task::spawn_blocking(command).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lambda_gives_up_in_an_outage_is_put_back_from_its_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut options = options(folder, 1);
    options.max_retries = Some(0);
    let stack = LocalStack::start(options).await.unwrap();
    stack.faults.set(FaultRates { throttled_write: 1.0, ..FaultRates::default() });
    for id in ["a", "b", "c"] {
        put(&stack, call(id, &json!("key"))).await;
    }
    stack.settled().await.unwrap();
    assert_eq!(totals(&stack).await, BTreeMap::new());
    stack.faults.set(FaultRates::default());
    put(&stack, call("d", &json!("key"))).await;
    stack.settled().await.unwrap();
    assert_eq!(totals(&stack).await["key"], 1, "the stream continued after the given-up records");

    let list = meter_output(folder, &["given-up", "list", "--json"]).await;
    list.lines().for_each(|batch| drop(documented("given-up-list", batch.as_bytes())));
    let list = meter_output(folder, &["given-up", "list"]).await;
    assert!(list.contains("aws/lambda/") && list.contains("RetryAttemptsExhausted"), "{list}");
    let preview = ["given-up", "put-back", "--dry-run", "--json"];
    let preview = documented("given-up-put-back", meter_output(folder, &preview).await.as_bytes());
    assert_eq!((&preview["applied"], &preview["failed_batches"]), (&json!(false), &json!(0)));
    let unchanged = meter_output(folder, &["given-up", "list"]).await;
    assert_eq!(unchanged, list, "--dry-run puts nothing back");
    // One of them may be a control message, with which CloudWatch Logs checks the stream.
    let back = meter_output(folder, &["given-up", "put-back"]).await;
    assert!(["3 records", "4 records"].iter().any(|count| back.starts_with(count)), "{back}");
    assert!(back.starts_with(&format!("{} records put back", preview["records"])), "{back}");
    stack.settled().await.unwrap();
    assert_eq!(totals(&stack).await["key"], 4);
    assert_eq!(meter_output(folder, &["given-up", "list"]).await, "0 batches with 0 records given up.\n");
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_shuffles_misses_and_repeats_is_listed_and_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut options = options(folder, 1);
    options.faults = FaultRates {
        shuffled_queue: 1.0,
        missed_message: 0.5,
        repeated_message: 0.3,
        undeleted_message: 0.3,
        ..FaultRates::default()
    };
    let stack = LocalStack::start(options).await.unwrap();
    for number in 0..25 {
        put(&stack, call(&format!("call-{number}"), &json!(number))).await;
    }
    stack.settled().await.unwrap();
    for _ in 0..2 {
        let list = meter_output(folder, &["quarantine", "list"]).await;
        assert!(list.contains("25 records in quarantine."), "{list}");
    }
    for (name, count) in [("put-back", "put_back"), ("discard", "discarded")] {
        let preview = meter_output(folder, &["quarantine", name, "--dry-run", "--json"]).await;
        let preview = documented(&format!("quarantine-{name}"), preview.as_bytes());
        assert_eq!((&preview["applied"], &preview[count]), (&json!(false), &json!(25)));
    }
    let discarded = meter_output(folder, &["quarantine", "discard", "--yes", "--json"]).await;
    let discarded = documented("quarantine-discard", discarded.as_bytes());
    assert_eq!((&discarded["applied"], &discarded["discarded"]), (&json!(true), &json!(25)));
    // A message that survives its deletion is received again, and deleted again.
    while meter_output(folder, &["quarantine", "list"]).await != "0 records in quarantine.\n" {
        meter_output(folder, &["quarantine", "discard", "--yes"]).await;
    }
    assert_eq!(totals(&stack).await, BTreeMap::new());
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_made_to_keep_its_records_longer_and_shorter() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stack = LocalStack::start(options(folder, 1)).await.unwrap();
    let retention = async |arguments: &[&str]| {
        meter_output(folder, &[&["stream", "retention"], arguments].concat()).await
    };
    assert_eq!(retention(&[]).await, "The stream usage-local retains its records for 24 h.\n");
    for (hours, before) in [("168", "24"), ("168", "168"), ("24", "168")] {
        let printed = retention(&["--hours", hours]).await;
        assert_eq!(
            printed,
            format!("The stream usage-local retains its records for {hours} h; before it was {before} h.\n")
        );
    }
    let document = async |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        let printed = meter_output(folder, &[&["stream"], words.as_slice(), &["--json"]].concat()).await;
        documented(&format!("stream-{}", words[0]), printed.as_bytes())
    };
    let kept = document("retention --hours 48").await;
    assert_eq!((&kept["retention_hours"], &kept["previous_retention_hours"]), (&json!(48), &json!(24)));
    assert_eq!(document("retention").await["previous_retention_hours"], Value::Null);
    let shown = document("show").await;
    let shards = shown["open_shards"].as_i64().unwrap();
    assert_eq!(
        (&shown["retention_hours"], &shown["max_records_per_s"]),
        (&json!(48), &json!(shards * 1_000))
    );
    let doubled = format!("reshard --shards {}", 2 * shards);
    let preview = document(&format!("{doubled} --dry-run")).await;
    assert_eq!((&preview["applied"], &preview["from_shards"]), (&json!(false), &json!(shards)));
    assert_eq!(document("show").await["open_shards"], json!(shards), "--dry-run changes nothing");
    assert_eq!(document(&doubled).await["applied"], json!(true));
    let too_many = ["stream", "reshard", "--shards", "99", "--dry-run", "--data"];
    let refused = tokio::task::spawn_blocking({
        let data = folder.join("data");
        move || meter(&[too_many.as_slice(), &[data.to_str().unwrap()]].concat())
    });
    let refused = String::from_utf8(refused.await.unwrap().stderr).unwrap();
    assert!(refused.contains("at most twice and at least half as many are possible"), "{refused}");
    stack.shut_down().await;
}
