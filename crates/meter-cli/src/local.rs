//! `meter local`: runs the whole system on this machine.

use std::io::Write;
use std::path::PathBuf;

use access_log::log_format::ApiKind;
use anyhow::Context;
use deployment::settings::BILLED_STATUSES;
use local_stack::api::tables::SERVICES;
use local_stack::names::REGION;
use local_stack::stack::demo_keys::DEMO_KEY_FILE;
use local_stack::stack::{
    AccessLogFields, LocalOptions, LocalStack, USAGE_TABLE, UsageCanary, built_binaries,
};
use metering_core::metered_key::CANARY_KEY_ID;
use metering_core::status_ranges::StatusRanges;
use tokio::signal::unix::{SignalKind, signal};
use usage_portal::page_policy::FrameAncestors;

use crate::local_faults::FaultArguments;
use crate::target::data_folder;

/// Arguments of `meter local`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of all data; a restart with the same folder continues [default: that of
    /// METER_DATA, or meter-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Port of the gateway; 0 for the previous port, or a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the AWS endpoint; 0 for the previous port, or a free one
    #[arg(long, default_value_t = 0)]
    aws_port: u16,
    /// Port of the dashboard's web page; 0 for the previous port, or a free one
    #[arg(long, default_value_t = 0)]
    dashboard_port: u16,
    /// Port of the usage page of customers; 0 for the previous port, or a free one
    #[arg(long, default_value_t = 0)]
    portal_port: u16,
    /// Origins of the pages that may embed the usage page of customers, separated by commas
    #[arg(long, value_name = "ORIGINS", default_value = "")]
    portal_frame_ancestors: FrameAncestors,
    /// Kind of API that the gateway serves: rest or http
    #[arg(long, value_name = "KIND", default_value_t = ApiKind::Rest)]
    api_kind: ApiKind,
    /// Write the length of each response into the access log, so that the bytes of responses are counted
    #[arg(long)]
    response_length: bool,
    /// API behind the gateway [default: a built-in backend that answers /status/CODE with CODE]
    #[arg(long, value_name = "http://HOST:PORT")]
    backend: Option<String>,
    /// Do not run the canary, which calls the built-in backend each minute and waits until its call is
    /// counted
    #[arg(long)]
    no_canary: bool,
    /// Folder with the binaries of the functions [default: the folder of this command]
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
    /// Maximum age of the authorizer's last read of the invalidation log, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    sync_interval_ms: u64,
    /// Time for which the gateway caches the authorizer's results, in seconds, as API Gateway can
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    authorizer_cache_ttl_s: u64,
    /// Statuses with which calls are billed, as `billedStatuses` of the stack
    #[arg(long, value_name = "STATUSES", default_value = BILLED_STATUSES)]
    billed_statuses: StatusRanges,
    /// Number of shards of a new stream
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=200))]
    shards: u32,
    #[command(flatten)]
    faults: FaultArguments,
}

/// Runs the system until SIGINT or SIGTERM.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let binaries = arguments.binaries.map_or_else(built_binaries, Ok);
    let binaries = binaries
        .context("the path of this command is not known; name the folder of the binaries with --binaries")?;
    let mut options = LocalOptions::new(data_folder(arguments.data.as_ref()), binaries);
    options.gateway_port = arguments.port;
    options.aws_port = arguments.aws_port;
    options.dashboard_port = arguments.dashboard_port;
    options.portal_port = arguments.portal_port;
    options.portal_frame_ancestors = arguments.portal_frame_ancestors.to_string();
    options.api_kind = arguments.api_kind;
    options.access_log_fields = AccessLogFields { response_length: arguments.response_length };
    options.backend = arguments.backend.map(|url| url.trim_end_matches('/').to_owned());
    // The canary's path exists in the built-in backend only.
    let has_canary = !arguments.no_canary && options.backend.is_none();
    options.usage_canary = has_canary.then_some(UsageCanary::AS_DEPLOYED);
    options.sync_interval_ms = arguments.sync_interval_ms;
    options.authorizer_cache_ttl_ms = arguments.authorizer_cache_ttl_s * 1_000;
    options.billed_statuses = arguments.billed_statuses;
    options.shard_count = arguments.shards;
    arguments.faults.apply(&mut options);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let data = options.data_folder.display().to_string();
    let stack = LocalStack::start(options).await?;
    print_guide(&stack, &data, arguments.api_kind);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stack.shut_down().await;
    // The reader of the guide may be gone. That must not make stopping fail.
    let _ = writeln!(
        std::io::stdout(),
        "Stopped. The data is in {data}; start again with the same --data to continue."
    );
    Ok(())
}

fn print_guide(stack: &LocalStack, data: &str, api_kind: ApiKind) {
    let endpoints = &stack.endpoints;
    let first = stack.keys.first();
    println!("The usage meter runs on this machine.\n");
    let kind = if api_kind == ApiKind::Rest { "a REST API" } else { "an HTTP API" };
    println!("  gateway        {}  ({kind})", endpoints.gateway);
    println!("  dashboard      {}", endpoints.dashboard);
    println!("  usage page     {}  (of a customer, by a token)", endpoints.portal);
    let services: Vec<&str> = SERVICES.iter().map(|service| service.name).collect();
    println!("  AWS endpoint   {}", endpoints.aws_endpoint_url);
    println!("                 {}", services.join(", "));
    println!("  data           {data}");
    for moved in &stack.moved {
        println!("  note           {moved}");
    }
    println!(
        "  API keys       {} demonstration keys, in {DEMO_KEY_FILE} of the data folder",
        stack.keys.len()
    );
    if stack.canary.is_some() {
        println!("  canary         calls the API each minute: meter usage {CANARY_KEY_ID} --data {data}");
    }
    if let Some(key) = first {
        println!("\nCall the API with the key {:?}, then show its usage:\n", key.api_key_id);
        println!("  curl -H 'x-api-key: {}' {}/status/200", key.api_key, endpoints.gateway);
        println!("  meter usage {} --data {data}", key.api_key_id);
        println!("  curl -H 'x-api-key: {}' {}/usage", key.api_key, endpoints.gateway);
        println!("  meter portal token --api-key-id {} --data {data}", key.api_key_id);
        println!("\nCreate a key, and delete it:\n");
        println!("  meter keys create --owner acme --monthly-limit 1000 --data {data}");
        println!("  meter keys delete KEY --data {data}");
    }
    println!("\nUse it with the AWS CLI or an SDK:\n");
    println!("  export AWS_ENDPOINT_URL={}", endpoints.aws_endpoint_url);
    // The AWS CLI version 1 and boto3 read only the second variable.
    println!("  export AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}");
    println!("  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local");
    println!("  aws dynamodb scan --table-name {USAGE_TABLE}\n");
    println!("The AWS CLI version 1 ignores AWS_ENDPOINT_URL for SQS: use --endpoint-url there.\n");
    println!("Stop it with Ctrl-C.");
}
