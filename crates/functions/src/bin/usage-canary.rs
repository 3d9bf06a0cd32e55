//! The canary, as a Lambda function on a schedule.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::config::Environment;
use metering_aws::DynamoUsageHistory;
use metering_aws::connection::{FUNCTION_RETRY_POLICY, load};
use serde_json::Value;
use usage_canary::client::Client;
use usage_canary::config::Config;
use usage_canary::handler::Handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = Config::read(&Environment::from_process())?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&load(FUNCTION_RETRY_POLICY).await);
    let history = DynamoUsageHistory::new(dynamodb, &config.usage_table);
    let handler = &Handler { config, client: Client::new()?, history };
    run(service_fn(move |_: LambdaEvent<Value>| async move { Ok::<_, Error>(handler.handle().await) })).await
}
