//! The AWS endpoint over HTTP: protocols, errors, request ids, account and region.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use bytes::Bytes;
use ciborium::Value as Cbor;
use common::start_aws_endpoint;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use local_stack::stack::given_up_bucket;
use serde_json::{Value, json};
use system_clock::now_ms;

struct Endpoint {
    url: String,
    _folder: tempfile::TempDir,
}

struct TestResponse {
    status: u16,
    headers: http::HeaderMap,
    body: Bytes,
}

impl TestResponse {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    fn cbor(&self) -> Cbor {
        ciborium::from_reader(&*self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Endpoint {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: start_aws_endpoint(folder.path()).await, _folder: folder }
    }

    async fn send(
        &self,
        service: &str,
        region: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> TestResponse {
        let method = if service == "s3" { "GET" } else { "POST" };
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=local/20261124/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", scope);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client: legacy::Client<_, Full<Bytes>> =
            legacy::Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        TestResponse { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Sends a request in the JSON protocol.
    async fn json(&self, service: &str, target: &str, request: Value) -> TestResponse {
        let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")];
        self.send(service, "us-east-1", "/", &headers, request.to_string().into()).await
    }

    /// Sends a request in the query protocol.
    async fn form(&self, service: &str, form: &str) -> TestResponse {
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        self.send(service, "us-east-1", "/", &headers, form.into()).await
    }

    async fn kinesis_cbor(&self, operation: &str, request: &Cbor) -> TestResponse {
        let target = format!("Kinesis_20131202.{operation}");
        let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-cbor-1.1")];
        self.send("kinesis", "us-east-1", "/", &headers, bytes(request)).await
    }

    async fn cloudwatch_cbor(&self, operation: &str, request: &Cbor) -> TestResponse {
        let path = format!("/service/GraniteServiceVersion20100801/operation/{operation}");
        let headers = [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")];
        self.send("monitoring", "us-east-1", &path, &headers, bytes(request)).await
    }
}

fn bytes(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn map<const N: usize>(members: [(&str, Cbor); N]) -> Cbor {
    Cbor::Map(members.map(|(name, value)| (Cbor::from(name), value)).into())
}

fn member<'a>(value: &'a Cbor, name: &str) -> &'a Cbor {
    let members = value.as_map().unwrap();
    &members
        .iter()
        .find(|(found, _)| found.as_text() == Some(name))
        .unwrap_or_else(|| panic!("{name} is missing in {value:?}"))
        .1
}

#[tokio::test]
async fn every_answer_has_the_id_of_its_request_also_an_error() {
    let endpoint = Endpoint::start().await;
    let responses = [
        endpoint.json("kinesis", "Kinesis_20131202.ListStreams", json!({})).await,
        endpoint.json("kinesis", "Kinesis_20131202.DescribeStream", json!({"StreamName": "none"})).await,
        endpoint.json("sqs", "AmazonSQS.ListQueues", json!({})).await,
        endpoint.json("sqs", "AmazonSQS.Unknown", json!({})).await,
        endpoint.json("logs", "Logs_20140328.Unknown", json!({})).await,
        endpoint.json("monitoring", "GraniteServiceVersion20100801.ListMetrics", json!({})).await,
        endpoint.form("sns", "Action=ListTopics&Version=2010-03-31").await,
        endpoint.form("sns", "Action=Nothing").await,
        endpoint.form("sts", "Action=GetCallerIdentity&Version=2011-06-15").await,
        endpoint.json("unheard", "", json!({})).await,
    ];
    let mut ids: Vec<&str> = responses.iter().map(|response| response.header("x-amzn-requestid")).collect();
    assert!(ids.iter().all(|id| id.len() == 36), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), responses.len(), "each response has a unique id");
    let s3 = endpoint.send("s3", "us-east-1", "/no-bucket/key", &[], Vec::new()).await;
    assert_eq!((s3.status, s3.header("x-amz-request-id").len()), (404, 36));
    assert!(s3.text().contains(&format!("<RequestId>{}</RequestId>", s3.header("x-amz-request-id"))));
    let sns = &responses[6];
    assert!(sns.text().contains(&format!("<RequestId>{}</RequestId>", sns.header("x-amzn-requestid"))));
}

#[tokio::test]
async fn parameters_that_are_not_understood_are_refused_by_every_service_as_it_does() {
    let endpoint = Endpoint::start().await;
    let refused = [
        (
            endpoint.json("kinesis", "Kinesis_20131202.ListStreams", json!({"Order": 1})).await,
            "ValidationException",
        ),
        (
            endpoint.json("sqs", "AmazonSQS.ListQueues", json!({"Order": 1})).await,
            "com.amazonaws.sqs#InvalidParameterValue",
        ),
        (
            endpoint
                .json("monitoring", "GraniteServiceVersion20100801.ListMetrics", json!({"Order": 1}))
                .await,
            "InvalidParameterValue",
        ),
    ];
    for (response, code) in refused {
        assert_eq!((response.status, &response.json()["__type"]), (400, &json!(code)));
        assert!(
            response.json()["message"].as_str().unwrap().contains("the parameter Order of"),
            "{}",
            response.text()
        );
    }
    for (service, form, code) in [
        ("sns", "Action=ListTopics&Order=1", "InvalidParameter"),
        (
            "sns",
            "Action=CreateTopic&Name=t&Attributes.entry.1.key=FifoTopic&Attributes.entry.1.value=true",
            "InvalidParameter",
        ),
        ("sts", "Action=GetCallerIdentity&Order=1", "ValidationError"),
        ("monitoring", "Action=ListMetrics&Order=1", "InvalidParameterValue"),
    ] {
        let response = endpoint.form(service, form).await;
        assert!(
            response.status == 400 && response.text().contains(&format!("<Code>{code}</Code>")),
            "{}",
            response.text()
        );
    }
    let listing = endpoint
        .send("s3", "us-east-1", &format!("/{}?list-type=2&order=1", given_up_bucket()), &[], Vec::new())
        .await;
    assert!(
        listing.status == 501 && listing.text().contains("the parameter order of ListObjectsV2"),
        "{}",
        listing.text()
    );
    let owner = [("x-amz-expected-bucket-owner", "1")];
    let listing = endpoint
        .send("s3", "us-east-1", &format!("/{}?list-type=2", given_up_bucket()), &owner, Vec::new())
        .await;
    assert!(
        listing.status == 501 && listing.text().contains("x-amz-expected-bucket-owner"),
        "{}",
        listing.text()
    );
}

#[tokio::test]
async fn the_caller_is_of_one_account_and_there_is_one_region() {
    let endpoint = Endpoint::start().await;
    let identity = endpoint.form("sts", "Action=GetCallerIdentity&Version=2011-06-15").await.text();
    assert!(identity.contains("<Account>123456789012</Account>"), "{identity}");
    assert!(identity.contains("<Arn>arn:aws:iam::123456789012:user/local</Arn>"), "{identity}");
    endpoint
        .json("kinesis", "Kinesis_20131202.CreateStream", json!({"StreamName": "s", "ShardCount": 1}))
        .await;
    let stream = endpoint
        .json("kinesis", "Kinesis_20131202.DescribeStreamSummary", json!({"StreamName": "s"}))
        .await
        .json();
    let arn = &stream["StreamDescriptionSummary"]["StreamARN"];
    assert_eq!(arn, "arn:aws:kinesis:us-east-1:123456789012:stream/s");
    let queue = endpoint.json("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": "q"})).await.json();
    assert!(queue["QueueUrl"].as_str().unwrap().ends_with("/123456789012/q"));
    let attributes = json!({"QueueUrl": queue["QueueUrl"], "AttributeNames": ["QueueArn"]});
    let attributes = endpoint.json("sqs", "AmazonSQS.GetQueueAttributes", attributes).await.json();
    assert_eq!(attributes["Attributes"]["QueueArn"], "arn:aws:sqs:us-east-1:123456789012:q");
    let topic = endpoint.form("sns", "Action=CreateTopic&Name=t").await.text();
    assert!(topic.contains("<TopicArn>arn:aws:sns:us-east-1:123456789012:t</TopicArn>"), "{topic}");

