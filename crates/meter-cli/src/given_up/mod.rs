//! `meter given-up`: batches that Lambda gave up.

mod put_back;

use std::path::Path;

use anyhow::{Context, bail};
use clap::Subcommand;
use metering_aws::GivenUpBucket;
use metering_aws::given_up::{DamagedRecord, GivenUpBatch, GivenUpRecord};
use schemars::JsonSchema;
use serde::Serialize;

use crate::dry_run::DryRun;
use crate::output::{count, print_json};
use crate::target::{Target, TargetArguments};
pub use put_back::PutBackBatches;
use put_back::{put_back, readable};

/// Arguments of `meter given-up`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the batches that Lambda gave up, with the reason
    List {
        /// Print each batch as a line of JSON (docs/schemas/meter-given-up-list.json)
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        choice: Choice,
    },
    /// Put the records of batches on the stream again, and delete the objects of the batches. A call
    /// that is put back twice is counted once
    PutBack {
        #[command(flatten)]
        dry_run: DryRun,
        /// Print JSON, as described in docs/schemas/meter-given-up-put-back.json
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        choice: Choice,
    },
}

/// Arguments that select batches.
#[derive(clap::Args)]
struct Choice {
    /// Files, or objects of the bucket by their keys or the last parts of their keys [default: all objects]
    #[arg(value_name = "FILE_OR_KEY")]
    batches: Vec<String>,
    #[command(flatten)]
    target: TargetArguments,
}

/// Runs a subcommand of `meter given-up`.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let (Action::List { choice, .. } | Action::PutBack { choice, .. }) = &arguments.action;
    let target = Target::find(&choice.target).await?;
    let bucket = target.given_up_bucket().await?;
    let places = places(&bucket, &choice.batches).await?;
    match &arguments.action {
        Action::List { json, .. } => list(&bucket, &places, *json).await,
        Action::PutBack { dry_run, json, .. } => {
            let done = if dry_run.is_on() {
                readable(&bucket, &places).await
            } else {
                put_back(&bucket, &places, &target).await
            };
            done.print(*json)
        }
    }
}

/// The location of a batch.
enum Place {
    File(String),
    Object(String),
}

impl Place {
    fn name(&self) -> &str {
        let (Self::File(name) | Self::Object(name)) = self;
        name
    }

    async fn read(&self, bucket: &GivenUpBucket) -> anyhow::Result<GivenUpBatch> {
        let document = match self {
            Self::File(path) => std::fs::read(path).context("the file cannot be read")?,
            Self::Object(key) => bucket.read(key).await?,
        };
        Ok(GivenUpBatch::read(&document)?)
    }
}

async fn places(bucket: &GivenUpBucket, names: &[String]) -> anyhow::Result<Vec<Place>> {
    let (files, names): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| Path::new(name).is_file());
    let mut places: Vec<Place> = files.into_iter().cloned().map(Place::File).collect();
    if names.is_empty() && !places.is_empty() {
        return Ok(places);
    }
    let keys = bucket.keys().await.with_context(|| {
        format!("the bucket of given-up records {} cannot be listed; it needs s3:ListBucket", bucket.name())
    })?;
    if names.is_empty() {
        places.extend(keys.into_iter().map(Place::Object));
        return Ok(places);
    }
    for name in names {
        let Some(key) = keys.iter().find(|key| *key == name || key.ends_with(&format!("/{name}"))) else {
            bail!(
                "{name} is neither a file nor an object of the bucket {}; `meter given-up list` shows those",
                bucket.name()
            );
        };
        places.push(Place::Object(key.clone()));
    }
    Ok(places)
}

async fn list(bucket: &GivenUpBucket, places: &[Place], json: bool) -> anyhow::Result<()> {
    let (mut records, mut unreadable) = (0, 0);
    for place in places {
        match place.read(bucket).await {
            Ok(batch) => {
                records += batch.records.len();
                if json {
                    print_json(&GivenUpBatchOutput::new(place, &batch))?;
                } else {
                    print(place, &batch);
                }
            }
            Err(error) => {
                unreadable += 1;
                eprintln!("{}: {error:#}", place.name());
            }
        }
    }
    if !json {
        println!("{} with {} given up.", count(places.len(), "batch"), count(records, "record"));
    }
    if unreadable > 0 {
        bail!("{} cannot be read; the reasons are above", count(unreadable, "object"));
    }
    Ok(())
}

fn print(place: &Place, batch: &GivenUpBatch) {
    let GivenUpBatch { condition, given_up_at, shard_id, first, last, records } = batch;
    println!("{}", place.name());
    if !condition.is_empty() {
        println!("  given up at {given_up_at}: {condition}");
    }
    println!("  {} of {shard_id}, from {first} to {last}", count(records.len(), "record"));
    for damaged in records.iter().filter_map(|record| record.as_ref().err()) {
        println!("  {damaged}");
    }
}

/// A batch that Lambda gave up.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GivenUpBatchOutput {
    /// File, or key of the object in the bucket.
    pub batch: String,
    /// Lambda's reason, such as `RetryAttemptsExhausted`; empty if the record of the invocation has none.
    pub condition: String,
    /// Time at which Lambda gave the batch up, as Lambda writes it.
    pub given_up_at: String,
    /// Id of the shard.
    pub shard_id: String,
    /// Sequence number of the first record.
    pub first_sequence_number: String,
    /// Sequence number of the last record.
    pub last_sequence_number: String,
    /// Number of records.
    pub records: usize,
    /// Problems of records that cannot be read, one text each.
    pub damaged: Vec<String>,
}

impl GivenUpBatchOutput {
    fn new(place: &Place, batch: &GivenUpBatch) -> Self {
        let problem =
            |record: &Result<GivenUpRecord, DamagedRecord>| record.as_ref().err().map(ToString::to_string);
        Self {
            batch: place.name().to_owned(),
            condition: batch.condition.clone(),
            given_up_at: batch.given_up_at.clone(),
            shard_id: batch.shard_id.clone(),
            first_sequence_number: batch.first.clone(),
            last_sequence_number: batch.last.clone(),
            records: batch.records.len(),
            damaged: batch.records.iter().filter_map(problem).collect(),
        }
    }
}
