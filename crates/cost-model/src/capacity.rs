//! How much of everything a rate of calls needs.

use deployment::environment::variables::WRITE_CONCURRENCY;
use deployment::functions::{USAGE_CONSUMER, limits};
use deployment::settings;

use crate::prices::Architecture;
use crate::writes::{HEAD_REQUESTS, HEAD_WRITES, claims, rows};

/// Seconds of a month of 30 days.
pub const MONTH_S: f64 = 30.0 * 86_400.0;
/// Records a second that one shard takes. Source: Kinesis quotas.
pub const SHARD_RECORDS_PER_S: f64 = 1_000.0;
/// Bytes a second that one shard takes. Source: Kinesis quotas.
pub const SHARD_BYTES_PER_S: f64 = 1e6;
/// How full shards shall be, and how busy their one batch at a time.
const MOST_BUSY: f64 = 0.7;
const SHARD_UTILISATION: f64 = 0.5;
/// The fewest shards that a stream on demand has. Source: Kinesis Developer Guide, on-demand mode.
const ON_DEMAND_SHARDS: f64 = 4.0;
/// Processor shares of a function grow with its memory; this much is one core. Source: Lambda Developer Guide.
pub const MIB_PER_CORE: f64 = 1_769.0;

/// Milliseconds of an invocation beside its work. An assumption.
pub const INVOCATION_MS: f64 = 2.0;
/// Bytes of a record beside its events: a single one does not compress to what one of many does.
const RECORD_BYTES: f64 = 300.0;

/// Bytes of a line of the access log in the format for REST APIs, with values of
/// usual lengths; a test fills them in.
pub const LINE_BYTES: f64 = 183.0;
/// Bytes that are billed for a log event beside its text. Source: CloudWatch Logs API Reference, `PutLogEvents`.
const EVENT_OVERHEAD_BYTES: f64 = 26.0;

/// What is to be counted, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// Calls in a month of 30 days, evenly spread, all of them successful: fewer cost less.
    pub calls_per_month: f64,
    /// Number of keys that calls are made with.
    pub keys: f64,
    /// Exponent of Zipf's law, by which keys are used; all alike where it is `None`, which writes the most rows.
    pub zipf_exponent: Option<f64>,
    /// Shards of a provisioned stream; as many as needed, on demand where that does, where it is `None`.
    pub shards: Option<f64>,
    /// How long a batch waits to fill, in seconds.
    pub batch_window_s: f64,
    /// The most records of a batch.
    pub batch_records: f64,
    /// Batches of events that CloudWatch Logs delivers a second, until they are full. An assumption: AWS states none.
    pub deliveries_per_s: f64,
    /// The most events of one delivery. An assumption: AWS states none.
    pub events_per_delivery: f64,
    /// Events of each record, where they are known; else as the deliveries make them.
    pub events_per_record: Option<f64>,
    /// Length of a slice of request time in which calls are claimed, in seconds.
    pub claim_slice_s: f64,
    /// Bytes of a line of the access log as it is billed, 26 of them for the event.
    pub line_bytes: f64,
    /// Bytes of an event in the stream, gzipped; measured with full deliveries.
    pub event_bytes: f64,
    /// Nanoseconds of one core for one call, measured from event to plan.
    pub call_ns: f64,
    /// Milliseconds of a write to DynamoDB, and how many are under way at once.
    pub write_ms: f64,
    /// Writes of one invocation under way at once.
    pub concurrent_writes: f64,
    /// Memory of the consumer and of the authorizer, in MiB.
    pub memory_mib: f64,
    /// Metrics that the functions emit.
    pub metrics: f64,
    /// Architecture of the functions, which decides the price of a GB-second.
    pub architecture: Architecture,
}

/// Metrics of the functions, as the list that is generated for the stack has them; a test counts them.
pub const FUNCTION_METRICS: f64 = 57.0;

