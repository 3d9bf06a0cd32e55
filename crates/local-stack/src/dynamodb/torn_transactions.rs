//! Simulated transactions whose writes become visible one after the other.
//!
//! DynamoDB isolates a transaction from a read of one item, not from reads of several items: until
//! the transaction has returned, they may see some of its writes and not the others (DynamoDB
//! Developer Guide, "Isolation levels for DynamoDB transactions"). The embedded database shows all
//! writes at once. If the fault `torn_transaction` is configured, this module carries out a
//! transaction as single writes in a random order, with pauses in which other requests can run. The
//! outcome is still that of a transaction: all conditions are checked first, and another
//! transaction with one of its items gets a conflict until the transaction has ended.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value, json};

use super::database::{EmbeddedDatabase, Reply};
use crate::faults::Faults;
use crate::sync::locked;

/// Maximum time between two writes of a torn transaction, in milliseconds.
const MAX_PAUSE_MS: u64 = 20;

/// Transactions in progress, and the outcomes of those with a client request token.
#[derive(Debug, Default)]
pub(super) struct TornTransactions {
    items: Mutex<HashSet<String>>,
    /// Attempts by client request token.
    tokens: Mutex<HashMap<String, Attempt>>,
}

/// Previous attempt of a transaction.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    is_torn: bool,
    is_complete: bool,
}

/// Items of a transaction in progress, released when it is dropped.
struct Ongoing {
    transactions: Arc<TornTransactions>,
    items: Vec<String>,
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let mut items = locked(&self.transactions.items);
        self.items.iter().for_each(|item| _ = items.remove(item));
    }
}

