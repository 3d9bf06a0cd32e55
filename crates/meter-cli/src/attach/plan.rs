//! The changes with which an API is metered, and those that undo them.

use metering_aws::attachments::{AccessLog, Attachment};

use super::api::{ApiState, Authorization, Authorizer, Change, Route};
use crate::output::count;

/// Changes of an API, and notes for the operator.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub changes: Vec<Change>,
    pub notes: Vec<String>,
}

/// The wanted state of an API.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// ARN of the metered log group.
    pub destination_arn: String,
    /// Documented format for the kind of API.
    pub format: String,
    /// Problems of the present format, in which calls would be lost, unreadable or billed wrongly.
    pub problems_of_format: Vec<String>,
    /// `true` if the meter's authorizer shall admit the calls of open routes.
    pub authorizes: bool,
}

/// Plans the changes with which the calls of an API are metered. `record` has what earlier runs have changed of the stage.
pub fn attach(api: &ApiState, wishes: &Wishes, record: &Attachment) -> Plan {
    let mut plan = Plan::default();
    plan.notes.extend(api.created_by.as_ref().map(|stack| {
        format!("the CloudFormation stack {stack} created the API: make the changes there as well, or its next deployment may undo them")
    }));
    plan.log(api, wishes);
    if wishes.authorizes {
        plan.authorize(api, record);
    } else {
        plan.notes.extend(note_without_authorizer(api));
    }
    plan
}

impl Plan {
    fn log(&mut self, api: &ApiState, wishes: &Wishes) {
        if !api.can_log {
            self.notes.push(
                "API Gateway has no role for logs in this account and region, so that it refuses the access log: set one first (API Gateway Developer Guide, \"Set up CloudWatch logging for REST APIs\")".to_owned(),
            );
        }
        let present = api.access_log.as_ref();
        let keeps_format = present.is_some() && wishes.problems_of_format.is_empty();
        let format = present.filter(|_| keeps_format).map_or(&wishes.format, |log| &log.format);
        let wanted = AccessLog { destination_arn: wishes.destination_arn.clone(), format: format.clone() };
        if let Some(log) = present.filter(|log| log.destination_arn != wanted.destination_arn) {
            self.notes.push(format!(
                "the stage writes its access log to {}, and a stage has one access log: what reads it there gets no more lines. To meter that log group instead, deploy the meter with it",
                log.destination_arn
            ));
        }
        if let Some(log) = present.filter(|_| !keeps_format) {
            let problems = wishes.problems_of_format.join("; ");
            self.notes.push(format!("the present format {} is replaced: {problems}", log.format));
        }
        if present != Some(&wanted) {
            self.changes.push(Change::AccessLog(Some(wanted)));
        }
    }

    fn authorize(&mut self, api: &ApiState, record: &Attachment) {
        let open: Vec<&Route> = api.routes.iter().filter(|route| is_to_authorize(route)).collect();
        self.note_routes(api, &open);
        if !open.is_empty() && api.authorizer.is_none() {
            self.changes.push(Change::CreateAuthorizer);
        }
        self.changes.extend(open.iter().map(|route| Change::Authorize((*route).clone())));
        // The routes belong to the API. This stage may not be deployed since they were changed.
        let has_authorizer = api.routes.iter().any(|route| route.authorization == Authorization::Meter);
        let is_behind = !open.is_empty() || (has_authorizer && !record.is_deployed);
        if is_behind && !api.deploys_changes() {
            self.changes.push(Change::Deploy);
            self.notes.push(
                "the deployment also publishes other changes of the API that are not deployed yet".to_owned(),
            );
        }
    }

    fn note_routes(&mut self, api: &ApiState, open: &[&Route]) {
        if open.iter().any(|route| takes_options(route)) {
            self.notes.push(
                "a route for any method also takes OPTIONS: browsers send preflights without a key, which are refused. Add a route for OPTIONS without authorization if browsers call the API".to_owned(),
            );
        }
        for route in &api.routes {
            if let Authorization::Other(kind) = &route.authorization {
                self.notes.push(format!("{} is left to its authorization {kind}: no key of its calls is known, unless its authorizer returns apiKeyId", route.name));
            }
        }
        let cached = api.authorizer.as_ref().filter(|authorizer| authorizer.cache_ttl_s > 0);
        self.notes.extend(cached.map(|Authorizer { id, cache_ttl_s }| {
            format!("API Gateway caches the results of the authorizer {id} for {cache_ttl_s} s: a deleted key is admitted for so long, unless the meter flushes the cache of the stage")
        }));
        let by_gateway: Vec<&Route> = open.iter().copied().filter(|route| route.needs_gateway_key).collect();
        self.notes.extend(note_of_gateway_keys(&by_gateway));
        if !open.is_empty() {
            self.note_other_stages(api);
        }
    }

    fn note_other_stages(&mut self, api: &ApiState) {
        if api.has_other_stages {
            self.notes.push("the routes belong to the API, so that its other stages change as well: at once if they deploy changes by themselves, otherwise when they are deployed".to_owned());
        }
    }

