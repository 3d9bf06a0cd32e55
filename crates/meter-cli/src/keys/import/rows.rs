//! The rows of a file of keys. Problems are told without quoting a value: it
//! may be a secret.

use std::collections::BTreeMap;

use anyhow::Context;
use metering_core::api_key::{KeyDigest, KeyRecord};
use serde_json::{Map, Value};

use super::Format;
use crate::keys::duration::time_ms;
use crate::keys::fields::check_key_id;

/// A row, read or rejected.
pub struct Row {
    /// The line that it stands in.
    pub line: usize,
    /// The key, or what is wrong with it.
    pub key: Result<KeyRecord, String>,
}

/// The names that a row may have.
const NAMES: [&str; 9] =
    ["api_key_id", "owner", "name", "plan", "monthly_limit", "expires_at", "labels", "sha256", "api_key"];

/// Reads the rows of a file.
///
/// # Errors
/// When the file as a whole cannot be read; a bad row is in the answer.
pub fn read_rows(text: &str, format: Format) -> anyhow::Result<Vec<Row>> {
    match format {
        Format::Jsonl => Ok(json_rows(text)),
        Format::Csv => csv_rows(text),
    }
}

fn json_rows(text: &str) -> Vec<Row> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let row = |(index, line): (usize, &str)| {
        let key = match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(members)) => key_of(&members),
            Ok(_) => Err("it is no JSON object".to_owned()),
            // The library's words may quote the line.
            Err(error) => Err(format!("it is no JSON, from column {} on", error.column())),
        };
        Row { line: index + 1, key }
    };
    lines.map(row).collect()
}

fn csv_rows(text: &str) -> anyhow::Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().context("its header line is no CSV")?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                let key = Err(format!("it does not have the {} columns of the header", header.len()));
                rows.push(Row { line: usize::try_from(line)?, key });
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let cells = header.iter().zip(&record).filter(|(_, cell)| !cell.is_empty());
        let members = cells.map(|(name, cell)| (name.to_owned(), Value::from(cell))).collect();
        rows.push(Row { line: usize::try_from(line)?, key: key_of(&members) });
    }
    Ok(rows)
}

fn key_of(members: &Map<String, Value>) -> Result<KeyRecord, String> {
    if let Some(name) = members.keys().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(format!("there is no field {name:?}; the fields are {}", NAMES.join(", ")));
    }
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{name} is not a text")),
    };
    let digest = digest(text("sha256")?, text("api_key")?)?;
    let key_id = text("api_key_id")?.map_or_else(|| derived_id(&digest), str::to_owned);
    check_key_id(&key_id).map_err(|problem| problem.to_string())?;
    let owner = text("owner")?.filter(|owner| !owner.is_empty()).ok_or("it has no owner")?;
    let expires_at_ms = text("expires_at")?.map(time_ms).transpose()?;
    Ok(KeyRecord {
        key_id,
        owner: owner.to_owned(),
        name: text("name")?.unwrap_or_default().to_owned(),
        plan: text("plan")?.unwrap_or_default().to_owned(),
        monthly_limit: monthly_limit(members.get("monthly_limit"))?,
        expires_at_ms,
        labels: labels(members.get("labels"))?,
        digest: Some(digest),
        ..KeyRecord::default()
    })
}

fn digest(sha256: Option<&str>, api_key: Option<&str>) -> Result<KeyDigest, String> {
    match (sha256, api_key) {
        (Some(sha256), None) => sha256.parse().map_err(|_| "sha256 is not 64 hexadecimal digits".to_owned()),
        (None, Some(secret)) => KeyDigest::of_secret(secret).map_err(|problem| problem.to_string()),
        (Some(_), Some(_)) => Err("it has both sha256 and api_key; give one".to_owned()),
        (None, None) => Err("it has neither sha256 nor api_key".to_owned()),
    }
}

/// The same for the same secret, and nothing of the secret's hash can be read off it.
fn derived_id(digest: &KeyDigest) -> String {
    let hash = KeyDigest::of_bytes(digest.to_string().as_bytes()).to_string();
    format!("key-{}", &hash[..20])
}

