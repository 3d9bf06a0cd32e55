//! The canary in the local stack: measured, missed and failed calls.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;

use access_log::log_format::ApiKind;
use bytes::Bytes;
use end_to_end::binaries;
use end_to_end::caller::{Caller, create_key};
use end_to_end::calls::usage_by_key_id;
use http::StatusCode;
use local_stack::faults::FaultRates;
use local_stack::stack::{LocalOptions, LocalStack, UsageCanary};
use metering_core::metered_key::CANARY_KEY_ID;
use metering_core::usage_history::DayUsage;
use serde_json::{Value, json};
use system_clock::now_ms;

/// A canary that only the tests invoke.
const ON_DEMAND: UsageCanary = UsageCanary { interval_ms: 3_600_000, timeout_ms: 30_000 };

fn options(folder: &Path, canary: UsageCanary) -> LocalOptions {
    let mut options = LocalOptions::new(folder.join("data"), binaries());
    options.demo_keys = 0;
    options.sync_interval_ms = 0;
    options.usage_canary = Some(canary);
    options
}

async fn invoke(stack: &LocalStack) -> Value {
    let answer = stack.canary.as_ref().unwrap().invoke(Bytes::from_static(b"{}")).await.unwrap();
    serde_json::from_slice(&answer).unwrap()
}

fn metric_counts(stack: &LocalStack) -> [u64; 3] {
    ["CanaryCalls", "CanaryMisses", "CanaryFailures"].map(|metric| stack.metrics.count(metric))
}

async fn counted(stack: &LocalStack) -> Vec<(String, u64)> {
    let usage = usage_by_key_id(&stack.ledger_client).await;
    usage.into_iter().map(|(key, days)| (key, days.values().map(DayUsage::total).sum())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_sees_its_call_of_either_kind_of_api() {
    for kind in [ApiKind::Rest, ApiKind::Http] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), ON_DEMAND);
        options.api_kind = kind;
        let stack = LocalStack::start(options.clone()).await.unwrap();
        let secret = create_key(&stack, "key-1", |_| {}).await;
        assert_eq!(Caller::new(&stack).call(&secret).await.0, StatusCode::OK);
        let outcome = invoke(&stack).await;
        assert_eq!(outcome["outcome"], "shown", "{kind}: {outcome}");
        assert_eq!(metric_counts(&stack), [1, 0, 0]);
        // The histogram has a precision of three digits.
        let measured_ms = stack.metrics.percentile("CanaryFreshness", 100.0).unwrap();
        assert!(measured_ms.abs_diff(outcome["freshness_ms"].as_u64().unwrap()) <= measured_ms / 100 + 1);
        stack.settled().await.unwrap();
        assert_eq!(counted(&stack).await, [(CANARY_KEY_ID.to_owned(), 1), ("key-1".to_owned(), 1)]);
        stack.shut_down().await;

        // After a restart the key has another secret.
        let stack = LocalStack::start(options).await.unwrap();
        assert_eq!(invoke(&stack).await["outcome"], "shown", "{kind}");
        stack.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_delivery_is_lost_is_a_miss_and_not_found_later() {
    let folder = tempfile::tempdir().unwrap();
    let canary = UsageCanary { timeout_ms: 1_000, ..ON_DEMAND };
    let mut options = options(folder.path(), canary);
    options.faults = FaultRates { lost_batch: 1.0, ..FaultRates::default() };
    let stack = LocalStack::start(options).await.unwrap();
    for missed in 1..=2 {
        assert_eq!(
            invoke(&stack).await,
            json!({"outcome": "missed", "reason": "the ledger does not show the call in time"})
        );
        assert_eq!(metric_counts(&stack), [missed, missed, 0]);
    }
    assert_eq!(stack.metrics.percentile("CanaryFreshness", 100.0), None);
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_refused_is_a_failure_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path(), ON_DEMAND)).await.unwrap();
    stack.key_admin.delete(CANARY_KEY_ID, now_ms()).await.unwrap();
    let outcome = invoke(&stack).await;
    assert_eq!(outcome["outcome"], "failed");
    assert!(outcome["reason"].as_str().unwrap().contains("the API responded with 403"), "{outcome}");
    assert_eq!(metric_counts(&stack), [1, 0, 1]);
    let log = std::fs::read_to_string(folder.path().join("data/functions.log")).unwrap();
    assert!(log.contains("the canary's call failed") && !log.contains("canary_0"), "{log}");
    stack.shut_down().await;

    let error = LocalStack::start(options(folder.path(), ON_DEMAND)).await.err().unwrap();
    assert!(error.to_string().contains("--no-canary"), "a deleted key cannot be created again: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_is_invoked_on_its_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let canary = UsageCanary { interval_ms: 50, ..ON_DEMAND };
    let stack = LocalStack::start(options(folder.path(), canary)).await.unwrap();
    while stack.metrics.count("CanaryCalls") < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(metric_counts(&stack)[1..], [0, 0]);
    stack.shut_down().await;
}
