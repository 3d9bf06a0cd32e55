//! The usage endpoint, as a Lambda function.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::config::Environment;
use metering_aws::DynamoUsageHistory;
use metering_aws::connection::{FUNCTION_RETRY_POLICY, load};
use serde_json::Value;
use system_clock::now_ms;
use usage_endpoint::config::Config;
use usage_endpoint::handler::Handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = Config::read(&Environment::from_process())?;
    let client = aws_sdk_dynamodb::Client::new(&load(FUNCTION_RETRY_POLICY).await);
    let handler = &Handler { history: DynamoUsageHistory::new(client, config.usage_table) };
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        Ok::<_, Error>(handler.handle(&event.payload, now_ms).await)
    }))
    .await
}
