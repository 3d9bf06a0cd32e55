//! The settings of the function.

use lambda_support::config::{ConfigError, Environment};

use crate::stage_cache::Stage;

/// Settings, each from one environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `STAGES`: the stages that cache authorizer answers, as
    /// `API_ID/STAGE,API_ID/STAGE`; none where it is empty.
    pub stages: Vec<Stage>,
    /// `ENVIRONMENT_NAME`: the dimension of the metrics, `local` by default.
    pub environment_name: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// When a variable is wrong; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let value = environment.string_or("STAGES", "");
        let stage = |text: &str| match text.split_once('/') {
            Some((api_id, name)) if !api_id.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Stage { api_id: api_id.to_owned(), name: name.to_owned() })
            }
            _ => Err(ConfigError::Invalid {
                name: "STAGES",
                value: value.clone(),
                problem: "it has to be API_ID/STAGE, and more of them after commas".to_owned(),
            }),
        };
        let stages = value.split(',').map(str::trim).filter(|text| !text.is_empty());
        Ok(Self {
            stages: stages.map(stage).collect::<Result<_, _>>()?,
            environment_name: environment.string_or("ENVIRONMENT_NAME", "local"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_and_errors_name_the_variable() {
        let read = |value| Config::read(&Environment::from_variables(&[("STAGES", value)]));
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
            assert!(read(wrong).unwrap_err().to_string().contains("STAGES"), "{wrong}");
        }
    }
}
