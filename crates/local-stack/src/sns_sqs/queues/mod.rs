//! Amazon SQS: the emulator winterbaume, with messages that survive a restart.
//!
//! The emulator keeps messages only in memory. A queue may have usage that could not be counted, so every
//! message is also written to a journal before its sender gets a response, and sent again after a restart.

mod unreliable;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use winterbaume_core::{MockRequest, MockResponse, MockService};
use winterbaume_sqs::SqsService;

use crate::api::tables::SQS;
use crate::api::{Problem, Refusal, check};
use crate::faults::{FaultRates, Faults};
use crate::names::ACCOUNT_ID;
use crate::sync::locked;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY, request TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (message_id TEXT PRIMARY KEY, queue_url TEXT NOT NULL, request TEXT NOT NULL);
";

/// The emulator with its journal.
pub struct Queues {
    sqs: SqsService,
    journal: Mutex<Connection>,
    /// Message ids by receipt handle.
    received: Mutex<HashMap<String, String>>,
    faults: Arc<Faults>,
    /// Number of polls, which chooses the server that a short poll does not see.
    polls: AtomicU64,
    /// Held while all messages are received and some of them returned to the queue.
    receiving: tokio::sync::Mutex<()>,
}

impl Queues {
    /// Opens the journal and sends its messages again.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub async fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.execute_batch(SCHEMA)?;
        let queues = Self {
            sqs: SqsService::new(),
            journal: Mutex::new(connection),
            received: Mutex::new(HashMap::new()),
            faults: Arc::new(Faults::new(FaultRates::default(), 0)),
            polls: AtomicU64::new(0),
            receiving: tokio::sync::Mutex::default(),
        };
        queues.restore().await?;
        Ok(queues)
    }

    /// Injects these faults.
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
                let ids = params![new_id, message_id];
                self.journal().execute("UPDATE messages SET message_id = ? WHERE message_id = ?", ids)?;
            }
        }
        Ok(())
    }

    fn column(&self, query: &str) -> rusqlite::Result<Vec<String>> {
        self.journal().prepare(query)?.query_map([], |row| row.get(0))?.collect()
    }

    fn journal(&self) -> MutexGuard<'_, Connection> {
        locked(&self.journal)
    }

    /// Sends a message to a queue, by its name.
    ///
    /// # Errors
    /// Returns the error response of the service.
    pub async fn send(&self, queue: &str, body: &str) -> Result<(), String> {
        let url = format!("{EMULATED_HOST}/{ACCOUNT_ID}/{queue}");
        let request = json!({"QueueUrl": url, "MessageBody": body}).to_string();
        let reply = self.call_sqs("SendMessage", &request).await;
        let answer = json_of(&reply);
        if reply.status != 200 {
            return Err(answer.to_string());
        }
        self.record("SendMessage", &request, &answer).map_err(|error| error.to_string())
    }

    /// Performs an operation of the SQS API.
    pub async fn handle(&self, operation: &str, headers: &HeaderMap, body: Bytes) -> Response {
        let host = headers.get(http::header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
        let request = match parse_request(operation, &body) {
            Ok(request) => request.to_string(),
            Err(refusal) => return respond(*refusal),
        };
        if operation == "DeleteMessage" && self.survives_deletion(&json_text(&request)).await {
            return respond(MockResponse::json(200, "{}"));
        }
        let reply = self.call_with_faults(operation, &request).await;
        if reply.status == 200
            && let Err(error) = self.record(operation, &request, &json_of(&reply))
        {
            tracing::error!(%error, operation, "could not write the journal of the queues");
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

    /// Writes a completed operation to the journal.
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
                let mut received = locked(&self.received);
                for message in reply["Messages"].as_array().into_iter().flatten() {
                    if let (Some(handle), Some(id)) =
                        (message["ReceiptHandle"].as_str(), message["MessageId"].as_str())
                    {
                        received.insert(handle.to_owned(), id.to_owned());
                    }
                }
            }
            "DeleteMessage" => self.delete_message(&parsed["ReceiptHandle"])?,
            "DeleteMessageBatch" => {
                for entry in parsed["Entries"].as_array().into_iter().flatten() {
                    self.delete_message(&entry["ReceiptHandle"])?;
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

    fn delete_message(&self, receipt_handle: &Value) -> rusqlite::Result<()> {
        let handle = receipt_handle.as_str().unwrap_or("");
        let message_id = locked(&self.received).remove(handle);
        if let Some(message_id) = message_id {
            self.journal().execute("DELETE FROM messages WHERE message_id = ?", [message_id])?;
        }
        Ok(())
    }
}

/// Host of the queue URLs that the emulator knows.
const EMULATED_HOST: &str = "https://sqs.us-east-1.amazonaws.com";

/// Replaces the host of queue URLs in a request by the emulator's, whichever port the endpoint had when it
/// returned the URL.
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

/// Parses a request and checks it against the table.
fn parse_request(operation: &str, body: &[u8]) -> Result<Value, Box<MockResponse>> {
    let request: Value = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return Err(refusal("SerializationException", &error.to_string())),
    };
    match check(&SQS, operation, &request) {
        Ok(()) => Ok(request),
        Err(Refusal { problem, message }) => {
            let code = match problem {
                Problem::UnknownOperation => "com.amazonaws.sqs#UnsupportedOperation",
                Problem::WrongType => "SerializationException",
                Problem::UnknownParameter | Problem::BrokenLimit => "com.amazonaws.sqs#InvalidParameterValue",
            };
            Err(refusal(code, &message))
        }
    }
}

fn refusal(code: &str, message: &str) -> Box<MockResponse> {
    Box::new(MockResponse::json(400, json!({"__type": code, "message": message}).to_string()))
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
