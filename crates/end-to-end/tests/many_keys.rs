//! Many keys: the deployed reconciler, with its limits of memory and time, on an hour whose calls were
//! all lost, so that every key differs; `meter usage --all`; and the page of usage.
//!
//! `scripts/test-many-keys.sh` runs both with half a million keys.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]
#![expect(clippy::disallowed_methods, reason = "a script says how many keys there are")]

use deployment::environment::variables;
use deployment::settings::UNBILLED_ROUTES;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use access_log::log_format::ApiKind;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use bytes::Bytes;
use end_to_end::binaries;
use end_to_end::caller::Caller;
use end_to_end::calls::options;
use loadtest::harness::memory::peak_resident_kib;
use local_stack::faults::FaultRates;
use local_stack::stack::{ACCESS_LOG_GROUP, CLAIMS_TABLE, KEYS_TABLE, LocalStack, USAGE_TABLE};
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::{DynamoUsageLedger, ReconciliationStore};
use metering_core::aggregate::BatchUsage;
use metering_core::billing_rules::BillingRules;
use metering_core::claims::owner::ShardName;
use metering_core::fingerprint::Fingerprint;
use metering_core::metered_key::{Breakdown, MeteredKey};
use metering_core::ports::{ComparedHours, UsageLedger};
use metering_core::row_key::RowKey;
use metering_core::sequence_number::SequenceNumber;
use metering_core::update_plan::CounterUpdate;
use metering_core::window::{HOUR_MS, hour_start_ms};
use serde_json::{Map, Value, json};
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
    let rules = BillingRules::except(UNBILLED_ROUTES.parse().unwrap());
    compared.start_run(&[ACCESS_LOG_GROUP.to_owned()], &rules, hour_ms).await.unwrap();
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

/// Days on which each key has calls.
const DAYS: [&str; 4] = ["2026-10-01", "2026-10-02", "2026-10-30", "2026-10-31"];
/// Number of keys of each customer.
const KEYS_OF_CUSTOMER: u64 = 10;
/// Number of calls of each key in the hour that each of its rows counts.
const CALLS: u64 = 3;
/// Number of rows that are imported in one transaction.
const ROWS_AT_ONCE: u64 = 20_000;
/// Memory within which all usage is read, in KiB.
const MAX_MEMORY_KIB: u64 = 200 * 1_024;

