//! Owners of calls.

use std::fmt;
use std::sync::Arc;

use twox_hash::XxHash3_64;

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

/// The records whose calls a record puts back. From these alone may it take
/// over calls that they claimed to count.
///
/// It is written into the partition key of the record, so that everybody who
/// meets the record knows the same of it, and its payload stays as it was.
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
/// assert!(PutBackFrom::of_partition_key(&key).contains(&record));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutBackFrom(Vec<u64>);

const PUT_BACK: &str = "put-back:";

/// The most records that are remembered: a record that is put back more often
/// forgets the first of them. With all of them, a partition key has less than
/// the 256 characters that Kinesis takes.
const MAX_PUT_BACK_FROM: usize = 12;

impl PutBackFrom {
    /// What the partition key of a record says; nothing where it was not put back.
    pub fn of_partition_key(key: &str) -> Self {
        let hashes = key.strip_prefix(PUT_BACK).and_then(|rest| rest.split(':').next());
        Self::from_text(hashes.unwrap_or_default())
    }

    /// Reads what [`Self::text`] wrote.
    pub fn from_text(text: &str) -> Self {
        Self(text.split(',').filter_map(|hash| u64::from_str_radix(hash, 16).ok()).collect())
    }

    /// The form to store: hashes of the records' names, oldest first.
    pub fn text(&self) -> String {
        self.0.iter().map(|hash| format!("{hash:016x}")).collect::<Vec<_>>().join(",")
    }

    /// The same and one record more.
    #[must_use]
    pub fn and(&self, record: &RecordName) -> Self {
        let mut hashes = self.0.clone();
        hashes.push(hash(record));
        let forgotten = hashes.len().saturating_sub(MAX_PUT_BACK_FROM);
        Self(hashes.split_off(forgotten))
    }

    /// Whether a record's calls are put back.
    pub fn contains(&self, record: &RecordName) -> bool {
        !self.0.is_empty() && self.0.contains(&hash(record))
    }

    /// The partition key of a record that puts back; `suffix` spreads such
    /// records over the shards, in at most 16 characters.
    pub fn partition_key(&self, suffix: &str) -> String {
        format!("{PUT_BACK}{}:{suffix}", self.text())
    }
}

fn hash(record: &RecordName) -> u64 {
    XxHash3_64::oneshot(record.to_string().as_bytes())
}

/// What an owner does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The record counts it.
    Count,
    /// The quarantine keeps it for the record, which never could count it.
    Keep,
    /// The quarantine keeps it for the record, because its row refused it.
    Refused,
}

/// The owner of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// What becomes of the call.
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
            let read = PutBackFrom::of_partition_key(&key);
            assert_eq!((&read, read.contains(&record(&number.to_string()))), (&from, true));
        }
        assert!(!from.contains(&record("40")));
    }

    #[test]
    fn a_record_of_somebody_else_puts_nothing_back() {
        for key in ["", "put-back", "put-back:", "put-back::x", "9f86d081884c7d65"] {
            assert_eq!(PutBackFrom::of_partition_key(key), PutBackFrom::default(), "{key}");
        }
    }
}
