//! A Lambda function for the tests of the event source mapping. It fails on a batch with a record whose
//! text begins with `poison`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(|event: LambdaEvent<Value>| async move {
        for record in event.payload["Records"].as_array().into_iter().flatten() {
            let data = STANDARD.decode(record["kinesis"]["data"].as_str().unwrap_or(""))?;
            if data.starts_with(b"poison") {
                return Err(Error::from("the batch has a record that begins with poison"));
            }
        }
        Ok(json!({"batchItemFailures": []}))
    }))
    .await
}
