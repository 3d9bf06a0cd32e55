//! What the function tells about a batch.

use std::collections::BTreeMap;

use lambda_support::define_metrics;
use lambda_support::telemetry::{MetricLine, Totals};
use metering_core::batch_run::RunTally;
use serde_json::json;

/// The name under which the function's metrics are found.
pub const SERVICE: &str = deployment::functions::USAGE_CONSUMER;

define_metrics! {
    /// Every metric of this function.
    pub enum ConsumerMetric {
        /// Stream records delivered.
        Records: Count,
        /// Log events and lines in them.
        Events: Count,
        /// Calls that this batch's writes added to the ledger. A write whose reply
        /// was lost is fenced when it is tried again and so is not in it: the ledger
        /// is exact, this is a metric.
        BillableCalls: Count,
        /// Calls skipped because they were not successful.
        SkippedNotSuccessful: Count,
        /// Successful calls skipped because those of their route are not billed.
        SkippedUnbilled: Count,
        /// Calls skipped because they carry no key id.
        SkippedNoApiKey: Count,
        /// Checks by CloudWatch Logs whether the stream can be reached.
        ControlMessages: Count,
        /// Records that were counted before, and were read again.
        ReplayedRecords: Count,
        /// Calls that another record owns, and that were not counted again.
        DuplicateCalls: Count,
        /// Updates that a row's mark kept from being written as planned.
        FencedUpdates: Count,
        /// Records, or parts of records, sent to quarantine.
        QuarantinedRecords: Count,
        /// Events sent to quarantine, of records that are otherwise counted.
        QuarantinedEvents: Count,
        /// Calls that their row of the ledger refused, and that went to quarantine.
        RefusedCalls: Count,
        /// Records that were given up and met again.
        GivenUpRecords: Count,
        /// Records whose calls another version of the function claimed and this
        /// one cannot read: they wait for a version that can.
        UnreadableClaims: Count,
        /// Updates that were written to the ledger.
        LedgerWrites: Count,
        /// Pages of claims and heads of shards that were written.
        ClaimWrites: Count,
        /// Writes of claims that met another writer's and were planned again.
        ClaimConflicts: Count,
        /// Records that were reported as failed and will be delivered again.
        FailedRecords: Count,
        /// From the oldest response of a record to the record's arrival in the stream.
        LogDeliveryDelay: Milliseconds,
        /// From the record's arrival to the invocation.
        StreamWait: Milliseconds,
        /// From the invocation to the commit of the batch.
        CommitDuration: Milliseconds,
        /// From the oldest response of a record to its commit: the freshness.
        Freshness: Milliseconds,
    }
}

/// The metrics of one batch, as they add up.
#[derive(Debug, Default)]
pub struct BatchMetrics {
    totals: Totals<ConsumerMetric>,
    quarantine_reasons: BTreeMap<&'static str, u64>,
    span: Option<BatchSpan>,
}

/// Which records a batch had, and when. It tells of each call how long it
/// waited where, and who looks into an incident which batch it was in.
#[derive(Debug, Clone)]
pub struct BatchSpan {
    /// The shard.
    pub shard_id: String,
    /// The first record.
    pub first_sequence_number: String,
    /// The last record.
    pub last_sequence_number: String,
    /// When the function was invoked, in milliseconds since 1970.
    pub invoked_at_ms: i64,
    /// When the batch was committed, in milliseconds since 1970.
    pub committed_at_ms: i64,
}

impl BatchMetrics {
    /// Adds to a count.
    pub fn add(&mut self, metric: ConsumerMetric, count: u64) {
        self.totals.add(metric, count);
    }

    /// Adds what the run of the batch has done.
    pub fn run(&mut self, tally: RunTally) {
        for (metric, count) in [
            (ConsumerMetric::BillableCalls, tally.counted_calls),
            (ConsumerMetric::LedgerWrites, tally.ledger_writes),
            (ConsumerMetric::FencedUpdates, tally.fenced_updates),
            (ConsumerMetric::ClaimWrites, tally.page_writes + tally.head_writes),
            (ConsumerMetric::ClaimConflicts, tally.conflicts),
            (ConsumerMetric::ReplayedRecords, tally.replayed_records),
            (ConsumerMetric::DuplicateCalls, tally.duplicate_calls),
            (ConsumerMetric::QuarantinedRecords, tally.kept_records),
            (ConsumerMetric::QuarantinedEvents, tally.kept_events),
            (ConsumerMetric::RefusedCalls, tally.refused_calls),
            (ConsumerMetric::GivenUpRecords, tally.given_up_records),
            (ConsumerMetric::UnreadableClaims, tally.unreadable_claims),
        ] {
            self.add(metric, count);
        }
    }

    /// The count so far.
    pub fn count(&self, metric: ConsumerMetric) -> u64 {
        self.totals.count(metric)
    }

    /// Adds a measured duration, in milliseconds.
    pub fn record_duration(&mut self, metric: ConsumerMetric, milliseconds: i64) {
        self.totals.record_duration(metric, milliseconds);
    }

    /// Adds to the reasons for which something was quarantined.
    pub fn quarantine_reason(&mut self, reason: &'static str, count: u64) {
        *self.quarantine_reasons.entry(reason).or_default() += count;
    }

    /// Notes which records the batch had.
    pub fn span(&mut self, span: BatchSpan) {
        self.span = Some(span);
    }

    /// The batch's line. Counts that are zero are left out, but for those
    /// that an alarm has to see fall to zero.
    pub fn line(&mut self, environment: &str, now_ms: i64) -> MetricLine {
        let mut line = MetricLine::new(SERVICE, environment, now_ms);
        for metric in
            [ConsumerMetric::Records, ConsumerMetric::QuarantinedRecords, ConsumerMetric::FailedRecords]
        {
            self.add(metric, 0);
        }
        self.totals.write(&mut line);
        if let Some(span) = &self.span {
            line.property("shardId", json!(span.shard_id));
            line.property("firstSequenceNumber", json!(span.first_sequence_number));
            line.property("lastSequenceNumber", json!(span.last_sequence_number));
            line.property("invokedAtMs", json!(span.invoked_at_ms));
            line.property("committedAtMs", json!(span.committed_at_ms));
        }
        if !self.quarantine_reasons.is_empty() {
            line.property("quarantineReasons", json!(self.quarantine_reasons));
        }
        line
    }
}
