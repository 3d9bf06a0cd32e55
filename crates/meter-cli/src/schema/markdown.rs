//! The page `docs/JSON.md`: a table of fields for each command and for `GET /usage`.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Output, Shape};

/// The text before the tables.
const INTRODUCTION: &str = "\
# JSON output of `meter` and `GET /usage`

The names of fields are stable. New fields may be added, so ignore unknown ones. The schemas are in
[schemas](schemas): JSON Schema, draft 2020-12. Times are in UTC.

`cargo run -p dev -- generate` writes this page and the schemas from the code.
";

pub fn page<'o>(outputs: impl Iterator<Item = &'o Output>) -> String {
    let mut page = INTRODUCTION.to_owned();
    for output in outputs {
        let file = output.path.trim_start_matches("docs/");
        let shape = match output.shape {
            Shape::Document => "One document",
            Shape::Lines => "One document per line",
        };
        // Writing to a `String` cannot fail.
        let _ = write!(page, "\n## `{}`\n\n{shape}: [{file}]({file}).\n", output.command);
        let schema = output.schema();
        match schema["anyOf"].as_array() {
            Some(alternatives) => {
                for alternative in alternatives {
                    let _ = write!(page, "\n{}:\n", text(alternative, "description"));
                    page += &table(alternative);
                }
            }
            None => page += &table(&schema),
        }
    }
    page
}

fn table(schema: &Value) -> String {
    let mut table = "\n| field | type | meaning |\n| --- | --- | --- |\n".to_owned();
    add_rows(schema, "", &mut table);
    table
}

/// Adds a row for each member of an object, of the objects of an array, or of the values of a map.
fn add_rows(schema: &Value, prefix: &str, table: &mut String) {
    if schema["items"].is_object() {
        return add_rows(&schema["items"], &format!("{prefix}[]"), table);
    }
    if schema["additionalProperties"].is_object() {
        return add_rows(&schema["additionalProperties"], &format!("{prefix}.*"), table);
    }
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let field = format!("{prefix}.{name}");
        let field = field.trim_start_matches('.');
        let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
        let meaning = text(member, "description").replace('\n', " ");
        let _ = writeln!(table, "| `{field}` | {}{optional} | {meaning} |", type_of(member));
        add_rows(member, field, table);
        for alternative in alternatives(member) {
            add_rows(alternative, field, table);
        }
    }
}

/// The alternatives of a nullable object. The variants of an enumeration have no members.
fn alternatives(schema: &Value) -> &[Value] {
    schema["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Describes the type of a value: a JSON type, or the values of an enumeration.
fn type_of(schema: &Value) -> String {
    let constants = |values: &[Value]| values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>();
    if let Some(values) = schema["enum"].as_array() {
        return constants(values).join(", ");
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        return variants.iter().map(type_of).collect::<Vec<_>>().join(", ");
    }
    if let Some(variants) = schema["anyOf"].as_array() {
        return variants.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    if !schema["const"].is_null() {
        return format!("`{}`", schema["const"]);
    }
    let name = |name: &str| match name {
        "array" if schema["items"].is_object() => format!("array of {}", type_of(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", type_of(&schema["additionalProperties"]))
        }
        name => name.to_owned(),
    };
    match &schema["type"] {
        Value::String(single) => name(single),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).map(name).collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}

fn text<'a>(schema: &'a Value, keyword: &str) -> &'a str {
    schema[keyword].as_str().unwrap_or_default()
}
