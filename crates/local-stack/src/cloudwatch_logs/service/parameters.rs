//! Reads the parameters of a request; what is not known is refused.

use serde_json::{Map, Value};

use super::error::{LogsError, invalid};

/// The parameters of a request.
pub(super) struct Parameters<'a> {
    members: &'a Map<String, Value>,
}

impl<'a> Parameters<'a> {
    /// Takes a request that may have these parameters.
    pub fn read(request: &'a Value, known: &[&str]) -> Result<Self, LogsError> {
        let members = request
            .as_object()
            .ok_or_else(|| ("SerializationException", "the request is no JSON object".to_owned()))?;
        let unknown =
            members.iter().find(|(name, value)| !value.is_null() && !known.contains(&name.as_str()));
        match unknown {
            Some((name, _)) => Err(invalid(format!(
                "the local stack does not know the parameter {name} here; it knows {}",
                known.join(", ")
            ))),
            None => Ok(Self { members }),
        }
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn of_type<T>(
        &self,
        name: &str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, LogsError> {
        let read = |value| {
            read(value)
                .ok_or_else(|| ("SerializationException", format!("the parameter {name} is no {kind}")))
        };
        self.value(name).map(read).transpose()
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, LogsError> {
        self.of_type(name, "text", Value::as_str)
    }

    pub fn required_text(&self, name: &str) -> Result<&'a str, LogsError> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, LogsError> {
        self.of_type(name, "whole number", Value::as_i64)
    }

    pub fn required_integer(&self, name: &str) -> Result<i64, LogsError> {
        self.integer(name)?.ok_or_else(|| missing(name))
    }

    /// A time in the requests' own unit: 0 or more.
    pub fn time(&self, name: &str) -> Result<Option<i64>, LogsError> {
        let time = self.integer(name)?;
        if time.is_some_and(|time| time < 0) {
            return Err(invalid(format!("{name} is 0 or more")));
        }
        Ok(time)
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, LogsError> {
        self.of_type(name, "boolean", Value::as_bool)
    }

    /// A number of items: within bounds, or a default.
    pub fn limit(&self, name: &str, most: usize) -> Result<usize, LogsError> {
        let Some(limit) = self.integer(name)? else { return Ok(most) };
        let limit = usize::try_from(limit).ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| invalid(format!("{name} is 1 to {most}")))
    }

    pub fn list(&self, name: &str) -> Result<Option<&'a [Value]>, LogsError> {
        self.of_type(name, "list", |value| value.as_array().map(Vec::as_slice))
    }

    pub fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, LogsError> {
        self.of_type(name, "list of texts", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// The one of several parameters that is given.
    pub fn one_of(&self, names: &[&'static str]) -> Result<(&'static str, &'a Value), LogsError> {
        let mut given = names.iter().filter_map(|name| Some((*name, self.value(name)?)));
        match (given.next(), given.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(invalid(format!("give exactly one of {}", names.join(", ")))),
        }
    }
}

fn missing(name: &str) -> LogsError {
    invalid(format!("the parameter {name} is missing"))
}
