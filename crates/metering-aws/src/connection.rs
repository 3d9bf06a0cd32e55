//! Client configuration: time-outs, retries and endpoints.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;

/// Time-outs and number of attempts of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Maximum number of attempts of an operation, the first included.
    pub max_attempts: u32,
    /// Time-out for opening a connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Time-out for one attempt, in milliseconds.
    pub attempt_timeout_ms: u64,
}

/// The policy of the Lambda functions. The event source mapping retries as
/// well, so attempts are short: one slow request does not use up the function's
/// time-out.
pub const FUNCTION_RETRY_POLICY: RetryPolicy =
    RetryPolicy { max_attempts: 3, connect_timeout_ms: 1_000, attempt_timeout_ms: 2_000 };

/// The policy of the authorizer. A caller waits for its decision.
pub const DECISION_RETRY_POLICY: RetryPolicy =
    RetryPolicy { max_attempts: 2, connect_timeout_ms: 500, attempt_timeout_ms: 800 };

/// The policy of a command that a person waits for.
pub const COMMAND_RETRY_POLICY: RetryPolicy =
    RetryPolicy { max_attempts: 8, connect_timeout_ms: 3_000, attempt_timeout_ms: 10_000 };

/// Loads credentials, region and endpoint as every AWS tool does: from the
/// environment, a profile or an instance role. `AWS_ENDPOINT_URL` overrides the
/// endpoint.
pub async fn load(retry_policy: RetryPolicy) -> SdkConfig {
    configured(aws_config::defaults(BehaviorVersion::latest()), retry_policy).load().await
}

/// The region that the local stack emulates.
pub const LOCAL_REGION: &str = "us-east-1";

/// Loads the settings for a local stack: its endpoint, its region, and
/// credentials that it does not check.
pub async fn load_local(endpoint_url: &str, retry_policy: RetryPolicy) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local-stack");
    configured(aws_config::defaults(BehaviorVersion::latest()), retry_policy)
        .region(Region::new(LOCAL_REGION))
        .credentials_provider(credentials)
        .endpoint_url(endpoint_url)
        .load()
        .await
}

fn configured(loader: aws_config::ConfigLoader, retry_policy: RetryPolicy) -> aws_config::ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(retry_policy.connect_timeout_ms))
        .operation_attempt_timeout(Duration::from_millis(retry_policy.attempt_timeout_ms))
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(retry_policy.max_attempts)
        .with_initial_backoff(Duration::from_millis(20))
        .with_max_backoff(Duration::from_millis(500));
    loader.timeout_config(timeouts).retry_config(retries)
}
