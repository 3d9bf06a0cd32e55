//! `meter traffic`: sends HTTP calls through a gateway and counts the responses.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Context;
use bytes::Bytes;
use deployment::Endpoints;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use indicatif::{ProgressBar, ProgressStyle};
use local_stack::stack::demo_keys::{self, DemoKey};
use schemars::JsonSchema;
use serde::Serialize;

use crate::exit_codes;
use crate::output::print_json;
use crate::signals::Signals;
use crate::table::Column::{Number, Text};
use crate::table::Table;
use crate::target::data_folder;

/// Number of concurrent connections.
const CONNECTIONS: u64 = 16;
/// Statuses that are requested in turn.
const STATUSES: [u16; 10] = [200, 201, 200, 404, 204, 500, 200, 429, 299, 200];

/// Arguments of `meter traffic`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Data folder of a running `meter local` with its built-in backend [default: that of
    /// METER_DATA, or meter-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Number of calls to send, for all demonstration keys in turn
    #[arg(long, default_value_t = 1_000)]
    calls: u64,
    /// Print CSV with the columns api_key_id, successful, client_errors and server_errors
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print the responses of each key as a line of JSON (docs/schemas/meter-traffic.json)
    #[arg(long)]
    json: bool,
}

/// Responses to the calls of a key, by class of status.
#[derive(Default, Clone, Copy)]
struct Responses {
    successful: u64,
    client_errors: u64,
    server_errors: u64,
}

impl Responses {
    fn record(&mut self, status: u16) {
        match status {
            200..=299 => self.successful += 1,
            500..=599 => self.server_errors += 1,
            _ => self.client_errors += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.successful += other.successful;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
    }
}

/// The responses to the calls of a key.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeyResponses {
    /// Id of the key.
    api_key_id: String,
    /// Responses with a status of 2xx.
    successful: u64,
    /// Responses with another status below 500.
    client_errors: u64,
    /// Responses with a status of 5xx.
    server_errors: u64,
}

type ResponsesByKey = BTreeMap<String, Responses>;

/// Sends the calls and prints the responses by key. A signal ends the sending: the responses until then are
/// printed. A second one ends the command.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let data = data_folder(arguments.data.as_ref());
    let folder = data.display();
    let endpoints = Endpoints::read(&data).with_context(|| {
        format!("no local stack was started in {folder}; run `meter local --data {folder}`")
    })?;
    let keys: Arc<[DemoKey]> = demo_keys::read(&data)?.into();
    let progress = ProgressBar::new(arguments.calls)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} calls  {per_sec}")?);
    let next = Arc::new(AtomicU64::new(0));
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let sender = Sender {
                client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
                gateway: endpoints.gateway.clone(),
                keys: keys.clone(),
                progress: progress.clone(),
            };
            tokio::spawn(sender.send(next.clone(), arguments.calls))
        })
        .collect();
    let interrupted = Arc::new(AtomicBool::new(false));
    let (stops, last, calls) = (interrupted.clone(), next, arguments.calls);
    let mut signals = Signals::new()?;
    let interrupt = tokio::spawn(async move {
        signals.next().await;
        stops.store(true, Ordering::Relaxed);
        last.store(calls, Ordering::Relaxed);
        // A response may never come.
        signals.next().await;
        std::process::exit(exit_codes::INTERRUPTED.into());
    });
    let mut responses = ResponsesByKey::new();
    for sender in senders {
        for (key, part) in sender.await?? {
            responses.entry(key).or_default().add(part);
        }
    }
    interrupt.abort();
    let sent = progress.position();
    progress.finish_and_clear();
    print(&responses, &arguments)?;
    if interrupted.load(Ordering::Relaxed) {
        eprintln!("Stopped after {sent} of {calls} calls.");
        std::process::exit(exit_codes::INTERRUPTED.into());
    }
    Ok(())
}

struct Sender {
    client: Client<HttpConnector, Empty<Bytes>>,
    gateway: String,
    keys: Arc<[DemoKey]>,
    progress: ProgressBar,
}

impl Sender {
    async fn send(self, next: Arc<AtomicU64>, calls: u64) -> anyhow::Result<ResponsesByKey> {
        let mut responses = ResponsesByKey::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= calls {
                return Ok(responses);
            }
            // Each key gets all statuses, for any number of keys and statuses.
            let round = usize::try_from(number)?;
            let key = &self.keys[round % self.keys.len()];
            let status = STATUSES[round / self.keys.len() % STATUSES.len()];
            let request = http::Request::get(format!("{}/status/{status}", self.gateway))
                .header("x-api-key", &key.api_key)
                .body(Empty::new())?;
            let response = self.client.request(request).await.context("the gateway does not answer")?;
            responses.entry(key.api_key_id.clone()).or_default().record(response.status().as_u16());
            response.into_body().collect().await.context("a response is incomplete")?;
            self.progress.inc(1);
        }
    }
}

fn print(responses: &ResponsesByKey, arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.csv {
        println!("api_key_id,successful,client_errors,server_errors");
    }
    let mut table = Table::new([Text("key"), Number("2xx"), Number("4xx"), Number("5xx")]);
    for (key, &Responses { successful, client_errors, server_errors }) in responses {
        if arguments.json {
            print_json(&KeyResponses { api_key_id: key.clone(), successful, client_errors, server_errors })?;
        } else if arguments.csv {
            println!("{key},{successful},{client_errors},{server_errors}");
        } else {
            let [successful, client_errors, server_errors] =
                [successful, client_errors, server_errors].map(|calls| calls.to_string());
            table.row([key, &successful, &client_errors, &server_errors])?;
        }
    }
    if arguments.csv || arguments.json { Ok(()) } else { table.finish() }
}
