//! The reader of one access-log line.

use metering_core::usage_record::{CallStatus, MAX_RESPONSE_BYTES, UsageRecord};

use crate::json_cursor::{Cursor, JsonError, RawText, Value, unescape_into};
use crate::log_format::{Field, Member};
use crate::request_time::{epoch_to_ms, parse_request_time};

/// Maximum length of a line as it is written in a record, in bytes: a log event of 1 MiB with an escape for
/// each character. It bounds the buffers for values that have to be unescaped.
///
/// Source: CloudWatch Logs User Guide, "CloudWatch Logs quotas", event size.
pub const MAX_LINE_BYTES: usize = 2 << 20;

/// Maximum length of a value that an error quotes, in characters.
const QUOTED_CHARACTERS: usize = 40;

/// A line that is not an access-log line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line is not a JSON object.
    #[error("the line is not a JSON object: {0}")]
    NotJson(JsonError),
    /// The line is longer than [`MAX_LINE_BYTES`].
    #[error("the line has {bytes} bytes, more than {MAX_LINE_BYTES}, and no log event is as long")]
    TooLong {
        /// Length of the line as it is written in the record, in bytes.
        bytes: usize,
    },
    /// The line has no status, or the status is `-`.
    #[error("the line has no \"status\"; set the stage's access-log format to the documented one")]
    NoStatus,
    /// The status is not an HTTP status.
    #[error("the status {value:?} is not an HTTP status of three digits")]
    BadStatus {
        /// The value, shortened to 40 characters.
        value: String,
    },
    /// The line has no request time.
    #[error(
        "the line has no \"time\" (\"requestTimeEpoch\", \"requestTime\"); set the stage's access-log format to the documented one"
    )]
    NoTime,
    /// The request time cannot be parsed.
    #[error(
        "the request time {value:?} is neither seconds or milliseconds since 1970 nor a time with an offset"
    )]
    BadTime {
        /// The value, shortened to 40 characters.
        value: String,
    },
    /// The key id is not a JSON string.
    #[error("the \"key\" (\"apiKeyId\") is not a string")]
    KeyIdNotText,
    /// The customer id is not a JSON string.
    #[error("the \"customerId\" is not a string")]
    CustomerIdNotText,
}

impl LineError {
    /// Returns the reason as a word for metrics and grouping.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "line-not-json",
            Self::TooLong { .. } => "line-too-long",
            Self::NoStatus => "no-status",
            Self::BadStatus { .. } => "bad-status",
            Self::NoTime => "no-request-time",
            Self::BadTime { .. } => "bad-request-time",
            Self::KeyIdNotText => "bad-key-id",
            Self::CustomerIdNotText => "bad-customer-id",
        }
    }
}

/// Checks the length of a line as it is written in a record.
pub fn check_length(bytes: usize) -> Result<(), LineError> {
    if bytes > MAX_LINE_BYTES { Err(LineError::TooLong { bytes }) } else { Ok(()) }
}

impl From<JsonError> for LineError {
    fn from(error: JsonError) -> Self {
        Self::NotJson(error)
    }
}

/// The fields of a line that the meter reads, not unescaped.
///
/// A line has the short names of the documented format, or the long names of API Gateway's
/// variables. The name of the key id (`key` or `apiKeyId`) decides which. A line with `apiKeyId` is
/// read by its long names alone, so that a custom member such as `id` or `time` is ignored.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    status: Option<RawText<'a>>,
    customer_id: Id<'a>,
    stage: Option<RawText<'a>>,
    short: Names<'a>,
    long: Names<'a>,
    request_id: Option<RawText<'a>>,
    request_time: Option<RawText<'a>>,
    route_key: Option<RawText<'a>>,
}

/// The fields with one set of names.
#[derive(Debug, Default)]
struct Names<'a> {
    id: Option<RawText<'a>>,
    key: Id<'a>,
    time: Option<RawText<'a>>,
    latency: Option<RawText<'a>>,
    response_length: Option<RawText<'a>>,
    method: Option<RawText<'a>>,
    route: Option<RawText<'a>>,
    api: Option<RawText<'a>>,
}

/// The id of the key or of the customer in a line.
#[derive(Debug, Default, Clone, Copy)]
enum Id<'a> {
    /// The line has no such member.
    #[default]
    Missing,
    /// The member is `null`, `-` or the empty text: the call has no key, or the key no customer.
    Absent,
    /// The member is neither a string nor `null`.
    NotText,
    Text(RawText<'a>),
}

