//! `meter local`: the whole system on this machine.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use local_stack::stack::{LocalOptions, LocalStack, USAGE_TABLE};
use tokio::signal::unix::{SignalKind, signal};

use crate::target::DEFAULT_DATA_FOLDER;

/// Arguments of `meter local`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where everything is kept; a restart with the same folder continues
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_DATA_FOLDER)]
    data: PathBuf,
    /// The port of the gateway; 0 for any
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The port of the AWS endpoint; 0 for any
    #[arg(long, default_value_t = 0)]
    aws_port: u16,
    /// The API behind the gateway [default: one that answers /status/CODE with CODE]
    #[arg(long, value_name = "http://HOST:PORT")]
    backend: Option<String>,
    /// The API keys, a JSON list of {"apiKeyId", "apiKey"} [default: keys.json in the data folder]
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The usage consumer's binary [default: the one built with this command]
    #[arg(long, value_name = "FILE")]
    consumer: Option<PathBuf>,
    /// Shards of a new stream
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=200))]
    shards: u32,
}

/// The consumer that was built together with this command: beside it, or,
/// where both were built here, in the folder of release builds.
pub fn built_consumer() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("this command cannot find its own file")?;
    let beside = this.with_file_name("usage-consumer");
    let release = this.with_file_name("../release/usage-consumer");
    Ok(if release.is_file() { release } else { beside })
}

/// Runs until SIGINT or SIGTERM.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let consumer = arguments.consumer.map_or_else(built_consumer, Ok)?;
    let mut options = LocalOptions::new(arguments.data, consumer);
    options.gateway_port = arguments.port;
    options.aws_port = arguments.aws_port;
    options.backend = arguments.backend.map(|url| url.trim_end_matches('/').to_owned());
    options.key_file = arguments.keys;
    options.shard_count = arguments.shards;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let data = options.data_folder.display().to_string();
    let stack = LocalStack::start(options).await?;
    print_guide(&stack, &data);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stack.shut_down().await;
    // Whoever read the guide may be gone; stopping is no time to fail for that.
    let _ = writeln!(
        std::io::stdout(),
        "Stopped. The data is in {data}; start again with the same --data to continue."
    );
    Ok(())
}

fn print_guide(stack: &LocalStack, data: &str) {
    let endpoints = &stack.endpoints;
    let first = stack.keys.first();
    println!("The usage meter runs on this machine.\n");
    println!("  gateway        {}", endpoints.gateway);
    println!("  AWS endpoint   {}  (DynamoDB, Kinesis, SNS, SQS)", endpoints.aws_endpoint_url);
    println!("  data           {data}");
    println!("  API keys       {} keys, in keys.json of the data or the file you named", stack.keys.len());
    if let Some(key) = first {
        println!("\nCall the API with the key {:?}, then ask for its usage:\n", key.api_key_id);
        println!("  curl -H 'x-api-key: {}' {}/status/200", key.api_key, endpoints.gateway);
        println!("  meter usage {} --data {data}", key.api_key_id);
    }
    println!("\nPoint the AWS CLI at it:\n");
    println!("  export AWS_ENDPOINT_URL={} AWS_REGION=us-east-1", endpoints.aws_endpoint_url);
    println!("  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local");
    println!("  aws dynamodb scan --table-name {USAGE_TABLE}\n");
    println!("Stop it with Ctrl-C.");
}
