//! DynamoDB: the embedded database, behind the faults that were asked for.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use lambda_support::clock::now_ms;
use serde_json::Value;

use super::database::EmbeddedDatabase;
use super::lagging_index::LaggingIndex;
use super::torn_transactions::TornTransactions;
use crate::api::protocol::{error_response, json_response, target};
use crate::cloudwatch::{MetricName, MetricStore};
use crate::faults::{Faults, WriteFault};
use crate::names::arn;

/// The operations of DynamoDB that change something.
const WRITES: [&str; 5] = ["UpdateItem", "PutItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

/// DynamoDB, as its clients see it.
#[derive(Clone)]
pub struct DynamoDb {
    database: EmbeddedDatabase,
    lagging_index: Option<Arc<LaggingIndex>>,
    transactions: Arc<TornTransactions>,
    faults: Arc<Faults>,
    metrics: Arc<MetricStore>,
}

impl DynamoDb {
    /// Puts faults and metrics in front of the database that listens at `address`.
    /// Queries of the index of keys are answered by `lagging_index`, if there is one.
    pub fn new(
        address: SocketAddr,
        lagging_index: Option<Arc<LaggingIndex>>,
        faults: Arc<Faults>,
        metrics: Arc<MetricStore>,
    ) -> Self {
        let database = EmbeddedDatabase::new(address);
        Self { database, lagging_index, transactions: Arc::default(), faults, metrics }
    }

    /// Answers a request.
    pub async fn handle(&self, headers: HeaderMap, body: Bytes) -> Response {
        let operation = target(&headers).1;
        if operation == "Query"
            && let Some(answer) = self.lagging_query(&body)
        {
            return json_response(StatusCode::OK, "application/x-amz-json-1.0", &answer);
        }
        let fault = if WRITES.contains(&operation) { self.faults.write_fault() } else { WriteFault::None };
        if fault == WriteFault::Throttle {
            self.tell_throttle(&body);
            let message = "a throttle that was asked for";
            return error_response(
                StatusCode::BAD_REQUEST,
                "ProvisionedThroughputExceededException",
                message,
            );
        }
        let (body, was_asked) = ask_for_consumed_capacity(with_own_arns(operation, body));
        let may_tear = operation == "TransactWriteItems" && self.faults.rates().torn_transaction > 0.0;
        let reply = if may_tear {
            let (database, faults) = (self.database.clone(), self.faults.clone());
            self.transactions.carry_out(database, faults, headers.clone(), body.clone()).await
        } else {
            self.database.forward(&headers, operation, body.clone()).await
        };
        let (mut parts, reply) = match reply {
            Ok(reply) => reply.into_parts(),
            Err(response) => return response,
        };
        if operation == "TransactWriteItems" && parts.status.is_success() {
            self.note_transaction(&body);
        }
        self.tell_consumed(operation, &body, parts.status, &reply);
        if fault == WriteFault::LoseReply {
            return lost_reply();
        }
        let told =
            with_public_arns(operation, if was_asked { reply.clone() } else { without_consumed(&reply) });
        if told != reply {
            // They are of the reply as the database wrote it.
            parts.headers.remove("x-amz-crc32");
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        Response::from_parts(parts, Body::from(told))
    }

    /// Tells the metrics that DynamoDB has of what a request used. A failed
    /// condition uses one write unit, as the rows here are smaller than 1 KB;
    /// a half unit, of an eventually consistent read, counts as one.
    fn tell_consumed(&self, operation: &str, request: &Bytes, status: StatusCode, reply: &Bytes) {
        let name = if WRITES.contains(&operation) {
            "ConsumedWriteCapacityUnits"
        } else {
            "ConsumedReadCapacityUnits"
        };
        let tell = |table: &str, units: f64| {
            let metric = MetricName::new("AWS/DynamoDB", name, [("TableName", table)]);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "units are few and positive"
            )]
            self.metrics.record(metric, now_ms(), [units.ceil() as u64]);
        };
        if status.is_success() {
            let reply: Value = serde_json::from_slice(reply).unwrap_or_default();
            let consumed = &reply["ConsumedCapacity"];
            let tables = consumed.as_array().map_or_else(|| std::slice::from_ref(consumed), Vec::as_slice);
            for table in tables {
                if let (Some(name), Some(units)) =
                    (table["TableName"].as_str(), table["CapacityUnits"].as_f64())
                {
                    tell(name, units);
                }
            }
        } else if status == StatusCode::BAD_REQUEST
            && find(reply, b"ConditionalCheckFailed")
            && let Some(table) = table_name(request)
        {
            tell(&table, 1.0);
        }
    }

    /// Tells the metric that DynamoDB has of a table that throttles.
    fn tell_throttle(&self, body: &Bytes) {
        if let Some(table) = table_name(body) {
            let metric = MetricName::new("AWS/DynamoDB", "WriteThrottleEvents", [("TableName", &table)]);
            self.metrics.record(metric, now_ms(), [1]);
        }
    }

    fn lagging_query(&self, body: &Bytes) -> Option<Value> {
        self.lagging_index.as_ref()?.query(&serde_json::from_slice(body).ok()?, now_ms())
    }

    fn note_transaction(&self, body: &Bytes) {
        if let (Some(index), Ok(request)) = (&self.lagging_index, serde_json::from_slice(body)) {
            index.written(&request, now_ms());
        }
    }
}

/// Has the database say what a request used; whether its client asks for that itself.
fn ask_for_consumed_capacity(body: Bytes) -> (Bytes, bool) {
    const OPTION: &[u8] = b"\"ReturnConsumedCapacity\"";
    match body.strip_prefix(b"{") {
        Some(members) if members.trim_ascii_start() != b"}" && !find(members, OPTION) => {
            ([b"{".as_slice(), OPTION, b":\"TOTAL\",", members].concat().into(), false)
        }
        _ => (body, true),
    }
}

/// The reply without what its client did not ask for.
fn without_consumed(reply: &Bytes) -> Bytes {
    if !find(reply, b"\"ConsumedCapacity\"") {
        return reply.clone();
    }
    let Ok(Value::Object(mut members)) = serde_json::from_slice(reply) else { return reply.clone() };
    members.remove("ConsumedCapacity");
    Value::Object(members).to_string().into()
}

/// How ARNs begin in the embedded database.
const OWN_ARN: &str = "arn:aws:dynamodb:dynoxide:000000000000:";
/// The operations that carry items, in which no ARN is touched.
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

fn with_own_arns(operation: &str, body: Bytes) -> Bytes {
    replaced(operation, body, &arn("dynamodb", ""), OWN_ARN)
}

fn with_public_arns(operation: &str, body: Bytes) -> Bytes {
    replaced(operation, body, OWN_ARN, &arn("dynamodb", ""))
}

fn replaced(operation: &str, body: Bytes, from: &str, to: &str) -> Bytes {
    if DATA_OPERATIONS.contains(&operation) || !find(&body, from.as_bytes()) {
        return body;
    }
    String::from_utf8_lossy(&body).replace(from, to).into()
}

/// The table of a request that has one.
fn table_name(request: &Bytes) -> Option<String> {
    let request: Value = serde_json::from_slice(request).ok()?;
    Some(request["TableName"].as_str()?.to_owned())
}

fn find(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// A reply that breaks off before its first byte of content, so that the
/// client sees a closed connection and cannot know what became of its request.
fn lost_reply() -> Response {
    let broken = futures_util::stream::once(async {
        Err::<Bytes, _>(std::io::Error::other("a lost reply that was asked for"))
    });
    ([(header::CONTENT_LENGTH, "2")], Body::from_stream(broken)).into_response()
}