    for (service, code) in [
        ("kinesis", "InvalidSignatureException"),
        ("sts", "SignatureDoesNotMatch"),
        ("s3", "AuthorizationHeaderMalformed"),
    ] {
        let response = endpoint.send(service, "eu-west-1", "/", &[], Vec::new()).await.text();
        assert!(
            response.contains(code) && response.contains("the local stack is in us-east-1"),
            "{response}"
        );
    }
    let other = endpoint.json("unheard", "", json!({})).await;
    assert!(
        other.status == 404 && other.text().contains("this request is for \\\"unheard\\\""),
        "{}",
        other.text()
    );
}

#[tokio::test]
async fn kinesis_is_spoken_to_in_cbor() {
    let endpoint = Endpoint::start().await;
    let created = map([("StreamName", "s".into()), ("ShardCount", 1.into())]);
    assert_eq!(endpoint.kinesis_cbor("CreateStream", &created).await.status, 200);
    let put = map([
        ("StreamName", "s".into()),
        ("PartitionKey", "p".into()),
        ("Data", Cbor::Bytes(b"\0xyz".to_vec())),
    ]);
    let put = endpoint.kinesis_cbor("PutRecord", &put).await;
    assert_eq!(put.header("content-type"), "application/x-amz-cbor-1.1");
    assert_eq!(member(&put.cbor(), "ShardId").as_text(), Some("shardId-000000000000"));
    // The AWS SDK for Java sends timestamps in milliseconds.
    let an_hour_ago = Cbor::Tag(1, Box::new(Cbor::Integer((now_ms() - 3_600_000).into())));
    let iterator = map([
        ("StreamName", "s".into()),
        ("ShardId", "shardId-000000000000".into()),
        ("ShardIteratorType", "AT_TIMESTAMP".into()),
        ("Timestamp", an_hour_ago),
    ]);
    let iterator = endpoint.kinesis_cbor("GetShardIterator", &iterator).await.cbor();
    let read = map([("ShardIterator", member(&iterator, "ShardIterator").clone())]);
    let read = endpoint.kinesis_cbor("GetRecords", &read).await.cbor();
    let record = &member(&read, "Records").as_array().unwrap()[0];
    assert_eq!(member(record, "Data"), &Cbor::Bytes(b"\0xyz".to_vec()));
    let Cbor::Tag(1, arrived) = member(record, "ApproximateArrivalTimestamp") else { panic!("{record:?}") };
    let arrived_ms = i64::try_from(arrived.as_integer().unwrap()).unwrap();
    assert!((now_ms() - arrived_ms).abs() < 3_600_000, "{arrived_ms} should be in milliseconds");

    let missing = endpoint.kinesis_cbor("DescribeStream", &map([("StreamName", "none".into())])).await;
    assert_eq!((missing.status, missing.header("content-type")), (400, "application/x-amz-cbor-1.1"));
    assert_eq!(member(&missing.cbor(), "__type").as_text(), Some("ResourceNotFoundException"));
    let headers =
        [("x-amz-target", "Kinesis_20131202.ListStreams"), ("content-type", "application/x-amz-cbor-1.1")];
    let broken = endpoint.send("kinesis", "us-east-1", "/", &headers, b"{}".to_vec()).await;
    assert_eq!(member(&broken.cbor(), "__type").as_text(), Some("SerializationException"));
}

/// Creates the stream `s` and puts a record, which appears in the stream's metrics.
async fn put_a_record(endpoint: &Endpoint) {
    let created = json!({"StreamName": "s", "ShardCount": 1});
    endpoint.json("kinesis", "Kinesis_20131202.CreateStream", created).await;
    let put = json!({"StreamName": "s", "PartitionKey": "p", "Data": "eHl6"});
    assert_eq!(endpoint.json("kinesis", "Kinesis_20131202.PutRecord", put).await.status, 200);
}

#[tokio::test]
async fn cloudwatch_answers_in_the_protocol_of_the_request() {
    let endpoint = Endpoint::start().await;
    put_a_record(&endpoint).await;
    let (from_s, to_s) = (now_ms() / 1_000 - 600, now_ms() / 1_000 + 600);
    let query = json!({"Id": "m", "MetricStat": {"Period": 60, "Stat": "Sum", "Metric": {"Namespace": "AWS/Kinesis",
        "MetricName": "IncomingBytes", "Dimensions": [{"Name": "StreamName", "Value": "s"}]}}});
    let request = json!({"MetricDataQueries": [query], "StartTime": from_s, "EndTime": to_s});
    let in_json = endpoint.json("monitoring", "GraniteServiceVersion20100801.GetMetricData", request).await;
    assert_eq!(in_json.header("content-type"), "application/x-amz-json-1.0");
    assert_eq!(in_json.json()["MetricDataResults"][0]["Values"], json!([3.0]), "{}", in_json.text());

    let text = |text: &str| Cbor::from(text);
    let dimension = map([("Name", text("StreamName")), ("Value", text("s"))]);
    let metric = map([
        ("Namespace", text("AWS/Kinesis")),
        ("MetricName", text("IncomingBytes")),
        ("Dimensions", Cbor::Array(vec![dimension])),
    ]);
    let stat = map([("Period", 60.into()), ("Stat", text("Sum")), ("Metric", metric)]);
    let time = |seconds: i64| Cbor::Tag(1, Box::new(Cbor::Integer(seconds.into())));
    let request = map([
        ("MetricDataQueries", Cbor::Array(vec![map([("Id", text("m")), ("MetricStat", stat)])])),
        ("StartTime", time(from_s)),
        ("EndTime", time(to_s)),
    ]);
    let in_cbor = endpoint.cloudwatch_cbor("GetMetricData", &request).await;
    assert_eq!(
        (in_cbor.header("content-type"), in_cbor.header("smithy-protocol")),
        ("application/cbor", "rpc-v2-cbor")
    );
    let result = member(&in_cbor.cbor(), "MetricDataResults").as_array().unwrap()[0].clone();
    assert_eq!(member(&result, "Values"), &Cbor::Array(vec![Cbor::Float(3.0)]));
    assert!(matches!(member(&result, "Timestamps").as_array().unwrap()[0], Cbor::Tag(1, _)));

    let iso = |seconds: i64| jiff::Timestamp::from_second(seconds).unwrap().to_string();
    let stat = "MetricDataQueries.member.1.MetricStat";
    let form = format!(
        "Action=GetMetricData&Version=2010-08-01&MetricDataQueries.member.1.Id=m&{stat}.Period=60&{stat}.Stat=Sum&{stat}.Metric.Namespace=AWS%2FKinesis&{stat}.Metric.MetricName=IncomingBytes&{stat}.Metric.Dimensions.member.1.Name=StreamName&{stat}.Metric.Dimensions.member.1.Value=s&StartTime={}&EndTime={}",
        iso(from_s),
        iso(to_s)
    );
    let in_xml = endpoint.form("monitoring", &form).await;
    assert!(in_xml.text().contains("<Values><member>3.0</member></Values>"), "{}", in_xml.text());
    assert!(in_xml.text().contains("<Timestamps><member>20"), "{}", in_xml.text());
}

#[tokio::test]
async fn errors_of_cloudwatch_are_written_in_the_protocol_of_the_request() {
    let endpoint = Endpoint::start().await;
    let in_json = endpoint.json("monitoring", "GraniteServiceVersion20100801.PutMetricData", json!({})).await;
    assert_eq!((in_json.status, &in_json.json()["__type"]), (400, &json!("InvalidAction")));
    assert_eq!(in_json.header("x-amzn-query-error"), "InvalidAction;Sender");
    let in_cbor = endpoint.cloudwatch_cbor("PutMetricData", &map([])).await;
    assert_eq!((in_cbor.status, member(&in_cbor.cbor(), "__type").as_text()), (400, Some("InvalidAction")));
    let in_xml = endpoint.form("monitoring", "Action=PutMetricData&Version=2010-08-01").await;
    assert!(
        in_xml.status == 400 && in_xml.text().contains("<Code>InvalidAction</Code>"),
        "{}",
        in_xml.text()
    );
    let expression = json!({"MetricDataQueries": [{"Id": "e", "Expression": "FILL(m, 0)"}], "StartTime": 0, "EndTime": 60});
    let refused =
        endpoint.json("monitoring", "GraniteServiceVersion20100801.GetMetricData", expression).await;
    assert!(
        refused.status == 400 && refused.text().contains("does not support the expression"),
        "{}",
        refused.text()
    );
}
