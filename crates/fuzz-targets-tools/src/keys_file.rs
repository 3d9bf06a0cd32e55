//! Files of keys for `meter keys import`.
//!
//! - A file is read or refused, in the detected format and in each format by name.
//! - The lines of its rows ascend, and are lines of the file.
//! - The problem of a row quotes nothing that may be a secret.
//! - The ends of lines, and compression, change nothing.

use std::io::Write;

use meter_cli::keys::import::Format;
use meter_cli::keys::import::fields::field;
use meter_cli::keys::import::repeats::reject_contradictions;
use meter_cli::keys::import::rows::read;
use meter_cli::keys::import::values::{DescribedRow, File};

/// Minimum length of a word that may be a secret. The words of messages are shorter.
const SECRET_CHARACTERS: usize = 14;

/// Checks the content of a file.
pub fn check(input: &[u8]) {
    for format in [None, Some(Format::Csv), Some(Format::Jsonl)] {
        let Ok(file) = read(input, format) else { continue };
        check_rows(input, &file);
        check_same(&read(&access_log::envelope_writer::gzip(input), format), &file);
        let mut marked = vec![];
        // Writing into memory does not fail.
        let _ = marked.write_all(b"\xef\xbb\xbf").and_then(|()| marked.write_all(input));
        if is_plain(input) {
            check_same(&read(&marked, format), &file);
            let with_returns = String::from_utf8_lossy(input).replace('\n', "\r\n");
            check_same(&read(with_returns.as_bytes(), format), &file);
        }
        let File { mut rows, .. } = file;
        reject_contradictions(&mut rows);
    }
}

/// Returns `true` for UTF-8 without a byte order mark, a null or a carriage return.
fn is_plain(input: &[u8]) -> bool {
    std::str::from_utf8(input).is_ok_and(|text| !text.contains(['\u{feff}', '\0', '\r']))
        && !input.starts_with(b"\x1f\x8b")
}

fn check_rows(input: &[u8], file: &File) {
    let line_count = input.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    let text = String::from_utf8_lossy(input);
    let is_readable_text = std::str::from_utf8(input).is_ok();
    let mut line_before = 0;
    for row in &file.rows {
        assert!(row.line >= line_before, "lines ascend");
        line_before = row.line;
        assert!(!is_readable_text || (1..=line_count).contains(&row.line), "line {}", row.line);
        match &row.key {
            Ok(key) => assert!(!key.id().is_empty()),
            Err(problem) => check_problem(problem, &text),
        }
    }
}

fn check_problem(problem: &str, text: &str) {
    for word in problem.split(|character: char| !character.is_ascii_alphanumeric()) {
        let is_secret = word.len() >= SECRET_CHARACTERS && field(word).is_none() && text.contains(word);
        assert!(!is_secret, "a problem quotes nothing: {problem}");
    }
}

fn check_same(other: &anyhow::Result<File>, file: &File) {
    let keys = |file: &File| -> Vec<(usize, Option<DescribedRow>)> {
        file.rows.iter().map(|row| (row.line, row.key.as_ref().ok().cloned())).collect()
    };
    match other {
        Ok(other) => assert_eq!(keys(other), keys(file)),
        Err(error) => panic!("a file that is read is read in another encoding: {error:#}"),
    }
}
