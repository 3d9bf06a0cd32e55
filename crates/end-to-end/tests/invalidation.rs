//! Deletion of keys with fifty instances of the real authorizer. Each is a process
//! that may be killed and started cold at any time. Messages are lost, late and
//! repeated, the index of keys lags by up to two seconds, and the writes of a
//! deletion may become visible one by one.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use deployment::environment::variables;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use end_to_end::binaries;
use hdrhistogram::Histogram;
use invalidation_message::InvalidationMessage;
use local_stack::faults::FaultRates;
use local_stack::stack::{LocalOptions, LocalStack};
use metering_aws::Topic;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::key_admin::NewKey;
use metering_core::api_key::KeyDigest;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use system_clock::{monotonic_us, now_ms};

/// A lock for the tests, each of which needs the whole machine.
static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const INSTANCES: usize = 50;
/// Number of keys that are deleted during a run.
const DELETED: usize = 500;
/// Number of clients that delete keys at the same time. All deletions write the same item, so more
/// of them spend their time on conflicts.
const DELETERS: usize = 2;
/// Number of keys that are not deleted.
const KEPT: usize = 50;
/// Rounding error of an instance's clock, which is truncated to milliseconds when it
/// reads the log and when it decides.
const CLOCK_ERROR_US: u64 = 2_000;

/// A response of the authorizer.
struct Answer {
    key: usize,
    began_us: u64,
    admitted: bool,
}

async fn start(folder: &std::path::Path, sync_interval_ms: u64, torn: f64, seed: u64) -> LocalStack {
    let mut options = LocalOptions::new(folder.join("data"), binaries());
    options.demo_keys = 0;
    options.max_authorizers = INSTANCES;
    options.spreads_authorizations = true;
    options.sync_interval_ms = sync_interval_ms;
    // Above the index's lag, and low enough for the index to be used within the run.
    options.authorizer_environment.push((variables::INDEX_LAG_BOUND_MS.name.to_owned(), "2500".to_owned()));
    options.faults = FaultRates {
        lost_notification: 0.3,
        repeated_notification: 0.3,
        notification_delay_ms: 3_000,
        index_lag_ms: 2_000,
        torn_transaction: torn,
        ..FaultRates::default()
    };
    options.fault_seed = seed;
    let stack = LocalStack::start(options).await.unwrap();
    for _ in 0..INSTANCES {
        stack.authorizer.prepare().await.unwrap();
    }
    stack
}

fn secret(key: usize) -> String {
    format!("um_test-secret-{key}")
}

fn key_id(key: usize) -> String {
    format!("key-{key}")
}

async fn create(stack: &LocalStack, key: usize) {
    let digest = KeyDigest::of_secret(&secret(key)).unwrap();
    let new_key = NewKey::new(key_id(key), digest, 0).described(|key| key.owner = "test".into());
    stack.key_admin.create(&new_key).await.unwrap();
}

fn event(secret: &str) -> Bytes {
    let event = json!({"type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:1:api/prod/GET/x",
        "headers": {"x-api-key": secret}});
    Bytes::from(event.to_string())
}

fn effect(answer: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(answer).unwrap();
    answer["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap().to_owned()
}

/// The state that the clients of a run share.
struct Run {
    /// Number of keys to delete.
    to_delete: usize,
    stack: LocalStack,
    /// The keys: first those that are never deleted, last the most recently deleted ones.
    in_use: Mutex<Vec<usize>>,
    deleted_us: Mutex<HashMap<usize, u64>>,
    answers: Mutex<Vec<Answer>>,
    errors: AtomicU64,
    done: AtomicBool,
}

impl Run {
    /// Invokes the authorizer at a constant rate with the keys in use, and records the responses.
    async fn send_calls(self: Arc<Self>, per_second: u64, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / per_second));
        while !self.done.load(Ordering::Relaxed) {
            ticks.tick().await;
            let key = {
                let in_use = self.in_use.lock().unwrap();
                // A third of the calls use the most recently deleted keys.
                if random.random_range(0..3) == 0 {
                    in_use[random.random_range(in_use.len().saturating_sub(40)..in_use.len())]
                } else {
                    in_use[random.random_range(0..KEPT)]
                }
            };
            let began_us = monotonic_us();
            match self.stack.authorizer.invoke(event(&secret(key))).await {
                Ok(answer) => {
                    let admitted = effect(&answer) == "Allow";
                    self.answers.lock().unwrap().push(Answer { key, began_us, admitted });
                }
                Err(_) => _ = self.errors.fetch_add(1, Ordering::Relaxed),
            }
        }
    }

    /// Deletes keys one after the other, as `meter keys delete` does.
    async fn delete(self: Arc<Self>, keys: Vec<usize>, topic: Topic, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        for key in keys {
            {
                // The key becomes one of the most used keys.
                let mut in_use = self.in_use.lock().unwrap();
                in_use.retain(|other| *other != key);
                in_use.push(key);
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(0..100))).await;
            let changed = self.stack.key_admin.delete(&key_id(key), now_ms()).await.unwrap();
            self.deleted_us.lock().unwrap().insert(key, monotonic_us());
            let (api_key_id, change) = (key_id(key), "deleted".to_owned());
            let message = InvalidationMessage {
                api_key_id,
                sequence: changed.key.version,
                change,
                changed_at_ms: now_ms(),
            };
            topic.publish_patiently("API key changed", &message.to_json()).await.unwrap();
        }
    }

    /// Kills instances at random times. The next call starts a cold one.
    async fn kill(self: Arc<Self>, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        while !self.done.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(random.random_range(20..500))).await;
            self.stack.authorizer.kill_random();
        }
    }
}

