//! REST APIs in API Gateway.

use std::collections::{BTreeMap, HashMap};

use access_log::log_format::ApiKind;
use anyhow::Context;
use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::operation::get_rest_api::GetRestApiError;
use aws_sdk_apigateway::types::{Authorizer, AuthorizerType, Op, PatchOperation, Resource};
use metering_aws::attachments::AccessLog;

use super::api::{
    AUTHORIZER_NAME, ApiGateway, ApiState, Authorization, Authorizer as MeterAuthorizer, Deployment, Route,
    choose_stage, invokes,
};

/// Tag with which CloudFormation marks what it creates.
pub const CREATOR_TAG: &str = "aws:cloudformation:stack-name";

/// Number of resources of a page, the most that is allowed. Source: API Gateway API Reference, `GetResources`, `limit`.
const RESOURCES_PER_PAGE: i32 = 500;

/// A stage, as far as it is read.
struct Stage {
    access_log: Option<AccessLog>,
    has_canary: bool,
}

/// A REST API.
pub struct RestApi {
    pub client: Client,
    pub id: String,
    pub name: String,
    pub tags: HashMap<String, String>,
}

impl RestApi {
    /// Finds a REST API; `None` if there is none with this id.
    pub async fn find(client: Client, id: &str) -> anyhow::Result<Option<Self>> {
        let reply = match client.get_rest_api().rest_api_id(id).send().await {
            Ok(reply) => reply,
            Err(error) if error.as_service_error().is_some_and(GetRestApiError::is_not_found_exception) => {
                return Ok(None);
            }
            Err(error) => return Err(error).with_context(|| format!("the API {id} cannot be read")),
        };
        let (name, tags) = (reply.name.unwrap_or_default(), reply.tags.unwrap_or_default());
        Ok(Some(Self { client, id: id.to_owned(), name, tags }))
    }

    async fn stages(&self) -> anyhow::Result<BTreeMap<String, Stage>> {
        let reply = self.client.get_stages().rest_api_id(&self.id).send().await;
        let stages = reply.with_context(|| format!("the stages of {} cannot be read", self.id))?.item;
        let stages = stages.unwrap_or_default().into_iter().map(|stage| {
            let access_log = stage.access_log_settings.and_then(|log| {
                Some(AccessLog { destination_arn: log.destination_arn?, format: log.format? })
            });
            let has_canary = stage.canary_settings.is_some();
            (stage.stage_name.unwrap_or_default(), Stage { access_log, has_canary })
        });
        Ok(stages.collect())
    }

    async fn authorizer(&self, function_name: &str) -> anyhow::Result<Option<MeterAuthorizer>> {
        let mut position = None;
        loop {
            let request = self.client.get_authorizers().rest_api_id(&self.id).set_position(position);
            let reply = request.send().await;
            let reply = reply.with_context(|| format!("the authorizers of {} cannot be read", self.id))?;
            let is_of_meter =
                |authorizer: &&Authorizer| invokes(authorizer.authorizer_uri.as_deref(), function_name);
            if let Some(found) = reply.items().iter().find(is_of_meter) {
                let cache_ttl_s = found.authorizer_result_ttl_in_seconds().unwrap_or_default();
                return Ok(found.id.clone().map(|id| MeterAuthorizer { id, cache_ttl_s }));
            }
            position = reply.position;
            if position.is_none() {
                return Ok(None);
            }
        }
    }

    async fn routes(&self, meter: Option<&str>) -> anyhow::Result<Vec<Route>> {
        let request =
            self.client.get_resources().rest_api_id(&self.id).embed("methods").limit(RESOURCES_PER_PAGE);
        let mut resources = request.into_paginator().items().send();
        let mut routes = Vec::new();
        while let Some(resource) = resources.next().await {
            let resource =
                resource.with_context(|| format!("the resources of {} cannot be read", self.id))?;
            routes.extend(methods(&resource, meter));
        }
        routes.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(routes)
    }

    async fn can_log(&self) -> anyhow::Result<bool> {
        let account = self.client.get_account().send().await;
        let account = account.context("the settings of API Gateway in this account cannot be read")?;
        Ok(account.cloudwatch_role_arn().is_some_and(|role| !role.is_empty()))
    }
}

