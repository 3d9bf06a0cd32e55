//! The secret of the canary's key.
//!
//! The secret is a `SecureString` of SSM, read through AWS's Parameters and
//! Secrets Lambda Extension. Therefore no template, environment variable or image
//! contains it, IAM controls who reads it, and the function needs neither the SDK
//! of SSM nor request signing. The extension caches it for five minutes, so a
//! rotated secret is used without a deployment.
//!
//! Source: Systems Manager User Guide, "Using Parameter Store parameters in
//! AWS Lambda functions".

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use serde_json::Value;

use crate::client::{Client, RequestError};
use crate::config::Config;

/// The header with which the extension authenticates the function.
pub const TOKEN_HEADER: &str = "x-aws-parameters-secrets-token";
/// The path with which the extension returns a parameter.
pub const PARAMETER_PATH: &str = "/systemsmanager/parameters/get";

/// The secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The name or the token cannot be sent.
    #[error("CANARY_SECRET_PARAMETER or AWS_SESSION_TOKEN cannot be sent to the extension")]
    Request(#[from] http::Error),
    /// The extension does not respond.
    #[error(
        "the Parameters and Secrets Lambda Extension does not respond on port {port}; check that the function has its layer"
    )]
    NoResponse {
        /// The port of the extension.
        port: u16,
        /// The error of the request.
        source: RequestError,
    },
    /// The parameter does not exist, or the function's role may not read it.
    #[error(
        "the parameter {parameter} cannot be read ({status}); create it with `aws ssm put-parameter --type SecureString`, and let the function's role read it"
    )]
    Refused {
        /// The name of the parameter.
        parameter: String,
        /// The status that the extension returned.
        status: StatusCode,
    },
    /// The response of the extension contains no value.
    #[error("the extension's response has no text Parameter.Value")]
    NoValue,
}

/// Reads the secret.
///
/// # Errors
/// When the secret cannot be read. No error contains any part of it.
pub async fn read(config: &Config, client: &Client) -> Result<String, SecretError> {
    let port = config.extension_port;
    let name: String = form_urlencoded::byte_serialize(config.secret_parameter.as_bytes()).collect();
    let url = format!("http://localhost:{port}{PARAMETER_PATH}?name={name}&withDecryption=true");
    let request = Request::get(url).header(TOKEN_HEADER, &config.session_token);
    let request = request.body(Empty::<Bytes>::new())?;
    let (status, body) =
        client.send(request).await.map_err(|source| SecretError::NoResponse { port, source })?;
    if status != StatusCode::OK {
        return Err(SecretError::Refused { parameter: config.secret_parameter.clone(), status });
    }
    let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    answer["Parameter"]["Value"].as_str().map(str::to_owned).ok_or(SecretError::NoValue)
}
