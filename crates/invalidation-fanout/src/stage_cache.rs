//! The authorizer caches of API Gateway.

use std::error::Error;
use std::future::Future;

/// A stage of a REST API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stage {
    pub api_id: String,
    pub name: String,
}

/// A cache that could not be flushed.
#[derive(Debug, thiserror::Error)]
#[error("the authorizer cache of stage {stage} of API {api_id} could not be flushed")]
pub struct FlushError {
    pub api_id: String,
    pub stage: String,
    pub source: Box<dyn Error + Send + Sync>,
}

/// Flushes caches.
pub trait StageCaches: Sync {
    /// Empties the cache of a stage.
    ///
    /// # Errors
    /// When the flush failed or its outcome is unknown.
    fn flush(&self, stage: &Stage) -> impl Future<Output = Result<(), FlushError>> + Send;
}

/// The caches of an account and region, flushed with `FlushStageAuthorizersCache`.
#[derive(Debug, Clone)]
pub struct ApiGatewayCaches {
    client: aws_sdk_apigateway::Client,
}

impl ApiGatewayCaches {
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
