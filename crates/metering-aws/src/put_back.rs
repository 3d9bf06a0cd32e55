//! Puts records on a stream again.
//!
//! A call is counted once however often it is put back, because it keeps its
//! identity. The identity of a line without an id is its place on the stream.
//! Such a line is therefore given that place as its id before it is put back
//! at another place.

use access_log::envelope_writer::gzip;
use access_log::{Decoder, Form, Origin};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use metering_core::call_id::CallId;
use metering_core::claims::owner::PutBackFrom;
use metering_core::ports::PortError;
use sha2::{Digest, Sha256};

use crate::error::port_error;

/// Maximum size of a stream record including its partition key, in bytes.
///
/// Source: Kinesis API Reference, `PutRecord`.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Maximum size of a payload that leaves room for any partition key, in bytes.
const MAX_PAYLOAD_BYTES: usize = MAX_RECORD_BYTES - 256;
/// Maximum number of events of a record that is put back as it is. A record of more is cut, so that none has
/// more keys or slices than the consumer counts at once.
const MAX_WHOLE_EVENTS: usize = 10_000;
/// Length of the digest of the payload in a partition key, in hexadecimal digits.
const DIGEST_BYTES: usize = 16;

/// A payload that is too large for stream records.
#[derive(Debug, thiserror::Error)]
#[error(
    "the payload has {bytes} bytes and cannot be cut into records of {MAX_RECORD_BYTES} bytes, because its events cannot be separated; save it with `meter quarantine show --json`"
)]
pub struct TooLarge {
    bytes: usize,
}

/// Returns the records to put on the stream for a payload that came from `origin`.
///
/// If the payload fits into a record, has no more than 10,000 events and keeps their
/// identities, it is returned unchanged. Otherwise its events are written into envelopes that
/// contain their identities.
///
/// # Errors
/// Fails if the payload is too large and cannot be decoded.
pub fn records_of(
    decoder: &mut Decoder,
    payload: &[u8],
    origin: Origin<'_>,
) -> Result<Vec<Vec<u8>>, TooLarge> {
    let fits = |record: &[u8]| record.len() <= MAX_PAYLOAD_BYTES;
    if let Some(events) = events_to_name(decoder, payload, origin)
        && (!fits(payload) || events.depends_on_origin || events.places.len() > MAX_WHOLE_EVENTS)
        && let Ok(parts) = decoder.parts(payload, origin, &events.places)
        && parts.iter().all(|part| fits(part))
    {
        return Ok(parts);
    }
    if fits(payload) {
        return Ok(vec![payload.to_vec()]);
    }
    let compressed = gzip(payload);
    if fits(&compressed) { Ok(vec![compressed]) } else { Err(TooLarge { bytes: payload.len() }) }
}

/// The events of a payload that can be decoded.
struct Events {
    places: Vec<u32>,
    /// `true` if the identity of an event depends on the place and time at which it reached the stream.
    depends_on_origin: bool,
}

/// An origin of no record, to find identities that depend on the origin.
const ANOTHER_ORIGIN: Origin<'static> = Origin { record_name: "", arrived_at_ms: i64::MIN };

fn events_to_name(decoder: &mut Decoder, payload: &[u8], origin: Origin<'_>) -> Option<Events> {
    let mut identities = |origin| {
        let mut ids: Vec<CallId> = Vec::new();
        let decoded = decoder.decode(payload, origin, |event| ids.push(event.id)).ok()?;
        // A control message has no calls.
        (decoded.form != Form::ControlMessage).then_some(ids)
    };
    let ids = identities(origin)?;
    let depends_on_origin = ids != identities(ANOTHER_ORIGIN)?;
    let places = (0..).take(ids.len()).collect();
    Some(Events { places, depends_on_origin })
}

/// The place of a record that was put on a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlaceOnStream {
    /// The id of the shard, such as `shardId-000000000000`.
    pub shard_id: String,
    /// The sequence number, in decimal digits.
    pub sequence_number: String,
}

/// A writer of records to a stream.
#[derive(Debug, Clone)]
pub struct StreamWriter {
    client: Client,
    stream: String,
}

impl StreamWriter {
    /// Returns the writer to the stream with this name.
    pub fn new(client: Client, stream: impl Into<String>) -> Self {
        Self { client, stream: stream.into() }
    }

    /// Puts a record on the stream. Its partition key ends with the digest of
    /// the record, which distributes records over the shards.
    ///
    /// # Errors
    /// Fails unless Kinesis confirms the record.
    pub async fn put(&self, record: Vec<u8>) -> Result<PlaceOnStream, PortError> {
        let key = digest(&record);
        self.put_with(key, record).await
    }

    /// Puts a record on the stream that puts back the calls of the records `from`.
    ///
    /// # Errors
    /// Fails unless Kinesis confirms the record.
    pub async fn put_back(&self, record: Vec<u8>, from: &PutBackFrom) -> Result<PlaceOnStream, PortError> {
        let key = from.partition_key(&digest(&record));
        self.put_with(key, record).await
    }

