//! Deliveries of the subscription in other batches, and late.

use std::collections::BTreeSet;

use local_stack::faults::FaultRates;
use local_stack::stack::LocalStack;

use crate::probe_stack::{log, options, records};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_comes_again_cut_otherwise_and_on_other_shards() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.faults.regrouped_batch = 1.0;
    options.events_per_record = 10;
    options.shard_count = 4;
    let stack = LocalStack::start(options).await.unwrap();
    for round in 0..8 {
        log(&stack, round * 30..round * 30 + 30).await;
        stack.settled().await.unwrap();
    }
    let by_shard = records(&stack).await;
    let all: Vec<&Vec<u64>> = by_shard.values().flatten().collect();
    let first: BTreeSet<Vec<u64>> = (0..24).map(|batch| (batch * 10..batch * 10 + 10).collect()).collect();
    let again: Vec<&&Vec<u64>> = all.iter().filter(|record| !first.contains(**record)).collect();
    assert!(first.iter().all(|batch| all.contains(&batch)), "each batch is delivered once as it is");
    for number in 0..240 {
        assert!(again.iter().any(|record| record.contains(&number)), "{number} was delivered only once");
    }
    let crosses = |record: &&&Vec<u64>| record.first().unwrap() / 10 != record.last().unwrap() / 10;
    assert!(again.iter().any(crosses), "a second delivery combines events of two batches");
    let shards_of = |number: u64| {
        by_shard.values().filter(|records| records.iter().any(|record| record.contains(&number))).count()
    };
    assert!((0..240).any(|number| shards_of(number) > 1), "a second delivery is on another shard");
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_record_lets_others_pass_survives_a_restart_and_comes_when_it_is_due() {
    const NEVER_MS: u64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.faults = FaultRates { late_batch: 1.0, late_batch_delay_ms: NEVER_MS, ..FaultRates::default() };
    let arrived = async |stack: &LocalStack| -> Vec<u64> {
        records(stack).await.into_values().flatten().flatten().collect()
    };
    let stack = LocalStack::start(options.clone()).await.unwrap();
    log(&stack, 0..3).await;
    stack.delivered(3).await.unwrap();
    let on_time = FaultRates { late_batch_delay_ms: NEVER_MS, ..FaultRates::default() };
    stack.faults.set(on_time);
    log(&stack, 3..6).await;
    stack.delivered(6).await.unwrap();
    assert_eq!(arrived(&stack).await, [3, 4, 5]);
    stack.shut_down().await;

    options.faults = on_time;
    let stack = LocalStack::start(options).await.unwrap();
    assert_eq!(arrived(&stack).await, [3, 4, 5]);
    stack.faults.set(FaultRates::default());
    stack.settled().await.unwrap();
    let mut all = arrived(&stack).await;
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4, 5]);
    stack.shut_down().await;
}
