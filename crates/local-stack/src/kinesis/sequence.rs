//! Sequence numbers as Kinesis assigns them: 56 digits, rising per shard.

use metering_core::sequence_number::SequenceNumber;

use super::error::KinesisError;

/// The place of a record in its shard.
///
/// Written as `49`, the second in which the shard was created, the shard's
/// index, the millisecond of arrival and a counter. Like the numbers of the
/// real service they have 56 digits, rise within a shard, and those of a
/// child shard are above those of its parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencePosition {
    /// Second in which the shard was created.
    pub shard_created_s: i64,
    /// Index of the shard in its stream.
    pub shard_index: i64,
    /// Milliseconds since 1970, never lower than that of the record before.
    pub arrived_ms: i64,
    /// Counts the shard's records.
    pub counter: i64,
}

impl SequencePosition {
    /// The decimal digits.
    pub fn digits(self) -> String {
        let Self { shard_created_s, shard_index, arrived_ms, counter } = self;
        format!("49{shard_created_s:010}{shard_index:06}{arrived_ms:014}{counter:024}")
    }

    /// The form in which records are stored and ordered.
    pub fn storage_form(self) -> Result<String, KinesisError> {
        storage_form(&self.digits())
    }
}

/// The shard that a sequence number of this service names: its index, and the
/// second in which it was created.
pub fn shard_of(digits: &str) -> Option<(i64, i64)> {
    if digits.len() != 56 || !digits.starts_with("49") {
        return None;
    }
    Some((digits.get(12..18)?.parse().ok()?, digits.get(2..12)?.parse().ok()?))
}

/// The storage form of any sequence number.
pub fn storage_form(digits: &str) -> Result<String, KinesisError> {
    SequenceNumber::parse(digits)
        .map(|number| number.storage_form().to_owned())
        .map_err(|error| KinesisError::invalid(format!("sequence number {digits:?}: {error}")))
}

/// The digits of a stored sequence number.
pub fn digits_of(stored: &str) -> &str {
    stored.get(3..).unwrap_or("")
}
