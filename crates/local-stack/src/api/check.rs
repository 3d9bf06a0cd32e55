//! Checks a request against the table of its service.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Map, Value};

use super::{Kind, Operation, Parameter, Service};

use crate::sync::locked;

/// Maximum number of broken limits in one error. Source: answers of AWS, as
/// kinesalite's tests record them.
const MAX_REPORTED: usize = 10;

/// The kind of error of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The operation is unknown or not supported.
    UnknownOperation,
    /// A parameter is unknown or not supported.
    UnknownParameter,
    /// A value has the wrong type.
    WrongType,
    /// A value is missing or breaks a limit.
    BrokenLimit,
}

/// The reason for refusing a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub problem: Problem,
    /// The error for a person. For a broken limit it is the message of AWS.
    pub message: String,
}

/// Checks the parameters of a request. A parameter that is null counts as missing.
///
/// # Errors
/// Returns an error if an operation or a parameter is not in the table, or if a value breaks its limits.
pub fn check(service: &Service, operation: &str, request: &Value) -> Result<(), Refusal> {
    let operation = service.operation(operation).ok_or_else(|| unknown_operation(service, operation))?;
    let members = request.as_object().ok_or_else(|| wrong_type("the request is not a structure"))?;
    let mut checker = Checker { operation, broken: Vec::new() };
    checker.structure(operation.parameters, members, "")?;
    checker.verdict()
}

/// Checks a request whose values are all texts, as in the query protocol. Texts of numbers, times and
/// booleans are converted first.
///
/// # Errors
/// Returns the same errors as [`check`].
pub fn check_texts(service: &Service, operation: &str, request: &mut Value) -> Result<(), Refusal> {
    if let (Some(operation), Value::Object(members)) = (service.operation(operation), &mut *request) {
        convert_members(operation.parameters, members);
    }
    check(service, operation, request)
}

struct Checker {
    operation: &'static Operation,
    broken: Vec<String>,
}

impl Checker {
    fn verdict(self) -> Result<(), Refusal> {
        if self.broken.is_empty() {
            return Ok(());
        }
        let count = self.broken.len();
        let errors = if count == 1 { "error" } else { "errors" };
        let message = format!("{count} validation {errors} detected: {}", self.broken.join("; "));
        Err(Refusal { problem: Problem::BrokenLimit, message })
    }

    fn structure(
        &mut self,
        parameters: &[Parameter],
        members: &Map<String, Value>,
        path: &str,
    ) -> Result<(), Refusal> {
        let is_known = |name: &str| parameters.iter().any(|parameter| parameter.name == name);
        if let Some((name, _)) = members.iter().find(|(name, value)| !value.is_null() && !is_known(name)) {
            return Err(unknown_parameter(self.operation, parameters, &joined(path, name)));
        }
        for parameter in parameters {
            let path = joined(path, &lower_first(parameter.name));
            match members.get(parameter.name).filter(|value| !value.is_null()) {
                Some(value) => self.value(&parameter.kind, value, &path)?,
                None if parameter.required => self.report(&path, Some("null"), "Member must not be null"),
                None => {}
            }
        }
        Ok(())
    }

