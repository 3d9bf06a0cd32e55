//! Kinesis events: as Lambda delivers them, and built from the data of records.
//!
//! Each is counted by the consumer on ports in memory; [`crate::batch_accounting`] states what has to
//! hold.

use access_log::envelope_writer::gzip;
use aws_lambda_events::kinesis::KinesisEvent;
use memory_ports::delivery::{StreamRecord, kinesis_event};
use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::sequence_number::SequenceNumber;
use metering_core::window::DAY_MS;

use crate::batch_accounting::{self, NOW_MS};

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/usage";
const SHARD: &str = "shardId-000000000000";
/// Separates the records of an input, as in RFC 7464.
const SEPARATOR: u8 = 0x1e;
const MAX_RECORDS: usize = 40;
const MAX_INPUT_BYTES: usize = 64 << 10;
/// Length of a time in seconds with fractions, in bytes.
const MAX_NUMBER_BYTES: usize = 17;

/// Checks the JSON of an event.
pub fn check_event(input: &[u8]) {
    if input.len() > MAX_INPUT_BYTES || has_long_number(input) {
        return;
    }
    let Ok(event) = serde_json::from_slice::<KinesisEvent>(input) else { return };
    batch_accounting::check(&event);
}

/// Returns `true` if a number may be no time. `aws_lambda_events` multiplies the digits of a time
/// without a check, which panics where overflow checks are on. Lambda delivers no such time.
fn has_long_number(input: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let is_long = input
        .split(|byte| !is_digit(byte))
        .any(|number| number.len() > MAX_NUMBER_BYTES && number.contains(&b'.'));
    is_long || input.split(|byte| b":[, \t\r\n".contains(byte)).any(has_exponent)
}

/// Returns `true` for a text that begins with a number with an exponent.
fn has_exponent(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit() || b"-.".contains(byte)).count();
    digits > 0 && text.get(digits).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'e'))
}

/// Checks the data of records. The first byte of each has its options: bit 0 compresses the record,
/// bit 1 lets it put back the record before it, bit 2 lets it arrive 20 days later.
pub fn check_records(input: &[u8]) {
    if input.len() > MAX_INPUT_BYTES {
        return;
    }
    let mut records: Vec<StreamRecord> = Vec::new();
    for part in input.split(|byte| *byte == SEPARATOR).take(MAX_RECORDS) {
        let Some((options, data)) = part.split_first() else { continue };
        let data = if options & 1 == 0 { data.to_vec() } else { gzip(data) };
        let partition_key = match records.last() {
            Some(before) if options & 2 != 0 => put_back(before),
            _ => "7".to_owned(),
        };
        let arrived_at_ms = NOW_MS + if options & 4 == 0 { 0 } else { 20 * DAY_MS };
        let sequence_number = 100 + records.len() as u64;
        records.push(StreamRecord { sequence_number, arrived_at_ms, partition_key, data });
    }
    batch_accounting::check(&kinesis_event(STREAM, SHARD, &records));
}

/// Returns the partition key of a record that puts another record back.
fn put_back(record: &StreamRecord) -> String {
    let from = PutBackFrom::from_partition_key(&record.partition_key);
    let number = SequenceNumber::parse(&record.sequence_number.to_string());
    match (ShardName::new(STREAM, SHARD), number) {
        (Some(shard), Ok(sequence_number)) => {
            from.and(&RecordName { shard, sequence_number }).partition_key("7")
        }
        _ => "7".to_owned(),
    }
}
