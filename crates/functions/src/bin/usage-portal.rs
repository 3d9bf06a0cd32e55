//! The usage page of a customer, as a Lambda function.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::config::Environment;
use metering_aws::connection::{FUNCTION_RETRY_POLICY, load};
use metering_aws::{DynamoClaimStore, DynamoUsageSource, StreamProgress};
use serde_json::Value;
use system_clock::now_ms;
use usage_endpoint::handler::Handler as UsageHandler;
use usage_portal::config::Config;
use usage_portal::handler::Handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = Config::read(&Environment::from_process())?;
    let aws = load(FUNCTION_RETRY_POLICY).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let claims = DynamoClaimStore::new(dynamodb.clone(), &config.usage.claims_table);
    let usage = UsageHandler {
        source: DynamoUsageSource::new(dynamodb, config.usage.usage_table, config.usage.claims_table),
        progress: StreamProgress::new(aws_sdk_kinesis::Client::new(&aws), claims, config.usage.stream_arn),
    };
    let handler = &Handler::new(usage, config.public_keys, config.environment, &config.frame_ancestors);
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        Ok::<_, Error>(handler.handle(&event.payload, now_ms).await)
    }))
    .await
}
