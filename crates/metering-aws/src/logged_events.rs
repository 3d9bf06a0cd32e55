//! Events of the access log, parsed by the consumer's own decoder.

use std::collections::BTreeMap;

use access_log::envelope_writer::{EnvelopeHeader, log_event};
use access_log::{DecodeError, Decoder, Origin, ReadEvent};
use metering_core::assessment::{Assessment, PlausibleTimes};
use metering_core::billing_rules::BillingRules;
use metering_core::call_id::CallId;
use metering_core::claims::layout::{ClaimLayout, SliceKey};
use metering_core::class_lists::ClassLists;
use metering_core::metered_key::{Breakdown, CallBreakdown, MeteredKey};

/// A log event of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The event id with which the subscription delivers it.
    pub event_id: String,
    /// The name of its log stream.
    pub log_stream: String,
    /// The time at which it was logged, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The line of the access log.
    pub message: String,
}

/// A call that the consumer would count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCall {
    /// The index of the event among the events of its log stream.
    pub event: u32,
    /// The identity by which the call is claimed.
    pub id: CallId,
    /// The key and the customer for which it is counted.
    pub key: MeteredKey,
    /// The slice in which it is claimed.
    pub slice: SliceKey,
    /// The request time, in milliseconds since 1970.
    pub requested_at_ms: i64,
    /// `true` if the line has a request id. A call without one is identified by
    /// the id of its event.
    pub has_request_id: bool,
}

/// The events of a log stream, in a record as the subscription delivers them.
#[derive(Debug)]
pub struct LogStreamEvents {
    /// The record: an uncompressed envelope of any length.
    record: Vec<u8>,
    /// The calls, in the order of their events.
    pub calls: Vec<LoggedCall>,
    /// The number of events that cannot be parsed as calls.
    pub unreadable: usize,
}

/// A placeholder: every log event has an id and a time, so no identity depends on the origin.
const ORIGIN: Origin<'static> = Origin { record_name: "", arrived_at_ms: 0 };

/// Parses events as the consumer does, separately for each log stream.
pub fn read_events(
    decoder: &mut Decoder,
    judge: &Judge,
    log_group: &str,
    events: &[LoggedEvent],
) -> Vec<LogStreamEvents> {
    let mut by_log_stream: BTreeMap<&str, Vec<&LoggedEvent>> = BTreeMap::new();
    for event in events {
        by_log_stream.entry(&event.log_stream).or_default().push(event);
    }
    by_log_stream
        .into_iter()
        .map(|(log_stream, events)| {
            let log_events: Vec<String> = events
                .iter()
                .map(|event| log_event(&event.event_id, event.timestamp_ms, &event.message))
                .collect();
            let header = EnvelopeHeader { log_group, log_stream, ..EnvelopeHeader::default() };
            read_record(decoder, judge, header.write(&log_events.join(",")).into_bytes(), &events)
        })
        .collect()
}

fn read_record(
    decoder: &mut Decoder,
    judge: &Judge,
    record: Vec<u8>,
    events: &[&LoggedEvent],
) -> LogStreamEvents {
    let has_request_id = |event: u32, id: CallId, requested_at_ms: i64| {
        let event = usize::try_from(event).ok().and_then(|place| events.get(place));
        event.is_some_and(|event| id != CallId::new(&event.event_id, requested_at_ms))
    };
    let (mut billable, mut unreadable) = (Vec::new(), 0);
    let decoded = decoder.decode(&record, ORIGIN, |event| match judge.assess(&event) {
        Judgement::Billable { requested_at_ms, breakdown } => {
            billable.push((event.index, event.id, requested_at_ms, Breakdown::from(breakdown).key));
        }
        Judgement::Skipped => {}
        Judgement::Unreadable => unreadable += 1,
    });
    // The envelope was written above, so it can be decoded.
    let calls = decoded.map_or_else(
        |_| Vec::new(),
        |decoded| {
            let slice = |requested_at_ms| judge.layout.slice_of(requested_at_ms, decoded.log_stream);
            let calls = billable.into_iter().map(|(event, id, requested_at_ms, key)| LoggedCall {
                event,
                id,
                key,
                slice: slice(requested_at_ms),
                requested_at_ms,
                has_request_id: has_request_id(event, id, requested_at_ms),
            });
            calls.collect()
        },
    );
    LogStreamEvents { record, calls, unreadable }
}

/// The rules by which the deployed consumer judges and claims calls.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The slices and groups in which calls are claimed.
    pub layout: ClaimLayout,
    /// The statuses and routes whose calls are counted.
    pub rules: BillingRules,
}

