//! A request that was checked against the parameter table.

use serde_json::Value;

use super::super::error::KinesisError;
use super::super::store::KinesisStore;
use crate::names::resource_of;

/// A request, the store that serves it, and the time of its arrival.
pub(super) struct Request<'a> {
    pub store: &'a KinesisStore,
    pub body: &'a Value,
    pub now_ms: i64,
}

impl Request<'_> {
    /// Returns the text of a member, or "" if it is missing. The table ensures that required
    /// members are present.
    pub fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_default()
    }

    /// Returns the text of an optional member.
    pub fn optional(&self, member: &str) -> Option<&str> {
        self.body[member].as_str()
    }

    /// Returns an integer member, whose bounds the table has checked, or `default` if it is
    /// missing.
    pub fn limit(&self, member: &str, default: usize) -> usize {
        self.body[member].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default)
    }

    /// Returns a timestamp member in milliseconds since 1970.
    pub fn time_ms(&self, member: &str) -> Option<i64> {
        milliseconds(&self.body[member])
    }

    /// Returns the stream that the request identifies by `StreamName`, `StreamARN` or both.
    pub fn stream(&self) -> Result<String, KinesisError> {
        let of_arn = self.optional("StreamARN").map(stream_of_arn).transpose()?;
        match (self.optional("StreamName"), of_arn) {
            (Some(name), Some(of_arn)) if name != of_arn => Err(KinesisError::validation(format!(
                "StreamName is {name}, but StreamARN refers to {of_arn}"
            ))),
            (Some(name), _) => Ok(name.to_owned()),
            (None, Some(of_arn)) => Ok(of_arn),
            (None, None) => Err(KinesisError::invalid("Either StreamName or StreamARN must be specified")),
        }
    }

    /// Returns the stream that `ResourceARN` identifies.
    pub fn resource(&self) -> Result<String, KinesisError> {
        stream_of_arn(self.text("ResourceARN"))
    }
}

/// Returns the name of the stream with this ARN. Returns an error if the ARN belongs to another
/// account or region.
pub(super) fn stream_of_arn(arn: &str) -> Result<String, KinesisError> {
    match resource_of("kinesis", arn).and_then(|resource| resource.strip_prefix("stream/")) {
        Some(stream) => Ok(stream.to_owned()),
        None => Err(KinesisError::foreign_arn(arn)),
    }
}

/// Converts a timestamp of the protocol, in seconds since 1970, to milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds since 1970 fit, and an out-of-range time only selects no records"
)]
pub(super) fn milliseconds(seconds: &Value) -> Option<i64> {
    seconds.as_f64().map(|seconds| (seconds * 1_000.0).round() as i64)
}

/// Converts milliseconds since 1970 to a timestamp of the protocol: seconds as a double.
#[expect(clippy::cast_precision_loss, reason = "timestamps of the protocol are seconds as a double")]
pub(super) fn epoch_seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}
