//! The deployed reconciler, with its limits of memory and time, on an hour whose
//! calls were all lost, so that every key differs.
//!
//! `scripts/test-many-keys.sh` runs it with half a million keys.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]
#![expect(clippy::disallowed_methods, reason = "a script says how many keys there are")]

use deployment::environment::variables;
use deployment::settings::UNBILLED_ROUTES;
use std::time::Instant;

use access_log::log_format::ApiKind;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use bytes::Bytes;
use end_to_end::calls::options;
use local_stack::faults::FaultRates;
use local_stack::stack::{ACCESS_LOG_GROUP, CLAIMS_TABLE, LocalStack};
use metering_aws::ReconciliationStore;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_core::ports::ComparedHours;
use metering_core::window::{HOUR_MS, hour_start_ms};
use serde_json::{Value, json};
use system_clock::now_ms;

const DEFAULT_KEYS: u64 = 15_000;
/// Number of events in a request, which stays below 1 MiB with the longest lines.
const LINES_AT_ONCE: u64 = 4_000;

fn keys() -> u64 {
    std::env::var(variables::METER_TEST_KEYS.name).map_or(DEFAULT_KEYS, |keys| keys.parse().unwrap())
}

/// Logs one call of each key, evenly spread over the hour.
async fn log_calls(logs: &Client, keys: u64, hour_ms: i64) {
    let stream = "calls";
    logs.create_log_stream().log_group_name(ACCESS_LOG_GROUP).log_stream_name(stream).send().await.unwrap();
    for first in (0..keys).step_by(usize::try_from(LINES_AT_ONCE).unwrap()) {
        let numbers = first..keys.min(first + LINES_AT_ONCE);
        let events = numbers.map(|number| {
            let at_ms = hour_ms + i64::try_from(u128::from(number) * 3_600_000 / u128::from(keys)).unwrap();
            let line = json!({"id": format!("{number:015x}="), "key": format!("customer-key-{number:08}"),
                "time": at_ms.to_string(), "status": "200", "ms": "12", "method": "GET", "route": "/orders/{id}",
                "stage": "prod", "api": "a1b2c3d4e5"});
            InputLogEvent::builder().timestamp(at_ms).message(line.to_string()).build().unwrap()
        });
        let request = logs.put_log_events().log_group_name(ACCESS_LOG_GROUP).log_stream_name(stream);
        request.set_log_events(Some(events.collect())).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reconciler_compares_every_key_within_its_memory_and_time() {
    let keys = keys();
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), 0);
    options.api_kind = ApiKind::Rest;
    options.limits_memory = true;
    options.faults = FaultRates { lost_batch: 1.0, ..FaultRates::default() };
    let stack = LocalStack::start(options).await.unwrap();
    let clients = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    let compared = ReconciliationStore::new(aws_sdk_dynamodb::Client::new(&clients), CLAIMS_TABLE);
    // The hour before the previous one has settled at any minute.
    let hour_ms = hour_start_ms(now_ms()) - 2 * HOUR_MS;
    let unbilled = UNBILLED_ROUTES.parse().unwrap();
    compared.start_run(&[ACCESS_LOG_GROUP.to_owned()], &unbilled, hour_ms).await.unwrap();
    log_calls(&Client::new(&clients), keys, hour_ms).await;

    let began = Instant::now();
    let answer = stack.reconciler.invoke(Bytes::from_static(b"{}")).await.unwrap();
    println!("{keys} keys were compared in {:.1} s", began.elapsed().as_secs_f64());
    let found: Value = serde_json::from_slice(&answer).unwrap();
    let expected = json!({"logged": keys, "counted": 0, "missing": keys, "surplus": 0, "open_hours": 1});
    assert_eq!(found, expected);
    let hours = compared.hours(hour_ms, hour_ms + HOUR_MS).await.unwrap();
    let open = hours[&hour_ms].open.as_ref().unwrap();
    assert_eq!((open.counted, open.missing, open.surplus), (Some(0), keys, 0), "the comparison by key");
    stack.shut_down().await;
}
