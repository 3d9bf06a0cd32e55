//! `meter keys check-log`: whether the invalidation log is behind the keys.

use anyhow::bail;
use lambda_support::clock::now_ms;
use serde_json::json;

use crate::target::{Target, TargetArguments};

/// Arguments of `meter keys check-log`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Raise the log above the versions of all keys, where it is behind them
    #[arg(long)]
    raise: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// Prints how the log stands; fails where it is behind and is not to be raised.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let store = Target::find(&arguments.target).await?.key_store();
    let before = store.log_standing().await?;
    let standing = if arguments.raise { store.raise_log(now_ms()).await? } else { before };
    let (head, highest) = (standing.head, standing.highest_version);
    if arguments.json {
        let document = json!({
            "head": head, "highestVersion": highest, "isBehind": standing.is_behind(),
            "raisedFrom": (before.is_behind() && arguments.raise).then_some(before.head),
        });
        println!("{document}");
    } else if before.is_behind() && arguments.raise {
        println!(
            "The invalidation log was raised from {} to {head}, above the versions of all keys.",
            before.head
        );
    } else if !standing.is_behind() {
        println!(
            "The invalidation log is at {head}; the highest version of a key is {highest}. Nothing is to be done."
        );
    }
    if standing.is_behind() {
        bail!(
            "the invalidation log is at {head}, below the version {highest} of a key: it was lost or restored; raise it with --raise, and see docs/runbooks/key-will-not-stop.md"
        );
    }
    Ok(())
}