impl<'a> Fields<'a> {
    /// Reads the object at the cursor. Unknown members are ignored. If a member is repeated, the last
    /// one is used, as in `JSON.parse`.
    pub fn read<const ESCAPED: bool>(cursor: &mut Cursor<'a, ESCAPED>) -> Result<Self, JsonError> {
        let mut fields = Self::default();
        cursor.expect(b'{', "'{'")?;
        let mut first = true;
        while let Some(name) = cursor.member_name(first)? {
            first = false;
            let value = cursor.value()?;
            if name.has_escapes {
                // An escaped name is equal to the plain one.
                let mut plain = String::new();
                unescape_into(name.raw, &mut plain)?;
                fields.set(&plain, value);
            } else {
                fields.set(name.raw, value);
            }
        }
        Ok(fields)
    }

    fn set(&mut self, name: &str, value: Value<'a>) {
        let text = match value {
            Value::Text(text) if !is_absent(text.raw) => Some(text),
            Value::Number(raw) => Some(RawText { raw, has_escapes: false }),
            _ => None,
        };
        match Member::from_name(name) {
            Some(Member::Short(field)) => self.short.set(field, text, value),
            Some(Member::Long(field)) => self.long.set(field, text, value),
            Some(Member::Status) => self.status = text,
            Some(Member::Stage) => self.stage = text,
            Some(Member::CustomerId) => self.customer_id = Id::new(text, value),
            Some(Member::RequestId) => self.request_id = text,
            Some(Member::RequestTime) => self.request_time = text,
            Some(Member::RouteKey) => self.route_key = text,
            None => {}
        }
    }

    fn has_long_names(&self) -> bool {
        !matches!(self.long.key, Id::Missing)
    }

    /// Returns a field by the names of the line. A line with short names may have single fields
    /// with long names.
    fn by_name(&self, field: impl Fn(&Names<'a>) -> Option<RawText<'a>>) -> Option<RawText<'a>> {
        let short = if self.has_long_names() { None } else { field(&self.short) };
        short.or_else(|| field(&self.long))
    }

    fn key(&self) -> Id<'a> {
        if self.has_long_names() { self.long.key } else { self.short.key }
    }

    fn id(&self) -> Option<RawText<'a>> {
        self.by_name(|names| names.id).or(self.request_id)
    }

    fn route(&self) -> Option<RawText<'a>> {
        self.by_name(|names| names.route).or(self.route_key)
    }

    /// Returns the request id; `None` if it is missing or has to be unescaped.
    pub fn request_id(&self) -> Option<&'a str> {
        as_written(self.id())
    }

    /// Returns `true` if the line has a request id, escaped or not.
    pub fn has_request_id(&self) -> bool {
        self.id().is_some()
    }

    /// Returns the identity of the call: its request id, and its request time in milliseconds since
    /// 1970. For a REST API the request id is the extended one, which clients cannot choose; for an
    /// HTTP API it is `requestId`. The id is `None` if the line has none, and the whole identity if
    /// the line has no request time.
    pub fn identity<'s>(&self, scratch: &'s mut String) -> Option<(Option<&'s str>, i64)>
    where
        'a: 's,
    {
        let requested_at_ms = self.requested_at_ms().ok()?;
        let id = self.id().and_then(|text| unescaped(text, scratch).ok());
        Some((id.filter(|id| !is_absent(id)), requested_at_ms))
    }

    /// Returns the status; `None` if it is missing or has to be unescaped.
    pub fn status(&self) -> Option<&'a str> {
        as_written(self.status)
    }

    /// Returns the key id; `None` if it is missing, is not a string or has to be unescaped.
    pub fn api_key_id(&self) -> Option<&'a str> {
        as_written(self.key().text().ok()?)
    }

    /// Returns the epoch of the request time, in seconds or in milliseconds; `None` if it is missing
    /// or has to be unescaped.
    pub fn request_time_epoch(&self) -> Option<&'a str> {
        as_written(self.by_name(|names| names.time))
    }

    /// Returns the latency, in milliseconds; `None` if it is missing or has to be unescaped.
    pub fn response_latency(&self) -> Option<&'a str> {
        as_written(self.by_name(|names| names.latency))
    }

    /// Returns the length of the response, in bytes; `None` if it is missing or has to be unescaped.
    pub fn response_length(&self) -> Option<&'a str> {
        as_written(self.by_name(|names| names.response_length))
    }

    /// Returns the customer id, the HTTP method, the resource or the route key, the id of the API and
    /// the stage. `None` if one of them has to be unescaped, or the customer id is not a string.
    pub fn properties(&self) -> Option<[Option<&'a str>; 5]> {
        let customer_id = self.customer_id.text().ok()?;
        let (method, api) = (self.by_name(|names| names.method), self.by_name(|names| names.api));
        let texts = [customer_id, method, self.route(), api, self.stage];
        let has_escapes = |text: &Option<RawText<'_>>| text.is_some_and(|text| text.has_escapes);
        (!texts.iter().any(has_escapes)).then(|| texts.map(as_written))
    }

    /// Converts the fields to a usage record. Unescaped values are stored in `scratch`.
    pub fn to_record<'s>(&self, scratch: &'s mut LineScratch) -> Result<UsageRecord<'s>, LineError>
    where
        'a: 's,
    {
        let key = self.key().text().map_err(|NotText| LineError::KeyIdNotText)?;
        let customer = self.customer_id.text().map_err(|NotText| LineError::CustomerIdNotText)?;
        let status = self.status.ok_or(LineError::NoStatus)?;
        let status = CallStatus::parse(status.raw.as_bytes())
            .ok_or_else(|| LineError::BadStatus { value: shortened(status.raw) })?;
        let requested_at_ms = self.requested_at_ms()?;
        let latency_ms = self.response_latency().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let response_bytes = self.response_length().and_then(response_bytes).unwrap_or(0);
        let LineScratch { key_id, customer_id, method, route, api_id, stage } = scratch;
        Ok(UsageRecord {
            api_key_id: present(key, key_id)?,
            customer_id: present(customer, customer_id)?,
            status,
            method: present(self.by_name(|names| names.method), method)?,
            route: present(self.route(), route)?,
            api_id: present(self.by_name(|names| names.api), api_id)?,
            stage: present(self.stage, stage)?,
            requested_at_ms,
            responded_at_ms: requested_at_ms.saturating_add(i64::from(latency_ms)),
            response_bytes,
        })
    }

    /// Returns the request time, in milliseconds since 1970. A custom format may have a text in
    /// `time` instead of an epoch.
    fn requested_at_ms(&self) -> Result<i64, LineError> {
        if let Some(text) = self.by_name(|names| names.time) {
            return text.raw.parse().map(epoch_to_ms).or_else(|_| time_of_text(text));
        }
        time_of_text(self.request_time.ok_or(LineError::NoTime)?)
    }
}

