//! Shard iterators: opaque tokens that encode the position of the next read.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::error::KinesisError;

/// Lifetime of a shard iterator. Source: Kinesis API Reference, `GetShardIterator`.
pub const ITERATOR_LIFETIME_MS: i64 = 300_000;

/// Start position of a read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// The first record at or after this sequence number, in storage form.
    AtSequence(String),
    /// The first record after this sequence number, in storage form.
    AfterSequence(String),
    /// The first record that arrived at or after this time, in milliseconds since 1970.
    AtTimestamp(i64),
}

/// Content of a shard iterator token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardIterator {
    pub stream: String,
    pub shard_id: String,
    pub position: Position,
    /// Time at which the iterator was issued, in milliseconds since 1970.
    pub issued_ms: i64,
}

impl ShardIterator {
    /// Encodes the iterator as the token that the client gets.
    pub fn to_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Parses a token.
    ///
    /// # Errors
    /// Returns an error if this service did not issue the token, or if it has expired.
    pub fn from_token(token: &str, now_ms: i64) -> Result<Self, KinesisError> {
        let iterator = decode(token).ok_or_else(|| KinesisError::invalid("Invalid ShardIterator."))?;
        if now_ms - iterator.issued_ms > ITERATOR_LIFETIME_MS {
            return Err(KinesisError::expired_iterator(format!(
                "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future than the tolerated delay of {ITERATOR_LIFETIME_MS} milliseconds.",
                format_time(iterator.issued_ms),
                format_time(now_ms)
            )));
        }
        Ok(iterator)
    }
}

fn decode(token: &str) -> Option<ShardIterator> {
    let json = URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_slice(&json).ok()
}

/// Returns the stream that a token reads from, or `None` if the token is invalid.
pub fn stream_of_iterator(token: &str) -> Option<String> {
    decode(token).map(|iterator| iterator.stream)
}

/// Formats a time as AWS does in its error messages.
fn format_time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()
}
