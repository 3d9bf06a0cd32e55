//! `meter quarantine`: records that could not be counted.

use anyhow::Context;
use aws_sdk_kinesis::primitives::Blob;
use clap::Subcommand;
use metering_aws::QuarantineQueue;
use metering_aws::quarantine_queue::KeptRecord;

use crate::target::{Target, TargetArguments};

/// How long a record is hidden while it is listed or put back, in seconds.
const VISIBILITY_TIMEOUT_S: i32 = 300;

/// Arguments of `meter quarantine`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show what is in quarantine, and why
    List {
        /// Print JSON lines
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Put everything back on the stream, to be counted by the present version.
    /// Doing it twice counts nothing twice; what is still wrong comes back.
    Redrive {
        #[command(flatten)]
        target: TargetArguments,
    },
}

/// Lists or puts back.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::List { json, target } => list(&Target::find(&target).await?, json).await,
        Action::Redrive { target } => redrive(&Target::find(&target).await?).await,
    }
}

async fn queue(target: &Target) -> anyhow::Result<QuarantineQueue> {
    Ok(QuarantineQueue::new(target.sqs.clone(), target.quarantine_queue_url().await?))
}

async fn list(target: &Target, json: bool) -> anyhow::Result<()> {
    let queue = queue(target).await?;
    let records = queue.receive(VISIBILITY_TIMEOUT_S).await.context("the quarantine cannot be read")?;
    for record in &records {
        if json {
            println!("{}", serde_json::to_string(record)?);
        } else {
            let KeptRecord { reason, detail, sequence_number, shard_id, payload, .. } = record;
            println!("{reason}: {detail}\n  {} bytes, from {shard_id} at {sequence_number}", payload.len());
        }
        queue.release(record).await.context("a listed record stays hidden for 5 minutes")?;
    }
    if !json {
        println!("{} in quarantine.", count(records.len()));
    }
    Ok(())
}

async fn redrive(target: &Target) -> anyhow::Result<()> {
    let queue = queue(target).await?;
    let records = queue.receive(VISIBILITY_TIMEOUT_S).await.context("the quarantine cannot be read")?;
    for record in &records {
        // On the stream first, then out of quarantine: a stop in between
        // leaves it in both, and its claim keeps it from counting twice.
        target
            .kinesis
            .put_record()
            .stream_name(&target.stream)
            .partition_key(&record.sequence_number)
            .data(Blob::new(record.payload.clone()))
            .send()
            .await
            .with_context(|| {
                format!(
                    "the record {} cannot be put on the stream; it stays in quarantine",
                    record.sequence_number
                )
            })?;
        queue
            .delete(record)
            .await
            .context("a record that is back on the stream stays in quarantine as well")?;
    }
    println!("{} put back on the stream.", count(records.len()));
    Ok(())
}

fn count(records: usize) -> String {
    if records == 1 { "1 record".to_owned() } else { format!("{records} records") }
}
