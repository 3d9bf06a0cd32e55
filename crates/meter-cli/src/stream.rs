//! `meter stream`: shows and changes the shards and the retention period of the stream.

use std::ops::RangeInclusive;

use anyhow::Context;
use aws_sdk_kinesis::types::{
    ScalingType, StreamDescriptionSummary, StreamMode, StreamModeDetails, StreamStatus,
};
use clap::Subcommand;
use metering_core::batch_run::MAX_RETRY_MS;
use metering_core::window::HOUR_MS;
use schemars::JsonSchema;
use serde::Serialize;

use crate::dry_run::DryRun;
use crate::output::print_json;
use crate::target::{Target, TargetArguments};

/// Retention periods that the command sets, in hours: from the least of Kinesis to the time by which
/// claims outlive the calls that they recognise.
const RETENTION_HOURS: RangeInclusive<i64> = 24..=MAX_RETRY_MS / HOUR_MS;

/// Records and bytes that a shard takes in a second.
///
/// Source: Kinesis Data Streams Developer Guide, "Quotas and limits".
const SHARD_RECORDS_PER_S: i64 = 1_000;
const SHARD_BYTES_PER_S: i64 = 1 << 20;

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
        /// Print JSON, as described in docs/schemas/meter-stream-show.json
        #[arg(long)]
        json: bool,
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
        dry_run: DryRun,
        /// Print JSON, as described in docs/schemas/meter-stream-reshard.json
        #[arg(long)]
        json: bool,
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
        /// Print JSON, as described in docs/schemas/meter-stream-retention.json
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
}

/// Runs a subcommand of `meter stream`.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.action {
        Action::Show { json, target } => show(&Target::find(&target).await?, json).await,
        Action::Reshard { shards, dry_run, json, target } => {
            let target = Target::find(&target).await?;
            let done =
                if dry_run.is_on() { preview(&target, shards).await } else { reshard(&target, shards).await };
            done?.print(json)
        }
        Action::Retention { hours, json, target } => {
            retention(&Target::find(&target).await?, hours).await?.print(json)
        }
    }
}

/// The stream, as `meter stream show` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StreamOutput {
    /// Name of the stream.
    stream: String,
    /// State of the stream, as Kinesis names it, such as `ACTIVE`.
    state: String,
    /// `true` if the stream has on-demand capacity, to which Kinesis adds shards.
    is_on_demand: bool,
    /// Number of open shards.
    open_shards: i32,
    /// Retention period of records, in hours.
    retention_hours: i32,
    /// Records that the open shards take in a second.
    max_records_per_s: i64,
    /// Bytes that the open shards take in a second.
    max_bytes_per_s: i64,
}

fn is_on_demand(summary: &StreamDescriptionSummary) -> bool {
    summary.stream_mode_details().map(StreamModeDetails::stream_mode) == Some(&StreamMode::OnDemand)
}

async fn show(target: &Target, json: bool) -> anyhow::Result<()> {
    let summary = target.stream_summary().await?;
    let shards = i64::from(summary.open_shard_count());
    let stream = StreamOutput {
        stream: summary.stream_name().to_owned(),
        state: summary.stream_status().to_string(),
        is_on_demand: is_on_demand(&summary),
        open_shards: summary.open_shard_count(),
        retention_hours: summary.retention_period_hours(),
        max_records_per_s: shards * SHARD_RECORDS_PER_S,
        max_bytes_per_s: shards * SHARD_BYTES_PER_S,
    };
    if json {
        return print_json(&stream);
    }
    let capacity = if stream.is_on_demand { "on demand: Kinesis adds shards" } else { "provisioned" };
    println!("stream       {}", stream.stream);
    println!("state        {}", stream.state);
    println!("capacity     {capacity}");
    println!("open shards  {}", stream.open_shards);
    println!("retention    {} h", stream.retention_hours);
    println!("limits       {shards} MB and {} records per second", stream.max_records_per_s);
    Ok(())
}

