//! The authorizer over ports in memory: what is read how often, and what
//! happens when nothing can be read.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use api_authorizer::authorizer::{Authorizer, Ports};
use api_authorizer::handler::now;
use common::{Memory, MemoryHandler, SETTINGS, event, handler};
use metering_core::api_key::{KeyDigest, KeyRecord};
use metering_core::clock_reading::ClockReading;
use metering_core::decision_cache::CacheSettings;
use metering_core::invalidation::{LogEntry, LogRead};
use metering_core::quota::Threshold;
use serde_json::{Value, json};

fn key(id: &str) -> KeyRecord {
    KeyRecord { key_id: id.to_owned(), owner: "acme".to_owned(), ..KeyRecord::default() }
}

async fn answer(handler: &MemoryHandler, secret: &str) -> Value {
    serde_json::from_str(handler.handle(&event(secret)).await.unwrap().get()).unwrap()
}

fn effect(answer: &Value) -> &str {
    answer["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap()
}

#[tokio::test]
async fn fifty_concurrent_misses_of_one_key_make_one_lookup() {
    let (handler, memory) = handler(SETTINGS);
    memory.add("secret", key("key-1"));
    let calls: Vec<_> = (0..50).map(|_| tokio::spawn(answer(handler, "secret"))).collect();
    for call in calls {
        assert_eq!(effect(&call.await.unwrap()), "Allow");
    }
    let reads = |memory: &Memory| (memory.log_reads.load(Relaxed), memory.key_reads.load(Relaxed));
    assert_eq!(reads(memory), (1, 1));
    let unknown: Vec<_> = (0..50).map(|_| tokio::spawn(answer(handler, "another"))).collect();
    for call in unknown {
        assert_eq!(call.await.unwrap()["context"]["reason"], "unknown");
    }
    assert_eq!(reads(memory), (1, 2));
}

#[tokio::test]
async fn a_key_that_is_not_in_the_index_yet_is_found_all_the_same() {
    let (handler, memory) = handler(SETTINGS);
    handler.authorizer.sync().await;
    let synced = now();
    while now().least_age_ms(synced) == 0 {} // The index is trusted from the next millisecond on, by both clocks.
    memory.add("secret", key("key-1"));
    assert_eq!(effect(&answer(handler, "secret").await), "Allow");
    assert_eq!((memory.index_reads.load(Relaxed), memory.key_reads.load(Relaxed)), (1, 1));
}

#[tokio::test]
async fn while_nothing_can_be_read_nothing_is_admitted() {
    let (handler, memory) = handler(CacheSettings { sync_interval_ms: 0, ..SETTINGS });
    memory.add("secret", key("key-1"));
    assert_eq!(effect(&answer(handler, "secret").await), "Allow");
    memory.log_fails.store(true, Relaxed);
    assert_eq!(effect(&answer(handler, "secret").await), "Allow", "by a strongly consistent read");
    memory.keys_fail.store(true, Relaxed);
    let error = handler.handle(&event("secret")).await.unwrap_err().to_string();
    assert!(error.contains("could not be completed now") && !error.contains("secret"), "{error}");
    memory.never_answers.store(true, Relaxed);
    let error = handler.handle(&event("secret")).await.unwrap_err().to_string();
    assert!(error.contains("within 300 ms"), "{error}");
}

#[tokio::test]
async fn a_limit_whose_usage_cannot_be_read_admits_nothing_that_it_did_not_know() {
    let (handler, memory) = handler(SETTINGS);
    memory.add("secret", KeyRecord { monthly_limit: Some(10), ..key("key-1") });
    memory.usage_fails.store(true, Relaxed);
    let error = handler.handle(&event("secret")).await.unwrap_err().to_string();
    assert!(error.contains("the usage of the key cannot be read"), "{error}");
    memory.usage_fails.store(false, Relaxed);
    assert_eq!(effect(&answer(handler, "secret").await), "Allow");
}

#[tokio::test]
async fn thresholds_are_told_in_order_once_and_again_only_where_that_failed() {
    let (handler, memory) = handler(SETTINGS);
    memory.add("secret", KeyRecord { monthly_limit: Some(10), ..key("key-1") });
    let told =
        || -> Vec<Threshold> { memory.alerts.lock().unwrap().iter().map(|alert| alert.threshold).collect() };
    memory.usage.store(8, Relaxed);
    memory.alerts_fail.store(true, Relaxed);
    assert_eq!(
        effect(&answer(handler, "secret").await),
        "Allow",
        "an alert keeps no call from being admitted"
    );
    assert!(told().is_empty());
    memory.alerts_fail.store(false, Relaxed);
    for _ in 0..3 {
        answer(handler, "secret").await;
    }
    assert_eq!(told(), [Threshold::Percent80]);
    memory.usage.store(10, Relaxed);
    for _ in 0..3 {
        assert_eq!(answer(handler, "secret").await["context"]["reason"], "over_quota");
    }
    assert_eq!(
        told(),
        [Threshold::Percent80, Threshold::Percent80, Threshold::Percent100],
        "the claim makes one of two"
    );
}

/// An authorizer whose clock stands at ten seconds.
fn authorizer(memory: &Memory) -> Authorizer<&Memory, &Memory, &Memory, &Memory> {
    let ports = Ports { keys: memory, log: memory, usage: memory, alerts: memory };
    Authorizer::new(ports, SETTINGS, || ClockReading { wall_ms: 10_000, monotonic_ms: 10_000 })
}

/// Returns some metrics since the last call, each by its name.
fn metrics<const COUNT: usize>(
    authorizer: &Authorizer<&Memory, &Memory, &Memory, &Memory>,
    names: [&str; COUNT],
) -> [Value; COUNT] {
    // An hour later each line is due.
    static LINES: AtomicU64 = AtomicU64::new(0);
    let line = authorizer.metrics().line("test", LINES.fetch_add(3_600_000, Relaxed), 0).unwrap();
    let line: Value = serde_json::from_str(&line.to_json()).unwrap();
    names.map(|name| line[name].clone())
}

#[tokio::test]
async fn each_change_in_the_log_is_reported_once_with_the_time_for_which_calls_were_answered_without_it() {
    let memory = Memory::default();
    memory.add("secret", key("key-1"));
    let authorizer = authorizer(&memory);
    let reported = || metrics(&authorizer, ["InvalidationsByLog", "InvalidationLag"]);
    let entry = |sequence, changed_at_ms| LogEntry { sequence, key_id: "key-2".to_owned(), changed_at_ms };
    *memory.log.lock().unwrap() = LogRead { head: 1, entries: vec![entry(1, 9_000)] };
    authorizer.decide(KeyDigest::of_secret("secret").unwrap()).await.unwrap();
    assert_eq!(reported(), [Value::Null, Value::Null], "the first read of the log shows no change");
    *memory.log.lock().unwrap() =
        LogRead { head: 3, entries: vec![entry(1, 9_000), entry(2, 9_400), entry(3, 10_500)] };
    authorizer.sync().await;
    assert_eq!(reported(), [json!(2), json!([0, 600])]);
    *memory.log.lock().unwrap() = LogRead { head: 3, entries: vec![entry(3, 10_500)] };
    authorizer.sync().await;
    assert_eq!(reported(), [Value::Null, Value::Null], "the log returns its last entry again");
}

#[tokio::test]
async fn a_log_that_was_lost_is_reported_and_one_that_continues_is_not() {
    let memory = Memory::default();
    let authorizer = authorizer(&memory);
    let is_behind = || metrics(&authorizer, ["LogReads", "LogBehind"]);
    let last = LogEntry { sequence: 7, key_id: "key-1".to_owned(), changed_at_ms: 9_000 };
    *memory.log.lock().unwrap() = LogRead { head: 7, entries: vec![last] };
    authorizer.sync().await;
    authorizer.sync().await;
    assert_eq!(is_behind(), [json!(2), Value::Null]);
    *memory.log.lock().unwrap() = LogRead::default();
    authorizer.sync().await;
    assert_eq!(is_behind(), [json!(1), json!(1)]);
}

#[tokio::test]
async fn a_message_about_a_key_has_the_key_read_again() {
    let memory = Memory::default();
    memory.add("secret", key("key-1"));
    let authorizer = authorizer(&memory);
    let reads = async || {
        authorizer.decide(KeyDigest::of_secret("secret").unwrap()).await.unwrap();
        memory.key_reads.load(Relaxed)
    };
    assert_eq!((reads().await, reads().await), (1, 1));
    authorizer.notice("key-2", 1);
    assert_eq!(reads().await, 1, "it is about another key");
    authorizer.notice("key-1", 2);
    assert_eq!(reads().await, 2);
    assert_eq!(metrics(&authorizer, ["InvalidationsByMessage"]), [json!(2)]);
}

/// How long a lookup takes cannot tell how much of a guess is right if both
/// guesses take the same steps. The benchmark compares the times.
#[test]
fn a_near_miss_takes_the_same_steps_as_any_unknown_key() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let secret = format!("um_{}", "k".repeat(43));
    // Each guess meets an instance with the same past: what is allocated once, or
    // when a list has grown, is no part of a guess.
    let steps = |guess: String| {
        // The index would be asked from some millisecond on.
        let (handler, memory) = handler(CacheSettings { index_lag_bound_ms: 3_600_000, ..SETTINGS });
        memory.add(&secret, key("key-1"));
        runtime.block_on(answer(handler, &secret));
        runtime.block_on(answer(handler, &format!("um_{}", "w".repeat(43))));
        let event = event(&guess);
        let mut denied = None;
        let allocations =
            allocation_counter::measure(|| denied = Some(runtime.block_on(handler.handle(&event))));
        let answer = denied.unwrap().unwrap();
        assert!(answer.get().contains("unknown"));
        let reads = (memory.index_reads.load(Relaxed), memory.key_reads.load(Relaxed));
        (reads, allocations.count_total, answer.get().len())
    };
    let near = steps(format!("um_{}l", "k".repeat(42)));
    let far = steps(format!("um_{}", "z".repeat(43)));
    assert_eq!(near, far, "reads, allocations and the length of the answer");
}
