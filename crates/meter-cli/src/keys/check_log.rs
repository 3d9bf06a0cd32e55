//! `meter keys check-log`: compares the invalidation log with the keys.

use anyhow::bail;
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use crate::output::print_json;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter keys check-log`.
#[derive(clap::Args)]
pub struct Arguments {
    /// If the log is behind the keys, raise it above the versions of all keys
    #[arg(long)]
    raise: bool,
    /// Print JSON, as described in docs/schemas/meter-keys-check-log.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// The invalidation log compared with the keys.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LogCheck {
    /// Sequence of the last entry of the log; 0 if there is none.
    pub head: u64,
    /// Highest version of any key; 0 if no key was changed yet.
    pub highest_version: u64,
    /// `true` if the log is below the version of a key, because it was lost or restored.
    pub is_behind: bool,
    /// Sequence of the last entry before this command raised the log; null if it did not.
    pub raised_from: Option<u64>,
}

/// Prints the comparison. Fails if the log is behind and is not to be raised.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let admin = Target::find(&arguments.target).await?.key_admin();
    let before = admin.store().log_status().await?;
    let status = if arguments.raise { admin.raise_log(now_ms()).await? } else { before };
    let (head, highest_version) = (status.head, status.highest_version);
    if arguments.json {
        print_json(&LogCheck {
            head,
            highest_version,
            is_behind: status.is_behind(),
            raised_from: (before.is_behind() && arguments.raise).then_some(before.head),
        })?;
    } else if before.is_behind() && arguments.raise {
        println!(
            "The invalidation log was raised from {} to {head}, above the versions of all keys.",
            before.head
        );
    } else if !status.is_behind() {
        println!(
            "The invalidation log is at {head}; the highest version of a key is {highest_version}. Nothing needs to be done."
        );
    }
    if status.is_behind() {
        bail!(
            "the invalidation log is at {head}, below the version {highest_version} of a key: it was lost or restored; raise it with --raise, and see docs/runbooks/key-will-not-stop.md"
        );
    }
    Ok(())
}
