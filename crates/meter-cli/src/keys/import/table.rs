//! Keys in CSV.

use anyhow::{Context, bail};
use serde_json::Value;

use super::fields::{DOCUMENTED_NAMES, Field, field};
use super::values::{Cell, DescribedRow, File, Row};

/// Supported separators. Excel writes semicolons in locales whose decimal separator is a comma.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// Reads a table with a header. Lines end with `\n`.
///
/// # Errors
/// When the first line does not name the columns.
pub fn read(text: &str) -> anyhow::Result<File> {
    let (text, lines_before, named) = without_preamble(text);
    let separator = named.unwrap_or_else(|| {
        separator_of(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default())
    });
    let mut format = csv::ReaderBuilder::new();
    format.delimiter(u8::try_from(separator)?).flexible(true).trim(csv::Trim::All);
    let mut reader = format.from_reader(text.as_bytes());
    let header = reader.headers().context("its first line is not CSV")?.clone();
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
    if let Some(last) = file.rows.last_mut()
        && ends_within_quotes(&mut format, &text[lines.offset..])
    {
        last.key = Err("it ends within quotes, so the file may be incomplete".to_owned());
    }
    Ok(file)
}

/// Returns `true` if a line behind the last record would be part of it.
fn ends_within_quotes(format: &mut csv::ReaderBuilder, last_record: &str) -> bool {
    let with_line = format!("{last_record}\n-");
    format.has_headers(false).from_reader(with_line.as_bytes()).records().count() == 1
}

/// Removes a first line that names the separator (`sep=;`, which Excel reads) or a type (`#TYPE`, which
/// Windows PowerShell writes). Returns the rest, the number of removed lines, and the separator.
fn without_preamble(text: &str) -> (&str, usize, Option<char>) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(separator) = first.trim().strip_prefix("sep=") {
        return (rest, 1, separator.chars().next().filter(char::is_ascii));
    }
    if first.starts_with("#TYPE") { (rest, 1, None) } else { (text, 0, None) }
}

/// Returns the separator that occurs most often in a header.
fn separator_of(header: &str) -> char {
    let count = |separator: &char| header.chars().filter(|c| c == separator).count();
    // If two separators occur equally often, the first of the list is taken.
    SEPARATORS.into_iter().rev().max_by_key(count).unwrap_or(',')
}

fn check_header(header: &csv::StringRecord, fields: &[Option<Field>]) -> anyhow::Result<()> {
    let has = |field: Field| fields.contains(&Some(field));
    if !(has(Field::KeyId) || has(Field::Sha256) || has(Field::Secret)) {
        bail!(
            "its first line does not name the columns; sha256 or api_key is required, and the names are {DOCUMENTED_NAMES}"
        );
    }
    for (place, field) in fields.iter().enumerate() {
        let again = fields[..place].iter().position(|before| before.is_some() && before == field);
        if let Some(before) = again.filter(|_| !matches!(field, Some(Field::Ignored | Field::Owner))) {
            bail!(
                "its columns {:?} and {:?} are the same field; remove one",
                &header[before],
                &header[place]
            );
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
    if record == header {
        return Err("it repeats the header; remove it".to_owned());
    }
    if record.iter().any(|cell| cell.starts_with("=\"")) {
        return Err("it has a formula of a spreadsheet, such as =\"text\"; write the text alone".to_owned());
    }
    let values: Vec<Value> = record.iter().map(Value::from).collect();
    let cells = header.iter().zip(fields).zip(&values);
    let cells = cells.filter_map(|((name, field), value)| Some(Cell { field: (*field)?, name, value }));
    // An empty cell is not an owner.
    let cells: Vec<Cell<'_>> =
        cells.filter(|cell| cell.field != Field::Owner || cell.value != &Value::from("")).collect();
    DescribedRow::read(&cells)
}

/// Finds the line numbers of records. The records have to be given in order.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl Lines<'_> {
    /// Returns the line of the record at this offset. Blank lines may precede it.
    fn line_of(&mut self, offset: usize) -> usize {
        let bytes = self.text.as_bytes();
        let blank = bytes[offset.min(bytes.len())..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
        let start = (offset + blank.count()).clamp(self.offset, bytes.len());
        self.line += memchr::memchr_iter(b'\n', &bytes[self.offset..start]).count();
        self.offset = start;
        self.line
    }
}
