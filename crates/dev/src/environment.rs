//! The environment variables, for the stack and for `docs/OPERATION.md`.

use deployment::environment::{FUNCTION_VARIABLES, Kind, Variable, function_variables};
use deployment::functions::{AUTHORIZER, CANARY, CONSUMER};
use serde_json::{Map, Value, json};

use crate::repository::{File, repository};

const DOCUMENT: &str = "docs/OPERATION.md";

/// The functions whose variables the document has in a table. The others have
/// few, which its text explains.
const TABULATED: [&str; 3] = [CONSUMER, AUTHORIZER, CANARY];

/// Returns the settings of each function, by service and setting.
pub fn settings() -> Value {
    let functions = FUNCTION_VARIABLES.map(|(service, variables)| {
        let settings: Map<String, Value> =
            variables.iter().map(|variable| (variable.setting(), setting(variable))).collect();
        (service.to_owned(), settings.into())
    });
    Value::Object(functions.into_iter().collect())
}

fn setting(variable: &Variable) -> Value {
    let mut setting = json!({"variable": variable.name, "doc": sentence(variable.doc())});
    match variable.default() {
        None => setting["required"] = json!(true),
        Some(default) => setting["default"] = json!(default),
    }
    if let Kind::Number { min, max, .. } = variable.kind {
        setting["min"] = json!(min.to_string());
        setting["max"] = json!(max.to_string());
    }
    setting
}

/// Capitalises a noun phrase and adds a full stop.
fn sentence(phrase: &str) -> String {
    let mut letters = phrase.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// Returns the document with the present tables between its markers.
///
/// # Panics
/// Panics if the document cannot be read or has no markers.
pub fn tables() -> File {
    let mut content = std::fs::read_to_string(repository().join(DOCUMENT))
        .unwrap_or_else(|error| panic!("{DOCUMENT} cannot be read: {error}"));
    for service in TABULATED {
        content = with_table(&content, service, &table(function_variables(service)));
    }
    File { path: DOCUMENT, content }
}

fn with_table(document: &str, service: &str, table: &str) -> String {
    let begin = format!("<!-- settings of {service} -->\n");
    let end = "<!-- end -->";
    let placed =
        document.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let Some((before, after)) = placed else {
        panic!("{DOCUMENT} has no place for a table: write {} and {end} there", begin.trim())
    };
    format!("{before}{begin}\n{table}\n{end}{after}")
}

fn table(variables: &[Variable]) -> String {
    let rows = variables.iter().map(|variable| {
        let default = match variable.default() {
            None => "required".to_owned(),
            Some(default) if default.is_empty() => "none".to_owned(),
            Some(default) => match variable.kind {
                Kind::Number { .. } => default,
                _ => format!("`{default}`"),
            },
        };
        format!("| `{}` | {} | {default} |\n", variable.name, variable.doc())
    });
    format!("| variable | meaning | default |\n| --- | --- | --- |\n{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_what_the_constructs_need() {
        let settings = settings();
        assert_eq!(
            settings["usage-consumer"]["maxEvents"],
            json!({"variable": "MAX_EVENTS", "doc": "The maximum number of log events in a record.",
                "default": "131072", "min": "1000", "max": "262144"})
        );
        assert_eq!(
            settings["usage-endpoint"]["usageTable"],
            json!({"variable": "USAGE_TABLE", "doc": "The DynamoDB table of the usage ledger.", "required": true})
        );
    }

    #[test]
    fn a_table_replaces_what_is_between_its_markers() {
        let document = "a\n<!-- settings of f -->\n\nold\n\n<!-- end -->\nb\n<!-- end -->\n";
        let replaced = "a\n<!-- settings of f -->\n\n| new |\n\n<!-- end -->\nb\n<!-- end -->\n";
        assert_eq!(with_table(document, "f", "| new |\n"), replaced);
    }
}
