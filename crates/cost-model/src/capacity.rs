//! The shards, invocations and writes that a rate of calls needs.

use deployment::settings;

use crate::workload::Workload;
use crate::writes::{HEAD_REQUESTS, HEAD_WRITES, claims, rows};

/// Seconds in a month of 30 days.
pub const MONTH_S: f64 = 30.0 * 86_400.0;
/// Records that a shard accepts per second. Source: Kinesis quotas.
pub const SHARD_RECORDS_PER_S: f64 = 1_000.0;
/// Bytes that a shard accepts per second. Source: Kinesis quotas.
pub const SHARD_BYTES_PER_S: f64 = 1e6;
/// Maximum share of time in which a shard has a batch in flight.
const MAX_BUSY: f64 = 0.7;
/// Maximum share of a shard's bytes and records.
const MAX_SHARD_UTILISATION: f64 = 0.5;
/// Minimum number of shards of an on-demand stream. Source: Kinesis Developer Guide, on-demand mode.
const ON_DEMAND_SHARDS: f64 = 4.0;
/// Memory for which Lambda gives a function one core, in MiB. Source: Lambda Developer Guide.
pub const MIB_PER_CORE: f64 = 1_769.0;

/// Overhead of an invocation, in milliseconds. An assumption.
pub const INVOCATION_MS: f64 = 2.0;
/// The resources that a workload needs. Rates are per second.
///
/// ```
/// use cost_model::{Capacity, Workload};
///
/// // A billion calls a month with 50 keys.
/// let capacity = Capacity::from_workload(&Workload::new(1e9, 50.0));
/// assert_eq!(capacity.shards, 1.0);
/// // A batch writes one row per key and one row of totals.
/// assert!(capacity.per_million_calls(capacity.ledger_writes) < 10_000.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Calls per second.
    pub calls: f64,
    /// Stream records per second.
    pub records: f64,
    /// Bytes of a stream record.
    pub record_bytes: f64,
    /// Number of shards.
    pub shards: f64,
    /// `true` if the stream is provisioned.
    pub is_provisioned: bool,
    /// Share of time in which a shard has a batch in flight.
    pub busy: f64,
    /// Invocations of the consumer per second.
    pub invocations: f64,
    /// Duration of an invocation, in milliseconds.
    pub invocation_ms: f64,
    /// Ledger write units per second.
    pub ledger_writes: f64,
    /// Claim write units per second.
    pub claim_writes: f64,
    /// Average write units per second of one key's rows in one route class. A partition of a table
    /// allows 1,000, and has all rows of a customer.
    pub writes_per_key: f64,
}

impl Capacity {
    /// Computes the capacity of a provisioned stream with the number of shards that is given, or
    /// else with the deployed number, or as many as are needed.
    pub fn from_workload(workload: &Workload) -> Self {
        let enough = || Self::with_enough_shards(workload, f64::from(settings::SHARD_COUNT));
        let capacity = workload.shards.map_or_else(enough, |shards| Self::with_shards(workload, shards));
        Self { is_provisioned: true, ..capacity }
    }

    /// Computes the capacity of an on-demand stream. It is a provisioned one if an on-demand
    /// stream, which scales by bytes and records only, would have too few shards.
    pub fn on_demand_for(workload: &Workload) -> Self {
        Self::with_enough_shards(workload, ON_DEMAND_SHARDS)
    }

    fn with_enough_shards(workload: &Workload, min_shards: f64) -> Self {
        let unsharded = Self::with_shards(workload, 1.0);
        let by_records = unsharded.records / SHARD_RECORDS_PER_S;
        let by_bytes = unsharded.records * unsharded.record_bytes / SHARD_BYTES_PER_S;
        let mut capacity = Self::with_shards(
            workload,
            (by_records.max(by_bytes) / MAX_SHARD_UTILISATION).ceil().max(min_shards),
        );
        while capacity.busy > MAX_BUSY {
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
        // A batch begins with its first record, and ends after its window or when it is full.
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
            // One row of totals in addition to the rows of keys.
            ledger_writes: invocations * (rows + 1.0),
            claim_writes: invocations * (HEAD_WRITES + pages * page_units),
            writes_per_key: invocations * rows / workload.keys,
        }
    }

    /// Converts a rate of this capacity into a number per million calls.
    pub fn per_million_calls(&self, rate: f64) -> f64 {
        rate / self.calls * 1e6
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "lengths are small")]
mod tests {
    use deployment::functions::{AUTHORIZER, CANARY};

    use super::*;
    use crate::cost::{AUTHORIZER_METRICS, CANARY_METRICS};
    use crate::workload::{FUNCTION_METRICS, LINE_BYTES};

    #[test]
    fn few_keys_are_written_once_in_a_window_of_a_shard() {
        let mut workload = Workload::new(1_000.0 * MONTH_S, 50.0);
        workload.shards = Some(4.0);
        let capacity = Capacity::from_workload(&workload);
        // 10 records a second over 4 shards: a batch in 20.4 s each, with all 50 keys.
        assert!((capacity.invocations - 4.0 / 20.4).abs() < 1e-9);
        assert!(
            (capacity.ledger_writes - 51.0 * 4.0 / 20.4).abs() < 0.1,
            "50 rows of keys and one of totals"
        );
        // Twelve bytes a call are 11,719 units for a million calls; the rest is the page's earlier calls, written again.
        let claims = capacity.per_million_calls(capacity.claim_writes);
        assert!((12_000.0..60_000.0).contains(&claims), "{claims}");
    }

    #[test]
    fn a_line_has_the_length_of_the_deployed_format() {
        let mut line = access_log::log_format::ApiKind::Rest.access_log_format().to_owned();
        for (variable, value) in [
            ("extendedRequestId", "Jk3fGhX1iYcFWAQ="),
            ("authorizer.apiKeyId", "key-0123456789abcdef0123"),
            ("authorizer.customerId", "customer-0123456789"),
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
        let services = list["usualCounts"].as_object().unwrap().iter();
        let count = |of: &dyn Fn(&str) -> bool| -> f64 {
            services
                .clone()
                .filter(|(service, _)| of(service))
                .map(|(_, count)| count.as_f64().unwrap())
                .sum()
        };
        assert!((count(&|service| service == CANARY) - CANARY_METRICS).abs() < 0.5);
        assert!((count(&|service| service == AUTHORIZER) - AUTHORIZER_METRICS).abs() < 0.5);
        // Both are options.
        let others = count(&|service| service != CANARY && service != AUTHORIZER);
        assert!((others - FUNCTION_METRICS).abs() < 0.5, "{others}");
    }

    #[test]
    fn small_records_cost_records_and_pages() {
        let workload = |events| Workload { events_per_record: Some(events), ..Workload::new(1e9, 5_000.0) };
        let (single, many) =
            (Capacity::from_workload(&workload(1.0)), Capacity::from_workload(&workload(38.0)));
        assert!((single.records - single.calls).abs() < 1e-9 && single.records > 37.0 * many.records);
    }

    #[test]
    fn a_million_calls_a_second_fit_their_shards() {
        let capacity = Capacity::from_workload(&Workload::new(1e6 * MONTH_S, 1e6));
        assert!((capacity.records - 5_000.0).abs() < 1e-6);
        assert!(capacity.records * capacity.record_bytes <= 0.5 * SHARD_BYTES_PER_S * capacity.shards + 1.0);
        assert!(capacity.invocation_ms < 60_000.0);
        assert!(capacity.is_provisioned && capacity.busy <= MAX_BUSY, "{capacity:?}");
    }
}