impl TornTransactions {
    /// Carries out a transaction, torn or whole at random. It is completed even if the client
    /// disconnects.
    pub async fn run(
        self: &Arc<Self>,
        database: EmbeddedDatabase,
        faults: Arc<Faults>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Reply {
        let transactions = self.clone();
        let transaction =
            async move { transactions.run_to_completion(&database, &faults, &headers, body).await };
        match tokio::spawn(transaction).await {
            Ok(result) => result,
            Err(error) => {
                Ok(response(StatusCode::INTERNAL_SERVER_ERROR, &json!({"message": error.to_string()})))
            }
        }
    }

    async fn run_to_completion(
        self: &Arc<Self>,
        database: &EmbeddedDatabase,
        faults: &Faults,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Reply {
        let Ok(request) = serde_json::from_slice::<Value>(&body) else {
            return database.forward(headers, "TransactWriteItems", body).await;
        };
        let writes = request["TransactItems"].as_array().cloned().unwrap_or_default();
        let _ongoing = match self.begin(&writes) {
            Ok(ongoing) => ongoing,
            Err(conflict) => return Ok(*conflict),
        };
        let token = request["ClientRequestToken"].as_str().unwrap_or_default().to_owned();
        let is_torn = faults.tears_transaction();
        let Attempt { is_torn, is_complete } = match locked(&self.tokens).get(&token) {
            Some(known) if !token.is_empty() => *known,
            _ => Attempt { is_torn, is_complete: false },
        };
        let result = match (is_torn, is_complete) {
            (true, true) => Ok(response(StatusCode::OK, &json!({}))),
            (true, false) => run_torn(database, faults, headers, &writes).await,
            (false, _) => database.forward(headers, "TransactWriteItems", body).await,
        };
        let is_complete = result.as_ref().is_ok_and(|result| result.status().is_success());
        locked(&self.tokens).insert(token, Attempt { is_torn, is_complete });
        result
    }

    /// Reserves the items of a transaction, or returns the conflict with a transaction in progress.
    fn begin(self: &Arc<Self>, writes: &[Value]) -> Result<Ongoing, Box<http::Response<Bytes>>> {
        let items: Vec<String> = writes.iter().map(|write| item(write).to_string()).collect();
        let mut ongoing = locked(&self.items);
        if items.iter().any(|item| ongoing.contains(item)) {
            let codes =
                items.iter().map(|item| if ongoing.contains(item) { "TransactionConflict" } else { "None" });
            let reasons: Vec<Value> = codes.map(|code| json!({"Code": code})).collect();
            return Err(Box::new(response(
                StatusCode::BAD_REQUEST,
                &json!({
                    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                    "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
                    "CancellationReasons": reasons,
                }),
            )));
        }
        ongoing.extend(items.iter().cloned());
        Ok(Ongoing { transactions: self.clone(), items })
    }
}

async fn run_torn(
    database: &EmbeddedDatabase,
    faults: &Faults,
    headers: &HeaderMap,
    writes: &[Value],
) -> Reply {
    let checks: Vec<Value> = writes.iter().map(check).collect();
    let checks = json!({"TransactItems": checks}).to_string();
    let checked = database.forward(headers, "TransactWriteItems", checks.into()).await?;
    if !checked.status().is_success() {
        return Ok(checked);
    }
    let mut random = StdRng::seed_from_u64(faults.draw_seed());
    let mut parts: Vec<(&str, String)> = writes.iter().filter_map(single_write).collect();
    parts.shuffle(&mut random);
    for (operation, body) in parts {
        tokio::time::sleep(Duration::from_millis(random.random_range(0..=MAX_PAUSE_MS))).await;
        let result = database.forward(headers, operation, body.into()).await?;
        if !result.status().is_success() {
            return Ok(result);
        }
    }
    Ok(response(StatusCode::OK, &json!({})))
}

/// Returns the kind of a write (`Put`, `Update` and so on) and its parameters.
fn parts_of(write: &Value) -> (&str, &Map<String, Value>) {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let entry = write.as_object().and_then(|write| write.iter().next());
    entry.map_or(("", &NONE), |(kind, parameters)| (kind, parameters.as_object().unwrap_or(&NONE)))
}

/// Returns the table and the key of the item of a write. Keys of all tables here are `pk` or `pk`
/// and `sk`.
fn item(write: &Value) -> Value {
    let (_, parameters) = parts_of(write);
    let attributes = parameters.get("Key").or_else(|| parameters.get("Item")).and_then(Value::as_object);
    let key: Map<String, Value> = attributes
        .into_iter()
        .flatten()
        .filter(|(name, _)| ["pk", "sk"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    json!({"TableName": parameters.get("TableName"), "Key": key})
}

/// Converts a write to a `ConditionCheck` with its condition.
fn check(write: &Value) -> Value {
    let (_, parameters) = parts_of(write);
    let condition = parameters.get("ConditionExpression").and_then(Value::as_str);
    let condition = condition.unwrap_or("attribute_exists(pk) OR attribute_not_exists(pk)");
    let mut check = item(write);
    check["ConditionExpression"] = json!(condition);
    keep_placeholders(parameters, condition, &mut check);
    json!({"ConditionCheck": check})
}

/// Converts a write to a single operation without its condition. Returns `None` for a
/// `ConditionCheck`.
fn single_write(write: &Value) -> Option<(&'static str, String)> {
    let (kind, parameters) = parts_of(write);
    let operation = match kind {
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        "Delete" => "DeleteItem",
        _ => return None,
    };
    let expression = parameters.get("UpdateExpression").and_then(Value::as_str).unwrap_or_default();
    let mut body = json!({"TableName": parameters.get("TableName")});
    for name in ["Key", "Item", "UpdateExpression"] {
        if let Some(value) = parameters.get(name) {
            body[name] = value.clone();
        }
    }
    keep_placeholders(parameters, expression, &mut body);
    Some((operation, body.to_string()))
}

/// Copies the attribute names and values that an expression uses. DynamoDB refuses unused ones.
fn keep_placeholders(parameters: &Map<String, Value>, expression: &str, body: &mut Value) {
    let is_name = |letter: char| letter.is_alphanumeric() || "_#:".contains(letter);
    let words: HashSet<&str> = expression.split(|letter| !is_name(letter)).collect();
    for kind in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        let all = parameters.get(kind).and_then(Value::as_object).into_iter().flatten();
        let used: Map<String, Value> = all
            .filter(|(name, _)| words.contains(name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !used.is_empty() {
            body[kind] = Value::Object(used);
        }
    }
}

fn response(status: StatusCode, body: &Value) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_taken_apart_into_its_condition_and_the_rest() {
        let write = json!({"Update": {
            "TableName": "log", "Key": {"pk": {"S": "log"}, "sk": {"N": "1"}},
            "UpdateExpression": "SET #sequence = :new", "ConditionExpression": "#sequence = :old AND a = :o",
            "ExpressionAttributeNames": {"#sequence": "sequence"},
            "ExpressionAttributeValues": {":new": {"N": "2"}, ":old": {"N": "1"}, ":o": {"N": "3"}},
        }});
        let check = check(&write)["ConditionCheck"].clone();
        assert_eq!(check["ExpressionAttributeValues"], json!({":old": {"N": "1"}, ":o": {"N": "3"}}));
        let (operation, body) = single_write(&write).unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (operation, &body["ExpressionAttributeValues"]),
            ("UpdateItem", &json!({":new": {"N": "2"}}))
        );
        assert_eq!(body["ConditionExpression"], Value::Null);
        let put =
            json!({"Put": {"TableName": "keys", "Item": {"pk": {"S": "key#1"}, "version": {"N": "1"}}}});
        assert_eq!(item(&put), json!({"TableName": "keys", "Key": {"pk": {"S": "key#1"}}}));
        assert_eq!(single_write(&json!({"ConditionCheck": {}})), None);
    }

    #[test]
    fn transactions_with_the_same_item_meet_a_conflict_until_one_is_over() {
        let transactions = Arc::new(TornTransactions::default());
        let put = |pk: &str| json!({"Put": {"TableName": "keys", "Item": {"pk": {"S": pk}}}});
        let first = transactions.begin(&[put("a"), put("b")]).ok().unwrap();
        assert!(transactions.begin(&[put("c")]).is_ok());
        let conflict: Value =
            serde_json::from_slice(transactions.begin(&[put("c"), put("b")]).err().unwrap().body()).unwrap();
        assert_eq!(
            conflict["CancellationReasons"],
            json!([{"Code": "None"}, {"Code": "TransactionConflict"}])
        );
        drop(first);
        assert!(transactions.begin(&[put("c"), put("b")]).is_ok());
    }
}
