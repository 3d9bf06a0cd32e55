//! The worker processes of a run.

use anyhow::{Context, bail};
use tokio::sync::mpsc;

use crate::harness::child::Process;
use crate::harness::seen::Seen;
use crate::harness::worker::{Assignment, Report, Start, Tally};

/// Workers that are ready to begin. They end when this is dropped.
pub struct Fleet {
    workers: Vec<Process>,
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

async fn start_worker(assignment: &Assignment) -> anyhow::Result<Process> {
    let mut worker = Process::start("worker")?;
    worker.tell(assignment).await?;
    match next(&mut worker).await? {
        Report::Ready => Ok(worker),
        other => bail!("a worker begins with {other:?}"),
    }
}

async fn next(worker: &mut Process) -> anyhow::Result<Report> {
    let line = worker.lines.next_line().await.context("a worker cannot be heard")?;
    let line = line.context("a worker ended too early; its last lines say why")?;
    serde_json::from_str(&line).context("a worker is not understood")
}

async fn run_worker(
    mut worker: Process,
    start: Start,
    progress: mpsc::UnboundedSender<Tally>,
) -> anyhow::Result<Seen> {
    worker.tell(&start).await?;
    loop {
        match next(&mut worker).await? {
            Report::Progress(tally) => {
                // Whoever listens may have stopped; the result still counts.
                let _ = progress.send(tally);
            }
            Report::Finished(seen) => return Ok(seen),
            Report::Ready => bail!("a worker is ready twice"),
        }
    }
}
