//! The authorizer, the fan-out and the usage endpoint in the local stack, through
//! the gateway.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use bytes::Bytes;
use deployment::environment::variables;
use deployment::functions::AUTHORIZER;
use end_to_end::binaries;
use end_to_end::caller::{Caller, Headers, create_key as create};
use end_to_end::meter::assert_documented;
use http::StatusCode;
use jiff::Timestamp;
use local_stack::cloudwatch::metrics::MetricSink;
use local_stack::faults::FaultRates;
use local_stack::lambda::{Function, FunctionSpec};
use local_stack::stack::{INVALIDATIONS_FAILED_QUEUE, LocalOptions, LocalStack, USAGE_TABLE};
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::key_admin::Rotation;
use metering_aws::key_usage::usage_of_key;
use metering_aws::{KeyAdmin, Topic};
use metering_core::api_key::KeyDigest;
use metering_core::metered_key::MeteredKey;
use metering_core::stream_progress::ARRIVAL_ERROR_MS;
use metering_core::window::CallWindow;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use system_clock::now_ms;

fn options(folder: &Path) -> LocalOptions {
    let mut options = LocalOptions::new(folder.join("data"), binaries());
    options.demo_keys = 1;
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn every_denial_is_a_json_error_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path())).await.unwrap();
    let caller = Caller::new(&stack);
    let good = create(&stack, "good", |_| {}).await;
    let expired = create(&stack, "expired", |key| key.expires_at_ms = Some(now_ms())).await;
    let deleted = create(&stack, "deleted", |_| {}).await;
    stack.key_admin.delete("deleted", now_ms()).await.unwrap();
    let none_left = create(&stack, "none-left", |key| key.monthly_limit = Some(0)).await;

    let (status, headers, _) = caller.get("/status/201", &[("X-Api-Key", good.as_bytes())]).await;
    assert_eq!((status.as_u16(), headers.get("x-ratelimit-limit")), (201, None), "the key has no limit");
    let long = "k".repeat(10_240);
    let denials: [(Headers<'_>, &str); 8] = [
        (&[], "missing"),
        (&[("x-api-key", b"not-a-key")], "unknown"),
        (&[("x-api-key", expired.as_bytes())], "expired"),
        (&[("x-api-key", deleted.as_bytes())], "deleted"),
        (&[("x-api-key", none_left.as_bytes())], "over_quota"),
        (&[("x-api-key", long.as_bytes())], "malformed"),
        (&[("x-api-key", good.as_bytes()), ("x-api-key", b"another")], "malformed"),
        (&[("x-api-key", "schlüssel".as_bytes())], "malformed"),
    ];
    for (headers, reason) in denials {
        let (status, _, body) = caller.get("/status/200", headers).await;
        assert_eq!((status, &body["reason"]), (StatusCode::FORBIDDEN, &json!(reason)));
        assert!(body["message"].as_str().unwrap().ends_with('.'), "{body}");
    }
    let (status, _, _) =
        caller.get("/status/200", &[("x-api-key", good.as_bytes()), ("cookie", long.as_bytes())]).await;
    assert_eq!(status, StatusCode::OK, "other headers may be long");
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_has_two_secrets_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.sync_interval_ms = 0;
    let stack = LocalStack::start(options).await.unwrap();
    let caller = Caller::new(&stack);
    let old = create(&stack, "rotated", |_| {}).await;
    assert_eq!(caller.call(&old).await.0, StatusCode::OK);
    let rotate = async |secret: &str, overlap_ms, end_previous| {
        let digest = KeyDigest::of_secret(secret).unwrap();
        stack.key_admin.rotate("rotated", &Rotation { digest, overlap_ms, end_previous }, now_ms()).await
    };
    rotate("um_second", 3_600_000, false).await.unwrap();
    for secret in [old.as_str(), "um_second"] {
        assert_eq!(caller.call(secret).await.0, StatusCode::OK);
    }
    assert!(rotate("um_third", 1, false).await.unwrap_err().to_string().contains("is still valid"));
    // Without an overlap no earlier secret is kept, so no clock matters.
    rotate("um_third", 0, false).await.unwrap();
    for secret in [old.as_str(), "um_second"] {
        assert_eq!(caller.call(secret).await.2["reason"], "expired");
    }
    assert_eq!(caller.call("um_third").await.0, StatusCode::OK);
    let taken = rotate(&old, 0, true).await.unwrap_err().to_string();
    assert!(taken.contains("already in use"), "{taken}");
    stack.shut_down().await;
}

