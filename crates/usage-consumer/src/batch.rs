//! Decodes the records of a batch and judges their calls. Pure: no clock, no I/O.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use access_log::{Decoded, Decoder, Form, Origin, ReadEvent, is_gzip};
use aws_lambda_events::kinesis::KinesisEventRecord;
use lambda_support::causes::with_causes;
use metering_core::aggregate::{BatchUsage, OutOfOrder};
use metering_core::assessment::{Assessment, PlausibleTimes, SkipReason};
use metering_core::batch_run::{Batch, BatchRecord};
use metering_core::billing_rules::BillingRules;
use metering_core::claims::layout::ClaimLayout;
use metering_core::claims::owner::{PutBackFrom, RecordName, ShardName};
use metering_core::class_lists::ClassLists;
use metering_core::metered_key::CallBreakdown;
use metering_core::sequence_number::{SequenceNumber, SequenceNumberError};
use metering_core::usage_record::UsageRecord;

use crate::metrics::{BatchMetrics, ConsumerMetric};

/// Number of bad events that an error message describes one by one.
const DESCRIBED_BAD_EVENTS: usize = 3;

/// Limit of the calls of a batch, which bounds the memory of the function. The
/// response asks Lambda to deliver the records beyond it again.
const MAX_CALLS: usize = 1 << 18;
/// Limit of the rows of a batch, each of a key, a route class and a day. Each costs a write, and a batch that is
/// not complete when the function times out writes all of them again. A genuine record has fewer: its
/// request ids and key ids alone take 28 bytes of gzip a call, of the 1 MiB of a stream record.
const MAX_ROWS: usize = 40_000;
/// Limit of the inflated text of a batch, in bytes, which bounds the time to read it. Calls that are
/// skipped do not count towards [`MAX_CALLS`].
const MAX_TEXT_BYTES: usize = 256 << 20;
/// Limit of the slices of claims that one record touches. Each costs a read and a
/// write; the calls of a genuine record were made within minutes of each other.
const MAX_SLICES: usize = 10_000;

const TOO_MANY_SLICES: &str = "the calls of the record were made at times so far apart that claiming them would take minutes; `meter quarantine put-back` cuts the record";

const TOO_MANY_KEYS: &str = "the calls of the record are of more keys, route classes and days than the function can write to the ledger before it times out; `meter quarantine put-back` cuts the record";

/// A batch of a form that Lambda never delivers. It is refused as a whole, so that
/// nothing is counted under a wrong shard or in a wrong order.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A sequence number is malformed.
    #[error("record {position} of the batch has no usable sequence number")]
    SequenceNumber {
        /// Zero-based place of the record in the batch.
        position: usize,
        source: SequenceNumberError,
    },
    /// An event id names no shard, or the batch has records of several shards.
    #[error(
        "record {position} of the batch has the event id {event_id:?} and the source {stream_arn:?}; expected SHARD:SEQUENCE_NUMBER and the ARN of a Kinesis stream, with one shard per batch"
    )]
    Shard {
        /// Zero-based place of the record in the batch.
        position: usize,
        event_id: String,
        stream_arn: String,
    },
    /// The sequence numbers are not ascending.
    #[error("the batch is out of order")]
    Order(#[from] OutOfOrder),
}

