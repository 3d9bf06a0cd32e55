//! Decodes a batch and adds up its calls. Pure: no clock, no waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};

use access_log::{DecodeError, Decoded, Decoder, Form};
use aws_lambda_events::kinesis::KinesisEventRecord;
use metering_core::aggregate::{BatchUsage, OutOfOrder, RecordIndex};
use metering_core::ports::QuarantinedRecord;
use metering_core::sequence_number::{SequenceNumber, SequenceNumberError};
use metering_core::usage_record::{Assessment, PlausibleTimes, RecordIdentity, SkipReason};

use crate::metrics::{BatchMetrics, ConsumerMetric};

/// How many bad events an error message describes one by one.
const DESCRIBED_BAD_EVENTS: usize = 3;

/// A batch that cannot be processed at all. Lambda never delivers one; it is
/// refused as a whole, so that nothing is counted under a wrong shard or order.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A sequence number that is none.
    #[error("record {position} of the batch has no usable sequence number")]
    SequenceNumber {
        /// The record's place in the batch, counted from 0.
        position: usize,
        /// What is wrong with it.
        source: SequenceNumberError,
    },
    /// An event id that names no shard, or a batch of several shards.
    #[error(
        "record {position} of the batch has the event id {event_id:?}; expected SHARD:SEQUENCE_NUMBER with one shard per batch"
    )]
    Shard {
        /// The record's place in the batch, counted from 0.
        position: usize,
        /// Its event id.
        event_id: String,
    },
    /// Records out of order.
    #[error("the batch is out of order")]
    Order(#[from] OutOfOrder),
}

/// One record of the batch, decoded.
#[derive(Debug)]
pub struct BatchRecord {
    /// Its place in the batch.
    pub index: RecordIndex,
    /// When it reached the stream, in milliseconds since 1970.
    pub arrived_at_ms: i64,
    /// What it is claimed by; `None` where nothing is counted or it has no identity.
    pub identity: Option<RecordIdentity>,
    /// Whether its calls may be counted: false where it could not be read.
    pub is_countable: bool,
    /// When the oldest of them was answered, in milliseconds since 1970.
    pub oldest_response_ms: Option<i64>,
    /// What of it has to be quarantined.
    pub quarantine: Option<QuarantinedRecord>,
}

/// A batch, decoded and added up.
#[derive(Debug)]
pub struct DecodedBatch {
    /// The shard.
    pub shard_id: String,
    /// The records, in order.
    pub records: Vec<BatchRecord>,
    /// Their calls.
    pub usage: BatchUsage,
    /// What was seen.
    pub metrics: BatchMetrics,
}

/// Decodes the records of one shard. The decoder's buffers, and what it has
/// learned about the format, serve the next batch as well.
///
/// # Errors
/// When the batch as a whole is not one that Lambda delivers.
pub fn decode_batch(
    records: &[KinesisEventRecord],
    decoder: &mut Decoder,
    retention_days: u32,
) -> Result<DecodedBatch, BatchError> {
    let mut batch =
        BatchDecoder { decoder, retention_days, usage: BatchUsage::new(), metrics: BatchMetrics::default() };
    let shard_id = shard_of(records)?;
    let decoded = records
        .iter()
        .enumerate()
        .map(|(position, record)| batch.decode_record(position, record, &shard_id))
        .collect::<Result<Vec<_>, _>>()?;
    batch.metrics.add(ConsumerMetric::Records, records.len() as u64);
    Ok(DecodedBatch { shard_id, records: decoded, usage: batch.usage, metrics: batch.metrics })
}

fn shard_of(records: &[KinesisEventRecord]) -> Result<String, BatchError> {
    let shard = |record: &KinesisEventRecord| {
        let (shard, _) = record.event_id.as_deref()?.split_once(':')?;
        (!shard.is_empty()).then(|| shard.to_owned())
    };
    let Some(first) = records.first() else { return Ok(String::new()) };
    let expected = shard(first);
    match (expected.clone(), records.iter().position(|record| shard(record) != expected)) {
        (Some(shard_id), None) => Ok(shard_id),
        (_, odd) => {
            let position = odd.unwrap_or(0);
            Err(BatchError::Shard {
                position,
                event_id: records[position].event_id.clone().unwrap_or_default(),
            })
        }
    }
}

/// What was counted in one record before its end was known.
#[derive(Default)]
struct Tally {
    billable_calls: u64,
    not_successful: u64,
    no_api_key: u64,
    oldest_response_ms: Option<i64>,
}

struct BatchDecoder<'d> {
    decoder: &'d mut Decoder,
    retention_days: u32,
    usage: BatchUsage,
    metrics: BatchMetrics,
}