enum Judgement<'a> {
    /// A call that is counted.
    Billable {
        /// The request time, in milliseconds since 1970.
        requested_at_ms: i64,
        breakdown: CallBreakdown<'a>,
    },
    Skipped,
    Unreadable,
}

impl Judge {
    /// Judges an event apart from its time, which depends on the arrival in the stream.
    fn assess<'a>(&self, event: &ReadEvent<'a>) -> Judgement<'a> {
        let Ok(call) = &event.call else { return Judgement::Unreadable };
        match call.assess(PlausibleTimes::ANY, &self.rules, ClassLists::none()) {
            Ok(Assessment::Billable(breakdown)) => {
                Judgement::Billable { requested_at_ms: call.requested_at_ms, breakdown }
            }
            Ok(Assessment::Skipped(_)) => Judgement::Skipped,
            Err(_) => Judgement::Unreadable,
        }
    }
}

impl LogStreamEvents {
    /// Builds stream records of some of the events, given by their indexes. The
    /// records contain the log group, the log stream, and each event's id and time.
    ///
    /// # Errors
    /// Fails if the events cannot be read.
    pub fn records(&self, decoder: &mut Decoder, events: &[u32]) -> Result<Vec<Vec<u8>>, DecodeError> {
        decoder.parts(&self.record, ORIGIN, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access_log::Limits;
    use metering_core::claims::layout::LogStreamHash;
    use serde_json::{Value, json};

    fn event(log_stream: &str, id: &str, line: &Value) -> LoggedEvent {
        let (event_id, log_stream) = (id.to_owned(), log_stream.to_owned());
        LoggedEvent { event_id, log_stream, timestamp_ms: 1_795_509_271_000, message: line.to_string() }
    }

    #[test]
    fn every_form_that_is_counted_is_read_with_its_identity() {
        let judge = Judge {
            layout: "0:10000:4".parse().unwrap(),
            rules: BillingRules::except("/usage,OPTIONS *".parse().unwrap()),
        };
        let (time, shown) = (1_795_509_270_000_i64, "24/Nov/2026:08:34:30 +0000");
        let events = [
            event(
                "one",
                "1",
                &json!({"requestId": "r", "apiKeyId": "a", "status": "200", "requestTimeEpoch": time.to_string()}),
            ),
            event(
                "one",
                "2",
                &json!({"requestId": "s", "apiKeyId": "a", "status": 204, "requestTimeEpoch": time}),
            ),
            event(
                "two",
                "3",
                &json!({"extendedRequestId": "t", "apiKeyId": "a", "status": "299", "requestTime": shown}),
            ),
            event("two", "4", &json!({"apiKeyId": "a", "status": "200", "requestTimeEpoch": time})),
            event("two", "5", &json!({"apiKeyId": "a", "status": "404", "requestTimeEpoch": time})),
            event("two", "6", &json!({"apiKeyId": "-", "status": "200", "requestTimeEpoch": time})),
            event("two", "7", &json!("no call")),
            event("two", "8", &json!({"key": "a", "status": "200", "time": time, "route": "GET /usage"})),
            event("two", "9", &json!({"key": "-", "status": "204", "time": time, "method": "OPTIONS"})),
        ];
        let mut decoder = Decoder::new(Limits::default());
        let read = read_events(&mut decoder, &judge, "group", &events);
        assert!(read.iter().flat_map(|stream| &stream.calls).all(|call| &*call.key.api_key_id == "a"));
        let calls: Vec<(u32, CallId)> =
            read.iter().flat_map(|stream| &stream.calls).map(|call| (call.event, call.id)).collect();
        let expected =
            [(0, "r"), (1, "s"), (0, "t"), (1, "4")].map(|(event, id)| (event, CallId::new(id, time)));
        assert_eq!(calls, expected);
        let known: Vec<bool> =
            read.iter().flat_map(|stream| &stream.calls).map(|call| call.has_request_id).collect();
        assert_eq!(known, [true, true, true, false]);
        assert_eq!(read[1].calls[0].slice, judge.layout.slice_of(time, LogStreamHash::new("group", "two")));
        assert_eq!(read.iter().map(|stream| stream.unreadable).collect::<Vec<_>>(), [0, 1]);
        // What is put on the stream is known by the same identities.
        let records = read[1].records(&mut decoder, &[0, 1]).unwrap();
        let mut again = Vec::new();
        decoder.decode(&records[0], ORIGIN, |event| again.push(event.id)).unwrap();
        assert_eq!(again, expected.map(|(_, id)| id)[2..]);
    }
}
