//! Typed values of the environment variables that `deployment::environment` declares.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use deployment::environment::{Bool, Number, RequiredText, Text};

/// An environment variable with which the function cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set, or empty.
    #[error("the environment variable {name} is not set; it has to name {meaning}")]
    Missing { name: &'static str, meaning: &'static str },
    /// The value of the variable cannot be used.
    #[error("the environment variable {name} is {value:?}: {problem}")]
    Invalid { name: &'static str, value: String, problem: String },
    /// The value of a variable for public keys cannot be used. It may be a private key that was set by mistake.
    #[error("the environment variable {name} has a value that cannot be used: {problem}")]
    InvalidPublicKey { name: &'static str, problem: String },
}

/// The environment variables of a process.
///
/// ```
/// use deployment::environment::variables;
/// use lambda_support::config::Environment;
///
/// let environment = Environment::from_variables(&[(variables::SYNC_INTERVAL_MS.name, "250")]);
/// assert_eq!(environment.number::<u64>(&variables::SYNC_INTERVAL_MS), Ok(250));
/// assert_eq!(environment.text(&variables::STAGES), "");
/// let error = environment.required(&variables::USAGE_TABLE).unwrap_err().to_string();
/// assert!(error.starts_with("the environment variable USAGE_TABLE is not set"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// Reads the environment of this process. Variables that are not valid UTF-8 are left out.
    pub fn from_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// Returns an environment of these variables, for tests.
    pub fn from_variables(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns a text that has to be set.
    ///
    /// # Errors
    /// Fails if the variable is not set or empty.
    pub fn required(&self, variable: &RequiredText) -> Result<String, ConfigError> {
        match self.get(variable.name) {
            Some(value) if !value.is_empty() => Ok(value.to_owned()),
            _ => Err(ConfigError::Missing { name: variable.name, meaning: variable.variable().doc() }),
        }
    }

    /// Returns a text, or its default if the variable is not set.
    pub fn text(&self, variable: &Text) -> String {
        self.get(variable.name).unwrap_or(variable.default).to_owned()
    }

    /// Parses a text, or its default if the variable is not set.
    ///
    /// # Errors
    /// Fails if the value cannot be parsed.
    pub fn parsed<T>(&self, variable: &Text) -> Result<T, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        let value = self.text(variable);
        value.parse().map_err(|error: T::Err| ConfigError::Invalid {
            name: variable.name,
            problem: error.to_string(),
            value,
        })
    }

    /// Parses public keys, which have to be set.
    ///
    /// # Errors
    /// Fails if the variable is not set or empty, or the value cannot be parsed. The error does not have the value.
    pub fn public_keys<T>(&self, variable: &RequiredText) -> Result<T, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        let parsed = self.required(variable)?.parse();
        parsed.map_err(|error: T::Err| ConfigError::InvalidPublicKey {
            name: variable.name,
            problem: error.to_string(),
        })
    }

    /// Returns a number, or its default if the variable is not set.
    ///
    /// # Errors
    /// Fails if the value is not a whole number or not in the variable's range.
    pub fn number<T: TryFrom<u32>>(&self, variable: &Number) -> Result<T, ConfigError> {
        let Number { name, default, min, max, .. } = *variable;
        let text = self.get(name);
        let invalid = |problem: String| ConfigError::Invalid {
            name,
            value: text.map_or_else(|| default.to_string(), str::to_owned),
            problem,
        };
        let out_of_range = || invalid(format!("it has to be between {min} and {max}"));
        let value = match text {
            None => default,
            Some(text) => {
                let parsed: i128 =
                    text.parse().map_err(|error: std::num::ParseIntError| invalid(error.to_string()))?;
                u32::try_from(parsed)
                    .ok()
                    .filter(|value| (min..=max).contains(value))
                    .ok_or_else(out_of_range)?
            }
        };
        T::try_from(value).map_err(|_| out_of_range())
    }

    /// Returns `true` or `false`, or the default if the variable is not set.
    ///
    /// # Errors
    /// Fails if the value is anything else.
    pub fn bool(&self, variable: &Bool) -> Result<bool, ConfigError> {
        match self.get(variable.name) {
            None => Ok(variable.default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(value) => Err(ConfigError::Invalid {
                name: variable.name,
                value: value.to_owned(),
                problem: "it has to be true or false".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: RequiredText = RequiredText::new("TABLE", "the ledger's table");
    const EMPTY: RequiredText = RequiredText::new("EMPTY", "something");
    const SIZE: Number = Number::new("SIZE", "a size", 1, [1, 5]);
    const COUNT: Number = Number::new("COUNT", "a count", 1, [1, 5]);
    const OTHER: Number = Number::new("OTHER", "another count", 1, [1, 5]);
    const ON: Bool = Bool::new("ON", "a switch", true);
    const OFF: Bool = Bool::new("OFF", "another switch", true);
    const OTHER_SWITCH: Bool = Bool::new("OTHER", "a third switch", true);

    #[test]
    fn an_error_names_the_variable_and_what_it_should_be() {
        let environment =
            Environment::from_variables(&[("SIZE", "many"), ("COUNT", "7"), ("ON", "yes"), ("EMPTY", "")]);
        let message = |error: ConfigError| error.to_string();
        let missing = environment.required(&TABLE).unwrap_err();
        assert_eq!(
            message(missing),
            "the environment variable TABLE is not set; it has to name the ledger's table"
        );
        assert!(environment.required(&EMPTY).is_err());
        let size = environment.number::<u32>(&SIZE).unwrap_err();
        assert_eq!(message(size), "the environment variable SIZE is \"many\": invalid digit found in string");
        let count = environment.number::<u32>(&COUNT).unwrap_err();
        assert_eq!(message(count), "the environment variable COUNT is \"7\": it has to be between 1 and 5");
        assert!(environment.bool(&ON).is_err());
    }

    #[test]
    fn an_error_about_a_key_does_not_have_its_text() {
        let environment = Environment::from_variables(&[("TABLE", "secret")]);
        let problem = environment.public_keys::<u64>(&TABLE).unwrap_err();
        for text in [problem.to_string(), format!("{problem:?}")] {
            assert!(text.contains("TABLE") && !text.contains("secret"), "{text}");
        }
        let missing = environment.public_keys::<u64>(&EMPTY).unwrap_err().to_string();
        assert!(missing.contains("EMPTY is not set"), "{missing}");
    }

    #[test]
    fn defaults_apply_only_where_nothing_is_set() {
        let environment = Environment::from_variables(&[("COUNT", "3"), ("OFF", "false")]);
        assert_eq!(environment.number::<u32>(&COUNT), Ok(3));
        assert_eq!(environment.number::<u32>(&OTHER), Ok(1));
        assert_eq!(environment.bool(&OFF), Ok(false));
        assert_eq!(environment.bool(&OTHER_SWITCH), Ok(true));
    }
}