/// Returns the alerts on usage.
fn alerts(stack: &LocalStack) -> Vec<Value> {
    let alerts = stack.notifications.published(&stack.endpoints.alerts_topic_arn);
    alerts.iter().map(|alert| serde_json::from_str(&alert.message).unwrap()).collect()
}

/// Returns the number of calls of a key that the ledger counts today and yesterday.
async fn counted(stack: &LocalStack, key: &MeteredKey) -> u64 {
    let today = CallWindow::at(now_ms()).unwrap().day;
    let usage =
        usage_of_key(&stack.ledger_client, USAGE_TABLE, key, today.plus_days(-1), today).await.unwrap();
    usage.values().map(metering_core::usage_history::DayUsage::total).sum()
}

fn time(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<Timestamp>().unwrap().as_millisecond()
}

/// Returns the calls of all entries in an answer of the usage endpoint.
fn calls_in_entries(usage: &Value) -> u64 {
    usage["usage"].as_array().unwrap().iter().map(|entry| entry["calls"].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_ends_the_calls_is_in_headers_and_alerts_once() {
    const LIMIT: u64 = 400;
    let began_ms = now_ms();
    let folder = tempfile::tempdir().unwrap();
    let mut options = LocalOptions { shard_count: 1, ..options(folder.path()) };
    for (lifetime, value) in [(variables::USAGE_TTL_MS, "500"), (variables::USAGE_TTL_NEAR_LIMIT_MS, "100")] {
        options.authorizer_environment.push((lifetime.name.to_owned(), value.to_owned()));
    }
    let stack = LocalStack::start(options).await.unwrap();
    let secret = create(&stack, "limited", |key| {
        key.customer_id = Some("acme".to_owned());
        key.monthly_limit = Some(LIMIT);
    })
    .await;
    let callers = (0..4).map(|_| {
        let (caller, secret) = (Caller::new(&stack), secret.clone());
        tokio::spawn(async move {
            let mut admitted = 0;
            loop {
                let (status, headers, body) = caller.call(&secret).await;
                let number = |name: &str| headers[name].to_str().unwrap().parse::<u64>().unwrap();
                assert_eq!(number("x-ratelimit-limit"), LIMIT);
                if status == StatusCode::FORBIDDEN {
                    assert_eq!((&body["reason"], number("x-ratelimit-remaining")), (&json!("over_quota"), 0));
                    return admitted;
                }
                assert!(number("x-ratelimit-reset") > u64::try_from(now_ms() / 1_000).unwrap());
                admitted += 1;
            }
        })
    });
    let mut admitted = 0;
    for caller in callers.collect::<Vec<_>>() {
        admitted += caller.await.unwrap();
    }
    println!("a limit of {LIMIT}: {admitted} calls were admitted, {} over it", admitted - LIMIT);
    assert!(admitted >= LIMIT);
    stack.settled().await.unwrap();

    // Over the limit, the customer still sees its usage, and only its own.
    let caller = Caller::new(&stack);
    let (status, _, usage) = caller.get("/usage", &[("x-api-key", secret.as_bytes())]).await;
    let found = ["customer_id", "api_key_id", "calls"].map(|name| usage[name].clone());
    assert_eq!((status, found), (StatusCode::OK, [json!("acme"), json!("limited"), json!(admitted)]));
    assert_eq!((&usage["limit"]["remaining"], &usage["limit"]["used"]), (&json!(0), &json!(admitted)));
    let [last_call_ms, as_of_ms, read_at_ms] =
        ["last_call", "as_of", "read_at"].map(|name| time(&usage[name]));
    assert!(last_call_ms <= read_at_ms);
    // The last record of the only shard, which arrived after the calls began.
    assert!((began_ms - ARRIVAL_ERROR_MS..read_at_ms).contains(&as_of_ms), "{usage}");
    assert_eq!(calls_in_entries(&usage), admitted);
    assert_documented("get-usage", &usage);
    let (status, _, body) = caller.get("/usage?api_key_id=key-1", &[("x-api-key", secret.as_bytes())]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    assert_eq!(caller.get("/usage", &[]).await.2["reason"], "missing");

    // Neither calls of /usage nor denied calls are billed.
    stack.settled().await.unwrap();
    let key = MeteredKey { customer_id: Some("acme".into()), api_key_id: "limited".into() };
    assert_eq!(counted(&stack, &key).await, admitted);

    let messages = alerts(&stack);
    let percents: Vec<&Value> = messages.iter().map(|alert| &alert["threshold_percent"]).collect();
    assert_eq!(percents, [80, 100], "{messages:?}");
    assert_eq!((&messages[0]["api_key_id"], &messages[0]["usage_limit"]), (&json!("limited"), &json!(LIMIT)));
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_reply_is_lost_or_throttled_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.demo_keys = 0;
    options.faults = FaultRates { throttled_write: 0.2, lost_reply: 0.3, ..FaultRates::default() };
    let stack = LocalStack::start(options).await.unwrap();
    for number in 0..20 {
        let id = format!("key-{number}");
        create(&stack, &id, |_| {}).await;
        let digest = KeyDigest::of_secret(&format!("um_second-{number}")).unwrap();
        let rotation = Rotation { digest, overlap_ms: 60_000, end_previous: false };
        stack.key_admin.rotate(&id, &rotation, now_ms()).await.unwrap();
        let changed = stack.key_admin.delete(&id, now_ms()).await.unwrap();
        assert_eq!(changed.key.version, 2 * (number + 1), "the log has exactly two entries for each key");
    }
    assert!(stack.key_admin.store().list().await.unwrap().iter().all(|key| key.deleted_at_ms.is_some()));
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_without_any_reply_is_recognised_from_the_key() {
    for torn_transaction in [0.0, 1.0] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path());
        options.demo_keys = 0;
        options.faults = FaultRates { lost_reply: 1.0, torn_transaction, ..FaultRates::default() };
        let stack = LocalStack::start(options).await.unwrap();
        create(&stack, "key-1", |_| {}).await;
        let digest = KeyDigest::of_secret("um_second").unwrap();
        let rotation = Rotation { digest, overlap_ms: 0, end_previous: false };
        let rotated = stack.key_admin.rotate("key-1", &rotation, now_ms()).await.unwrap().key;
        assert_eq!((rotated.digest, rotated.previous, rotated.version), (Some(digest), None, 1));
        let deleted = stack.key_admin.delete("key-1", now_ms()).await.unwrap();
        assert_eq!(deleted.key.version, 2, "each change is made once");
        stack.shut_down().await;
    }
}

async fn publish_deletion(stack: &LocalStack, key_id: &str) {
    let clients = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    let topic =
        Topic::new(aws_sdk_sns::Client::new(&clients), stack.endpoints.invalidations_topic_arn.clone());
    let admin = KeyAdmin::new(stack.key_admin.store().clone(), topic);
    assert!(admin.delete(key_id, now_ms()).await.unwrap().message.is_published());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_caches_answers_is_flushed_by_the_fan_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.authorizer_cache_ttl_ms = 3_600_000;
    let stack = LocalStack::start(options).await.unwrap();
    let caller = Caller::new(&stack);
    let secret = create(&stack, "cached", |_| {}).await;
    assert_eq!(caller.call(&secret).await.0, StatusCode::OK);
    stack.key_admin.update("cached", now_ms(), |key| key.plan = "gold".to_owned()).await.unwrap();
    stack.authorizer.shut_down();
    assert_eq!(caller.call(&secret).await.0, StatusCode::OK, "the gateway answers from its cache");
    assert!(stack.authorizer.process_ids().is_empty());
    publish_deletion(&stack, "cached").await;
    let mut reason = Value::Null;
    while reason != "deleted" {
        reason = caller.call(&secret).await.2["reason"].clone();
    }
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_function_takes_is_kept_in_the_dead_letter_queue() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path())).await.unwrap();
    let clients = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    let topic =
        Topic::new(aws_sdk_sns::Client::new(&clients), stack.endpoints.invalidations_topic_arn.clone());
    topic.publish("nonsense", "this names no key").await.unwrap();
    let sqs = aws_sdk_sqs::Client::new(&clients);
    let url =
        sqs.get_queue_url().queue_name(INVALIDATIONS_FAILED_QUEUE).send().await.unwrap().queue_url.unwrap();
    let kept = loop {
        let received =
            sqs.receive_message().queue_url(&url).send().await.unwrap().messages.unwrap_or_default();
        if let Some(message) = received.into_iter().next() {
            break message.body.unwrap();
        }
    };
    assert!(kept.contains("this names no key"), "{kept}");
    stack.shut_down().await;
}

