//! HTTP APIs in API Gateway.

use std::collections::HashMap;

use access_log::log_format::ApiKind;
use anyhow::{Context, ensure};
use aws_sdk_apigatewayv2::Client;
use aws_sdk_apigatewayv2::operation::get_api::GetApiError;
use aws_sdk_apigatewayv2::types::{
    AccessLogSettings, AuthorizationType, Authorizer, AuthorizerType, ProtocolType, Stage,
};
use deployment::names::KEY_HEADER;
use metering_aws::attachments::AccessLog;

use super::api::{
    AUTHORIZER_NAME, ApiGateway, ApiState, Authorization, Authorizer as MeterAuthorizer, Deployment, Route,
    choose_stage, invokes,
};
use super::rest::CREATOR_TAG;

/// An HTTP API.
pub struct HttpApi {
    pub client: Client,
    pub id: String,
    pub name: String,
    pub tags: HashMap<String, String>,
}

impl HttpApi {
    /// Finds an HTTP API; `None` if there is none with this id.
    pub async fn find(client: Client, id: &str) -> anyhow::Result<Option<Self>> {
        let reply = match client.get_api().api_id(id).send().await {
            Ok(reply) => reply,
            Err(error) if error.as_service_error().is_some_and(GetApiError::is_not_found_exception) => {
                return Ok(None);
            }
            Err(error) => return Err(error).with_context(|| format!("the API {id} cannot be read")),
        };
        ensure!(
            reply.protocol_type() == Some(&ProtocolType::Http),
            "the API {id} is a WebSocket API: its messages have no access-log lines that the meter could count"
        );
        let (name, tags) = (reply.name.unwrap_or_default(), reply.tags.unwrap_or_default());
        Ok(Some(Self { client, id: id.to_owned(), name, tags }))
    }

    async fn stages(&self) -> anyhow::Result<Vec<Stage>> {
        let (mut stages, mut token) = (Vec::new(), None);
        loop {
            let reply = self.client.get_stages().api_id(&self.id).set_next_token(token).send().await;
            let reply = reply.with_context(|| format!("the stages of {} cannot be read", self.id))?;
            stages.extend(reply.items.unwrap_or_default());
            token = reply.next_token;
            if token.is_none() {
                return Ok(stages);
            }
        }
    }

    async fn authorizer(&self, function_name: &str) -> anyhow::Result<Option<MeterAuthorizer>> {
        let mut token = None;
        loop {
            let reply = self.client.get_authorizers().api_id(&self.id).set_next_token(token).send().await;
            let reply = reply.with_context(|| format!("the authorizers of {} cannot be read", self.id))?;
            let is_of_meter =
                |authorizer: &&Authorizer| invokes(authorizer.authorizer_uri.as_deref(), function_name);
            if let Some(found) = reply.items().iter().find(is_of_meter) {
                let cache_ttl_s = found.authorizer_result_ttl_in_seconds().unwrap_or_default();
                return Ok(found.authorizer_id.clone().map(|id| MeterAuthorizer { id, cache_ttl_s }));
            }
            token = reply.next_token;
            if token.is_none() {
                return Ok(None);
            }
        }
    }

    async fn routes(&self, meter: Option<&str>) -> anyhow::Result<Vec<Route>> {
        let (mut routes, mut token) = (Vec::new(), None);
        loop {
            let reply = self.client.get_routes().api_id(&self.id).set_next_token(token).send().await;
            let reply = reply.with_context(|| format!("the routes of {} cannot be read", self.id))?;
            routes.extend(reply.items.unwrap_or_default().into_iter().map(|route| {
                let kind = route.authorization_type.as_ref().map_or("NONE", AuthorizationType::as_str);
                Route {
                    authorization: Authorization::new(kind, route.authorizer_id.as_deref(), meter),
                    id: route.route_id.unwrap_or_default(),
                    needs_gateway_key: false,
                    name: route.route_key.unwrap_or_default(),
                }
            }));
            token = reply.next_token;
            if token.is_none() {
                routes.sort_by(|left, right| left.name.cmp(&right.name));
                return Ok(routes);
            }
        }
    }
}

