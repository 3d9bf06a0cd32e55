//! Limits of shards, requests and the account, with a clock that the tests control.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local_stack::kinesis::{KinesisStore, handle};
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 1_800_000_000_000;
const MIB: usize = 1 << 20;
const ARN: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/s";

struct Account {
    store: KinesisStore,
    _folder: tempfile::TempDir,
}

impl Account {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: KinesisStore::open(&folder.path().join("kinesis.sqlite")).unwrap(), _folder: folder }
    }

    /// Creates an account with a stream named `s`.
    fn with_shards(shards: usize) -> Self {
        let account = Self::new();
        account.call("CreateStream", json!({"StreamName": "s", "ShardCount": shards}), 0).unwrap();
        account
    }

    /// Sends a request `after_ms` after the start. Returns the code and the message of an error.
    #[expect(clippy::needless_pass_by_value, reason = "each request is created for one call")]
    fn call(&self, operation: &str, request: Value, after_ms: i64) -> Result<Value, (String, String)> {
        let response = handle(&self.store, operation, &request, START_MS + after_ms);
        response.map_err(|error| (error.code.to_owned(), error.message))
    }

    fn refused(&self, operation: &str, request: Value) -> (String, String) {
        self.call(operation, request, 0).unwrap_err()
    }

    /// Puts records of these sizes, in bytes, with the same key. Returns the number of failed
    /// records and the last error message.
    fn put(&self, sizes: &[usize], after_ms: i64) -> (u64, String) {
        let record = |size: &usize| json!({"PartitionKey": "p", "Data": STANDARD.encode(vec![0; *size - 1])});
        let records: Vec<Value> = sizes.iter().map(record).collect();
        let response =
            self.call("PutRecords", json!({"StreamName": "s", "Records": records}), after_ms).unwrap();
        let message = response["Records"]
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .find_map(|record| record["ErrorMessage"].as_str());
        (response["FailedRecordCount"].as_u64().unwrap(), message.unwrap_or_default().to_owned())
    }

    fn iterator(&self, after_ms: i64) -> Value {
        let request = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
        self.call("GetShardIterator", request, after_ms).unwrap()["ShardIterator"].clone()
    }

    /// Reads from an iterator. Returns the number of records, or the code of the error.
    fn read(&self, iterator: &Value, after_ms: i64) -> Result<usize, String> {
        let response = self.call("GetRecords", json!({"ShardIterator": iterator}), after_ms);
        response.map(|response| response["Records"].as_array().unwrap().len()).map_err(|(code, _)| code)
    }

    /// Returns the indexes of the shards that `ListShards` returns.
    fn shards(&self, request: Value, after_ms: i64) -> Vec<u64> {
        numbers(&self.call("ListShards", request, after_ms).unwrap())
    }

    fn reshard(&self, shards: usize, after_ms: i64) {
        let request =
            json!({"StreamName": "s", "TargetShardCount": shards, "ScalingType": "UNIFORM_SCALING"});
        self.call("UpdateShardCount", request, after_ms).unwrap();
    }
}

fn numbers(response: &Value) -> Vec<u64> {
    let shards = response["Shards"].as_array().unwrap().iter();
    shards.map(|shard| shard["ShardId"].as_str().unwrap()[8..].parse().unwrap()).collect()
}

#[test]
fn what_a_shard_does_not_take_fails_by_itself_and_can_be_put_again() {
    let account = Account::with_shards(1);
    assert_eq!(account.put(&[MIB / 2, MIB / 2], 0).0, 0);
    let throttled = "Rate exceeded for shard shardId-000000000000 in stream s under account 123456789012.";
    assert_eq!(account.put(&[2, 3], 999), (2, throttled.to_owned()));
    assert_eq!(account.put(&[2, MIB, 3], 1_000), (1, throttled.to_owned()), "the other records are stored");
    let one = json!({"StreamName": "s", "PartitionKey": "p", "Data": STANDARD.encode(vec![0; MIB - 1])});
    let (code, message) = account.call("PutRecord", one.clone(), 1_500).unwrap_err();
    assert_eq!((code.as_str(), message.as_str()), ("ProvisionedThroughputExceededException", throttled));
    account.call("PutRecord", one, 2_000).unwrap();
    assert_eq!(account.read(&account.iterator(5_000), 5_000), Ok(5), "refused records are not stored");
}

