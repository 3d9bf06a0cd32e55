//! Rows of CloudWatch Logs Insights, of Athena and of the log events that the CloudWatch console downloads: an
//! object, an array of fields, or a row of CSV. A row has the whole line in `@message` or `message`, or fields of
//! the line.

use serde_json::{Map, Value};

use super::packing::Event;
use super::sink::{Sink, member};

/// Names of the fields of a line. Athena writes column names in lower case.
const FIELDS: [&str; 23] = [
    "extendedRequestId",
    "requestId",
    "apiKeyId",
    "requestTimeEpoch",
    "requestTime",
    "status",
    "responseLatency",
    "responseLength",
    "customerId",
    "apiId",
    "stage",
    "httpMethod",
    "resourcePath",
    "routeKey",
    "id",
    "key",
    "time",
    "ms",
    "method",
    "route",
    "bytes",
    "api",
    "message",
];

/// Returns the name of the field for a column in any letter case.
pub fn field_name(column: &str) -> &str {
    FIELDS.into_iter().find(|field| field.eq_ignore_ascii_case(column)).unwrap_or(column)
}

/// Returns `true` if rows with these columns can be calls.
pub fn are_columns(columns: &[&str]) -> bool {
    let has = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    let has_time = has("requestTimeEpoch") || has("requestTime") || has("time");
    has("@message") || has("message") && has("timestamp") || has("status") && has_time
}

/// Reads a row as an object, as in the console's JSON export.
///
/// # Errors
/// When the sink fails.
pub fn row_object(row: &Value, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let fields = row.as_object().cloned().unwrap_or_default();
    fields_of_row(fields, line, sink)
}

/// Reads a row as an array of fields, as `GetQueryResults` returns it, or of values selected by `--query`,
/// one of which is the line.
///
/// # Errors
/// When the sink fails.
pub fn row_array(row: &Value, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let values = row.as_array().map(Vec::as_slice).unwrap_or_default();
    let field = |value: &Value| {
        let name = member(value, &["field", "Field"])?.as_str()?;
        Some((field_name(name).to_owned(), member(value, &["value", "Value"])?.clone()))
    };
    if let Some(fields) = values.iter().map(field).collect::<Option<Map<String, Value>>>()
        && !fields.is_empty()
    {
        return fields_of_row(fields, line, sink);
    }
    let is_line = |value: &&Value| value.as_str().is_some_and(|text| text.trim_start().starts_with('{'));
    let mut lines = values.iter().filter(is_line);
    match (lines.next().and_then(Value::as_str), lines.next()) {
        (Some(message), None) => {
            let logged_at_ms = values.iter().find_map(Value::as_i64);
            sink.event(Event { id: None, logged_at_ms, message: message.trim() }, line)
        }
        _ => sink.event(Event { message: &row.to_string(), ..Event::default() }, line),
    }
}

/// Reads a row as fields by name. A row with a status is a line that may have a field `message` of its own.
///
/// # Errors
/// When the sink fails.
pub fn fields_of_row(fields: Map<String, Value>, line: u64, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let message = fields.get("message").filter(|_| !fields.contains_key("status"));
    let text = match fields.get("@message").or(message) {
        Some(Value::String(message)) => message.trim().to_owned(),
        Some(message) => message.to_string(),
        None => Value::Object(fields).to_string(),
    };
    sink.event(Event { message: &text, ..Event::default() }, line)
}
