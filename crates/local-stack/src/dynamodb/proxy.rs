//! Proxy in front of the embedded DynamoDB, which injects faults and records metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use system_clock::now_ms;

use super::database::EmbeddedDatabase;
use super::lagging_index::LaggingIndex;
use super::torn_transactions::TornTransactions;
use crate::api::protocol::{error_response, json_response, target};
use crate::cloudwatch::{MetricName, MetricStore};
use crate::faults::{Faults, WriteFault};
use crate::names::arn;

/// Operations of DynamoDB that write items.
const WRITES: [&str; 5] = ["UpdateItem", "PutItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

/// DynamoDB as clients see it.
#[derive(Clone)]
pub struct DynamoDb {
    database: EmbeddedDatabase,
    lagging_index: Option<Arc<LaggingIndex>>,
    transactions: Arc<TornTransactions>,
    faults: Arc<Faults>,
    metrics: Arc<MetricStore>,
}

impl DynamoDb {
    /// Creates a proxy in front of the database that listens on `address`. If `lagging_index` is
    /// set, it answers the queries of the index of keys.
    pub fn new(
        address: SocketAddr,
        lagging_index: Option<Arc<LaggingIndex>>,
        faults: Arc<Faults>,
        metrics: Arc<MetricStore>,
    ) -> Self {
        let database = EmbeddedDatabase::new(address);
        Self { database, lagging_index, transactions: Arc::default(), faults, metrics }
    }

    /// Handles a request.
    pub async fn handle(&self, headers: HeaderMap, body: Bytes) -> Response {
        let operation = target(&headers).1;
        if self.faults.delays_or_loses_table_request().await {
            return lost_reply();
        }
        if operation == "Query"
            && let Some(response) = self.lagging_query(&body)
        {
            return json_response(StatusCode::OK, "application/x-amz-json-1.0", &response);
        }
        let fault = if WRITES.contains(&operation) { self.faults.write_fault() } else { WriteFault::None };
        if fault == WriteFault::Throttle {
            self.record_throttle(&body);
            let message = "injected fault: throttled write";
            return error_response(
                StatusCode::BAD_REQUEST,
                "ProvisionedThroughputExceededException",
                message,
            );
        }
        let mut body = to_database_arns(operation, body);
        if READS_OF_PAGES.contains(&operation) {
            body = with_member(body, "Limit", ITEMS_OF_PAGE).0;
        }
        let (body, is_own) = with_member(body, "ReturnConsumedCapacity", "\"TOTAL\"");
        let may_tear = operation == "TransactWriteItems" && self.faults.rates().torn_transaction > 0.0;
        let reply = if may_tear {
            let (database, faults) = (self.database.clone(), self.faults.clone());
            self.transactions.run(database, faults, headers.clone(), body.clone()).await
        } else {
            self.database.forward(&headers, operation, body.clone()).await
        };
        let (mut parts, reply) = match reply {
            Ok(reply) => reply.into_parts(),
            Err(response) => return response,
        };
        if operation == "TransactWriteItems" && parts.status.is_success() {
            self.apply_to_lagging_index(&body);
        }
        self.record_consumed_capacity(operation, &body, parts.status, &reply);
        if fault == WriteFault::LoseReply {
            return lost_reply();
        }
        let sent = to_public_arns(operation, if is_own { without_consumed(&reply) } else { reply.clone() });
        if sent != reply {
            // Checksum and length of the body that the database sent.
            parts.headers.remove("x-amz-crc32");
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        Response::from_parts(parts, Body::from(sent))
    }

    /// Records the consumed capacity of a request as DynamoDB's metrics. A failed condition
    /// consumes one write unit, because the rows here are smaller than 1 KB. The half unit of an
    /// eventually consistent read is rounded up to one.
    fn record_consumed_capacity(&self, operation: &str, request: &Bytes, status: StatusCode, reply: &Bytes) {
        let name = if WRITES.contains(&operation) {
            "ConsumedWriteCapacityUnits"
        } else {
            "ConsumedReadCapacityUnits"
        };
        let record = |table: &str, units: f64| {
            let metric = MetricName::new("AWS/DynamoDB", name, [("TableName", table)]);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "capacity units are small and positive"
            )]
            self.metrics.record(metric, now_ms(), [units.ceil() as u64]);
        };
        if status.is_success() {
            let (consumed, _) = consumed_capacity(reply);
            let tables = consumed.as_array().map_or_else(|| std::slice::from_ref(&consumed), Vec::as_slice);
            for table in tables {
                if let (Some(name), Some(units)) =
                    (table["TableName"].as_str(), table["CapacityUnits"].as_f64())
                {
                    record(name, units);
                }
            }
        } else if status == StatusCode::BAD_REQUEST
            && contains(reply, b"ConditionalCheckFailed")
            && let Some(table) = table_name(request)
        {
            record(&table, 1.0);
        }
    }

    /// Records a throttled write as DynamoDB's metric.
    fn record_throttle(&self, body: &Bytes) {
        if let Some(table) = table_name(body) {
            let metric = MetricName::new("AWS/DynamoDB", "WriteThrottleEvents", [("TableName", &table)]);
            self.metrics.record(metric, now_ms(), [1]);
        }
    }

    fn lagging_query(&self, body: &Bytes) -> Option<Value> {
        self.lagging_index.as_ref()?.query(&serde_json::from_slice(body).ok()?, now_ms())
    }

    fn apply_to_lagging_index(&self, body: &Bytes) {
        if let (Some(index), Ok(request)) = (&self.lagging_index, serde_json::from_slice(body)) {
            index.apply(&request, now_ms());
        }
    }
}

