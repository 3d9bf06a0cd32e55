//! Calls of an HTTP API and of a REST API: the responses, the access-log lines and
//! the counts.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use deployment::environment::variables;
use std::path::Path;

use access_log::log_format::ApiKind;
use end_to_end::caller::{Caller, Headers, create_key};
use end_to_end::calls::usage_by_key_id;
use end_to_end::{binaries, calls};
use http::{Method, StatusCode};
use local_stack::stack::{LocalOptions, LocalStack};
use metering_aws::QuarantineQueue;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::quarantine_queue::{Fate, Receiving};
use metering_core::usage_history::DayUsage;
use serde_json::{Value, json};
use system_clock::now_ms;

const KINDS: [ApiKind; 2] = [ApiKind::Rest, ApiKind::Http];

fn options(folder: &Path, kind: ApiKind) -> LocalOptions {
    let mut options = LocalOptions::new(folder.join("data"), binaries());
    options.demo_keys = 0;
    options.sync_interval_ms = 0;
    options.api_kind = kind;
    options
}

async fn counted(stack: &LocalStack) -> Vec<(String, u64)> {
    let usage = usage_by_key_id(&stack.ledger_client).await;
    let total = |days: Vec<DayUsage>| days.iter().map(DayUsage::total).sum();
    usage.into_iter().map(|(key, days)| (key, total(days.into_values().collect()))).collect()
}

