//! Calls as rows of CSV: exports of CloudWatch Logs and Logs Insights, and results of Athena.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::insights::{are_columns, field_name, fields_of_row};
use super::sink::Sink;

/// Supported separators.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// Detects the separator of a table by its header; `None` if the text is not a table of calls.
pub fn separator(head: &[u8]) -> Option<u8> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    if line.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    SEPARATORS.into_iter().find(|separator| {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(*separator).trim(csv::Trim::All).from_reader(line);
        reader.headers().is_ok_and(|header| are_columns(&header.iter().collect::<Vec<_>>()))
    })
}

/// Reads all rows.
///
/// # Errors
/// When the text cannot be read, or the sink fails.
pub fn read(mut text: impl BufRead, separator: u8, sink: &mut dyn Sink) -> anyhow::Result<()> {
    // The reader takes the line feed of CRLF for the beginning of the next row.
    let header_line = text.fill_buf()?.split(|byte| *byte == b'\n').next();
    let lines_behind = u64::from(header_line.is_some_and(|line| line.ends_with(b"\r")));
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text);
    let header: Vec<String> =
        reader.headers()?.iter().map(|column| field_name(column.trim()).to_owned()).collect();
    for row in reader.byte_records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line) + lines_behind;
        if row.len() > header.len() {
            sink.set_aside(
                line,
                format!("the row has {} columns and the header {}", row.len(), header.len()),
            );
            continue;
        }
        let cells = header.iter().zip(&row).filter(|(_, cell)| !cell.is_empty());
        let fields: Map<String, Value> =
            cells.map(|(name, cell)| (name.clone(), Value::from(String::from_utf8_lossy(cell)))).collect();
        if !fields.is_empty() {
            fields_of_row(fields, line, sink)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::packing::Event;
    use super::*;

    #[derive(Default)]
    struct Lines(Vec<u64>);

    impl Sink for Lines {
        fn event(&mut self, _: Event<'_>, line: u64) -> anyhow::Result<()> {
            self.0.push(line);
            Ok(())
        }

        fn record(&mut self, _: Vec<u8>, _: u64) -> anyhow::Result<()> {
            unreachable!("a table has no records")
        }

        fn set_aside(&mut self, line: u64, _: String) {
            self.0.push(line);
        }
    }

    #[test]
    fn a_row_has_the_number_of_its_line_whatever_ends_it() {
        for end in ["\n", "\r\n"] {
            let mut lines = Lines::default();
            let text = ["apiKeyId,status,time", "k,200,1", "k,200,2", "k,200,3,4", ""].join(end);
            read(text.as_bytes(), b',', &mut lines).unwrap();
            assert_eq!(lines.0, [2, 3, 4], "{end:?}");
        }
    }
}