/// The operations that return a page of items.
const READS_OF_PAGES: [&str; 2] = ["Query", "Scan"];
/// Maximum number of items that a page without a limit evaluates. DynamoDB ends a page at 1 MB, and so does
/// the database; but it reads all items that are left before it counts their bytes, unless it has a limit.
/// Items of less than 300 bytes, of which more fit on a page, get more pages than on AWS.
const ITEMS_OF_PAGE: &str = "3500";

/// Adds a member to a request that has none of this name. Also returns `true` if it was added.
fn with_member(body: Bytes, name: &str, value: &str) -> (Bytes, bool) {
    let name = format!("\"{name}\"");
    match body.strip_prefix(b"{") {
        Some(members) if members.trim_ascii_start() != b"}" && !contains(members, name.as_bytes()) => {
            ([b"{", name.as_bytes(), b":", value.as_bytes(), b",", members].concat().into(), true)
        }
        _ => (body, false),
    }
}

/// Returns the consumed capacity in a response. It is at the end of a page of items, where it is found
/// without parsing them: its own text is all that is left before the last brace.
fn consumed_capacity(reply: &[u8]) -> (Value, Option<std::ops::Range<usize>>) {
    const MEMBER: &[u8] = b",\"ConsumedCapacity\":";
    if let (Some(start), Some(body)) = (memchr::memmem::rfind(reply, MEMBER), reply.strip_suffix(b"}"))
        && let Some(Ok(consumed)) = body.get(start + MEMBER.len()..).map(serde_json::from_slice)
    {
        return (consumed, Some(start..body.len()));
    }
    let reply: Value = serde_json::from_slice(reply).unwrap_or_default();
    (reply["ConsumedCapacity"].clone(), None)
}

/// Removes the consumed capacity, which the client did not ask for, from a response.
fn without_consumed(reply: &Bytes) -> Bytes {
    if !contains(reply, b"\"ConsumedCapacity\"") {
        return reply.clone();
    }
    if let (_, Some(place)) = consumed_capacity(reply) {
        return [&reply[..place.start], &reply[place.end..]].concat().into();
    }
    let Ok(Value::Object(mut members)) = serde_json::from_slice(reply) else { return reply.clone() };
    match members.remove("ConsumedCapacity") {
        Some(_) => Value::Object(members).to_string().into(),
        None => reply.clone(),
    }
}

/// Prefix of ARNs in the embedded database.
const DATABASE_ARN_PREFIX: &str = "arn:aws:dynamodb:dynoxide:000000000000:";
/// Operations with items, which may contain ARNs as data and are left unchanged.
const DATA_OPERATIONS: [&str; 11] = [
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "GetItem",
    "GetRecords",
    "PutItem",
    "Query",
    "Scan",
    "TransactGetItems",
    "TransactWriteItems",
    "UpdateItem",
];

fn to_database_arns(operation: &str, body: Bytes) -> Bytes {
    replace_arns(operation, body, &arn("dynamodb", ""), DATABASE_ARN_PREFIX)
}

fn to_public_arns(operation: &str, body: Bytes) -> Bytes {
    replace_arns(operation, body, DATABASE_ARN_PREFIX, &arn("dynamodb", ""))
}

fn replace_arns(operation: &str, body: Bytes, from: &str, to: &str) -> Bytes {
    if DATA_OPERATIONS.contains(&operation) || !contains(&body, from.as_bytes()) {
        return body;
    }
    String::from_utf8_lossy(&body).replace(from, to).into()
}

/// Returns the name of the table of a request for a single table.
fn table_name(request: &Bytes) -> Option<String> {
    let request: Value = serde_json::from_slice(request).ok()?;
    Some(request["TableName"].as_str()?.to_owned())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// Creates a response whose connection is closed before the first byte of the body, so that the
/// client cannot know the outcome of its request.
fn lost_reply() -> Response {
    let broken = futures_util::stream::once(async {
        Err::<Bytes, _>(std::io::Error::other("injected fault: lost reply"))
    });
    ([(header::CONTENT_LENGTH, "2")], Body::from_stream(broken)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_added_to_a_request_that_has_none() {
        let with_limit = |body: &'static str| {
            let (body, is_added) = with_member(Bytes::from_static(body.as_bytes()), "Limit", ITEMS_OF_PAGE);
            (String::from_utf8(body.to_vec()).unwrap(), is_added)
        };
        let added = r#"{"Limit":3500,"TableName":"t"}"#.to_owned();
        assert_eq!(with_limit(r#"{"TableName":"t"}"#), (added, true));
        for unchanged in [r#"{"TableName":"t","Limit":1}"#, "{}", "{ }", "[1]", ""] {
            assert_eq!(with_limit(unchanged), (unchanged.to_owned(), false));
        }
    }

    #[test]
    fn the_consumed_capacity_is_found_and_removed_wherever_it_is() {
        let check = |reply: &'static str, units: &Value, without: &str| {
            let reply = Bytes::from_static(reply.as_bytes());
            assert_eq!(&consumed_capacity(&reply).0["CapacityUnits"], units, "{reply:?}");
            assert_eq!(without_consumed(&reply), without.as_bytes(), "{reply:?}");
        };
        check(
            r#"{"Items":[],"ConsumedCapacity":{"CapacityUnits":1.5}}"#,
            &Value::from(1.5),
            r#"{"Items":[]}"#,
        );
        check(r#"{"ConsumedCapacity":{"CapacityUnits":1.5},"Count":1}"#, &Value::from(1.5), r#"{"Count":1}"#);
        // Members of items are left.
        let item = r#"{"Items":[{"a":{"M":{"b":{"N":"1"},"ConsumedCapacity":{"N":"1"}}}}]}"#;
        check(item, &Value::Null, item);
        let text = r#"{"Items":[{"a":{"S":",\"ConsumedCapacity\":"}}]}"#;
        check(text, &Value::Null, text);
    }
}
