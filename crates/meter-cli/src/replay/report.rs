//! What became of a replay.

use std::collections::BTreeMap;

use anyhow::Context;
use local_stack::stack::{LocalStack, USAGE_TABLE};
use metering_aws::QuarantineQueue;
use metering_aws::connection::{COMMAND_PATIENCE, load_local};
use metering_aws::quarantine_queue::{Fate, Receiving};
use metering_aws::usage_report::usage_of_all_keys;
use serde::Serialize;

/// The outcome, as it is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    usage: Vec<KeyTotal>,
    calls: u64,
    skipped: BTreeMap<&'static str, u64>,
    quarantined: BTreeMap<String, Quarantined>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyTotal {
    api_key_id: String,
    calls: u64,
}

#[derive(Serialize, Default)]
struct Quarantined {
    records: u64,
    example: String,
}

/// Everything is settled when the quarantine is read; a short poll could miss some of it all the same.
const RECEIVING: Receiving = Receiving { wait_s: 1, visibility_timeout_s: 300 };

/// The metrics that tell why calls were skipped, and how to say it.
const SKIPS: [(&str, &str); 3] = [
    ("SkippedNotSuccessful", "calls with a status other than 2xx"),
    ("SkippedNoApiKey", "calls without a key id"),
    ("DuplicateCalls", "calls that were counted before"),
];

impl Report {
    /// Reads the ledger, the metrics and the quarantine.
    pub async fn read(stack: &LocalStack) -> anyhow::Result<Self> {
        let usage = usage_of_all_keys(&stack.ledger_client, USAGE_TABLE)
            .await
            .context("the ledger cannot be read")?;
        let usage: Vec<KeyTotal> = usage
            .into_iter()
            .map(|(api_key_id, days)| KeyTotal {
                api_key_id,
                calls: days.values().map(metering_core::usage_history::DayUsage::total).sum(),
            })
            .collect();
        let skipped = SKIPS
            .into_iter()
            .map(|(metric, words)| (words, stack.metrics.count(metric)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let config = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_PATIENCE).await;
        let queue =
            QuarantineQueue::new(aws_sdk_sqs::Client::new(&config), &stack.endpoints.quarantine_queue_url);
        let mut quarantined: BTreeMap<String, Quarantined> = BTreeMap::new();
        queue
            .pass(RECEIVING, async |record| {
                let entry = quarantined.entry(record.reason).or_default();
                entry.records += 1;
                if entry.example.is_empty() {
                    entry.example = record.detail;
                }
                Fate::Leave
            })
            .await
            .context("the quarantine cannot be read")?;
        let calls = usage.iter().map(|key| key.calls).sum();
        Ok(Self { usage, calls, skipped, quarantined })
    }

    /// Prints for a person.
    #[expect(clippy::unnecessary_wraps, reason = "the same form as print_json")]
    pub fn print(&self) -> anyhow::Result<()> {
        println!("Usage per key");
        let width = self.usage.iter().map(|key| key.api_key_id.len()).max().unwrap_or(0).max(16);
        for key in &self.usage {
            println!("  {:<width$} {:>12}", key.api_key_id, key.calls);
        }
        println!("  {:<width$} {:>12}", "total", self.calls);
        for (words, count) in &self.skipped {
            println!("Skipped: {count} {words}");
        }
        for (reason, quarantined) in &self.quarantined {
            println!(
                "Quarantined: {} records, {reason}; for example: {}",
                quarantined.records, quarantined.example
            );
        }
        if self.skipped.is_empty() && self.quarantined.is_empty() {
            println!("Nothing was skipped or quarantined.");
        }
        Ok(())
    }

    /// Prints for a program.
    pub fn print_json(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}