/// What is known of a record beside its calls.
#[derive(Debug, Default)]
pub struct RecordNotes {
    /// If the record is unreadable: the reason code and the detail.
    pub unreadable: Option<(&'static str, String)>,
    /// Reason code of the first bad event.
    pub bad_reason: Option<&'static str>,
    /// Description of the first bad events, for the operator.
    pub bad_detail: String,
    /// Response time of the oldest billable call, in milliseconds since 1970.
    pub oldest_response_ms: Option<i64>,
    event_count: u32,
    bad_events: usize,
}

#[derive(Debug)]
pub struct DecodedBatch {
    /// The calls and records that the run of the batch works on.
    pub batch: Batch,
    /// Notes on each record, in the order of the records.
    pub notes: Vec<RecordNotes>,
}

/// Rules by which records are decoded and judged.
#[derive(Debug, Clone)]
pub struct DecodeSettings {
    /// Maximum age of a call at the arrival of its record, in days. Both the ledger and
    /// the claims keep calls for as long.
    pub max_call_age_days: u32,
    /// Distribution of calls over slices of claims.
    pub claim_layout: ClaimLayout,
    /// The statuses and routes whose calls are counted.
    pub rules: BillingRules,
}

/// Decodes the records of one shard, as many as fit into memory together, and adds
/// to `metrics`. `classes` has all lists that apply to their calls. The decoder keeps its
/// buffers, and the layout of the lines that it has learned, for the next batch.
///
/// # Errors
/// A batch of a form that Lambda never delivers.
pub fn decode_batch(
    records: &[KinesisEventRecord],
    decoder: &mut Decoder,
    settings: &DecodeSettings,
    classes: &ClassLists,
    metrics: &mut BatchMetrics,
) -> Result<DecodedBatch, BatchError> {
    let shard = shard_of(records)?;
    let mut batch = BatchDecoder {
        decoder,
        settings,
        classes,
        shard: shard.clone(),
        usage: BatchUsage::new(),
        text_bytes: 0,
        metrics,
    };
    let (mut judged, mut notes) = (Vec::new(), Vec::new());
    for (position, record) in records.iter().enumerate() {
        let (readable, record_notes) = batch.decode_record(position, record)?;
        if position > 0 && batch.is_too_much() {
            batch.usage.remove_record();
            break;
        }
        batch.end_record(readable.as_ref(), &record_notes);
        let arrived_at_ms = arrival_ms(record);
        let put_back_from = PutBackFrom::from_partition_key(&record.kinesis.partition_key);
        judged.push(BatchRecord { arrived_at_ms, is_readable: readable.is_some(), put_back_from });
        notes.push(record_notes);
    }
    batch.metrics.add(ConsumerMetric::Records, judged.len() as u64);
    let usage = batch.usage;
    Ok(DecodedBatch { batch: Batch { shard, usage, records: judged }, notes })
}

/// Returns the time at which a record reached the stream, in milliseconds since 1970.
pub fn arrival_ms(record: &KinesisEventRecord) -> i64 {
    record.kinesis.approximate_arrival_timestamp.timestamp_millis()
}

/// Returns the place of a record on the stream. It identifies events that have no id.
pub fn record_name(shard: &ShardName, sequence_number: &SequenceNumber) -> String {
    RecordName { shard: shard.clone(), sequence_number: sequence_number.clone() }.to_string()
}

fn shard_of(records: &[KinesisEventRecord]) -> Result<ShardName, BatchError> {
    let shard = |record: &KinesisEventRecord| {
        let (shard_id, _) = record.event_id.as_deref()?.split_once(':')?;
        ShardName::new(record.event_source_arn.as_deref()?, shard_id)
    };
    let Some(first) = records.first() else { return Ok(ShardName::from_stored("")) };
    let expected = shard(first);
    match (expected.clone(), records.iter().position(|record| shard(record) != expected)) {
        (Some(shard), None) => Ok(shard),
        (_, odd) => {
            let position = odd.unwrap_or(0);
            Err(BatchError::Shard {
                position,
                event_id: records[position].event_id.clone().unwrap_or_default(),
                stream_arn: records[position].event_source_arn.clone().unwrap_or_default(),
            })
        }
    }
}

struct BatchDecoder<'d> {
    decoder: &'d mut Decoder,
    settings: &'d DecodeSettings,
    classes: &'d ClassLists,
    shard: ShardName,
    usage: BatchUsage,
    /// Length of the text of all records so far, in bytes.
    text_bytes: usize,
    metrics: &'d mut BatchMetrics,
}

