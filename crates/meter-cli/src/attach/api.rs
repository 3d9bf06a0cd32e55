//! An API in API Gateway, as far as `meter attach` reads and changes it.

use std::fmt;
use std::future::Future;

use access_log::log_format::ApiKind;
use metering_aws::attachments::AccessLog;

/// Name of the authorizers that the meter creates in API Gateway.
pub const AUTHORIZER_NAME: &str = "usage-meter";

/// The properties of an API and of one of its stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiState {
    pub id: String,
    pub name: String,
    pub kind: ApiKind,
    pub stage: String,
    /// `true` if the API has stages besides this one.
    pub has_other_stages: bool,
    pub access_log: Option<AccessLog>,
    /// The authorizer that invokes the meter's function.
    pub authorizer: Option<Authorizer>,
    /// The routes of an HTTP API; the methods of the resources of a REST API.
    pub routes: Vec<Route>,
    /// How changes of routes reach the stage.
    pub deployment: Deployment,
    /// `false` if API Gateway has no role with which it writes logs.
    pub can_log: bool,
    /// Name of the CloudFormation stack that created the API.
    pub created_by: Option<String>,
}

/// How changes of routes reach a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployment {
    /// The stage deploys each change.
    ByItself,
    /// The API is deployed to the stage.
    OnRequest,
    /// As [`Self::OnRequest`], and a part of the calls goes to another deployment.
    WithCanary,
}

impl ApiState {
    /// Returns `true` if the stage deploys each change by itself.
    pub fn deploys_changes(&self) -> bool {
        self.deployment == Deployment::ByItself
    }
}

/// An authorizer that invokes the meter's function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    pub id: String,
    /// Time for which API Gateway caches its results, in seconds.
    pub cache_ttl_s: i32,
}

/// A route of an HTTP API, or a method of a resource of a REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Id of the route, or of the resource and the method as `RESOURCE/METHOD`.
    pub id: String,
    /// Method and path, as `GET /orders`.
    pub name: String,
    pub authorization: Authorization,
    /// `true` if API Gateway itself requires one of its own API keys.
    pub needs_gateway_key: bool,
}

/// Who may call a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Everybody.
    Open,
    /// Whom the meter's authorizer admits.
    Meter,
    /// Whom something else admits, such as `AWS_IAM`.
    Other(String),
}

impl Authorization {
    /// Returns the authorization of a route with this type and authorizer.
    pub fn new(kind: &str, authorizer_id: Option<&str>, meter: Option<&str>) -> Self {
        match kind {
            "NONE" => Self::Open,
            _ if authorizer_id.is_some() && authorizer_id == meter => Self::Meter,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A change of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The stage writes this access log, or none.
    AccessLog(Option<AccessLog>),
    CreateAuthorizer,
    /// The meter's authorizer admits the calls of a route.
    Authorize(Route),
    /// Everybody may call a route again.
    Open(Route),
    /// The stage is deployed, so that the changes of its routes apply.
    Deploy,
    /// The authorizer and its permission to invoke the function are deleted.
    DeleteAuthorizer(String),
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessLog(Some(AccessLog { destination_arn, format })) => {
                write!(formatter, "write the access log to {destination_arn} in the format {format}")
            }
            Self::AccessLog(None) => formatter.write_str("write no access log"),
            Self::CreateAuthorizer => {
                write!(
                    formatter,
                    "create the authorizer {AUTHORIZER_NAME}, which invokes the meter's function"
                )
            }
            Self::Authorize(route) => {
                write!(formatter, "let the authorizer admit the calls of {}", route.name)
            }
            Self::Open(route) => write!(formatter, "let everybody call {}", route.name),
            Self::Deploy => formatter.write_str("deploy the API to the stage"),
            Self::DeleteAuthorizer(id) => write!(formatter, "delete the authorizer {id}"),
        }
    }
}

/// API Gateway, for one API.
pub trait ApiGateway {
    /// Reads the API and a stage. Without a name, the API must have one stage.
    fn state(
        &self,
        stage: Option<&str>,
        function_name: &str,
    ) -> impl Future<Output = anyhow::Result<ApiState>>;

