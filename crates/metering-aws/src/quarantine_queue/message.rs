//! The messages of the quarantine queue, and how they are joined to records.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::ports::QuarantinedRecord;
use metering_core::sequence_number::SequenceNumber;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Maximum size of the payload in a message, in bytes. With base64 and the other
/// fields, a message stays below 256 KiB, which every SQS queue accepts.
///
/// Source: SQS Developer Guide, "Message quotas".
pub const PART_BYTES: usize = 180 * 1024;

/// Maximum size of a detail, in bytes.
const MAX_DETAIL_BYTES: usize = 4_096;

/// A message with a payload, or with a part of a payload that is too large for one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// Shard of the record, `ACCOUNT/REGION/STREAM/SHARD`.
    shard: String,
    sequence_number: String,
    arrived_at_ms: i64,
    /// The records whose calls the record puts back.
    #[serde(default)]
    put_back_from: String,
    reason: String,
    detail: String,
    /// SHA-256 of the whole payload, in hexadecimal digits.
    digest: String,
    /// The index of the part, from 0.
    part: usize,
    /// The number of parts of the payload.
    parts: usize,
    /// The bytes of the part, as base64.
    data: String,
}

impl Message {
    /// Builds the messages of a record, in the order of their parts.
    pub fn from_record(record: &QuarantinedRecord) -> Vec<Self> {
        let chunks: Vec<&[u8]> = match record.payload.len() {
            0 => vec![&[]],
            _ => record.payload.chunks(PART_BYTES).collect(),
        };
        let digest = digest(&record.payload);
        let message = |(part, chunk): (usize, &&[u8])| Self {
            shard: record.record.shard.to_string(),
            sequence_number: record.record.sequence_number.to_string(),
            arrived_at_ms: record.arrived_at_ms,
            put_back_from: record.put_back_from.text(),
            reason: record.reason.clone().into_owned(),
            detail: acceptable(&record.detail),
            digest: digest.clone(),
            part,
            parts: chunks.len(),
            data: STANDARD.encode(chunk),
        };
        chunks.iter().enumerate().map(message).collect()
    }

    /// Returns a text that is equal for all parts of a payload and differs for other payloads.
    pub fn key(&self) -> String {
        format!("{}/{} {} {}", self.shard, self.sequence_number, self.digest, self.parts)
    }

    /// Parses a message. Returns it with the bytes of its part.
    ///
    /// # Errors
    /// Fails if the body is not a message of the quarantine queue. The text gives the reason.
    pub fn read(body: &str) -> Result<(Self, Vec<u8>), String> {
        let message: Self = serde_json::from_str(body).map_err(|error| error.to_string())?;
        if message.part >= message.parts {
            return Err(format!("it is part {} of {}", message.part, message.parts));
        }
        let data = STANDARD.decode(&message.data).map_err(|error| format!("its data: {error}"))?;
        SequenceNumber::parse(&message.sequence_number).map_err(|error| error.to_string())?;
        Ok((Self { data: String::new(), ..message }, data))
    }

    /// Returns the index of the part, from 0.
    pub fn part(&self) -> usize {
        self.part
    }

    /// Returns the number of parts of the payload.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Returns the shard and sequence number of the record, for messages to people.
    pub fn record(&self) -> String {
        format!("{}/{}", self.shard, self.sequence_number)
    }

    /// Returns the record with this payload; `None` if the payload has another digest.
    pub fn joined(&self, payload: Vec<u8>) -> Option<KeptRecord> {
        let sequence_number = SequenceNumber::parse(&self.sequence_number).ok()?;
        (digest(&payload) == self.digest).then(|| KeptRecord {
            record: RecordName { shard: ShardName::from_stored(&self.shard), sequence_number },
            arrived_at_ms: self.arrived_at_ms,
            put_back_from: PutBackFrom::from_text(&self.put_back_from),
            reason: self.reason.clone(),
            detail: self.detail.clone(),
            digest: self.digest.clone(),
            payload,
        })
    }
}

/// A complete record from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecord {
    /// The record, of which the payload may be a part.
    pub record: RecordName,
    /// The time at which it reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    /// The records whose calls it puts back.
    pub put_back_from: PutBackFrom,
    /// The reason as an identifier, such as `bad-envelope`.
    pub reason: String,
    /// The description of the error, for people.
    pub detail: String,
    /// SHA-256 of the payload, in hexadecimal digits.
    pub digest: String,
    /// The bytes that could not be counted.
    pub payload: Vec<u8>,
}

fn digest(payload: &[u8]) -> String {
    Sha256::digest(payload).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Shortens a detail and removes the characters that SQS refuses and JSON does
/// not escape.
///
/// Source: SQS API Reference, `SendMessage`, `MessageBody`.
fn acceptable(detail: &str) -> String {
    let mut text: String = detail.chars().filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
    text.truncate(text.floor_char_boundary(MAX_DETAIL_BYTES));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(payload: Vec<u8>, detail: &str) -> QuarantinedRecord {
        QuarantinedRecord {
            record: RecordName {
                shard: ShardName::from_stored("123456789012/eu-west-1/usage/shardId-000000000000"),
                sequence_number: SequenceNumber::parse("4957").unwrap(),
            },
            arrived_at_ms: 1_795_509_270_000,
            put_back_from: PutBackFrom::default(),
            reason: "bad-envelope".into(),
            detail: detail.to_owned(),
            payload,
        }
    }

    #[test]
    fn a_message_has_these_fields() {
        let messages = Message::from_record(&record(b"abc".to_vec(), "cut"));
        let expected = json!({
            "shard": "123456789012/eu-west-1/usage/shardId-000000000000", "sequence_number": "4957",
            "arrived_at_ms": 1_795_509_270_000_i64, "put_back_from": "", "reason": "bad-envelope", "detail": "cut",
            "digest": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "part": 0, "parts": 1, "data": "YWJj",
        });
        assert_eq!(messages.iter().map(|message| json!(message)).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn the_largest_message_fits_every_queue() {
        let detail = "\u{ffff}\"\\\u{1}".repeat(50_000);
        for message in Message::from_record(&record(vec![0xff; 2 * PART_BYTES + 1], &detail)) {
            let body = serde_json::to_string(&message).unwrap();
            assert!(body.len() < 256 << 10 && !body.contains('\u{ffff}'), "{}", body.len());
        }
    }

    #[test]
    fn a_body_that_is_not_a_message_is_refused_with_the_reason() {
        let message = |part, data: &str, number: &str| {
            json!({"shard": "s", "sequence_number": number, "arrived_at_ms": 1, "reason": "r", "detail": "",
                "digest": "d", "part": part, "parts": 2, "data": data})
            .to_string()
        };
        for (body, why) in [
            ("hello".to_owned(), "expected value"),
            (r#"{"shardId":"old"}"#.to_owned(), "missing field `shard`"),
            (message(2, "", "1"), "it is part 2 of 2"),
            (message(0, "?", "1"), "its data"),
            (message(0, "", "x"), "only decimal digits"),
        ] {
            let error = Message::read(&body).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(Message::read(&message(1, "YWJj", "1")).is_ok());
    }
}
