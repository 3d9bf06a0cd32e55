//! Validation of documents against the schemas of this crate, for tests.
//!
//! Supports the keywords that the schemas use. Unlike JSON Schema, it refuses members that the schema does not declare,
//! so that no output has an undocumented field.

use serde_json::{Map, Value};

/// Keywords that do not restrict a document.
const ANNOTATIONS: [&str; 6] = ["$schema", "title", "description", "format", "default", "examples"];

/// Returns the problems of a document, each with its path. A valid document has none.
///
/// ```
/// use serde_json::json;
///
/// let schema = json!({"type": "object", "properties": {"calls": {"type": "integer"}}, "required": ["calls"]});
/// assert!(meter_cli::schema::problems(&schema, &json!({"calls": 1})).is_empty());
/// assert_eq!(meter_cli::schema::problems(&schema, &json!({"calls": "1"})), ["$.calls: not of type integer"]);
/// assert_eq!(meter_cli::schema::problems(&schema, &json!({"calls": 1, "a": 2})), ["$.a: not declared"]);
/// ```
pub fn problems(schema: &Value, document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    validate(schema, document, "$", &mut problems);
    problems
}

fn validate(schema: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        if schema == &Value::Bool(false) {
            problems.push(format!("{path}: not allowed"));
        }
        return;
    };
    for (keyword, argument) in keywords {
        match keyword.as_str() {
            "type" if !has_type(argument, value) => {
                problems.push(format!("{path}: not of type {}", argument.as_str().unwrap_or("of the list")));
            }
            "const" if argument != value => problems.push(format!("{path}: not {argument}")),
            "enum" if !list(argument).contains(value) => problems.push(format!("{path}: not in {argument}")),
            "minimum" if value.is_number() && value.as_f64() < argument.as_f64() => {
                problems.push(format!("{path}: less than {argument}"));
            }
            "maximum" if value.is_number() && value.as_f64() > argument.as_f64() => {
                problems.push(format!("{path}: more than {argument}"));
            }
            "anyOf" | "oneOf" => validate_any(list(argument), value, path, problems),
            "items" => {
                for (place, item) in list(value).iter().enumerate() {
                    validate(argument, item, &format!("{path}[{place}]"), problems);
                }
            }
            "required" => {
                let missing =
                    list(argument).iter().filter_map(Value::as_str).filter(|name| value.get(name).is_none());
                problems.extend(missing.map(|name| format!("{path}.{name}: missing")));
            }
            "type" | "const" | "enum" | "minimum" | "maximum" | "properties" | "additionalProperties" => {}
            other if ANNOTATIONS.contains(&other) => {}
            other => problems.push(format!("{path}: the keyword {other} is not supported")),
        }
    }
    if let (true, Some(members)) =
        (keywords.contains_key("properties") || is_map(keywords), value.as_object())
    {
        validate_members(keywords, members, path, problems);
    }
}

fn is_map(keywords: &Map<String, Value>) -> bool {
    keywords.contains_key("additionalProperties")
}

fn validate_members(
    keywords: &Map<String, Value>,
    members: &Map<String, Value>,
    path: &str,
    problems: &mut Vec<String>,
) {
    for (name, member) in members {
        let declared = keywords.get("properties").and_then(|properties| properties.get(name));
        match declared.or(keywords.get("additionalProperties")) {
            Some(schema) => validate(schema, member, &format!("{path}.{name}"), problems),
            None => problems.push(format!("{path}.{name}: not declared")),
        }
    }
}

/// Validates a value against alternatives. If none matches, adds the problems of the closest alternative.
fn validate_any(alternatives: &[Value], value: &Value, path: &str, problems: &mut Vec<String>) {
    let of_each = alternatives.iter().map(|schema| {
        let mut problems = Vec::new();
        validate(schema, value, path, &mut problems);
        problems
    });
    problems.extend(of_each.min_by_key(Vec::len).unwrap_or_default());
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn has_type(types: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match types {
        Value::String(name) => is(name),
        types => list(types).iter().filter_map(Value::as_str).any(is),
    }
}
