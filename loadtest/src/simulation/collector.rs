//! Collects the measurements of a simulation.

use std::collections::HashSet;

use cost_model::{Consumption, LIST_PRICES, Priced};

use super::limits::limits;
use super::result::{SecondStageResult, SimulationResult};
use super::second_stage::{SUM_BYTES, Sums};
use super::settings::SimulationSettings;
use super::shard::Record;
use super::table::Table;
use super::time::microseconds;
use crate::histogram::LatencyHistogram;

/// Write units of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writes {
    pub ledger: u64,
    pub claims: u64,
}

/// The measurements of the second stage.
#[derive(Debug, Default)]
struct SecondStageTally {
    records: u64,
    sums: u64,
    payload_units: u64,
    invocations: u64,
    busy_us: u64,
}

/// Collects the batches that were invoked in the measured time.
pub(super) struct ResultCollector {
    settings: SimulationSettings,
    /// Start of the measured time.
    from_us: u64,
    delivered_calls: u64,
    calls: u64,
    records: u64,
    invocations: u64,
    /// Summed length of all invocations.
    busy_us: u64,
    writes: u64,
    claim_units: u64,
    hottest_writes: u64,
    baseline_writes: u64,
    freshness: LatencyHistogram,
    second: SecondStageTally,
}

impl ResultCollector {
    pub fn new(settings: &SimulationSettings) -> Self {
        Self {
            settings: settings.clone(),
            from_us: microseconds(settings.warm_up_s()),
            delivered_calls: 0,
            calls: 0,
            records: 0,
            invocations: 0,
            busy_us: 0,
            writes: 0,
            claim_units: 0,
            hottest_writes: 0,
            baseline_writes: 0,
            freshness: LatencyHistogram::new(),
            second: SecondStageTally::default(),
        }
    }

    /// Records a delivery of the log.
    pub fn record_delivery(&mut self, now_us: u64, calls: usize) {
        if now_us >= self.from_us {
            self.delivered_calls += calls as u64;
        }
    }

    /// Records a committed batch with its write units.
    pub fn record_commit(&mut self, batch: &[Record], writes: Writes, invoked_us: u64, committed_us: u64) {
        if invoked_us < self.from_us {
            return;
        }
        self.invocations += 1;
        self.busy_us += committed_us - invoked_us;
        self.writes += writes.ledger;
        self.claim_units += writes.claims;
        for record in batch {
            self.records += 1;
            self.baseline_writes += record.keys.iter().collect::<HashSet<_>>().len() as u64;
        }
        // Calls of the second stage are counted when it has committed.
        if self.settings.second_stage.is_none() {
            // The most frequent key has the lowest number.
            self.hottest_writes += u64::from(batch.iter().any(|record| record.keys.contains(&0)));
            for record in batch {
                self.calls += record.keys.len() as u64;
                self.record_freshness(record.samples_us(), committed_us);
            }
        }
    }

    /// Records the sums of a batch for each shard of the second stream.
    pub fn record_sent(&mut self, sent: &[Sums], invoked_us: u64) {
        if invoked_us >= self.from_us {
            for sums in sent.iter().filter(|sums| !sums.keys.is_empty()) {
                self.second.records += 1;
                self.second.sums += sums.keys.len() as u64;
                self.second.payload_units += sums.payload_units();
            }
        }
    }

    /// Records a committed batch of the second stage.
    pub fn record_second_commit(
        &mut self,
        batch: &[Sums],
        writes: Writes,
        invoked_us: u64,
        committed_us: u64,
    ) {
        if invoked_us < self.from_us {
            return;
        }
        self.second.invocations += 1;
        self.second.busy_us += committed_us - invoked_us;
        self.writes += writes.ledger;
        self.claim_units += writes.claims;
        self.hottest_writes += u64::from(batch.iter().any(|sums| sums.keys.contains(&0)));
        for sums in batch {
            self.calls += sums.calls;
            self.record_freshness(sums.samples_us.iter().copied(), committed_us);
        }
    }

