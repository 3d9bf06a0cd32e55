//! Access-log lines in other forms than those of the local gateway: from the log
//! group through the subscription to the ledger, and the comparison of both.

#![expect(clippy::float_cmp, reason = "the sums are of whole numbers")]
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::Path;

use access_log::log_format::{READABLE_LINES_PATTERN, subscription_filter_pattern};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::builders::MetricDataQueryBuilder;
use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat};
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::{Distribution, InputLogEvent};
use deployment::names::METRIC_NAMESPACE;
use end_to_end::meter::{Local, documented, meter, stdout};
use local_stack::stack::{ACCESS_LOG_GROUP, STREAM};
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_core::status_ranges::StatusRanges;
use serde_json::{Value, json};
use system_clock::now_ms;

const LOG_STREAM: &str = "lines-of-a-test";
/// The access log of a second API.
const SECOND_GROUP: &str = "/aws/api-gateway/second-api";
/// Maximum number of events of a request. Source: CloudWatch Logs API Reference, `PutLogEvents`.
const EVENTS_PER_REQUEST: usize = 10_000;

async fn log_client(local: &Local) -> Client {
    let client = Client::new(&load_local(&local.endpoint("aws_endpoint_url"), COMMAND_RETRY_POLICY).await);
    let stream = client.create_log_stream().log_group_name(ACCESS_LOG_GROUP).log_stream_name(LOG_STREAM);
    // After a restart the log group exists already.
    let _ = stream.send().await;
    client
}

async fn put(client: &Client, lines: &[String]) {
    put_into(client, ACCESS_LOG_GROUP, lines).await;
}

async fn put_into(client: &Client, log_group: &str, lines: &[String]) {
    let event = |line: &String| InputLogEvent::builder().message(line).timestamp(now_ms()).build().unwrap();
    for lines in lines.chunks(EVENTS_PER_REQUEST / 2) {
        let request = client.put_log_events().log_group_name(log_group).log_stream_name(LOG_STREAM);
        let reply = request.set_log_events(Some(lines.iter().map(event).collect())).send().await.unwrap();
        assert_eq!(reply.rejected_log_events_info, None);
    }
}

/// Returns the sums of two metrics of the access log since a time.
async fn sums(local: &Local, names: [&str; 2], since_ms: i64) -> [f64; 2] {
    let config = load_local(&local.endpoint("aws_endpoint_url"), COMMAND_RETRY_POLICY).await;
    let client = aws_sdk_cloudwatch::Client::new(&config);
    let queries = names.map(|name| {
        let metric = Metric::builder().namespace(METRIC_NAMESPACE).metric_name(name).build();
        let statistic = MetricStat::builder().metric(metric).period(60).stat("Sum").build();
        MetricDataQuery::builder().id(name.split('-').next().unwrap().to_lowercase()).metric_stat(statistic)
    });
    let minute = since_ms.div_euclid(60_000) * 60;
    let request = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries.map(MetricDataQueryBuilder::build).to_vec()));
    let span = (DateTime::from_secs(minute), DateTime::from_secs(minute + 3_600));
    let answer = request.start_time(span.0).end_time(span.1).send().await.unwrap();
    let results = answer.metric_data_results();
    [0, 1].map(|index| results[index].values().iter().sum())
}

fn json_output(data: &Path, arguments: &[&str]) -> Value {
    let output = meter(&[arguments, &["--json", "--data", data.to_str().unwrap()]].concat());
    assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    documented(arguments[0], &output.stdout)
}

/// Compares the ledger with the access log in this and the previous hour.
fn compared(data: &Path, more: &[&str]) -> Value {
    json_output(data, &[&["reconcile", "--hours", "2", "--with-this-hour"], more].concat())
}

fn calls_of(data: &Path, key: &str) -> u64 {
    json_output(data, &["usage", key])["calls"].as_u64().unwrap()
}

