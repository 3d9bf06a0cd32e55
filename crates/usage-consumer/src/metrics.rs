//! The metrics of one batch.

use std::collections::BTreeMap;

use lambda_support::define_metrics;
use lambda_support::telemetry::{MetricLine, Totals};
use metering_core::batch_run::RunTally;
use serde_json::json;

/// Service dimension of the metrics.
pub const SERVICE: &str = deployment::functions::CONSUMER;

define_metrics! {
    /// Every metric of this function.
    pub enum ConsumerMetric {
        /// Stream records delivered.
        Records: Count as Property,
        /// Log events and lines in them.
        Events: Count as Property,
        /// Calls that the writes of this batch added to the ledger. A write whose reply was
        /// lost is fenced when it is retried and is not included. The ledger is exact; this
        /// metric is not.
        BillableCalls: Count,
        /// Calls skipped because their status is not billed.
        SkippedUnbilledStatus: Count,
        /// Calls with a billed status skipped because their route is unbilled.
        SkippedUnbilled: Count as Property,
        /// Calls with a billed status skipped because they have no key id.
        SkippedNoApiKey: Count as Exception,
        /// Checks by CloudWatch Logs that the stream can be reached.
        ControlMessages: Count as Property,
        /// Records that were counted before and read again.
        ReplayedRecords: Count as Property,
        /// Calls that another record owns. They are not counted again.
        DuplicateCalls: Count as Exception,
        /// Updates that the high-water mark of their row refused. They were planned again.
        FencedUpdates: Count as Exception,
        /// Records, or parts of records, sent to quarantine.
        QuarantinedRecords: Count as Exception,
        /// Events sent to quarantine from records that are otherwise counted.
        QuarantinedEvents: Count as Property,
        /// Calls sent to quarantine because their ledger row refused them, or their slice of claims is full.
        RefusedCalls: Count as Exception,
        /// Records that were given up before and read again.
        GivenUpRecords: Count as Exception,
        /// Records whose calls another version of the function claimed and this version
        /// cannot read. They wait for a version that can.
        UnreadableClaims: Count as Exception,
        /// Writes to the ledger.
        LedgerWrites: Count as Property,
        /// Writes of claim pages and shard heads.
        ClaimWrites: Count as Property,
        /// Writes of claims that conflicted with another writer and were planned again.
        ClaimConflicts: Count as Exception,
        /// Records reported as failed. Lambda delivers them again.
        FailedRecords: Count,
        /// Time from the oldest response of a record to the arrival of the record in the stream.
        LogDeliveryDelay: Milliseconds,
        /// Time from the arrival of the record to the invocation.
        StreamWait: Milliseconds,
        /// Time from the invocation to the commit of the batch.
        CommitDuration: Milliseconds as Property,
        /// Time from the oldest response of a record to the commit of its batch.
        Freshness: Milliseconds,
    }
}

/// Metrics of one batch, accumulated.
#[derive(Debug, Default)]
pub struct BatchMetrics {
    totals: Totals<ConsumerMetric>,
    quarantine_reasons: BTreeMap<&'static str, u64>,
    span: Option<BatchSpan>,
}

/// The records and times of a batch. With it, an operator finds the batch of a call,
/// and the load test computes the time that each call waited in each stage.
#[derive(Debug, Clone)]
pub struct BatchSpan {
    pub shard_id: String,
    pub first_sequence_number: String,
    pub last_sequence_number: String,
    /// Time of the invocation, in milliseconds since 1970.
    pub invoked_at_ms: i64,
    /// Time of the commit, in milliseconds since 1970.
    pub committed_at_ms: i64,
}

impl BatchMetrics {
    /// Adds to a count.
    pub fn add(&mut self, metric: ConsumerMetric, count: u64) {
        self.totals.add(metric, count);
    }

    /// Adds the counts of the batch's run.
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

    /// Adds a duration, in milliseconds.
    pub fn record_duration(&mut self, metric: ConsumerMetric, milliseconds: i64) {
        self.totals.record_duration(metric, milliseconds);
    }

    /// Adds to the count of a reason for quarantine.
    pub fn quarantine_reason(&mut self, reason: &'static str, count: u64) {
        *self.quarantine_reasons.entry(reason).or_default() += count;
    }

    /// Sets the records and times of the batch.
    pub fn span(&mut self, span: BatchSpan) {
        self.span = Some(span);
    }

    /// Builds the line of the batch.
    pub fn line(&mut self, environment: &str, now_ms: i64) -> MetricLine {
        let mut line = MetricLine::new(SERVICE, environment, now_ms);
        // AWS does not say what an alarm on a sum does if one of the two metrics never had a value.
        self.add(ConsumerMetric::FailedRecords, 0);
        self.totals.write(&mut line);
        if let Some(span) = &self.span {
            line.property("shard_id", json!(span.shard_id));
            line.property("first_sequence_number", json!(span.first_sequence_number));
            line.property("last_sequence_number", json!(span.last_sequence_number));
            line.property("invoked_at_ms", json!(span.invoked_at_ms));
            line.property("committed_at_ms", json!(span.committed_at_ms));
        }
        if !self.quarantine_reasons.is_empty() {
            line.property("quarantine_reasons", json!(self.quarantine_reasons));
        }
        line
    }
}