    async fn put_with(&self, partition_key: String, record: Vec<u8>) -> Result<PlaceOnStream, PortError> {
        let request = self.client.put_record().stream_name(&self.stream).partition_key(partition_key);
        let reply = request.data(Blob::new(record)).send().await;
        let reply = reply
            .map_err(|error| port_error(format!("putting a record on the stream {}", self.stream), error))?;
        Ok(PlaceOnStream { shard_id: reply.shard_id, sequence_number: reply.sequence_number })
    }
}

fn digest(record: &[u8]) -> String {
    let digest = Sha256::digest(record);
    let mut text = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    text.truncate(DIGEST_BYTES);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use access_log::Limits;
    use metering_core::claims::owner::{RecordName, ShardName};
    use metering_core::sequence_number::SequenceNumber;
    use serde_json::{Value, json};

    const ORIGIN: Origin<'static> =
        Origin { record_name: "1/r/usage/shard-0/49", arrived_at_ms: 1_795_509_270_000 };

    fn records(payload: &[u8]) -> Vec<Vec<u8>> {
        records_of(&mut Decoder::new(Limits::default()), payload, ORIGIN).unwrap()
    }

    fn ids(payload: &[u8], origin: Origin<'_>) -> Vec<CallId> {
        let mut ids = Vec::new();
        Decoder::new(Limits::default()).decode(payload, origin, |event| ids.push(event.id)).unwrap();
        ids
    }

    fn line(number: u32, pad: &str) -> Value {
        json!({"apiKeyId": "a", "status": "200", "requestTimeEpoch": number, "pad": pad})
    }

    fn envelope(events: u32, pad: &str) -> Vec<u8> {
        let events: Vec<Value> = (0..events)
            .map(|number| json!({"id": format!("{number}"), "timestamp": 1, "message": line(number, pad).to_string()}))
            .collect();
        json!({"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": "s", "logEvents": events})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn a_payload_that_keeps_its_identities_is_put_back_as_it_is() {
        let check =
            br#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"check"}]}"#;
        for payload in [
            envelope(3, ""),
            gzip(&envelope(4_000, "xxxxxxxx")),
            check.to_vec(),
            br#"{"messageType":"DATA_MESSAGE""#.to_vec(),
            Vec::new(),
        ] {
            assert!(records(&payload) == [payload.clone()], "{}", String::from_utf8_lossy(&payload));
        }
    }

    #[test]
    fn lines_without_an_id_keep_the_identity_of_their_first_place() {
        let payload = [line(1, ""), line(2, "")].map(|line| line.to_string()).join("\n").into_bytes();
        let put_back = records(&payload);
        assert_eq!(put_back.len(), 1);
        let elsewhere = Origin { record_name: "another", arrived_at_ms: 2 };
        assert_eq!(ids(&put_back[0], elsewhere), ids(&payload, ORIGIN));
    }

    #[test]
    fn what_is_larger_than_a_record_is_cut_between_its_events() {
        let payload = envelope(30_000, "0123456789012345678901234567890123456789");
        assert!(payload.len() > 2 * MAX_RECORD_BYTES);
        let put_back = records(&payload);
        assert!(put_back.len() > 1 && put_back.iter().all(|record| record.len() < MAX_RECORD_BYTES));
        let all: Vec<CallId> = put_back.iter().flat_map(|record| ids(record, ANOTHER_ORIGIN)).collect();
        assert_eq!(all, ids(&payload, ORIGIN));
    }

    #[test]
    fn a_payload_of_ten_thousand_events_is_put_back_as_it_is_and_one_of_more_is_cut() {
        let whole = gzip(&envelope(10_000, ""));
        assert!(records(&whole) == [whole.clone()]);
        let payload = gzip(&envelope(10_001, ""));
        let put_back = records(&payload);
        assert!(put_back.len() > 1);
        let all: Vec<CallId> = put_back.iter().flat_map(|record| ids(record, ANOTHER_ORIGIN)).collect();
        assert_eq!(all, ids(&payload, ORIGIN));
    }

    #[test]
    fn what_cannot_be_read_is_compressed_or_refused() {
        let cut = [br#"{"messageType":""#.as_slice(), &vec![b'x'; 3 * MAX_RECORD_BYTES]].concat();
        assert!(records(&cut) == [gzip(&cut)]);
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(2 * MAX_RECORD_BYTES)
        .collect();
        let refused = records_of(&mut Decoder::new(Limits::default()), &noise, ORIGIN).unwrap_err();
        assert!(refused.to_string().contains("2097152 bytes"), "{refused}");
    }

    #[test]
    fn the_largest_payload_leaves_room_for_any_partition_key() {
        let payload = envelope(30_000, "0123456789012345678901234567890123456789");
        let from = (0..20).fold(PutBackFrom::default(), |from, number: u32| {
            from.and(&RecordName {
                shard: ShardName::from_stored("1/r/usage/shard-0"),
                sequence_number: SequenceNumber::parse(&number.to_string()).unwrap(),
            })
        });
        for record in records(&payload) {
            assert!(record.len() + from.partition_key(&digest(&record)).len() <= MAX_RECORD_BYTES);
        }
    }
}
