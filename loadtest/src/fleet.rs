//! The worker processes of a run.

use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

use crate::seen::Seen;
use crate::worker::{Assignment, Report, Start, Tally};

/// A worker that is ready.
struct Worker {
    _child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Workers that are ready to begin. They end when this is dropped.
pub struct Fleet {
    workers: Vec<Worker>,
}

impl Fleet {
    /// Starts the workers and waits until all are ready.
    ///
    /// # Errors
    /// When one cannot start; it says why on standard error.
    pub async fn start(assignment: &Assignment) -> anyhow::Result<Self> {
        let mut workers = Vec::new();
        for worker in 0..assignment.workers {
            workers.push(start_worker(&Assignment { worker, ..assignment.clone() }).await?);
        }
        Ok(Self { workers })
    }

    /// Lets all begin at one time and returns what they saw; their progress
    /// goes through the channel.
    ///
    /// # Errors
    /// When one of them does not get to its end.
    pub async fn run(self, start: Start, progress: mpsc::UnboundedSender<Tally>) -> anyhow::Result<Seen> {
        let runs = self.workers.into_iter().map(|worker| run_worker(worker, start, progress.clone()));
        let mut seen = Seen::default();
        for part in futures_util::future::try_join_all(runs).await? {
            seen.merge(&part);
        }
        Ok(seen)
    }
}

async fn start_worker(assignment: &Assignment) -> anyhow::Result<Worker> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("a worker cannot be started")?;
    let mut input = child.stdin.take().context("a worker has no standard input")?;
    // Secrets go this way, where nobody else can read them.
    input.write_all(format!("{}\n", serde_json::to_string(assignment)?).as_bytes()).await?;
    let mut lines = BufReader::new(child.stdout.take().context("a worker has no standard output")?).lines();
    match next(&mut lines).await? {
        Report::Ready => Ok(Worker { _child: child, input, lines }),
        other => bail!("a worker begins with {other:?}"),
    }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<Report> {
    let line = lines.next_line().await.context("a worker cannot be heard")?;
    let line = line.context("a worker ended too early; its last lines say why")?;
    serde_json::from_str(&line).context("a worker is not understood")
}

async fn run_worker(
    mut worker: Worker,
    start: Start,
    progress: mpsc::UnboundedSender<Tally>,
) -> anyhow::Result<Seen> {
    worker.input.write_all(format!("{}\n", serde_json::to_string(&start)?).as_bytes()).await?;
    loop {
        match next(&mut worker.lines).await? {
            Report::Progress(tally) => {
                // Whoever listens may have stopped; the result still counts.
                let _ = progress.send(tally);
            }
            Report::Finished(seen) => return Ok(seen),
            Report::Ready => bail!("a worker is ready twice"),
        }
    }
}