    fn set_access_log(
        &self,
        stage: &str,
        log: Option<&AccessLog>,
    ) -> impl Future<Output = anyhow::Result<()>>;

    /// Creates an authorizer that invokes a function, and returns its id.
    fn create_authorizer(&self, uri: &str) -> impl Future<Output = anyhow::Result<String>>;

    fn delete_authorizer(&self, id: &str) -> impl Future<Output = anyhow::Result<()>>;

    /// Lets an authorizer admit the calls of a route; everybody may call it without one.
    fn authorize(
        &self,
        route: &Route,
        authorizer_id: Option<&str>,
    ) -> impl Future<Output = anyhow::Result<()>>;

    fn deploy(&self, stage: &str) -> impl Future<Output = anyhow::Result<()>>;
}

/// Returns `true` if an authorizer invokes any version of a function.
pub fn invokes(authorizer_uri: Option<&str>, function_name: &str) -> bool {
    let name = authorizer_uri.and_then(|uri| uri.split_once(":function:")).map(|(_, rest)| rest);
    name.is_some_and(|name| name.split([':', '/']).next() == Some(function_name))
}

/// Returns the stage that is wanted, or the only one.
pub fn choose_stage(wanted: Option<&str>, stages: &[String], api_id: &str) -> anyhow::Result<String> {
    let names = stages.join(", ");
    match (wanted, stages.len()) {
        (Some(wanted), _) if stages.iter().any(|stage| stage == wanted) => Ok(wanted.to_owned()),
        (_, 0) => anyhow::bail!("the API {api_id} has no stage; deploy it first"),
        (Some(wanted), _) => anyhow::bail!("the API {api_id} has no stage {wanted}; it has {names}"),
        (None, 1) => Ok(names),
        (None, _) => anyhow::bail!("the API {api_id} has the stages {names}; choose one with --stage"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authorizer_of_the_meter_is_known_by_its_function() {
        let uri = |name: &str| {
            format!(
                "arn:aws:apigateway:r:lambda:path/2015-03-31/functions/arn:aws:lambda:r:1:function:{name}/invocations"
            )
        };
        for (name, is_of_meter) in [
            ("api-authorizer-prod", true),
            ("api-authorizer-prod:live", true),
            ("api-authorizer-prod-2", false),
            ("my-api-authorizer-prod", false),
        ] {
            assert_eq!(invokes(Some(&uri(name)), "api-authorizer-prod"), is_of_meter, "{name}");
        }
        assert!(!invokes(None, "api-authorizer-prod"));
    }

    #[test]
    fn a_stage_is_chosen_if_there_are_several() {
        let choose = |wanted: Option<&str>, stages: &[&str]| {
            let stages: Vec<String> = stages.iter().map(|stage| (*stage).to_owned()).collect();
            choose_stage(wanted, &stages, "a1").map_err(|error| error.to_string())
        };
        assert_eq!(choose(None, &["v1"]), Ok("v1".to_owned()));
        assert_eq!(choose(Some("v2"), &["v1", "v2"]), Ok("v2".to_owned()));
        let refused = |wanted, stages: &[&str]| choose(wanted, stages).unwrap_err();
        assert_eq!(refused(None, &["v1", "v2"]), "the API a1 has the stages v1, v2; choose one with --stage");
        assert_eq!(refused(Some("v3"), &["v1"]), "the API a1 has no stage v3; it has v1");
        assert_eq!(refused(None, &[]), "the API a1 has no stage; deploy it first");
    }

    #[test]
    fn a_route_is_open_or_has_the_authorizer_of_the_meter_or_another_one() {
        let of = |kind, id| Authorization::new(kind, id, Some("m1"));
        assert_eq!(of("NONE", None), Authorization::Open);
        assert_eq!(of("CUSTOM", Some("m1")), Authorization::Meter);
        assert_eq!(of("CUSTOM", Some("x")), Authorization::Other("CUSTOM".to_owned()));
        assert_eq!(of("AWS_IAM", None), Authorization::Other("AWS_IAM".to_owned()));
        assert_eq!(Authorization::new("CUSTOM", Some("x"), None), Authorization::Other("CUSTOM".to_owned()));
    }
}