/// Starts the function's binary, with DynamoDB at this address.
fn authorizer(folder: &Path, aws_endpoint_url: &str) -> Function {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = vec![
        variable("AWS_ENDPOINT_URL", aws_endpoint_url),
        variable("AWS_REGION", "us-east-1"),
        variable("AWS_ACCESS_KEY_ID", "local"),
        variable("AWS_SECRET_ACCESS_KEY", "local"),
        variable(variables::KEYS_TABLE.name, "keys"),
        variable(variables::INVALIDATIONS_TABLE.name, "invalidations"),
        variable(variables::USAGE_TABLE.name, "usage"),
        variable(variables::ALERTS_TABLE.name, "alerts"),
        variable(variables::ALERTS_TOPIC_ARN.name, "arn:aws:sns:us-east-1:1:alerts"),
    ];
    let spec = FunctionSpec {
        name: AUTHORIZER.to_owned(),
        version: "1".to_owned(),
        binary: binaries().join(AUTHORIZER),
        environment,
        timeout_ms: 9_000,
        max_environments: 1,
        spreads: false,
        memory_mib: 256,
        limits_memory: true,
    };
    Function::new(spec, Arc::new(MetricSink::open(folder).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_or_silent_dynamodb_admits_nothing_and_is_reported_in_time() {
    let folder = tempfile::tempdir().unwrap();
    // A port that is taken and on which nobody listens.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    // This address accepts connections and never responds.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for address in [closed.local_addr().unwrap(), silent.local_addr().unwrap()] {
        let function = authorizer(folder.path(), &format!("http://{address}"));
        let event = json!({"type": "REQUEST", "methodArn": "arn:aws:execute-api:r:1:api/prod/GET/x",
            "headers": {"x-api-key": "um_the-secret"}});
        let error = function.invoke(Bytes::from(event.to_string())).await.unwrap_err().to_string();
        assert!(error.contains("could not be completed now") && !error.contains("um_the-secret"), "{error}");
        let missing =
            json!({"type": "REQUEST", "methodArn": "arn:aws:execute-api:r:1:api/prod/GET/x", "headers": {}});
        let answer = function.invoke(Bytes::from(missing.to_string())).await.unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("\"Deny\""));
        function.shut_down();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_events_are_errors_and_the_instance_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path())).await.unwrap();
    let secret = &stack.keys[0].api_key;
    let arn = "arn:aws:execute-api:us-east-1:1:api/prod/GET/x";
    for event in [
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        format!("\"{secret}\""),
        json!({"type": "TOKEN", "authorizationToken": secret, "methodArn": arn}).to_string(),
        json!({"type": "REQUEST", "headers": {"x-api-key": secret}}).to_string(),
        json!({"type": "REQUEST", "methodArn": "nonsense", "headers": {"x-api-key": secret}}).to_string(),
        json!({"type": "REQUEST", "methodArn": arn, "headers": secret}).to_string(),
        json!({"Records": [{"Sns": {"Message": secret}}]}).to_string(),
        json!({"Records": "x"}).to_string(),
        format!("{{\"type\":\"REQUEST\",\"headers\":{{\"x-api-key\":\"{secret}\""),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        String::new(),
    ] {
        let error = stack.authorizer.invoke(Bytes::from(event.clone())).await.unwrap_err().to_string();
        assert!(!error.contains(secret), "{error}");
    }
    let processes = stack.authorizer.process_ids();
    assert_eq!(processes.len(), 1, "the process is never replaced");
    let caller = Caller::new(&stack);
    assert_eq!(caller.call(secret).await.0, StatusCode::OK);
    assert_eq!(stack.authorizer.process_ids(), processes);
    let log = std::fs::read_to_string(folder.path().join("data/functions.log")).unwrap();
    assert!(!log.contains(secret));
    stack.shut_down().await;
}
