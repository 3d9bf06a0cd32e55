//! Kinesis Data Streams. Source: Kinesis API Reference, and the shapes of the
//! service's model (`botocore/data/kinesis/2013-12-02/service-2.json`).

use crate::api::{Kind, Parameter, Service, operation, optional, required};

const NAME: Kind = Kind::Text(1, 128, "[a-zA-Z0-9_.-]+");
const ARN: Kind = Kind::Text(1, 2_048, r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+");
const HASH_KEY: Kind = Kind::Text(0, usize::MAX, r"0|([1-9]\d{0,38})");
const SEQUENCE_NUMBER: Kind = Kind::Text(0, usize::MAX, r"0|([1-9]\d{0,128})");
const PARTITION_KEY: Kind = Kind::Text(1, 256, "");
/// Maximum size of a record of a stream whose limit was not raised, in bytes.
///
/// Source: Kinesis API Reference, `PutRecord` and `GetRecords`: "1 MiB in size by default".
pub const MAX_RECORD_BYTES: usize = 1 << 20;
const DATA: Kind = Kind::Blob(MAX_RECORD_BYTES);
const LIMIT: Kind = Kind::Integer(1, 10_000);
const TAGS: Kind = Kind::Map(1, 200, 128, 256);
const TAG_KEYS: Kind = Kind::List(1, 50, &Kind::Text(1, 128, ""));
const MODE: Kind = Kind::Structure(&[required("StreamMode", Kind::Choice(&["PROVISIONED", "ON_DEMAND"]))]);
const METRICS: Kind = Kind::List(
    1,
    7,
    &Kind::Choice(&[
        "IncomingBytes",
        "IncomingRecords",
        "OutgoingBytes",
        "OutgoingRecords",
        "WriteProvisionedThroughputExceeded",
        "ReadProvisionedThroughputExceeded",
        "IteratorAgeMilliseconds",
        "ALL",
    ]),
);
const SHARD_FILTER: Kind = Kind::Structure(&[
    required(
        "Type",
        Kind::Choice(&[
            "AFTER_SHARD_ID",
            "AT_TRIM_HORIZON",
            "FROM_TRIM_HORIZON",
            "AT_LATEST",
            "AT_TIMESTAMP",
            "FROM_TIMESTAMP",
        ]),
    ),
    optional("ShardId", NAME),
    optional("Timestamp", Kind::Time),
]);
const RECORD: Kind = Kind::Structure(&[
    required("Data", DATA),
    optional("ExplicitHashKey", HASH_KEY),
    required("PartitionKey", PARTITION_KEY),
]);
const ITERATOR_TYPES: Kind =
    Kind::Choice(&["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]);

const STREAM_NAME: Parameter = optional("StreamName", NAME);
const STREAM_ARN: Parameter = optional("StreamARN", ARN);
const RESOURCE_ARN: Parameter = required("ResourceARN", ARN);
const MONITORING: &[Parameter] = &[STREAM_NAME, STREAM_ARN, required("ShardLevelMetrics", METRICS)];
const RETENTION: &[Parameter] =
    &[STREAM_NAME, STREAM_ARN, required("RetentionPeriodHours", Kind::Integer(i64::MIN, i64::MAX))];

/// Kinesis Data Streams.
pub const KINESIS: Service = Service {
    id: "kinesis",
    name: "Kinesis Data Streams",
    differs: "JSON and CBOR (`application/x-amz-cbor-1.1`). Records, shards and tags are on disk. A shard accepts 1 MiB and \
              1,000 records a second and returns 2 MiB with five reads a second; an on-demand stream keeps its four \
              shards. A record has at most 1 MiB: a larger `MaxRecordSizeInKiB` is refused. Not supported: enhanced \
              fan-out (consumers), encryption, resource policies, channels and queues. Shard-level metrics can be \
              enabled and disabled, and are not emitted.",
    operations: &[
        operation("AddTagsToStream", &[STREAM_NAME, STREAM_ARN, required("Tags", TAGS)]),
        operation(
            "CreateStream",
            &[
                required("StreamName", NAME),
                optional("ShardCount", Kind::Integer(1, i64::MAX)),
                optional("StreamModeDetails", MODE),
                optional("Tags", TAGS),
                optional("MaxRecordSizeInKiB", Kind::Integer(1_024, 1_024)),
            ],
        ),
        operation("DecreaseStreamRetentionPeriod", RETENTION),
        operation(
            "DeleteStream",
            &[STREAM_NAME, STREAM_ARN, optional("EnforceConsumerDeletion", Kind::Boolean)],
        ),
        operation("DescribeLimits", &[]),
        operation(
            "DescribeStream",
            &[STREAM_NAME, STREAM_ARN, optional("Limit", LIMIT), optional("ExclusiveStartShardId", NAME)],
        ),
        operation("DescribeStreamSummary", &[STREAM_NAME, STREAM_ARN]),
        operation("DisableEnhancedMonitoring", MONITORING),
        operation("EnableEnhancedMonitoring", MONITORING),
        operation(
            "GetRecords",
            &[required("ShardIterator", Kind::Text(1, 512, "")), optional("Limit", LIMIT), STREAM_ARN],
        ),
        operation(
            "GetShardIterator",
            &[
                STREAM_NAME,
                STREAM_ARN,
                required("ShardId", NAME),
                required("ShardIteratorType", ITERATOR_TYPES),
                optional("StartingSequenceNumber", SEQUENCE_NUMBER),
                optional("Timestamp", Kind::Time),
            ],
        ),
        operation("IncreaseStreamRetentionPeriod", RETENTION),
        operation(
            "ListShards",
            &[
                STREAM_NAME,
                STREAM_ARN,
                optional("NextToken", Kind::Text(1, 1 << 20, "")),
                optional("ExclusiveStartShardId", NAME),
                optional("MaxResults", LIMIT),
                optional("StreamCreationTimestamp", Kind::Time),
                optional("ShardFilter", SHARD_FILTER),
            ],
        ),
        operation(
            "ListStreams",
            &[
                optional("Limit", LIMIT),
                optional("ExclusiveStartStreamName", NAME),
                optional("NextToken", Kind::Text(1, 1 << 20, "")),
            ],
        ),
        operation("ListTagsForResource", &[RESOURCE_ARN]),
        operation(
            "ListTagsForStream",
            &[
                STREAM_NAME,
                STREAM_ARN,
                optional("ExclusiveStartTagKey", Kind::Text(1, 128, "")),
                optional("Limit", Kind::Integer(1, 50)),
            ],
        ),
        operation(
            "MergeShards",
            &[
                STREAM_NAME,
                STREAM_ARN,
                required("ShardToMerge", NAME),
                required("AdjacentShardToMerge", NAME),
            ],
        ),
        operation(
            "PutRecord",
            &[
                STREAM_NAME,
                STREAM_ARN,
                required("Data", DATA),
                required("PartitionKey", PARTITION_KEY),
                optional("ExplicitHashKey", HASH_KEY),
                optional("SequenceNumberForOrdering", SEQUENCE_NUMBER),
            ],
        ),
        operation("PutRecords", &[STREAM_NAME, STREAM_ARN, required("Records", Kind::List(1, 500, &RECORD))]),
        operation("RemoveTagsFromStream", &[STREAM_NAME, STREAM_ARN, required("TagKeys", TAG_KEYS)]),
        operation(
            "SplitShard",
            &[
                STREAM_NAME,
                STREAM_ARN,
                required("ShardToSplit", NAME),
                required("NewStartingHashKey", HASH_KEY),
            ],
        ),
        operation("TagResource", &[RESOURCE_ARN, required("Tags", TAGS)]),
        operation("UntagResource", &[RESOURCE_ARN, required("TagKeys", TAG_KEYS)]),
        operation(
            "UpdateShardCount",
            &[
                STREAM_NAME,
                STREAM_ARN,
                required("TargetShardCount", Kind::Integer(1, i64::MAX)),
                required("ScalingType", Kind::Choice(&["UNIFORM_SCALING"])),
            ],
        ),
        operation("UpdateStreamMode", &[required("StreamARN", ARN), required("StreamModeDetails", MODE)]),
    ],
};
