//! `meter quarantine`: records that could not be counted.

mod discard;
mod list;
mod put_back;
mod record;
mod selection;
mod show;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;
use metering_aws::QuarantineQueue;
use metering_aws::quarantine_queue::{Fate, KeptRecord, Odd, Receiving};

use crate::dry_run::DryRun;
use crate::target::{Target, TargetArguments};
pub use discard::DiscardedRecords;
pub use put_back::PutBackRecords;
pub use record::{QuarantinedRecord, QuarantinedRecordWithData};
use selection::Selection;

/// Settings of a pass over the queue. The wait is well below the time-out of a request.
const RECEIVING: Receiving = Receiving { wait_s: 3, visibility_timeout_s: 600 };

/// Arguments of `meter quarantine`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the records in quarantine by reason
    List {
        /// Print each record without its payload as a line of JSON (docs/schemas/meter-quarantine-list.json)
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Show records with their payloads as text [default: all records]
    Show {
        /// Print each record with its payload in base64 as a line of JSON
        /// (docs/schemas/meter-quarantine-show.json)
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Put records back on the stream, to be counted by the deployed version [default: all records]. A
    /// record that still cannot be counted comes back. A call that is put back twice is counted once
    PutBack {
        #[command(flatten)]
        dry_run: DryRun,
        /// Print JSON, as described in docs/schemas/meter-quarantine-put-back.json
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Delete records permanently, so that their calls are never counted [default: all records]
    Discard {
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        dry_run: DryRun,
        /// Append each record to this file before it is deleted, in the format of `show --json`. With --dry-run,
        /// the file is not opened
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
        /// Print JSON, as described in docs/schemas/meter-quarantine-discard.json
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        target: TargetArguments,
    },
}

/// Runs a subcommand of `meter quarantine`.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::List { json, target } => list::run(&Target::find(&target).await?, json).await,
        Action::Show { json, selection, target } => {
            show::run(&Target::find(&target).await?, selection, json).await
        }
        Action::PutBack { dry_run, json, selection, target } => {
            put_back::run(&Target::find(&target).await?, selection, dry_run, json).await
        }
        Action::Discard { yes, dry_run, save, json, selection, target } => {
            let target = Target::find(&target).await?;
            if dry_run.is_on() {
                return discard::preview(&target, &selection, json).await;
            }
            discard::run(&target, selection, save.as_deref(), yes, json).await
        }
    }
}

/// Visits the selected records, leaves the queue as it is, and returns their number.
async fn visit_selected(
    target: &Target,
    selection: &Selection,
    mut visit: impl FnMut(&KeptRecord),
) -> anyhow::Result<usize> {
    let mut selected = 0;
    let visit = async |record| {
        if selection.has(&record) {
            selected += 1;
            visit(&record);
        }
        Fate::Leave
    };
    let odd = queue(target).await?.pass(RECEIVING, visit).await.context(UNREADABLE)?;
    report_other_messages(&odd);
    Ok(selected)
}

async fn queue(target: &Target) -> anyhow::Result<QuarantineQueue> {
    Ok(QuarantineQueue::new(target.sqs.clone(), target.quarantine_queue_url().await?))
}

/// Prints to standard error which messages of the queue are not complete records.
fn report_other_messages(odd: &[Odd]) {
    for message in odd {
        match message {
            Odd::Foreign { message_id, problem } => eprintln!(
                "The message {message_id} is not a record of the quarantine ({problem}); it stays in the queue."
            ),
            Odd::Torn { record, found, parts } => eprintln!(
                "{record} has only {found} of {parts} parts; they stay in the queue. Another command may hide the others for up to {} s.",
                RECEIVING.visibility_timeout_s
            ),
            Odd::Damaged { record } => {
                eprintln!(
                    "The parts of {record} do not match the digest of its payload; they stay in the queue."
                );
            }
        }
    }
}

const UNREADABLE: &str = "the quarantine cannot be read";

/// Fails if records were selected by name and none of them is in quarantine.
fn require_selected(selection: &Selection, selected: usize) -> anyhow::Result<()> {
    if selected == 0 && selection.names_records() {
        bail!("no record in quarantine has this name; `meter quarantine list` lists the records");
    }
    Ok(())
}
