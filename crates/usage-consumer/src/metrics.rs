//! What the function tells about a batch.

use std::collections::BTreeMap;

use lambda_support::telemetry::{Metric, MetricLine, Totals, Unit};
use serde_json::json;

/// The name under which the function's metrics are found.
pub const SERVICE: &str = "usage-consumer";

/// Every metric of this function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsumerMetric {
    /// Stream records delivered.
    Records,
    /// Log events and lines in them.
    Events,
    /// Calls that this batch's writes added to the ledger. A write whose reply
    /// was lost is fenced when it is tried again and so is not in it: the ledger
    /// is exact, this is a metric.
    BillableCalls,
    /// Calls skipped because they were not successful.
    SkippedNotSuccessful,
    /// Calls skipped because they carry no key id.
    SkippedNoApiKey,
    /// Checks by CloudWatch Logs whether the stream can be reached.
    ControlMessages,
    /// Records whose events were claimed under another sequence number.
    DuplicateRecords,
    /// Updates that a row's mark kept from being written as planned.
    FencedUpdates,
    /// Records, or parts of records, sent to quarantine.
    QuarantinedRecords,
    /// Events that were bad in records that are otherwise counted.
    QuarantinedEvents,
    /// Updates that were written to the ledger.
    LedgerWrites,
    /// Claims that were written.
    ClaimWrites,
    /// Records that were reported as failed and will be delivered again.
    FailedRecords,
    /// From the oldest response of a record to the record's arrival in the stream.
    LogDeliveryDelay,
    /// From the record's arrival to the invocation.
    StreamWait,
    /// From the invocation to the commit of the batch.
    CommitDuration,
    /// From the oldest response of a record to its commit: the freshness.
    Freshness,
}

impl Metric for ConsumerMetric {
    fn name(self) -> &'static str {
        match self {
            Self::Records => "Records",
            Self::Events => "Events",
            Self::BillableCalls => "BillableCalls",
            Self::SkippedNotSuccessful => "SkippedNotSuccessful",
            Self::SkippedNoApiKey => "SkippedNoApiKey",
            Self::ControlMessages => "ControlMessages",
            Self::DuplicateRecords => "DuplicateRecords",
            Self::FencedUpdates => "FencedUpdates",
            Self::QuarantinedRecords => "QuarantinedRecords",
            Self::QuarantinedEvents => "QuarantinedEvents",
            Self::LedgerWrites => "LedgerWrites",
            Self::ClaimWrites => "ClaimWrites",
            Self::FailedRecords => "FailedRecords",
            Self::LogDeliveryDelay => "LogDeliveryDelay",
            Self::StreamWait => "StreamWait",
            Self::CommitDuration => "CommitDuration",
            Self::Freshness => "Freshness",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::LogDeliveryDelay | Self::StreamWait | Self::CommitDuration | Self::Freshness => {
                Unit::Milliseconds
            }
            _ => Unit::Count,
        }
    }
}

/// The metrics of one batch, as they add up.
#[derive(Debug, Default)]
pub struct BatchMetrics {
    totals: Totals<ConsumerMetric>,
    quarantine_reasons: BTreeMap<&'static str, u64>,
}

impl BatchMetrics {
    /// Adds to a count.
    pub fn add(&mut self, metric: ConsumerMetric, count: u64) {
        self.totals.add(metric, count);
    }

    /// The count so far.
    pub fn count(&self, metric: ConsumerMetric) -> u64 {
        self.totals.count(metric)
    }

    /// Adds a measured duration, in milliseconds.
    pub fn measure(&mut self, metric: ConsumerMetric, milliseconds: i64) {
        self.totals.measure(metric, milliseconds);
    }

    /// Adds to the reasons for which something was quarantined.
    pub fn quarantine_reason(&mut self, reason: &'static str, count: u64) {
        *self.quarantine_reasons.entry(reason).or_default() += count;
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
        if !self.quarantine_reasons.is_empty() {
            line.property("quarantineReasons", json!(self.quarantine_reasons));
        }
        line
    }
}
