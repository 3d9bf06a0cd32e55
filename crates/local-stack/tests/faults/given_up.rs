//! Records that the event source mapping gives up, in the format of Lambda.

use aws_sdk_kinesis::primitives::Blob;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use local_stack::stack::{LocalOptions, LocalStack, STREAM, given_up_bucket};
use regex::Regex;
use serde_json::{Value, json};

use crate::probe_stack::{functions, options};

/// A client whose credential scope contains S3, as that of every AWS SDK does.
struct S3 {
    endpoint: String,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl S3 {
    fn new(stack: &LocalStack) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { endpoint: stack.endpoints.aws_endpoint_url.clone(), client }
    }

    /// Sends a request for a path below the bucket. Returns the status and the body.
    async fn send(&self, method: Method, path: &str, header: Option<(&str, &str)>) -> (u16, String) {
        let scope = "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.endpoint))
            .header("authorization", scope);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let response = self.client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn list(&self, parameters: &str) -> String {
        let path = format!("{}?list-type=2&prefix=aws%2Flambda%2F{parameters}", given_up_bucket());
        let (status, listing) = self.send(Method::GET, &path, None).await;
        assert_eq!(status, 200, "{listing}");
        listing
    }

    /// Returns the key and the JSON of all objects.
    async fn objects(&self) -> Vec<(String, Value)> {
        let listing = self.list("").await;
        let mut found = Vec::new();
        for (key, size) in texts(&listing, "Key").into_iter().zip(texts(&listing, "Size")) {
            let path = format!("{}/{key}?x-id=GetObject", given_up_bucket());
            let (status, content) = self.send(Method::GET, &path, None).await;
            assert_eq!((status, content.len().to_string()), (200, size), "{key}");
            found.push((key, serde_json::from_str(&content).unwrap()));
        }
        found
    }
}

/// Returns the texts of all elements with this name.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).map(|rest| rest.split(&close).next().unwrap().to_owned()).collect()
}

/// Returns the options of a stack whose consumer fails on every batch that contains `poison`.
fn poisoned(folder: &std::path::Path) -> LocalOptions {
    let mut options = options(folder);
    options.binaries = functions(folder, "picky_function");
    options.shard_count = 1;
    options.batch_window_ms = 50;
    options
}

async fn put(stack: &LocalStack, data: &[&str]) {
    for data in data {
        let put = stack.kinesis_client.put_record().stream_name(STREAM).partition_key("p");
        put.data(Blob::new(*data)).send().await.unwrap();
    }
}

