//! `meter stream`: shows and changes the shards and the retention period of the stream.

use std::ops::RangeInclusive;

use anyhow::Context;
use aws_sdk_kinesis::types::{ScalingType, StreamMode, StreamModeDetails};
use clap::Subcommand;
use metering_core::batch_run::MAX_RETRY_MS;
use metering_core::window::HOUR_MS;

use crate::target::{Target, TargetArguments};

/// Retention periods that the command sets, in hours: from the least of Kinesis to the time by which
/// claims outlive the calls that they recognise.
const RETENTION_HOURS: RangeInclusive<i64> = 24..=MAX_RETRY_MS / HOUR_MS;

/// Arguments of `meter stream`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show the stream
    Show {
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Change the number of shards of a provisioned stream, at most to twice and at least to half the
    /// present number
    Reshard {
        /// Target number of shards
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        shards: i32,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Show or change the retention period. A longer one also applies to the records in the stream. With
    /// a shorter one, older records are lost at once
    Retention {
        /// New retention period, in hours. Claims outlive the calls that they recognise by a week, so a
        /// record that is read later could be counted again
        #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(i32).range(RETENTION_HOURS))]
        hours: Option<i32>,
        #[command(flatten)]
        target: TargetArguments,
    },
}

/// Runs a subcommand of `meter stream`.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::Show { target } => show(&Target::find(&target).await?).await,
        Action::Reshard { shards, target } => reshard(&Target::find(&target).await?, shards).await,
        Action::Retention { hours, target } => retention(&Target::find(&target).await?, hours).await,
    }
}

async fn show(target: &Target) -> anyhow::Result<()> {
    let summary = target.stream_summary().await?;
    let is_on_demand =
        summary.stream_mode_details().map(StreamModeDetails::stream_mode) == Some(&StreamMode::OnDemand);
    println!("stream       {}", summary.stream_name());
    println!("state        {}", summary.stream_status());
    println!("capacity     {}", if is_on_demand { "on demand: Kinesis adds shards" } else { "provisioned" });
    println!("open shards  {}", summary.open_shard_count());
    println!("retention    {} h", summary.retention_period_hours());
    println!(
        "limits       {} MB and {} records per second",
        summary.open_shard_count(),
        1_000 * i64::from(summary.open_shard_count())
    );
    Ok(())
}

async fn reshard(target: &Target, shards: i32) -> anyhow::Result<()> {
    let request = target.kinesis.update_shard_count().stream_name(target.stream()).target_shard_count(shards);
    let reply = request.scaling_type(ScalingType::UniformScaling).send().await.with_context(|| {
        format!(
            "the stream {} cannot have {shards} shards; `meter stream show` prints the present number",
            target.stream()
        )
    })?;
    println!(
        "From {} to {shards} shards. The order of records is kept, and no call is counted twice.",
        reply.current_shard_count.unwrap_or_default()
    );
    Ok(())
}

/// Prints the retention period, or changes it.
///
/// Source: Kinesis Data Streams Developer Guide, "Change the data retention period".
async fn retention(target: &Target, hours: Option<i32>) -> anyhow::Result<()> {
    let present = target.stream_summary().await?.retention_period_hours();
    let Some(hours) = hours else {
        println!("The stream {} retains its records for {present} h.", target.stream());
        return Ok(());
    };
    let failed =
        || format!("the retention period of the stream {} cannot be changed to {hours} h", target.stream());
    if hours > present {
        let request = target.kinesis.increase_stream_retention_period().stream_name(target.stream());
        request.retention_period_hours(hours).send().await.with_context(failed)?;
    } else if hours < present {
        let request = target.kinesis.decrease_stream_retention_period().stream_name(target.stream());
        request.retention_period_hours(hours).send().await.with_context(failed)?;
    }
    println!("The stream {} retains its records for {hours} h; before it was {present} h.", target.stream());
    Ok(())
}