    fn value(&mut self, kind: &Kind, value: &Value, path: &str) -> Result<(), Refusal> {
        match (kind, value) {
            (Kind::Text(least, most, pattern), Value::String(text)) => {
                self.text(text, (*least, *most), pattern, path);
            }
            (Kind::Choice(choices), Value::String(text)) => {
                if !choices.contains(&text.as_str()) {
                    let wanted = format!("Member must satisfy enum value set: [{}]", choices.join(", "));
                    self.report(path, Some(&quoted(text)), &wanted);
                }
            }
            (Kind::Integer(least, most), Value::Number(number)) => {
                let number =
                    number.as_i64().ok_or_else(|| wrong_type(&format!("{path} is not a whole number")))?;
                self.bounds(number, *least, *most, &quoted(&number.to_string()), "value", path);
            }
            (Kind::Time | Kind::Number, Value::Number(_)) | (Kind::Boolean, Value::Bool(_)) => {}
            (Kind::Blob(most), Value::String(text)) => self.blob(text, *most, path)?,
            (Kind::List(least, most, of), Value::Array(values)) => {
                self.length(values.len(), (*least, *most), None, path);
                for (place, value) in values.iter().enumerate() {
                    self.value(of, value, &format!("{path}.{}.member", place + 1))?;
                }
            }
            (Kind::Structure(parameters), Value::Object(members)) => {
                self.structure(parameters, members, path)?;
            }
            (Kind::Map(least, most, longest_name, longest_text), Value::Object(members)) => {
                self.length(members.len(), (*least, *most), None, path);
                self.map(members, *longest_name, *longest_text, path)?;
            }
            (kind, value) => {
                return Err(wrong_type(&format!("{path} is {value}; it has to be {}", kind.description())));
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str, length: (usize, usize), pattern: &'static str, path: &str) {
        let shown = quoted(text);
        self.length(text.chars().count(), length, Some(&shown), path);
        if !pattern.is_empty() && !matches(pattern, text) {
            self.report(
                path,
                Some(&shown),
                &format!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
    }

    /// Checks the number of bytes of a base64 text without decoding all of it.
    fn blob(&mut self, text: &str, most: usize, path: &str) -> Result<(), Refusal> {
        // The operation decodes the blob. Here only a small one is decoded, to find invalid characters.
        if !text.len().is_multiple_of(4) || (text.len() <= 64 && STANDARD.decode(text).is_err()) {
            return Err(wrong_type(&format!("{path} is not base64")));
        }
        let padding = text.bytes().rev().take(2).filter(|byte| *byte == b'=').count();
        self.length(text.len() / 4 * 3 - padding, (0, most), None, path);
        Ok(())
    }

    fn map(
        &mut self,
        members: &Map<String, Value>,
        longest_name: usize,
        longest_text: usize,
        path: &str,
    ) -> Result<(), Refusal> {
        for (name, value) in members {
            let text = value.as_str().ok_or_else(|| wrong_type(&format!("{path}.{name} is not a text")))?;
            let lengths = [("keys", name, 1, longest_name), ("value", &text.to_owned(), 0, longest_text)];
            for (what, text, least, most) in lengths {
                if !(least..=most).contains(&text.chars().count()) {
                    let wanted = format!(
                        "Map {what} must satisfy constraint: [Member must have length less than or equal to {most}, Member must have length greater than or equal to {least}]"
                    );
                    self.report(path, None, &wanted);
                }
            }
        }
        Ok(())
    }

    fn length(&mut self, length: usize, (least, most): (usize, usize), shown: Option<&str>, path: &str) {
        let number = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let shown = shown.unwrap_or_default();
        self.bounds(number(length), number(least), number(most), shown, "length", path);
    }

    fn bounds(&mut self, number: i64, least: i64, most: i64, shown: &str, what: &str, path: &str) {
        let shown = (!shown.is_empty()).then_some(shown);
        if number < least {
            self.report(path, shown, &format!("Member must have {what} greater than or equal to {least}"));
        } else if number > most {
            self.report(path, shown, &format!("Member must have {what} less than or equal to {most}"));
        }
    }

    /// Adds a broken limit, with the message of AWS.
    ///
    /// Source: answers of AWS as moto's `tests/test_kinesis` and kinesalite's `validations` record them.
    fn report(&mut self, path: &str, shown: Option<&str>, wanted: &str) {
        if self.broken.len() < MAX_REPORTED {
            let shown = shown.map(|shown| format!("{shown} ")).unwrap_or_default();
            self.broken.push(format!("Value {shown}at '{path}' failed to satisfy constraint: {wanted}"));
        }
    }
}

impl Kind {
    fn description(&self) -> &'static str {
        match self {
            Self::Text(..) | Self::Choice(_) => "a text",
            Self::Integer(..) => "a whole number",
            Self::Number => "a number",
            Self::Time => "a time in seconds since 1970",
            Self::Boolean => "true or false",
            Self::Blob(_) => "bytes in base64",
            Self::List(..) => "a list",
            Self::Structure(_) | Self::Map(..) => "a structure",
        }
    }
}

fn convert_members(parameters: &[Parameter], members: &mut Map<String, Value>) {
    for parameter in parameters {
        if let Some(value) = members.get_mut(parameter.name) {
            convert_texts(&parameter.kind, value);
        }
    }
}

/// Converts the text of a number, a time or a boolean.
fn convert_texts(kind: &Kind, value: &mut Value) {
    match (kind, &mut *value) {
        (Kind::Structure(parameters), Value::Object(members)) => return convert_members(parameters, members),
        (Kind::List(_, _, of), Value::Array(values)) => {
            return values.iter_mut().for_each(|value| convert_texts(of, value));
        }
        _ => {}
    }
    let Some(text) = value.as_str() else { return };
    let read = match kind {
        Kind::Integer(..) => text.parse::<i64>().ok().map(Value::from),
        Kind::Boolean => text.parse::<bool>().ok().map(Value::from),
        #[expect(clippy::cast_precision_loss, reason = "the protocols have times as seconds in a double")]
        Kind::Time => {
            text.parse::<jiff::Timestamp>().ok().map(|time| (time.as_millisecond() as f64 / 1_000.0).into())
        }
        _ => None,
    };
    if let Some(read) = read {
        *value = read;
    }
}

fn unknown_operation(service: &Service, operation: &str) -> Refusal {
    let offered: Vec<&str> = service.operations.iter().map(|operation| operation.name).collect();
    let message = format!(
        "the local stack does not offer {operation} of {}; it offers {}",
        service.name,
        offered.join(", ")
    );
    Refusal { problem: Problem::UnknownOperation, message }
}

fn unknown_parameter(operation: &Operation, parameters: &[Parameter], path: &str) -> Refusal {
    let known: Vec<&str> = parameters.iter().map(|parameter| parameter.name).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let message = format!(
        "the local stack does not support the parameter {path} of {}; it supports {known}",
        operation.name
    );
    Refusal { problem: Problem::UnknownParameter, message }
}

fn wrong_type(message: &str) -> Refusal {
    Refusal { problem: Problem::WrongType, message: message.to_owned() }
}

/// Returns `true` if the whole text matches a pattern of the table.
fn matches(pattern: &'static str, text: &str) -> bool {
    static PATTERNS: Mutex<Option<HashMap<&'static str, Regex>>> = Mutex::new(None);
    let mut patterns = locked(&PATTERNS);
    let compiled = patterns.get_or_insert_default().entry(pattern);
    let compiled = compiled
        .or_insert_with(|| Regex::new(&format!("^(?:{pattern})$")).expect("the table's patterns are valid"));
    compiled.is_match(text)
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{optional, required};
    use serde_json::json;

    const ENTRY: Kind =
        Kind::Structure(&[required("Data", Kind::Blob(4)), optional("Key", Kind::Text(1, 3, "[a-z]+"))]);
    const SERVICE: Service = Service {
        id: "s",
        name: "Service",
        differs: "",
        operations: &[Operation {
            name: "Do",
            parameters: &[
                optional("Limit", Kind::Integer(1, 10)),
                optional("Entries", Kind::List(1, 2, &ENTRY)),
                optional("Type", Kind::Choice(&["A", "B"])),
                optional("Tags", Kind::Map(1, 2, 3, 3)),
                optional("At", Kind::Time),
                optional("Dry", Kind::Boolean),
            ],
        }],
    };

    fn refused(request: &Value) -> (Problem, String) {
        let refusal = check(&SERVICE, "Do", request).unwrap_err();
        (refusal.problem, refusal.message)
    }

    fn broken(request: &Value) -> String {
        let (problem, message) = refused(request);
        assert_eq!(problem, Problem::BrokenLimit, "{message}");
        message
    }

    #[test]
    fn what_is_not_in_the_table_is_named_at_any_depth() {
        let (problem, message) = refused(&json!({"Limit": 1, "Filter": {}}));
        assert_eq!(problem, Problem::UnknownParameter);
        assert_eq!(
            message,
            "the local stack does not support the parameter Filter of Do; it supports Limit, Entries, Type, Tags, At, Dry"
        );
        let (_, message) = refused(&json!({"Entries": [{"Data": "eA=="}, {"Data": "eA==", "More": 1}]}));
        assert!(message.contains("entries.2.member.More"), "{message}");
        let unknown = check(&SERVICE, "Undo", &json!({})).unwrap_err();
        assert_eq!(unknown.problem, Problem::UnknownOperation);
        assert_eq!(unknown.message, "the local stack does not offer Undo of Service; it offers Do");
    }

    #[test]
    fn a_broken_limit_is_told_in_the_words_of_aws() {
        let below = "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1";
        assert_eq!(broken(&json!({"Limit": 0})), below);
        let long = broken(&json!({"Entries": [{"Data": "eHh4eHg="}]}));
        assert_eq!(
            long,
            "1 validation error detected: Value at 'entries.1.member.data' failed to satisfy constraint: Member must have length less than or equal to 4"
        );
        let both = broken(&json!({"Type": "C", "Entries": [{"Key": "A"}]}));
        assert!(
            both.starts_with("3 validation errors detected: Value null at 'entries.1.member.data'"),
            "{both}"
        );
        assert!(both.contains(
            "'C' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [A, B]"
        ));
        assert!(both.contains("regular expression pattern: [a-z]+"), "{both}");
        assert!(broken(&json!({"Tags": {"long": "x"}})).contains("Map keys must satisfy constraint"));
        assert!(broken(&json!({"Entries": []})).contains("length greater than or equal to 1"));
    }

    #[test]
    fn a_wrong_kind_is_no_broken_limit() {
        for request in [
            json!({"Limit": "1"}),
            json!({"Limit": 1.5}),
            json!({"Entries": {}}),
            json!({"Entries": [{"Data": "!"}]}),
        ] {
            assert_eq!(refused(&request).0, Problem::WrongType);
        }
        let request = json!({"Limit": null, "Unknown": null, "At": 1.5});
        check(&SERVICE, "Do", &request).unwrap();
    }

    #[test]
    fn texts_of_the_query_protocol_become_what_the_table_says() {
        let mut request = json!({"Limit": "7", "At": "2026-01-01T00:00:00Z", "Dry": "true"});
        check_texts(&SERVICE, "Do", &mut request).unwrap();
        assert_eq!(request, json!({"Limit": 7, "At": 1_767_225_600.0, "Dry": true}));
    }
}