/// Returns the lines of the access log.
fn logged(stack: &LocalStack) -> Vec<String> {
    let last = *stack.log_group.last_id().borrow();
    let events = stack.log_group.read(0, last, 10_000).unwrap();
    events.into_iter().map(|event| event.message).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_calls_are_counted_alike_by_either_kind_of_api() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let stack = LocalStack::start(options(folder.path(), kind)).await.unwrap();
        let caller = Caller::new(&stack);
        let secret = create_key(&stack, "key-1", |_| {}).await;
        let key: Headers<'_> = &[("x-api-key", secret.as_bytes())];
        let began_ms = now_ms();
        for (method, path, headers, status) in [
            (Method::GET, "/status/200", key, 200),
            (Method::POST, "/status/201", key, 201),
            (Method::GET, "/status/404", key, 404),
            (Method::GET, "/usage", key, 200),
            (Method::GET, "/usage?from=2026-13-01", key, 400),
            (Method::OPTIONS, "/status/204", &[], 204),
            (Method::OPTIONS, "/status/204", key, 204),
            (Method::GET, "/public/status/200", &[], 200),
            (Method::GET, "/status/299", key, 299),
        ] {
            let (answered, _, body) = caller.send(method.clone(), path, headers).await;
            assert_eq!(answered.as_u16(), status, "{kind} {method} {path}: {body}");
        }
        stack.settled().await.unwrap();
        assert_eq!(counted(&stack).await, [("key-1".to_owned(), 3)], "{kind}");
        let metric = |name| stack.metrics.count(name);
        assert_eq!(
            (metric("BillableCalls"), metric("SkippedUnbilled")),
            (3, 3),
            "{kind}: a call of /usage and two preflights"
        );
        assert_eq!(
            (metric("SkippedNoApiKey"), metric("QuarantinedEvents")),
            (1, 0),
            "{kind}: the public call"
        );

        let lines: Vec<Value> =
            logged(&stack).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let routes: Vec<&str> = lines.iter().map(|line| line["route"].as_str().unwrap()).collect();
        let (usage, preflight, public, other) = match kind {
            ApiKind::Rest => ("/usage", "/{proxy+}", "/public/{proxy+}", "/{proxy+}"),
            ApiKind::Http => ("GET /usage", "OPTIONS /{proxy+}", "ANY /public/{proxy+}", "$default"),
        };
        assert_eq!(
            routes,
            [other, other, other, usage, usage, preflight, preflight, public, other],
            "{kind}"
        );
        let unit_ms = if kind == ApiKind::Rest { 1 } else { 1_000 };
        for line in &lines {
            let time: i64 = line["time"].as_str().unwrap().parse().unwrap();
            assert!((began_ms / unit_ms..=now_ms() / unit_ms).contains(&time), "{kind}: {line}");
        }
        stack.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_billed_responses_are_counted_by_either_kind_of_api() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), kind);
        options.access_log_fields.response_length = true;
        let stack = LocalStack::start(options).await.unwrap();
        let caller = Caller::new(&stack);
        let secret = create_key(&stack, "key-1", |_| {}).await;
        let key: Headers<'_> = &[("x-api-key", secret.as_bytes())];
        let mut received = Vec::new();
        for path in ["/status/200", "/status/201", "/status/404", "/status/204"] {
            let (status, headers, _) = caller.get(path, key).await;
            let length = headers.get("content-length").map_or("0", |length| length.to_str().unwrap());
            received.push((status, length.parse::<u64>().unwrap()));
        }
        let is_billed = |(status, _): &&(StatusCode, u64)| status.is_success();
        let bytes: u64 = received.iter().filter(is_billed).map(|(_, bytes)| bytes).sum();
        assert!(
            bytes > 0 && received.iter().all(|(status, bytes)| *status == 204 || *bytes > 0),
            "{received:?}"
        );
        stack.settled().await.unwrap();
        let (_, _, usage) = caller.get("/usage?by=total", key).await;
        let counted = [&usage["calls"], &usage["response_bytes"], &usage["usage"][0]["response_bytes"]];
        assert_eq!(counted, [&json!(3), &json!(bytes), &json!(bytes)], "{kind}: {received:?}");
        let lines = logged(&stack);
        let logged = |line: &String| serde_json::from_str::<Value>(line).unwrap()["bytes"].clone();
        let expected: Vec<Value> = received.iter().map(|(_, bytes)| json!(bytes.to_string())).collect();
        assert_eq!(lines[..4].iter().map(logged).collect::<Vec<_>>(), expected, "{kind}");
        stack.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_key_is_refused_unasked_and_no_denial_has_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let stack = LocalStack::start(options(folder.path(), ApiKind::Http)).await.unwrap();
    let caller = Caller::new(&stack);
    let none: [Headers<'_>; 2] = [&[], &[("x-api-key", b"")]];
    for headers in none {
        for path in ["/status/200", "/usage"] {
            let (status, _, body) = caller.get(path, headers).await;
            assert_eq!(
                (status, body),
                (StatusCode::UNAUTHORIZED, json!({"message": "Unauthorized"})),
                "{path}"
            );
        }
    }
    assert!(stack.authorizer.process_ids().is_empty(), "the authorizer was not invoked");

    let secret = create_key(&stack, "key-1", |key| key.monthly_limit = Some(7)).await;
    let spent = create_key(&stack, "key-2", |key| key.monthly_limit = Some(0)).await;
    let gone = create_key(&stack, "key-3", |_| {}).await;
    assert_eq!(caller.call(&gone).await.0, StatusCode::OK);
    stack.key_admin.delete("key-3", now_ms()).await.unwrap();
    let twice: Headers<'_> = &[("x-api-key", secret.as_bytes()), ("x-api-key", secret.as_bytes())];
    let denials: [Headers<'_>; 4] = [
        &[("x-api-key", b"nobody's")],
        &[("x-api-key", spent.as_bytes())],
        &[("x-api-key", gone.as_bytes())],
        // Both values arrive as one text, which is not a key.
        twice,
    ];
    for headers in denials {
        let (status, answered, body) = caller.get("/status/200", headers).await;
        assert_eq!((status, body), (StatusCode::FORBIDDEN, json!({"message": "Forbidden"})));
        assert!(answered.contains_key("apigw-requestid") && !answered.contains_key("x-ratelimit-limit"));
    }
    // Over the limit, the customer still sees its usage.
    let (status, _, usage) = caller.get("/usage", &[("x-api-key", spent.as_bytes())]).await;
    assert_eq!(
        (status, &usage["api_key_id"], &usage["limit"]["monthly_limit"]),
        (StatusCode::OK, &json!("key-2"), &json!(0))
    );
    stack.settled().await.unwrap();
    assert_eq!(counted(&stack).await, [("key-3".to_owned(), 1)]);
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_api_takes_policies_where_it_has_no_simple_responses() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), ApiKind::Http);
    options.http_api_simple_responses = false;
    let stack = LocalStack::start(options).await.unwrap();
    let caller = Caller::new(&stack);
    let secret = create_key(&stack, "key-1", |_| {}).await;
    let spent = create_key(&stack, "key-2", |key| key.monthly_limit = Some(0)).await;
    assert_eq!(caller.call(&secret).await.0, StatusCode::OK);
    assert_eq!(caller.call(&spent).await.0, StatusCode::FORBIDDEN);
    assert_eq!(caller.get("/usage", &[("x-api-key", spent.as_bytes())]).await.0, StatusCode::OK);
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_form_that_is_not_set_up_admits_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), ApiKind::Http);
    let setting = (variables::HTTP_API_SIMPLE_RESPONSES.name.to_owned(), "false".to_owned());
    options.authorizer_environment.push(setting);
    let stack = LocalStack::start(options).await.unwrap();
    let secret = create_key(&stack, "key-1", |_| {}).await;
    let (status, _, body) = Caller::new(&stack).call(&secret).await;
    assert_eq!(
        (status, body),
        (StatusCode::INTERNAL_SERVER_ERROR, json!({"message": "Internal Server Error"}))
    );
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_api_has_no_other_method_of_usage_and_needs_a_key_for_what_it_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), ApiKind::Rest);
    options.authorizer_cache_ttl_ms = 60_000;
    let stack = LocalStack::start(options).await.unwrap();
    let caller = Caller::new(&stack);
    let secret = create_key(&stack, "key-1", |_| {}).await;
    let (status, _, body) = caller.send(Method::POST, "/usage", &[("x-api-key", secret.as_bytes())]).await;
    assert_eq!((status, body), (StatusCode::FORBIDDEN, json!({"message": "Missing Authentication Token"})));
    let (status, _, body) = caller.get("/status/200", &[]).await;
    assert_eq!((status, body), (StatusCode::UNAUTHORIZED, json!({"message": "Unauthorized"})));
    assert_eq!(caller.call(&secret).await.0, StatusCode::OK);
    stack.shut_down().await;
}

