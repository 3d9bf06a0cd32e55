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
        let iterator: Self = URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| {
                KinesisError::invalid("the shard iterator is none that this service handed out")
            })?;
        if now_ms - iterator.issued_ms > ITERATOR_LIFETIME_MS {
            let message = "the shard iterator is older than 5 minutes; get a new one".to_owned();
            return Err(KinesisError { code: "ExpiredIteratorException", message });
        }
        Ok(iterator)
    }
}
