//! One access-log line.

use metering_core::usage_record::{CallStatus, UsageRecord};
use metering_core::window::parse_request_time;

use crate::json_cursor::{Cursor, JsonError, RawText, Value, unescape_into};

/// How much of a wrong value an error quotes, in characters.
const QUOTED_CHARACTERS: usize = 40;

/// Why a line is not an access-log line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line is not a JSON object.
    #[error("the line is not a JSON object")]
    NotJson(#[source] JsonError),
    /// There is no status, or it is `-`.
    #[error("the line has no \"status\"; set the stage's access-log format to the documented one")]
    NoStatus,
    /// The status is not an HTTP status.
    #[error("the status {value:?} is not an HTTP status of three digits")]
    BadStatus {
        /// The value, shortened.
        value: String,
    },
    /// There is neither `requestTimeEpoch` nor `requestTime`.
    #[error(
        "the line has no \"requestTimeEpoch\" and no \"requestTime\"; set the stage's access-log format to the documented one"
    )]
    NoTime,
    /// The time is no time.
    #[error("the request time {value:?} is neither milliseconds since 1970 nor a time with an offset")]
    BadTime {
        /// The value, shortened.
        value: String,
    },
    /// The key id is a number, an object or the like.
    #[error("the \"apiKeyId\" is not a text")]
    KeyIdNotText,
}

impl LineError {
    /// A word for metrics and grouping.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "line-not-json",
            Self::NoStatus => "no-status",
            Self::BadStatus { .. } => "bad-status",
            Self::NoTime => "no-request-time",
            Self::BadTime { .. } => "bad-request-time",
            Self::KeyIdNotText => "bad-key-id",
        }
    }
}

impl From<JsonError> for LineError {
    fn from(error: JsonError) -> Self {
        Self::NotJson(error)
    }
}

/// The fields of a line that the meter reads, as they stand in it.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    api_key_id: Option<RawText<'a>>,
    status: Option<RawText<'a>>,
    request_time_epoch: Option<RawText<'a>>,
    request_time: Option<RawText<'a>>,
    response_latency: Option<RawText<'a>>,
    extended_request_id: Option<RawText<'a>>,
    request_id: Option<RawText<'a>>,
    key_id_not_text: bool,
}

impl<'a> Fields<'a> {
    /// Reads the object at the cursor. Unknown members are ignored, and of a
    /// member that stands twice the last counts, as for `JSON.parse`.
    pub fn read<const ESCAPED: bool>(cursor: &mut Cursor<'a, ESCAPED>) -> Result<Self, JsonError> {
        let mut fields = Self::default();
        cursor.expect(b'{', "'{'")?;
        let mut first = true;
        while let Some(name) = cursor.member_name(first)? {
            first = false;
            let value = cursor.value()?;
            if name.has_escapes {
                // Whatever writes a name with an escape means the same name.
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
        let field = match name {
            "status" => &mut self.status,
            "requestTimeEpoch" => &mut self.request_time_epoch,
            "apiKeyId" => {
                self.key_id_not_text = matches!(value, Value::Number(_) | Value::Other);
                &mut self.api_key_id
            }
            "responseLatency" => &mut self.response_latency,
            "requestTime" => &mut self.request_time,
            "extendedRequestId" => &mut self.extended_request_id,
            "requestId" => &mut self.request_id,
            _ => return,
        };
        *field = match value {
            Value::Text(text) if !is_absent(text.raw) => Some(text),
            Value::Number(raw) => Some(RawText { raw, has_escapes: false }),
            _ => None,
        };
    }

    /// The request id as it is written, where it can stay where it is.
    pub fn request_id(&self) -> Option<&'a str> {
        as_written(self.extended_request_id.or(self.request_id))
    }

    /// Whether the line has a request id, in whichever form.
    pub fn has_request_id(&self) -> bool {
        self.extended_request_id.or(self.request_id).is_some()
    }

    /// The request id and the request time, in milliseconds since 1970, by
    /// which the call is known: of a REST API `extendedRequestId`, which no
    /// client can choose, of an HTTP API `requestId`. `None` for the id where
    /// the line has none, and for all where it has no time.
    pub fn identity<'s>(&self, scratch: &'s mut String) -> Option<(Option<&'s str>, i64)>
    where
        'a: 's,
    {
        let requested_at_ms = self.requested_at_ms().ok()?;
        let id = self.extended_request_id.or(self.request_id);
        let id = id.and_then(|text| unescaped(text, scratch).ok());
        Some((id.filter(|id| !is_absent(id)), requested_at_ms))
    }

    /// The status as it is written, where it can stay where it is.
    pub fn status(&self) -> Option<&'a str> {
        as_written(self.status)
    }

    /// The key id as it is written, where there is one.
    pub fn api_key_id(&self) -> Option<&'a str> {
        as_written(self.api_key_id.filter(|_| !self.key_id_not_text))
    }

    /// The request time in milliseconds, as it is written.
    pub fn request_time_epoch(&self) -> Option<&'a str> {
        as_written(self.request_time_epoch)
    }

    /// The latency, as it is written.
    pub fn response_latency(&self) -> Option<&'a str> {
        as_written(self.response_latency)
    }

    /// Makes a usage record of the fields. `scratch` holds a key id that had
    /// to be unescaped.
    pub fn to_record<'s>(&self, scratch: &'s mut String) -> Result<UsageRecord<'s>, LineError>
    where
        'a: 's,
    {
        if self.key_id_not_text {
            return Err(LineError::KeyIdNotText);
        }
        let status = self.status.ok_or(LineError::NoStatus)?;
        let status = CallStatus::parse(status.raw.as_bytes())
            .ok_or_else(|| LineError::BadStatus { value: shortened(status.raw) })?;
        let requested_at_ms = self.requested_at_ms()?;
        let latency_ms = self.response_latency.and_then(|text| text.raw.parse::<u32>().ok()).unwrap_or(0);
        Ok(UsageRecord {
            api_key_id: self
                .api_key_id
                .map(|text| unescaped(text, scratch))
                .transpose()?
                .filter(|key| !is_absent(key)),
            status,
            requested_at_ms,
            responded_at_ms: requested_at_ms.saturating_add(i64::from(latency_ms)),
        })
    }

    fn requested_at_ms(&self) -> Result<i64, LineError> {
        if let Some(text) = self.request_time_epoch {
            return text.raw.parse().map_err(|_| LineError::BadTime { value: shortened(text.raw) });
        }
        let text = self.request_time.ok_or(LineError::NoTime)?;
        let mut plain = String::new();
        let plain = unescaped(text, &mut plain)?;
        parse_request_time(plain).map_err(|_| LineError::BadTime { value: shortened(plain) })
    }
}

/// Whether a value says that there is none.
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