#[test]
fn reading_ten_mebibytes_is_followed_by_five_seconds_of_throttling() {
    let account = Account::with_shards(1);
    for second in 0..10 {
        assert_eq!(account.put(&[MIB], second * 1_000).0, 0);
    }
    let throttled = Err("ProvisionedThroughputExceededException".to_owned());
    let iterator = account.iterator(20_000);
    assert_eq!(account.read(&iterator, 20_000), Ok(10));
    assert_eq!(account.read(&iterator, 24_999), throttled);
    assert_eq!(account.read(&iterator, 25_000), Ok(10));
    let (tip, at_ms) = (account.iterator(40_000), 40_000);
    let latest = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST"});
    let latest = account.call("GetShardIterator", latest, at_ms).unwrap()["ShardIterator"].clone();
    for _ in 0..5 {
        assert_eq!(account.read(&latest, at_ms), Ok(0));
    }
    assert_eq!(account.read(&tip, at_ms), throttled, "more than five reads in a second");
    assert_eq!(account.read(&tip, at_ms + 1_000), Ok(10));
}

#[test]
fn an_iterator_can_be_used_for_five_minutes() {
    let account = Account::with_shards(1);
    let iterator = account.iterator(0);
    assert_eq!(account.read(&iterator, 300_000), Ok(0));
    let (code, message) =
        account.call("GetRecords", json!({"ShardIterator": iterator}), 300_001).unwrap_err();
    assert_eq!(code, "ExpiredIteratorException");
    assert!(
        message
            .starts_with("Iterator expired. The iterator was created at time Fri Jan 15 08:00:00 UTC 2027"),
        "{message}"
    );
    let (code, _) = account.refused("GetRecords", json!({"ShardIterator": "nonsense"}));
    assert_eq!(code, "InvalidArgumentException");
}

#[test]
fn a_request_has_at_most_ten_mebibytes_and_a_record_one() {
    let account = Account::with_shards(1);
    let record = |size: usize| json!({"PartitionKey": "p", "Data": STANDARD.encode(vec![0; size - 1])});
    let put =
        |records: Vec<Value>| account.call("PutRecords", json!({"StreamName": "s", "Records": records}), 0);
    assert_eq!(put(vec![record(MIB); 10]).unwrap()["FailedRecordCount"], 9);
    let (code, message) = put(vec![record(MIB); 11]).unwrap_err();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidArgumentException", "Records size exceeds 10 MB limit")
    );
    let (code, message) = put(vec![record(1), record(MIB + 1)]).unwrap_err();
    assert_eq!(code, "ValidationException");
    assert!(message.contains("'records.2.member.data'") && message.ends_with("1048576"), "{message}");
}

