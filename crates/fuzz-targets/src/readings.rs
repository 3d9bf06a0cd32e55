//! What the decoder reads of a record, in a form that can be compared.

use access_log::{DecodeError, Decoded, Decoder, Limits, Origin};
use metering_core::call_id::CallId;

/// The limits of the decoder in the targets. They are small, so that inputs reach them.
pub const LIMITS: Limits = Limits { max_inflated_bytes: 64 << 10, max_events: 200 };

/// The place of the record on its stream.
pub const ORIGIN: Origin<'static> =
    Origin { record_name: "123456789012/eu-west-1/usage/shard/7", arrived_at_ms: 1_795_509_275_000 };

/// A call as the decoder reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub api_key_id: Option<String>,
    pub customer_id: Option<String>,
    pub status: u16,
    pub method: Option<String>,
    pub route: Option<String>,
    pub api_id: Option<String>,
    pub stage: Option<String>,
    /// Request time, in milliseconds since 1970.
    pub requested_at_ms: i64,
    /// Time of the response, in milliseconds since 1970.
    pub responded_at_ms: i64,
    pub response_bytes: u64,
}

/// An event as the decoder reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub id: CallId,
    /// The time in the identity, in milliseconds since 1970.
    pub claimed_at_ms: i64,
    /// The call, or the reason why the line is not an access-log line.
    pub call: Result<Call, String>,
}

/// Decodes a record, and checks that the events are numbered and counted.
///
/// # Errors
/// Returns the decoder's error if the record as a whole cannot be read.
///
/// # Panics
/// If the number of an event or the count of the events is wrong.
pub fn read(decoder: &mut Decoder, data: &[u8]) -> Result<(Decoded, Vec<Reading>), DecodeError> {
    let mut readings = Vec::new();
    let decoded = decoder.decode(data, ORIGIN, |event| {
        assert_eq!(event.index as usize, readings.len(), "events are numbered in their order");
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let call = event.call.map_err(|error| error.to_string()).map(|call| Call {
            api_key_id: owned(call.api_key_id),
            customer_id: owned(call.customer_id),
            status: call.status.code(),
            method: owned(call.method),
            route: owned(call.route),
            api_id: owned(call.api_id),
            stage: owned(call.stage),
            requested_at_ms: call.requested_at_ms,
            responded_at_ms: call.responded_at_ms,
            response_bytes: call.response_bytes,
        });
        readings.push(Reading { id: event.id, claimed_at_ms: event.claimed_at_ms, call });
    });
    assert!(readings.len() <= LIMITS.max_events as usize, "the number of events is limited");
    let decoded = decoded?;
    assert_eq!(decoded.event_count as usize, readings.len(), "every event is counted and shown");
    Ok((decoded, readings))
}

/// Returns a decoder with the [`LIMITS`], which has learned nothing.
pub fn decoder() -> Decoder {
    Decoder::new(LIMITS)
}
