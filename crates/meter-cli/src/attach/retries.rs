//! Clients of API Gateway that wait for its limits.
//!
//! API Gateway allows a few changes a second in an account, one deployment in five seconds, and refuses a change while another
//! one of the API is made. Source: API Gateway Developer Guide, "Quotas for creating, deploying and managing an API".

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_apigateway::config::interceptors::InterceptorContext;
use aws_sdk_apigateway::config::retry::{ClassifyRetry, RetryAction, RetryConfig};

/// The status of a refusal because of another change.
const CONFLICT: u16 = 409;

/// Has a request repeated that is refused because of another change.
#[derive(Debug)]
struct Conflicts;

impl ClassifyRetry for Conflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().map(|response| response.status().as_u16()) {
            Some(CONFLICT) => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "conflicts of API Gateway"
    }
}

/// Waits for half a minute on average, and for five seconds at most between two attempts.
fn patient() -> RetryConfig {
    let retries = RetryConfig::standard().with_max_attempts(15);
    retries.with_initial_backoff(Duration::from_millis(500)).with_max_backoff(Duration::from_secs(5))
}

/// Returns a client for REST APIs.
pub fn rest_client(config: &SdkConfig) -> aws_sdk_apigateway::Client {
    let config = aws_sdk_apigateway::config::Builder::from(config).retry_config(patient());
    aws_sdk_apigateway::Client::from_conf(config.retry_classifier(Conflicts).build())
}

/// Returns a client for HTTP APIs.
pub fn http_client(config: &SdkConfig) -> aws_sdk_apigatewayv2::Client {
    let config = aws_sdk_apigatewayv2::config::Builder::from(config).retry_config(patient());
    aws_sdk_apigatewayv2::Client::from_conf(config.retry_classifier(Conflicts).build())
}
