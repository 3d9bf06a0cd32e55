//! The secret of the canary's key.
//!
//! It is a `SecureString` of SSM, read through AWS's Parameters and Secrets
//! Lambda Extension: so it stands in no template, in no environment variable
//! and in no image, IAM says who reads it, and the function needs neither the
//! SDK of SSM nor a signature of its own making. The extension remembers it
//! for five minutes, so a rotated key is taken up without a deployment.
//!
//! Source: Systems Manager User Guide, "Using Parameter Store parameters in
//! AWS Lambda functions".

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use serde_json::Value;

use crate::client::{Client, RequestError};
use crate::config::Config;

/// The header by which the extension knows the function.
pub const TOKEN_HEADER: &str = "x-aws-parameters-secrets-token";
/// The path of the extension that answers with a parameter.
pub const PARAMETER_PATH: &str = "/systemsmanager/parameters/get";

/// A secret that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The name or the token cannot be sent.
    #[error("CANARY_SECRET_PARAMETER or AWS_SESSION_TOKEN cannot be sent to the extension")]
    Request(#[from] http::Error),
    /// The extension does not answer.
    #[error(
        "the Parameters and Secrets Lambda Extension does not answer on port {port}; is its layer there?"
    )]
    Silent {
        /// The port.
        port: u16,
        /// What the connection said.
        source: RequestError,
    },
    /// It has no such parameter, or may not read it.
    #[error(
        "the parameter {parameter} cannot be read ({status}); make it with `aws ssm put-parameter --type SecureString`, and let the function's role read it"
    )]
    Refused {
        /// The parameter.
        parameter: String,
        /// What the extension answered.
        status: StatusCode,
    },
    /// Its answer holds no value.
    #[error("the extension's answer has no text Parameter.Value")]
    NoValue,
}

/// Reads the secret.
///
/// # Errors
/// When it cannot be read; no error holds any of it.
pub async fn read(config: &Config, client: &Client) -> Result<String, SecretError> {
    let port = config.extension_port;
    let name: String = form_urlencoded::byte_serialize(config.secret_parameter.as_bytes()).collect();
    let url = format!("http://localhost:{port}{PARAMETER_PATH}?name={name}&withDecryption=true");
    let request = Request::get(url).header(TOKEN_HEADER, &config.session_token);
    let request = request.body(Empty::<Bytes>::new())?;
    let (status, body) = client.send(request).await.map_err(|source| SecretError::Silent { port, source })?;
    if status != StatusCode::OK {
        return Err(SecretError::Refused { parameter: config.secret_parameter.clone(), status });
    }
    let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    answer["Parameter"]["Value"].as_str().map(str::to_owned).ok_or(SecretError::NoValue)
}