/// Counts of one record. They reach the metrics when the record was read to its end.
#[derive(Default)]
struct RecordCounts {
    unbilled_status: u64,
    unbilled: u64,
    no_api_key: u64,
    reasons: BTreeMap<&'static str, u64>,
}

impl BatchDecoder<'_> {
    /// Returns `true` if the records so far are more than one invocation can process.
    fn is_too_much(&self) -> bool {
        self.usage.calls().len() > MAX_CALLS
            || self.usage.row_count() > MAX_ROWS
            || self.text_bytes > MAX_TEXT_BYTES
    }

    fn decode_record(
        &mut self,
        position: usize,
        record: &KinesisEventRecord,
    ) -> Result<(Option<(Decoded, RecordCounts)>, RecordNotes), BatchError> {
        let sequence_number = SequenceNumber::parse(&record.kinesis.sequence_number)
            .map_err(|source| BatchError::SequenceNumber { position, source })?;
        let name = record_name(&self.shard, &sequence_number);
        self.usage.begin_record(sequence_number)?;
        let arrived_at_ms = arrival_ms(record);
        let origin = Origin { record_name: &name, arrived_at_ms };
        let mut notes = RecordNotes::default();
        let decoded = self.decode_data(&record.kinesis.data.0, origin, &mut notes);
        Ok((decoded, notes))
    }

    /// Decodes the bytes of a record. A panic of the decoder is a defect, but it must
    /// not block the shard: the record goes to quarantine.
    fn decode_data(
        &mut self,
        data: &[u8],
        origin: Origin<'_>,
        notes: &mut RecordNotes,
    ) -> Option<(Decoded, RecordCounts)> {
        let times = PlausibleTimes::for_arrival(origin.arrived_at_ms, self.settings.max_call_age_days);
        let mut counts = RecordCounts::default();
        let (decoder, usage) = (&mut *self.decoder, &mut self.usage);
        let judge = Judge { times, rules: &self.settings.rules, classes: self.classes };
        let decode = AssertUnwindSafe(|| {
            decoder.decode(data, origin, |event| visit(event, judge, usage, &mut counts, notes))
        });
        let result = catch_unwind(decode);
        self.text_bytes += match &result {
            Ok(Ok(decoded)) => decoded.text_bytes,
            // The error does not say how far the record was inflated.
            _ if is_gzip(data) => self.decoder.limits().max_inflated_bytes,
            _ => data.len(),
        };
        let unreadable = match result {
            Ok(Ok(decoded)) => match self.excess(&decoded) {
                None => {
                    notes.event_count = decoded.event_count;
                    return Some((decoded, counts));
                }
                Some((reason, detail)) => (reason, detail.to_owned()),
            },
            Ok(Err(error)) => (error.reason(), with_causes(&error)),
            Err(_) => {
                self.decoder.reset();
                (
                    "decoder-panicked",
                    "the decoder panicked on this record; please report this defect with the record"
                        .to_owned(),
                )
            }
        };
        *notes = RecordNotes { unreadable: Some(unreadable), ..RecordNotes::default() };
        self.usage.discard_record();
        None
    }

    /// Returns the reason and its description if the present record alone takes too long to count.
    fn excess(&self, decoded: &Decoded) -> Option<(&'static str, &'static str)> {
        // The slice changes at most once with each call.
        if self.usage.calls_of_record() > MAX_SLICES
            && self.usage.slice_changes(&self.settings.claim_layout, decoded.log_stream) > MAX_SLICES
        {
            return Some(("too-many-slices", TOO_MANY_SLICES));
        }
        (self.usage.new_row_count() > MAX_ROWS).then_some(("too-many-keys", TOO_MANY_KEYS))
    }

    /// Ends a record: adds its counts to the metrics, or discards its calls if the
    /// record is only a check by CloudWatch Logs.
    fn end_record(&mut self, readable: Option<&(Decoded, RecordCounts)>, notes: &RecordNotes) {
        match readable {
            None => {
                if let Some((reason, _)) = notes.unreadable {
                    self.metrics.quarantine_reason(reason, 1);
                }
            }
            Some((decoded, _)) if decoded.form == Form::ControlMessage => {
                self.metrics.add(ConsumerMetric::ControlMessages, 1);
                self.usage.discard_record();
            }
            Some((decoded, counts)) => {
                self.metrics.add(ConsumerMetric::Events, u64::from(decoded.event_count));
                self.metrics.add(ConsumerMetric::SkippedUnbilledStatus, counts.unbilled_status);
                self.metrics.add(ConsumerMetric::SkippedUnbilled, counts.unbilled);
                self.metrics.add(ConsumerMetric::SkippedNoApiKey, counts.no_api_key);
                for (reason, count) in &counts.reasons {
                    self.metrics.quarantine_reason(reason, *count);
                }
                self.usage.end_record(&self.settings.claim_layout, decoded.log_stream);
            }
        }
    }
}