impl ApiGateway for HttpApi {
    async fn state(&self, stage: Option<&str>, function_name: &str) -> anyhow::Result<ApiState> {
        let stages = self.stages().await?;
        let name = |stage: &Stage| stage.stage_name().unwrap_or_default().to_owned();
        let names: Vec<String> = stages.iter().map(name).collect();
        let chosen = choose_stage(stage, &names, &self.id)?;
        let stage = stages.into_iter().find(|stage| name(stage) == chosen).context("the stage was listed")?;
        let authorizer = self.authorizer(function_name).await?;
        Ok(ApiState {
            id: self.id.clone(),
            name: self.name.clone(),
            kind: ApiKind::Http,
            stage: chosen,
            has_other_stages: names.len() > 1,
            deployment: match stage.auto_deploy() {
                Some(true) => Deployment::ByItself,
                _ => Deployment::OnRequest,
            },
            access_log: stage.access_log_settings.and_then(|log| {
                Some(AccessLog { destination_arn: log.destination_arn?, format: log.format? })
            }),
            routes: self.routes(authorizer.as_ref().map(|found| found.id.as_str())).await?,
            authorizer,
            can_log: true,
            created_by: self.tags.get(CREATOR_TAG).cloned(),
        })
    }

    async fn set_access_log(&self, stage: &str, log: Option<&AccessLog>) -> anyhow::Result<()> {
        let failed = || format!("the access log of the stage {stage} cannot be changed");
        let Some(AccessLog { destination_arn, format }) = log else {
            let request = self.client.delete_access_log_settings().api_id(&self.id).stage_name(stage);
            return request.send().await.map(|_| ()).with_context(failed);
        };
        let settings = AccessLogSettings::builder().destination_arn(destination_arn).format(format).build();
        let request = self.client.update_stage().api_id(&self.id).stage_name(stage);
        request.access_log_settings(settings).send().await.map(|_| ()).with_context(failed)
    }

    async fn create_authorizer(&self, uri: &str) -> anyhow::Result<String> {
        let request = self.client.create_authorizer().api_id(&self.id).name(AUTHORIZER_NAME);
        let request = request.authorizer_type(AuthorizerType::Request).authorizer_uri(uri);
        let request = request.authorizer_payload_format_version("2.0").enable_simple_responses(true);
        let request = request.authorizer_result_ttl_in_seconds(0);
        let reply = request.identity_source(format!("$request.header.{KEY_HEADER}")).send().await;
        let reply = reply.with_context(|| format!("the authorizer of {} cannot be created", self.id))?;
        reply.authorizer_id.context("API Gateway returned no id of the authorizer")
    }

    async fn delete_authorizer(&self, id: &str) -> anyhow::Result<()> {
        let request = self.client.delete_authorizer().api_id(&self.id).authorizer_id(id);
        request.send().await.map(|_| ()).with_context(|| format!("the authorizer {id} cannot be deleted"))
    }

    async fn authorize(&self, route: &Route, authorizer_id: Option<&str>) -> anyhow::Result<()> {
        let request = self.client.update_route().api_id(&self.id).route_id(&route.id);
        let request = match authorizer_id {
            Some(id) => request.authorization_type(AuthorizationType::Custom).authorizer_id(id),
            None => request.authorization_type(AuthorizationType::None),
        };
        let reply = request.send().await;
        reply.map(|_| ()).with_context(|| format!("the authorization of {} cannot be changed", route.name))
    }

    async fn deploy(&self, stage: &str) -> anyhow::Result<()> {
        let request = self.client.create_deployment().api_id(&self.id).stage_name(stage);
        let reply = request.description("meter").send().await;
        reply.map(|_| ()).with_context(|| format!("the API {} cannot be deployed to {stage}", self.id))
    }
}
