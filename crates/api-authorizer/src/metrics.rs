//! What the function tells: one line for many decisions, since a line for each
//! would cost more than the decision.

use lambda_support::define_metrics;
use lambda_support::telemetry::{MetricLine, Totals};
use metering_core::authorization::{Decision, Denial};

/// The name under which the function's metrics are found.
pub const SERVICE: &str = deployment::functions::API_AUTHORIZER;

/// After how many decisions a line is written.
const DECISIONS_PER_LINE: u64 = 100;
/// After how long a line is written, in milliseconds.
const LINE_INTERVAL_MS: u64 = 5_000;

define_metrics! {
    /// Every metric of this function.
    pub enum AuthorizerMetric {
        /// Calls that were judged.
        Decisions: Count,
        /// Calls that were admitted.
        Allowed: Count,
        /// Calls without a key.
        DeniedMissing: Count,
        /// Calls with something that is no key.
        DeniedMalformed: Count,
        /// Calls with a secret that no key has.
        DeniedUnknown: Count,
        /// Calls with a deleted key.
        DeniedDeleted: Count,
        /// Calls with a key, or a replaced secret, past its time.
        DeniedExpired: Count,
        /// Calls above the monthly limit.
        DeniedOverQuota: Count,
        /// Calls that could not be judged.
        Unavailable: Count,
        /// Calls whose key was remembered.
        CacheHits: Count,
        /// Calls whose key had to be read.
        CacheMisses: Count,
        /// Reads of the index.
        IndexReads: Count,
        /// Strongly consistent lookups of a key.
        KeyReads: Count,
        /// Reads of the invalidation log.
        LogReads: Count,
        /// Reads of it that failed.
        LogReadFailures: Count,
        /// Reads of it that showed that it was lost or restored: below an earlier
        /// head, or below the versions of keys.
        LogBehind: Count,
        /// Reads of a month's usage.
        UsageReads: Count,
        /// Reads of it that failed.
        UsageReadFailures: Count,
        /// Changes of keys that a message told this instance of.
        InvalidationsByMessage: Count,
        /// Changes of keys that the log told this instance of.
        InvalidationsByLog: Count,
        /// Alerts that could not be sent yet.
        AlertFailures: Count,
        /// From the event to the answer.
        DecisionDuration: Microseconds,
        /// How long after a change of a key this instance still answered without
        /// knowing of it; 0 for one that was idle.
        InvalidationLag: Milliseconds,
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
    pub fn record_duration(&mut self, metric: AuthorizerMetric, duration: i64) {
        self.totals.record_duration(metric, duration);
    }

    /// Notes a decision; `None` where there could be none.
    pub fn decided(&mut self, decision: Option<&Decision>, duration_us: u64) {
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

    /// The line that is due, if one is; at `monotonic_ms` of the process.
    pub fn line(&mut self, environment: &str, monotonic_ms: u64, now_ms: i64) -> Option<MetricLine> {
        let is_due = self.last_line_ms.is_none_or(|last| monotonic_ms - last >= LINE_INTERVAL_MS);
        if !is_due && self.totals.count(AuthorizerMetric::Decisions) < DECISIONS_PER_LINE {
            return None;
        }
        let mut line = MetricLine::new(SERVICE, environment, now_ms);
        for metric in
            [AuthorizerMetric::Unavailable, AuthorizerMetric::LogReadFailures, AuthorizerMetric::LogBehind]
        {
            self.add(metric, 0); // An alarm has to see them fall to zero.
        }
        std::mem::take(&mut self.totals).write(&mut line);
        self.last_line_ms = Some(monotonic_ms);
        Some(line)
    }
}
