//! The limits of every input and collection: `docs/LIMITS.md`.

mod constant;
mod rows;

use std::fmt::Write;

use deployment::environment::Number;

use crate::repository::{File, repository};
#[cfg(test)]
pub use rows::OTHERS;
pub use rows::SECTIONS;

const DOCUMENT: &str = "docs/LIMITS.md";

/// A part of the system, with its limits.
pub struct Section {
    title: &'static str,
    /// An introduction; may be empty.
    text: &'static str,
    pub rows: &'static [Row],
}

/// A row of the table.
pub struct Row {
    /// The input or collection: a noun phrase.
    what: &'static str,
    pub limit: Limit,
    /// The unit: `bytes`, `ms`, or a noun in the plural.
    unit: &'static str,
    /// The effect of one more.
    past: &'static str,
    /// The test that goes one past the limit: `FILE::FUNCTION`.
    pub test: &'static str,
}

/// The place where a limit is set.
pub enum Limit {
    /// A constant of a source: the path from the root of the repository, and the name.
    Constant(&'static str, &'static str),
    /// The default of a setting of a function.
    Setting(Number),
}

impl Limit {
    /// Returns the value that the code has.
    ///
    /// # Panics
    /// Panics if the source cannot be read, or does not declare the constant.
    fn value(&self) -> u64 {
        match self {
            Self::Constant(path, name) => {
                let source = std::fs::read_to_string(repository().join(path));
                let source = source.unwrap_or_else(|error| panic!("{path} cannot be read: {error}"));
                constant::value(&source, name).unwrap_or_else(|problem| panic!("{path}: {problem}"))
            }
            Self::Setting(setting) => setting.default.into(),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Constant(path, name) => format!("[`{name}`](../{path})"),
            Self::Setting(setting) => {
                format!(
                    "setting `{}`, {} to {}",
                    setting.name,
                    grouped(setting.min.into()),
                    grouped(setting.max.into())
                )
            }
        }
    }
}

/// Returns the document of all limits.
pub fn document() -> File {
    let mut content = include_str!("introduction.md").to_owned();
    for Section { title, text, rows } in SECTIONS {
        let _ = write!(content, "\n## {title}\n\n");
        if !text.is_empty() {
            let _ = write!(content, "{text}\n\n");
        }
        content += "| input or collection | limit | set by | one past it | test |\n| --- | --- | --- | --- | --- |\n";
        for row in *rows {
            let (file, test) = row.test.split_once("::").unwrap_or((row.test, ""));
            let (what, past) = (row.what, row.past);
            let (limit, place) = (amount(row.limit.value(), row.unit), row.limit.place());
            let _ = writeln!(content, "| {what} | {limit} | {place} | {past} | [`{test}`](../{file}) |");
        }
    }
    File { path: DOCUMENT, content }
}

/// Returns a value with its unit, in the largest unit of which it is a multiple.
fn amount(value: u64, unit: &str) -> String {
    let larger: &[(u64, &str)] = match unit {
        "bytes" => &[(1 << 20, "MiB"), (1 << 10, "KiB")],
        "ms" => &[(86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"), (1_000, "s")],
        _ => &[],
    };
    let whole = larger.iter().find(|(size, _)| value > 0 && value.is_multiple_of(*size));
    match whole {
        Some((size, "days")) if value == *size => "1 day".to_owned(),
        Some((size, "hours")) if value == *size => "1 hour".to_owned(),
        Some((size, name)) => format!("{} {name}", grouped(value / size)),
        None => format!("{} {unit}", grouped(value)),
    }
}

/// Returns a number with a comma before each group of three digits.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_in_its_largest_whole_unit() {
        for (value, unit, expected) in [
            (256, "bytes", "256 bytes"),
            (180 << 10, "bytes", "180 KiB"),
            (32 << 20, "bytes", "32 MiB"),
            (1_000_000, "bytes", "1,000,000 bytes"),
            (3_600_000, "ms", "1 hour"),
            (34_560_000_000, "ms", "400 days"),
            (1_500, "ms", "1,500 ms"),
            (131_072, "events", "131,072 events"),
        ] {
            assert_eq!(amount(value, unit), expected);
        }
    }
}
