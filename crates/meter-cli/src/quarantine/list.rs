//! `meter quarantine list`: the reasons with their counts and examples.

use std::collections::BTreeMap;

use anyhow::Context;
use metering_aws::quarantine_queue::{Fate, KeptRecord};

use super::{QuarantinedRecord, RECEIVING, UNREADABLE, queue, report_other_messages};
use crate::output::{count, print_json};
use crate::target::Target;

/// Number of examples for each reason.
const EXAMPLES: usize = 3;

#[derive(Default)]
struct Group {
    records: usize,
    bytes: usize,
    examples: Vec<String>,
}

/// Prints the records in quarantine, grouped by reason or as JSON lines.
pub async fn run(target: &Target, json: bool) -> anyhow::Result<()> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut printed = Ok(());
    let queue = queue(target).await?;
    let odd = queue
        .pass(RECEIVING, async |record| {
            if json {
                if printed.is_ok() {
                    printed = print_json(&QuarantinedRecord::new(&record));
                }
            } else {
                add(groups.entry(record.reason.clone()).or_default(), &record);
            }
            Fate::Leave
        })
        .await
        .context(UNREADABLE)?;
    if !json {
        for (reason, group) in &groups {
            println!("{reason}: {}, {} bytes", count(group.records, "record"), group.bytes);
            group.examples.iter().for_each(|example| println!("{example}"));
            if group.records > EXAMPLES {
                println!("  and {} more", group.records - EXAMPLES);
            }
        }
        let records: usize = groups.values().map(|group| group.records).sum();
        println!("{} in quarantine.", count(records, "record"));
    }
    report_other_messages(&odd);
    printed
}

fn add(group: &mut Group, record: &KeptRecord) {
    group.records += 1;
    group.bytes += record.payload.len();
    if group.examples.len() < EXAMPLES {
        let KeptRecord { record: name, digest, detail, payload, .. } = record;
        group.examples.push(format!(
            "  {}: {detail}\n    {} bytes from {}, digest {}",
            name.sequence_number,
            payload.len(),
            name.shard,
            &digest[..digest.len().min(12)]
        ));
    }
}