#[test]
fn shards_are_listed_by_when_they_were_open() {
    let account = Account::with_shards(1);
    account.reshard(2, HOUR_MS);
    account.reshard(1, 2 * HOUR_MS);
    let filtered =
        |filter: Value, after_ms| account.shards(json!({"StreamName": "s", "ShardFilter": filter}), after_ms);
    let now_ms = 3 * HOUR_MS;
    assert_eq!(account.shards(json!({"StreamName": "s"}), now_ms), [0, 1, 2, 3]);
    assert_eq!(filtered(json!({"Type": "AT_LATEST"}), now_ms), [3]);
    assert_eq!(
        filtered(json!({"Type": "AT_TRIM_HORIZON"}), now_ms),
        [0],
        "the first shard existed when the stream was created"
    );
    assert_eq!(filtered(json!({"Type": "FROM_TRIM_HORIZON"}), now_ms), [0, 1, 2, 3]);
    assert_eq!(
        filtered(json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"}), now_ms),
        [2, 3]
    );
    let at = |kind: &str, ms: i64| {
        #[expect(clippy::cast_precision_loss, reason = "a present time is exact as a double")]
        let seconds = (START_MS + ms) as f64 / 1_000.0;
        filtered(json!({"Type": kind, "Timestamp": seconds}), now_ms)
    };
    assert_eq!(at("AT_TIMESTAMP", HOUR_MS + 1), [1, 2]);
    assert_eq!(at("FROM_TIMESTAMP", HOUR_MS + 1), [1, 2, 3]);
    assert_eq!(at("AT_TIMESTAMP", -HOUR_MS), [0], "before the stream was created");
    // A day after the first reshard, the parent's records have expired.
    assert_eq!(account.shards(json!({"StreamName": "s"}), 25 * HOUR_MS + 1), [1, 2, 3]);
    assert_eq!(filtered(json!({"Type": "AT_TRIM_HORIZON"}), 25 * HOUR_MS + 1), [1, 2]);
    for filter in [
        json!({"Type": "AFTER_SHARD_ID"}),
        json!({"Type": "AT_TIMESTAMP"}),
        json!({"Type": "AT_LATEST", "ShardId": "x"}),
    ] {
        let (code, _) = account.refused("ListShards", json!({"StreamName": "s", "ShardFilter": filter}));
        assert_eq!(code, "InvalidArgumentException");
    }
}

#[test]
fn shards_are_listed_in_pages_that_keep_to_the_filter() {
    let account = Account::with_shards(3);
    account.reshard(6, 1_000);
    let mut request = json!({"StreamName": "s", "MaxResults": 2, "ShardFilter": {"Type": "AT_LATEST"}});
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let response = account.call("ListShards", request, 2_000).unwrap();
        found.extend(numbers(&response));
        pages += 1;
        if response["NextToken"].is_null() {
            break;
        }
        request = json!({"NextToken": response["NextToken"], "MaxResults": 2});
    }
    assert_eq!((found, pages), (vec![3, 4, 5, 6, 7, 8], 3));
    let token =
        account.call("ListShards", json!({"StreamName": "s", "MaxResults": 1}), 0).unwrap()["NextToken"]
            .clone();
    let both = json!({"StreamName": "s", "NextToken": token});
    let both_given = (
        "InvalidArgumentException".to_owned(),
        "NextToken and StreamName cannot be provided together.".to_owned(),
    );
    assert_eq!(account.refused("ListShards", both), both_given);
    let (code, _) = account.call("ListShards", json!({"NextToken": token}), 300_001).unwrap_err();
    assert_eq!(code, "ExpiredNextTokenException");
    assert_eq!(
        account.shards(json!({"StreamName": "s", "ExclusiveStartShardId": "shardId-000000000006"}), 2_000),
        [7, 8]
    );
}

#[test]
fn streams_and_their_shards_are_described_in_pages() {
    let account = Account::with_shards(5);
    for name in ["a", "b", "c"] {
        account.call("CreateStream", json!({"StreamName": name, "ShardCount": 1}), 0).unwrap();
    }
    let first = account.call("ListStreams", json!({"Limit": 3}), 0).unwrap();
    assert_eq!((&first["StreamNames"], &first["HasMoreStreams"]), (&json!(["a", "b", "c"]), &json!(true)));
    let summary = &first["StreamSummaries"][0];
    assert_eq!(
        (&summary["StreamName"], &summary["StreamModeDetails"]["StreamMode"]),
        (&json!("a"), &json!("PROVISIONED"))
    );
    let next = [json!({"NextToken": first["NextToken"]}), json!({"ExclusiveStartStreamName": "c"})];
    for request in next {
        let second = account.call("ListStreams", request, 0).unwrap();
        assert_eq!((&second["StreamNames"], &second["HasMoreStreams"]), (&json!(["s"]), &json!(false)));
    }
    let page = |request| account.call("DescribeStream", request, 0).unwrap()["StreamDescription"].clone();
    let first = page(json!({"StreamName": "s", "Limit": 3}));
    assert_eq!((numbers(&first), &first["HasMoreShards"]), (vec![0, 1, 2], &json!(true)));
    let second = page(json!({"StreamARN": ARN, "Limit": 3, "ExclusiveStartShardId": "shardId-000000000002"}));
    assert_eq!((numbers(&second), &second["HasMoreShards"]), (vec![3, 4], &json!(false)));
}