    fn record_freshness(&mut self, samples_us: impl Iterator<Item = u64>, committed_us: u64) {
        for answered_us in samples_us {
            self.freshness.record_us(committed_us.saturating_sub(answered_us));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far fewer than 2^53")]
    /// Computes the result. `waiting` has the records that are not counted at the end.
    pub fn finish<'r>(
        mut self,
        waiting: impl Iterator<Item = &'r Record>,
        waiting_sums: impl Iterator<Item = &'r Sums>,
        ends_us: u64,
        table: &Table,
    ) -> SimulationResult {
        let (mut waiting_calls, from_us) = (0, self.from_us);
        for record in waiting.filter(|record| record.answered.last_us >= from_us) {
            waiting_calls += record.keys.len() as u64;
            self.record_freshness(record.samples_us(), ends_us);
        }
        for sums in waiting_sums {
            waiting_calls += sums.calls;
            let samples_us = sums.samples_us.iter().copied().filter(|answered_us| *answered_us >= from_us);
            self.record_freshness(samples_us, ends_us);
        }
        let settings = self.settings.clone();
        let seconds = settings.measured_s;
        let per_s = |count: u64| count as f64 / seconds;
        let busy_s = self.busy_us as f64 / 1e6;
        let (from_s, to_s) = (self.from_us / 1_000_000, ends_us / 1_000_000);
        let consumed = self.consumption(&settings);
        let priced = consumed.per_million_calls(self.calls as f64, &LIST_PRICES);
        let million_calls_per_s = per_s(self.calls) / 1e6;
        let shard_hours = f64::from(settings.shards) * LIST_PRICES.shard_hour / 3_600.0 / million_calls_per_s;
        let second_stage = settings.second_stage.map(|stage| {
            let SecondStageTally { records, sums, payload_units, invocations, busy_us } = self.second;
            let stream_dollars_per_s = f64::from(stage.shards) * LIST_PRICES.shard_hour / 3_600.0
                + per_s(payload_units) * LIST_PRICES.million_put_units / 1e6;
            SecondStageResult {
                records_per_s: per_s(records),
                sums_per_s: per_s(sums),
                bytes_per_s: per_s(sums) * SUM_BYTES as f64,
                invocations_per_s: per_s(invocations),
                concurrent_invocations: busy_us as f64 / 1e6 / seconds,
                stream_dollars_per_million_calls: stream_dollars_per_s / million_calls_per_s,
            }
        });
        let second_stream = second_stage.map_or(0.0, |second| second.stream_dollars_per_million_calls);
        let mut result = SimulationResult {
            calls_per_s: per_s(self.calls),
            records_per_s: per_s(self.records),
            invocations_per_s: per_s(self.invocations),
            invocation_ms: busy_s * 1e3 / self.invocations.max(1) as f64,
            concurrent_invocations: busy_s / seconds,
            ledger_writes_per_s: per_s(self.writes),
            claim_writes_per_s: per_s(self.claim_units),
            baseline_writes_per_s: per_s(self.baseline_writes),
            hottest_key_writes_per_s: per_s(self.hottest_writes),
            partitions: table.partitions(),
            writes_per_partition: table.per_partition(from_s, to_s),
            freshness: self.freshness,
            waiting_share: waiting_calls as f64 / self.delivered_calls.max(1) as f64,
            second_stage,
            limits: Vec::new(),
            dollars_per_million_calls: priced.iter().map(|line| line.dollars).sum::<f64>()
                + shard_hours
                + second_stream,
            ledger_dollars_per_million_calls: dollars_of(&priced, "ledger write units"),
        };
        result.limits = limits(&settings, &result);
        result
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far fewer than 2^53")]
    fn consumption(&self, settings: &SimulationSettings) -> Consumption {
        let workload = cost_model::Workload::new(1.0, 1.0);
        let [calls, records] = [self.calls as f64, self.records as f64];
        let invocations = (self.invocations + self.second.invocations) as f64;
        let busy_ms = (self.busy_us + self.second.busy_us) as f64 / 1e3;
        Consumption {
            ledger_writes: self.writes as f64,
            claim_writes: self.claim_units as f64,
            log_bytes: calls * workload.line_bytes,
            stream_records: records,
            consumer_invocations: invocations,
            consumer_ms: busy_ms * settings.memory_mib / workload.memory_mib,
            ..Consumption::default()
        }
    }
}

/// Returns the price of a resource.
fn dollars_of(priced: &[Priced], what: &str) -> f64 {
    priced.iter().find(|line| line.what == what).map_or(0.0, |line| line.dollars)
}
