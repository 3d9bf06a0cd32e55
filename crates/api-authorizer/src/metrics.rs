//! The metrics of the function. One line covers many decisions: a line for each
//! would cost more than the decision.

use lambda_support::define_metrics;
use lambda_support::telemetry::{MetricLine, Totals};
use metering_core::authorization::{Decision, Denial};

/// Service dimension of the metrics.
pub const SERVICE: &str = deployment::functions::AUTHORIZER;

/// Number of decisions after which a line is emitted.
const DECISIONS_PER_LINE: u64 = 100;
/// Time after which a line is emitted, in milliseconds.
const LINE_INTERVAL_MS: u64 = 5_000;

define_metrics! {
    /// Every metric of this function.
    pub enum AuthorizerMetric {
        /// Calls that were decided, or failed to be.
        Decisions: Count as Property,
        /// Calls that were admitted.
        Allowed: Count,
        /// Calls without a key.
        DeniedMissing: Count as Exception,
        /// Calls whose header value is not a key.
        DeniedMalformed: Count as Exception,
        /// Calls with a secret that belongs to no key.
        DeniedUnknown: Count as Exception,
        /// Calls with a deleted key.
        DeniedDeleted: Count as Exception,
        /// Calls with an expired key or an expired former secret.
        DeniedExpired: Count as Exception,
        /// Calls above the monthly limit.
        DeniedOverQuota: Count as Exception,
        /// Calls that could not be decided.
        Unavailable: Count as Exception,
        /// Calls decided without reading the key.
        CacheHits: Count,
        /// Calls whose key was read from the table.
        CacheMisses: Count,
        /// Reads of the index.
        IndexReads: Count as Property,
        /// Strongly consistent lookups of a key.
        KeyReads: Count as Property,
        /// Reads of the invalidation log.
        LogReads: Count as Property,
        /// Failed reads of the invalidation log.
        LogReadFailures: Count as Exception,
        /// Reads of the invalidation log that showed that it was lost or restored: its
        /// head was below an earlier head, or below the version of a key.
        LogBehind: Count as Exception,
        /// Reads of a month's usage.
        UsageReads: Count as Property,
        /// Failed reads of a month's usage.
        UsageReadFailures: Count as Property,
        /// Changes of keys that reached this instance by message.
        InvalidationsByMessage: Count as Property,
        /// Changes of keys that reached this instance by the invalidation log.
        InvalidationsByLog: Count as Property,
        /// Failed attempts to send an alert.
        AlertFailures: Count as Property,
        /// Time from the event to the answer.
        DecisionDuration: Microseconds,
        /// Time after a change of a key for which this instance still answered without
        /// knowing the change; 0 for an idle instance.
        InvalidationLag: Milliseconds as Exception,
    }
}

/// Returns the metric that counts a denial.
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

/// Metrics that were not yet emitted.
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
    pub fn record_duration(&mut self, metric: AuthorizerMetric, duration: i64) {
        self.totals.record_duration(metric, duration);
    }

    /// Records a decision; `None` if the call could not be decided.
    pub fn record_decision(&mut self, decision: Option<&Decision>, duration_us: u64) {
        self.add(AuthorizerMetric::Decisions, 1);
        self.record_duration(
            AuthorizerMetric::DecisionDuration,
            i64::try_from(duration_us).unwrap_or(i64::MAX),
        );
        let outcome = match decision {
            Some(Decision::Allow { .. }) => AuthorizerMetric::Allowed,
            Some(Decision::Deny { denial, .. }) => denied(*denial),
            None => AuthorizerMetric::Unavailable,
        };
        self.add(outcome, 1);
    }

    /// Takes the line that is due at `monotonic_ms`, if one is.
    pub fn line(&mut self, environment: &str, monotonic_ms: u64, now_ms: i64) -> Option<MetricLine> {
        let is_due = self.last_line_ms.is_none_or(|last| monotonic_ms - last >= LINE_INTERVAL_MS);
        if !is_due && self.totals.count(AuthorizerMetric::Decisions) < DECISIONS_PER_LINE {
            return None;
        }
        let mut line = MetricLine::new(SERVICE, environment, now_ms);
        std::mem::take(&mut self.totals).write(&mut line);
        self.last_line_ms = Some(monotonic_ms);
        Some(line)
    }
}
