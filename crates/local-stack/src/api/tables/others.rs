//! The services other than Kinesis and CloudWatch Logs.

use crate::api::{Kind, Parameter, Service, operation, optional, required};

const ANY: usize = usize::MAX;
const TEXT: Kind = Kind::Text(0, ANY, "");
const DIMENSION: Kind = Kind::Structure(&[required("Name", TEXT), required("Value", TEXT)]);
const DIMENSION_FILTER: Kind = Kind::Structure(&[required("Name", TEXT), optional("Value", TEXT)]);
const METRIC: Kind = Kind::Structure(&[
    required("Namespace", TEXT),
    required("MetricName", TEXT),
    optional("Dimensions", Kind::List(0, 30, &DIMENSION)),
]);
const METRIC_STAT: Kind = Kind::Structure(&[
    required("Metric", METRIC),
    required("Period", Kind::Integer(60, 86_400)),
    required("Stat", TEXT),
]);
const METRIC_QUERY: Kind = Kind::Structure(&[
    required("Id", Kind::Text(1, 255, "[a-z][a-zA-Z0-9_]*")),
    optional("MetricStat", METRIC_STAT),
    optional("Expression", Kind::Text(1, 2_048, "")),
    optional("Label", TEXT),
    optional("ReturnData", Kind::Boolean),
    optional("Period", Kind::Integer(60, 86_400)),
]);

/// CloudWatch. Source: CloudWatch API Reference.
pub const CLOUDWATCH: Service = Service {
    id: "monitoring",
    name: "CloudWatch",
    differs: "CBOR, JSON and the query protocol. Metrics of the functions and of the services that the dashboard shows, \
              minute by minute for 15 days, on disk. Metric math supports numbers, ids, `+ - * /`, comparisons, \
              `AND`, `OR`, `IF` and parentheses; other functions are refused.",
    operations: &[
        operation(
            "GetMetricData",
            &[
                required("MetricDataQueries", Kind::List(1, 500, &METRIC_QUERY)),
                required("StartTime", Kind::Time),
                required("EndTime", Kind::Time),
                optional("NextToken", TEXT),
                optional("ScanBy", Kind::Choice(&["TimestampDescending", "TimestampAscending"])),
                optional("MaxDatapoints", Kind::Integer(1, 100_800)),
            ],
        ),
        operation(
            "ListMetrics",
            &[
                optional("Namespace", TEXT),
                optional("MetricName", TEXT),
                optional("Dimensions", Kind::List(0, 10, &DIMENSION_FILTER)),
                optional("NextToken", TEXT),
            ],
        ),
    ],
};

const TOPIC_ARN: Parameter = required("TopicArn", TEXT);
const SUBSCRIPTION_ARN: Parameter = required("SubscriptionArn", TEXT);
/// Source: SNS API Reference, `Publish`: a subject has up to 100 characters.
const SUBJECT: Parameter = optional("Subject", Kind::Text(1, 100, ""));
/// Source: SNS API Reference, `Publish`: a message has up to 256 KB.
const MESSAGE: Parameter = required("Message", Kind::Text(1, 262_144, ""));
const BATCH_ENTRY: Kind =
    Kind::Structure(&[required("Id", Kind::Text(1, 80, "[A-Za-z0-9_-]+")), MESSAGE, SUBJECT]);

/// SNS. Source: SNS API Reference.
pub const SNS: Service = Service {
    id: "sns",
    name: "SNS",
    differs: "Messages are delivered to the functions of the stack and to subscribed queues, raw or in the envelope of \
              SNS. Topics and subscriptions are on disk. Other protocols (HTTP, e-mail, SMS and so on), FIFO topics, message \
              attributes and filter policies are refused.",
    operations: &[
        operation("CreateTopic", &[required("Name", Kind::Text(1, 256, "[A-Za-z0-9_-]+"))]),
        operation("DeleteTopic", &[TOPIC_ARN]),
        operation("GetSubscriptionAttributes", &[SUBSCRIPTION_ARN]),
        operation("GetTopicAttributes", &[TOPIC_ARN]),
        operation("ListSubscriptions", &[]),
        operation("ListSubscriptionsByTopic", &[TOPIC_ARN]),
        operation("ListTopics", &[]),
        operation("Publish", &[TOPIC_ARN, MESSAGE, SUBJECT]),
        operation(
            "PublishBatch",
            &[TOPIC_ARN, required("PublishBatchRequestEntries", Kind::List(1, 10, &BATCH_ENTRY))],
        ),
        operation(
            "SetSubscriptionAttributes",
            &[
                SUBSCRIPTION_ARN,
                required("AttributeName", Kind::Choice(&["RawMessageDelivery"])),
                required("AttributeValue", Kind::Choice(&["true", "false"])),
            ],
        ),
        operation(
            "Subscribe",
            &[
                TOPIC_ARN,
                required("Protocol", TEXT),
                optional("Endpoint", TEXT),
                optional(
                    "Attributes",
                    Kind::Structure(&[optional("RawMessageDelivery", Kind::Choice(&["true", "false"]))]),
                ),
                optional("ReturnSubscriptionArn", Kind::Boolean),
            ],
        ),
        operation("Unsubscribe", &[SUBSCRIPTION_ARN]),
    ],
};