fn monthly_limit(value: Option<&Value>) -> Result<Option<u64>, String> {
    let wrong = || "monthly_limit is not a whole number".to_owned();
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(digits)) => digits.parse().map(Some).map_err(|_| wrong()),
        Some(number) => number.as_u64().map(Some).ok_or_else(wrong),
    }
}

/// An object of texts, or in a CSV cell `name=value;name=value`.
fn labels(value: Option<&Value>) -> Result<BTreeMap<String, String>, String> {
    let wrong = || "labels is neither an object of texts nor NAME=VALUE;NAME=VALUE".to_owned();
    match value {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(labels)) => labels
            .iter()
            .map(|(name, value)| Ok((name.clone(), value.as_str().ok_or_else(wrong)?.to_owned())))
            .collect(),
        Some(Value::String(text)) => text
            .split(';')
            .map(|label| label.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect::<Option<_>>()
            .ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str, format: Format) -> Vec<Result<KeyRecord, String>> {
        read_rows(text, format).unwrap().into_iter().map(|row| row.key).collect()
    }

    #[test]
    fn both_formats_say_the_same() {
        let sha256 = KeyDigest::of_secret("s1").unwrap().to_string();
        let csv = format!(
            "owner,sha256,api_key,monthly_limit,expires_at,labels,plan\nacme,{sha256},,100,2027-01-01,a=1;b=2,gold\nacme,,s2,,,,\n"
        );
        let json = format!(
            "{{\"owner\":\"acme\",\"sha256\":\"{sha256}\",\"monthly_limit\":100,\"expires_at\":\"2027-01-01\",\"labels\":{{\"a\":\"1\",\"b\":\"2\"}},\"plan\":\"gold\"}}\n\n{{\"owner\":\"acme\",\"api_key\":\"s2\"}}"
        );
        let from_csv = keys(&csv, Format::Csv);
        assert_eq!(from_csv, keys(&json, Format::Jsonl));
        let first = from_csv[0].as_ref().unwrap();
        assert_eq!(
            (first.monthly_limit, first.labels.len(), first.digest),
            (Some(100), 2, KeyDigest::of_secret("s1").ok())
        );
        assert_eq!(from_csv[1].as_ref().unwrap().digest, KeyDigest::of_secret("s2").ok());
        assert_ne!(first.key_id, from_csv[1].as_ref().unwrap().key_id);
    }

    #[test]
    fn a_bad_row_is_named_by_its_line_and_quotes_no_value() {
        let secret = "very secret";
        for (row, words) in [
            (format!(r#"{{"owner":"a","api_key":"{secret}"}}"#), "not visible ASCII"),
            (format!(r#"{{"owner":"a","sha256":"{secret}"}}"#), "64 hexadecimal digits"),
            (r#"{"owner":"a","api_key":7123}"#.to_owned(), "api_key is not a text"),
            (format!(r#"{{"owner":"a","api_key":"{secret}""#), "it is no JSON, from column"),
            (r#"{"owner":"a"}"#.to_owned(), "neither sha256 nor api_key"),
            (r#"{"api_key":"k"}"#.to_owned(), "it has no owner"),
            (r#"{"owner":"a","api_key":"k","api_key_id":"a#b"}"#.to_owned(), "a key id has letters"),
            (r#"{"owner":"a","api_key":"k","limit":1}"#.to_owned(), "there is no field \"limit\""),
            (r#"{"owner":"a","api_key":"k","monthly_limit":-1}"#.to_owned(), "whole number"),
            (r#"{"owner":"a","api_key":"k","expires_at":"soon"}"#.to_owned(), "is no time"),
            ("[]".to_owned(), "no JSON object"),
        ] {
            let rows = read_rows(&format!("\n{row}\n"), Format::Jsonl).unwrap();
            let problem = rows[0].key.as_ref().unwrap_err();
            assert!(rows[0].line == 2 && problem.contains(words) && !problem.contains(secret), "{problem}");
        }
        let rows = read_rows("owner,api_key\na,k,too many\nb,k2\n", Format::Csv).unwrap();
        assert!(rows[0].key.as_ref().unwrap_err().contains("2 columns") && rows[1].key.is_ok());
    }
}
