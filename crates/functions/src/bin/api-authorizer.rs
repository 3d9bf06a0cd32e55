//! The API key authorizer, as a Lambda function.

use std::sync::Arc;

use api_authorizer::after_answer::AfterAnswer;
use api_authorizer::authorizer::{Authorizer, Ports};
use api_authorizer::config::Config;
use api_authorizer::handler::{Handler, now};
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn, tracing};
use lambda_support::config::Environment;
use metering_aws::connection::{DECISION_RETRY_POLICY, load};
use metering_aws::{DynamoInvalidationLog, DynamoKeyTable, DynamoUsageTotals, SnsUsageAlerts, Topic};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = Config::read(&Environment::from_process())?;
    let aws = load(DECISION_RETRY_POLICY).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let topic = Topic::new(aws_sdk_sns::Client::new(&aws), config.alerts_topic_arn);
    let ports = Ports {
        keys: DynamoKeyTable::new(dynamodb.clone(), config.keys_table),
        log: DynamoInvalidationLog::new(dynamodb.clone(), config.invalidations_table),
        usage: DynamoUsageTotals::new(dynamodb.clone(), config.usage_table),
        alerts: SnsUsageAlerts::new(dynamodb, config.alerts_table, topic),
    };
    let handler = Arc::new(Handler {
        authorizer: Authorizer::new(ports, config.cache, now),
        simple_responses: config.simple_responses,
        decision_limit_ms: config.decision_limit_ms,
        environment_name: config.environment_name,
    });
    // Opens the connection, and gives the first call a log position to start from.
    handler.authorizer.sync().await;
    let told = handler.clone();
    let runtime = Runtime::new(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let handler = handler.clone();
        async move { handler.handle(event.payload.get()).await }
    }));
    runtime.layer(AfterAnswer::new(move || told.emit_metrics())).layer(TracingLayer::new()).run().await
}