const QUEUE_URL: Parameter = required("QueueUrl", TEXT);
const RECEIPT_HANDLE: Parameter = required("ReceiptHandle", TEXT);
const VISIBILITY: Kind = Kind::Integer(0, 43_200);
const ATTRIBUTES: Kind = Kind::Map(0, 100, 256, 1 << 20);
const NAMES: Kind = Kind::List(0, 100, &TEXT);

/// SQS. Source: SQS API Reference.
pub const SQS: Service = Service {
    id: "sqs",
    name: "SQS",
    differs: "Standard queues, in the emulator winterbaume, with messages on disk. A request with short polling (without \
              `WaitTimeSeconds`) sees only some of the messages, and may return none although there are some. FIFO \
              queues, message attributes, permissions, dead-letter queues of queues and move tasks are refused.",
    operations: &[
        operation(
            "ChangeMessageVisibility",
            &[QUEUE_URL, RECEIPT_HANDLE, required("VisibilityTimeout", VISIBILITY)],
        ),
        operation(
            "ChangeMessageVisibilityBatch",
            &[
                QUEUE_URL,
                required(
                    "Entries",
                    Kind::List(
                        1,
                        10,
                        &Kind::Structure(&[
                            required("Id", TEXT),
                            RECEIPT_HANDLE,
                            optional("VisibilityTimeout", VISIBILITY),
                        ]),
                    ),
                ),
            ],
        ),
        operation(
            "CreateQueue",
            &[required("QueueName", Kind::Text(1, 80, "[A-Za-z0-9_-]+")), optional("Attributes", ATTRIBUTES)],
        ),
        operation("DeleteMessage", &[QUEUE_URL, RECEIPT_HANDLE]),
        operation(
            "DeleteMessageBatch",
            &[
                QUEUE_URL,
                required(
                    "Entries",
                    Kind::List(1, 10, &Kind::Structure(&[required("Id", TEXT), RECEIPT_HANDLE])),
                ),
            ],
        ),
        operation("DeleteQueue", &[QUEUE_URL]),
        operation("GetQueueAttributes", &[QUEUE_URL, optional("AttributeNames", NAMES)]),
        operation("GetQueueUrl", &[required("QueueName", TEXT)]),
        operation("ListQueues", &[optional("QueueNamePrefix", TEXT)]),
        operation("PurgeQueue", &[QUEUE_URL]),
        operation(
            "ReceiveMessage",
            &[
                QUEUE_URL,
                optional("AttributeNames", NAMES),
                optional("MessageSystemAttributeNames", NAMES),
                optional("MessageAttributeNames", NAMES),
                optional("MaxNumberOfMessages", Kind::Integer(1, 10)),
                optional("VisibilityTimeout", VISIBILITY),
                optional("WaitTimeSeconds", Kind::Integer(0, 20)),
            ],
        ),
        operation(
            "SendMessage",
            &[
                QUEUE_URL,
                required("MessageBody", Kind::Text(1, 1 << 20, "")),
                optional("DelaySeconds", Kind::Integer(0, 900)),
            ],
        ),
        operation(
            "SendMessageBatch",
            &[
                QUEUE_URL,
                required(
                    "Entries",
                    Kind::List(
                        1,
                        10,
                        &Kind::Structure(&[
                            required("Id", TEXT),
                            required("MessageBody", Kind::Text(1, 1 << 20, "")),
                            optional("DelaySeconds", Kind::Integer(0, 900)),
                        ]),
                    ),
                ),
            ],
        ),
        operation("SetQueueAttributes", &[QUEUE_URL, required("Attributes", ATTRIBUTES)]),
    ],
};

/// S3. The parameters are the query parameters of a request. Source: S3 API Reference.
pub const S3: Service = Service {
    id: "s3",
    name: "S3",
    differs: "The bucket of records that Lambda gave up, with the bucket in the path. Whole objects only: ranges, \
              conditions, versions and other headers of S3 are refused.",
    operations: &[
        operation("DeleteObject", &[optional("x-id", TEXT)]),
        operation("GetObject", &[optional("x-id", TEXT)]),
        operation(
            "ListObjectsV2",
            &[
                required("list-type", Kind::Choice(&["2"])),
                optional("prefix", TEXT),
                optional("start-after", TEXT),
                optional("continuation-token", TEXT),
                optional("max-keys", Kind::Integer(0, i32::MAX as i64)),
                optional("encoding-type", Kind::Choice(&["url"])),
                optional("x-id", TEXT),
            ],
        ),
    ],
};

/// STS. Source: STS API Reference.
pub const STS: Service = Service {
    id: "sts",
    name: "STS",
    differs: "All credentials belong to one account, 123456789012, in us-east-1.",
    operations: &[operation("GetCallerIdentity", &[])],
};

/// API Gateway. Source: API Gateway API Reference.
pub const API_GATEWAY: Service = Service {
    id: "apigateway",
    name: "API Gateway",
    differs: "The cache of the authorizer's answers can be flushed.",
    operations: &[operation("FlushStageAuthorizersCache", &[])],
};

/// DynamoDB. The embedded database checks the parameters.
pub const DYNAMODB: Service = Service {
    id: "dynamodb",
    name: "DynamoDB",
    differs: "The emulator dynoxide on SQLite, with its own checks of parameters, behind the injected faults. A page of \
              items that has no limit ends after 3,500 items, also if they have less than 1 MB. DynamoDB Streams are \
              supported as well.",
    operations: &[],
};
