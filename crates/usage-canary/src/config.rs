//! The settings of the function.

use deployment::environment::variables;
use http::Uri;
use lambda_support::config::{ConfigError, Environment};

/// The settings, one for each environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The URL that is called. A call with a valid key is answered with 2xx and billed.
    pub url: Uri,
    /// The id of the canary's key. Calls of a key with another id than
    /// `CANARY_KEY_ID` are billed.
    pub api_key_id: String,
    /// The SSM parameter with the secret of the key, a `SecureString`.
    pub secret_parameter: String,
    /// The table of the usage ledger.
    pub usage_table: String,
    /// The value of the metrics' dimension `Environment`.
    pub environment_name: String,
    /// The time for which a call is awaited in the ledger, in milliseconds.
    /// The time-out of the function has to be 30 s longer.
    pub timeout_ms: u64,
    /// The port of the Parameters and Secrets extension on loopback.
    pub extension_port: u16,
    /// The session token of the function's role, by which the extension
    /// identifies the function. Lambda sets it.
    pub session_token: String,
}

impl Config {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// Fails if a variable is missing or invalid; the error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let url = environment.required(&variables::CANARY_URL)?;
        Ok(Self {
            url: http_url(&url)?,
            api_key_id: environment.text(&variables::CANARY_API_KEY_ID),
            secret_parameter: environment.required(&variables::CANARY_SECRET_PARAMETER)?,
            usage_table: environment.required(&variables::USAGE_TABLE)?,
            environment_name: environment.text(&variables::ENVIRONMENT_NAME),
            timeout_ms: environment.number(&variables::TIMEOUT_MS)?,
            extension_port: environment.number(&variables::PARAMETERS_SECRETS_EXTENSION_HTTP_PORT)?,
            session_token: environment.required(&variables::AWS_SESSION_TOKEN)?,
        })
    }
}

fn http_url(text: &str) -> Result<Uri, ConfigError> {
    let is_http = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
    text.parse().ok().filter(is_http).ok_or_else(|| ConfigError::Invalid {
        name: variables::CANARY_URL.name,
        value: text.to_owned(),
        problem: "it has to be a URL such as https://HOST/PATH".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use metering_core::metered_key::CANARY_KEY_ID;

    use super::*;

    const NEEDED: [(&str, &str); 4] = [
        (variables::CANARY_URL.name, "https://api.example.com/status/200"),
        (variables::CANARY_SECRET_PARAMETER.name, "/canary-secret"),
        (variables::USAGE_TABLE.name, "usage"),
        (variables::AWS_SESSION_TOKEN.name, "token"),
    ];

    #[test]
    fn settings_have_defaults_and_an_error_names_the_variable() {
        let config = Config::read(&Environment::from_variables(&NEEDED)).unwrap();
        assert_eq!(
            (config.api_key_id.as_str(), config.timeout_ms, config.extension_port),
            ("canary", 120_000, 2_773)
        );
        assert_eq!(config.api_key_id, CANARY_KEY_ID);
        for (name, wrong) in [
            (variables::CANARY_URL.name, "api.example.com"),
            (variables::CANARY_URL.name, "ftp://api.example.com/"),
            (variables::CANARY_SECRET_PARAMETER.name, ""),
            (variables::TIMEOUT_MS.name, "0"),
            (variables::AWS_SESSION_TOKEN.name, ""),
        ] {
            let mut variables = NEEDED.to_vec();
            variables.retain(|(needed, _)| *needed != name);
            variables.push((name, wrong));
            let error = Config::read(&Environment::from_variables(&variables)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
