//! A measurement: one call, and the wait for it.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use lambda_support::causes::with_causes;
use lambda_support::define_metrics;
use lambda_support::telemetry::MetricLine;
use metering_core::metered_key::MeteredKey;
use metering_core::ports::UsageHistory;
use serde_json::{Value, json};
use system_clock::{monotonic_us, now_ms};

use crate::awaited::{AwaitedCall, Sighting};
use crate::client::{Client, RequestError};
use crate::config::Config;
use crate::secret::{self, SecretError};

/// Dimension `Service` of the metrics.
pub const SERVICE: &str = deployment::functions::CANARY;

/// The interval between reads of the ledger is the call's age divided by this.
const AGE_PER_INTERVAL: u64 = 20;
const MIN_INTERVAL_MS: u64 = 100;
const MAX_INTERVAL_MS: u64 = 1_000;

define_metrics! {
    /// The metrics of this function.
    pub enum CanaryMetric {
        /// Attempted calls, one for each invocation.
        CanaryCalls: Count as Property,
        /// Time from the response of a call to the first read of the ledger that shows the call.
        CanaryFreshness: Milliseconds,
        /// Successful calls that the ledger did not show in time, or not before a
        /// later call. A zero shows that the canary runs.
        CanaryMisses: Count,
        /// Calls that could not be made, or were not successful.
        CanaryFailures: Count,
    }
}

/// The outcome of a measurement.
#[derive(Debug)]
pub enum Outcome {
    /// The ledger shows the call.
    Shown {
        /// Time since the response, in milliseconds.
        after_ms: u64,
    },
    /// The ledger did not show the call.
    Missed {
        /// The reason for the end of the wait.
        reason: &'static str,
    },
    /// The call was not made, or not successful.
    Failed(CallError),
}

