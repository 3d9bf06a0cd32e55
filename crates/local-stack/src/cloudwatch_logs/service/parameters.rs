//! The parameters of a request that the table of the service has accepted.

use serde_json::Value;

use super::error::{LogsError, invalid};

/// The parameters of a request.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a> {
    members: &'a Value,
}

impl<'a> Parameters<'a> {
    pub fn new(members: &'a Value) -> Self {
        Self { members }
    }

    fn value(self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    pub fn text(self, name: &str) -> Option<&'a str> {
        self.value(name)?.as_str()
    }

    /// Returns a text that the table requires.
    pub fn required_text(self, name: &str) -> &'a str {
        self.text(name).unwrap_or_default()
    }

    pub fn integer(self, name: &str) -> Option<i64> {
        self.value(name)?.as_i64()
    }

    /// Returns a whole number that the table requires.
    pub fn required_integer(self, name: &str) -> i64 {
        self.integer(name).unwrap_or_default()
    }

    pub fn number(self, name: &str) -> Option<f64> {
        self.value(name)?.as_f64()
    }

    pub fn boolean(self, name: &str) -> Option<bool> {
        self.value(name)?.as_bool()
    }

    /// Returns the requested number of items, or `most` if the request has none.
    pub fn limit(self, name: &str, most: usize) -> usize {
        self.integer(name).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(most)
    }

    pub fn list(self, name: &str) -> &'a [Value] {
        self.value(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub fn texts(self, name: &str) -> Option<Vec<&'a str>> {
        Some(self.value(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// Returns the name of the one parameter of several that the request has.
    pub fn one_of(self, names: &[&'static str]) -> Result<&'static str, LogsError> {
        let mut given = names.iter().filter(|name| self.value(name).is_some());
        match (given.next(), given.next()) {
            (Some(one), None) => Ok(*one),
            _ => Err(invalid(format!("give exactly one of {}", names.join(", ")))),
        }
    }

    /// Returns the number of items that earlier answers had, from the token of the last of them.
    pub fn items_before(self) -> Result<usize, LogsError> {
        let Some(token) = self.text("nextToken") else { return Ok(0) };
        token.parse().map_err(|_| unknown_token())
    }
}

/// The error of a token that this service did not return.
pub(super) fn unknown_token() -> LogsError {
    invalid("the nextToken is not one that this service returned")
}
