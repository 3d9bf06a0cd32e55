//! `meter given-up`: batches that Lambda gave up.

use std::path::Path;

use access_log::{Decoder, Limits, Origin};
use anyhow::{Context, bail};
use clap::Subcommand;
use metering_aws::given_up::{DamagedRecord, GivenUpBatch, GivenUpRecord};
use metering_aws::put_back::records_of;
use metering_aws::{DynamoClaimStore, GivenUpBucket, StreamWriter};
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{count, print_json};
use crate::target::{Target, TargetArguments};

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
    let (Action::List { choice, .. } | Action::PutBack { choice }) = &arguments.action;
    let target = Target::find(&choice.target).await?;
    let bucket = target.given_up_bucket().await?;
    let places = places(&bucket, &choice.batches).await?;
    match &arguments.action {
        Action::List { json, .. } => list(&bucket, &places, *json).await,
        Action::PutBack { .. } => put_back(&bucket, &places, &target).await,
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

async fn put_back(bucket: &GivenUpBucket, places: &[Place], target: &Target) -> anyhow::Result<()> {
    let (stream, claims) = (target.stream_writer(), target.claim_store());
    let mut decoder = Decoder::new(Limits::default());
    let (mut records, mut failed) = (0, 0);
    for place in places {
        match put_batch_back(bucket, place, &claims, &stream, &mut decoder).await {
            Ok(put) => records += put,
            Err(error) => {
                failed += 1;
                eprintln!("{}: {error:#}", place.name());
            }
        }
    }
    println!("{} put back on the stream.", count(records, "record"));
    if failed > 0 {
        bail!(
            "{} could not be put back completely, and stay where they are; run the same command again when the cause is removed. Records that were put back are counted once",
            count(failed, "batch")
        );
    }
    Ok(())
}

/// Puts a batch back on the stream, and deletes its object if all its records were put back.
async fn put_batch_back(
    bucket: &GivenUpBucket,
    place: &Place,
    claims: &DynamoClaimStore,
    stream: &StreamWriter,
    decoder: &mut Decoder,
) -> anyhow::Result<usize> {
    let batch = place.read(bucket).await?;
    batch.record_given_up(claims).await?;
    let (mut put, mut problems) = (0, Vec::new());
    for record in &batch.records {
        let result = match record {
            Ok(record) => put_record_back(record, stream, decoder).await,
            Err(damaged) => Err(damaged.clone().into()),
        };
        match result {
            Ok(()) => put += 1,
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    if !problems.is_empty() {
        bail!("{put} of {} are on the stream; {}", count(batch.records.len(), "record"), problems.join("; "));
    }
    if let Place::Object(key) = place {
        bucket
            .delete(key)
            .await
            .context("its records are on the stream, but the object could not be deleted")?;
    }
    Ok(put)
}

async fn put_record_back(
    record: &GivenUpRecord,
    stream: &StreamWriter,
    decoder: &mut Decoder,
) -> anyhow::Result<()> {
    let name = record.name.to_string();
    let origin = Origin { record_name: &name, arrived_at_ms: record.arrived_at_ms };
    let from = record.put_back_from.and(&record.name);
    for payload in records_of(decoder, &record.data, origin)? {
        stream
            .put_back(payload, &from)
            .await
            .with_context(|| format!("the record {}", record.name.sequence_number))?;
    }
    Ok(())
}
