//! The rows of a file of keys.

use std::io::Cursor;

use anyhow::{Context, bail};

use super::fields::similar_name;
use super::values::File;
use super::{Format, documents, read_whole, table};
use crate::input::open;

/// Reads a file. Detects the format if none is given.
///
/// # Errors
/// When the file as a whole cannot be read. The result contains rejected rows.
pub fn read(content: &[u8], format: Option<Format>) -> anyhow::Result<File> {
    if content.starts_with(b"PK\x03\x04") {
        bail!("the file is a workbook or another archive; save its sheet as CSV in UTF-8");
    }
    let text = text_of(content)?;
    let is_json = match format {
        Some(format) => format == Format::Jsonl,
        None => text.trim_start().starts_with(['{', '[']),
    };
    let file = if is_json { documents::read(text)? } else { table::read(&text)? };
    for name in &file.unknown {
        if let Some(known) = similar_name(name) {
            bail!("there is no field {name:?}; did you mean {known:?}? Rename or remove it");
        }
    }
    Ok(file)
}

/// Returns the text of a file, with `\n` at the end of each line.
fn text_of(content: &[u8]) -> anyhow::Result<String> {
    let bytes =
        read_whole(open::text(Cursor::new(content.to_vec()))).context("the file cannot be decompressed")?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.replace("\r\n", "\n").replace('\r', "\n")),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = &error.as_bytes()[..valid];
            let line = memchr::memchr_iter(b'\n', before).count() + 1;
            bail!(
                "line {line} is not UTF-8; it may be Latin-1 or Windows-1252, which Excel writes: save the file as \"CSV UTF-8\""
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use metering_core::api_key::{KeyDigest, KeyRecord};

    use super::*;

    fn keys(text: &str) -> Vec<KeyRecord> {
        let rows = read(text.as_bytes(), None).unwrap().rows.into_iter();
        rows.map(|row| {
            let (described, mut key) = (row.key.unwrap(), KeyRecord::default());
            described.apply(&mut key);
            KeyRecord { key_id: described.id(), digest: described.digest, ..key }
        })
        .collect()
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
        let from_csv = keys(&csv);
        assert_eq!(from_csv, keys(&json));
        let first = &from_csv[0];
        assert_eq!(
            (first.monthly_limit, first.labels.len(), first.digest),
            (Some(100), 2, KeyDigest::of_secret("s1").ok())
        );
        assert_eq!(from_csv[1].digest, KeyDigest::of_secret("s2").ok());
        assert_ne!(first.key_id, from_csv[1].key_id);
    }

    #[test]
    fn a_bad_row_is_named_by_its_line_and_quotes_no_value() {
        let secret = "very secret";
        for (row, words) in [
            (format!(r#"{{"owner":"a","api_key":"{secret}"}}"#), "not visible ASCII"),
            (format!(r#"{{"owner":"a","sha256":"{secret}"}}"#), "64 hexadecimal digits"),
            (r#"{"owner":"a","api_key":7123}"#.to_owned(), "api_key is not a text"),
            (r#"{"owner":4711,"api_key":"k"}"#.to_owned(), "owner is not a text"),
            (format!(r#"{{"owner":"a","api_key":"{secret}""#), "not JSON, from column"),
            (r#"{"owner":"a"}"#.to_owned(), "neither sha256 nor api_key"),
            (format!(r#"{{"owner":"a","api_key":"k","sha256":"{}"}}"#, "0".repeat(64)), "give one"),
            (r#"{"api_key":"k"}"#.to_owned(), "it has no owner"),
            (r#"{"owner":"a","api_key":"k","api_key_id":"a#b"}"#.to_owned(), "a key id has letters"),
            (r#"{"owner":"a","api_key":"k","monthly_limit":-1}"#.to_owned(), "whole number"),
            (format!(r#"{{"owner":"a","api_key":"k","expires_at":"{secret}"}}"#), "expires_at is not a time"),
            (r#"{"owner":"a","api_key":"k","enabled":"perhaps"}"#.to_owned(), "neither true nor false"),
            (r#"{"owner":"a","api_key":"k","state":"revoked"}"#.to_owned(), "neither active"),
            (r#"{"owner":"a","api_key":"k","labels":{"":"x"}}"#.to_owned(), "label without a name"),
            ("7".to_owned(), "not a JSON object"),
        ] {
            let text = format!("{{\"owner\":\"a\",\"api_key\":\"good\"}}\n{row}\n");
            let rows = read(text.as_bytes(), None).unwrap().rows;
            let problem = rows[1].key.as_ref().unwrap_err();
            assert!(rows[1].line == 2 && problem.contains(words) && !problem.contains(secret), "{problem}");
        }
    }

    #[test]
    fn what_stands_in_the_place_of_a_secret_is_no_secret() {
        for text in [
            "null",
            "(null)",
            "N/A",
            "-",
            "REDACTED",
            "****3a9f",
            "####",
            "1.23457E+19",
            "1.2e+19",
            "'secret",
        ] {
            let rows = read(format!("owner,api_key\na,{text}\n").as_bytes(), None).unwrap().rows;
            let problem = rows[0].key.as_ref().unwrap_err();
            assert_eq!(problem, "api_key is a placeholder or a number, and not a secret", "{text}");
        }
        for text in ["nullable", "um_-*-", "E+1f", "7123"] {
            let rows = read(format!("owner,api_key\na,{text}\n").as_bytes(), None).unwrap().rows;
            assert!(rows[0].key.is_ok(), "{text}");
        }
    }

    #[test]
    fn a_deleted_key_is_known_by_its_state_or_time() {
        let is_deleted = |text: &str| -> Vec<bool> {
            let rows = read(text.as_bytes(), None).unwrap().rows;
            rows.iter().map(|row| row.key.as_ref().unwrap().is_deleted).collect()
        };
        assert_eq!(is_deleted("owner,api_key,state\na,k1,deleted\na,k2,active\n"), [true, false]);
        let times = "owner,api_key,deleted_at\na,k1,2026-11-24T08:34:30Z\na,k2,-\na,k3,null\na,k4,\n";
        assert_eq!(is_deleted(times), [true, false, false, false]);
    }

    #[test]
    fn a_value_that_a_spreadsheet_calculates_or_that_is_cut_off_is_refused() {
        for (row, words) in [
            ("b,\"=\"\"secret\"\"\"", "formula of a spreadsheet"),
            ("b,=\"secret\"", "formula of a spreadsheet"),
            ("owner,api_key", "repeats the header"),
            ("b,\"secr", "ends within quotes"),
            ("b,\"secret\nc,other\n", "ends within quotes"),
        ] {
            let rows = read(format!("owner,api_key\na,good\n{row}").as_bytes(), None).unwrap().rows;
            let problem = rows[1].key.as_ref().unwrap_err();
            assert!(rows.len() == 2 && rows[0].key.is_ok(), "{row}");
            assert!(rows[1].line == 3 && problem.contains(words) && !problem.contains("secr"), "{problem}");
        }
        for row in ["b,\"secret\"", "b,\"sec\"\"ret\"\n\n", "b,\"secret\"\r\n,\r\n", "b,a\"b"] {
            let rows = read(format!("owner,api_key\na,good\n{row}").as_bytes(), None).unwrap().rows;
            assert!(rows[1].key.is_ok(), "{row}");
        }
    }
}
