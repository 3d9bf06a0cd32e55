//! What the function tells: one line for many decisions, since a line for each
//! would cost more than the decision.

use lambda_support::telemetry::{Metric, MetricLine, Totals, Unit};
use metering_core::authorization::{Decision, Denial};

/// The name under which the function's metrics are found.
pub const SERVICE: &str = "api-authorizer";

/// After how many decisions a line is written.
const DECISIONS_PER_LINE: u64 = 100;
/// After how long a line is written, in milliseconds.
const LINE_INTERVAL_MS: u64 = 5_000;

/// Every metric of this function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthorizerMetric {
    /// Calls that were judged.
    Decisions,
    /// Calls that were admitted.
    Allowed,
    /// Calls without a key.
    DeniedMissing,
    /// Calls with something that is no key.
    DeniedMalformed,
    /// Calls with a secret that no key has.
    DeniedUnknown,
    /// Calls with a deleted key.
    DeniedDeleted,
    /// Calls with a key, or a replaced secret, past its time.
    DeniedExpired,
    /// Calls above the monthly limit.
    DeniedOverQuota,
    /// Calls that could not be judged.
    Unavailable,
    /// Calls whose key was remembered.
    CacheHits,
    /// Calls whose key had to be read.
    CacheMisses,
    /// Reads of the index.
    IndexReads,
    /// Strongly consistent lookups of a key.
    KeyReads,
    /// Reads of the invalidation log.
    LogReads,
    /// Reads of it that failed.
    LogReadFailures,
    /// Reads of a month's usage.
    UsageReads,
    /// Reads of it that failed.
    UsageReadFailures,
    /// Changes of keys that a message told this instance of.
    InvalidationsByMessage,
    /// Changes of keys that the log told this instance of.
    InvalidationsByLog,
    /// Alerts that could not be sent yet.
    AlertFailures,
    /// From the event to the answer.
    DecisionDuration,
    /// How long after a change of a key this instance still answered without
    /// knowing of it; 0 for one that was idle.
    InvalidationLag,
}

impl Metric for AuthorizerMetric {
    fn name(self) -> &'static str {
        match self {
            Self::Decisions => "Decisions",
            Self::Allowed => "Allowed",
            Self::DeniedMissing => "DeniedMissing",
            Self::DeniedMalformed => "DeniedMalformed",
            Self::DeniedUnknown => "DeniedUnknown",
            Self::DeniedDeleted => "DeniedDeleted",
            Self::DeniedExpired => "DeniedExpired",
            Self::DeniedOverQuota => "DeniedOverQuota",
            Self::Unavailable => "Unavailable",
            Self::CacheHits => "CacheHits",
            Self::CacheMisses => "CacheMisses",
            Self::IndexReads => "IndexReads",
            Self::KeyReads => "KeyReads",
            Self::LogReads => "LogReads",
            Self::LogReadFailures => "LogReadFailures",
            Self::UsageReads => "UsageReads",
            Self::UsageReadFailures => "UsageReadFailures",
            Self::InvalidationsByMessage => "InvalidationsByMessage",
            Self::InvalidationsByLog => "InvalidationsByLog",
            Self::AlertFailures => "AlertFailures",
            Self::DecisionDuration => "DecisionDuration",
            Self::InvalidationLag => "InvalidationLag",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::DecisionDuration => Unit::Microseconds,
            Self::InvalidationLag => Unit::Milliseconds,
            _ => Unit::Count,
        }
    }
}

/// The metric of a denial.
fn denied(denial: Denial) -> AuthorizerMetric {
    match denial {
        Denial::Missing => AuthorizerMetric::DeniedMissing,
        Denial::Malformed => AuthorizerMetric::DeniedMalformed,
        Denial::Unknown => AuthorizerMetric::DeniedUnknown,
        Denial::Deleted => AuthorizerMetric::DeniedDeleted,
        Denial::Expired => AuthorizerMetric::DeniedExpired,
        Denial::OverQuota => AuthorizerMetric::DeniedOverQuota,
    }
}

/// The metrics since the last line.
#[derive(Debug, Default)]
pub struct AuthorizerMetrics {
    totals: Totals<AuthorizerMetric>,
    last_line_ms: Option<u64>,
}

impl AuthorizerMetrics {
    /// Adds to a count.
    pub fn add(&mut self, metric: AuthorizerMetric, count: u64) {
        self.totals.add(metric, count);
    }

    /// Adds a measured duration.
    pub fn measure(&mut self, metric: AuthorizerMetric, duration: i64) {
        self.totals.measure(metric, duration);
    }

    /// Notes a decision; `None` where there could be none.
    pub fn decided(&mut self, decision: Option<&Decision>, duration_us: u64) {
        self.add(AuthorizerMetric::Decisions, 1);
        self.measure(AuthorizerMetric::DecisionDuration, i64::try_from(duration_us).unwrap_or(i64::MAX));
        let outcome = match decision {
            Some(Decision::Allow { .. }) => AuthorizerMetric::Allowed,
            Some(Decision::Deny { denial, .. }) => denied(*denial),
            None => AuthorizerMetric::Unavailable,
        };
        self.add(outcome, 1);
    }

    /// The line that is due, if one is; at `monotonic_ms` of the process.
    pub fn line(&mut self, environment: &str, monotonic_ms: u64, now_ms: i64) -> Option<MetricLine> {
        let is_due = self.last_line_ms.is_none_or(|last| monotonic_ms - last >= LINE_INTERVAL_MS);
        if !is_due && self.totals.count(AuthorizerMetric::Decisions) < DECISIONS_PER_LINE {
            return None;
        }
        let mut line = MetricLine::new(SERVICE, environment, now_ms);
        for metric in [AuthorizerMetric::Unavailable, AuthorizerMetric::LogReadFailures] {
            self.add(metric, 0); // An alarm has to see them fall to zero.
        }
        std::mem::take(&mut self.totals).write(&mut line);
        self.last_line_ms = Some(monotonic_ms);
        Some(line)
    }
}
