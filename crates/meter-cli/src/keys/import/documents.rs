//! Rows of JSON: lines, arrays, printed objects, and the answer of `aws
//! apigateway get-api-keys`.

use std::collections::BTreeSet;
use std::io::Cursor;

use anyhow::bail;
use serde_json::{Map, Value};

use super::fields::field;
use super::rows::{File, Row};
use super::values::{Cell, DescribedRow};
use crate::input::pieces::{Kind, Piece, Pieces};

/// Reads all objects of a text.
///
/// # Errors
/// When it is a document of another kind.
pub fn read(text: String) -> anyhow::Result<File> {
    let mut pieces = Pieces::new(Box::new(Cursor::new(text.into_bytes())));
    let (mut rows, mut unknown) = (Vec::new(), BTreeSet::new());
    while let Some(piece) = pieces.next_piece()? {
        let line = usize::try_from(piece.line)?;
        match serde_json::from_slice::<Value>(piece.bytes) {
            Ok(Value::Object(members)) => {
                if is_item(&members) {
                    bail!(
                        "it is an export or a scan of a DynamoDB table; write plain values instead of typed ones, as `jq -c '(.Items[]? // .Item) | map_values(.[])'` does, and name the members"
                    );
                }
                unknown.extend(members.keys().filter(|name| field(name).is_none()).cloned());
                rows.push(Row { line, key: key_of(&members) });
            }
            Ok(_) => rows.push(Row { line, key: Err("it is no JSON object".to_owned()) }),
            Err(error) => rows.push(broken(&piece, &error)?),
        }
    }
    if pieces.is_cut() {
        bail!("it breaks off in the middle; nothing was imported");
    }
    Ok(File { rows, unknown: unknown.into_iter().collect() })
}

/// What is no JSON; the library's words may quote it.
fn broken(piece: &Piece<'_>, error: &serde_json::Error) -> anyhow::Result<Row> {
    let line = usize::try_from(piece.line)? + error.line().saturating_sub(1);
    let key = match piece.kind {
        Kind::Line => format!("it is no JSON, from column {} on", error.column()),
        Kind::Object | Kind::Array | Kind::Text => {
            format!("it is no JSON, at column {} of the value", error.column())
        }
    };
    Ok(Row { line, key: Err(key) })
}

/// An item of DynamoDB has an object of one member, its type, for each attribute.
/// Source: DynamoDB Developer Guide, "DynamoDB table export output format".
fn is_item(members: &Map<String, Value>) -> bool {
    let is_typed = |value: &Value| {
        value.as_object().is_some_and(|value| {
            value.len() == 1
                && value.keys().all(|kind| {
                    ["S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS"].contains(&kind.as_str())
                })
        })
    };
    members.contains_key("Item") || !members.is_empty() && members.values().all(is_typed)
}

fn key_of(members: &Map<String, Value>) -> Result<DescribedRow, String> {
    let cells = members.iter().filter_map(|(name, value)| Some(Cell { field: field(name)?, name, value }));
    DescribedRow::read(&cells.collect::<Vec<_>>())
}
