//! Validation of documents against the schemas of this project.
//!
//! Supports the keywords that the schemas use. Unlike JSON Schema, it refuses members that the schema does not declare,
//! so that no output has an undocumented field.

use serde_json::{Map, Value};

/// Keywords that do not restrict a document.
const ANNOTATIONS: [&str; 7] =
    ["$schema", "title", "description", "contentEncoding", "format", "default", "examples"];
/// The pattern of names that schemas use: the keys of a map by numbers.
const NUMBERS: &str = r"^\d+$";

/// Returns the problems of a document, each with its path. A valid document has none.
///
/// ```
/// use output_schema::problems;
/// use serde_json::json;
///
/// let schema = json!({"type": "object", "properties": {"calls": {"type": "integer"}}, "required": ["calls"]});
/// assert!(problems(&schema, &json!({"calls": 1})).is_empty());
/// assert_eq!(problems(&schema, &json!({"calls": "1"})), ["$.calls: not of type integer"]);
/// assert_eq!(problems(&schema, &json!({"calls": 1, "a": 2})), ["$.a: not declared"]);
/// ```
pub fn problems(schema: &Value, document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    validate(schema, &[], document, "$", &mut problems);
    problems
}

/// Validates a value. `enclosing` are the schemas of the same value of which this one is an alternative: they validate
/// the members that they declare.
fn validate(
    schema: &Value,
    enclosing: &[&Map<String, Value>],
    value: &Value,
    path: &str,
    problems: &mut Vec<String>,
) {
    let Some(keywords) = schema.as_object() else {
        if schema == &Value::Bool(false) {
            problems.push(format!("{path}: not allowed"));
        }
        return;
    };
    for (keyword, argument) in keywords {
        validate_keyword(keyword, argument, value, path, problems);
    }
    let scope = [enclosing, &[keywords]].concat();
    let (alternative, of_alternative) = closest_alternative(keywords, &scope, value, path);
    problems.extend(of_alternative);
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match member_schema(keywords, name) {
            Some(schema) => validate(schema, &[], member, &path, problems),
            None if !describes_members(keywords) => {}
            None if enclosing
                .iter()
                .copied()
                .chain(alternative)
                .any(|s| member_schema(s, name).is_some()) => {}
            None => problems.push(format!("{path}: not declared")),
        }
    }
}

fn validate_keyword(keyword: &str, argument: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    match keyword {
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
        "items" => {
            for (place, item) in list(value).iter().enumerate() {
                validate(argument, &[], item, &format!("{path}[{place}]"), problems);
            }
        }
        "required" if value.is_object() => {
            let missing =
                list(argument).iter().filter_map(Value::as_str).filter(|name| value.get(name).is_none());
            problems.extend(missing.map(|name| format!("{path}.{name}: missing")));
        }
        "patternProperties" => {
            let patterns = argument.as_object().into_iter().flat_map(Map::keys);
            let others = patterns.filter(|pattern| *pattern != NUMBERS);
            problems.extend(others.map(|pattern| format!("{path}: the pattern {pattern} is not supported")));
        }
        "type"
        | "const"
        | "enum"
        | "minimum"
        | "maximum"
        | "required"
        | "properties"
        | "additionalProperties"
        | "anyOf"
        | "oneOf" => {}
        other if ANNOTATIONS.contains(&other) => {}
        other => problems.push(format!("{path}: the keyword {other} is not supported")),
    }
}

/// Returns the alternative of `oneOf` or `anyOf` with the fewest problems, and these.
fn closest_alternative<'s>(
    keywords: &'s Map<String, Value>,
    scope: &[&Map<String, Value>],
    value: &Value,
    path: &str,
) -> (Option<&'s Map<String, Value>>, Vec<String>) {
    let alternatives = ["oneOf", "anyOf"].iter().filter_map(|keyword| keywords.get(*keyword)).flat_map(list);
    let of_each = alternatives.map(|schema| {
        let mut problems = Vec::new();
        validate(schema, scope, value, path, &mut problems);
        (schema.as_object(), problems)
    });
    of_each.min_by_key(|(_, problems)| problems.len()).unwrap_or_default()
}

/// Returns `true` if a schema lists the members of an object, so that it has no others.
fn describes_members(keywords: &Map<String, Value>) -> bool {
    let is_object = |types: &Value| types == "object" || list(types).iter().any(|name| name == "object");
    keywords.contains_key("properties") || keywords.get("type").is_some_and(is_object)
}

/// Returns the schema of a member of an object.
fn member_schema<'s>(keywords: &'s Map<String, Value>, name: &str) -> Option<&'s Value> {
    let declared = keywords.get("properties").and_then(|properties| properties.get(name));
    let of_number = keywords.get("patternProperties").and_then(|patterns| patterns.get(NUMBERS));
    let of_number = of_number.filter(|_| name.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty());
    let others = keywords.get("additionalProperties").filter(|schema| *schema != &Value::Bool(false));
    declared.or(of_number).or(others)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_member_is_declared_by_a_schema_or_by_its_closest_alternative() {
        let schema = json!({
            "type": "object", "properties": {"at_s": {"type": "number"}}, "required": ["at_s"],
            "oneOf": [
                {"type": "object", "properties": {"kind": {"const": "kill"}, "per_s": {"type": "number"}}, "required": ["kind", "per_s"]},
                {"type": "object", "properties": {"kind": {"const": "delay"}}, "required": ["kind"]},
            ],
        });
        assert_eq!(problems(&schema, &json!({"at_s": 1, "kind": "kill", "per_s": 2})), [""; 0]);
        assert_eq!(problems(&schema, &json!({"at_s": 1, "kind": "kill"})), ["$.per_s: missing"]);
        assert_eq!(problems(&schema, &json!({"at_s": 1, "kind": "delay", "a": 1})).len(), 2);
        assert_eq!(problems(&schema, &json!({"at_s": "1", "kind": "delay"})), ["$.at_s: not of type number"]);
    }

    #[test]
    fn maps_have_members_of_one_schema() {
        let by_number = json!({"type": "object", "patternProperties": {NUMBERS: {"type": "integer"}}, "additionalProperties": false});
        assert_eq!(problems(&by_number, &json!({"200": 1})), [""; 0]);
        assert_eq!(problems(&by_number, &json!({"ok": 1})), ["$.ok: not declared"]);
        assert_eq!(problems(&by_number, &json!({"200": "1"})), ["$.200: not of type integer"]);
        let by_name = json!({"type": "object", "additionalProperties": {"type": "string"}});
        assert_eq!(problems(&by_name, &json!({"a": 1})), ["$.a: not of type string"]);
        let pattern = json!({"patternProperties": {"^a$": {}}});
        assert_eq!(problems(&pattern, &json!({})), ["$: the pattern ^a$ is not supported"]);
    }
}
