//! The reconciler, as a Lambda function on a schedule.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::clock::now_ms;
use lambda_support::config::Environment;
use metering_aws::CallLog;
use metering_aws::connection::{COMMAND_PATIENCE, load};
use serde_json::{Value, json};
use usage_reconciler::config::Config;
use usage_reconciler::handler::handle;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = &Config::read(&Environment::of_process())?;
    let clients = load(COMMAND_PATIENCE).await;
    let logs = aws_sdk_cloudwatchlogs::Client::new(&clients);
    let log = &CallLog::new(logs, &config.access_log_group, config.unbilled_resources.clone());
    let ledger = &aws_sdk_dynamodb::Client::new(&clients);
    run(service_fn(move |_: LambdaEvent<Value>| async move {
        let found = handle(config, log, ledger, now_ms()).await?;
        Ok::<_, Error>(json!({"logged": found.logged, "counted": found.counted, "missing": found.missing(), "surplus": found.surplus()}))
    }))
    .await
}
