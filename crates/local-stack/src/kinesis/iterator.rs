//! Shard iterators: where the next read begins, as an opaque token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::error::KinesisError;

/// How long an iterator may be used. Source: Kinesis API Reference, `GetShardIterator`.
pub const ITERATOR_LIFETIME_MS: i64 = 300_000;

/// Where a read begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// At the first record whose stored sequence number is not below this.
    AtSequence(String),
    /// At the first record whose stored sequence number is above this.
    AfterSequence(String),
    /// At the first record that did not arrive before this, in milliseconds since 1970.
    AtTimestamp(i64),
}

/// A shard iterator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardIterator {
    /// The stream.
    pub stream: String,
    /// The shard.
    pub shard_id: String,
    /// Where to read.
    pub position: Position,
    /// When it was handed out, in milliseconds since 1970.
    pub issued_ms: i64,
}

impl ShardIterator {
    /// The token for the client.
    pub fn to_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// When it was not handed out by this service, or too long ago.
    pub fn from_token(token: &str, now_ms: i64) -> Result<Self, KinesisError> {
        let iterator = decoded(token).ok_or_else(|| KinesisError::invalid("Invalid ShardIterator."))?;
        if now_ms - iterator.issued_ms > ITERATOR_LIFETIME_MS {
            return Err(KinesisError::expired_iterator(format!(
                "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the future than the tolerated delay of {ITERATOR_LIFETIME_MS} milliseconds.",
                shown(iterator.issued_ms),
                shown(now_ms)
            )));
        }
        Ok(iterator)
    }
}

fn decoded(token: &str) -> Option<ShardIterator> {
    let json = URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_slice(&json).ok()
}

/// The stream that a token reads.
pub fn stream_of_iterator(token: &str) -> Option<String> {
    decoded(token).map(|iterator| iterator.stream)
}

/// A time as the service writes it in its messages.
fn shown(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()
}
