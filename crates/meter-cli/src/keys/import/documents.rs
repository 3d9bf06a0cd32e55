//! Keys in JSON: lines, arrays, pretty-printed objects, and the output of `aws apigateway get-api-keys`.

use std::collections::BTreeSet;
use std::io::Cursor;

use anyhow::bail;
use serde_json::{Map, Value};

use super::fields::field;
use super::values::{Cell, DescribedRow, File, Row};
use crate::input::pieces::{Kind, Piece, Pieces};

/// Reads all objects of a text.
///
/// # Errors
/// When the text is a document of another kind, or incomplete.
pub fn read(text: String) -> anyhow::Result<File> {
    let mut pieces = Pieces::new(Box::new(Cursor::new(text.into_bytes())));
    let (mut rows, mut unknown) = (Vec::new(), BTreeSet::new());
    while let Some(piece) = pieces.next_piece()? {
        let line = usize::try_from(piece.line)?;
        match serde_json::from_slice::<Value>(piece.bytes) {
            Ok(Value::Object(members)) => {
                if is_item(&members) {
                    bail!(
                        "the file is an export or a scan of a DynamoDB table; convert the typed values to plain values, as `jq -c '(.Items[]? // .Item) | map_values(.[])'` does, and rename the members"
                    );
                }
                unknown.extend(members.keys().filter(|name| field(name).is_none()).cloned());
                rows.push(Row { line, key: key_of(&members) });
            }
            Ok(_) => rows.push(Row { line, key: Err("not a JSON object".to_owned()) }),
            Err(error) => rows.push(broken(&piece, &error)?),
        }
    }
    if pieces.is_cut() {
        bail!("the file is incomplete; nothing was imported");
    }
    Ok(File { rows, unknown: unknown.into_iter().collect() })
}

/// Builds the row of a value that is not JSON. The message of serde_json is not used, because it may quote a
/// secret.
fn broken(piece: &Piece<'_>, error: &serde_json::Error) -> anyhow::Result<Row> {
    let line = usize::try_from(piece.line)? + error.line().saturating_sub(1);
    let key = match piece.kind {
        Kind::Line => format!("not JSON, from column {} on", error.column()),
        Kind::Object | Kind::Array | Kind::Text => {
            format!("not JSON, at column {} of the value", error.column())
        }
    };
    Ok(Row { line, key: Err(key) })
}

/// Returns `true` if the object is a DynamoDB item: each attribute is an object with one member, whose name
/// is a type. Source: DynamoDB Developer Guide, "DynamoDB table export output format".
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
