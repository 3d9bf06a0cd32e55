//! Owners of calls.

use std::fmt;
use std::sync::Arc;

use crate::sequence_number::SequenceNumber;

/// A shard of a stream, by a name that no other stream's shard has:
/// `ACCOUNT/REGION/STREAM/SHARD`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardName(Arc<str>);

impl ShardName {
    /// The shard `shard_id` of the stream with this ARN.
    ///
    /// `None` where the text is not the ARN of a stream,
    /// `arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME`.
    ///
    /// ```
    /// use metering_core::claims::owner::ShardName;
    ///
    /// let shard = ShardName::new("arn:aws:kinesis:eu-west-1:123456789012:stream/usage", "shardId-000000000000");
    /// assert_eq!(shard.unwrap().as_str(), "123456789012/eu-west-1/usage/shardId-000000000000");
    /// ```
    pub fn new(stream_arn: &str, shard_id: &str) -> Option<Self> {
        let mut parts = stream_arn.splitn(6, ':');
        let (Some("arn"), Some(_), Some("kinesis")) = (parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        let (region, account, stream) =
            (parts.next()?, parts.next()?, parts.next()?.strip_prefix("stream/")?);
        let is_usable = |part: &str| !part.is_empty() && !part.contains(['/', '#', '~']);
        [region, account, stream, shard_id]
            .into_iter()
            .all(is_usable)
            .then(|| Self(format!("{account}/{region}/{stream}/{shard_id}").into()))
    }

    /// A name that was read from storage.
    pub fn from_stored(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shard's id within its stream.
    pub fn shard_id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A record of a stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    /// Its shard.
    pub shard: ShardName,
    /// Its sequence number.
    pub sequence_number: SequenceNumber,
}

impl fmt::Display for RecordName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.shard, self.sequence_number)
    }
}

/// What an owner does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The record counts it.
    Count,
    /// The quarantine keeps it for the record.
    Keep,
}

/// The owner of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// What becomes of the call.
    pub purpose: Purpose,
    /// The record that claimed it.
    pub record: RecordName,
}
