//! A million calls through the whole pipeline, without faults through a REST API
//! and with faults through an HTTP API: the ledger equals the clients' results, and
//! a replay changes nothing.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use access_log::log_format::ApiKind;
use aws_sdk_kinesis::types::Shard;
use end_to_end::calls::{assert_ledger_equals, ledger_rows, options, send_calls};
use local_stack::faults::FaultRates;
use local_stack::lambda::Function;
use local_stack::stack::{LocalStack, STREAM};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A lock for the tests, each of which needs the whole machine.
static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const CALLS: u64 = 1_000_000;
const KEYS: usize = 200;
/// Batch window, in milliseconds. Each batch writes a row for most keys.
const BATCH_WINDOW_MS: u64 = 2_000;
/// Number of keys of the disturbed run. Its batches are small, so each key costs many writes.
const KEYS_IF_DISTURBED: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_million_calls_are_counted_once_and_two_replays_change_nothing() {
    let _machine = MACHINE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), KEYS);
    options.batch_window_ms = BATCH_WINDOW_MS;
    let mut stack = LocalStack::start(options).await.unwrap();
    let sent = send_calls(&stack, CALLS, Arc::default()).await;
    stack.settled().await.unwrap();
    assert_ledger_equals(&stack, &sent).await;
    let before = ledger_rows(&stack).await;
    for replay in 1..=2 {
        let records = stack.metrics.count("Records");
        stack.replay_from_trim_horizon().await.unwrap();
        stack.settled().await.unwrap();
        assert!(stack.metrics.count("Records") > records, "replay {replay} went through the consumer");
        assert_eq!(ledger_rows(&stack).await, before, "replay {replay}");
    }
    println!("counted: {:?}", stack.metrics.counts());
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_calls_are_counted_once_through_crashes_lost_replies_regrouped_and_late_batches_and_resharding()
 {
    let _machine = MACHINE.lock().await;
    let seed = rand::rng().random();
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), KEYS_IF_DISTURBED);
    options.api_kind = ApiKind::Http;
    options.batch_window_ms = BATCH_WINDOW_MS;
    options.faults = FaultRates {
        // All three attempts of a write fail a dozen times in a run, so that some records fail in each.
        throttled_write: 0.1,
        lost_reply: 0.02,
        duplicate_batch: 0.01,
        regrouped_batch: 0.02,
        late_batch: 0.02,
        late_batch_delay_ms: 5_000,
        torn_transaction: 0.02,
        ..FaultRates::default()
    };
    options.fault_seed = seed;
    options.events_per_record = 100;
    options.batch_size = 40;
    let mut stack = LocalStack::start(options).await.unwrap();
    let progress = Arc::new(AtomicU64::new(0));
    let killer = tokio::spawn(kill_at_random(stack.consumer.clone(), seed));
    let resharder = tokio::spawn(reshard(stack.kinesis_client.clone(), progress.clone(), seed));
    let sent = send_calls(&stack, CALLS, progress).await;
    resharder.await.unwrap();
    stack.settled().await.unwrap();
    assert_ledger_equals(&stack, &sent).await;
    let before = ledger_rows(&stack).await;
    stack.replay_from_trim_horizon().await.unwrap();
    stack.settled().await.unwrap();
    assert_eq!(ledger_rows(&stack).await, before, "a replay, disturbed as well");
    killer.abort();
    let kills = killer.await.map_or_else(|_| KILLS.load(Ordering::Relaxed), |()| 0);
    println!("{kills} kills; counted: {:?}", stack.metrics.counts());
    assert!(kills > 10, "the consumer was killed {kills} times");
    for metric in ["DuplicateCalls", "FencedUpdates", "FailedRecords"] {
        assert!(stack.metrics.count(metric) > 0, "the run had no {metric}");
    }
    stack.shut_down().await;
}

static KILLS: AtomicU64 = AtomicU64::new(0);

/// Kills a process of the consumer repeatedly, at random times.
async fn kill_at_random(consumer: Arc<Function>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    loop {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..1_500))).await;
        KILLS.fetch_add(u64::from(consumer.kill_random().is_some()), Ordering::Relaxed);
    }
}

/// Splits and merges shards during the calls.
async fn reshard(client: aws_sdk_kinesis::Client, progress: Arc<AtomicU64>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed ^ 1);
    for step in 1..=8 {
        while progress.load(Ordering::Relaxed) < step * CALLS / 10 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let shards = client.list_shards().stream_name(STREAM).send().await.unwrap().shards.unwrap();
        let mut open: Vec<Shard> = shards.into_iter().filter(is_open).collect();
        open.sort_by_key(|shard| hash_range(shard).0);
        let place = random.random_range(0..open.len());
        if step % 3 == 0 && open.len() > 2 {
            let pair = &open[place.min(open.len() - 2)..];
            let merge = client.merge_shards().stream_name(STREAM).shard_to_merge(pair[0].shard_id());
            merge.adjacent_shard_to_merge(pair[1].shard_id()).send().await.unwrap();
        } else {
            let (start, end) = hash_range(&open[place]);
            let middle = start + (end - start) / 2 + 1;
            let split = client.split_shard().stream_name(STREAM).shard_to_split(open[place].shard_id());
            split.new_starting_hash_key(middle.to_string()).send().await.unwrap();
        }
    }
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_none())
}

fn hash_range(shard: &Shard) -> (u128, u128) {
    let range = shard.hash_key_range().unwrap();
    (range.starting_hash_key().parse().unwrap(), range.ending_hash_key().parse().unwrap())
}
