//! The usage consumer, as a Lambda function.

use std::sync::Mutex;

use access_log::Decoder;
use aws_lambda_events::kinesis::KinesisEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::config::Environment;
use metering_aws::connection::{FUNCTION_RETRY_POLICY, load};
use metering_aws::{DynamoClaimStore, DynamoUsageLedger, KinesisRetention, QuarantineQueue};
use metering_core::batch_run::RunSettings;
use metering_core::window::{DAY_MS, HOUR_MS};
use system_clock::now_ms;
use usage_consumer::batch::DecodeSettings;
use usage_consumer::classes::ClassCopy;
use usage_consumer::config::Config;
use usage_consumer::consumer::Consumer;
use usage_consumer::executor::Executor;
use usage_consumer::handler::Handler;
use usage_consumer::stream_retention::RetentionGuard;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = Config::read(&Environment::from_process())?;
    let aws = load(FUNCTION_RETRY_POLICY).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let queue = QuarantineQueue::new(aws_sdk_sqs::Client::new(&aws), &config.quarantine_queue_url);
    let ledger = DynamoUsageLedger::new(dynamodb.clone(), &config.usage_table, config.usage_retention_days);
    if let Err(error) = ledger.connect().await {
        tracing::warn!(%error, "the first batch will open the connection");
    }
    let retention = KinesisRetention::new(aws_sdk_kinesis::Client::new(&aws));
    let raise_behind_ms = i64::from(config.raise_retention_behind_hours) * HOUR_MS;
    let executor = Executor {
        ledger,
        claims: DynamoClaimStore::new(dynamodb, &config.claims_table),
        quarantine: queue,
        concurrency: config.write_concurrency,
        settings: RunSettings { max_call_age_ms: i64::from(config.claim_retention_days) * DAY_MS },
    };
    let consumer = Consumer {
        executor,
        decoder: Mutex::new(Decoder::new(config.limits())),
        decode: DecodeSettings {
            max_call_age_days: config.max_call_age_days(),
            claim_layout: config.claim_layout,
            rules: config.rules,
        },
        classes: ClassCopy::default(),
    };
    let handler = &Handler {
        consumer,
        retention: RetentionGuard::new(retention, raise_behind_ms),
        environment_name: config.environment_name,
    };
    run(service_fn(move |event: LambdaEvent<KinesisEvent>| async move {
        Ok::<_, Error>(handler.handle(&event.payload, now_ms).await?)
    }))
    .await
}
