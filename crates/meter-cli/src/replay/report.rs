//! What became of a replay.

use std::collections::BTreeMap;
use std::path::PathBuf;

use access_log::{Decoder, Limits, Origin};
use anyhow::Context;
use lambda_support::causes::with_causes;
use local_stack::stack::{LocalStack, USAGE_TABLE};
use metering_aws::QuarantineQueue;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::quarantine_queue::{Fate, KeptRecord, Receiving};
use metering_aws::usage_report::usage_of_all_keys;
use metering_core::usage_record::PlausibleTimes;
use serde::Serialize;

use super::reading::{FileReport, Status};
use super::tally::UNBILLED;

/// The outcome, as it is printed. The names are part of the interface.
#[derive(Serialize)]
pub struct Report {
    usage: Vec<KeyTotal>,
    calls: u64,
    skipped: BTreeMap<&'static str, u64>,
    quarantined: BTreeMap<String, Quarantined>,
    files: Vec<File>,
}

#[derive(Serialize)]
struct KeyTotal {
    api_key_id: String,
    calls: u64,
}

/// What went to quarantine for one reason.
#[derive(Serialize, Default)]
struct Quarantined {
    /// Lines that are kept.
    lines: u64,
    /// Records that are kept as a whole, since nothing of them can be read.
    records: u64,
    example: String,
}

#[derive(Serialize)]
struct File {
    #[serde(rename = "file")]
    name: String,
    status: Status,
    calls: u64,
    unreadable: u64,
    left_out: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// Everything is settled when the quarantine is read; a short poll could miss some of it all the same.
const RECEIVING: Receiving = Receiving { wait_s: 1, visibility_timeout_s: 300 };

/// Why calls were skipped: the metric, its name in JSON, and how to say it.
const SKIPS: [(&str, &str, &str); 4] = [
    ("SkippedNotSuccessful", "not_successful", "calls with a status other than 2xx"),
    ("SkippedUnbilled", "unbilled_route", "calls of routes and methods that are not billed"),
    ("SkippedNoApiKey", "no_api_key_id", "calls without a key id"),
    ("DuplicateCalls", "seen_before", "lines that were there before"),
];

impl Report {
    /// Reads the ledger, the metrics and the quarantine.
    pub async fn read(
        stack: &LocalStack,
        files: Vec<FileReport>,
        left_out: Vec<(PathBuf, &'static str)>,
        retention_days: u32,
    ) -> anyhow::Result<Self> {
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
        let skipped =
            SKIPS.into_iter().map(|(metric, name, _)| (name, stack.metrics.count(metric))).collect();
        let mut quarantined = quarantined(stack, retention_days).await?;
        for (reason, quarantined) in &mut quarantined {
            let example =
                files.iter().find_map(|file| Some((file, file.tally.examples.get(reason.as_str())?)));
            if let Some((file, problem)) = example {
                quarantined.example = format!("{} line {}: {}", file.name, problem.line, problem.text);
            }
        }
        let calls = usage.iter().map(|key| key.calls).sum();
        let files = files.into_iter().map(File::of).chain(left_out.into_iter().map(File::left_out)).collect();
        Ok(Self { usage, calls, skipped, quarantined, files })
    }

    /// How many files could not be read as access logs.
    pub fn unread(&self) -> u64 {
        let is_unread = |file: &&File| matches!(file.status, Status::Failed | Status::NotRecognised);
        self.files.iter().filter(is_unread).count() as u64
    }

    /// Prints for a person.
    pub fn print(&self) -> anyhow::Result<()> {
        use std::io::Write;
        let mut output = std::io::stdout().lock();
        writeln!(output, "Usage per key")?;
        let width = self.usage.iter().map(|key| key.api_key_id.len()).max().unwrap_or(0).max(16);
        for key in &self.usage {
            writeln!(output, "  {:<width$} {:>12}", key.api_key_id, key.calls)?;
        }
        writeln!(output, "  {:<width$} {:>12}", "total", self.calls)?;
        for (_, name, words) in SKIPS {
            let count = self.skipped.get(name).copied().unwrap_or(0);
            if count > 0 {
                writeln!(output, "Skipped: {count} {words}")?;
            }
        }
        for (reason, Quarantined { lines, records, example }) in &self.quarantined {
            let counts: Vec<String> = [(*lines, "line"), (*records, "whole record")]
                .into_iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, noun)| count(number, noun))
                .collect();
            writeln!(output, "Quarantined: {}, {reason}; for example: {example}", counts.join(" and "))?;
        }
        if self.skipped.values().all(|count| *count == 0) && self.quarantined.is_empty() {
            writeln!(output, "Nothing was skipped or quarantined.")?;
        }
        for File { name, status, detail, .. } in self.files.iter().filter(|file| !file.detail.is_empty()) {
            let words = match status {
                Status::NotRecognised => "no call was recognised: ",
                Status::LeftOut => "left out: ",
                Status::Read | Status::Empty | Status::Failed => "",
            };
            writeln!(output, "{name}: {words}{detail}")?;
        }
        Ok(())
    }

