//! Checks sample lines of an access log.

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde::Serialize;

use super::judge::{Judge, Judgement, Outcome};

/// The longest event that CloudWatch Logs takes, in bytes. Source: CloudWatch Logs quotas, "Event size".
const MAX_LINE_BYTES: u64 = 1 << 20;

/// A line, judged.
#[derive(Serialize)]
struct Judged {
    /// Counted from 1.
    line: u64,
    #[serde(flatten)]
    judgement: Judgement,
}

/// All lines together.
#[derive(Debug, Default, Serialize, PartialEq, Eq)]
struct Summary {
    lines: u64,
    delivered: u64,
    billed: u64,
    not_billed: u64,
    quarantined: u64,
    lost: u64,
    ignored: u64,
    /// What the metrics of the same names would be.
    logged_lines: u64,
    readable_lines: u64,
    /// Billed calls by key.
    keys: BTreeMap<String, u64>,
}

impl Summary {
    fn add(&mut self, judgement: &Judgement) {
        self.lines += 1;
        self.logged_lines += 1;
        self.readable_lines += u64::from(judgement.readable_line);
        self.delivered += u64::from(judgement.delivered);
        let count = match &judgement.outcome {
            Outcome::Billed { key, .. } => {
                *self.keys.entry(key.clone()).or_default() += 1;
                &mut self.billed
            }
            Outcome::NotBilled { .. } => &mut self.not_billed,
            Outcome::Quarantined { .. } => &mut self.quarantined,
            Outcome::Lost { .. } => &mut self.lost,
            Outcome::Ignored { .. } => &mut self.ignored,
        };
        *count += 1;
    }
}

/// Checks lines and prints what becomes of each, and of all.
pub fn check(mut reader: Box<dyn BufRead>, mut judge: Judge, json: bool) -> anyhow::Result<()> {
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let mut summary = Summary::default();
    let mut number = 0;
    while let Some(line) = next_line(&mut reader)? {
        number += 1;
        if line.trim().is_empty() {
            continue;
        }
        let judgement = judge.line(line.trim_end());
        summary.add(&judgement);
        if json {
            writeln!(output, "{}", serde_json::to_string(&Judged { line: number, judgement })?)?;
        } else {
            let delivered = if judgement.delivered { "delivered" } else { "not delivered" };
            writeln!(output, "line {number}: {delivered}, {}", described(&judgement.outcome))?;
        }
    }
    if json {
        writeln!(output, "{}", serde_json::json!({"summary": summary}))?;
    } else {
        print(&summary, &mut output)?;
    }
    output.flush()?;
    if summary.lost + summary.quarantined > 0 {
        bail!(
            "of {} lines {} would be lost and {} could not be counted; check the access-log format that they are written in",
            summary.lines,
            summary.lost,
            summary.quarantined
        );
    }
    Ok(())
}

fn print(summary: &Summary, output: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        output,
        "{} lines: {} delivered, {} billed, {} not billed, {} quarantined, {} lost, {} ignored",
        summary.lines,
        summary.delivered,
        summary.billed,
        summary.not_billed,
        summary.quarantined,
        summary.lost,
        summary.ignored
    )?;
    writeln!(output, "LoggedLines {}, ReadableLines {}", summary.logged_lines, summary.readable_lines)?;
    for (key, calls) in &summary.keys {
        writeln!(output, "  {key} {calls}")?;
    }
    Ok(())
}

/// The next line. One that is longer than an event can be is an error, since
/// CloudWatch Logs would not hold it.
fn next_line(reader: &mut Box<dyn BufRead>) -> anyhow::Result<Option<String>> {
    let mut line = Vec::new();
    reader.take(MAX_LINE_BYTES + 2).read_until(b'\n', &mut line).context("the file cannot be read on")?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.trim_ascii_end().len() as u64 > MAX_LINE_BYTES {
        bail!(
            "a line has more than {MAX_LINE_BYTES} bytes, which no log event can have; is this a log file?"
        );
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// What a line comes to, for a person.
pub fn described(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Billed { key, requested_at_ms } => {
            let time = Timestamp::from_millisecond(*requested_at_ms);
            format!(
                "billed to {key} at {}",
                time.map_or_else(|_| requested_at_ms.to_string(), |time| time.to_string())
            )
        }
        Outcome::NotBilled { reason } => format!("not billed: {reason}"),
        Outcome::Quarantined { detail, .. } => format!("quarantined: {detail}"),
        Outcome::Lost { detail } => format!("lost: {detail}"),
        Outcome::Ignored { detail } => format!("no call: {detail}"),
    }
}
