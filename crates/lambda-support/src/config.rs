//! Environment variables, read once into typed values.

use std::collections::HashMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A variable that keeps the function from starting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not set.
    #[error("the environment variable {name} is not set; it has to name {meaning}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it is for.
        meaning: &'static str,
    },
    /// Its value is of the wrong kind.
    #[error("the environment variable {name} is {value:?}: {problem}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The environment of a process.
#[derive(Debug, Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// The environment of this process; variables that are no text are left out.
    pub fn from_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// An environment of these variables, for tests.
    pub fn from_variables(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A text that has to be set.
    ///
    /// # Errors
    /// When it is not set or empty.
    pub fn string(&self, name: &'static str, meaning: &'static str) -> Result<String, ConfigError> {
        match self.0.get(name) {
            Some(value) if !value.is_empty() => Ok(value.clone()),
            _ => Err(ConfigError::Missing { name, meaning }),
        }
    }

    /// A text, or `default` where it is not set.
    pub fn string_or(&self, name: &str, default: &str) -> String {
        self.0.get(name).map_or(default, String::as_str).to_owned()
    }

    /// A value in the range `allowed`, or `default` where it is not set.
    ///
    /// # Errors
    /// When the value cannot be read or is out of bounds.
    pub fn number_or<T>(
        &self,
        name: &'static str,
        default: T,
        allowed: RangeInclusive<T>,
    ) -> Result<T, ConfigError>
    where
        T: FromStr<Err: Display> + PartialOrd + Display,
    {
        let Some(value) = self.0.get(name) else { return Ok(default) };
        let invalid = |problem: String| ConfigError::Invalid { name, value: value.clone(), problem };
        let parsed: T = value.parse().map_err(|error: T::Err| invalid(error.to_string()))?;
        if !allowed.contains(&parsed) {
            return Err(invalid(format!("it has to be between {} and {}", allowed.start(), allowed.end())));
        }
        Ok(parsed)
    }

    /// A value of any kind, or what `default` stands for where it is not set.
    ///
    /// # Errors
    /// When the value cannot be read.
    pub fn parsed<T>(&self, name: &'static str, default: &str) -> Result<T, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        let value = self.string_or(name, default);
        value.parse().map_err(|error: T::Err| ConfigError::Invalid {
            name,
            problem: error.to_string(),
            value,
        })
    }

    /// `true` or `false`, or `default` where it is not set.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn bool_or(&self, name: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.0.get(name).map(String::as_str) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(value) => Err(ConfigError::Invalid {
                name,
                value: value.to_owned(),
                problem: "it has to be true or false".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_variable_and_what_it_should_be() {
        let environment =
            Environment::from_variables(&[("SIZE", "many"), ("COUNT", "7"), ("ON", "yes"), ("EMPTY", "")]);
        let message = |error: ConfigError| error.to_string();
        let missing = environment.string("TABLE", "the ledger's table").unwrap_err();
        assert_eq!(
            message(missing),
            "the environment variable TABLE is not set; it has to name the ledger's table"
        );
        assert!(environment.string("EMPTY", "something").is_err());
        let size = environment.number_or("SIZE", 1_u32, 1..=5).unwrap_err();
        assert_eq!(message(size), "the environment variable SIZE is \"many\": invalid digit found in string");
        let count = environment.number_or("COUNT", 1_u32, 1..=5).unwrap_err();
        assert_eq!(message(count), "the environment variable COUNT is \"7\": it has to be between 1 and 5");
        assert!(environment.bool_or("ON", true).is_err());
    }

    #[test]
    fn defaults_apply_only_where_nothing_is_set() {
        let environment = Environment::from_variables(&[("COUNT", "3"), ("OFF", "false")]);
        assert_eq!(environment.number_or("COUNT", 1_u32, 1..=5), Ok(3));
        assert_eq!(environment.number_or("OTHER", 1_u32, 1..=5), Ok(1));
        assert_eq!(environment.bool_or("OFF", true), Ok(false));
        assert_eq!(environment.bool_or("OTHER", true), Ok(true));
    }
}