impl<'a> Names<'a> {
    fn set(&mut self, field: Field, text: Option<RawText<'a>>, value: Value<'a>) {
        match field {
            Field::Id => self.id = text,
            Field::Time => self.time = text,
            Field::Latency => self.latency = text,
            Field::ResponseLength => self.response_length = text,
            Field::Method => self.method = text,
            Field::Route => self.route = text,
            Field::Api => self.api = text,
            Field::Key => self.key = Id::new(text, value),
        }
    }
}

impl<'a> Id<'a> {
    fn new(text: Option<RawText<'a>>, value: Value<'a>) -> Self {
        match (value, text) {
            (Value::Number(_) | Value::Other, _) => Self::NotText,
            (_, Some(text)) => Self::Text(text),
            (_, None) => Self::Absent,
        }
    }

    /// Returns the text; `None` if there is no id.
    fn text(self) -> Result<Option<RawText<'a>>, NotText> {
        match self {
            Self::NotText => Err(NotText),
            Self::Text(text) => Ok(Some(text)),
            Self::Missing | Self::Absent => Ok(None),
        }
    }
}

/// An id that is neither a string nor `null`.
struct NotText;

/// Buffers for unescaped values.
#[derive(Debug, Default)]
pub struct LineScratch {
    key_id: String,
    customer_id: String,
    method: String,
    route: String,
    api_id: String,
    stage: String,
}

/// Parses the length of a response; `None` if it is not a number of bytes up to [`MAX_RESPONSE_BYTES`].
///
/// A call counts whatever its length is. A format may have another meaning for the name.
fn response_bytes(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|bytes| is_number && *bytes <= MAX_RESPONSE_BYTES)
}

/// Returns a value, unescaped; `None` if it is missing.
fn present<'s>(text: Option<RawText<'s>>, scratch: &'s mut String) -> Result<Option<&'s str>, JsonError> {
    Ok(text.map(|text| unescaped(text, scratch)).transpose()?.filter(|text| !is_absent(text)))
}

fn time_of_text(text: RawText<'_>) -> Result<i64, LineError> {
    let mut plain = String::new();
    let plain = unescaped(text, &mut plain)?;
    parse_request_time(plain).map_err(|_| LineError::BadTime { value: shortened(plain) })
}

