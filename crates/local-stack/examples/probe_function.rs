//! A Lambda function for the tests of the emulation: it answers with what it
//! is told by its environment, and takes as much memory as it is asked for.

#![expect(clippy::disallowed_methods, reason = "what it tells is its environment, nothing else")]

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    run(service_fn(|event: LambdaEvent<Value>| async move {
        let asked_mib = event.payload["takeMib"].as_u64().unwrap_or(0);
        let taken = vec![1_u8; usize::try_from(asked_mib)? << 20];
        Ok::<_, Error>(json!({
            "batchItemFailures": [],
            "takenMib": taken.iter().step_by(1 << 20).map(|byte| u64::from(*byte)).sum::<u64>(),
            "version": variable("AWS_LAMBDA_FUNCTION_VERSION"),
            "memoryMib": variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
            "setting": variable("PROBE_SETTING"),
        }))
    }))
    .await
}