fn data_of(record: &Value) -> Vec<String> {
    let event: Value = serde_json::from_str(record["payload"].as_str().unwrap()).unwrap();
    let data = |record: &Value| STANDARD.decode(record["kinesis"]["data"].as_str().unwrap()).unwrap();
    let records = event["Records"].as_array().unwrap().iter();
    records.map(|record| String::from_utf8_lossy(&data(record)).into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_an_invocation_record_with_its_event_as_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = poisoned(folder.path());
    options.max_retries = Some(2);
    let stack = LocalStack::start(options).await.unwrap();
    put(&stack, &["good", "poison"]).await;
    stack.settled().await.unwrap();
    let found = S3::new(&stack).objects().await;
    assert_eq!(found.len(), 1, "{found:?}");
    let (key, record) = &found[0];
    let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
    let form = format!(
        r"^aws/lambda/{uuid}/shardId-000000000000/\d{{4}}/\d\d/\d\d/\d{{4}}-\d\d-\d\dT\d\d\.\d\d\.\d\d-{uuid}$"
    );
    assert!(Regex::new(&form).unwrap().is_match(key), "{key}");
    assert_eq!(data_of(record), ["poison"]);
    let event: Value = serde_json::from_str(record["payload"].as_str().unwrap()).unwrap();
    let sequence_number = &event["Records"][0]["kinesis"]["sequenceNumber"];
    let info = &record["KinesisBatchInfo"];
    assert_eq!(info["startSequenceNumber"], *sequence_number);
    assert_eq!(info["endSequenceNumber"], *sequence_number);
    assert_eq!(
        (&info["shardId"], &info["batchSize"], &info["streamArn"]),
        (&json!("shardId-000000000000"), &json!(1), &event["Records"][0]["eventSourceARN"])
    );
    let context = &record["requestContext"];
    assert_eq!(context["condition"], "RetryAttemptsExhausted");
    assert_eq!(context["approximateInvokeCount"], 3, "one invocation and two retries");
    let function = "arn:aws:lambda:us-east-1:123456789012:function:usage-consumer:live";
    assert_eq!(context["functionArn"], function);
    let response = json!({"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"});
    assert_eq!(record["responseContext"], response);
    assert_eq!(record["version"], "1.0");
    let time = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$").unwrap();
    for value in [
        &record["timestamp"],
        &info["approximateArrivalOfFirstRecord"],
        &info["approximateArrivalOfLastRecord"],
    ] {
        assert!(time.is_match(value.as_str().unwrap()), "{value}");
    }
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_too_old_are_given_up_uninvoked() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = poisoned(folder.path());
    let stack = LocalStack::start(options.clone()).await.unwrap();
    put(&stack, &["poison", "poison"]).await;
    stack.shut_down().await;

    options.max_record_age_ms = Some(0);
    let stack = LocalStack::start(options).await.unwrap();
    stack.settled().await.unwrap();
    let mut found = S3::new(&stack).objects().await;
    found.retain(|(_, record)| data_of(record).contains(&"poison".to_owned()));
    assert!(!found.is_empty());
    for (_, record) in &found {
        assert_eq!(record["requestContext"]["condition"], "RecordAgeExceeded");
        assert_eq!(record["requestContext"]["approximateInvokeCount"], 0);
        assert!(record.get("responseContext").is_none());
    }
    let data = found.iter().flat_map(|(_, record)| data_of(record));
    assert_eq!(data.filter(|data| data == "poison").count(), 2);
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_listed_page_by_page_and_deleted_and_everything_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = poisoned(folder.path());
    options.max_retries = Some(0);
    let stack = LocalStack::start(options.clone()).await.unwrap();
    put(&stack, &["poison 1", "good", "poison 2", "poison 3"]).await;
    stack.settled().await.unwrap();
    stack.shut_down().await;

    let stack = LocalStack::start(options).await.unwrap();
    let s3 = S3::new(&stack);
    let all: Vec<String> = s3.objects().await.into_iter().map(|(key, _)| key).collect();
    assert!(!all.is_empty() && all.is_sorted(), "{all:?}");
    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let page = s3.list(&format!("&max-keys=1{token}")).await;
        assert_eq!(texts(&page, "KeyCount"), ["1"]);
        paged.extend(texts(&page, "Key"));
        let Some(next) = texts(&page, "NextContinuationToken").pop() else { break };
        token = format!("&continuation-token={next}");
    }
    assert_eq!(paged, all);
    let bucket = given_up_bucket();
    // The second deletion of each object succeeds as well, as in S3.
    for key in all.iter().chain(&all) {
        let path = format!("{bucket}/{key}");
        assert_eq!(s3.send(Method::DELETE, &path, None).await, (204, String::new()));
    }
    assert!(s3.objects().await.is_empty());
    let object = format!("{bucket}/{}", all[0]);
    refused(&s3, Method::GET, &object, None, (404, "NoSuchKey")).await;
    refused(&s3, Method::GET, "another?list-type=2", None, (404, "NoSuchBucket")).await;
    let range = Some(("range", "bytes=0-1"));
    refused(&s3, Method::GET, &object, range, (501, "NotImplemented")).await;
    let not_offered = [
        (Method::PUT, object.clone()),
        (Method::GET, format!("{object}?versionId=1")),
        (Method::GET, format!("{bucket}?list-type=2&delimiter=%2F")),
        (Method::GET, bucket.clone()),
        (Method::DELETE, bucket.clone()),
        (Method::GET, format!("{bucket}/%2E%2E/x")),
        (Method::GET, String::new()),
    ];
    for (method, path) in not_offered {
        refused(&s3, method, &path, None, (501, "NotImplemented")).await;
    }
    stack.shut_down().await;
}

async fn refused(
    s3: &S3,
    method: Method,
    path: &str,
    header: Option<(&str, &str)>,
    (status, code): (u16, &str),
) {
    let (found, error) = s3.send(method, path, header).await;
    assert_eq!((found, texts(&error, "Code")), (status, vec![code.to_owned()]), "{path}: {error}");
}
