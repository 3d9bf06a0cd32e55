//! The settings of the function.

use http::Uri;
use lambda_support::config::{ConfigError, Environment};
use metering_core::usage_record::CANARY_KEY_ID;

/// Settings, each from one environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `CANARY_URL`: the URL to call. It has to return 2xx for a valid key, and to be billed.
    pub url: Uri,
    /// `CANARY_API_KEY_ID`: the id of the canary's key, `canary` by default. Calls
    /// with another id are billed like those of any customer.
    pub api_key_id: String,
    /// `CANARY_SECRET_PARAMETER`: the SSM parameter (a `SecureString`) with the secret of the key.
    pub secret_parameter: String,
    /// `USAGE_TABLE`: the ledger.
    pub usage_table: String,
    /// `ENVIRONMENT_NAME`: the dimension of the metrics.
    pub environment_name: String,
    /// `TIMEOUT_MS`: time to wait for a call in the ledger, 120000 by default.
    /// The function's timeout has to be 30 s longer.
    pub timeout_ms: u64,
    /// `PARAMETERS_SECRETS_EXTENSION_HTTP_PORT`: the port of the extension, 2773 by default.
    pub extension_port: u16,
    /// `AWS_SESSION_TOKEN`, which Lambda sets, and with which the extension authenticates the function.
    pub session_token: String,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// When a variable is missing or invalid. The error names it.
    pub fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let url = environment.string("CANARY_URL", "a URL of the metered API")?;
        let session_token = environment
            .string("AWS_SESSION_TOKEN", "the session of the function's role, as Lambda sets it")?;
        Ok(Self {
            url: http_url(&url)?,
            api_key_id: environment.string_or("CANARY_API_KEY_ID", CANARY_KEY_ID),
            secret_parameter: environment
                .string("CANARY_SECRET_PARAMETER", "the SSM parameter with the secret of the canary's key")?,
            usage_table: environment.string("USAGE_TABLE", "the DynamoDB table of the usage ledger")?,
            environment_name: environment.string_or("ENVIRONMENT_NAME", "unnamed"),
            timeout_ms: environment.number_or("TIMEOUT_MS", 120_000, 1_000..=840_000)?,
            extension_port: environment.number_or(
                "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT",
                2_773,
                1..=65_535,
            )?,
            session_token,
        })
    }
}

fn http_url(text: &str) -> Result<Uri, ConfigError> {
    let is_http = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
    text.parse().ok().filter(is_http).ok_or_else(|| ConfigError::Invalid {
        name: "CANARY_URL",
        value: text.to_owned(),
        problem: "it has to be a URL such as https://HOST/PATH".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 4] = [
        ("CANARY_URL", "https://api.example.com/status/200"),
        ("CANARY_SECRET_PARAMETER", "/canary-secret"),
        ("USAGE_TABLE", "usage"),
        ("AWS_SESSION_TOKEN", "token"),
    ];

    #[test]
    fn settings_have_defaults_and_an_error_names_the_variable() {
        let config = Config::read(&Environment::from_variables(&NEEDED)).unwrap();
        assert_eq!(
            (config.api_key_id.as_str(), config.timeout_ms, config.extension_port),
            ("canary", 120_000, 2_773)
        );
        for (name, wrong) in [
            ("CANARY_URL", "api.example.com"),
            ("CANARY_URL", "ftp://api.example.com/"),
            ("CANARY_SECRET_PARAMETER", ""),
            ("TIMEOUT_MS", "0"),
            ("AWS_SESSION_TOKEN", ""),
        ] {
            let mut variables = NEEDED.to_vec();
            variables.retain(|(needed, _)| *needed != name);
            variables.push((name, wrong));
            let error = Config::read(&Environment::from_variables(&variables)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