#[test]
fn a_stream_on_demand_has_four_shards_and_can_not_be_resharded() {
    let account = Account::new();
    let mode = json!({"StreamMode": "ON_DEMAND"});
    let request = json!({"StreamName": "s", "StreamModeDetails": mode, "Tags": {"team": "a", "cost": "b"}});
    account.call("CreateStream", request, 0).unwrap();
    assert_eq!(account.shards(json!({"StreamARN": ARN}), 0).len(), 4);
    let tags = account.call("ListTagsForStream", json!({"StreamName": "s"}), 0).unwrap();
    assert_eq!(tags["Tags"], json!([{"Key": "cost", "Value": "b"}, {"Key": "team", "Value": "a"}]));
    let update = json!({"StreamName": "s", "TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"});
    let (code, message) = account.refused("UpdateShardCount", update);
    assert_eq!(code, "ValidationException");
    assert_eq!(message, "Request is invalid. Stream s under account 123456789012 is in On-Demand mode.");
    let limits = account.call("DescribeLimits", json!({}), 0).unwrap();
    assert_eq!((&limits["OpenShardCount"], &limits["OnDemandStreamCount"]), (&json!(4), &json!(1)));
    for (to, refused) in
        [("PROVISIONED", None), ("ON_DEMAND", None), ("PROVISIONED", Some("LimitExceededException"))]
    {
        let request = json!({"StreamARN": ARN, "StreamModeDetails": {"StreamMode": to}});
        assert_eq!(
            account.call("UpdateStreamMode", request, 0).err().map(|(code, _)| code).as_deref(),
            refused
        );
    }
    for request in
        [json!({"StreamName": "t"}), json!({"StreamName": "t", "ShardCount": 2, "StreamModeDetails": mode})]
    {
        assert_eq!(account.refused("CreateStream", request).0, "ValidationException");
    }
    assert_eq!(
        account.refused("CreateStream", json!({"StreamName": "t", "ShardCount": 497})).0,
        "LimitExceededException"
    );
}

#[test]
fn the_shard_count_is_changed_ten_times_a_day_at_most() {
    let account = Account::with_shards(1);
    let update = |shards: usize, after_ms: i64| {
        let request =
            json!({"StreamName": "s", "TargetShardCount": shards, "ScalingType": "UNIFORM_SCALING"});
        account.call("UpdateShardCount", request, after_ms).map(|_| ()).map_err(|(code, _)| code)
    };
    assert_eq!(update(9, 0), Err("InvalidArgumentException".to_owned()), "more than double the shards");
    for round in 0..5 {
        assert_eq!((update(2, round), update(1, round)), (Ok(()), Ok(())));
    }
    let open = |after_ms| {
        account.shards(json!({"StreamName": "s", "ShardFilter": {"Type": "AT_LATEST"}}), after_ms).len()
    };
    assert_eq!(update(2, 10), Err("LimitExceededException".to_owned()));
    assert_eq!(open(10), 1, "the shards are unchanged");
    assert_eq!(update(2, 24 * HOUR_MS), Ok(()), "a day after the first change");
}

#[test]
fn tags_are_added_replaced_removed_and_limited() {
    let account = Account::with_shards(1);
    account
        .call("AddTagsToStream", json!({"StreamName": "s", "Tags": {"a": "1", "b": "2", "c": "3"}}), 0)
        .unwrap();
    account.call("TagResource", json!({"ResourceARN": ARN, "Tags": {"a": "4"}}), 0).unwrap();
    account.call("RemoveTagsFromStream", json!({"StreamName": "s", "TagKeys": ["b"]}), 0).unwrap();
    let listed = account.call("ListTagsForResource", json!({"ResourceARN": ARN}), 0).unwrap();
    assert_eq!(listed["Tags"], json!([{"Key": "a", "Value": "4"}, {"Key": "c", "Value": "3"}]));
    let page = account.call("ListTagsForStream", json!({"StreamName": "s", "Limit": 1}), 0).unwrap();
    assert_eq!((&page["HasMoreTags"], &page["Tags"][0]["Key"]), (&json!(true), &json!("a")));
    let page = account
        .call("ListTagsForStream", json!({"StreamName": "s", "ExclusiveStartTagKey": "a"}), 0)
        .unwrap();
    assert_eq!(page["Tags"][0]["Key"], "c");
    let many: serde_json::Map<_, _> = (0..49).map(|number| (number.to_string(), json!("x"))).collect();
    assert_eq!(
        account.refused("AddTagsToStream", json!({"StreamName": "s", "Tags": many})).0,
        "LimitExceededException"
    );
    assert_eq!(
        account.refused("AddTagsToStream", json!({"StreamName": "s", "Tags": {"a%": "x"}})).0,
        "InvalidArgumentException"
    );
    account.call("DeleteStream", json!({"StreamName": "s"}), 0).unwrap();
    account.call("CreateStream", json!({"StreamName": "s", "ShardCount": 1}), 0).unwrap();
    assert_eq!(account.call("ListTagsForStream", json!({"StreamName": "s"}), 0).unwrap()["Tags"], json!([]));
}

