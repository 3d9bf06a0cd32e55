//! `meter replay`: sends access logs through the whole pipeline and shows the counts.

mod foreign;
mod forms;
mod insights;
mod packing;
mod prefix;
pub mod reading;
mod report;
mod send;
mod sink;
mod table;
pub mod tally;

use std::path::PathBuf;

use anyhow::{Context, bail};
use deployment::environment::variables;
use deployment::settings::BILLED_STATUSES;
use indicatif::{ProgressBar, ProgressStyle};
use local_stack::stack::{LocalOptions, LocalStack, built_binaries};
use metering_core::status_ranges::StatusRanges;
use tokio::sync::mpsc;

use self::reading::{FileReport, read_files};
pub use self::report::Report;
use self::tally::Counted;
use crate::exit_codes;
use crate::input::open::Sources;
use crate::output::{count, print_json};
use crate::signals::Signals;

/// Number of requests that are read ahead of the stream.
const REQUESTS_AHEAD: usize = 2;

/// Arguments of `meter replay`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Access logs: files, folders with all files below them, or - for standard input. JSON lines,
    /// pretty-printed or concatenated JSON, exports and query results of CloudWatch Logs and Logs
    /// Insights, subscription records, files of Firehose, saved events and batches that Lambda gave up
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Add the usage to this data folder, whose stack must not run, instead of a temporary folder. A
    /// call that was replayed there before is not counted again
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Maximum age of counted calls, in days
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(62..=36_500))]
    retention_days: u32,
    /// Statuses with which calls are billed
    #[arg(long, value_name = "STATUSES", default_value = BILLED_STATUSES)]
    billed_statuses: StatusRanges,
    /// Print JSON, as described in docs/schemas/meter-replay.json
    #[arg(long)]
    json: bool,
    /// Folder with the binaries of the functions [default: the folder of this command]
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
}

/// Replays the files and prints the counts. Fails if a file could not be read as an access log.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let sources = Sources::find(&arguments.files)?;
    let temporary = tempfile::tempdir().context("no temporary folder can be created")?;
    let folder = arguments.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    let options = options(folder, &arguments)?;
    let counted = Counted::new(arguments.retention_days, arguments.billed_statuses.clone());
    let mut signals = Signals::new()?;
    let stack = tokio::select! {
        stack = LocalStack::start(options) => stack?,
        () = signals.next() => exit_interrupted(temporary),
    };
    let report = tokio::select! {
        report = replay(&stack, sources, &counted) => Some(report),
        () = signals.next() => None,
    };
    stack.shut_down().await;
    let Some(report) = report else { exit_interrupted(temporary) };
    drop(temporary);
    let report = report?;
    if arguments.json {
        print_json(&report)?;
    } else {
        report.print()?;
    }
    let unread = report.unread_files();
    if unread > 0 {
        bail!("{} could not be read completely as access logs; the reasons are above", count(unread, "file"));
    }
    Ok(())
}

fn options(folder: PathBuf, arguments: &Arguments) -> anyhow::Result<LocalOptions> {
    let binaries = arguments.binaries.clone().map_or_else(built_binaries, Ok)?;
    let mut options = LocalOptions::new(folder, binaries);
    // A call is counted if both the ledger and the claims retain its day.
    for variable in [&variables::USAGE_RETENTION_DAYS, &variables::CLAIM_RETENTION_DAYS] {
        options.consumer_environment.push((variable.name.to_owned(), arguments.retention_days.to_string()));
    }
    options.billed_statuses = arguments.billed_statuses.clone();
    Ok(options)
}

/// Exits after a signal, and removes the temporary folder.
fn exit_interrupted(temporary: tempfile::TempDir) -> ! {
    drop(temporary);
    eprintln!("Stopped.");
    // Returning would wait for the reading thread, which may wait for a pipe that nothing is written to.
    std::process::exit(exit_codes::INTERRUPTED.into())
}

async fn replay(stack: &LocalStack, sources: Sources, counted: &Counted) -> anyhow::Result<Report> {
    let bytes = sources.found.iter().map(crate::input::open::Source::size).sum();
    let progress = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes}  {msg}  {elapsed} (about {eta} left)",
    )?);
    let files = send_files(stack, &sources, counted, &progress).await?;
    progress.set_message("counting");
    stack.settled().await?;
    progress.finish_and_clear();
    Report::read(stack, files, sources.left_out, counted).await
}

/// Reads the files on a separate thread, which may wait for a pipe, and sends their records.
async fn send_files(
    stack: &LocalStack,
    sources: &Sources,
    counted: &Counted,
    progress: &ProgressBar,
) -> anyhow::Result<Vec<FileReport>> {
    let (sender, mut requests) = mpsc::channel(REQUESTS_AHEAD);
    let (found, counted, progress) = (sources.found.clone(), counted.clone(), progress.clone());
    let reader = std::thread::spawn(move || {
        read_files(&found, &counted, &progress, |records| Ok(sender.blocking_send(records)?))
    });
    while let Some(records) = requests.recv().await {
        send::put(stack, records).await?;
    }
    reader.join().map_err(|_| {
        anyhow::anyhow!("the thread that reads the files has panicked; please report this defect")
    })?
}
