//! CloudWatch Logs: accepted and refused requests, and responses.

#![expect(clippy::float_cmp, reason = "the sums are of integers")]
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::sync::Arc;

use local_stack::cloudwatch::{MetricName, MetricStore};
use local_stack::cloudwatch_logs::log_group::LogGroup;
use local_stack::cloudwatch_logs::service::{
    LOGGED_LINES, LogsService, READABLE_LINES, put_access_log_filters,
};
use local_stack::stack::ACCESS_LOG_GROUP;
use metering_core::status_ranges::StatusRanges;
use serde_json::{Value, json};
use system_clock::now_ms;
use tempfile::TempDir;

const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/usage-local";
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

struct Logs {
    service: LogsService,
    metrics: Arc<MetricStore>,
    folder: TempDir,
}

impl Logs {
    fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    fn in_folder(folder: TempDir) -> Self {
        let metrics = Arc::new(MetricStore::default());
        let group = Arc::new(LogGroup::open(&folder.path().join("logs.sqlite"), ACCESS_LOG_GROUP).unwrap());
        group.record_to(metrics.clone());
        put_access_log_filters(&group, STREAM_ARN, &StatusRanges::default()).unwrap();
        let service = LogsService::open(group, &folder.path().join("log-groups"), metrics.clone()).unwrap();
        Self { service, metrics, folder }
    }

    /// Creates a log stream `s1` with `lines`, whose times are a millisecond apart and end now.
    /// Also returns the time of the first line.
    fn with_lines(lines: &[&str]) -> (Self, i64) {
        let logs = Self::new();
        logs.done("CreateLogStream", &json!({"logGroupName": ACCESS_LOG_GROUP, "logStreamName": "s1"}));
        let start_ms = now_ms() - i64::try_from(lines.len()).unwrap();
        let events: Vec<Value> = lines
            .iter()
            .zip(start_ms..)
            .map(|(line, time)| json!({"timestamp": time, "message": line}))
            .collect();
        logs.done("PutLogEvents", &put("s1", &events));
        (logs, start_ms)
    }

    fn done(&self, operation: &str, request: &Value) -> Value {
        self.service.handle(operation, request).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    fn refused(&self, operation: &str, request: &Value) -> &'static str {
        self.service.handle(operation, request).expect_err(operation).code
    }

    fn messages(&self, more: Value) -> Vec<String> {
        messages(&self.done("FilterLogEvents", &with(json!({"logGroupName": ACCESS_LOG_GROUP}), more)))
    }
}

fn put(stream: &str, events: &[Value]) -> Value {
    json!({"logGroupName": ACCESS_LOG_GROUP, "logStreamName": stream, "logEvents": events})
}

#[expect(clippy::needless_pass_by_value, reason = "each argument is created for one call")]
fn with(mut request: Value, more: Value) -> Value {
    request.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    request
}

