//! Checks sample lines of an access log.

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};

use anyhow::{Context, bail};
use local_stack::call_judge::{Judge, Judgement, Outcome};
use schemars::JsonSchema;
use serde::Serialize;

use crate::closed_output::stdout;
use crate::output::{time_text, write_json};

/// Maximum size of a log event, in bytes. Source: CloudWatch Logs quotas, "Event size".
const MAX_LINE_BYTES: u64 = 1 << 20;

/// A line with its predicted processing.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckedLine {
    /// Number of the line, counted from 1.
    pub line: u64,
    #[serde(flatten)]
    pub processing: Processing,
}

/// The predicted processing of a line.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Processing {
    /// `true` if the subscription filter delivers the line.
    delivered: bool,
    /// `true` if the metric `ReadableLines` counts the line.
    readable_line: bool,
    /// Predicted outcome.
    outcome: OutcomeKind,
    /// Id of the key to which the call is billed.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Time of the request, in milliseconds since 1970, of a billed call.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_at_ms: Option<i64>,
    /// Reason why the call is not billed, or reason of the quarantine as a stable word.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Description of the problem of a quarantined, lost or ignored line.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// The predicted outcome of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OutcomeKind {
    /// The call is billed.
    Billed,
    /// The call is not billed, as intended.
    NotBilled,
    /// The line goes to quarantine.
    Quarantined,
    /// The line may belong to a billable call, and is not delivered.
    Lost,
    /// The line is not a call, and is not delivered.
    Ignored,
}

impl Processing {
    pub fn new(judgement: &Judgement) -> Self {
        let Judgement { delivered, readable_line, outcome, .. } = judgement;
        let (delivered, readable_line) = (*delivered, *readable_line);
        let new = |outcome| Self {
            delivered,
            readable_line,
            outcome,
            key: None,
            requested_at_ms: None,
            reason: None,
            detail: None,
        };
        match outcome.clone() {
            Outcome::Billed { key, requested_at_ms, .. } => {
                Self { key: Some(key), requested_at_ms: Some(requested_at_ms), ..new(OutcomeKind::Billed) }
            }
            Outcome::NotBilled { reason } => {
                Self { reason: Some(reason.to_owned()), ..new(OutcomeKind::NotBilled) }
            }
            Outcome::Quarantined { reason, detail } => Self {
                reason: Some(reason.to_owned()),
                detail: Some(detail),
                ..new(OutcomeKind::Quarantined)
            },
            Outcome::Lost { detail } => Self { detail: Some(detail), ..new(OutcomeKind::Lost) },
            Outcome::Ignored { detail } => Self { detail: Some(detail), ..new(OutcomeKind::Ignored) },
        }
    }
}

/// The last line of the output.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SummaryLine {
    /// Counts of all lines.
    summary: Summary,
}

/// Counts of all lines.
#[derive(Debug, Default, Serialize, JsonSchema, PartialEq, Eq)]
struct Summary {
    /// Lines that were checked.
    lines: u64,
    /// Lines that the subscription filter delivers.
    delivered: u64,
    /// Lines of billed calls.
    billed: u64,
    /// Lines of calls that are not billed, as intended.
    not_billed: u64,
    /// Lines that go to quarantine.
    quarantined: u64,
    /// Lines that may belong to billable calls, and are not delivered.
    lost: u64,
    /// Lines that are not calls, and are not delivered.
    ignored: u64,
    /// Value of the metric `LoggedLines`.
    logged_lines: u64,
    /// Value of the metric `ReadableLines`.
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

/// Checks lines, and prints the predicted outcome of each line and a summary.
pub fn check(mut reader: Box<dyn BufRead>, mut judge: Judge, json: bool) -> anyhow::Result<()> {
    let mut output = std::io::BufWriter::new(stdout());
    let mut summary = Summary::default();
    let mut number = 0;
    while let Some(line) = next_line(&mut reader)? {
        number += 1;
        if line.trim().is_empty() {
            continue;
        }
        let judgement = judge.judge(line.trim_end());
        summary.add(&judgement);
        if json {
            write_json(&mut output, &CheckedLine { line: number, processing: Processing::new(&judgement) })?;
        } else {
            let delivered = if judgement.delivered { "delivered" } else { "not delivered" };
            writeln!(output, "line {number}: {delivered}, {}", describe(&judgement.outcome))?;
        }
    }
    let (lines, lost, quarantined) = (summary.lines, summary.lost, summary.quarantined);
    if json {
        write_json(&mut output, &SummaryLine { summary })?;
    } else {
        print(&summary, &mut output)?;
    }
    output.flush()?;
    if lost + quarantined > 0 {
        bail!(
            "of {lines} lines, {lost} would be lost and {quarantined} could not be counted; check the access-log format in which they are written"
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

/// Reads the next line.
///
/// # Errors
/// When the line is longer than a log event can be.
pub fn next_line(reader: &mut Box<dyn BufRead>) -> anyhow::Result<Option<String>> {
    let mut line = Vec::new();
    reader
        .take(MAX_LINE_BYTES + 2)
        .read_until(b'\n', &mut line)
        .context("the rest of the file cannot be read")?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.trim_ascii_end().len() as u64 > MAX_LINE_BYTES {
        bail!(
            "a line has more than {MAX_LINE_BYTES} bytes, the maximum size of a log event; is this a log file?"
        );
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// Describes the outcome of a line.
pub fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Billed { key, requested_at_ms, .. } => {
            format!("billed to {key} at {}", time_text(*requested_at_ms))
        }
        Outcome::NotBilled { reason } => format!("not billed: {reason}"),
        Outcome::Quarantined { detail, .. } => format!("quarantined: {detail}"),
        Outcome::Lost { detail } => format!("lost: {detail}"),
        Outcome::Ignored { detail } => format!("not a call: {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_line_is_a_mebibyte_at_most() {
        let read = |bytes: u64| {
            let line = "x".repeat(usize::try_from(bytes).unwrap()) + "\n";
            let mut reader: Box<dyn BufRead> = Box::new(Cursor::new(line.into_bytes()));
            next_line(&mut reader)
        };
        assert!(read(MAX_LINE_BYTES).unwrap().is_some());
        assert!(read(MAX_LINE_BYTES + 1).unwrap_err().to_string().contains("is this a log file?"));
    }
}
