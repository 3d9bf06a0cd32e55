//! The settings of the function.

use deployment::environment::variables;
use lambda_support::config::{ConfigError, Environment};

use crate::stage_cache::Stage;

/// The settings, one for each environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The stages that cache authorizer results.
    pub stages: Vec<Stage>,
    /// The value of the metrics' dimension `Environment`.
    pub environment_name: String,
}

impl Config {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// Fails if a variable is invalid; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let value = environment.text(&variables::STAGES);
        let stage = |text: &str| match text.split_once('/') {
            Some((api_id, name)) if !api_id.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Stage { api_id: api_id.to_owned(), name: name.to_owned() })
            }
            _ => Err(ConfigError::Invalid {
                name: variables::STAGES.name,
                value: value.clone(),
                problem: "it has to be API_ID/STAGE, or several of them separated by commas".to_owned(),
            }),
        };
        let stages = value.split(',').map(str::trim).filter(|text| !text.is_empty());
        Ok(Self {
            stages: stages.map(stage).collect::<Result<_, _>>()?,
            environment_name: environment.text(&variables::ENVIRONMENT_NAME),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_and_errors_name_the_variable() {
        let read = |value| Config::read(&Environment::from_variables(&[(variables::STAGES.name, value)]));
        let names = |value| -> Vec<String> {
            read(value)
                .unwrap()
                .stages
                .iter()
                .map(|stage| format!("{}-{}", stage.api_id, stage.name))
                .collect()
        };
        assert_eq!(names(" a1/prod, b2/dev "), ["a1-prod", "b2-dev"]);
        assert!(names("").is_empty());
        for wrong in ["a1", "a1/", "/prod", "a1/prod/x", "a1/prod,b2"] {
            assert!(read(wrong).unwrap_err().to_string().contains(variables::STAGES.name), "{wrong}");
        }
    }
}
