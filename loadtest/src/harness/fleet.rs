//! The worker processes of a run.

use anyhow::{Context, bail};
use tokio::sync::mpsc;

use crate::harness::child::Process;
use crate::harness::client_counts::ClientCounts;
use crate::harness::identities::AnsweredCall;
use crate::harness::interruption::Interruption;
use crate::harness::worker::{Assignment, Start, Stop, Tally, WorkerMessage};

/// The calls that the workers of a run have sent.
#[derive(Default)]
pub struct SentCalls {
    pub counts: ClientCounts,
    /// Each successful call, if the profile compares identities.
    pub answered: Vec<AnsweredCall>,
}

/// Workers that are ready to start. They are killed when this is dropped.
pub struct Fleet {
    workers: Vec<Process>,
}

impl Fleet {
    /// Starts the workers and waits until all are ready.
    ///
    /// # Errors
    /// Returns an error if a worker cannot start. The worker prints the reason to standard error.
    pub async fn start(assignment: &Assignment) -> anyhow::Result<Self> {
        let mut workers = Vec::new();
        for worker in 0..assignment.workers {
            workers.push(start_worker(&Assignment { worker, ..assignment.clone() }).await?);
        }
        Ok(Self { workers })
    }

    /// Makes all workers start at the same time and returns what they sent.
    /// Their tallies are sent to `progress` while they run. An interruption ends the sending.
    ///
    /// # Errors
    /// Returns an error if a worker ends early.
    pub async fn run(
        self,
        start: Start,
        progress: mpsc::UnboundedSender<Tally>,
        interruption: &Interruption,
    ) -> anyhow::Result<SentCalls> {
        let run = |worker| run_worker(worker, start, progress.clone(), interruption.clone());
        let runs = self.workers.into_iter().map(run);
        let mut sent = SentCalls::default();
        for part in futures_util::future::try_join_all(runs).await? {
            sent.counts.merge(&part.counts);
            sent.answered.extend(part.answered);
        }
        Ok(sent)
    }
}

async fn start_worker(assignment: &Assignment) -> anyhow::Result<Process> {
    let mut worker = Process::start("worker")?;
    worker.send(assignment).await?;
    match next(&mut worker).await? {
        WorkerMessage::Ready => Ok(worker),
        other => bail!("the first message of a worker is {other:?}, not `ready`"),
    }
}

async fn next(worker: &mut Process) -> anyhow::Result<WorkerMessage> {
    let line = worker.lines.next_line().await.context("cannot read the output of a worker")?;
    let line = line.context("a worker ended early; see its last lines for the reason")?;
    serde_json::from_str(&line).context("a message of a worker is malformed")
}

async fn run_worker(
    mut worker: Process,
    start: Start,
    progress: mpsc::UnboundedSender<Tally>,
    mut interruption: Interruption,
) -> anyhow::Result<SentCalls> {
    worker.send(&start).await?;
    let (mut sent, mut is_stopped) = (SentCalls::default(), false);
    loop {
        let message = tokio::select! {
            biased;
            message = next(&mut worker) => message?,
            () = interruption.wait(), if !is_stopped => {
                is_stopped = true;
                // A worker that has just finished reads no more; its messages say so.
                let _ = worker.send(&Stop).await;
                continue;
            }
        };
        match message {
            WorkerMessage::Progress(tally) => {
                // The receiver may have been dropped; the counts are still needed.
                let _ = progress.send(tally);
            }
            WorkerMessage::Answered(calls) => sent.answered.extend(calls),
            WorkerMessage::Finished(counts) => return Ok(SentCalls { counts, ..sent }),
            WorkerMessage::Ready => bail!("a worker sent `ready` twice"),
        }
    }
}
