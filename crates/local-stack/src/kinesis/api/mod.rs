//! Operations of the Kinesis API.

mod list_shards;
mod records;
mod request;
mod shards;
mod streams;
mod tags;

use serde_json::{Value, json};

use super::error::KinesisError;
use super::store::KinesisStore;
use crate::api::check;
use crate::api::tables::KINESIS;
use request::Request;

/// Handles one request at `now_ms`, in milliseconds since 1970.
///
/// # Errors
/// Returns the errors that the Kinesis API Reference documents, by code.
pub fn handle(
    store: &KinesisStore,
    operation: &str,
    body: &Value,
    now_ms: i64,
) -> Result<Value, KinesisError> {
    check(&KINESIS, operation, body)?;
    let request = Request { store, body, now_ms };
    match operation {
        "AddTagsToStream" => tags::add(&request, &request.stream()?),
        "CreateStream" => streams::create(&request),
        "DecreaseStreamRetentionPeriod" | "IncreaseStreamRetentionPeriod" => {
            streams::change_retention(&request, operation)
        }
        "DeleteStream" => {
            // `EnforceConsumerDeletion` has no effect, because consumers are not offered.
            store.delete_stream(&request.stream()?).map(|()| json!({}))
        }
        "DescribeLimits" => streams::describe_limits(store),
        "DescribeStream" => shards::describe_stream(&request),
        "DescribeStreamSummary" => streams::describe_summary(&request),
        "DisableEnhancedMonitoring" | "EnableEnhancedMonitoring" => {
            streams::change_monitoring(&request, operation == "EnableEnhancedMonitoring")
        }
        "GetRecords" => records::get_records(&request),
        "GetShardIterator" => records::get_shard_iterator(&request),
        "ListShards" => list_shards::list_shards(&request),
        "ListStreams" => streams::list(&request),
        "ListTagsForResource" => tags::list_all(&request),
        "ListTagsForStream" => tags::list(&request),
        "MergeShards" | "SplitShard" => shards::reshard(&request, operation),
        "PutRecord" => records::put_record(&request),
        "PutRecords" => records::put_records(&request),
        "RemoveTagsFromStream" => tags::remove(&request, &request.stream()?),
        "TagResource" => tags::add(&request, &request.resource()?),
        "UntagResource" => tags::remove(&request, &request.resource()?),
        "UpdateShardCount" => shards::update_shard_count(&request),
        "UpdateStreamMode" => streams::update_mode(&request),
        other => Err(KinesisError::validation(format!("{other} is in the parameter table, but has no code"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_the_table_has_code() {
        let folder = tempfile::tempdir().unwrap();
        let store = KinesisStore::open(&folder.path().join("kinesis.sqlite")).unwrap();
        let arn = "arn:aws:kinesis:us-east-1:123456789012:stream/s";
        for operation in KINESIS.operations {
            // All parameters that any operation requires.
            let all = json!({
                "StreamName": "s", "StreamARN": arn, "ResourceARN": arn, "ShardCount": 1, "Tags": {"k": "v"}, "TagKeys": ["k"],
                "RetentionPeriodHours": 24, "ShardLevelMetrics": ["ALL"], "ShardIterator": "x", "ShardId": "x",
                "ShardIteratorType": "LATEST", "ShardToMerge": "x", "AdjacentShardToMerge": "y", "Data": "eA==", "PartitionKey": "p",
                "Records": [{"Data": "eA==", "PartitionKey": "p"}], "ShardToSplit": "x", "NewStartingHashKey": "5",
                "TargetShardCount": 1, "ScalingType": "UNIFORM_SCALING", "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            });
            let known = |name: &String| operation.parameters.iter().any(|parameter| parameter.name == *name);
            let request: Value = Value::Object(
                all.as_object().unwrap().clone().into_iter().filter(|(name, _)| known(name)).collect(),
            );
            if let Err(error) = handle(&store, operation.name, &request, 0) {
                assert!(
                    error.code != "UnknownOperationException" && !error.message.contains("has no code"),
                    "{error}"
                );
            }
        }
    }
}