impl Workload {
    /// A workload with the deployed settings and what was measured.
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
            memory_mib: f64::from(limits(USAGE_CONSUMER).memory_mib),
            metrics: FUNCTION_METRICS,
            architecture: Architecture::Arm64,
        }
    }

    /// Bytes of a record of the stream with this many events.
    pub fn record_bytes(&self, events: f64) -> f64 {
        RECORD_BYTES + events * self.event_bytes
    }
}

/// What a workload needs; rates are per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Calls.
    pub calls: f64,
    /// Records of the stream.
    pub records: f64,
    /// Bytes of one record.
    pub record_bytes: f64,
    /// Shards.
    pub shards: f64,
    /// Whether the stream is provisioned: asked for, or because on demand it
    /// would get too few shards, since it looks at bytes and records alone.
    pub is_provisioned: bool,
    /// The share of time in which a shard has a batch in flight.
    pub busy: f64,
    /// Invocations of the consumer.
    pub invocations: f64,
    /// Milliseconds of one of them.
    pub invocation_ms: f64,
    /// Write units of the ledger.
    pub ledger_writes: f64,
    /// Write units of claims.
    pub claim_writes: f64,
    /// The most write units that one key's rows get: of a table's partition, 1,000 are possible.
    pub writes_per_key: f64,
}

impl Capacity {
    /// Works it out, with as many shards as are needed where none are given.
    pub fn of(workload: &Workload) -> Self {
        if let Some(shards) = workload.shards {
            return Self { is_provisioned: true, ..Self::with_shards(workload, shards) };
        }
        Self::with_enough_shards(workload, ON_DEMAND_SHARDS)
    }

    /// Works it out for a provisioned stream, with no more shards than are needed.
    pub fn provisioned(workload: &Workload) -> Self {
        Self { is_provisioned: true, ..Self::with_enough_shards(workload, 1.0) }
    }

    fn with_enough_shards(workload: &Workload, fewest: f64) -> Self {
        let fits = Self::with_shards(workload, 1.0);
        let by_records = fits.records / SHARD_RECORDS_PER_S;
        let by_bytes = fits.records * fits.record_bytes / SHARD_BYTES_PER_S;
        let mut capacity =
            Self::with_shards(workload, (by_records.max(by_bytes) / SHARD_UTILISATION).ceil().max(fewest));
        while capacity.busy > MOST_BUSY {
            let more = (capacity.shards * 1.1).ceil();
            capacity = Self { is_provisioned: true, ..Self::with_shards(workload, more) };
        }
        capacity
    }

    fn with_shards(workload: &Workload, shards: f64) -> Self {
        let calls = workload.calls_per_month / MONTH_S;
        let by_deliveries = (calls / workload.deliveries_per_s).clamp(1.0, workload.events_per_delivery);
        let events = workload.events_per_record.unwrap_or(by_deliveries);
        let records = calls / events;
        let record_bytes = workload.record_bytes(events);
        let per_shard = records / shards;
        // A batch begins with a record, waits for its window, and ends sooner when it is full.
        let by_window = 1.0 / (workload.batch_window_s + 1.0 / per_shard);
        let invocations = shards * by_window.max(per_shard / workload.batch_records);
        let batch_calls = calls / invocations;
        let rows = rows(workload, batch_calls);
        let batch_records = records / invocations;
        let core_ms = batch_calls * workload.call_ns / 1e6 * MIB_PER_CORE / workload.memory_mib;
        let (pages, page_units) = claims(workload, batch_calls, batch_records, invocations);
        // A slice is read before its page is written.
        let waves = HEAD_REQUESTS
            + (2.0 * pages / workload.concurrent_writes).ceil()
            + (rows / workload.concurrent_writes).ceil();
        let invocation_ms = INVOCATION_MS + core_ms + waves * workload.write_ms;
        Self {
            calls,
            records,
            record_bytes,
            shards,
            invocations,
            invocation_ms,
            is_provisioned: false,
            busy: invocations * invocation_ms / 1e3 / shards,
            // Beside the rows of keys, one of the totals.
            ledger_writes: invocations * (rows + 1.0),
            claim_writes: invocations * (HEAD_WRITES + pages * page_units),
            writes_per_key: invocations * rows / workload.keys,
        }
    }

