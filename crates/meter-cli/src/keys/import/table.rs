//! Rows of CSV, with whatever separator.

use anyhow::{Context, bail};
use serde_json::Value;

use super::fields::{Field, WRITTEN, field};
use super::rows::{File, Row};
use super::values::{Cell, DescribedRow};

/// The separators that are looked for. Excel writes semicolons where a comma is the decimal sign.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// Reads a table with a header. Its lines end with `\n`.
///
/// # Errors
/// When its header is none.
pub fn read(text: &str) -> anyhow::Result<File> {
    let (text, lines_before, named) = without_preamble(text);
    let separator = named.unwrap_or_else(|| {
        separator_of(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default())
    });
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(u8::try_from(separator)?)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().context("its header line is no CSV")?.clone();
    let fields: Vec<Option<Field>> = header.iter().map(field).collect();
    check_header(&header, &fields)?;
    let unknown = header.iter().zip(&fields).filter(|(name, field)| field.is_none() && !name.is_empty());
    let mut file = File { unknown: unknown.map(|(name, _)| name.to_owned()).collect(), ..File::default() };
    let mut lines = Lines { text, offset: 0, line: lines_before + 1 };
    for record in reader.records() {
        let record = record?;
        let offset = record.position().map_or(0, csv::Position::byte);
        let line = lines.line_of(usize::try_from(offset)?);
        if record.iter().all(str::is_empty) {
            continue;
        }
        file.rows.push(Row { line, key: key_of(&header, &fields, &record) });
    }
    Ok(file)
}

/// Takes off the line that names the separator, which Excel reads, and the
/// line that names a type, which Windows PowerShell writes. Returns how many.
fn without_preamble(text: &str) -> (&str, usize, Option<char>) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(separator) = first.trim().strip_prefix("sep=") {
        return (rest, 1, separator.chars().next().filter(char::is_ascii));
    }
    if first.starts_with("#TYPE") { (rest, 1, None) } else { (text, 0, None) }
}

/// The separator that a header has most of.
fn separator_of(header: &str) -> char {
    let count = |separator: &char| header.chars().filter(|c| c == separator).count();
    // Of equally many the first is taken.
    SEPARATORS.into_iter().rev().max_by_key(count).unwrap_or(',')
}

fn check_header(header: &csv::StringRecord, fields: &[Option<Field>]) -> anyhow::Result<()> {
    let has = |field: Field| fields.contains(&Some(field));
    if !(has(Field::KeyId) || has(Field::Sha256) || has(Field::Secret)) {
        bail!(
            "its first line does not name the columns; there has to be sha256 or api_key, and the names are {WRITTEN}"
        );
    }
    for (place, field) in fields.iter().enumerate() {
        let again = fields[..place].iter().position(|before| before.is_some() && before == field);
        if let Some(before) = again.filter(|_| !matches!(field, Some(Field::Beside | Field::Owner))) {
            bail!("its columns {:?} and {:?} say the same; leave one out", &header[before], &header[place]);
        }
    }
    Ok(())
}

fn key_of(
    header: &csv::StringRecord,
    fields: &[Option<Field>],
    record: &csv::StringRecord,
) -> Result<DescribedRow, String> {
    let beyond = record.iter().skip(header.len()).any(|cell| !cell.is_empty());
    if record.len() < header.len() || beyond {
        return Err(format!("it does not have the {} columns of the header", header.len()));
    }
    if header.iter().zip(record).any(|(name, cell)| name.is_empty() && !cell.is_empty()) {
        return Err("it has a value in a column without a name".to_owned());
    }
    let values: Vec<Value> = record.iter().map(Value::from).collect();
    let cells = header.iter().zip(fields).zip(&values);
    let cells = cells.filter_map(|((name, field), value)| Some(Cell { field: (*field)?, name, value }));
    // An empty cell names no owner.
    let cells: Vec<Cell<'_>> =
        cells.filter(|cell| cell.field != Field::Owner || cell.value != &Value::from("")).collect();
    DescribedRow::read(&cells)
}

/// Finds the lines of records, which come in order.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of the record that is read from this offset on; blank lines may come first.
    fn line_of(&mut self, offset: usize) -> usize {
        let bytes = self.text.as_bytes();
        let blank = bytes[offset.min(bytes.len())..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
        let start = (offset + blank.count()).clamp(self.offset, bytes.len());
        self.line += memchr::memchr_iter(b'\n', &bytes[self.offset..start]).count();
        self.offset = start;
        self.line
    }
}