#[test]
fn shard_level_metrics_are_switched_on_and_off() {
    let account = Account::with_shards(1);
    let change = |operation: &str, names: Value| {
        let response =
            account.call(operation, json!({"StreamName": "s", "ShardLevelMetrics": names}), 0).unwrap();
        (response["CurrentShardLevelMetrics"].clone(), response["DesiredShardLevelMetrics"].clone())
    };
    let on = change("EnableEnhancedMonitoring", json!(["IncomingBytes", "OutgoingBytes"]));
    assert_eq!(on, (json!([]), json!(["IncomingBytes", "OutgoingBytes"])));
    let off = change("DisableEnhancedMonitoring", json!(["IncomingBytes"]));
    assert_eq!(off, (json!(["IncomingBytes", "OutgoingBytes"]), json!(["OutgoingBytes"])));
    let described = account.call("DescribeStreamSummary", json!({"StreamName": "s"}), 0).unwrap();
    let described = &described["StreamDescriptionSummary"]["EnhancedMonitoring"];
    assert_eq!(*described, json!([{"ShardLevelMetrics": ["OutgoingBytes"]}]));
}

#[test]
fn an_iterator_begins_only_where_its_shard_has_been() {
    let account = Account::with_shards(2);
    let put = json!({"StreamName": "s", "PartitionKey": "p", "Data": "eA==", "ExplicitHashKey": "0"});
    let sequence = account.call("PutRecord", put, 0).unwrap()["SequenceNumber"].clone();
    let at = |shard: &str, sequence: &Value| {
        account.refused(
            "GetShardIterator",
            json!({"StreamName": "s", "ShardId": shard,
            "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": sequence}),
        )
    };
    let (code, message) = at("shardId-000000000001", &sequence);
    assert_eq!(code, "InvalidArgumentException");
    assert!(message.contains("It encodes shardId-000000000000"), "{message}");
    assert!(at("shardId-000000000000", &json!("5")).1.ends_with("is invalid."));
    let both = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST",
        "StartingSequenceNumber": sequence});
    assert!(account.refused("GetShardIterator", both).1.contains("and also a StartingSequenceNumber."));
    let shard = json!({"StreamName": "s", "ShardId": "shardId-000000000009", "ShardIteratorType": "LATEST"});
    let missing = "Shard shardId-000000000009 in stream s under account 123456789012 does not exist";
    assert_eq!(
        account.refused("GetShardIterator", shard),
        ("ResourceNotFoundException".to_owned(), missing.to_owned())
    );
}

#[test]
fn what_is_not_offered_is_refused_by_its_name() {
    let account = Account::with_shards(1);
    let refused = |operation: &str, request: Value| account.refused(operation, request);
    let (code, message) = refused("GetRecords", json!({"ShardIterator": "x", "DryRun": true}));
    assert!(code == "ValidationException" && message.contains("DryRun of GetRecords"), "{message}");
    let (code, message) = refused("RegisterStreamConsumer", json!({"StreamARN": ARN, "ConsumerName": "c"}));
    assert!(code == "UnknownOperationException" && message.contains("RegisterStreamConsumer"), "{message}");
    let large = json!({"StreamName": "t", "ShardCount": 1, "MaxRecordSizeInKiB": 2_048});
    assert_eq!(refused("CreateStream", large).0, "ValidationException");
    let elsewhere = "arn:aws:kinesis:eu-west-1:123456789012:stream/s";
    assert_eq!(refused("DescribeStream", json!({"StreamARN": elsewhere})).0, "ResourceNotFoundException");
    assert_eq!(
        refused("DescribeStream", json!({"StreamARN": ARN, "StreamName": "t"})).0,
        "ValidationException"
    );
    assert_eq!(refused("DescribeStream", json!({})).0, "InvalidArgumentException");
}