fn row_key(number: u64, day: &str) -> RowKey {
    let key = MeteredKey {
        customer_id: Some(format!("customer-{:08}", number / KEYS_OF_CUSTOMER).into()),
        api_key_id: format!("customer-key-{number:08}").into(),
    };
    let breakdown = Breakdown { key, route_class: Some("search".into()), day: day.parse().unwrap() };
    RowKey { breakdown, shard: ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000000") }
}

/// Writes a row for each key and day. The ledger writes the first one, and the others are its copies.
async fn fill_ledger(client: &aws_sdk_dynamodb::Client, data: &Path, keys: u64) {
    let record = SequenceNumber::parse("42").unwrap();
    let mut hours = [0; 24];
    hours[7] = CALLS;
    let first = CounterUpdate {
        row: row_key(0, DAYS[0]),
        first: record.clone(),
        last: record.clone(),
        first_record: BatchUsage::new().begin_record(record).unwrap(),
        hours,
        response_bytes: Box::default(),
        fingerprint: Fingerprint::from_sum(12_345),
        last_call_ms: 1_795_509_270_000,
        gaps: Vec::new(),
    };
    DynamoUsageLedger::new(client.clone(), USAGE_TABLE, 400).apply(&first).await.unwrap();
    let rows = client.scan().table_name(USAGE_TABLE).send().await.unwrap();
    let template: Map<String, Value> = rows.items.unwrap()[0]
        .iter()
        .map(|(name, value)| {
            let value = value.as_n().map(|number| json!({"N": number}));
            (name.clone(), value.unwrap_or_else(|value| json!({"S": value.as_s().unwrap()})))
        })
        .collect();
    // The interface of DynamoDB would write each row with a transaction of its own.
    let database = dynoxide::Database::new(data.join("dynamodb.sqlite").to_str().unwrap()).unwrap();
    for first in (0..keys).step_by(usize::try_from(ROWS_AT_ONCE).unwrap()) {
        let numbers = first..keys.min(first + ROWS_AT_ONCE);
        let rows = numbers.flat_map(|number| DAYS.map(|day| row_key(number, day)));
        let items = rows.map(|row| {
            let mut item = template.clone();
            item.insert("pk".to_owned(), json!({"S": row.partition_key()}));
            item.insert("sk".to_owned(), json!({"S": row.sort_key()}));
            serde_json::from_value(Value::Object(item)).unwrap()
        });
        database.import_items(USAGE_TABLE, items.collect(), dynoxide::ImportOptions::default()).unwrap();
    }
}

/// Starts a stack in whose ledger each of `keys` has usage.
async fn stack_with_ledger(folder: &Path, keys: u64) -> LocalStack {
    let stack = LocalStack::start(options(folder, 0)).await.unwrap();
    let clients = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    fill_ledger(&aws_sdk_dynamodb::Client::new(&clients), &folder.join("data"), keys).await;
    stack
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_of_all_keys_is_read_in_little_memory() {
    let keys = keys();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let stack = stack_with_ledger(folder.path(), keys).await;

    let began = Instant::now();
    let mut meter = Command::new(binaries().join("meter"))
        .args(["usage", "--all", "--from", "2026-10-01", "--to", "2026-10-31", "--by", "month", "--csv"])
        .args(["--data", data.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let process = meter.id();
    let (mut lines, mut calls, mut peak_kib) = (0, 0, 0);
    for line in BufReader::new(meter.stdout.take().unwrap()).lines().skip(1) {
        let line = line.unwrap();
        let [customer, key, "2026-10", of_key, "", "0"] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        assert!(customer.starts_with("customer-") && key.starts_with("customer-key-"), "{line}");
        calls += of_key.parse::<u64>().unwrap();
        lines += 1;
        if lines % 1_000 == 0 {
            peak_kib = peak_resident_kib(process).unwrap_or(peak_kib);
        }
    }
    assert!(meter.wait().unwrap().success());
    let rows = keys * DAYS.len() as u64;
    println!(
        "the usage of {keys} keys in {rows} rows was read in {:.1} s, with at most {peak_kib} KiB",
        began.elapsed().as_secs_f64()
    );
    assert_eq!((lines, calls), (keys, rows * CALLS));
    assert!((1..MAX_MEMORY_KIB).contains(&peak_kib), "{peak_kib} KiB");
    stack.shut_down().await;
}

/// Writes a record of each key.
fn fill_keys(data: &Path, keys: u64) {
    let database = dynoxide::Database::new(data.join("dynamodb.sqlite").to_str().unwrap()).unwrap();
    let item = |number: u64| {
        let RowKey { breakdown, .. } = row_key(number, DAYS[0]);
        let (key, customer) = (breakdown.key.api_key_id, breakdown.key.customer_id.unwrap());
        let text = |text: &str| json!({"S": text});
        serde_json::from_value(json!({
            "pk": text(&format!("key#{key}")), "keyId": text(&key), "customerId": text(&customer), "owner": text("acme"),
            "name": text(""), "plan": text("team"), "labels": {"M": {}}, "createdAtMs": {"N": "0"}, "version": {"N": "0"},
            "monthlyLimit": {"N": "5"}, "hashedKey": text(&format!("{number:064x}")),
        }))
        .unwrap()
    };
    let items = (0..keys).map(item).collect();
    database.import_items(KEYS_TABLE, items, dynoxide::ImportOptions::default()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_show_each_of_many_keys() {
    let keys = keys();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let stack = stack_with_ledger(folder.path(), keys).await;
    // A tenth of the keys has no usage.
    let all_keys = keys + keys / 10;
    fill_keys(&data, all_keys);
    // The threads of the stack are busy while it reads the ledger. A browser has threads of its own.
    let url = stack.endpoints.dashboard.clone();
    let visit = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(visit_pages(&url, keys, all_keys));
    };
    tokio::task::spawn_blocking(visit).await.unwrap();
    stack.shut_down().await;
}

/// Requests what the pages show, and prints how long that took.
async fn visit_pages(url: &str, keys: u64, all_keys: u64) {
    let page = Caller::of_url(url);
    let mut slowest_ms = 0.0_f64;
    let mut get = async |path: &str| {
        let began = Instant::now();
        let (status, _, document) = page.get(path, &[]).await;
        let took_ms = began.elapsed().as_secs_f64() * 1e3;
        slowest_ms = slowest_ms.max(took_ms);
        (status, document, took_ms)
    };
    let range = "from=2026-10-01&to=2026-10-31";
    let began = Instant::now();
    let report = loop {
        let (_, document, _) = get(&format!("/usage.json?{range}")).await;
        if document["is_reading"] != true {
            break document;
        }
    };
    println!("the usage of {all_keys} keys was read in {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(report["total_rows"], all_keys);
    assert_eq!(report["total"]["calls"], keys * CALLS * DAYS.len() as u64);
    for (view, rows) in [
        ("sort=key&order=ascending", all_keys),
        ("sort=owner", all_keys),
        ("show=without_usage", keys / 10),
        ("show=over_limit", keys),
        ("filter=customer-00000001", KEYS_OF_CUSTOMER),
        ("offset=10000&rows=1000", all_keys),
    ] {
        let (_, document, took_ms) = get(&format!("/usage.json?{range}&{view}")).await;
        println!("{took_ms:>8.1} ms  {view}");
        assert_eq!(document["shown_rows"], rows, "{view}");
    }
    for path in ["/key.json?id=customer-key-00000007", "/customer.json?id=customer-00000000"] {
        let (status, document, took_ms) = get(&format!("{path}&{range}")).await;
        println!("{took_ms:>8.1} ms  {path}");
        assert_eq!(status, 200, "{document}");
        assert!(document["calls"].as_u64().unwrap() >= CALLS * DAYS.len() as u64, "{document}");
    }
    for path in ["/status.json", "/dashboard.json?minutes=30"] {
        let (status, _, took_ms) = get(path).await;
        println!("{took_ms:>8.1} ms  {path}");
        assert_eq!(status, 200);
    }
    println!("{slowest_ms:>8.1} ms  the slowest request, also while the ledger was read");
}