    /// Prints for a program.
    pub fn print_json(&self) -> anyhow::Result<()> {
        use std::io::Write;
        Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(self)?)?)
    }
}

impl File {
    fn of(report: FileReport) -> Self {
        let FileReport { name, status, detail, tally } = report;
        let (calls, unreadable, left_out) = (tally.calls, tally.unreadable, tally.set_aside);
        Self { name, status, calls, unreadable, left_out, detail }
    }

    fn left_out((path, why): (PathBuf, &'static str)) -> Self {
        let name = path.display().to_string();
        Self { name, status: Status::LeftOut, calls: 0, unreadable: 0, left_out: 0, detail: why.to_owned() }
    }
}

/// What is in quarantine, by reason.
async fn quarantined(
    stack: &LocalStack,
    retention_days: u32,
) -> anyhow::Result<BTreeMap<String, Quarantined>> {
    let config = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    let queue =
        QuarantineQueue::new(aws_sdk_sqs::Client::new(&config), &stack.endpoints.quarantine_queue_url);
    let mut quarantined = BTreeMap::new();
    let mut decoder = Decoder::new(Limits::default());
    queue
        .pass(RECEIVING, async |record| {
            add(&record, &mut decoder, retention_days, &mut quarantined);
            Fate::Leave
        })
        .await
        .context("the quarantine cannot be read")?;
    Ok(quarantined)
}

/// Adds the lines of a record, each under its own reason: the record's is that of its first.
fn add(
    record: &KeptRecord,
    decoder: &mut Decoder,
    retention_days: u32,
    quarantined: &mut BTreeMap<String, Quarantined>,
) {
    let times = PlausibleTimes::for_arrival(record.arrived_at_ms, retention_days);
    let origin = Origin { record_name: "", arrived_at_ms: record.arrived_at_ms };
    let mut lines: Vec<(String, String)> = Vec::new();
    let decoded = decoder.decode(&record.payload, origin, |event| {
        let problem = match &event.call {
            Err(error) => Some((error.reason(), with_causes(error))),
            Ok(call) => {
                call.assess(times, &UNBILLED).err().map(|error| (error.reason(), with_causes(&error)))
            }
        };
        let problem = problem.map(|(reason, text)| (reason.to_owned(), text));
        lines.push(problem.unwrap_or_else(|| (record.reason.clone(), record.detail.clone())));
    });
    if decoded.is_err() {
        let entry = quarantined.entry(record.reason.clone()).or_default();
        entry.records += 1;
        entry.example.clone_from(&record.detail);
        return;
    }
    for (reason, text) in lines {
        let entry = quarantined.entry(reason).or_default();
        entry.lines += 1;
        if entry.example.is_empty() {
            entry.example = text;
        }
    }
}

/// A number of things, in words.
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
