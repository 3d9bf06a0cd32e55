//! Parses an access-log format and fills it in as API Gateway does.

use access_log::log_format::ApiKind;
use jiff::Timestamp;

use super::VARIABLE;

/// A parsed format: texts and variables.
#[derive(Debug)]
pub struct Format {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Variable { name: String, is_quoted: bool },
}

/// The value that API Gateway writes for a variable without a value.
pub const ABSENT: &str = "-";
/// Status of a sample. Other status variables have other values, so that a wrong variable is detected.
pub const STATUS: u16 = 200;

impl Format {
    pub fn parse(text: &str) -> Self {
        let (mut parts, mut rest, mut is_quoted) = (Vec::new(), text, false);
        while let Some(start) = rest.find(VARIABLE) {
            let (before, from) = rest.split_at(start);
            is_quoted ^= has_open_quote(before);
            parts.push(Part::Text(before.to_owned()));
            let name = &from[VARIABLE.len()..];
            let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')));
            // A dot at the end belongs to the text.
            let name = name[..end.unwrap_or(name.len())].trim_end_matches('.');
            rest = &from[VARIABLE.len() + name.len()..];
            parts.push(Part::Variable { name: name.to_owned(), is_quoted });
        }
        parts.push(Part::Text(rest.to_owned()));
        Self { parts }
    }

    /// Returns the names of the variables without `$context.`, sorted and without repetitions.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.variables().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the names of the variables outside of quotes.
    pub fn unquoted(&self) -> Vec<&str> {
        self.variables().filter(|(_, is_quoted)| !is_quoted).map(|(name, _)| name).collect()
    }

    fn variables(&self) -> impl Iterator<Item = (&str, bool)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable { name, is_quoted } => Some((name.as_str(), *is_quoted)),
            Part::Text(_) => None,
        })
    }

    /// Returns `true` if the format has the variable.
    pub fn has(&self, name: &str) -> bool {
        self.variables().any(|(found, _)| found == name)
    }

    /// Builds a line with the value that `value` returns for each variable.
    pub fn fill(&self, mut value: impl FnMut(&str) -> String) -> String {
        let filled = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Variable { name, .. } => value(name),
        });
        filled.collect()
    }
}

/// Returns `true` if a text has an odd number of quotes. Quotes after a backslash are not counted.
fn has_open_quote(text: &str) -> bool {
    let (mut is_open, mut is_escaped) = (false, false);
    for character in text.chars() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_open = !is_open,
            _ => {}
        }
    }
    is_open
}

/// Returns a plausible value of a variable for a call at `now_ms`. Variables that could be confused have
/// different values.
pub fn value(name: &str, kind: ApiKind, now_ms: i64) -> String {
    match name {
        "status" => STATUS.to_string(),
        "requestTimeEpoch" if kind == ApiKind::Http => (now_ms / 1_000).to_string(),
        "requestTimeEpoch" => now_ms.to_string(),
        "requestTime" => Timestamp::from_millisecond(now_ms)
            .map(|time| time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
            .unwrap_or_default(),
        "extendedRequestId" => "JKJaXmPLvHcESHA=".to_owned(),
        "requestId" => "f8ee5577-38f8-4f73-a4da-4ba3a3ba2b5b".to_owned(),
        "httpMethod" => "GET".to_owned(),
        "resourcePath" => "/orders/{id}".to_owned(),
        "routeKey" => "GET /orders/{id}".to_owned(),
        "protocol" => "HTTP/1.1".to_owned(),
        "error.messageString" => "\"Forbidden\"".to_owned(),
        _ if name.ends_with("tatus") => (STATUS + 1).to_string(),
        _ if name.ends_with("atency") || name.ends_with("Length") => "12".to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_taken_apart_and_put_together() {
        let format = Format::parse(
            r#"{"a":"$context.status","b":$context.integrationLatency,"c\"d":"$context.path."}"#,
        );
        assert_eq!(format.names(), ["integrationLatency", "path", "status"]);
        assert_eq!(format.unquoted(), ["integrationLatency"]);
        assert_eq!(format.fill(str::to_uppercase), r#"{"a":"STATUS","b":INTEGRATIONLATENCY,"c\"d":"PATH."}"#);
    }
}
