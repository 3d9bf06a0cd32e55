//! One access-log line.

use metering_core::usage_record::{CallStatus, UsageRecord};

use crate::json_cursor::{Cursor, JsonError, RawText, Value, unescape_into};
use crate::log_format::{Field, Member};
use crate::request_time::{epoch_to_ms, parse_request_time};

/// How much of a wrong value an error quotes, in characters.
const QUOTED_CHARACTERS: usize = 40;

/// Why a line is not an access-log line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line is not a JSON object.
    #[error("the line is not a JSON object: {0}")]
    NotJson(JsonError),
    /// There is no status, or it is `-`.
    #[error("the line has no \"status\"; set the stage's access-log format to the documented one")]
    NoStatus,
    /// The status is not an HTTP status.
    #[error("the status {value:?} is not an HTTP status of three digits")]
    BadStatus {
        /// The value, shortened.
        value: String,
    },
    /// There is no request time.
    #[error(
        "the line has no \"time\" (\"requestTimeEpoch\", \"requestTime\"); set the stage's access-log format to the documented one"
    )]
    NoTime,
    /// The time is no time.
    #[error(
        "the request time {value:?} is neither seconds or milliseconds since 1970 nor a time with an offset"
    )]
    BadTime {
        /// The value, shortened.
        value: String,
    },
    /// The key id is a number, an object or the like.
    #[error("the \"key\" (\"apiKeyId\") is not a text")]
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
///
/// A line is written in short names or in the names of the variables; which,
/// its key id tells (`key` or `apiKeyId`). A line with `apiKeyId` is read by
/// long names alone, so that a member of its author's own, which may be called
/// `id` or `time`, means nothing.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    status: Option<RawText<'a>>,
    short: Names<'a>,
    long: Names<'a>,
    request_id: Option<RawText<'a>>,
    request_time: Option<RawText<'a>>,
}

/// The fields by one set of names.
#[derive(Debug, Default)]
struct Names<'a> {
    id: Option<RawText<'a>>,
    key: KeyId<'a>,
    time: Option<RawText<'a>>,
    latency: Option<RawText<'a>>,
    method: Option<RawText<'a>>,
    route: Option<RawText<'a>>,
}

