//! Sequence numbers, which have 56 digits and increase within a shard, as those of Kinesis do.

use metering_core::sequence_number::SequenceNumber;

use super::error::KinesisError;

/// Position of a record in its shard.
///
/// Its digits are `49`, the second in which the shard was created, the shard's index, the
/// millisecond of arrival, and a counter. As on AWS, sequence numbers have 56 digits and increase
/// within a shard, and those of a child shard are above those of its parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencePosition {
    /// Time at which the shard was created, in seconds since 1970.
    pub shard_created_s: i64,
    pub shard_index: i64,
    /// Arrival time in milliseconds since 1970, never lower than that of the previous record.
    pub arrived_ms: i64,
    /// Number of records of the shard up to this one.
    pub counter: i64,
}

impl SequencePosition {
    /// Returns the sequence number as decimal digits.
    pub fn digits(self) -> String {
        let Self { shard_created_s, shard_index, arrived_ms, counter } = self;
        format!("49{shard_created_s:010}{shard_index:06}{arrived_ms:014}{counter:024}")
    }

    /// Returns the sequence number in storage form, whose text order is the numeric order.
    pub fn storage_form(self) -> Result<String, KinesisError> {
        storage_form(&self.digits())
    }
}

/// Returns the index of the shard that a sequence number encodes, and the second in which the shard
/// was created. Returns `None` if this service did not issue the number.
pub fn shard_of(digits: &str) -> Option<(i64, i64)> {
    if digits.len() != 56 || !digits.starts_with("49") {
        return None;
    }
    Some((digits.get(12..18)?.parse().ok()?, digits.get(2..12)?.parse().ok()?))
}

/// Converts the digits of a sequence number to storage form.
pub fn storage_form(digits: &str) -> Result<String, KinesisError> {
    SequenceNumber::parse(digits)
        .map(|number| number.storage_form().to_owned())
        .map_err(|error| KinesisError::invalid(format!("sequence number {digits:?}: {error}")))
}

/// Returns the digits of a sequence number in storage form.
pub fn digits_of(stored: &str) -> &str {
    stored.get(3..).unwrap_or("")
}
