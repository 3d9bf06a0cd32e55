//! The owners of calls, and the names of shards and records.

use std::fmt;
use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::sequence_number::SequenceNumber;

/// The name of a shard, unique across streams, regions and accounts: `ACCOUNT/REGION/STREAM/SHARD`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardName(Arc<str>);

impl ShardName {
    /// Names the shard `shard_id` of the stream with this ARN.
    ///
    /// `None` if the text is not the ARN of a stream,
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

    /// Takes a name that was read from storage.
    pub fn from_stored(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns the name as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id of the shard within its stream, such as `shardId-000000000000`.
    pub fn shard_id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name of a stream record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    /// The shard that the record is in.
    pub shard: ShardName,
    /// The sequence number, unique within the shard.
    pub sequence_number: SequenceNumber,
}

impl fmt::Display for RecordName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.shard, self.sequence_number)
    }
}

/// The records whose calls a record puts back. Only from these may it take over calls that were
/// claimed to be counted.
///
/// The list is written into the partition key of the record. Every reader of the record sees the
/// same list, and the payload stays unchanged.
///
/// ```
/// use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
/// use metering_core::sequence_number::SequenceNumber;
///
/// let record = RecordName {
///     shard: ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000000"),
///     sequence_number: SequenceNumber::parse("4957").unwrap(),
/// };
/// let key = PutBackFrom::default().and(&record).partition_key("9f86d081");
/// assert!(PutBackFrom::from_partition_key(&key).contains(&record));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PutBackFrom(Vec<u64>);

const PUT_BACK: &str = "put-back:";

/// Maximum number of records in the list. A record that is put back more often drops the oldest.
/// A partition key with all of them is shorter than the 256 characters that Kinesis accepts.
///
/// Source: Kinesis Data Streams API Reference, `PutRecord`, `PartitionKey`.
const MAX_PUT_BACK_FROM: usize = 12;

impl PutBackFrom {
    /// Parses the partition key of a record. The list is empty if the record was not put back.
    pub fn from_partition_key(key: &str) -> Self {
        let hashes = key.strip_prefix(PUT_BACK).and_then(|rest| rest.split(':').next());
        Self::from_text(hashes.unwrap_or_default())
    }

    /// Parses the output of [`Self::text`].
    pub fn from_text(text: &str) -> Self {
        Self(text.split(',').filter_map(|hash| u64::from_str_radix(hash, 16).ok()).collect())
    }

    /// Returns the form to store: the hashes of the records' names, oldest first.
    pub fn text(&self) -> String {
        self.0.iter().map(|hash| format!("{hash:016x}")).collect::<Vec<_>>().join(",")
    }

    /// Returns the list with one more record.
    #[must_use]
    pub fn and(&self, record: &RecordName) -> Self {
        let mut hashes = self.0.clone();
        hashes.push(hash(record));
        let forgotten = hashes.len().saturating_sub(MAX_PUT_BACK_FROM);
        Self(hashes.split_off(forgotten))
    }

    /// Returns `true` if the calls of `record` are put back.
    pub fn contains(&self, record: &RecordName) -> bool {
        !self.0.is_empty() && self.0.contains(&hash(record))
    }

    /// Returns the partition key of a record that puts these records back. `suffix` spreads such
    /// records over the shards. It has at most 16 characters.
    pub fn partition_key(&self, suffix: &str) -> String {
        format!("{PUT_BACK}{}:{suffix}", self.text())
    }
}

fn hash(record: &RecordName) -> u64 {
    XxHash3_64::oneshot(record.to_string().as_bytes())
}

/// The purpose for which a record owns a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The record counts the call.
    Count,
    /// The call is in quarantine: the record could not count it.
    Keep,
    /// The call is in quarantine: the record claimed it to be counted, and its row refused it.
    Refused,
}

/// The owner of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The purpose for which the record claimed the call.
    pub purpose: Purpose,
    /// The record that claimed it.
    pub record: RecordName,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(digits: &str) -> RecordName {
        let sequence_number = SequenceNumber::parse(digits).unwrap();
        RecordName {
            shard: ShardName::from_stored("123456789012/eu-west-1/usage/shardId-0"),
            sequence_number,
        }
    }

    #[test]
    fn a_partition_key_fits_however_often_a_record_is_put_back() {
        let mut from = PutBackFrom::default();
        for number in 0..40 {
            from = from.and(&record(&number.to_string()));
            let key = from.partition_key("0123456789abcdef");
            assert!(key.len() <= 256, "{key}");
            let read = PutBackFrom::from_partition_key(&key);
            assert_eq!((&read, read.contains(&record(&number.to_string()))), (&from, true));
        }
        assert!(!from.contains(&record("40")));
    }

    #[test]
    fn a_shard_and_a_record_are_named_across_accounts_and_streams() {
        let shard =
            ShardName::new("arn:aws:kinesis:eu-west-1:123456789012:stream/usage", "shardId-0").unwrap();
        assert_eq!(shard.as_str(), "123456789012/eu-west-1/usage/shardId-0");
        assert_eq!(shard.to_string(), shard.as_str());
        assert_eq!(shard.shard_id(), "shardId-0");
        assert_eq!(record("17").to_string(), "123456789012/eu-west-1/usage/shardId-0/17");
    }

    #[test]
    fn what_is_not_the_arn_of_a_stream_names_no_shard() {
        for arn in [
            "",
            "arn:aws:sqs:eu-west-1:123456789012:stream/usage",
            "urn:aws:kinesis:eu-west-1:123456789012:stream/usage",
            "arn:aws:kinesis:eu-west-1:123456789012:usage",
            "arn:aws:kinesis:eu-west-1:123456789012:stream/",
            "arn:aws:kinesis:eu-west-1:123456789012:stream/a/b",
            "arn:aws:kinesis::123456789012:stream/usage",
        ] {
            assert_eq!(ShardName::new(arn, "shardId-0"), None, "{arn}");
        }
    }

    #[test]
    fn a_record_of_somebody_else_puts_nothing_back() {
        for key in ["", "put-back", "put-back:", "put-back::x", "9f86d081884c7d65"] {
            assert_eq!(PutBackFrom::from_partition_key(key), PutBackFrom::default(), "{key}");
        }
    }
}