fn messages(response: &Value) -> Vec<String> {
    response["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["message"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_batch_is_taken_or_refused_by_the_limits_of_aws() {
    let (logs, _) = Logs::with_lines(&["first"]);
    let now_ms = now_ms();
    let event = |time: i64, message: &str| json!({"timestamp": time, "message": message});
    assert_eq!(
        logs.refused("PutLogEvents", &put("none", &[event(now_ms, "x")])),
        "ResourceNotFoundException"
    );
    let elsewhere = json!({"logGroupName": "none", "logStreamName": "s1", "logEvents": [event(now_ms, "x")]});
    assert_eq!(logs.refused("PutLogEvents", &elsewhere), "ResourceNotFoundException");
    let most: Vec<Value> = (0..10_000).map(|_| event(now_ms, "x")).collect();
    logs.done("PutLogEvents", &put("s1", &most));
    // Each event counts 26 bytes more than its message.
    let full = "x".repeat(1_048_576 - 26);
    logs.done("PutLogEvents", &put("s1", &[event(now_ms, &full)]));
    for (about, events) in [
        ("none", vec![]),
        ("too many", [most, vec![event(now_ms, "x")]].concat()),
        ("too large", vec![event(now_ms, &format!("{full}x"))]),
        ("not in order", vec![event(now_ms, "x"), event(now_ms - 1, "x")]),
        ("more than a day", vec![event(now_ms - DAY_MS - 1, "x"), event(now_ms, "x")]),
        ("an empty line", vec![event(now_ms, "")]),
        ("no time", vec![json!({"message": "x"})]),
        ("an unknown member", vec![json!({"message": "x", "timestamp": now_ms, "severity": "low"})]),
    ] {
        assert_eq!(logs.refused("PutLogEvents", &put("s1", &events)), "InvalidParameterException", "{about}");
    }
}

#[test]
fn events_that_are_too_old_or_too_new_are_rejected_and_the_others_taken() {
    let (logs, _) = Logs::with_lines(&["first"]);
    let now_ms = now_ms();
    let events: Vec<Value> = [
        (now_ms - 15 * DAY_MS, "older"),
        (now_ms - 14 * DAY_MS - HOUR_MS, "old"),
        (now_ms, "now"),
        (now_ms + HOUR_MS, "soon"),
        (now_ms + 3 * HOUR_MS, "late"),
    ]
    .map(|(time, message)| json!({"timestamp": time, "message": message}))
    .to_vec();
    let response = logs.done("PutLogEvents", &put("s1", &events));
    assert_eq!(
        response["rejectedLogEventsInfo"],
        json!({"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 4})
    );
    assert_eq!(logs.messages(json!({})), ["first", "now", "soon"]);
    let response = logs.done("PutLogEvents", &put("s1", &events[..1]));
    assert_eq!(response["rejectedLogEventsInfo"], json!({"tooOldLogEventEndIndex": 1}));
}

#[test]
fn events_are_filtered_by_pattern_time_and_stream_page_by_page() {
    let (logs, start_ms) = Logs::with_lines(&["ERROR one", "INFO two", "ERROR three", "ERROR four"]);
    logs.done("CreateLogStream", &json!({"logGroupName": ACCESS_LOG_GROUP, "logStreamName": "t2"}));
    let earlier = json!({"timestamp": start_ms - 10, "message": "ERROR zero"});
    logs.done("PutLogEvents", &put("t2", &[earlier]));
    assert_eq!(logs.messages(json!({"filterPattern": "ERROR"}))[..2], ["ERROR zero", "ERROR one"]);
    assert_eq!(
        logs.messages(json!({"filterPattern": "%t[hw]%", "interleaved": true})),
        ["INFO two", "ERROR three"]
    );
    assert_eq!(logs.messages(json!({"logStreamNames": ["t2"]})), ["ERROR zero"]);
    assert_eq!(logs.messages(json!({"logStreamNamePrefix": "s", "limit": 1})), ["ERROR one"]);
    let span = json!({"startTime": start_ms + 1, "endTime": start_ms + 2});
    assert_eq!(logs.messages(span), ["INFO two", "ERROR three"]);
    let by_arn = json!({"logGroupIdentifier": format!("arn:aws:logs:us-east-1:123456789012:log-group:{ACCESS_LOG_GROUP}")});
    assert_eq!(messages(&logs.done("FilterLogEvents", &by_arn)).len(), 5);
    let (mut found, mut request) =
        (Vec::new(), json!({"logGroupName": ACCESS_LOG_GROUP, "filterPattern": "ERROR", "limit": 2}));
    loop {
        let response = logs.done("FilterLogEvents", &request);
        found.extend(messages(&response));
        let Some(token) = response["nextToken"].as_str() else { break };
        request["nextToken"] = token.into();
    }
    assert_eq!(found, ["ERROR zero", "ERROR one", "ERROR three", "ERROR four"]);
    for (more, code) in [
        (json!({"logGroupIdentifier": ACCESS_LOG_GROUP}), "InvalidParameterException"),
        (json!({"logStreamNames": ["s1"], "logStreamNamePrefix": "s"}), "InvalidParameterException"),
        (json!({"logStreamNames": ["none"]}), "ResourceNotFoundException"),
        (json!({"logStreamNames": []}), "InvalidParameterException"),
        (json!({"limit": 10_001}), "InvalidParameterException"),
        (json!({"limit": 0}), "InvalidParameterException"),
        (json!({"startTime": 2, "endTime": 1}), "InvalidParameterException"),
        (json!({"nextToken": "made up"}), "InvalidParameterException"),
        (json!({"filterPattern": "%(%"}), "InvalidParameterException"),
        (json!({"unmask": true}), "InvalidParameterException"),
        (json!({"startFromHead": false}), "InvalidParameterException"),
        (json!({"colour": "red"}), "InvalidParameterException"),
        (json!({"limit": "two"}), "SerializationException"),
    ] {
        assert_eq!(
            logs.refused("FilterLogEvents", &with(json!({"logGroupName": ACCESS_LOG_GROUP}), more.clone())),
            code,
            "{more}"
        );
    }
}

#[test]
fn an_answer_holds_a_megabyte_of_events_and_goes_on() {
    let line = "x".repeat(300_000);
    let (logs, _) = Logs::with_lines(&[&line, &line, &line]);
    logs.done("PutLogEvents", &put("s1", &[json!({"timestamp": now_ms(), "message": line})]));
    let response = logs.done("FilterLogEvents", &json!({"logGroupName": ACCESS_LOG_GROUP}));
    assert_eq!(messages(&response).len(), 3);
    let more = json!({"logGroupName": ACCESS_LOG_GROUP, "nextToken": response["nextToken"]});
    let response = logs.done("FilterLogEvents", &more);
    assert_eq!((messages(&response).len(), &response["nextToken"]), (1, &Value::Null));
}

#[test]
fn a_log_stream_is_read_from_either_end() {
    let (logs, start_ms) = Logs::with_lines(&["a", "b", "c", "d", "e"]);
    let get = |more: Value| {
        logs.done(
            "GetLogEvents",
            &with(json!({"logGroupName": ACCESS_LOG_GROUP, "logStreamName": "s1", "limit": 2}), more),
        )
    };
    let last = get(json!({}));
    assert_eq!(messages(&last), ["d", "e"]);
    let before = get(json!({"nextToken": last["nextBackwardToken"]}));
    assert_eq!(messages(&before), ["b", "c"]);
    assert_eq!(
        messages(&get(json!({"nextToken": before["nextForwardToken"], "startFromHead": true}))),
        ["d", "e"]
    );
    let end = get(json!({"nextToken": last["nextForwardToken"], "startFromHead": true}));
    assert_eq!((messages(&end).len(), &end["nextForwardToken"]), (0, &last["nextForwardToken"]));
    assert_eq!(messages(&get(json!({"startFromHead": true}))), ["a", "b"]);
    // The end of the time range is exclusive.
    assert_eq!(messages(&get(json!({"endTime": start_ms + 2}))), ["a", "b"]);
    let described = logs.done("DescribeLogStreams", &json!({"logGroupName": ACCESS_LOG_GROUP}));
    let stream = &described["logStreams"][0];
    assert_eq!(
        (&stream["logStreamName"], &stream["firstEventTimestamp"], &stream["lastEventTimestamp"]),
        (&json!("s1"), &json!(start_ms), &json!(start_ms + 4))
    );
}

#[test]
fn log_groups_are_created_once_and_kept() {
    let logs = Logs::new();
    let create = |name: &str| json!({"logGroupName": name});
    logs.done("CreateLogGroup", &create("/aws/other"));
    assert_eq!(logs.refused("CreateLogGroup", &create("/aws/other")), "ResourceAlreadyExistsException");
    assert_eq!(logs.refused("CreateLogGroup", &create("a b")), "InvalidParameterException");
    assert_eq!(
        logs.refused("CreateLogGroup", &with(create("x"), json!({"kmsKeyId": "k"}))),
        "InvalidParameterException"
    );
    logs.done("CreateLogStream", &json!({"logGroupName": "/aws/other", "logStreamName": "s"}));
    let again = json!({"logGroupName": "/aws/other", "logStreamName": "s"});
    assert_eq!(logs.refused("CreateLogStream", &again), "ResourceAlreadyExistsException");
    let Logs { service, folder, .. } = logs;
    drop(service);
    let logs = Logs::in_folder(folder);
    let names = |request: &Value| -> Vec<String> {
        let described = logs.done("DescribeLogGroups", request);
        described["logGroups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group["logGroupName"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&json!({})), [ACCESS_LOG_GROUP, "/aws/other"]);
    assert_eq!(names(&json!({"logGroupNamePrefix": "/aws/o"})), ["/aws/other"]);
    assert_eq!(names(&json!({"logGroupNamePattern": "OTHER"})), ["/aws/other"]);
    let first = logs.done("DescribeLogGroups", &json!({"limit": 1}));
    assert_eq!(names(&json!({"limit": 1, "nextToken": first["nextToken"]})), ["/aws/other"]);
    assert_eq!(logs.refused("DeleteLogGroup", &create("/aws/other")), "InvalidOperationException");
}

#[test]
fn metric_filters_count_the_lines_that_match_in_the_minute_of_their_event() {
    let (logs, start_ms) = Logs::with_lines(&[r#"{"status":"200"}"#, r#"{"status":"200","x":-}"#, "{}"]);
    let filter = json!({"logGroupName": ACCESS_LOG_GROUP, "filterName": "failures", "filterPattern": "{ $.status = 5* }",
        "metricTransformations": [{"metricName": "Failures", "metricNamespace": "Mine", "metricValue": "3"}]});
    logs.done("PutMetricFilter", &filter);
    let hour_ago = start_ms - HOUR_MS;
    logs.done("PutLogEvents", &put("s1", &[json!({"timestamp": hour_ago, "message": r#"{"status":500}"#})]));
    let sum = |namespace: &str, name: &str, from_ms: i64| -> f64 {
        let metric = MetricName::new(namespace, name, []);
        let values = logs
            .metrics
            .statistic(&metric, "Sum", 60_000, from_ms / 60_000 * 60_000, from_ms + 120_000)
            .unwrap();
        values.values().sum()
    };
    assert_eq!(sum("UsageMeter", LOGGED_LINES, start_ms), 3.0);
    assert_eq!(sum("UsageMeter", READABLE_LINES, start_ms), 1.0);
    assert_eq!(sum("Mine", "Failures", hour_ago), 3.0);
    let described = logs.done(
        "DescribeMetricFilters",
        &json!({"logGroupName": ACCESS_LOG_GROUP, "filterNamePrefix": "fail"}),
    );
    assert_eq!(described["metricFilters"][0]["metricTransformations"], filter["metricTransformations"]);
    for transformation in [
        json!({"metricName": "a", "metricNamespace": "b", "metricValue": "$.ms"}),
        json!({"metricName": "a", "metricNamespace": "b", "metricValue": "1", "defaultValue": 2.0}),
        json!({"metricName": "a", "metricNamespace": "b", "metricValue": "1", "dimensions": {"k": "$.k"}}),
        json!({"metricName": "a", "metricNamespace": "b", "metricValue": "1", "unit": "Seconds"}),
    ] {
        let request = with(filter.clone(), json!({"metricTransformations": [transformation]}));
        assert_eq!(
            logs.refused("PutMetricFilter", &request),
            "InvalidParameterException",
            "{transformation}"
        );
    }
}

#[test]
fn a_log_group_has_five_patterns_with_a_regular_expression() {
    let logs = Logs::new();
    let filter = |number: usize, pattern: &str| {
        json!({"logGroupName": ACCESS_LOG_GROUP, "filterName": format!("f{number}"), "filterPattern": pattern,
            "metricTransformations": [{"metricName": "A", "metricNamespace": "B", "metricValue": "1"}]})
    };
    // The subscription's pattern is one of them.
    for number in 0..4 {
        logs.done("PutMetricFilter", &filter(number, "%a%"));
    }
    assert_eq!(logs.refused("PutMetricFilter", &filter(4, "%a%")), "LimitExceededException");
    logs.done("PutMetricFilter", &filter(4, "plain"));
    logs.done("PutMetricFilter", &filter(3, "%b%"));
}

#[test]
fn a_pattern_is_tried_on_lines() {
    let logs = Logs::new();
    let request =
        json!({"filterPattern": "{ $.status = 2* }", "logEventMessages": ["x", r#"{"status":"204"}"#]});
    let response = logs.done("TestMetricFilter", &request);
    assert_eq!(
        response["matches"],
        json!([{"eventNumber": 2, "eventMessage": r#"{"status":"204"}"#, "extractedValues": {}}])
    );
    let none = json!({"filterPattern": "x", "logEventMessages": []});
    assert_eq!(logs.refused("TestMetricFilter", &none), "InvalidParameterException");
}

#[test]
fn a_query_is_scheduled_and_running_before_it_is_complete() {
    let (logs, start_ms) = Logs::with_lines(&[r#"{"k":"a"}"#, r#"{"k":"b"}"#, "x"]);
    let query = |text: &str| json!({"logGroupNames": [ACCESS_LOG_GROUP], "queryString": text, "startTime": start_ms / 1_000 - 1, "endTime": start_ms / 1_000 + 2});
    let id = logs.done("StartQuery", &query("filter ispresent(k) | stats count(*) as n"));
    let states: Vec<Value> = (0..4).map(|_| logs.done("GetQueryResults", &id)["status"].clone()).collect();
    assert_eq!(states, ["Scheduled", "Running", "Complete", "Complete"]);
    let response = logs.done("GetQueryResults", &id);
    assert_eq!(response["results"], json!([[{"field": "n", "value": "2"}]]));
    let statistics = &response["statistics"];
    assert_eq!(
        (&statistics["recordsMatched"], &statistics["recordsScanned"], &statistics["bytesScanned"]),
        (&json!(2.0), &json!(3.0), &json!(19.0))
    );
    assert_eq!(logs.refused("StopQuery", &id), "InvalidParameterException");
    for text in
        ["stats count(*) as `n, avg(x) as l` by k", "parse @message \"*\" as x", "fields k | frobnicate"]
    {
        assert_eq!(logs.refused("StartQuery", &query(text)), "MalformedQueryException", "{text}");
    }
    let two = with(query("fields k"), json!({"logGroupName": ACCESS_LOG_GROUP}));
    assert_eq!(logs.refused("StartQuery", &two), "InvalidParameterException");
    assert_eq!(logs.refused("GetQueryResults", &json!({"queryId": "none"})), "ResourceNotFoundException");
    // Thirty queries may run; stopped and finished ones do not count.
    let ids: Vec<Value> = (0..30).map(|_| logs.done("StartQuery", &query("fields k"))).collect();
    assert_eq!(logs.refused("StartQuery", &query("fields k")), "LimitExceededException");
    assert_eq!(logs.done("StopQuery", &ids[0]), json!({"success": true}));
    assert_eq!(logs.done("GetQueryResults", &ids[0])["status"], "Cancelled");
    logs.done("StartQuery", &query("fields k"));
    let described = logs.done("DescribeQueries", &json!({"status": "Scheduled"}));
    assert_eq!(described["queries"].as_array().unwrap().len(), 30);
}

#[test]
fn more_rows_than_an_answer_holds_come_page_by_page() {
    let logs = Logs::new();
    logs.done("CreateLogStream", &json!({"logGroupName": ACCESS_LOG_GROUP, "logStreamName": "s1"}));
    let time = now_ms();
    for half in 0..2 {
        let events: Vec<Value> = (0..6_000)
            .map(|number| json!({"timestamp": time, "message": format!(r#"{{"k":"{half}-{number}"}}"#)}))
            .collect();
        logs.done("PutLogEvents", &put("s1", &events));
    }
    let rows = |limit: Value| -> Vec<usize> {
        let request = json!({"logGroupName": ACCESS_LOG_GROUP, "queryString": "stats count(*) as n by k", "limit": limit,
            "startTime": time / 1_000 - 1, "endTime": time / 1_000 + 1});
        let id = logs.done("StartQuery", &request);
        let (mut found, mut token) = (Vec::new(), Value::Null);
        loop {
            let response = logs.done("GetQueryResults", &with(id.clone(), json!({"nextToken": token})));
            if response["status"] == "Complete" {
                found.push(response["results"].as_array().unwrap().len());
                token = response["nextToken"].clone();
                if token.is_null() {
                    return found;
                }
            }
        }
    };
    assert_eq!(rows(Value::Null), [10_000]);
    assert_eq!(rows(json!(100_000)), [10_000, 2_000]);
}

#[test]
fn a_restart_keeps_filters_and_events() {
    let (logs, _) = Logs::with_lines(&["kept"]);
    let filter = json!({"logGroupName": ACCESS_LOG_GROUP, "filterName": "mine", "filterPattern": "kept",
        "metricTransformations": [{"metricName": "A", "metricNamespace": "B", "metricValue": "1"}]});
    logs.done("PutMetricFilter", &filter);
    let Logs { service, folder, .. } = logs;
    drop(service);
    let logs = Logs::in_folder(folder);
    assert_eq!(logs.messages(json!({})), ["kept"]);
    let described = logs.done("DescribeMetricFilters", &json!({"logGroupName": ACCESS_LOG_GROUP}));
    assert_eq!(described["metricFilters"].as_array().unwrap().len(), 3);
    let subscription = logs.done("DescribeSubscriptionFilters", &json!({"logGroupName": ACCESS_LOG_GROUP}));
    assert_eq!(subscription["subscriptionFilters"][0]["destinationArn"], STREAM_ARN);
}