impl BatchDecoder<'_> {
    fn decode_record(
        &mut self,
        position: usize,
        record: &KinesisEventRecord,
        shard_id: &str,
    ) -> Result<BatchRecord, BatchError> {
        let digits = record.kinesis.sequence_number.as_str();
        let sequence_number = SequenceNumber::parse(digits)
            .map_err(|source| BatchError::SequenceNumber { position, source })?;
        let index = self.usage.begin_record(sequence_number)?;
        let arrived_at_ms = record.kinesis.approximate_arrival_timestamp.timestamp_millis();
        let data = record.kinesis.data.0.as_slice();
        let times = PlausibleTimes::for_arrival(arrived_at_ms, self.retention_days);
        let mut batch_record = BatchRecord {
            index,
            arrived_at_ms,
            identity: None,
            is_countable: false,
            oldest_response_ms: None,
            quarantine: None,
        };
        let quarantined = |reason, detail, payload| QuarantinedRecord {
            shard_id: shard_id.to_owned(),
            sequence_number: digits.to_owned(),
            arrived_at_ms,
            reason,
            detail,
            payload,
        };
        match self.decode_data(data, index, times) {
            Ok((decoded, tally)) => {
                self.note(&decoded, &tally);
                batch_record.is_countable = decoded.form != Form::ControlMessage;
                batch_record.oldest_response_ms = tally.oldest_response_ms;
                if let Some(first) = decoded.bad_events.first() {
                    let payload = decoded.bad_events_payload(data);
                    batch_record.quarantine =
                        Some(quarantined(first.error.reason(), describe(&decoded), payload));
                }
                batch_record.identity = decoded.identity.filter(|_| tally.billable_calls > 0);
            }
            Err((reason, detail)) => {
                self.metrics.quarantine_reason(reason, 1);
                batch_record.quarantine = Some(quarantined(reason, detail, data.to_vec()));
            }
        }
        Ok(batch_record)
    }

    /// Decodes the bytes of a record. A panic of the decoder is a defect, but
    /// one that must not block the shard: it quarantines the record.
    fn decode_data(
        &mut self,
        data: &[u8],
        index: RecordIndex,
        times: PlausibleTimes,
    ) -> Result<(Decoded, Tally), (&'static str, String)> {
        let mut tally = Tally::default();
        let (decoder, usage) = (&mut *self.decoder, &mut self.usage);
        let decode = AssertUnwindSafe(|| {
            decoder.decode(data, |record| {
                match record.assess(times)? {
                    Assessment::Billable { api_key_id, window } => {
                        usage.count(index, api_key_id, window, record.requested_at_ms);
                        tally.billable_calls += 1;
                        let response_ms = record.responded_at_ms;
                        tally.oldest_response_ms = Some(
                            tally.oldest_response_ms.map_or(response_ms, |oldest| oldest.min(response_ms)),
                        );
                    }
                    Assessment::Skipped(SkipReason::NotSuccessful) => tally.not_successful += 1,
                    Assessment::Skipped(SkipReason::NoApiKey) => tally.no_api_key += 1,
                }
                Ok(())
            })
        });
        match catch_unwind(decode) {
            Ok(Ok(decoded)) => Ok((decoded, tally)),
            Ok(Err(error)) => Err((error.reason(), with_causes(&error))),
            Err(_) => {
                self.decoder.reset();
                Err((
                    "decoder-panicked",
                    "the decoder panicked on this record: a defect to report".to_owned(),
                ))
            }
        }
    }

    fn note(&mut self, decoded: &Decoded, tally: &Tally) {
        if decoded.form == Form::ControlMessage {
            self.metrics.add(ConsumerMetric::ControlMessages, 1);
            return;
        }
        self.metrics.add(ConsumerMetric::Events, decoded.event_count as u64);
        self.metrics.add(ConsumerMetric::SkippedNotSuccessful, tally.not_successful);
        self.metrics.add(ConsumerMetric::SkippedNoApiKey, tally.no_api_key);
        self.metrics.add(ConsumerMetric::QuarantinedEvents, decoded.bad_events.len() as u64);
        for event in &decoded.bad_events {
            self.metrics.quarantine_reason(event.error.reason(), 1);
        }
    }
}

fn with_causes(error: &DecodeError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn describe(decoded: &Decoded) -> String {
    let mut text = format!("{} of {} events", decoded.bad_events.len(), decoded.event_count);
    for event in decoded.bad_events.iter().take(DESCRIBED_BAD_EVENTS) {
        text = format!("{text}; event {}: {}", event.index, event.error);
    }
    text
}
