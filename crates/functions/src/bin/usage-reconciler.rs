//! The reconciler, as a Lambda function on a schedule.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::config::Environment;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load};
use metering_aws::{CallLog, DynamoLedgerCounts, ReconciliationStore};
use serde_json::Value;
use system_clock::now_ms;
use usage_reconciler::config::Config;
use usage_reconciler::handler::Handler;
use usage_reconciler::reconciler::Reconciler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = Config::read(&Environment::from_process())?;
    let clients = load(COMMAND_RETRY_POLICY).await;
    let logs = aws_sdk_cloudwatchlogs::Client::new(&clients);
    let dynamodb = aws_sdk_dynamodb::Client::new(&clients);
    let reconciler = Reconciler {
        log: CallLog::new(logs, config.access_log_groups.clone(), config.rules.clone()),
        ledger: DynamoLedgerCounts::new(dynamodb.clone(), &config.usage_table),
        compared: ReconciliationStore::new(dynamodb, &config.claims_table),
    };
    let handler = &Handler { reconciler, config };
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        let deadline_ms = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        Ok::<_, Error>(handler.handle(deadline_ms, now_ms).await?)
    }))
    .await
}
