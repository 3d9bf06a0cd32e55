//! `meter replay`: access logs through the whole pipeline.

mod foreign;
mod forms;
mod insights;
mod packing;
mod prefix;
mod reading;
mod report;
mod send;
mod table;
mod tally;

use std::path::PathBuf;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use local_stack::stack::{LocalOptions, LocalStack, built_binaries};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use self::reading::{FileReport, read_files};
use self::report::Report;
use crate::input::open::Sources;

/// Requests that are read ahead of those that the stream has taken.
const REQUESTS_AHEAD: usize = 2;
/// The exit status of a command that a signal has stopped, as shells give it for Ctrl-C.
const STOPPED: i32 = 130;

/// Arguments of `meter replay`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Access logs, whatever they come in: files, folders with all below them, or - for standard
    /// input. JSON lines, printed or packed JSON, exports and answers of CloudWatch Logs and its
    /// Insights, subscription records, files of Firehose, saved events and batches that Lambda gave up
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Add the usage to this data folder, whose stack must not run, instead of a folder that is
    /// deleted afterwards. A call that was replayed there before counts nothing again
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
    let sources = Sources::find(&arguments.files)?;
    let temporary = tempfile::tempdir().context("no temporary folder can be made")?;
    let folder = arguments.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    let options = options(folder, &arguments)?;
    let stopped = stopped()?;
    tokio::pin!(stopped);
    let stack = tokio::select! {
        stack = LocalStack::start(options) => stack?,
        () = &mut stopped => end(temporary),
    };
    let report = tokio::select! {
        report = replay(&stack, sources, arguments.retention_days) => Some(report),
        () = &mut stopped => None,
    };
    stack.shut_down().await;
    let Some(report) = report else { end(temporary) };
    drop(temporary);
    let report = report?;
    if arguments.json {
        report.print_json()?;
    } else {
        report.print()?;
    }
    let unread = report.unread();
    if unread > 0 {
        bail!("{} could not be read to the end as access logs; see above why", report::count(unread, "file"));
    }
    Ok(())
}

fn options(folder: PathBuf, arguments: &Arguments) -> anyhow::Result<LocalOptions> {
    let binaries = arguments.binaries.clone().map_or_else(built_binaries, Ok)?;
    let mut options = LocalOptions::new(folder, binaries);
    // The oldest call that is counted is one that both ledger and claims keep.
    for variable in ["USAGE_RETENTION_DAYS", "CLAIM_RETENTION_DAYS"] {
        options.consumer_environment.push((variable.to_owned(), arguments.retention_days.to_string()));
    }
    Ok(options)
}

/// Returns when a signal tells the command to stop.
fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Ends the command, which a signal has stopped, and leaves nothing behind.
fn end(temporary: tempfile::TempDir) -> ! {
    drop(temporary);
    eprintln!("Stopped.");
    // A thread may still wait for a pipe that nobody writes to.
    std::process::exit(STOPPED)
}

async fn replay(stack: &LocalStack, sources: Sources, retention_days: u32) -> anyhow::Result<Report> {
    let bytes = sources.found.iter().map(crate::input::open::Source::size).sum();
    let progress = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes}  {msg}  {elapsed} (about {eta} left)",
    )?);
    let files = send_files(stack, &sources, retention_days, &progress).await?;
    progress.set_message("counting");
    stack.settled().await?;
    progress.finish_and_clear();
    Report::read(stack, files, sources.left_out, retention_days).await
}

/// Reads on a thread of its own, which may wait for a pipe, and sends meanwhile.
async fn send_files(
    stack: &LocalStack,
    sources: &Sources,
    retention_days: u32,
    progress: &ProgressBar,
) -> anyhow::Result<Vec<FileReport>> {
    let (sender, mut requests) = mpsc::channel(REQUESTS_AHEAD);
    let (found, progress) = (sources.found.clone(), progress.clone());
    let reader = std::thread::spawn(move || {
        read_files(&found, retention_days, &progress, |records| Ok(sender.blocking_send(records)?))
    });
    while let Some(records) = requests.recv().await {
        send::put(stack, records).await?;
    }
    reader.join().map_err(|_| anyhow::anyhow!("reading the files has panicked: a defect to report"))?
}
