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
pub fn read(text: impl BufRead, separator: u8, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text);
    let header: Vec<String> =
        reader.headers()?.iter().map(|column| field_name(column.trim()).to_owned()).collect();
    for row in reader.byte_records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
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