fn methods(resource: &Resource, meter: Option<&str>) -> Vec<Route> {
    let (id, path) = (resource.id().unwrap_or_default(), resource.path().unwrap_or_default());
    let methods = resource.resource_methods().into_iter().flatten().map(|(method, properties)| {
        let kind = properties.authorization_type().unwrap_or("NONE");
        Route {
            id: format!("{id}/{method}"),
            name: format!("{method} {path}"),
            authorization: Authorization::new(kind, properties.authorizer_id(), meter),
            needs_gateway_key: properties.api_key_required().unwrap_or_default(),
        }
    });
    methods.collect()
}

fn patch(op: Op, path: &str, value: Option<&str>) -> PatchOperation {
    PatchOperation::builder().op(op).path(path).set_value(value.map(str::to_owned)).build()
}

impl ApiGateway for RestApi {
    async fn state(&self, stage: Option<&str>, function_name: &str) -> anyhow::Result<ApiState> {
        let mut stages = self.stages().await?;
        let names: Vec<String> = stages.keys().cloned().collect();
        let stage = choose_stage(stage, &names, &self.id)?;
        let chosen = stages.remove(&stage).context("the stage was listed")?;
        let authorizer = self.authorizer(function_name).await?;
        Ok(ApiState {
            id: self.id.clone(),
            name: self.name.clone(),
            kind: ApiKind::Rest,
            access_log: chosen.access_log,
            has_other_stages: !stages.is_empty(),
            routes: self.routes(authorizer.as_ref().map(|found| found.id.as_str())).await?,
            stage,
            authorizer,
            deployment: if chosen.has_canary { Deployment::WithCanary } else { Deployment::OnRequest },
            can_log: self.can_log().await?,
            created_by: self.tags.get(CREATOR_TAG).cloned(),
        })
    }

    async fn set_access_log(&self, stage: &str, log: Option<&AccessLog>) -> anyhow::Result<()> {
        let request = self.client.update_stage().rest_api_id(&self.id).stage_name(stage);
        let request = match log {
            Some(AccessLog { destination_arn, format }) => request
                .patch_operations(patch(
                    Op::Replace,
                    "/accessLogSettings/destinationArn",
                    Some(destination_arn),
                ))
                .patch_operations(patch(Op::Replace, "/accessLogSettings/format", Some(format))),
            None => request.patch_operations(patch(Op::Remove, "/accessLogSettings", None)),
        };
        let reply = request.send().await;
        reply.map(|_| ()).with_context(|| format!("the access log of the stage {stage} cannot be changed"))
    }

    /// The identity source is empty, as in the stack: calls without a key then reach the function, which returns the
    /// reason of the denial.
    async fn create_authorizer(&self, uri: &str) -> anyhow::Result<String> {
        let request = self.client.create_authorizer().rest_api_id(&self.id).name(AUTHORIZER_NAME);
        let request = request.r#type(AuthorizerType::Request).authorizer_uri(uri);
        let reply = request.authorizer_result_ttl_in_seconds(0).identity_source("").send().await;
        let reply = reply.with_context(|| format!("the authorizer of {} cannot be created", self.id))?;
        reply.id.context("API Gateway returned no id of the authorizer")
    }

    async fn delete_authorizer(&self, id: &str) -> anyhow::Result<()> {
        let request = self.client.delete_authorizer().rest_api_id(&self.id).authorizer_id(id);
        request.send().await.map(|_| ()).with_context(|| format!("the authorizer {id} cannot be deleted"))
    }

    async fn authorize(&self, route: &Route, authorizer_id: Option<&str>) -> anyhow::Result<()> {
        let (resource, method) = route.id.split_once('/').context("a method has a resource")?;
        let request =
            self.client.update_method().rest_api_id(&self.id).resource_id(resource).http_method(method);
        let request = match authorizer_id {
            Some(id) => request
                .patch_operations(patch(Op::Replace, "/authorizationType", Some("CUSTOM")))
                .patch_operations(patch(Op::Replace, "/authorizerId", Some(id))),
            None => request.patch_operations(patch(Op::Replace, "/authorizationType", Some("NONE"))),
        };
        let reply = request.send().await;
        reply.map(|_| ()).with_context(|| format!("the authorization of {} cannot be changed", route.name))
    }

    async fn deploy(&self, stage: &str) -> anyhow::Result<()> {
        let request = self.client.create_deployment().rest_api_id(&self.id).stage_name(stage);
        let reply = request.description("meter").send().await;
        reply.map(|_| ()).with_context(|| format!("the API {} cannot be deployed to {stage}", self.id))
    }
}