/// Rules by which a call is judged.
#[derive(Clone, Copy)]
struct Judge<'a> {
    times: PlausibleTimes,
    rules: &'a BillingRules,
    classes: &'a ClassLists,
}

/// Judges one event and adds its call to the batch.
fn visit(
    event: ReadEvent<'_>,
    judge: Judge<'_>,
    usage: &mut BatchUsage,
    counts: &mut RecordCounts,
    notes: &mut RecordNotes,
) {
    let ReadEvent { index, id, claimed_at_ms, call } = event;
    let call = match call {
        Ok(call) => call,
        Err(error) => {
            record_bad_event(notes, counts, index, error.reason(), &error);
            usage.add_unreadable(index, id, claimed_at_ms);
            return;
        }
    };
    match call.assess(judge.times, judge.rules, judge.classes) {
        Ok(Assessment::Billable(breakdown)) => {
            usage.add_call(index, id, breakdown, (&call).into(), true);
            let response_ms = call.responded_at_ms;
            notes.oldest_response_ms =
                Some(notes.oldest_response_ms.map_or(response_ms, |oldest| oldest.min(response_ms)));
        }
        Ok(Assessment::Skipped(SkipReason::UnbilledStatus)) => counts.unbilled_status += 1,
        Ok(Assessment::Skipped(SkipReason::Unbilled)) => counts.unbilled += 1,
        Ok(Assessment::Skipped(SkipReason::NoApiKey)) => counts.no_api_key += 1,
        Err(error) => {
            record_bad_event(notes, counts, index, error.reason(), &error);
            match countable(&call, judge) {
                Some(breakdown) => usage.add_call(index, id, breakdown, (&call).into(), false),
                None => usage.add_unreadable(index, id, claimed_at_ms),
            }
        }
    }
}

/// Returns the row of a call whose request time is implausible. If another
/// version of the function has claimed it as countable, this version can count it.
fn countable<'a>(call: &UsageRecord<'a>, judge: Judge<'a>) -> Option<CallBreakdown<'a>> {
    match call.assess(PlausibleTimes::ANY, judge.rules, judge.classes) {
        Ok(Assessment::Billable(breakdown)) => Some(breakdown),
        _ => None,
    }
}

fn record_bad_event(
    notes: &mut RecordNotes,
    counts: &mut RecordCounts,
    index: u32,
    reason: &'static str,
    error: &dyn std::error::Error,
) {
    *counts.reasons.entry(reason).or_default() += 1;
    notes.bad_reason.get_or_insert(reason);
    notes.bad_events += 1;
    if notes.bad_events <= DESCRIBED_BAD_EVENTS {
        notes.bad_detail = format!("{}; event {index}: {error}", notes.bad_detail);
    }
}

impl RecordNotes {
    /// Describes the bad events of a record, for the operator.
    pub fn describe_bad_events(&self) -> String {
        format!("{} of {} events{}", self.bad_events, self.event_count, self.bad_detail)
    }
}
