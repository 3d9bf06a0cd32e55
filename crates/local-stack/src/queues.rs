//! SQS and SNS, by the winterbaume emulators, with messages that survive a restart.
//!
//! The emulators keep messages in memory only. What is in a queue here may be
//! usage that could not be counted, so every message is also written to a
//! journal before its sender gets an answer, and sent again after a restart.

mod unreliable;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use winterbaume_core::{MockRequest, MockResponse, MockService};
use winterbaume_sns::SnsService;
use winterbaume_sqs::SqsService;

use crate::faults::{FaultRates, Faults};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY, request TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (message_id TEXT PRIMARY KEY, queue_url TEXT NOT NULL, request TEXT NOT NULL);
";

/// The account in the URLs of queues.
pub const ACCOUNT_ID: &str = "123456789012";

/// The two services and their journal.
pub struct Queues {
    sqs: SqsService,
    sns: SnsService,
    journal: Mutex<Connection>,
    /// The message that each receipt handle given out stands for.
    received: Mutex<HashMap<String, String>>,
    faults: Arc<Faults>,
    /// Held while an answer is chosen from all messages.
    receiving: tokio::sync::Mutex<()>,
}

impl Queues {
    /// Opens the journal and sends again what was in the queues.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.execute_batch(SCHEMA)?;
        let queues = Self {
            sqs: SqsService::new(),
            sns: SnsService::new(),
            journal: Mutex::new(connection),
            received: Mutex::new(HashMap::new()),
            faults: Arc::new(Faults::new(FaultRates::default(), 0)),
            receiving: tokio::sync::Mutex::default(),
        };
        queues.restore().await?;
        Ok(queues)
    }

    /// Lets the queues have these faults.
    #[must_use]
    pub fn with_faults(self, faults: Arc<Faults>) -> Self {
        Self { faults, ..self }
    }

    async fn restore(&self) -> rusqlite::Result<()> {
        for request in self.column("SELECT request FROM queues")? {
            self.call_sqs("CreateQueue", &request).await;
        }
        let messages = self.column("SELECT message_id FROM messages ORDER BY rowid")?;
        for message_id in messages {
            let request: String = self.journal().query_row(
                "SELECT request FROM messages WHERE message_id = ?",
                [&message_id],
                |row| row.get(0),
            )?;
            let reply = self.call_sqs("SendMessage", &request).await;
            if let Some(new_id) = json_of(&reply)["MessageId"].as_str() {
                let renamed = params![new_id, message_id];
                self.journal().execute("UPDATE messages SET message_id = ? WHERE message_id = ?", renamed)?;
            }
        }
        Ok(())
    }

    fn column(&self, query: &str) -> rusqlite::Result<Vec<String>> {
        self.journal().prepare(query)?.query_map([], |row| row.get(0))?.collect()
    }

    fn journal(&self) -> MutexGuard<'_, Connection> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request of the SNS API.
    pub async fn sns(&self, parts: Parts, body: Bytes) -> Response {
        let uri = format!("https://sns.us-east-1.amazonaws.com{}", parts.uri);
        let request = MockRequest { method: parts.method.to_string(), uri, headers: parts.headers, body };
        respond(self.sns.handle(request).await)
    }

    /// Answers a request for an operation of the SQS API.
    pub async fn sqs(&self, operation: &str, headers: &HeaderMap, body: Bytes) -> Response {
        let host = headers.get(http::header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
        let request = String::from_utf8_lossy(&body).into_owned();
        if let Some(refusal) = refused(operation, &request) {
            return respond(refusal);
        }
        if operation == "DeleteMessage" && self.survives_deletion(&json_text(&request)).await {
            return respond(MockResponse::json(200, "{}"));
        }
        let reply = self.call_with_faults(operation, &request).await;
        if reply.status == 200
            && let Err(error) = self.record(operation, &request, &json_of(&reply))
        {
            tracing::error!(%error, operation, "the journal of the queues cannot be written");
            let answer = json!({"__type": "InternalFailure", "message": error.to_string()});
            return (StatusCode::INTERNAL_SERVER_ERROR, answer.to_string()).into_response();
        }
        respond(with_local_urls(reply, host))
    }

    async fn call_sqs(&self, operation: &str, request: &str) -> MockResponse {
        let mut headers = HeaderMap::new();
        if let Ok(target) = HeaderValue::from_str(&format!("AmazonSQS.{operation}")) {
            headers.insert("x-amz-target", target);
        }
        headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.0"));
        let uri = "https://sqs.us-east-1.amazonaws.com/".to_owned();
        let body = Bytes::from(without_local_urls(request));
        self.sqs.handle(MockRequest { method: "POST".to_owned(), uri, headers, body }).await
    }

    /// Brings the journal up to date with a request that was carried out.
    fn record(&self, operation: &str, request: &str, reply: &Value) -> rusqlite::Result<()> {
        let parsed = json_text(request);
        let queue = queue_name(&parsed);
        match operation {
            "CreateQueue" => {
                let name = parsed["QueueName"].as_str().unwrap_or("");
                self.journal()
                    .execute("INSERT OR IGNORE INTO queues (name, request) VALUES (?, ?)", [name, request])?;
            }
            "SendMessage" => self.record_message(&reply["MessageId"], queue, request)?,
            "SendMessageBatch" => {
                for sent in reply["Successful"].as_array().into_iter().flatten() {
                    let entries = parsed["Entries"].as_array().into_iter().flatten();
                    for entry in entries.filter(|entry| entry["Id"] == sent["Id"]) {
                        let mut single = entry.clone();
                        single["QueueUrl"] = parsed["QueueUrl"].clone();
                        self.record_message(&sent["MessageId"], queue, &single.to_string())?;
                    }
                }
            }
            "ReceiveMessage" => {
                let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
                for message in reply["Messages"].as_array().into_iter().flatten() {
                    if let (Some(handle), Some(id)) =
                        (message["ReceiptHandle"].as_str(), message["MessageId"].as_str())
                    {
                        received.insert(handle.to_owned(), id.to_owned());
                    }
                }
            }
            "DeleteMessage" => self.forget(&parsed["ReceiptHandle"])?,
            "DeleteMessageBatch" => {
                for entry in parsed["Entries"].as_array().into_iter().flatten() {
                    self.forget(&entry["ReceiptHandle"])?;
                }
            }
            "PurgeQueue" | "DeleteQueue" => {
                self.journal().execute("DELETE FROM messages WHERE queue_url = ?", [queue])?;
                if operation == "DeleteQueue" {
                    self.journal().execute("DELETE FROM queues WHERE name = ?", [queue])?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn record_message(&self, message_id: &Value, queue: &str, request: &str) -> rusqlite::Result<()> {
        let message_id = message_id.as_str().unwrap_or("");
        let query = "INSERT OR REPLACE INTO messages (message_id, queue_url, request) VALUES (?, ?, ?)";
        self.journal().execute(query, [message_id, queue, request])?;
        Ok(())
    }

    fn forget(&self, receipt_handle: &Value) -> rusqlite::Result<()> {
        let handle = receipt_handle.as_str().unwrap_or("");
        let message_id = self.received.lock().unwrap_or_else(PoisonError::into_inner).remove(handle);
        if let Some(message_id) = message_id {
            self.journal().execute("DELETE FROM messages WHERE message_id = ?", [message_id])?;
        }
        Ok(())
    }
}

/// The emulator's own host in the URLs of queues.
const EMULATED_HOST: &str = "https://sqs.us-east-1.amazonaws.com";

/// Replaces the host of queue URLs in a request by the emulator's, whichever
/// port this endpoint had when the URL was handed out.
fn without_local_urls(request: &str) -> String {
    let Ok(mut parsed) = serde_json::from_str::<Value>(request) else { return request.to_owned() };
    if parsed["QueueUrl"].is_string() {
        let name = queue_name(&parsed).to_owned();
        parsed["QueueUrl"] = json!(format!("{EMULATED_HOST}/{ACCOUNT_ID}/{name}"));
    }
    parsed.to_string()
}

fn queue_name(request: &Value) -> &str {
    request["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or("")
}

fn with_local_urls(mut reply: MockResponse, host: &str) -> MockResponse {
    if !host.is_empty() {
        let text = String::from_utf8_lossy(&reply.body).replace(EMULATED_HOST, &format!("http://{host}"));
        reply.body = Bytes::from(text);
    }
    reply
}

fn json_text(request: &str) -> Value {
    serde_json::from_str(request).unwrap_or_default()
}

/// What SQS refuses and the emulator takes. Source: SQS API Reference, `ReceiveMessage`.
fn refused(operation: &str, request: &str) -> Option<MockResponse> {
    if operation != "ReceiveMessage" {
        return None;
    }
    let request = json_text(request);
    let out_of = |member: &str, low: u64, high: u64| {
        let value = request.get(member).filter(|value| !value.is_null())?;
        let fits = value.as_u64().is_some_and(|value| (low..=high).contains(&value));
        (!fits).then(|| format!("{member} is {value}; it has to be {low} to {high}"))
    };
    let message = out_of("MaxNumberOfMessages", 1, 10).or_else(|| out_of("WaitTimeSeconds", 0, 20))?;
    let answer = json!({"__type": "com.amazonaws.sqs#InvalidParameterValue", "message": message});
    Some(MockResponse::json(400, answer.to_string()))
}

fn json_of(reply: &MockResponse) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

fn respond(reply: MockResponse) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = status;
    *response.headers_mut() = reply.headers;
    response
}
