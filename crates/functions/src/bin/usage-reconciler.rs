//! The reconciler, as a Lambda function on a schedule.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::clock::now_ms;
use lambda_support::config::Environment;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load};
use metering_aws::{CallLog, DynamoLedgerCounts, ReconciliationStore};
use metering_core::window::{HOUR_MS, hour_start_ms};
use serde_json::{Value, json};
use usage_reconciler::config::Config;
use usage_reconciler::handler::{Reconciler, Span};
use usage_reconciler::metrics::tell;

/// What a comparison key by key may take, in milliseconds: none is begun later before the time-out.
const COMPARISON_MS: i64 = 300_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = &Config::read(&Environment::from_process())?;
    let clients = load(COMMAND_RETRY_POLICY).await;
    let logs = aws_sdk_cloudwatchlogs::Client::new(&clients);
    let dynamodb = aws_sdk_dynamodb::Client::new(&clients);
    let reconciler = &Reconciler {
        log: CallLog::new(logs, config.access_log_groups.clone(), config.unbilled.clone()),
        ledger: DynamoLedgerCounts::new(dynamodb.clone(), &config.usage_table),
        compared: ReconciliationStore::new(dynamodb, &config.claims_table),
    };
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        let started_ms = now_ms();
        // Calls of the hour in which the meter was deployed may be in the log that nobody was to count.
        let next_hour_ms = hour_start_ms(started_ms) + HOUR_MS;
        let compared = &reconciler.compared;
        let since_ms = compared.record_run(&config.access_log_groups, &config.unbilled, next_hour_ms).await?;
        let (from_ms, to_ms) = config.compared_hours(started_ms);
        let scanned_before = reconciler.log.scanned_bytes();
        let deadline_ms = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        let has_time = || now_ms() + COMPARISON_MS < deadline_ms;
        let found = reconciler.run(Span { from_ms, to_ms, since_ms }, has_time).await?;
        let scanned_bytes = reconciler.log.scanned_bytes() - scanned_before;
        tell(&found, scanned_bytes, &config.environment_name, now_ms());
        Ok::<_, Error>(json!({"logged": found.logged, "counted": found.counted,
            "missing": found.missing, "surplus": found.surplus, "open_hours": found.open_hours}))
    }))
    .await
}
