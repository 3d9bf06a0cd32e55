//! Reads files one after the other, and reports the content of each.

use std::io::Read;

use indicatif::ProgressBar;
use schemars::JsonSchema;
use serde::Serialize;
use system_clock::now_ms;

use super::packing::Packer;
use super::tally::{Counted, Tally};
use super::{foreign, forms, table};
use crate::input::open::{Source, text, with_head};
use crate::input::pieces::{MAX_LINE_BYTES, Pieces};
use crate::output::count;

/// Maximum numbers of records and bytes in one request, well below the limits of `PutRecords`.
const RECORDS_PER_REQUEST: usize = 100;
const BYTES_PER_REQUEST: usize = 4 << 20;
/// Number of bytes by which the kind of a file is recognized.
const HEAD_BYTES: usize = 4 << 10;

/// The result of reading a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The file has calls.
    Read,
    /// The file is empty.
    Empty,
    /// The file has no call.
    NotRecognised,
    /// The file could not be read to its end.
    Failed,
    /// The file is excluded on purpose.
    LeftOut,
}

/// A file and its content.
#[derive(Debug)]
pub struct FileReport {
    pub name: String,
    pub status: Status,
    /// Description of problems; empty if there are none.
    pub detail: String,
    pub tally: Tally,
}

/// Records for one request.
#[derive(Debug, Default)]
struct Request {
    records: Vec<Vec<u8>>,
    bytes: usize,
}

/// Reads the files and passes their records to `send`, in requests of limited size.
///
/// # Errors
/// When `send` fails. The report of a file has the problems of the file.
pub fn read_files(
    sources: &[Source],
    counted: &Counted,
    progress: &ProgressBar,
    mut send: impl FnMut(Vec<Vec<u8>>) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<FileReport>> {
    let mut reports = Vec::new();
    for source in sources {
        progress.set_message(source.to_string());
        let mut request = Request::default();
        let mut sent = Ok(());
        let add = |record: Vec<u8>| {
            request.bytes += record.len();
            request.records.push(record);
            if request.records.len() == RECORDS_PER_REQUEST || request.bytes > BYTES_PER_REQUEST {
                sent = send(std::mem::take(&mut request).records);
                anyhow::ensure!(sent.is_ok(), "the stream does not accept the records");
            }
            Ok(())
        };
        let (result, tally) = match source.open() {
            Ok(file) => read_content(progress.wrap_read(file), now_ms(), counted.clone(), add),
            Err(error) => (Err(error.into()), Tally::default()),
        };
        sent?;
        if !request.records.is_empty() {
            send(request.records)?;
        }
        reports.push(report(source.to_string(), result, tally));
    }
    Ok(reports)
}

/// Reads the content of a file that is read at `now_ms`, in milliseconds since 1970, and passes its records to
/// `send`. The result is `true` if the content ends within a document.
pub fn read_content(
    content: impl Read + 'static,
    now_ms: i64,
    counted: Counted,
    send: impl FnMut(Vec<u8>) -> anyhow::Result<()>,
) -> (anyhow::Result<bool>, Tally) {
    let mut packer = Packer::new(now_ms, counted, send);
    let result = read_text(content, &mut packer);
    (result, packer.tally)
}

fn read_text<T: FnMut(Vec<u8>) -> anyhow::Result<()>>(
    content: impl Read + 'static,
    packer: &mut Packer<T>,
) -> anyhow::Result<bool> {
    let (head, whole) = with_head(text(content), MAX_LINE_BYTES);
    if let Some(advice) = foreign::binary(&head[..head.len().min(HEAD_BYTES)]) {
        packer.tally.set_aside(1, advice);
        return Ok(false);
    }
    if let Some(separator) = table::separator(&head) {
        let read = table::read(whole, separator, packer);
        packer.flush()?;
        return read.map(|()| false);
    }
    let mut pieces = Pieces::new(whole);
    let read = read_pieces(&mut pieces, packer);
    packer.flush()?;
    read.map(|()| pieces.is_cut())
}

fn read_pieces<T: FnMut(Vec<u8>) -> anyhow::Result<()>>(
    pieces: &mut Pieces,
    packer: &mut Packer<T>,
) -> anyhow::Result<()> {
    while let Some(piece) = pieces.next_piece()? {
        forms::read(&piece, packer)?;
    }
    Ok(())
}

fn report(name: String, result: anyhow::Result<bool>, tally: Tally) -> FileReport {
    let (status, detail) = match result {
        Err(error) => {
            (Status::Failed, format!("the rest cannot be read: {error:#}; the calls before it are counted"))
        }
        Ok(true) => {
            (Status::Failed, "the file ends within a document; the calls before it are counted".to_owned())
        }
        Ok(false) if tally.is_empty() => (Status::Empty, "it is empty".to_owned()),
        Ok(false) if tally.calls == 0 => (Status::NotRecognised, describe_without_calls(&tally)),
        Ok(false) => (Status::Read, describe_problems(&tally)),
    };
    FileReport { name, status, detail, tally }
}

/// Describes a file without calls.
fn describe_without_calls(tally: &Tally) -> String {
    if tally.unreadable == 0
        && let Some(problem) = &tally.first_set_aside
    {
        return problem.text.clone();
    }
    // The problem of a line is more specific than the kind of the file, unless the line is not of an access
    // log.
    let specific = tally.examples.iter().find(|(reason, _)| !["no-status", "line-not-json"].contains(reason));
    match (specific, &tally.sample) {
        (None, Some(sample)) => foreign::text(sample),
        (Some((_, problem)), _) => format!("line {}: {}", problem.line, problem.text),
        (None, None) => "it is not a log".to_owned(),
    }
}

/// Describes the parts of a file with calls that are not calls.
fn describe_problems(tally: &Tally) -> String {
    let mut parts = Vec::new();
    if let Some(problem) = &tally.first_unreadable {
        let lines = count(tally.unreadable, "line");
        parts.push(format!("{lines} cannot be read; line {}: {}", problem.line, problem.text));
    }
    if let Some(problem) = &tally.first_set_aside {
        let values = count(tally.set_aside, "value");
        parts.push(format!("{values} left out; line {}: {}", problem.line, problem.text));
    }
    parts.join("; ")
}