#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The secret cannot be read.
    #[error("the secret of the canary's key cannot be read")]
    Secret(#[from] SecretError),
    /// The secret cannot be sent.
    #[error("the secret of the canary's key cannot be sent as a header")]
    Request(#[source] http::Error),
    /// The API sent no complete response.
    #[error("the API does not respond")]
    NoResponse(#[from] RequestError),
    /// The status was not 2xx.
    #[error("the API responded with {0}; CANARY_URL has to return 2xx for the canary's key")]
    Status(u16),
}

#[derive(Debug)]
pub struct Handler<H> {
    pub config: Config,
    /// Calls the metered API.
    pub client: Client,
    /// Reads the ledger.
    pub history: H,
}

impl<H: UsageHistory> Handler<H> {
    /// Calls the API, waits until the ledger shows the call, and emits the metrics.
    ///
    /// A failed measurement is not an error of the invocation, because Lambda would
    /// retry it concurrently with the next one. The metrics report it.
    pub async fn handle(&self) -> Value {
        let outcome = match call(&self.config, &self.client).await {
            Ok(call) => wait_for(&self.config, &self.history, call).await,
            Err(error) => Outcome::Failed(error),
        };
        metric_line(&self.config, &outcome, now_ms()).emit();
        log_outcome(&outcome);
        match outcome {
            Outcome::Shown { after_ms } => json!({"outcome": "shown", "freshness_ms": after_ms}),
            Outcome::Missed { reason } => json!({"outcome": "missed", "reason": reason}),
            Outcome::Failed(error) => json!({"outcome": "failed", "reason": error.to_string()}),
        }
    }
}

async fn call(config: &Config, client: &Client) -> Result<AwaitedCall, CallError> {
    let secret = secret::read(config, client).await?;
    let request = Request::get(&config.url).header("x-api-key", secret).body(Empty::<Bytes>::new());
    let request = request.map_err(CallError::Request)?;
    let sent_ms = now_ms();
    let (status, _) = client.send(request).await?;
    if !status.is_success() {
        return Err(CallError::Status(status.as_u16()));
    }
    Ok(AwaitedCall { sent_ms, answered_ms: now_ms() })
}

/// Reads the ledger until it shows the call, or until the timeout.
async fn wait_for(config: &Config, history: &impl UsageHistory, call: AwaitedCall) -> Outcome {
    let answered_us = monotonic_us();
    loop {
        let sighting = read_sighting(config, history, call).await;
        let after_ms = monotonic_us().saturating_sub(answered_us) / 1_000;
        match sighting {
            Sighting::Shown => return Outcome::Shown { after_ms },
            Sighting::Overtaken => return Outcome::Missed { reason: "a later call is counted" },
            Sighting::NotYet if after_ms >= config.timeout_ms => {
                return Outcome::Missed { reason: "the ledger does not show the call in time" };
            }
            Sighting::NotYet => {}
        }
        let interval_ms = (after_ms / AGE_PER_INTERVAL).clamp(MIN_INTERVAL_MS, MAX_INTERVAL_MS);
        tokio::time::sleep(Duration::from_millis(interval_ms)).await;
    }
}

/// Reads the ledger once. A failed read counts as [`Sighting::NotYet`].
async fn read_sighting(config: &Config, history: &impl UsageHistory, call: AwaitedCall) -> Sighting {
    let Ok((from, to)) = call.possible_days(now_ms()) else {
        tracing::error!("the clock of this machine is wrong");
        return Sighting::NotYet;
    };
    match history.usage_of_key(&MeteredKey::without_customer(config.api_key_id.as_str()), from, to).await {
        Ok(usage) => call.find_in(&usage),
        Err(error) => {
            tracing::warn!(error = %with_causes(&error), "the ledger cannot be read; retrying");
            Sighting::NotYet
        }
    }
}

fn metric_line(config: &Config, outcome: &Outcome, at_ms: i64) -> MetricLine {
    let mut line = MetricLine::new(SERVICE, &config.environment_name, at_ms);
    line.value(CanaryMetric::CanaryCalls, 1)
        .value(CanaryMetric::CanaryMisses, u64::from(matches!(outcome, Outcome::Missed { .. })))
        .value(CanaryMetric::CanaryFailures, u64::from(matches!(outcome, Outcome::Failed(_))));
    if let Outcome::Shown { after_ms } = outcome {
        line.distribution(CanaryMetric::CanaryFreshness, &mut [i64::try_from(*after_ms).unwrap_or(i64::MAX)]);
    }
    line
}

fn log_outcome(outcome: &Outcome) {
    match outcome {
        Outcome::Shown { .. } => {}
        Outcome::Missed { reason } => tracing::error!(reason, "the canary's call was not counted in time"),
        Outcome::Failed(error) => tracing::error!(error = %with_causes(error), "the canary's call failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deployment::environment::variables;
    use lambda_support::config::Environment;

    #[test]
    fn each_outcome_is_recorded_with_zeros_for_the_others() {
        let environment = Environment::from_variables(&[
            (variables::CANARY_URL.name, "http://localhost/"),
            (variables::CANARY_SECRET_PARAMETER.name, "p"),
            (variables::USAGE_TABLE.name, "usage"),
            (variables::AWS_SESSION_TOKEN.name, "token"),
        ]);
        let config = Config::read(&environment).unwrap();
        let metrics = |outcome: Outcome| -> Value {
            let line: Value = serde_json::from_str(&metric_line(&config, &outcome, 5).to_json()).unwrap();
            ["CanaryCalls", "CanaryMisses", "CanaryFailures", "CanaryFreshness"]
                .map(|name| line[name].clone())
                .into()
        };
        assert_eq!(metrics(Outcome::Shown { after_ms: 1_200 }), json!([1, 0, 0, [1_200]]));
        assert_eq!(metrics(Outcome::Missed { reason: "" }), json!([1, 1, 0, null]));
        assert_eq!(metrics(Outcome::Failed(CallError::Status(403))), json!([1, 0, 1, null]));
    }
}