    fn restore_log(&mut self, api: &ApiState, record: &Attachment) {
        let Some(before) = &record.access_log_before else { return };
        let present = api.access_log.as_ref().map(|log| &log.destination_arn);
        if *before == api.access_log {
            return;
        }
        if present == record.log_group_arn.as_ref() {
            self.changes.push(Change::AccessLog(before.clone()));
        } else {
            self.notes.push("the access log was changed since then, and is left as it is".to_owned());
        }
    }

    fn open(&mut self, api: &ApiState, record: &Attachment) {
        let of_meter = api.routes.iter().filter(|route| route.authorization == Authorization::Meter);
        let (opened, left): (Vec<&Route>, Vec<&Route>) =
            of_meter.partition(|route| record.routes.contains(&route.id));
        self.changes.extend(opened.iter().map(|route| Change::Open((*route).clone())));
        if !opened.is_empty() {
            let verb = if opened.len() == 1 { "needs" } else { "need" };
            self.notes.push(format!("{} {verb} no key any more", count(opened.len(), "route")));
            self.note_other_stages(api);
        }
        if !api.deploys_changes() && (!record.routes.is_empty() || record.is_deployed) {
            self.changes.push(Change::Deploy);
        }
        let Some(Authorizer { id, .. }) = api.authorizer.as_ref().filter(|_| record.creates_authorizer)
        else {
            return;
        };
        if api.has_other_stages {
            self.notes.push(format!(
                "the authorizer {id} is left, because the deployment of another stage may use it"
            ));
        } else if left.is_empty() {
            self.changes.push(Change::DeleteAuthorizer(id.clone()));
        } else {
            self.notes.push(format!("the authorizer {id} is left for {}", count(left.len(), "route")));
        }
    }
}

/// Returns `true` for an open route that clients call with a key. A preflight has none.
fn is_to_authorize(route: &Route) -> bool {
    route.authorization == Authorization::Open && !route.name.starts_with("OPTIONS ")
}

fn takes_options(route: &Route) -> bool {
    route.name.starts_with("ANY ") || route.name == "$default"
}

fn note_without_authorizer(api: &ApiState) -> Vec<String> {
    let open: Vec<&Route> = api.routes.iter().filter(|route| is_to_authorize(route)).collect();
    let (by_gateway, open): (Vec<&Route>, Vec<&Route>) =
        open.into_iter().partition(|route| route.needs_gateway_key);
    let mut notes = Vec::new();
    if !open.is_empty() {
        notes.push(format!(
            "{} of {} routes have no authorization, and calls without a key id are not billed: with --authorizer, the meter's authorizer admits their calls",
            open.len(),
            api.routes.len()
        ));
    }
    notes.extend(note_of_gateway_keys(&by_gateway));
    notes
}

fn note_of_gateway_keys(routes: &[&Route]) -> Option<String> {
    let verb = if routes.len() == 1 { "requires" } else { "require" };
    (!routes.is_empty()).then(|| {
        format!(
            "{} {verb} an API key of API Gateway: its id is $context.identity.apiKeyId, which the documented format does not log. Import the keys (`meter keys import`), and take the requirement off the methods when the meter's authorizer admits their calls",
            count(routes.len(), "method")
        )
    })
}

/// Plans the changes that undo an attachment. What was changed since then is left as it is, and so are the routes while
/// another stage of the API is attached.
pub fn detach(api: &ApiState, record: &Attachment, other_stages: &[String]) -> Plan {
    let mut plan = Plan::default();
    plan.restore_log(api, record);
    match other_stages {
        [] => plan.open(api, record),
        others => plan.notes.push(format!(
            "the routes and the authorizer are left, because they belong to the API and another stage is attached: {}",
            others.join(", ")
        )),
    }
    plan
}

/// Adds to a record what undoes a change. Returns `false` if nothing does, or the record has it.
pub fn remember(record: &mut Attachment, change: &Change, api: &ApiState) -> bool {
    let before = record.clone();
    match change {
        Change::AccessLog(Some(log)) => {
            let present = api.access_log.as_ref().map(|log| &log.destination_arn);
            // What the meter wrote is not what was there before.
            if record.access_log_before.is_none() || present != record.log_group_arn.as_ref() {
                record.access_log_before = Some(api.access_log.clone());
            }
            record.log_group_arn = Some(log.destination_arn.clone());
        }
        Change::CreateAuthorizer => record.creates_authorizer = true,
        Change::Authorize(route) => {
            record.is_deployed = false;
            if !record.routes.contains(&route.id) {
                record.routes.push(route.id.clone());
            }
        }
        _ => {}
    }
    *record != before
}

/// Notes in a record that a change was made. Returns `false` if the record stays as it is.
pub fn note_done(record: &mut Attachment, change: &Change, undoes: bool) -> bool {
    let before = record.clone();
    match change {
        Change::Deploy if undoes => (record.routes, record.is_deployed) = (Vec::new(), false),
        Change::Deploy => record.is_deployed = true,
        Change::DeleteAuthorizer(_) => record.creates_authorizer = false,
        _ => {}
    }
    *record != before
}

/// Returns the record of a stage that takes over the routes and the authorizer of another stage's record.
pub fn with_routes_of(mut record: Attachment, other: &Attachment) -> Attachment {
    for route in &other.routes {
        if !record.routes.contains(route) {
            record.routes.push(route.clone());
        }
    }
    record.creates_authorizer |= other.creates_authorizer;
    record
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
