//! The input of the model: a rate of calls, settings and assumptions.

use deployment::environment::variables::WRITE_CONCURRENCY;
use deployment::functions::{CONSUMER, limits};
use deployment::settings;

use crate::prices::Architecture;

/// Bytes of a record in addition to its events, which compress better together than alone.
const RECORD_BYTES: f64 = 300.0;

/// Bytes of an access-log line in the format for REST APIs, with values of usual
/// lengths. A test checks it.
pub const LINE_BYTES: f64 = 218.0;
/// Bytes that are billed for a log event in addition to its text. Source: CloudWatch Logs API Reference, `PutLogEvents`.
const EVENT_OVERHEAD_BYTES: f64 = 26.0;

/// A rate of calls, the settings of the meter, and the assumptions of the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// Number of calls in a month of 30 days, evenly spread and all successful, which is an upper bound of the cost.
    pub calls_per_month: f64,
    /// Number of API keys with which calls are made.
    pub keys: f64,
    /// Exponent of Zipf's law for the use of keys. `None` means uniform use, which writes the most rows.
    pub zipf_exponent: Option<f64>,
    /// Number of shards of a provisioned stream. `None` means the deployed number, or as many as are
    /// needed.
    pub shards: Option<f64>,
    /// Batch window of the event source mapping, in seconds.
    pub batch_window_s: f64,
    /// Maximum number of records in a batch.
    pub batch_records: f64,
    /// Deliveries of CloudWatch Logs per second, until they are full. An assumption: AWS states nothing.
    pub deliveries_per_s: f64,
    /// Maximum number of log events in a delivery. An assumption: AWS states nothing.
    pub events_per_delivery: f64,
    /// Number of log events in each record, if known. `None` computes it from the deliveries.
    pub events_per_record: Option<f64>,
    /// Length of a slice of request time in which calls are claimed, in seconds.
    pub claim_slice_s: f64,
    /// Billed bytes of an access-log line, including 26 for the log event.
    pub line_bytes: f64,
    /// Bytes of a gzipped log event in the stream, measured with full deliveries.
    pub event_bytes: f64,
    /// Processor time for a call, in nanoseconds of one core, measured from Lambda event to update plan.
    pub call_ns: f64,
    /// Duration of a write to DynamoDB, in milliseconds. An assumption.
    pub write_ms: f64,
    /// Number of concurrent writes of an invocation.
    pub concurrent_writes: f64,
    /// Memory of the consumer and of the authorizer, in MiB.
    pub memory_mib: f64,
    /// Number of metrics of the functions that have values while nothing is wrong.
    pub metrics: f64,
    /// Architecture of the functions, which decides the price of a GB-second.
    pub architecture: Architecture,
}

/// Number of metrics of the functions that have values while nothing is wrong, without those of the authorizer and
/// of a canary. A test compares it with the list generated for the stack.
pub const FUNCTION_METRICS: f64 = 8.0;

impl Workload {
    /// Creates a workload with the deployed settings and the measured values.
    pub fn new(calls_per_month: f64, keys: f64) -> Self {
        Self {
            calls_per_month,
            keys,
            zipf_exponent: None,
            shards: None,
            batch_window_s: f64::from(settings::BATCH_WINDOW_S),
            batch_records: f64::from(settings::BATCH_SIZE),
            deliveries_per_s: 10.0,
            events_per_delivery: 200.0,
            events_per_record: None,
            claim_slice_s: 10.0,
            line_bytes: LINE_BYTES + EVENT_OVERHEAD_BYTES,
            event_bytes: 15.0,
            call_ns: 226.0,
            write_ms: 5.0,
            concurrent_writes: f64::from(WRITE_CONCURRENCY.default),
            memory_mib: f64::from(limits(CONSUMER).memory_mib),
            metrics: FUNCTION_METRICS,
            architecture: Architecture::Arm64,
        }
    }

    /// Returns the bytes of a stream record with this number of log events.
    pub fn record_bytes(&self, events: f64) -> f64 {
        RECORD_BYTES + events * self.event_bytes
    }
}