/// Returns `true` if a value stands for a missing one: `-` in API Gateway's logs, or an empty text.
fn is_absent(value: &str) -> bool {
    matches!(value, "-" | "")
}

fn as_written(text: Option<RawText<'_>>) -> Option<&str> {
    text.filter(|text| !text.has_escapes).map(|text| text.raw)
}

fn unescaped<'s>(text: RawText<'s>, scratch: &'s mut String) -> Result<&'s str, JsonError> {
    if !text.has_escapes {
        return Ok(text.raw);
    }
    scratch.clear();
    unescape_into(text.raw, scratch)?;
    Ok(scratch)
}

fn shortened(value: &str) -> String {
    let mut short: String = value.chars().take(QUOTED_CHARACTERS).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::read_line;

    #[test]
    fn a_quoted_value_is_cut_after_its_first_characters() {
        let longest = "é".repeat(QUOTED_CHARACTERS);
        assert_eq!(shortened(&longest), longest);
        assert_eq!(shortened(&format!("{longest}x")), format!("{longest}…"));
        assert_eq!(shortened(""), "");
    }

    #[test]
    fn a_call_is_answered_its_latency_after_its_request_in_either_naming() {
        let answered_ms = |line: &str| {
            let fields = read_line(line).unwrap();
            fields.to_record(&mut LineScratch::default()).unwrap().responded_at_ms
        };
        let short = r#"{"key":"k","status":"200","time":"1764000000000","ms":"12"}"#;
        let long =
            r#"{"apiKeyId":"k","status":"200","requestTimeEpoch":"1764000000000","responseLatency":"12"}"#;
        assert_eq!([answered_ms(short), answered_ms(long)], [1_764_000_000_012; 2]);
        assert_eq!(answered_ms(&long.replace("12\"", "-\"")), 1_764_000_000_000, "the latency is missing");
    }

    fn read_bytes(member: &str) -> u64 {
        let line = format!(r#"{{"key":"k","status":"200","time":"1764000000000"{member}}}"#);
        read_line(&line).unwrap().to_record(&mut LineScratch::default()).unwrap().response_bytes
    }

    #[test]
    fn a_response_has_a_tebibyte_and_not_one_byte_more() {
        for (bytes, counted) in [(MAX_RESPONSE_BYTES, 1 << 40), (MAX_RESPONSE_BYTES + 1, 0)] {
            assert_eq!(read_bytes(&format!(r#","bytes":"{bytes}""#)), counted);
            assert_eq!(read_bytes(&format!(r#","bytes":{bytes}"#)), counted);
        }
    }

    #[test]
    fn the_length_of_a_response_is_a_number_and_any_other_text_counts_no_bytes() {
        for (member, bytes) in [
            ("", 0),
            (r#","bytes":"-""#, 0),
            (r#","bytes":"""#, 0),
            (r#","bytes":null"#, 0),
            (r#","bytes":"0""#, 0),
            (r#","bytes":"0000000000000000000000184""#, 184),
            (r#","bytes":"1\u0038""#, 0),
            (r#","responseLength":"184""#, 184),
            (r#","bytes":"1","responseLength":"2""#, 1),
            (r#","apiKeyId":"k","requestTimeEpoch":"1764000000000","bytes":"one","responseLength":"2""#, 2),
        ] {
            assert_eq!(read_bytes(member), bytes, "{member}");
        }
        for text in ["-1", "+1", "1.5", "1e3", "one", "0x10", "1 "] {
            assert_eq!(read_bytes(&format!(r#","bytes":"{text}""#)), 0, "{text}");
        }
    }

    #[test]
    fn an_escaped_member_is_present_and_not_read_in_place() {
        let fields = read_line(r#"{"id":"a\u0062c","method":"GET","route":"/a\/b"}"#).unwrap();
        assert_eq!((fields.has_request_id(), fields.request_id()), (true, None));
        assert_eq!(fields.properties(), None);
        let fields = read_line(r#"{"id":"abc","method":"GE\u0054","route":"/a"}"#).unwrap();
        assert_eq!((fields.has_request_id(), fields.request_id()), (true, Some("abc")));
        assert_eq!(fields.properties(), None);
        let fields = read_line(r#"{"method":"GET","route":"/a"}"#).unwrap();
        assert_eq!((fields.has_request_id(), fields.request_id()), (false, None));
        assert_eq!(fields.properties(), Some([None, Some("GET"), Some("/a"), None, None]));
    }
}
