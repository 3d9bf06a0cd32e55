//! Measures cold starts of the usage consumer and the authorizer: the time from the start of the process
//! to its first poll of the Runtime API, the time of the first and of the second invocation, and the
//! resident memory. A second folder may have another consumer, which is measured in the same run.
//! `scripts/cold-start.sh` runs this example.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use deployment::functions::{AUTHORIZER, CONSUMER};
use hdrhistogram::Histogram;
use local_stack::lambda::Function;
use local_stack::stack::{LocalOptions, LocalStack};
use serde_json::json;
use system_clock::now_ms;

const STARTS: u32 = 50;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let binaries = std::env::args().nth(1).ok_or("usage: cold_start BINARIES [BINARIES_OF_A_PEER]")?;
    let folder = tempfile::tempdir()?;
    let stack = LocalStack::start(LocalOptions::new(folder.path(), &binaries)).await?;
    stack.settled().await?;
    println!("{STARTS} cold starts each on this machine, which is shared");
    let is_committed = |response: &Bytes| *response == r#"{"batchItemFailures":[]}"#;
    let consumer = |folder: &str| Path::new(folder).join(CONSUMER);
    let what = "batch to commit";
    let ours = measure(&stack.consumer, &consumer(&binaries), what, batch, is_committed).await?;
    if let Some(peer) = std::env::args().nth(2) {
        let folder = tempfile::tempdir()?;
        let other = LocalStack::start(LocalOptions::new(folder.path(), &peer)).await?;
        println!("\na peer:");
        let theirs = measure(&other.consumer, &consumer(&peer), what, batch, is_committed).await?;
        other.shut_down().await;
        println!("\n{}", json!({"first_poll_p50_us": {"ours": ours, "peer": theirs}}));
    }
    let call = call(&stack.keys[0].api_key);
    let is_allowed = |response: &Bytes| String::from_utf8_lossy(response).contains(r#""Effect":"Allow""#);
    let authorizer = Path::new(&binaries).join(AUTHORIZER);
    measure(&stack.authorizer, &authorizer, "call to decision", |_| call.clone(), is_allowed).await?;
    stack.shut_down().await;
    Ok(())
}

/// Starts a function [`STARTS`] times and invokes each environment twice. Prints the distributions, and
/// returns the median time to the first poll, in microseconds.
async fn measure(
    function: &Function,
    binary: &Path,
    invocation: &str,
    event: impl Fn(u64) -> Bytes,
    is_expected: impl Fn(&Bytes) -> bool,
) -> Result<u64, Box<dyn Error>> {
    let mut first_poll_us = Histogram::<u64>::new(3)?;
    let mut first_us = Histogram::<u64>::new(3)?;
    let mut second_us = Histogram::<u64>::new(3)?;
    let mut resident_kib = Histogram::<u64>::new(3)?;
    for start in 1..=STARTS {
        function.shut_down();
        let began = Instant::now();
        function.prepare().await?;
        first_poll_us.record(microseconds(began))?;
        for (number, histogram) in [(1, &mut first_us), (2, &mut second_us)] {
            let event = event(u64::from(start) * 10 + number);
            let began = Instant::now();
            let response = function.invoke(event).await?;
            histogram.record(microseconds(began))?;
            if !is_expected(&response) {
                return Err(format!("the function returned an unexpected response: {response:?}").into());
            }
        }
        let process = function.process_ids()[0];
        resident_kib.record(resident_memory_kib(process)?)?;
    }
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    println!("\n{name}, a binary of {:.1} MiB", as_f64(std::fs::metadata(binary)?.len()) / 1_048_576.0);
    print("process start to first poll", &first_poll_us, 1_000.0, "ms");
    print(&format!("first {invocation}"), &first_us, 1_000.0, "ms");
    print(&format!("second {invocation}"), &second_us, 1_000.0, "ms");
    print("resident memory", &resident_kib, 1_024.0, "MiB");
    Ok(first_poll_us.value_at_percentile(50.0))
}

fn call(secret: &str) -> Bytes {
    let event = json!({"type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:1:api/prod/GET/x",
        "headers": {"x-api-key": secret}});
    Bytes::from(event.to_string())
}

fn batch(number: u64) -> Bytes {
    let line = json!({"apiKeyId": "cold-start", "status": "200", "requestTimeEpoch": now_ms().to_string()})
        .to_string();
    let sequence_number = format!("49{number:054}");
    let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, line);
    let record = json!({
        "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "p", "sequenceNumber": sequence_number, "data": data,
            "approximateArrivalTimestamp": now_ms() / 1000},
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": format!("shardId-000000000099:{sequence_number}"),
        "eventName": "aws:kinesis:record", "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:kinesis:us-east-1:0:stream/s",
    });
    Bytes::from(json!({"Records": [record]}).to_string())
}

fn microseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn resident_memory_kib(process: i32) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("the process has no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("VmRSS has no value")?.parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn as_f64(value: u64) -> f64 {
    value as f64
}

fn print(what: &str, histogram: &Histogram<u64>, divisor: f64, unit: &str) {
    let at = |percentile| as_f64(histogram.value_at_percentile(percentile)) / divisor;
    println!("  {what:<29} p50 {:>6.1}  p99 {:>6.1}  max {:>6.1} {unit}", at(50.0), at(99.0), at(100.0));
}
