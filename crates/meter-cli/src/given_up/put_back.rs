//! `meter given-up put-back`: puts the records of batches on the stream again.

use access_log::{Decoder, Limits, Origin};
use anyhow::{Context, bail};
use metering_aws::given_up::GivenUpRecord;
use metering_aws::put_back::{TooLarge, records_of};
use metering_aws::{DynamoClaimStore, GivenUpBucket, StreamWriter};
use schemars::JsonSchema;
use serde::Serialize;

use super::Place;
use crate::dry_run::would_be;
use crate::output::{count, print_json};
use crate::target::Target;

/// The result of putting given-up batches back.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PutBackBatches {
    /// `false` if nothing was changed, because of `--dry-run`.
    applied: bool,
    /// Records that were put back on the stream, or would be, without those of the batches that failed.
    records: usize,
    /// Batches that could not be put back completely and stay where they are. Standard error has a reason for
    /// each.
    failed_batches: usize,
}

impl PutBackBatches {
    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            print_json(self)?;
        } else {
            let verb = would_be(self.applied);
            println!("{} {verb}put back on the stream.", count(self.records, "record"));
        }
        if self.failed_batches > 0 && !self.applied {
            bail!("{} could not be put back; the reasons are above", count(self.failed_batches, "batch"));
        }
        if self.failed_batches > 0 {
            bail!(
                "{} could not be put back completely, and stay where they are; run the same command again when the cause is removed. Records that were put back are counted once",
                count(self.failed_batches, "batch")
            );
        }
        Ok(())
    }

    fn add(&mut self, place: &Place, batch: anyhow::Result<usize>) {
        match batch {
            Ok(records) => self.records += records,
            Err(error) => {
                self.failed_batches += 1;
                eprintln!("{}: {error:#}", place.name());
            }
        }
    }
}

/// Returns what putting batches back would do.
pub async fn readable(bucket: &GivenUpBucket, places: &[Place]) -> PutBackBatches {
    let mut decoder = Decoder::new(Limits::default());
    let mut result = PutBackBatches { applied: false, records: 0, failed_batches: 0 };
    for place in places {
        let batch = place.read(bucket).await.and_then(|batch| {
            for record in &batch.records {
                payloads_of(record.as_ref().map_err(Clone::clone)?, &mut decoder)?;
            }
            Ok(batch.records.len())
        });
        result.add(place, batch);
    }
    result
}

pub async fn put_back(bucket: &GivenUpBucket, places: &[Place], target: &Target) -> PutBackBatches {
    let (stream, claims) = (target.stream_writer(), target.claim_store());
    let mut decoder = Decoder::new(Limits::default());
    let mut result = PutBackBatches { applied: true, records: 0, failed_batches: 0 };
    for place in places {
        result.add(place, put_batch_back(bucket, place, &claims, &stream, &mut decoder).await);
    }
    result
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

/// Returns the records to put on the stream for a given-up record.
fn payloads_of(record: &GivenUpRecord, decoder: &mut Decoder) -> Result<Vec<Vec<u8>>, TooLarge> {
    let name = record.name.to_string();
    let origin = Origin { record_name: &name, arrived_at_ms: record.arrived_at_ms };
    records_of(decoder, &record.data, origin)
}

async fn put_record_back(
    record: &GivenUpRecord,
    stream: &StreamWriter,
    decoder: &mut Decoder,
) -> anyhow::Result<()> {
    let from = record.put_back_from.and(&record.name);
    for payload in payloads_of(record, decoder)? {
        stream
            .put_back(payload, &from)
            .await
            .with_context(|| format!("the record {}", record.name.sequence_number))?;
    }
    Ok(())
}
