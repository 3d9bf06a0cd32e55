//! `meter attach` and `meter detach`: have the calls of an API metered, and undo it.

mod api;
mod function;
mod http;
mod plan;
mod report;
mod rest;

use anyhow::{Context, bail, ensure};
use deployment::functions::AUTHORIZER;
use metering_aws::attachments::{Attachment, AttachmentStore};
use metering_core::class_lists::ClassLists;

use self::api::{ApiGateway, ApiState, Change};
use self::function::AuthorizerFunction;
use self::http::HttpApi;
use self::plan::{Plan, Wishes};
pub use self::report::AttachmentReport;
use self::rest::RestApi;
use crate::confirmation::{confirm, is_terminal};
use crate::format;
use crate::target::{Target, TargetArguments};
use local_stack::call_judge::Judge;

/// Arguments of `meter attach`.
#[derive(clap::Args)]
pub struct AttachArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Have the meter's authorizer admit the calls of all routes without authorization
    #[arg(long)]
    authorizer: bool,
}

/// Arguments of `meter detach`.
#[derive(clap::Args)]
pub struct DetachArguments {
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(clap::Args)]
struct CommonArguments {
    /// Id of a REST API or an HTTP API
    #[arg(value_name = "API")]
    api: String,
    /// Stage of the API [default: the only one]
    #[arg(long)]
    stage: Option<String>,
    /// Metered log group for the access log [default: the only one that the meter reads]
    #[arg(long, value_name = "LOG_GROUP")]
    access_log_group: Option<String>,
    /// Make the changes, after a question; without this, they are only shown
    #[arg(long)]
    apply: bool,
    /// Do not ask before the changes are made
    #[arg(long, requires = "apply")]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// Runs `meter attach`.
pub async fn attach(arguments: AttachArguments) -> anyhow::Result<()> {
    let AttachArguments { common, authorizer } = arguments;
    let target = deployed(&common.target).await?;
    match find(&target, &common.api).await? {
        Found::Rest(api) => Attaching::new(&target, &common, api).await?.attach(authorizer).await,
        Found::Http(api) => Attaching::new(&target, &common, api).await?.attach(authorizer).await,
    }
}

/// Runs `meter detach`.
pub async fn detach(arguments: DetachArguments) -> anyhow::Result<()> {
    let common = arguments.common;
    let target = deployed(&common.target).await?;
    match find(&target, &common.api).await? {
        Found::Rest(api) => Attaching::new(&target, &common, api).await?.detach().await,
        Found::Http(api) => Attaching::new(&target, &common, api).await?.detach().await,
    }
}

async fn deployed(arguments: &TargetArguments) -> anyhow::Result<Target> {
    let target = Target::find(arguments).await?;
    ensure!(
        !target.is_local(),
        "the API of a local stack is metered already; choose AWS with --aws ENVIRONMENT"
    );
    Ok(target)
}

enum Found {
    Rest(RestApi),
    Http(HttpApi),
}

async fn find(target: &Target, api_id: &str) -> anyhow::Result<Found> {
    let config = &target.meter.config;
    if let Some(api) = RestApi::find(aws_sdk_apigateway::Client::new(config), api_id).await? {
        return Ok(Found::Rest(api));
    }
    if let Some(api) = HttpApi::find(aws_sdk_apigatewayv2::Client::new(config), api_id).await? {
        return Ok(Found::Http(api));
    }
    bail!("there is no REST API and no HTTP API {api_id} in this account and region")
}

/// An API that is attached or detached.
struct Attaching<'t, A> {
    target: &'t Target,
    arguments: &'t CommonArguments,
    api: A,
    state: ApiState,
    /// ARN of the metered log group.
    destination_arn: String,
    store: AttachmentStore,
}

impl<'t, A: ApiGateway> Attaching<'t, A> {
    async fn new(target: &'t Target, arguments: &'t CommonArguments, api: A) -> anyhow::Result<Self> {
        let log_group = metered_log_group(target, arguments.access_log_group.as_deref()).await?;
        let state = api.state(arguments.stage.as_deref(), &function_name(target)).await?;
        let store = AttachmentStore::new(target.dynamodb.clone(), &target.meter.names.claims_table);
        let destination_arn = log_group_arn(target, &log_group).await?;
        Ok(Self { target, arguments, api, state, destination_arn, store })
    }

    async fn attach(self, authorizes: bool) -> anyhow::Result<()> {
        let rules = self.target.billing_rules().await?.unwrap_or_default();
        let problems_of_format = match &self.state.access_log {
            Some(log) => {
                format::problems(&log.format, self.state.kind, Judge::new(rules, ClassLists::default())?)
            }
            None => Vec::new(),
        };
        if authorizes {
            // An environment may meter without an authorizer.
            self.function().await?;
        }
        let before = self.store.read(&self.state.id, &self.state.stage).await?;
        let wishes = Wishes {
            destination_arn: self.destination_arn.clone(),
            format: self.state.kind.access_log_format().to_owned(),
            problems_of_format,
            authorizes,
            was_attached: before.is_some(),
        };
        let plan = plan::attach(&self.state, &wishes);
        let is_applied = self.decide(&plan)?;
        if is_applied {
            self.apply(&plan, Some(before.unwrap_or_default())).await?;
        }
        report::print(&self.state, &plan, is_applied, self.arguments.json)
    }

