//! Effects of a stream's retention period on its records, and of a stream's status on changes.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use local_stack::kinesis::{KinesisStore, handle};
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 1_800_000_000_000;

struct Stream {
    store: KinesisStore,
    _folder: tempfile::TempDir,
}

impl Stream {
    fn with_update_ms(update_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = KinesisStore::open(&folder.path().join("kinesis.sqlite")).unwrap();
        let stream = Self { store: store.with_update_ms(update_ms), _folder: folder };
        stream.call("CreateStream", json!({"ShardCount": 1}), 0).unwrap();
        stream
    }

    /// Sends a request `after_ms` after the start. Returns the code of an error.
    fn call(&self, operation: &str, mut request: Value, after_ms: i64) -> Result<Value, String> {
        if operation != "GetRecords" {
            request["StreamName"] = json!("s");
        }
        handle(&self.store, operation, &request, START_MS + after_ms).map_err(|error| error.code.to_owned())
    }

    fn put(&self, after_ms: i64) {
        self.call("PutRecord", json!({"PartitionKey": "p", "Data": "eA=="}), after_ms).unwrap();
    }

    /// Changes the retention period.
    fn retain(&self, operation: &str, hours: i64, after_ms: i64) -> Result<Value, String> {
        self.call(operation, json!({"RetentionPeriodHours": hours}), after_ms)
    }

    /// Returns the arrival times of the records that can be read, in hours after the start.
    fn hours(&self, after_ms: i64) -> Vec<i64> {
        let request = json!({"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
        let iterator = self.call("GetShardIterator", request, after_ms).unwrap();
        let read =
            self.call("GetRecords", json!({"ShardIterator": iterator["ShardIterator"]}), after_ms).unwrap();
        let arrival = |record: &Value| record["ApproximateArrivalTimestamp"].as_f64().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "whole hours")]
        let hours = |record: &Value| ((arrival(record) * 1_000.0) as i64 - START_MS) / HOUR_MS;
        read["Records"].as_array().unwrap().iter().map(hours).collect()
    }
}

#[test]
fn an_increase_keeps_what_has_not_expired_and_brings_nothing_back() {
    let stream = Stream::with_update_ms(0);
    stream.put(0);
    stream.put(10 * HOUR_MS);
    assert_eq!(stream.hours(24 * HOUR_MS), [0, 10]);
    assert_eq!(stream.hours(25 * HOUR_MS), [10], "after a day");
    stream.retain("IncreaseStreamRetentionPeriod", 168, 25 * HOUR_MS).unwrap();
    assert_eq!(stream.hours(25 * HOUR_MS), [10], "expired records are not restored");
    assert_eq!(stream.hours(178 * HOUR_MS), [10], "after seven days");
    assert!(stream.hours(179 * HOUR_MS).is_empty());
}

#[test]
fn a_decrease_takes_older_records_away_at_once() {
    let stream = Stream::with_update_ms(0);
    stream.retain("IncreaseStreamRetentionPeriod", 168, 0).unwrap();
    stream.put(0);
    stream.put(30 * HOUR_MS);
    assert_eq!(stream.hours(40 * HOUR_MS), [0, 30]);
    stream.store.trim(START_MS + 40 * HOUR_MS).unwrap();
    assert_eq!(stream.hours(40 * HOUR_MS), [0, 30], "trimming keeps records within the retention period");
    stream.retain("DecreaseStreamRetentionPeriod", 24, 40 * HOUR_MS).unwrap();
    assert_eq!(stream.hours(40 * HOUR_MS), [30]);
    stream.retain("IncreaseStreamRetentionPeriod", 168, 40 * HOUR_MS).unwrap();
    assert_eq!(stream.hours(40 * HOUR_MS), [30]);
}

#[test]
fn a_stream_that_is_updating_takes_records_and_refuses_changes() {
    let stream = Stream::with_update_ms(1_000);
    let in_use = Err("ResourceInUseException".to_owned());
    stream.retain("IncreaseStreamRetentionPeriod", 48, 0).unwrap();
    let status = |after_ms| {
        let summary = stream.call("DescribeStreamSummary", json!({}), after_ms).unwrap();
        summary["StreamDescriptionSummary"]["StreamStatus"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(999), "UPDATING");
    assert_eq!(stream.retain("IncreaseStreamRetentionPeriod", 72, 999), in_use);
    assert_eq!(stream.retain("DecreaseStreamRetentionPeriod", 24, 999), in_use);
    let shards = json!({"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"});
    assert_eq!(stream.call("UpdateShardCount", shards.clone(), 999), in_use);
    let split = json!({"ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "5"});
    assert_eq!(stream.call("SplitShard", split, 999), in_use);
    stream.put(999);
    assert_eq!(stream.hours(999), [0]);
    assert_eq!(status(1_000), "ACTIVE");
    stream.call("UpdateShardCount", shards, 1_000).unwrap();
    assert_eq!(stream.retain("DecreaseStreamRetentionPeriod", 24, 1_500), in_use);
}