/// Deletes five hundred keys under load and returns the run. With torn transactions,
/// which take longer, deletes a fifth of them.
async fn run(sync_interval_ms: u64, per_second: u64, torn: f64) -> (Run, tempfile::TempDir) {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let stack = start(folder.path(), sync_interval_ms, torn, seed).await;
    let to_delete = if torn > 0.0 { DELETED / 5 } else { DELETED };
    for key in (0..to_delete).chain(DELETED..DELETED + KEPT) {
        create(&stack, key).await;
    }
    let clients = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    let topic =
        Topic::new(aws_sdk_sns::Client::new(&clients), stack.endpoints.invalidations_topic_arn.clone());
    let run = Arc::new(Run {
        to_delete,
        stack,
        in_use: Mutex::new((DELETED..DELETED + KEPT).chain(0..to_delete).collect()),
        deleted_us: Mutex::default(),
        answers: Mutex::default(),
        errors: AtomicU64::new(0),
        done: AtomicBool::new(false),
    });
    let began_us = monotonic_us();
    let callers = (0..INSTANCES as u64)
        .map(|caller| tokio::spawn(run.clone().send_calls(per_second / INSTANCES as u64, seed ^ caller)));
    let callers: Vec<_> = callers.chain([tokio::spawn(run.clone().kill(seed ^ 0x1000))]).collect();
    let deleters = (0..DELETERS).map(|deleter| {
        let keys = (deleter..to_delete).step_by(DELETERS).collect();
        tokio::spawn(run.clone().delete(keys, topic.clone(), seed ^ (0x2000 + deleter as u64)))
    });
    for deleter in deleters.collect::<Vec<_>>() {
        deleter.await.unwrap();
    }
    // An instance that still admitted the last deleted keys would do so now.
    tokio::time::sleep(Duration::from_millis(2 * sync_interval_ms + 500)).await;
    run.done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let elapsed_ms = (monotonic_us() - began_us) / 1_000;
    let run = Arc::into_inner(run).unwrap();
    let answers = run.answers.lock().unwrap().len() as u64;
    println!(
        "{answers} answers in {elapsed_ms} ms ({} a second), {} calls whose instance was killed",
        answers * 1_000 / elapsed_ms,
        run.errors.load(Ordering::Relaxed)
    );
    (run, folder)
}

/// For each admitted call, the time from the return of its key's deletion to its start.
fn lags_us(run: &Run) -> Histogram<u64> {
    let mut lags = Histogram::<u64>::new(3).unwrap();
    let deleted = run.deleted_us.lock().unwrap();
    assert_eq!(deleted.len(), run.to_delete);
    for answer in run.answers.lock().unwrap().iter().filter(|answer| answer.admitted) {
        if let Some(lag_us) =
            deleted.get(&answer.key).and_then(|deleted_us| answer.began_us.checked_sub(*deleted_us))
        {
            lags.record(lag_us).unwrap();
        }
    }
    lags
}

