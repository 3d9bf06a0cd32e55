//! The usage consumer, as a Lambda function.

use std::sync::Mutex;

use access_log::{Decoder, Limits};
use aws_lambda_events::kinesis::KinesisEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::clock::now_ms;
use lambda_support::config::Environment;
use metering_aws::connection::{FUNCTION_PATIENCE, load};
use metering_aws::{DynamoClaimStore, DynamoUsageLedger, QuarantineQueue};
use usage_consumer::config::Config;
use usage_consumer::executor::Executor;
use usage_consumer::handler::Consumer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = Config::read(&Environment::of_process())?;
    let aws = load(FUNCTION_PATIENCE).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let queue = QuarantineQueue::new(aws_sdk_sqs::Client::new(&aws), &config.quarantine_queue_url);
    let ledger = DynamoUsageLedger::new(dynamodb.clone(), &config.usage_table, config.usage_retention_days);
    let claims = DynamoClaimStore::new(dynamodb, &config.claims_table, config.claim_retention_hours);
    if let Err(error) = ledger.connect().await {
        tracing::warn!(%error, "the first batch will open the connection");
    }
    let claims = config.detect_duplicates.then_some(claims);
    let executor = Executor { ledger, claims, quarantine: queue, concurrency: config.write_concurrency };
    let decoder = Mutex::new(Decoder::new(Limits { max_inflated_bytes: config.max_inflated_bytes }));
    let consumer = &Consumer { executor, decoder, retention_days: config.usage_retention_days };
    let environment_name = &config.environment_name;
    run(service_fn(move |event: LambdaEvent<KinesisEvent>| async move {
        let (response, mut metrics) = consumer.handle(&event.payload, now_ms(), now_ms).await?;
        metrics.line(environment_name, now_ms()).emit();
        Ok::<_, Error>(response)
    }))
    .await
}
