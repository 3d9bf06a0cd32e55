//! `meter attach` and `meter detach`: have the calls of an API metered, and undo it.

mod api;
mod function;
mod http;
mod plan;
mod report;
mod rest;
mod retries;

use anyhow::{Context, bail, ensure};
use deployment::functions::AUTHORIZER;
use local_stack::call_judge::Judge;
use metering_aws::attachments::{Attachment, AttachmentStore};
use metering_core::class_lists::ClassLists;

use self::api::{ApiGateway, ApiState, Change, Deployment};
use self::function::AuthorizerFunction;
use self::http::HttpApi;
use self::plan::{Plan, Wishes};
pub use self::report::AttachmentReport;
use self::rest::RestApi;
use crate::confirmation::{confirm, is_terminal};
use crate::format;
use crate::target::{Target, TargetArguments};

/// Arguments of `meter attach`.
#[derive(clap::Args)]
pub struct AttachArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Have the meter's authorizer admit the calls of all routes without authorization
    #[arg(long)]
    authorizer: bool,
    /// Metered log group for the access log [default: the only one that the meter reads]
    #[arg(long, value_name = "LOG_GROUP")]
    access_log_group: Option<String>,
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
    let AttachArguments { common, authorizer, access_log_group } = arguments;
    let log_group = access_log_group.as_deref();
    let target = deployed(&common.target).await?;
    match find(&target, &common.api).await? {
        Found::Rest(api) => Attaching::new(&target, &common, api).await?.attach(authorizer, log_group).await,
        Found::Http(api) => Attaching::new(&target, &common, api).await?.attach(authorizer, log_group).await,
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
    if let Some(api) = RestApi::find(retries::rest_client(config), api_id).await? {
        return Ok(Found::Rest(api));
    }
    if let Some(api) = HttpApi::find(retries::http_client(config), api_id).await? {
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
    /// What was changed of the stage.
    record: Attachment,
    store: AttachmentStore,
}

impl<'t, A: ApiGateway> Attaching<'t, A> {
    async fn new(target: &'t Target, arguments: &'t CommonArguments, api: A) -> anyhow::Result<Self> {
        let state = api.state(arguments.stage.as_deref(), &function_name(target)).await?;
        let store = AttachmentStore::new(target.dynamodb.clone(), &target.meter.names.claims_table);
        let record = store.read(&state.id, &state.stage).await?.unwrap_or_default();
        Ok(Self { target, arguments, api, state, record, store })
    }

    async fn attach(mut self, authorizes: bool, log_group: Option<&str>) -> anyhow::Result<()> {
        let log_group = metered_log_group(self.target, log_group).await?;
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
            ensure!(
                self.state.deployment != Deployment::WithCanary,
                "the stage {} has a canary, whose deployment is another one: promote or delete it first",
                self.state.stage
            );
        }
        let wishes = Wishes {
            destination_arn: log_group_arn(self.target, &log_group).await?,
            format: self.state.kind.access_log_format().to_owned(),
            problems_of_format,
            authorizes,
        };
        let plan = plan::attach(&self.state, &wishes, &self.record);
        let is_applied = self.decide(&plan)?;
        if is_applied {
            self.apply(&plan, false).await?;
        }
        report::print(&self.state, &plan, is_applied, self.arguments.json)
    }

    async fn detach(mut self) -> anyhow::Result<()> {
        let (api_id, stage) = (self.state.id.clone(), self.state.stage.clone());
        ensure!(
            !self.record.is_undone(),
            "`meter attach` has changed nothing of the stage {stage} of the API {api_id}, or it is undone"
        );
        let others = self.store.of_other_stages(&api_id, &stage).await?;
        let names: Vec<String> = others.iter().map(|(name, _)| name.clone()).collect();
        let plan = plan::detach(&self.state, &self.record, &names);
        let is_applied = self.decide(&plan)?;
        if is_applied {
            self.apply(&plan, true).await?;
            if let Some((name, other)) = others.into_iter().next() {
                let other = plan::with_routes_of(other, &self.record);
                self.store.write(&api_id, &name, &other).await?;
            }
            self.forget(&names, self.state.deploys_changes()).await?;
        }
        report::print(&self.state, &plan, is_applied, self.arguments.json)
    }

    /// Removes what is undone, and what others have changed since then, from the record.
    async fn forget(&mut self, other_stages: &[String], deploys_changes: bool) -> anyhow::Result<()> {
        let record = &mut self.record;
        (record.access_log_before, record.log_group_arn) = (None, None);
        if !other_stages.is_empty() {
            *record = Attachment::default();
        } else if deploys_changes {
            (record.routes, record.is_deployed) = (Vec::new(), false);
        }
        if record.is_undone() {
            Ok(self.store.delete(&self.state.id, &self.state.stage).await?)
        } else {
            self.write_record().await
        }
    }

    async fn write_record(&self) -> anyhow::Result<()> {
        Ok(self.store.write(&self.state.id, &self.state.stage, &self.record).await?)
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

    /// Makes the changes, one after the other. The record has a change before it is made, so that it can be undone
    /// whatever happens, and loses one that undoes another only after it was made.
    async fn apply(&mut self, plan: &Plan, undoes: bool) -> anyhow::Result<()> {
        let mut authorizer_id = self.state.authorizer.as_ref().map(|authorizer| authorizer.id.clone());
        for change in &plan.changes {
            if !undoes && plan::remember(&mut self.record, change, &self.state) {
                self.write_record().await?;
            }
            self.make(change, &mut authorizer_id).await?;
            if plan::note_done(&mut self.record, change, undoes) {
                self.write_record().await?;
            }
            if !self.arguments.json {
                report::print_done(change);
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
                // No call needs the permission any more. A later run finds the authorizer, and not the permission.
                self.function().await?.forbid(&self.state.id).await?;
                self.api.delete_authorizer(id).await
            }
        }
    }

    async fn function(&self) -> anyhow::Result<AuthorizerFunction> {
        let client = aws_sdk_lambda::Client::new(&self.target.meter.config);
        AuthorizerFunction::find(client, &function_name(self.target)).await
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