/// Returns a line with short names.
fn line(id: &str, key: &str, time: &Value) -> String {
    json!({"id": id, "key": key, "time": time, "status": "200", "ms": "5", "method": "GET", "route": "/orders"})
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_whose_json_another_member_breaks_is_counted_or_kept_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let client = log_client(&local).await;
    let time = now_ms();
    let broken =
        format!(r#"{{"id":"b","key":"odd","time":"{time}","status":"200","agent":"a "quoted" name"}}"#);
    let lines = [
        line("a", "even", &json!(time.to_string())),
        format!(r#"{{"id":"d","key":"even","time":"{time}","status":200,"integrationLatency":-}}"#),
        broken.clone(),
        broken.replace("200", "404"),
        broken.replace('"', "'"),
    ];
    put(&client, &lines).await;
    while calls_of(&local.data, "even") != 2 {}
    let quarantined = || stdout(&meter(&["quarantine", "list", "--data", local.data.to_str().unwrap()]));
    let mut kept = quarantined();
    while kept.contains("0 records") {
        kept = quarantined();
    }
    let byte = broken.find("quoted").unwrap();
    assert!(kept.contains(&format!("expected ',' or '}}' at byte {byte}")), "{kept}");
    assert!(kept.contains("1 of 3 events"), "only delivered lines: {kept}");
    // The difference of both metrics is the number of lines that are not JSON.
    let metrics = [
        local_stack::cloudwatch_logs::service::LOGGED_LINES,
        local_stack::cloudwatch_logs::service::READABLE_LINES,
    ];
    assert_eq!(sums(&local, metrics, time).await, [5.0, 1.0]);
    let matches = |pattern: String| {
        let client = client.clone();
        let lines = lines.to_vec();
        async move {
            let request = client.test_metric_filter().filter_pattern(pattern);
            let reply = request.set_log_event_messages(Some(lines)).send().await.unwrap();
            reply.matches().len()
        }
    };
    assert_eq!(matches(READABLE_LINES_PATTERN.to_owned()).await, 1);
    assert_eq!(matches(subscription_filter_pattern(&StatusRanges::default())).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_line_is_counted_and_compared_alike() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path());
    let client = log_client(&local).await;
    let time_ms = now_ms();
    let shown = clock_time(time_ms);
    let billed = [
        line("rest", "k", &json!(time_ms.to_string())),
        line("http", "k", &json!((time_ms / 1_000).to_string())),
        line("number", "k", &json!(time_ms)),
        json!({"extendedRequestId": "long", "apiKeyId": "k", "status": "200", "requestTimeEpoch": time_ms.to_string(),
            "id": "tenant", "key": "-"})
        .to_string(),
        json!({"requestId": "text", "apiKeyId": "k", "status": 201, "requestTime": shown}).to_string(),
        json!({"requestId": "dash", "apiKeyId": "k", "status": 201, "requestTime": shown, "requestTimeEpoch": "-"})
            .to_string(),
        json!({"id": "any", "key": "k", "time": time_ms, "status": "299", "route": "ANY /orders"}).to_string(),
    ];
    let unbilled = [
        json!({"id": "1", "key": "k", "time": time_ms, "status": "200", "route": "/usage", "method": "GET"}),
        json!({"id": "2", "key": "k", "time": time_ms, "status": "200", "route": "GET /usage"}),
        json!({"id": "3", "key": "k", "time": time_ms, "status": "204", "route": "/orders", "method": "OPTIONS"}),
        json!({"id": "4", "key": "-", "time": time_ms, "status": "204", "route": "OPTIONS /{proxy+}"}),
        json!({"id": "5", "key": "-", "time": time_ms, "status": "200", "route": "/public"}),
        json!({"id": "6", "key": "k", "time": time_ms, "status": "404", "route": "/orders"}),
    ];
    let unbilled: Vec<String> = unbilled.iter().map(ToString::to_string).collect();
    put(&client, &[unbilled, billed.to_vec()].concat()).await;
    while calls_of(&local.data, "k") < billed.len() as u64 {}
    for depth in [&[][..], &["--by-key"], &["--by-identity"], &["--whole-ledger"]] {
        let found = compared(&local.data, depth);
        assert_eq!((&found["logged"], &found["counted"]), (&json!(7), &json!(7)), "{depth:?}: {found}");
        assert_eq!(found["differences"], json!([]), "{depth:?}");
    }
}

/// Returns the time in the form of `$context.requestTime`.
fn clock_time(time_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(time_ms).unwrap();
    time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// More keys than an Insights result has rows, with ids that sort differently as
/// numbers and as text.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_keys_exactly_those_are_reported_that_miss_calls() {
    const KEYS: u64 = 10_100;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let key = |number: u64| format!("key-{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let made = |from: u64, to: u64| -> Vec<String> {
        let time = json!(now_ms().to_string());
        (from..to).map(|number| line(&format!("{from}-{number}"), &key(number), &time)).collect()
    };
    let local = Local::start(&data);
    put(&log_client(&local).await, &made(0, KEYS)).await;
    // Do not wait by comparisons, because each reads every key while the totals differ.
    while calls_of(&data, &key(KEYS - 1)) == 0 {}
    while compared(&data, &[])["counted"] != KEYS {}
    let found = compared(&data, &["--by-key"]);
    assert_eq!((&found["logged"], &found["differences"]), (&json!(KEYS), &json!([])));
    drop(local);
    // Log calls of some keys that are never delivered.
    let losing = Local::start_with(&data, &["--lose-deliveries", "100"]);
    put(&log_client(&losing).await, &made(KEYS - 5, KEYS + 5)).await;
    let found = compared(&data, &[]);
    let mut missed: Vec<&str> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["api_key_id"].as_str().unwrap())
        .collect();
    let mut expected: Vec<String> = (KEYS - 5..KEYS + 5).map(key).collect();
    missed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(missed, expected);
    assert_eq!((&found["missing"], &found["surplus"]), (&json!(10), &json!(0)));
}

/// Subscribes the stream to a second log group.
async fn subscribe_second_group(local: &Local, client: &Client) {
    let config = load_local(&local.endpoint("aws_endpoint_url"), COMMAND_RETRY_POLICY).await;
    let kinesis = aws_sdk_kinesis::Client::new(&config);
    let described = kinesis.describe_stream_summary().stream_name(STREAM).send().await.unwrap();
    client.create_log_group().log_group_name(SECOND_GROUP).send().await.unwrap();
    client.create_log_stream().log_group_name(SECOND_GROUP).log_stream_name(LOG_STREAM).send().await.unwrap();
    client
        .put_subscription_filter()
        .log_group_name(SECOND_GROUP)
        .filter_name("usage")
        .filter_pattern(subscription_filter_pattern(&StatusRanges::default()))
        .destination_arn(described.stream_description_summary.unwrap().stream_arn)
        .role_arn("arn:aws:iam::123456789012:role/subscription")
        .distribution(Distribution::Random)
        .send()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_two_log_groups_are_counted_compared_and_backfilled_together() {
    let both = ["--access-log-group", ACCESS_LOG_GROUP, "--access-log-group", SECOND_GROUP];
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let made = |ids: &[&str]| -> Vec<String> {
        ids.iter().map(|id| line(id, "shared", &json!(now_ms().to_string()))).collect()
    };
    let local = Local::start(&data);
    let client = log_client(&local).await;
    subscribe_second_group(&local, &client).await;
    put(&client, &made(&["a"])).await;
    put_into(&client, SECOND_GROUP, &made(&["b", "c"])).await;
    while calls_of(&data, "shared") < 3 {}
    // Without one of the groups, its calls are surplus.
    while compared(&data, &[])["surplus"] != 2 {}
    for depth in [&[][..], &["--by-key"], &["--by-identity"], &["--whole-ledger"]] {
        let found = compared(&data, &[&both[..], depth].concat());
        assert_eq!((&found["logged"], &found["counted"]), (&json!(3), &json!(3)), "{depth:?}: {found}");
        assert_eq!(found["differences"], json!([]), "{depth:?}");
    }
    drop(local);
    let losing = Local::start_with(&data, &["--lose-deliveries", "100"]);
    let client = log_client(&losing).await;
    put(&client, &made(&["d"])).await;
    put_into(&client, SECOND_GROUP, &made(&["e", "f"])).await;
    let backfill = [&both[..], &["--backfill", "--settle-minutes", "0"]].concat();
    let found = compared(&data, &backfill);
    assert_eq!((&found["missing"], &found["surplus"]), (&json!(3), &json!(0)), "{found}");
    assert_eq!(found["backfill"]["put_back"], json!(3), "{found}");
    while compared(&data, &both)["missing"] != 0 {}
    assert_eq!(compared(&data, &both)["counted"], json!(6));
}

/// AWS does not say that an event has the same id in the log as in its delivery.
#[tokio::test(flavor = "multi_thread")]
async fn calls_without_a_request_id_are_backfilled_where_that_is_asked_for() {
    const INCLUDE: &str = "--include-lines-without-request-id";
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let unnamed = || json!({"key": "k", "time": now_ms(), "status": "200", "route": "/orders"}).to_string();
    let named = |id: &str| line(id, "k", &json!(now_ms()));
    let backfill = ["reconcile", "--hours", "2", "--with-this-hour", "--backfill", "--settle-minutes", "0"];
    let losing = Local::start_with(&data, &["--lose-deliveries", "100"]);
    put(&log_client(&losing).await, &[unnamed(), named("a"), unnamed()]).await;
    let text = stdout(&meter(&[&backfill[..], &["--data", data.to_str().unwrap()]].concat()));
    assert!(text.contains("3 of 3 calls have no owner; 1 were put on the stream"), "{text}");
    assert!(text.contains("2 calls without a request id were skipped"), "{text}");
    assert!(text.contains("No such call has an owner") && text.contains(INCLUDE), "{text}");
    while calls_of(&data, "k") != 1 {}
    drop(losing);
    // The ids are known to agree once some of these calls have been delivered.
    let local = Local::start(&data);
    put(&log_client(&local).await, &[unnamed()]).await;
    while calls_of(&data, "k") != 2 {}
    let text = stdout(&meter(&[&backfill[..], &["--data", data.to_str().unwrap()]].concat()));
    assert!(text.contains("2 of 4 calls have no owner; 0 were put on the stream"), "{text}");
    assert!(text.contains("because 1 other such calls have owners") && text.contains(INCLUDE), "{text}");
    let found = json_output(&data, &[&backfill[..], &[INCLUDE]].concat());
    let outcome = &found["backfill"];
    assert_eq!((&outcome["put_back"], &outcome["without_request_id"]), (&json!(2), &json!(0)), "{found}");
    while compared(&data, &[])["missing"] != 0 {}
    let found = json_output(&data, &[&backfill[..], &[INCLUDE]].concat());
    assert_eq!((&found["counted"], &found["backfill"]["missing"]), (&json!(4), &json!(0)), "{found}");
}