/// API Gateway promises no escaping, so a key id with a quote breaks the lines of
/// its calls.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_key_whose_id_breaks_the_line_are_kept_in_quarantine() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let stack = LocalStack::start(options(folder.path(), kind)).await.unwrap();
        let caller = Caller::new(&stack);
        let good = create_key(&stack, "key-1", |_| {}).await;
        let odd = create_key(&stack, r#"7"-inch"#, |_| {}).await;
        for secret in [&good, &odd, &odd] {
            assert_eq!(caller.call(secret).await.0, StatusCode::OK);
        }
        stack.settled().await.unwrap();
        assert_eq!(counted(&stack).await, [("key-1".to_owned(), 1)]);
        assert_eq!(stack.metrics.count("QuarantinedEvents"), 2, "{kind}");
        let config = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let queue = QuarantineQueue::new(sqs, &stack.endpoints.quarantine_queue_url);
        let mut reasons = Vec::new();
        let visit = async |record: metering_aws::quarantine_queue::KeptRecord| {
            reasons.push(record.reason.clone());
            Fate::Leave
        };
        queue.pass(Receiving { wait_s: 1, visibility_timeout_s: 600 }, visit).await.unwrap();
        assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason == "line-not-json"), "{reasons:?}");
        stack.shut_down().await;
    }
}

/// Request times of an HTTP API are in seconds. Calls of the same second are still distinguished.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_calls_of_an_http_api_are_counted_once_also_when_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = calls::options(folder.path(), 20);
    options.api_kind = ApiKind::Http;
    let mut stack = LocalStack::start(options).await.unwrap();
    let sent = calls::send_calls(&stack, 10_000, std::sync::Arc::default()).await;
    stack.settled().await.unwrap();
    calls::assert_ledger_equals(&stack, &sent).await;
    let before = calls::ledger_rows(&stack).await;
    stack.replay_from_trim_horizon().await.unwrap();
    stack.settled().await.unwrap();
    assert_eq!(calls::ledger_rows(&stack).await, before);
    stack.shut_down().await;
}
