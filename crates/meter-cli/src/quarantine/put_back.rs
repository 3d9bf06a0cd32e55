//! `meter quarantine put-back`.

use std::collections::HashSet;

use access_log::{Decoder, Limits, Origin};
use anyhow::{Context, bail};
use metering_aws::StreamWriter;
use metering_aws::put_back::{PlaceOnStream, TooLarge, records_of};
use metering_aws::quarantine_queue::{Fate, KeptRecord};

use schemars::JsonSchema;
use serde::Serialize;

use super::{RECEIVING, Selection, queue, report_other_messages, require_selected, visit_selected};
use crate::dry_run::{DryRun, would_be};
use crate::output::{count, print_json};
use crate::target::Target;

/// Number of consecutive failures after which no further record is tried: the cause is the stream, not the
/// records.
const MAX_FAILURES_IN_A_ROW: usize = 10;

/// The result of putting records back.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PutBackRecords {
    /// `false` if nothing was changed, because of `--dry-run`.
    applied: bool,
    /// Records that were put back on the stream, or would be.
    put_back: usize,
    /// Records that came back meanwhile, because they still cannot be counted.
    came_back: usize,
    /// Records that could not be put back and stay in quarantine. Standard error has a reason for each.
    failed: usize,
}

impl PutBackRecords {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return print_json(self);
        }
        let verb = would_be(self.applied);
        println!("{} {verb}put back on the stream.", count(self.put_back, "record"));
        if self.came_back > 0 {
            println!("{} came back, because they still cannot be counted.", count(self.came_back, "record"));
        }
        Ok(())
    }
}

/// A pass that puts records back.
struct PutBack {
    stream: StreamWriter,
    decoder: Decoder,
    /// The places of the records that were put back. A record that comes back while the command runs stays in
    /// quarantine.
    places: HashSet<PlaceOnStream>,
    done: usize,
    came_back: usize,
    failed: usize,
    failed_in_a_row: usize,
}

/// Puts the selected records back on the stream.
pub async fn run(target: &Target, selection: Selection, dry_run: DryRun, json: bool) -> anyhow::Result<()> {
    if dry_run.is_on() {
        return preview(target, &selection, json).await;
    }
    let mut work = PutBack {
        stream: target.stream_writer(),
        decoder: Decoder::new(Limits::default()),
        places: HashSet::new(),
        done: 0,
        came_back: 0,
        failed: 0,
        failed_in_a_row: 0,
    };
    let queue = queue(target).await?;
    let result = queue
        .pass(
            RECEIVING,
            async |record| {
                if selection.has(&record) { work.visit(&record).await } else { Fate::Leave }
            },
        )
        .await;
    let PutBack { done, came_back, failed, .. } = work;
    PutBackRecords { applied: true, put_back: done, came_back, failed }.print(json)?;
    let odd = result.context(
        "the pass over the quarantine failed; run the same command again. Records that were put back are counted once",
    )?;
    report_other_messages(&odd);
    if work.failed > 0 {
        bail!(
            "{} could not be put back and stay in quarantine; the reasons are above",
            count(work.failed, "record")
        );
    }
    require_selected(&selection, work.done + work.came_back)
}

async fn preview(target: &Target, selection: &Selection, json: bool) -> anyhow::Result<()> {
    let mut decoder = Decoder::new(Limits::default());
    let mut result = PutBackRecords { applied: false, put_back: 0, came_back: 0, failed: 0 };
    let selected = visit_selected(target, selection, |record| match payloads_of(record, &mut decoder) {
        Ok(_) => result.put_back += 1,
        Err(error) => {
            eprintln!("{}: {error}", record.record);
            result.failed += 1;
        }
    })
    .await?;
    result.print(json)?;
    if result.failed > 0 {
        bail!("{} could not be put back; the reasons are above", count(result.failed, "record"));
    }
    require_selected(selection, selected)
}

/// Returns the records to put on the stream for a record in quarantine.
fn payloads_of(record: &KeptRecord, decoder: &mut Decoder) -> Result<Vec<Vec<u8>>, TooLarge> {
    let name = record.record.to_string();
    let origin = Origin { record_name: &name, arrived_at_ms: record.arrived_at_ms };
    records_of(decoder, &record.payload, origin)
}

impl PutBack {
    async fn visit(&mut self, record: &KeptRecord) -> Fate {
        let place = PlaceOnStream {
            shard_id: record.record.shard.shard_id().to_owned(),
            sequence_number: record.record.sequence_number.digits().to_owned(),
        };
        if self.places.contains(&place) {
            self.came_back += 1;
            return Fate::Leave;
        }
        if self.failed_in_a_row >= MAX_FAILURES_IN_A_ROW {
            self.failed += 1;
            return Fate::Leave;
        }
        match self.put(record).await {
            Ok(()) => {
                self.done += 1;
                self.failed_in_a_row = 0;
                Fate::Delete
            }
            Err(error) => {
                eprintln!("{}: {error:#}", record.record);
                self.failed += 1;
                self.failed_in_a_row += 1;
                if self.failed_in_a_row == MAX_FAILURES_IN_A_ROW {
                    eprintln!(
                        "{MAX_FAILURES_IN_A_ROW} records in a row failed: the other records stay in quarantine."
                    );
                }
                Fate::Leave
            }
        }
    }

    /// Puts a record on the stream. It is deleted from the quarantine afterwards. If the command stops in
    /// between, the record is in both places, and its calls still have one owner.
    async fn put(&mut self, record: &KeptRecord) -> anyhow::Result<()> {
        let from = record.put_back_from.and(&record.record);
        for payload in payloads_of(record, &mut self.decoder)? {
            self.places.insert(self.stream.put_back(payload, &from).await?);
        }
        Ok(())
    }
}
