//! Reads files, one after the other, and tells what each was found to hold.

use indicatif::ProgressBar;
use lambda_support::clock::now_ms;
use serde::Serialize;

use super::packing::Packer;
use super::tally::Tally;
use super::{foreign, forms, table};
use crate::input::open::{Source, text, with_head};
use crate::input::pieces::{MAX_LINE_BYTES, Pieces};

/// Limits of one request, well inside those of `PutRecords`.
const RECORDS_PER_REQUEST: usize = 100;
const BYTES_PER_REQUEST: usize = 4 << 20;
/// How much of a file shows what it is, in bytes.
const HEAD_BYTES: usize = 4 << 10;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has calls.
    Read,
    /// There is nothing in it.
    Empty,
    /// There is no call in what is in it.
    NotRecognised,
    /// It could not be read to its end.
    Failed,
    /// It is left out on purpose.
    LeftOut,
}

/// A file, and what was found in it.
#[derive(Debug)]
pub struct FileReport {
    /// The file.
    pub name: String,
    /// What became of it.
    pub status: Status,
    /// What is to be said of it; empty where all is well.
    pub detail: String,
    /// What it holds.
    pub tally: Tally,
}

/// Records for one request.
#[derive(Debug, Default)]
struct Request {
    records: Vec<Vec<u8>>,
    bytes: usize,
}

/// Reads the files and gives their records to `send`, so many at a time.
///
/// # Errors
/// When `send` fails; what is wrong with a file is in its report.
pub fn read_files(
    sources: &[Source],
    retention_days: u32,
    progress: &ProgressBar,
    mut send: impl FnMut(Vec<Vec<u8>>) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<FileReport>> {
    let mut reports = Vec::new();
    for source in sources {
        progress.set_message(source.to_string());
        let mut request = Request::default();
        let mut sent = Ok(());
        let take = |record: Vec<u8>| {
            request.bytes += record.len();
            request.records.push(record);
            if request.records.len() == RECORDS_PER_REQUEST || request.bytes > BYTES_PER_REQUEST {
                sent = send(std::mem::take(&mut request).records);
                anyhow::ensure!(sent.is_ok(), "the stream does not take the records");
            }
            Ok(())
        };
        let mut packer = Packer::new(now_ms(), retention_days, take);
        let result = read_file(source, progress, &mut packer);
        let tally = std::mem::take(&mut packer.tally);
        drop(packer);
        sent?;
        if !request.records.is_empty() {
            send(request.records)?;
        }
        reports.push(report(source.to_string(), result, tally));
    }
    Ok(reports)
}

/// Reads a file; whether it breaks off in the middle of a document.
fn read_file<T: FnMut(Vec<u8>) -> anyhow::Result<()>>(
    source: &Source,
    progress: &ProgressBar,
    packer: &mut Packer<T>,
) -> anyhow::Result<bool> {
    let (head, whole) = with_head(text(progress.wrap_read(source.open()?)), MAX_LINE_BYTES);
    if let Some(words) = foreign::binary(&head[..head.len().min(HEAD_BYTES)]) {
        packer.tally.set_aside(1, words);
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
            (Status::Failed, format!("it cannot be read on: {error:#}; what came before is counted"))
        }
        Ok(true) => (
            Status::Failed,
            "it breaks off in the middle of a document; what came before is counted".to_owned(),
        ),
        Ok(false) if tally.is_empty() => (Status::Empty, "it is empty".to_owned()),
        Ok(false) if tally.calls == 0 => (Status::NotRecognised, what_it_is(&tally)),
        Ok(false) => (Status::Read, what_is_left(&tally)),
    };
    FileReport { name, status, detail, tally }
}

/// What a file is in which there is no call.
fn what_it_is(tally: &Tally) -> String {
    if tally.unreadable == 0
        && let Some(problem) = &tally.first_set_aside
    {
        return problem.text.clone();
    }
    // What a line or record says of itself is best, unless it is nothing of an access log.
    let told = tally.examples.iter().find(|(reason, _)| !["no-status", "line-not-json"].contains(reason));
    match (told, &tally.sample) {
        (None, Some(sample)) => foreign::text(sample),
        (Some((_, problem)), _) => format!("line {}: {}", problem.line, problem.text),
        (None, None) => "it is nothing of a log".to_owned(),
    }
}

/// What of a file with calls is none.
fn what_is_left(tally: &Tally) -> String {
    let mut parts = Vec::new();
    if let Some(problem) = &tally.first_unreadable {
        let lines = super::report::count(tally.unreadable, "line");
        parts.push(format!("{lines} cannot be read; line {}: {}", problem.line, problem.text));
    }
    if let Some(problem) = &tally.first_set_aside {
        let values = super::report::count(tally.set_aside, "value");
        parts.push(format!("{values} were left out; line {}: {}", problem.line, problem.text));
    }
    parts.join("; ")
}