/// The id of the key, as it stands in a line.
#[derive(Debug, Default, Clone, Copy)]
enum KeyId<'a> {
    /// The line has no such member.
    #[default]
    Missing,
    /// The member says that there is none.
    Absent,
    /// The member is a number, an object or the like.
    NotText,
    Text(RawText<'a>),
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
        let text = match value {
            Value::Text(text) if !is_absent(text.raw) => Some(text),
            Value::Number(raw) => Some(RawText { raw, has_escapes: false }),
            _ => None,
        };
        match Member::named(name) {
            Some(Member::Short(field)) => self.short.set(field, text, value),
            Some(Member::Long(field)) => self.long.set(field, text, value),
            Some(Member::Status) => self.status = text,
            Some(Member::RequestId) => self.request_id = text,
            Some(Member::RequestTime) => self.request_time = text,
            None => {}
        }
    }

    fn has_long_names(&self) -> bool {
        !matches!(self.long.key, KeyId::Missing)
    }

    /// A field by the names that the line is written in; a line of short names
    /// may have some by their long names.
    fn by_name(&self, field: impl Fn(&Names<'a>) -> Option<RawText<'a>>) -> Option<RawText<'a>> {
        let short = if self.has_long_names() { None } else { field(&self.short) };
        short.or_else(|| field(&self.long))
    }

    fn key(&self) -> KeyId<'a> {
        if self.has_long_names() { self.long.key } else { self.short.key }
    }

    fn id(&self) -> Option<RawText<'a>> {
        self.by_name(|names| names.id).or(self.request_id)
    }

    /// The request id as it is written, where it can stay where it is.
    pub fn request_id(&self) -> Option<&'a str> {
        as_written(self.id())
    }

    /// Whether the line has a request id, in whichever form.
    pub fn has_request_id(&self) -> bool {
        self.id().is_some()
    }

    /// The request id and the request time, in milliseconds since 1970, by
    /// which the call is known: of a REST API the extended request id, which no
    /// client can choose, of an HTTP API `requestId`. `None` for the id where
    /// the line has none, and for all where it has no time.
    pub fn identity<'s>(&self, scratch: &'s mut String) -> Option<(Option<&'s str>, i64)>
    where
        'a: 's,
    {
        let requested_at_ms = self.requested_at_ms().ok()?;
        let id = self.id().and_then(|text| unescaped(text, scratch).ok());
        Some((id.filter(|id| !is_absent(id)), requested_at_ms))
    }

    /// The status as it is written, where it can stay where it is.
    pub fn status(&self) -> Option<&'a str> {
        as_written(self.status)
    }

    /// The key id as it is written, where there is one.
    pub fn api_key_id(&self) -> Option<&'a str> {
        match self.key() {
            KeyId::Text(text) => as_written(Some(text)),
            _ => None,
        }
    }

    /// The epoch of the request, in seconds or milliseconds, as it is written.
    pub fn request_time_epoch(&self) -> Option<&'a str> {
        as_written(self.by_name(|names| names.time))
    }

    /// The latency, as it is written.
    pub fn response_latency(&self) -> Option<&'a str> {
        as_written(self.by_name(|names| names.latency))
    }

    /// The HTTP method, and the resource or the route key, as they are written.
    /// `None` where one of them has to be unescaped.
    pub fn method_and_route(&self) -> Option<[Option<&'a str>; 2]> {
        let (method, route) = (self.by_name(|names| names.method), self.by_name(|names| names.route));
        let has_escapes = |text: RawText<'_>| text.has_escapes;
        (!method.is_some_and(has_escapes) && !route.is_some_and(has_escapes))
            .then(|| [as_written(method), as_written(route)])
    }

    /// Makes a usage record of the fields. Values that had to be unescaped stay
    /// in `scratch`.
    pub fn to_record<'s>(&self, scratch: &'s mut LineScratch) -> Result<UsageRecord<'s>, LineError>
    where
        'a: 's,
    {
        let key = match self.key() {
            KeyId::NotText => return Err(LineError::KeyIdNotText),
            KeyId::Text(text) => Some(text),
            KeyId::Missing | KeyId::Absent => None,
        };
        let status = self.status.ok_or(LineError::NoStatus)?;
        let status = CallStatus::parse(status.raw.as_bytes())
            .ok_or_else(|| LineError::BadStatus { value: shortened(status.raw) })?;
        let requested_at_ms = self.requested_at_ms()?;
        let latency_ms = self.response_latency().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let LineScratch { key_id, method, route } = scratch;
        Ok(UsageRecord {
            api_key_id: present(key, key_id)?,
            status,
            method: present(self.by_name(|names| names.method), method)?,
            route: present(self.by_name(|names| names.route), route)?,
            requested_at_ms,
            responded_at_ms: requested_at_ms.saturating_add(i64::from(latency_ms)),
        })
    }

    /// `time` holds an epoch, but a text of a time where somebody wrote one there.
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
            Field::Method => self.method = text,
            Field::Route => self.route = text,
            Field::Key => {
                self.key = match (value, text) {
                    (Value::Number(_) | Value::Other, _) => KeyId::NotText,
                    (_, Some(text)) => KeyId::Text(text),
                    (_, None) => KeyId::Absent,
                }
            }
        }
    }
}

/// Buffers for values that have to be unescaped.
#[derive(Debug, Default)]
pub struct LineScratch {
    key_id: String,
    method: String,
    route: String,
}

/// A value, unescaped, where there is one.
fn present<'s>(text: Option<RawText<'s>>, scratch: &'s mut String) -> Result<Option<&'s str>, JsonError> {
    Ok(text.map(|text| unescaped(text, scratch)).transpose()?.filter(|text| !is_absent(text)))
}

fn time_of_text(text: RawText<'_>) -> Result<i64, LineError> {
    let mut plain = String::new();
    let plain = unescaped(text, &mut plain)?;
    parse_request_time(plain).map_err(|_| LineError::BadTime { value: shortened(plain) })
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