/// A change of the number of shards.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReshardOutput {
    /// `false` if nothing was changed, because of `--dry-run`.
    applied: bool,
    /// Name of the stream.
    stream: String,
    /// Number of open shards before the change.
    from_shards: i32,
    /// Number of open shards after the change.
    to_shards: i32,
}

impl ReshardOutput {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return print_json(self);
        }
        let Self { from_shards, to_shards, .. } = self;
        if self.applied {
            println!(
                "From {from_shards} to {to_shards} shards. The order of records is kept, and no call is counted twice."
            );
        } else {
            println!("The stream {} would get {to_shards} shards; it has {from_shards}.", self.stream);
        }
        Ok(())
    }
}

/// Checks what Kinesis would refuse because of the stream, and changes nothing. Quotas of the account are not checked.
async fn preview(target: &Target, shards: i32) -> anyhow::Result<ReshardOutput> {
    let summary = target.stream_summary().await?;
    let present = summary.open_shard_count();
    let stream = target.stream().to_owned();
    anyhow::ensure!(
        !is_on_demand(&summary),
        "the stream {stream} has on-demand capacity, to which Kinesis adds shards"
    );
    let status = summary.stream_status();
    anyhow::ensure!(
        *status == StreamStatus::Active,
        "the stream {stream} is {status}; repeat the command when it is ACTIVE"
    );
    anyhow::ensure!(
        shards <= 2 * present && 2 * shards >= present,
        "the stream {stream} cannot have {shards} shards in one step, because it has {present}; at most twice and at least half as many are possible"
    );
    Ok(ReshardOutput { applied: false, stream, from_shards: present, to_shards: shards })
}

async fn reshard(target: &Target, shards: i32) -> anyhow::Result<ReshardOutput> {
    let stream = target.stream().to_owned();
    let request = target.kinesis.update_shard_count().stream_name(&stream).target_shard_count(shards);
    let reply = request.scaling_type(ScalingType::UniformScaling).send().await.with_context(|| {
        format!(
            "the stream {stream} cannot have {shards} shards; `meter stream show` prints the present number"
        )
    })?;
    let from_shards = reply.current_shard_count.unwrap_or_default();
    Ok(ReshardOutput { applied: true, stream, from_shards, to_shards: shards })
}

/// The retention period of the stream.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RetentionOutput {
    /// Name of the stream.
    stream: String,
    /// Retention period, in hours.
    retention_hours: i32,
    /// Retention period before the command changed it, in hours; null if it was not to be changed.
    previous_retention_hours: Option<i32>,
}

impl RetentionOutput {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return print_json(self);
        }
        let Self { stream, retention_hours: hours, previous_retention_hours } = self;
        match previous_retention_hours {
            None => println!("The stream {stream} retains its records for {hours} h."),
            Some(previous) => {
                println!(
                    "The stream {stream} retains its records for {hours} h; before it was {previous} h."
                );
            }
        }
        Ok(())
    }
}

/// Reads the retention period, or changes it.
///
/// Source: Kinesis Data Streams Developer Guide, "Change the data retention period".
async fn retention(target: &Target, hours: Option<i32>) -> anyhow::Result<RetentionOutput> {
    let present = target.stream_summary().await?.retention_period_hours();
    let stream = target.stream().to_owned();
    let Some(hours) = hours else {
        return Ok(RetentionOutput { stream, retention_hours: present, previous_retention_hours: None });
    };
    let failed = || format!("the retention period of the stream {stream} cannot be changed to {hours} h");
    if hours > present {
        let request = target.kinesis.increase_stream_retention_period().stream_name(&stream);
        request.retention_period_hours(hours).send().await.with_context(failed)?;
    } else if hours < present {
        let request = target.kinesis.decrease_stream_retention_period().stream_name(&stream);
        request.retention_period_hours(hours).send().await.with_context(failed)?;
    }
    Ok(RetentionOutput { stream, retention_hours: hours, previous_retention_hours: Some(present) })
}