    /// A rate as a number for each million calls.
    pub fn per_million_calls(&self, rate: f64) -> f64 {
        rate / self.calls * 1e6
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "lengths are small")]
mod tests {
    use deployment::functions::USAGE_CANARY;

    use super::*;
    use crate::cost::CANARY_METRICS;

    #[test]
    fn few_keys_are_written_once_in_a_window_of_a_shard() {
        let mut workload = Workload::new(1_000.0 * MONTH_S, 50.0);
        workload.shards = Some(4.0);
        let capacity = Capacity::of(&workload);
        // 10 records a second over 4 shards: a batch in 5.4 s each, with all 50 keys.
        assert!((capacity.invocations - 4.0 / 5.4).abs() < 1e-9);
        assert!((capacity.ledger_writes - 51.0 * 4.0 / 5.4).abs() < 0.1, "of 50 keys and of the total");
        // Twelve bytes a call are 11,719 units for a million calls; the rest is what is written again.
        let claims = capacity.per_million_calls(capacity.claim_writes);
        assert!((12_000.0..60_000.0).contains(&claims), "{claims}");
    }

    #[test]
    fn a_line_has_the_length_of_the_deployed_format() {
        let mut line = access_log::log_format::ApiKind::Rest.access_log_format().to_owned();
        for (variable, value) in [
            ("extendedRequestId", "Jk3fGhX1iYcFWAQ="),
            ("authorizer.apiKeyId", "key-0123456789abcdef0123"),
            ("requestTimeEpoch", "1795509270000"),
            ("status", "200"),
            ("responseLatency", "24"),
            ("httpMethod", "GET"),
            ("resourcePath", "/orders/{orderId}"),
            ("stage", "prod"),
            ("apiId", "a1b2c3d4e5"),
        ] {
            line = line.replace(&format!("$context.{variable}\""), &format!("{value}\""));
        }
        assert!((line.len() as f64 - LINE_BYTES).abs() < 0.5, "{line}: {}", line.len());
    }

    #[test]
    fn the_metrics_are_those_of_the_generated_list() {
        let list: serde_json::Value =
            serde_json::from_str(include_str!("../../../stack/lib/generated/metrics.json")).unwrap();
        let services = list["services"].as_object().unwrap().iter();
        // A canary is an option.
        let (canary, deployed): (Vec<_>, Vec<_>) =
            services.partition(|(service, _)| *service == USAGE_CANARY);
        for (services, counted) in [(canary, CANARY_METRICS), (deployed, FUNCTION_METRICS)] {
            let count: usize = services.iter().map(|(_, metrics)| metrics.as_object().unwrap().len()).sum();
            assert!((count as f64 - counted).abs() < 0.5, "{count}");
        }
    }

    #[test]
    fn small_records_cost_records_and_pages() {
        let workload = |events| Workload { events_per_record: Some(events), ..Workload::new(1e9, 5_000.0) };
        let (single, many) = (Capacity::of(&workload(1.0)), Capacity::of(&workload(38.0)));
        assert!((single.records - single.calls).abs() < 1e-9 && single.records > 37.0 * many.records);
    }

    #[test]
    fn a_million_calls_a_second_fit_their_shards() {
        let capacity = Capacity::of(&Workload::new(1e6 * MONTH_S, 1e6));
        assert!((capacity.records - 5_000.0).abs() < 1e-6);
        assert!(capacity.records * capacity.record_bytes <= 0.5 * SHARD_BYTES_PER_S * capacity.shards + 1.0);
        assert!(capacity.invocation_ms < 60_000.0);
        assert!(capacity.is_provisioned && capacity.busy <= MOST_BUSY, "{capacity:?}");
    }
}
