//! The API key of the function `usage-canary`, and the parameter store that has the key's secret.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use deployment::environment::variables;
use deployment::names::local::{CANARY_SECRET_PARAMETER as PARAMETER, USAGE_TABLE};
use http::{HeaderMap, StatusCode};
use metering_aws::KeyAdmin;
use metering_aws::key_admin::{NewKey, Rotation};
use metering_aws::key_store::KeyStoreError;
use metering_core::api_key::KeyDigest;
use metering_core::metered_key::CANARY_KEY_ID;
use rand::Rng;
use serde::Deserialize;
use serde_json::json;
use system_clock::now_ms;
use tokio::task::JoinSet;

use super::error::StartError;
use super::options::UsageCanary;
use super::servers::{listen, serve_on_loopback};

/// The path of the built-in backend that the canary calls.
const PATH: &str = "/status/200";
/// The token by which the function identifies itself to the Lambda extension.
const SESSION_TOKEN: &str = "local";
/// Difference between the timeout of the function and the time for which it waits for its call, in
/// milliseconds.
const TIMEOUT_BEYOND_MS: u64 = 30_000;

/// The settings of the function.
pub(super) struct CanarySettings {
    pub environment: Vec<(String, String)>,
    pub timeout_ms: u64,
}

/// Creates the key and serves its secret, if the stack has a canary. Each start replaces the
/// secret, so that it need not be stored.
///
/// # Errors
/// Returns an error if the key cannot be written, or if no port is free.
pub(super) async fn prepare(
    options: Option<UsageCanary>,
    gateway: &str,
    keys: &KeyAdmin,
    servers: &mut JoinSet<()>,
) -> Result<Option<CanarySettings>, StartError> {
    let Some(options) = options else { return Ok(None) };
    let secret = format!("canary_{:064x}", rand::rng().random::<u128>());
    set_secret(keys, &secret).await.map_err(|source| StartError::CanaryKey { source })?;
    let extension = serve_on_loopback(servers, listen(0).await?, extension(secret));
    let port = extension.rsplit_once(':').map_or("", |(_, port)| port);
    let timeout_ms = options.timeout_ms.to_string();
    let environment = [
        (variables::CANARY_URL.name, format!("{gateway}{PATH}").as_str()),
        (variables::CANARY_API_KEY_ID.name, CANARY_KEY_ID),
        (variables::CANARY_SECRET_PARAMETER.name, PARAMETER),
        (variables::USAGE_TABLE.name, USAGE_TABLE),
        (variables::TIMEOUT_MS.name, &timeout_ms),
        (variables::PARAMETERS_SECRETS_EXTENSION_HTTP_PORT.name, port),
        (variables::AWS_SESSION_TOKEN.name, SESSION_TOKEN),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let timeout_ms = options.timeout_ms + TIMEOUT_BEYOND_MS;
    Ok(Some(CanarySettings { environment: environment.to_vec(), timeout_ms }))
}

async fn set_secret(keys: &KeyAdmin, secret: &str) -> Result<(), KeyStoreError> {
    let digest = KeyDigest::of_bytes(secret.as_bytes());
    let key = NewKey::new(CANARY_KEY_ID, digest, now_ms()).described(|key| {
        key.owner = "usage meter".into();
        key.name = "canary, not billed".into();
    });
    match keys.create(&key).await {
        Err(KeyStoreError::Taken { .. }) => {
            let rotation = Rotation { digest, overlap_ms: 0, end_previous: true };
            keys.rotate(CANARY_KEY_ID, &rotation, now_ms()).await.map(drop)
        }
        created => created,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ParameterRequest {
    name: String,
    #[serde(default)]
    with_decryption: bool,
}

/// The AWS Parameters and Secrets Lambda Extension, with one `SecureString`. Other requests are refused.
///
/// Source: Systems Manager User Guide, "Using Parameter Store parameters in AWS
/// Lambda functions".
fn extension(secret: String) -> Router {
    Router::new().route("/systemsmanager/parameters/get", get(parameter)).with_state(secret)
}

async fn parameter(
    State(secret): State<String>,
    headers: HeaderMap,
    Query(request): Query<ParameterRequest>,
) -> Response {
    let token = headers.get("x-aws-parameters-secrets-token").map(http::HeaderValue::as_bytes);
    if token != Some(SESSION_TOKEN.as_bytes()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if request.name != PARAMETER || !request.with_decryption {
        return StatusCode::BAD_REQUEST.into_response();
    }
    Json(json!({
        "Parameter": {"Name": PARAMETER, "Type": "SecureString", "DataType": "text", "Version": 1, "Value": secret},
        "ResultMetadata": {},
    }))
    .into_response()
}
