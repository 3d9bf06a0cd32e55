//! The report of a replay.

use std::collections::BTreeMap;
use std::path::PathBuf;

use access_log::{Decoder, Limits, Origin};
use anyhow::Context;
use local_stack::stack::{LocalStack, USAGE_TABLE};
use metering_aws::QuarantineQueue;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_aws::key_usage::usage_of_all_keys;
use metering_aws::quarantine_queue::{Fate, KeptRecord, Receiving};
use metering_core::metered_key::MeteredKey;
use schemars::JsonSchema;
use serde::Serialize;

use super::reading::{FileReport, Status};
use super::tally::Counted;
use crate::closed_output::stdout;
use crate::output::{count, with_causes};
use crate::table::Column::{Number, Text};
use crate::table::Table;

/// The report of a replay.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Usage of each key, sorted by id.
    usage: Vec<KeyTotal>,
    /// Counted calls of all keys.
    calls: u64,
    /// Skipped calls by reason: `unbilled_status`, `unbilled_route`, `no_api_key_id` and `seen_before`.
    skipped: BTreeMap<&'static str, u64>,
    /// Quarantined lines and records by reason.
    quarantined: BTreeMap<String, Quarantined>,
    /// Files that were read or left out.
    files: Vec<File>,
}

/// The usage of a key.
#[derive(Debug, Serialize, JsonSchema)]
struct KeyTotal {
    /// Id of the customer; left out if the key belongs to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    /// Id of the key.
    api_key_id: String,
    /// Counted calls of the key.
    calls: u64,
}

/// Lines and records in quarantine for one reason.
#[derive(Debug, Serialize, JsonSchema, Default)]
struct Quarantined {
    /// Quarantined lines.
    lines: u64,
    /// Records that are quarantined as a whole, because no line of them can be read.
    records: u64,
    /// Description of one of them.
    example: String,
}

/// A file.
#[derive(Debug, Serialize, JsonSchema)]
struct File {
    /// Path of the file.
    #[serde(rename = "file")]
    name: String,
    /// Result of reading the file.
    status: Status,
    /// Lines that are calls, billed or not.
    calls: u64,
    /// Lines and records that cannot be read.
    unreadable: u64,
    /// Values that are not part of an access log, and were not sent.
    left_out: u64,
    /// Description of problems; absent if there are none.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// Settings of the pass over the quarantine. A short poll could miss messages, so it waits.
const RECEIVING: Receiving = Receiving { wait_s: 1, visibility_timeout_s: 300 };

/// Reasons for skipped calls: the metric, the name in JSON, and the description.
const SKIPS: [(&str, &str, &str); 4] = [
    ("SkippedUnbilledStatus", "unbilled_status", "calls with a status that is not billed"),
    ("SkippedUnbilled", "unbilled_route", "calls of routes and methods that are not billed"),
    ("SkippedNoApiKey", "no_api_key_id", "calls without a key id"),
    ("DuplicateCalls", "seen_before", "lines of calls that were counted before"),
];

impl Report {
    /// Reads the ledger, the metrics and the quarantine.
    pub async fn read(
        stack: &LocalStack,
        files: Vec<FileReport>,
        left_out: Vec<(PathBuf, &'static str)>,
        counted: &Counted,
    ) -> anyhow::Result<Self> {
        let usage = usage_of_all_keys(&stack.ledger_client, USAGE_TABLE)
            .await
            .context("the ledger cannot be read")?;
        let usage: Vec<KeyTotal> = usage
            .into_iter()
            .map(|(MeteredKey { customer_id, api_key_id }, days)| KeyTotal {
                customer_id: customer_id.map(Into::into),
                api_key_id: api_key_id.into(),
                calls: days.values().map(metering_core::usage_history::DayUsage::total).sum(),
            })
            .collect();
        let skipped =
            SKIPS.into_iter().map(|(metric, name, _)| (name, stack.metrics.count(metric))).collect();
        let mut quarantined = quarantined(stack, counted).await?;
        for (reason, quarantined) in &mut quarantined {
            let example =
                files.iter().find_map(|file| Some((file, file.tally.examples.get(reason.as_str())?)));
            if let Some((file, problem)) = example {
                quarantined.example = format!("{} line {}: {}", file.name, problem.line, problem.text);
            }
        }
        let calls = usage.iter().map(|key| key.calls).sum();
        let files =
            files.into_iter().map(File::new).chain(left_out.into_iter().map(File::left_out)).collect();
        Ok(Self { usage, calls, skipped, quarantined, files })
    }

    /// Returns the number of files that could not be read as access logs.
    pub fn unread_files(&self) -> u64 {
        let is_unread = |file: &&File| matches!(file.status, Status::Failed | Status::NotRecognised);
        self.files.iter().filter(is_unread).count() as u64
    }

    /// Prints the report as text.
    pub fn print(&self) -> anyhow::Result<()> {
        use std::io::Write;
        let mut output = stdout();
        let mut table = Table::new([Text("key"), Number("calls")]);
        for key in &self.usage {
            table.row([&key.api_key_id, &key.calls.to_string()])?;
        }
        table.row(["total", &self.calls.to_string()])?;
        table.finish()?;
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
                Status::NotRecognised => "no call was recognized: ",
                Status::LeftOut => "left out: ",
                Status::Read | Status::Empty | Status::Failed => "",
            };
            writeln!(output, "{name}: {words}{detail}")?;
        }
        Ok(())
    }
}

impl File {
    fn new(report: FileReport) -> Self {
        let FileReport { name, status, detail, tally } = report;
        let (calls, unreadable, left_out) = (tally.calls, tally.unreadable, tally.set_aside);
        Self { name, status, calls, unreadable, left_out, detail }
    }

    fn left_out((path, why): (PathBuf, &'static str)) -> Self {
        let name = path.display().to_string();
        Self { name, status: Status::LeftOut, calls: 0, unreadable: 0, left_out: 0, detail: why.to_owned() }
    }
}

/// Reads the quarantine, by reason.
async fn quarantined(stack: &LocalStack, counted: &Counted) -> anyhow::Result<BTreeMap<String, Quarantined>> {
    let config = load_local(&stack.endpoints.aws_endpoint_url, COMMAND_RETRY_POLICY).await;
    let queue =
        QuarantineQueue::new(aws_sdk_sqs::Client::new(&config), &stack.endpoints.quarantine_queue_url);
    let mut quarantined = BTreeMap::new();
    let mut decoder = Decoder::new(Limits::default());
    queue
        .pass(RECEIVING, async |record| {
            add(&record, &mut decoder, counted, &mut quarantined);
            Fate::Leave
        })
        .await
        .context("the quarantine cannot be read")?;
    Ok(quarantined)
}

/// Adds each line of a record under the reason of the line. The reason of the record is that of its first
/// line.
fn add(
    record: &KeptRecord,
    decoder: &mut Decoder,
    counted: &Counted,
    quarantined: &mut BTreeMap<String, Quarantined>,
) {
    let origin = Origin { record_name: "", arrived_at_ms: record.arrived_at_ms };
    let mut lines: Vec<(String, String)> = Vec::new();
    let decoded = decoder.decode(&record.payload, origin, |event| {
        let problem = match &event.call {
            Err(error) => Some((error.reason(), with_causes(error))),
            Ok(call) => counted
                .check(call, record.arrived_at_ms)
                .err()
                .map(|error| (error.reason(), with_causes(&error))),
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
