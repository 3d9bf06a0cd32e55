//! CloudWatch Logs. Source: CloudWatch Logs API Reference.

use crate::api::{Kind, Parameter, Service, operation, optional, required};

const ANY: usize = usize::MAX;
const TEXT: Kind = Kind::Text(0, ANY, "");
const NAME: Kind = Kind::Text(1, 512, "");
const NON_EMPTY: Kind = Kind::Text(1, ANY, "");
/// A time in milliseconds since 1970; in seconds for `StartQuery`.
const TIME: Kind = Kind::Integer(0, i64::MAX);
const LOG_GROUP_NAME: Parameter = required("logGroupName", NAME);
const LOG_STREAM_NAME: Parameter = required("logStreamName", NAME);
const OPTIONAL_LOG_GROUP_NAME: Parameter = optional("logGroupName", NAME);
const LOG_GROUP_IDENTIFIER: Parameter = optional("logGroupIdentifier", NON_EMPTY);
const FILTER_NAME: Parameter = required("filterName", NON_EMPTY);
/// An empty pattern matches every event.
const FILTER_PATTERN: Parameter = required("filterPattern", TEXT);
const FILTER_NAME_PREFIX: Parameter = optional("filterNamePrefix", TEXT);
const QUERY_ID: Parameter = required("queryId", NON_EMPTY);
const NEXT_TOKEN: Parameter = optional("nextToken", TEXT);
/// Maximum number of groups, streams or filters of one answer.
const LIST_LIMIT: Parameter = optional("limit", Kind::Integer(1, 50));
/// Maximum number of events of one answer.
const EVENT_LIMIT: Parameter = optional("limit", Kind::Integer(1, 10_000));
const EVENT: Kind = Kind::Structure(&[required("timestamp", TIME), required("message", NON_EMPTY)]);
const TRANSFORMATION: Kind = Kind::Structure(&[
    required("metricName", NON_EMPTY),
    required("metricNamespace", NON_EMPTY),
    required("metricValue", NON_EMPTY),
    optional("defaultValue", Kind::Number),
    optional("unit", TEXT),
]);

/// CloudWatch Logs.
pub const LOGS: Service = Service {
    id: "logs",
    name: "CloudWatch Logs",
    differs: "Log groups of the class STANDARD with their streams, metric filters, one subscription filter to the \
              stream of the usage meter, and queries of Logs Insights. Events are on disk and have no retention period.",
    operations: &[
        operation("CreateLogGroup", &[LOG_GROUP_NAME, optional("logGroupClass", TEXT)]),
        operation("CreateLogStream", &[LOG_GROUP_NAME, LOG_STREAM_NAME]),
        operation(
            "DescribeLogGroups",
            &[
                optional("logGroupNamePrefix", TEXT),
                optional("logGroupNamePattern", TEXT),
                NEXT_TOKEN,
                LIST_LIMIT,
            ],
        ),
        operation(
            "DescribeLogStreams",
            &[
                OPTIONAL_LOG_GROUP_NAME,
                LOG_GROUP_IDENTIFIER,
                optional("logStreamNamePrefix", TEXT),
                optional("orderBy", TEXT),
                optional("descending", Kind::Boolean),
                NEXT_TOKEN,
                LIST_LIMIT,
            ],
        ),
        operation(
            "DescribeMetricFilters",
            &[
                OPTIONAL_LOG_GROUP_NAME,
                FILTER_NAME_PREFIX,
                optional("metricName", TEXT),
                optional("metricNamespace", TEXT),
                NEXT_TOKEN,
                LIST_LIMIT,
            ],
        ),
        operation(
            "DescribeQueries",
            &[
                OPTIONAL_LOG_GROUP_NAME,
                optional("status", TEXT),
                optional("maxResults", Kind::Integer(1, 1_000)),
                NEXT_TOKEN,
            ],
        ),
        operation(
            "DescribeSubscriptionFilters",
            &[LOG_GROUP_NAME, FILTER_NAME_PREFIX, NEXT_TOKEN, LIST_LIMIT],
        ),
        operation(
            "FilterLogEvents",
            &[
                OPTIONAL_LOG_GROUP_NAME,
                LOG_GROUP_IDENTIFIER,
                optional("logStreamNames", Kind::List(1, 100, &TEXT)),
                optional("logStreamNamePrefix", TEXT),
                optional("startTime", TIME),
                optional("endTime", TIME),
                optional("filterPattern", TEXT),
                NEXT_TOKEN,
                EVENT_LIMIT,
                optional("interleaved", Kind::Boolean),
                optional("startFromHead", Kind::Boolean),
                optional("unmask", Kind::Boolean),
            ],
        ),
        operation(
            "GetLogEvents",
            &[
                OPTIONAL_LOG_GROUP_NAME,
                LOG_GROUP_IDENTIFIER,
                LOG_STREAM_NAME,
                optional("startTime", TIME),
                optional("endTime", TIME),
                NEXT_TOKEN,
                EVENT_LIMIT,
                optional("startFromHead", Kind::Boolean),
                optional("unmask", Kind::Boolean),
            ],
        ),
        operation("GetQueryResults", &[QUERY_ID, NEXT_TOKEN, optional("maxItems", Kind::Integer(1, 10_000))]),
        operation(
            "PutLogEvents",
            &[
                LOG_GROUP_NAME,
                LOG_STREAM_NAME,
                required("logEvents", Kind::List(1, 10_000, &EVENT)),
                // AWS accepts a sequence token and ignores it.
                optional("sequenceToken", TEXT),
            ],
        ),
        operation(
            "PutMetricFilter",
            &[
                LOG_GROUP_NAME,
                FILTER_NAME,
                FILTER_PATTERN,
                required("metricTransformations", Kind::List(1, 1, &TRANSFORMATION)),
            ],
        ),
        operation(
            "PutSubscriptionFilter",
            &[
                LOG_GROUP_NAME,
                FILTER_NAME,
                FILTER_PATTERN,
                required("destinationArn", NON_EMPTY),
                required("roleArn", NON_EMPTY),
                optional("distribution", TEXT),
            ],
        ),
        operation(
            "StartQuery",
            &[
                optional("queryLanguage", TEXT),
                OPTIONAL_LOG_GROUP_NAME,
                optional("logGroupNames", Kind::List(1, 50, &TEXT)),
                optional("logGroupIdentifiers", Kind::List(1, 50, &TEXT)),
                required("startTime", TIME),
                required("endTime", TIME),
                required("queryString", NON_EMPTY),
                optional("limit", Kind::Integer(1, 100_000)),
            ],
        ),
        operation("StopQuery", &[QUERY_ID]),
        operation(
            "TestMetricFilter",
            &[FILTER_PATTERN, required("logEventMessages", Kind::List(1, 50, &TEXT))],
        ),
    ],
};
