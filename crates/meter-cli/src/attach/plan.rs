//! The changes with which an API is metered, and those that undo them.

use metering_aws::attachments::{AccessLog, Attachment};

use super::api::{ApiState, Authorization, Change, Route};

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
    /// `true` if an earlier run has changed this stage.
    pub was_attached: bool,
}

/// Plans the changes with which the calls of an API are metered.
pub fn attach(api: &ApiState, wishes: &Wishes) -> Plan {
    let mut plan = Plan::default();
    plan.notes.extend(api.created_by.as_ref().map(|stack| {
        format!("the CloudFormation stack {stack} created the API: make the changes there as well, or its next deployment may undo them")
    }));
    plan.log(api, wishes);
    if wishes.authorizes {
        plan.authorize(api, wishes.was_attached);
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

    fn authorize(&mut self, api: &ApiState, was_attached: bool) {
        let open: Vec<&Route> = api.routes.iter().filter(|route| is_to_authorize(route)).collect();
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
        if !open.is_empty() && api.authorizer_id.is_none() {
            self.changes.push(Change::CreateAuthorizer);
        }
        self.changes.extend(open.iter().map(|route| Change::Authorize((*route).clone())));
        // The routes belong to the API: another stage may have been attached, and this one not deployed since then.
        let is_behind =
            !was_attached && api.routes.iter().any(|route| route.authorization == Authorization::Meter);
        if (!open.is_empty() || is_behind) && !api.deploys_changes {
            self.changes.push(Change::Deploy);
            self.notes.push(
                "the deployment also publishes other changes of the API that are not deployed yet".to_owned(),
            );
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

fn note_without_authorizer(api: &ApiState) -> Option<String> {
    let open = api.routes.iter().filter(|route| is_to_authorize(route)).count();
    (open > 0).then(|| {
        format!(
            "{open} of {} routes need no key, and calls without a key are not billed: with --authorizer, the meter's authorizer admits their calls",
            api.routes.len()
        )
    })
}

/// Plans the changes that undo an attachment. What was changed since then is left as it is.
pub fn detach(api: &ApiState, attachment: &Attachment, destination_arn: &str) -> Plan {
    let mut plan = Plan::default();
    let is_of_meter = |log: &AccessLog| log.destination_arn == destination_arn;
    match &attachment.access_log_before {
        Some(before) if *before == api.access_log => {}
        Some(before) if api.access_log.as_ref().is_some_and(is_of_meter) => {
            plan.changes.push(Change::AccessLog(before.clone()));
        }
        Some(_) => {
            plan.notes.push("the access log was changed since then, and is left as it is".to_owned());
        }
        None => {}
    }
    let is_undone =
        |route: &&Route| attachment.routes.contains(&route.id) && route.authorization == Authorization::Meter;
    let (undone, left): (Vec<&Route>, Vec<&Route>) =
        api.routes.iter().filter(|route| route.authorization == Authorization::Meter).partition(is_undone);
    plan.changes.extend(undone.iter().map(|route| Change::Open((*route).clone())));
    if !undone.is_empty() {
        plan.notes.push(format!("{} routes can be called without a key again", undone.len()));
        if !api.deploys_changes {
            plan.changes.push(Change::Deploy);
        }
    }
    match attachment.authorizer_id.as_ref().filter(|id| api.authorizer_id.as_ref() == Some(*id)) {
        Some(id) if api.has_other_stages => {
            plan.notes.push(format!(
                "the authorizer {id} is left, because the deployment of another stage may use it"
            ));
        }
        Some(id) if left.is_empty() => plan.changes.push(Change::DeleteAuthorizer(id.clone())),
        Some(id) => {
            plan.notes.push(format!("the authorizer {id} is left, because {} routes use it", left.len()));
        }
        None => {}
    }
    plan
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
