//! The fan-out of invalidations, as a Lambda function.

use aws_lambda_events::sns::SnsEvent;
use invalidation_fanout::config::Config;
use invalidation_fanout::handler::Handler;
use invalidation_fanout::stage_cache::ApiGatewayCaches;
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use lambda_support::config::Environment;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load};
use system_clock::now_ms;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = Config::read(&Environment::from_process())?;
    // API Gateway throttles flushes at a low rate, so this client retries for longer.
    let client = aws_sdk_apigateway::Client::new(&load(COMMAND_RETRY_POLICY).await);
    let handler = &Handler::new(ApiGatewayCaches::new(client), config.stages, config.environment_name);
    run(service_fn(move |event: LambdaEvent<SnsEvent>| async move {
        Ok::<_, Error>(handler.handle(&event.payload, now_ms).await?)
    }))
    .await
}
