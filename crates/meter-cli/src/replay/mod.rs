//! `meter replay`: access logs through the whole pipeline.

mod input;
mod report;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use indicatif::{ProgressBar, ProgressStyle};
use local_stack::stack::{LocalOptions, LocalStack, STREAM};
use md5::{Digest, Md5};

use self::input::RecordReader;
use local_stack::stack::built_binaries;

/// Limits of one request, well inside those of `PutRecords`.
const RECORDS_PER_REQUEST: usize = 100;
const BYTES_PER_REQUEST: usize = 4 << 20;
/// The code of a record that its shard does not take now. Source: Kinesis API Reference, `PutRecords`.
const THROTTLED: &str = "ProvisionedThroughputExceededException";
/// How long such records wait.
const THROTTLE_DELAY: Duration = Duration::from_millis(100);

/// Arguments of `meter replay`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Access logs: JSON lines, CloudWatch Logs exports, `aws logs filter-log-events` output,
    /// subscription records, saved Kinesis events or batches that Lambda gave up, each plain or gzipped
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Add the usage to this data folder, whose stack must not run, instead of a folder that is
    /// deleted afterwards. A file that was replayed there before counts nothing again
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The oldest calls that are counted, in days
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(62..=36_500))]
    retention_days: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The folder of the functions' binaries [default: those built with this command]
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
}

/// Replays the files and prints what became of them.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    for file in &arguments.files {
        if !file.is_file() {
            bail!("{} is no file", file.display());
        }
    }
    let temporary = tempfile::tempdir().context("no temporary folder can be made")?;
    let folder = arguments.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    let binaries = arguments.binaries.map_or_else(built_binaries, Ok)?;
    let mut options = LocalOptions::new(folder, binaries);
    // The oldest call that is counted is one that both ledger and claims keep.
    for variable in ["USAGE_RETENTION_DAYS", "CLAIM_RETENTION_DAYS"] {
        options.consumer_environment.push((variable.to_owned(), arguments.retention_days.to_string()));
    }
    let stack = LocalStack::start(options).await?;
    let total_bytes =
        arguments.files.iter().map(|file| Ok(file.metadata()?.len())).sum::<std::io::Result<u64>>()?;
    let progress = ProgressBar::new(total_bytes).with_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes}  {msg}  {elapsed} (about {eta} left)",
    )?);
    for file in &arguments.files {
        progress.set_message(file.display().to_string());
        send_file(&stack, file, &progress).await.with_context(|| format!("replaying {}", file.display()))?;
    }
    progress.set_message("counting");
    stack.settled().await?;
    progress.finish_and_clear();
    let report = report::Report::read(&stack).await?;
    stack.shut_down().await;
    if arguments.json { report.print_json() } else { report.print() }
}

async fn send_file(stack: &LocalStack, path: &Path, progress: &ProgressBar) -> anyhow::Result<()> {
    let identity = content_hash(path)?;
    let file = progress.wrap_read(File::open(path)?);
    let mut records = RecordReader::open(BufReader::new(file), &identity)?;
    let (mut request, mut bytes) = (Vec::new(), 0);
    while let Some(record) = records.next_record()? {
        if request.len() == RECORDS_PER_REQUEST || bytes + record.len() > BYTES_PER_REQUEST {
            put(stack, std::mem::take(&mut request)).await?;
            bytes = 0;
        }
        bytes += record.len();
        request.push(record);
    }
    put(stack, request).await
}

/// Puts records until the stream has taken all of them; what its shards do not
/// take within this second is put again a little later.
async fn put(stack: &LocalStack, mut records: Vec<Vec<u8>>) -> anyhow::Result<()> {
    while !records.is_empty() {
        let mut request = stack.kinesis_client.put_records().stream_name(STREAM);
        for record in &records {
            let entry = PutRecordsRequestEntry::builder().partition_key(hex(&Md5::digest(record)));
            request = request.records(entry.data(Blob::new(record.clone())).build()?);
        }
        let reply = request.send().await.context("the stream does not take the records")?;
        let refused =
            reply.records.iter().find(|result| !matches!(result.error_code(), None | Some(THROTTLED)));
        if let Some(refused) = refused {
            bail!("the stream refused a record: {refused:?}");
        }
        let mut results = reply.records.iter();
        records.retain(|_| results.next().is_some_and(|result| result.error_code().is_some()));
        if !records.is_empty() {
            tokio::time::sleep(THROTTLE_DELAY).await;
        }
    }
    Ok(())
}

/// What a file is recognised by when it is replayed again.
fn content_hash(path: &Path) -> anyhow::Result<String> {
    let mut hash = Md5::new();
    std::io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
