//! `meter quarantine`: records that could not be counted.

mod discard;
mod list;
mod put_back;
mod selection;
mod show;

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use metering_aws::QuarantineQueue;
use metering_aws::quarantine_queue::{Odd, Receiving};

use crate::target::{Target, TargetArguments};
use selection::Selection;

/// How messages are received: a message may be waited for as long as is well within the time-out of a request.
const RECEIVING: Receiving = Receiving { wait_s: 3, visibility_timeout_s: 600 };

/// Arguments of `meter quarantine`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show what is in quarantine, by reason
    List {
        /// Print each record as a line of JSON, without its payload
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Show records in full, with their payloads as text: all of them where none is chosen
    Show {
        /// Print each record as a line of JSON, with its payload as base64
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Put records back on the stream, to be counted by the present version: all of them where
    /// none is chosen. What is still wrong comes back. A call that is put back twice counts once
    PutBack {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Delete records for good, whose calls are then never counted: all of them where none is chosen
    Discard {
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Append each record to this file before it is deleted, as `show --json` prints it
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        target: TargetArguments,
    },
}

/// Lists, shows, puts back or discards.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::List { json, target } => list::run(&Target::find(&target).await?, json).await,
        Action::Show { json, selection, target } => {
            show::run(&Target::find(&target).await?, selection, json).await
        }
        Action::PutBack { selection, target } => {
            put_back::run(&Target::find(&target).await?, selection).await
        }
        Action::Discard { yes, save, selection, target } => {
            discard::run(&Target::find(&target).await?, selection, save.as_deref(), yes).await
        }
    }
}

async fn queue(target: &Target) -> anyhow::Result<QuarantineQueue> {
    Ok(QuarantineQueue::new(target.sqs.clone(), target.quarantine_queue_url().await?))
}

/// Says on standard error what the queue has besides records.
fn tell_odd(odd: &[Odd]) {
    for message in odd {
        match message {
            Odd::Foreign { message_id, problem } => eprintln!(
                "The message {message_id} is no record of the quarantine ({problem}); it is left in the queue."
            ),
            Odd::Torn { record, found, parts } => eprintln!(
                "Of {record} there are {found} of {parts} parts; they are left in the queue. The rest may be hidden by another command for up to {} s.",
                RECEIVING.visibility_timeout_s
            ),
            Odd::Damaged { record } => {
                eprintln!(
                    "The parts of {record} do not have the digest of its payload; they are left in the queue."
                );
            }
        }
    }
}

const UNREADABLE: &str = "the quarantine cannot be read";

/// "1 record", "2 records".
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Fails where records were named and none of them was there.
fn require_chosen(selection: &Selection, chosen: usize) -> anyhow::Result<()> {
    if chosen == 0 && selection.names_records() {
        bail!("no record in quarantine is the one you named; `meter quarantine list` shows what there is");
    }
    Ok(())
}
