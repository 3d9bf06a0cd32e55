//! The caches of authorizer answers in API Gateway.

use std::error::Error;
use std::future::Future;

/// A stage of a REST API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stage {
    /// The API.
    pub api_id: String,
    /// The stage's name.
    pub name: String,
}

/// A cache that could not be flushed.
#[derive(Debug, thiserror::Error)]
#[error("the authorizer cache of stage {stage} of API {api_id} could not be flushed")]
pub struct FlushError {
    /// The API.
    pub api_id: String,
    /// The stage.
    pub stage: String,
    /// What API Gateway said.
    pub source: Box<dyn Error + Send + Sync>,
}

/// Flushes caches.
pub trait StageCaches: Sync {
    /// Empties the cache of a stage.
    ///
    /// # Errors
    /// When it is not known to be empty.
    fn flush(&self, stage: &Stage) -> impl Future<Output = Result<(), FlushError>> + Send;
}

/// The caches, by API Gateway's own API (`FlushStageAuthorizersCache`).
#[derive(Debug, Clone)]
pub struct ApiGatewayCaches {
    client: aws_sdk_apigateway::Client,
}

impl ApiGatewayCaches {
    /// The caches of an account and region.
    pub fn new(client: aws_sdk_apigateway::Client) -> Self {
        Self { client }
    }
}

impl StageCaches for ApiGatewayCaches {
    async fn flush(&self, stage: &Stage) -> Result<(), FlushError> {
        let request =
            self.client.flush_stage_authorizers_cache().rest_api_id(&stage.api_id).stage_name(&stage.name);
        request.send().await.map(|_| ()).map_err(|error| FlushError {
            api_id: stage.api_id.clone(),
            stage: stage.name.clone(),
            source: Box::new(error),
        })
    }
}
