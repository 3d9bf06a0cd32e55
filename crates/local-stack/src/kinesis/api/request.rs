//! A request that was held against the table.

use serde_json::Value;

use super::super::error::KinesisError;
use super::super::store::KinesisStore;
use crate::names::resource_of;

/// A request with what answers it.
pub(super) struct Request<'a> {
    pub store: &'a KinesisStore,
    pub body: &'a Value,
    pub now_ms: i64,
}

impl Request<'_> {
    /// The text of a member; "" where it is missing, which the table rules out for required ones.
    pub fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_default()
    }

    /// The text of a member that may be missing.
    pub fn optional(&self, member: &str) -> Option<&str> {
        self.body[member].as_str()
    }

    /// A limit within the bounds of the table.
    pub fn limit(&self, member: &str, default: usize) -> usize {
        self.body[member].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default)
    }

    /// A time in milliseconds since 1970.
    pub fn time_ms(&self, member: &str) -> Option<i64> {
        milliseconds(&self.body[member])
    }

    /// The stream that the request names, by its name, its ARN or both.
    pub fn stream(&self) -> Result<String, KinesisError> {
        let of_arn = self.optional("StreamARN").map(stream_of_arn).transpose()?;
        match (self.optional("StreamName"), of_arn) {
            (Some(name), Some(of_arn)) if name != of_arn => {
                Err(KinesisError::validation(format!("StreamName is {name}, and StreamARN names {of_arn}")))
            }
            (Some(name), _) => Ok(name.to_owned()),
            (None, Some(of_arn)) => Ok(of_arn),
            (None, None) => Err(KinesisError::invalid("Either StreamName or StreamARN has to be given")),
        }
    }

    /// The stream that `ResourceARN` names.
    pub fn resource(&self) -> Result<String, KinesisError> {
        stream_of_arn(self.text("ResourceARN"))
    }
}

/// The stream of an ARN; one of another account or region does not exist.
pub(super) fn stream_of_arn(arn: &str) -> Result<String, KinesisError> {
    match resource_of("kinesis", arn).and_then(|resource| resource.strip_prefix("stream/")) {
        Some(stream) => Ok(stream.to_owned()),
        None => Err(KinesisError::not_here(arn)),
    }
}

/// A time of the protocol, in milliseconds since 1970.
#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 fit, and a wrong time only finds nothing"
)]
pub(super) fn milliseconds(seconds: &Value) -> Option<i64> {
    seconds.as_f64().map(|seconds| (seconds * 1_000.0).round() as i64)
}

/// A time as the protocol tells it: seconds since 1970 in a double.
#[expect(clippy::cast_precision_loss, reason = "the protocol tells times as seconds in a double")]
pub(super) fn epoch_seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}