    async fn detach(self) -> anyhow::Result<()> {
        let (api_id, stage) = (&self.state.id, &self.state.stage);
        let attachment = self.store.read(api_id, stage).await?.with_context(|| {
            format!("`meter attach` has changed nothing of the stage {stage} of the API {api_id}")
        })?;
        let plan = plan::detach(&self.state, &attachment, &self.destination_arn);
        let is_applied = self.decide(&plan)?;
        if is_applied {
            self.apply(&plan, None).await?;
            self.store.delete(api_id, stage).await?;
        }
        report::print(&self.state, &plan, is_applied, self.arguments.json)
    }

    /// Returns `true` if the changes are to be made.
    fn decide(&self, plan: &Plan) -> anyhow::Result<bool> {
        let CommonArguments { apply, yes, json, .. } = self.arguments;
        if *apply && !*yes && !plan.changes.is_empty() {
            ensure!(is_terminal() && !*json, "add --yes to make the changes without a question");
            report::print(&self.state, plan, false, false)?;
            confirm("Make these changes?", "nothing was changed")?;
        }
        Ok(*apply)
    }

    /// Makes the changes, one after the other. Before each of an attachment, the record has what undoes it.
    async fn apply(&self, plan: &Plan, mut record: Option<Attachment>) -> anyhow::Result<()> {
        let mut authorizer_id = self.state.authorizer_id.clone();
        for change in &plan.changes {
            if let Some(record) = &mut record {
                remember(record, change, &self.state);
                self.store.write(&self.state.id, &self.state.stage, record).await?;
            }
            self.make(change, &mut authorizer_id).await?;
            if let (Change::CreateAuthorizer, Some(record)) = (change, &mut record) {
                record.authorizer_id.clone_from(&authorizer_id);
                self.store.write(&self.state.id, &self.state.stage, record).await?;
            }
        }
        Ok(())
    }

    async fn make(&self, change: &Change, authorizer_id: &mut Option<String>) -> anyhow::Result<()> {
        let stage = &self.state.stage;
        match change {
            Change::AccessLog(log) => self.api.set_access_log(stage, log.as_ref()).await,
            Change::CreateAuthorizer => {
                // The permission comes first: a later run takes an authorizer that it finds as complete.
                let function = self.function().await?;
                function.allow(&self.state.id).await?;
                *authorizer_id = Some(self.api.create_authorizer(&function.authorizer_uri()).await?);
                Ok(())
            }
            Change::Authorize(route) => self.api.authorize(route, authorizer_id.as_deref()).await,
            Change::Open(route) => self.api.authorize(route, None).await,
            Change::Deploy => self.api.deploy(stage).await,
            Change::DeleteAuthorizer(id) => {
                self.api.delete_authorizer(id).await?;
                self.function().await?.forbid(&self.state.id).await
            }
        }
    }

    async fn function(&self) -> anyhow::Result<AuthorizerFunction> {
        let client = aws_sdk_lambda::Client::new(&self.target.meter.config);
        AuthorizerFunction::find(client, &function_name(self.target)).await
    }
}

/// Adds to a record what undoes a change. What an earlier run has changed stays.
fn remember(record: &mut Attachment, change: &Change, state: &ApiState) {
    match change {
        Change::AccessLog(_) => {
            record.access_log_before.get_or_insert_with(|| state.access_log.clone());
        }
        Change::Authorize(route) if !record.routes.contains(&route.id) => {
            record.routes.push(route.id.clone());
        }
        _ => {}
    }
}

fn function_name(target: &Target) -> String {
    target.meter.names.function(AUTHORIZER)
}

/// Returns the log group that the arguments name, or the only one that the meter reads.
async fn metered_log_group(target: &Target, wanted: Option<&str>) -> anyhow::Result<String> {
    let of_reconciler = target.reconciliation_store().settings().await?;
    let metered = of_reconciler
        .map_or_else(|| vec![target.meter.names.access_log_group.clone()], |settings| settings.log_groups);
    let names = metered.join(", ");
    match (wanted, metered.as_slice()) {
        (Some(wanted), _) => {
            ensure!(
                metered.iter().any(|group| group == wanted),
                "the meter does not read {wanted}; it reads {names}"
            );
            Ok(wanted.to_owned())
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => bail!("the meter reads {names}; choose one with --access-log-group"),
    }
}

async fn log_group_arn(target: &Target, name: &str) -> anyhow::Result<String> {
    let groups = target.logs.describe_log_groups().log_group_name_prefix(name).send().await;
    let groups = groups.with_context(|| format!("the log group {name} cannot be read"))?;
    let found = groups.log_groups().iter().find(|group| group.log_group_name() == Some(name));
    let arn = found.and_then(|group| group.arn()).with_context(|| {
        format!("there is no log group {name}; deploy the environment {}", target.meter.names.environment)
    })?;
    Ok(arn.trim_end_matches(":*").to_owned())
}
