//! A Lambda function for the tests of the emulated Lambda. It returns variables of its environment,
//! allocates as much memory as the event asks for, and works on after its response until a test has written
//! to the pipe `PROBE_PIPE`.

#![expect(clippy::disallowed_methods, reason = "the function returns its environment")]

use api_authorizer::after_answer::AfterAnswer;
use deployment::environment::variables;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let runtime = Runtime::new(service_fn(|event: LambdaEvent<Value>| async move {
        let asked_mib = event.payload["takeMib"].as_u64().unwrap_or(0);
        let taken = vec![1_u8; usize::try_from(asked_mib)? << 20];
        Ok::<_, Error>(json!({
            "batchItemFailures": [],
            "takenMib": taken.iter().step_by(1 << 20).map(|byte| u64::from(*byte)).sum::<u64>(),
            "version": variable("AWS_LAMBDA_FUNCTION_VERSION"),
            "memoryMib": variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
            "setting": variable(variables::PROBE_SETTING.name),
        }))
    }));
    let wait_for_pipe = || {
        if let Ok(pipe) = std::env::var(variables::PROBE_PIPE.name) {
            let _ = std::fs::read(pipe);
        }
    };
    runtime.layer(AfterAnswer::new(wait_for_pipe)).run().await
}