fn print(lags_us: &Histogram<u64>, interval_ms: u64) {
    println!("admitted calls, by the time from the return of their key's deletion to their start:");
    let step_us = (interval_ms * 100).max(100);
    for bucket in lags_us.iter_linear(step_us) {
        let count = bucket.count_since_last_iteration();
        let bar = "#".repeat(usize::try_from(count * 60 / lags_us.len().max(1)).unwrap());
        println!("  up to {:>5} ms  {count:>6}  {bar}", bucket.value_iterated_to().div_ceil(1_000));
    }
    println!("  {} calls, the latest after {} ms", lags_us.len(), lags_us.max().div_ceil(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_instance_admits_a_key_later_than_the_interval_after_its_deletion() {
    let _machine = MACHINE.lock().await;
    let (run, _folder) = Box::pin(run(1_000, 500, 0.0)).await;
    let lags = lags_us(&run);
    print(&lags, 1_000);
    println!("metrics: {:?}", run.stack.metrics.counts());
    assert!(lags.max() <= 1_000_000 + CLOCK_ERROR_US, "admitted {} µs after the deletion", lags.max());
    assert!(
        !lags.is_empty(),
        "the run is too slow to observe an instance that does not know of a deletion yet"
    );
    let denied = |answer: &&Answer| answer.key >= DELETED && !answer.admitted;
    assert_eq!(
        run.answers.lock().unwrap().iter().filter(denied).count(),
        0,
        "a key that was not deleted was denied"
    );
    for metric in [
        "InvalidationsByMessage",
        "InvalidationsByLog",
        "IndexReads",
        "KeyReads",
        "CacheHits",
        "DeniedDeleted",
    ] {
        assert!(run.stack.metrics.count(metric) > 0, "the run had no {metric}");
    }
    run.stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_interval_of_0_no_call_after_the_deletion_is_admitted() {
    let _machine = MACHINE.lock().await;
    let (run, _folder) = Box::pin(run(0, 250, 0.0)).await;
    let lags = lags_us(&run);
    assert!(
        lags.is_empty(),
        "{} calls were admitted, the latest {} µs after the deletion",
        lags.len(),
        lags.max()
    );
    run.stack.shut_down().await;
}

/// DynamoDB does not isolate a transaction from reads of several items.
#[tokio::test(flavor = "multi_thread")]
async fn the_interval_holds_also_beside_deletions_that_become_visible_write_by_write() {
    let _machine = MACHINE.lock().await;
    let (run, _folder) = Box::pin(run(1_000, 500, 0.8)).await;
    let lags = lags_us(&run);
    print(&lags, 1_000);
    assert!(lags.max() <= 1_000_000 + CLOCK_ERROR_US, "admitted {} µs after the deletion", lags.max());
    let denied = |answer: &&Answer| answer.key >= DELETED && !answer.admitted;
    assert_eq!(run.answers.lock().unwrap().iter().filter(denied).count(), 0);
    let mut versions: Vec<u64> =
        run.stack.key_admin.store().list().await.unwrap().iter().map(|key| key.version).collect();
    versions.sort_unstable();
    let deleted = (1..=run.to_delete as u64).collect::<Vec<_>>();
    assert_eq!(versions[KEPT..], deleted, "each transaction is carried out once and completely");
    assert_eq!(run.stack.metrics.count("LogBehind"), 0);
    run.stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_admitted_by_every_instance_on_its_first_call_while_the_index_lags() {
    let _machine = MACHINE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let stack = Arc::new(start(folder.path(), 1_000, 0.0, 7).await);
    // Instances do not read the index until they trust it.
    let until_ms = now_ms() + 2_600;
    while now_ms() < until_ms {
        stack.authorizer.invoke(event("warm-up")).await.unwrap();
    }
    for key in 0..20 {
        create(&stack, key).await;
        let calls: Vec<_> = (0..INSTANCES)
            .map(|_| {
                let stack = stack.clone();
                // A read may take longer than an authorizer waits for it if all instances run at once.
                tokio::spawn(async move {
                    loop {
                        if let Ok(answer) = stack.authorizer.invoke(event(&secret(key))).await {
                            return answer;
                        }
                    }
                })
            })
            .collect();
        for call in calls {
            assert_eq!(effect(&call.await.unwrap()), "Allow");
        }
    }
    assert_eq!(stack.authorizer.process_ids().len(), INSTANCES);
    // A process writes its remaining metrics with its next line.
    for _ in 0..100 * INSTANCES {
        stack.authorizer.invoke(event(&secret(0))).await.unwrap();
    }
    let (by_index, consistently) = (stack.metrics.count("IndexReads"), stack.metrics.count("KeyReads"));
    println!("{by_index} reads of the index, {consistently} strongly consistent ones");
    assert!(by_index > 0 && consistently > 0);
    Arc::into_inner(stack).unwrap().shut_down().await;
}
