//! Calls through the gateway of a stack, and the comparison of the ledger with the clients' results.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use local_stack::stack::demo_keys::DemoKey;
use local_stack::stack::{LocalOptions, LocalStack, USAGE_TABLE};
use metering_aws::key_usage::usage_of_all_keys;
use metering_core::usage_history::KeyUsage;
use metering_core::window::CallWindow;
use system_clock::now_ms;

use crate::binaries;

/// Returns options for a stack in a new folder with this number of keys. The gateway
/// caches the authorizer's results, because these tests are not about keys.
pub fn options(folder: &Path, keys: usize) -> LocalOptions {
    let mut options = LocalOptions::new(folder.join("data"), binaries());
    options.demo_keys = keys;
    options.authorizer_cache_ttl_ms = 3_600_000;
    options
}

/// The successful calls of a key, as counted by its client.
#[derive(Debug, Default, Clone)]
pub struct Sent {
    /// Number of calls per UTC day and hour.
    pub by_hour: BTreeMap<CallWindow, u64>,
    /// Number of calls that began in one hour and ended in the next.
    pub across_hours: u64,
}

/// Successful calls by key id.
pub type SentByKey = BTreeMap<String, Sent>;

/// Sends `calls` calls, with the keys in turn, over 64 connections, and returns the
/// clients' results. `progress` counts the answered calls.
pub async fn send_calls(stack: &LocalStack, calls: u64, progress: Arc<AtomicU64>) -> SentByKey {
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let next = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..64)
        .map(|_| {
            let (client, next, progress) = (client.clone(), next.clone(), progress.clone());
            let (gateway, keys) = (stack.endpoints.gateway.clone(), stack.keys.clone());
            tokio::spawn(async move {
                let mut sent = SentByKey::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        return sent;
                    }
                    let key = &keys[usize::try_from(number).unwrap() % keys.len()];
                    send_call(&client, &gateway, key, number, &mut sent).await;
                    progress.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut total = SentByKey::new();
    for worker in workers {
        for (key, sent) in worker.await.unwrap() {
            let entry = total.entry(key).or_default();
            entry.across_hours += sent.across_hours;
            for (window, calls) in sent.by_hour {
                *entry.by_hour.entry(window).or_default() += calls;
            }
        }
    }
    total
}

/// The statuses that calls request in turn. Half of them are not billed.
const STATUSES: [u16; 10] = [200, 200, 201, 204, 299, 200, 301, 404, 429, 500];

async fn send_call(
    client: &Client<HttpConnector, Empty<Bytes>>,
    gateway: &str,
    key: &DemoKey,
    number: u64,
    sent: &mut SentByKey,
) {
    // The stride of 7 has no common factor with the number of keys, so every key gets every status.
    let requested = STATUSES[usize::try_from(number / 7 % 10).unwrap()];
    let request =
        http::Request::get(format!("{gateway}/status/{requested}")).header("x-api-key", &key.api_key);
    let before = CallWindow::at(now_ms()).unwrap();
    let response = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    response.into_body().collect().await.unwrap();
    let after = CallWindow::at(now_ms()).unwrap();
    assert_eq!(status, requested);
    if (200..300).contains(&status) {
        let entry = sent.entry(key.api_key_id.clone()).or_default();
        if before == after {
            *entry.by_hour.entry(before).or_default() += 1;
        } else {
            entry.across_hours += 1;
        }
    }
}

/// Reads the usage of all keys by their ids. No key may have usage of two customers.
pub async fn usage_by_key_id(ledger: &aws_sdk_dynamodb::Client) -> BTreeMap<String, KeyUsage> {
    let mut by_id = BTreeMap::new();
    for (key, usage) in usage_of_all_keys(ledger, USAGE_TABLE).await.unwrap() {
        let id = key.api_key_id.to_string();
        assert!(by_id.insert(id, usage).is_none(), "{key:?} has usage of two customers");
    }
    by_id
}

/// Asserts that the ledger equals the clients' results, per key and hour.
pub async fn assert_ledger_equals(stack: &LocalStack, sent: &SentByKey) {
    let ledger = usage_by_key_id(&stack.ledger_client).await;
    assert_eq!(ledger.keys().collect::<Vec<_>>(), sent.keys().collect::<Vec<_>>(), "the keys in the ledger");
    for (key, days) in &ledger {
        let expected = &sent[key];
        let total: u64 = days.values().map(metering_core::usage_history::DayUsage::total).sum();
        assert_eq!(
            total,
            expected.by_hour.values().sum::<u64>() + expected.across_hours,
            "the calls of {key}"
        );
        for (day, usage) in days {
            for (hour, &counted) in usage.hours.iter().enumerate() {
                let window = CallWindow { day: *day, hour: u8::try_from(hour).unwrap() };
                let seen = expected.by_hour.get(&window).copied().unwrap_or(0);
                let possible = seen..=seen + expected.across_hours;
                assert!(
                    possible.contains(&counted),
                    "{key} in {window:?}: the ledger has {counted}, its client counted {seen}"
                );
            }
        }
    }
}

/// Returns every row of the ledger with all attributes, to show that nothing changed.
pub async fn ledger_rows(stack: &LocalStack) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut pages = stack.ledger_client.scan().table_name(USAGE_TABLE).into_paginator().items().send();
    let mut rows = BTreeMap::new();
    while let Some(row) = pages.next().await {
        let row: BTreeMap<String, String> = row
            .unwrap()
            .into_iter()
            .map(|(name, value)| match value {
                AttributeValue::S(text) | AttributeValue::N(text) => (name, text),
                other => panic!("the attribute {name} has an unexpected type: {other:?}"),
            })
            .collect();
        rows.insert(format!("{} {}", row["pk"], row["sk"]), row);
    }
    rows
}
