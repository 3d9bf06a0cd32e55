use access_log::log_format::ApiKind;

use super::*;
use crate::attach::api::Deployment;

const DESTINATION: &str = "arn:aws:logs:r:1:log-group:/aws/api-gateway/usage-prod";

fn log(destination_arn: &str, format: &str) -> AccessLog {
    AccessLog { destination_arn: destination_arn.to_owned(), format: format.to_owned() }
}

fn route(name: &str, authorization: Authorization) -> Route {
    let id = format!("id of {name}");
    Route { id, name: name.to_owned(), authorization, needs_gateway_key: false }
}

fn authorizer() -> Authorizer {
    Authorizer { id: "m1".to_owned(), cache_ttl_s: 0 }
}

fn api() -> ApiState {
    ApiState {
        id: "a1".to_owned(),
        name: "orders".to_owned(),
        kind: ApiKind::Rest,
        stage: "v1".to_owned(),
        has_other_stages: false,
        access_log: None,
        authorizer: None,
        routes: vec![
            route("GET /orders", Authorization::Open),
            route("OPTIONS /orders", Authorization::Open),
            route("POST /orders", Authorization::Other("AWS_IAM".to_owned())),
        ],
        deployment: Deployment::OnRequest,
        can_log: true,
        created_by: None,
    }
}

fn wishes(authorizes: bool) -> Wishes {
    Wishes {
        destination_arn: DESTINATION.to_owned(),
        format: "documented".to_owned(),
        problems_of_format: Vec::new(),
        authorizes,
    }
}

fn planned(api: &ApiState, authorizes: bool) -> Plan {
    attach(api, &wishes(authorizes), &Attachment::default())
}

fn has_note(plan: &Plan, part: &str) -> bool {
    plan.notes.iter().any(|note| note.contains(part))
}

/// Makes the changes of a plan up to `count`, in an API and in a record.
fn made(
    api: &ApiState,
    record: &Attachment,
    plan: &Plan,
    undoes: bool,
    count: usize,
) -> (ApiState, Attachment) {
    let (mut api, mut record) = (api.clone(), record.clone());
    for change in plan.changes.iter().take(count) {
        if !undoes {
            remember(&mut record, change, &api);
        }
        let mut set = |route: &Route, authorization: Authorization| {
            let found = api.routes.iter_mut().find(|known| known.id == route.id);
            found.unwrap().authorization = authorization;
        };
        match change {
            Change::AccessLog(log) => api.access_log.clone_from(log),
            Change::CreateAuthorizer => api.authorizer = Some(authorizer()),
            Change::Authorize(route) => set(route, Authorization::Meter),
            Change::Open(route) => set(route, Authorization::Open),
            Change::DeleteAuthorizer(_) => api.authorizer = None,
            Change::Deploy => {}
        }
        note_done(&mut record, change, undoes);
    }
    (api, record)
}

#[test]
fn an_api_without_an_access_log_gets_the_documented_one() {
    let plan = planned(&api(), false);
    assert_eq!(plan.changes, [Change::AccessLog(Some(log(DESTINATION, "documented")))]);
    assert!(has_note(&plan, "1 of 3 routes have no authorization"), "{:?}", plan.notes);
}

#[test]
fn a_format_is_kept_if_it_can_be_read_and_replaced_with_a_note_otherwise() {
    let metered = ApiState { access_log: Some(log(DESTINATION, "theirs")), ..api() };
    assert_eq!(planned(&metered, false).changes, []);
    let elsewhere = ApiState { access_log: Some(log("arn:of:theirs", "theirs")), ..api() };
    let plan = planned(&elsewhere, false);
    assert_eq!(plan.changes, [Change::AccessLog(Some(log(DESTINATION, "theirs")))]);
    assert!(has_note(&plan, "writes its access log to arn:of:theirs"), "{:?}", plan.notes);
    let unreadable = Wishes { problems_of_format: vec!["no status".to_owned()], ..wishes(false) };
    let plan = attach(&metered, &unreadable, &Attachment::default());
    assert_eq!(plan.changes, [Change::AccessLog(Some(log(DESTINATION, "documented")))]);
    assert!(has_note(&plan, "theirs is replaced: no status"), "{:?}", plan.notes);
}

#[test]
fn open_routes_get_the_authorizer_and_the_api_is_deployed() {
    let metered = ApiState { access_log: Some(log(DESTINATION, "theirs")), ..api() };
    let plan = planned(&metered, true);
    let authorized = Change::Authorize(metered.routes[0].clone());
    assert_eq!(plan.changes, [Change::CreateAuthorizer, authorized.clone(), Change::Deploy]);
    assert!(has_note(&plan, "POST /orders is left to its authorization AWS_IAM"), "{:?}", plan.notes);
    assert!(has_note(&plan, "not deployed yet") && !has_note(&plan, "preflights"), "{:?}", plan.notes);
    let known =
        ApiState { authorizer: Some(authorizer()), deployment: Deployment::ByItself, ..metered.clone() };
    assert_eq!(planned(&known, true).changes, [authorized]);
    let any = ApiState { routes: vec![route("$default", Authorization::Open)], ..metered };
    assert!(has_note(&planned(&any, true), "preflights"));
}

#[test]
fn a_run_that_ended_anywhere_is_completed_by_the_next_one() {
    let begun = ApiState { access_log: Some(log("arn:of:theirs", "theirs")), ..api() };
    let plan = planned(&begun, true);
    assert_eq!(plan.changes.len(), 4);
    for count in 0..=plan.changes.len() {
        let (api, record) = made(&begun, &Attachment::default(), &plan, false, count);
        let rest = attach(&api, &wishes(true), &record);
        assert_eq!(rest.changes, plan.changes[count..], "after {count} changes");
    }
}

#[test]
fn detaching_undoes_an_attachment_wherever_either_of_them_ended() {
    let begun = ApiState { access_log: Some(log("arn:of:theirs", "theirs")), ..api() };
    let attaching = planned(&begun, true);
    for done in 1..=attaching.changes.len() {
        let (attached, record) = made(&begun, &Attachment::default(), &attaching, false, done);
        let undoing = detach(&attached, &record, &[]);
        for count in 0..=undoing.changes.len() {
            let (api, record) = made(&attached, &record, &undoing, true, count);
            let rest = detach(&api, &record, &[]);
            assert_eq!(rest.changes, undoing.changes[count..], "after {done} and {count} changes");
            let (undone, _) = made(&api, &record, &rest, true, usize::MAX);
            assert_eq!(undone, begun, "after {done} and {count} changes");
        }
        let deletion =
            undoing.changes.iter().position(|change| matches!(change, Change::DeleteAuthorizer(_)));
        let deployment = undoing.changes.iter().position(|change| *change == Change::Deploy);
        let was_authorized = !record.routes.is_empty();
        assert!(!was_authorized || deployment.is_some() && deployment < deletion, "{:?}", undoing.changes);
    }
}

#[test]
fn a_stage_is_deployed_if_the_routes_were_changed_for_another_one() {
    let mut of_other = ApiState {
        access_log: Some(log(DESTINATION, "theirs")),
        authorizer: Some(authorizer()),
        has_other_stages: true,
        ..api()
    };
    of_other.routes[0].authorization = Authorization::Meter;
    assert_eq!(planned(&of_other, true).changes, [Change::Deploy]);
    let deployed = Attachment { is_deployed: true, ..Attachment::default() };
    assert_eq!(attach(&of_other, &wishes(true), &deployed).changes, []);
}

#[test]
fn what_the_operator_has_to_know_is_noted() {
    let of_stack = ApiState { created_by: Some("orders-stack".to_owned()), can_log: false, ..api() };
    let plan = planned(&of_stack, false);
    assert!(has_note(&plan, "CloudFormation stack orders-stack") && has_note(&plan, "no role for logs"));
    let mut with_keys = ApiState { has_other_stages: true, ..api() };
    with_keys.routes[0].needs_gateway_key = true;
    let plan = planned(&with_keys, false);
    assert!(has_note(&plan, "1 method requires an API key of API Gateway"), "{:?}", plan.notes);
    assert!(!has_note(&plan, "have no authorization"), "{:?}", plan.notes);
    with_keys.authorizer = Some(Authorizer { cache_ttl_s: 300, ..authorizer() });
    let plan = planned(&with_keys, true);
    let notes = ["1 method requires an API key", "other stages change as well", "admitted for so long"];
    assert!(notes.iter().all(|note| has_note(&plan, note)), "{:?}", plan.notes);
}

fn attached() -> (ApiState, Attachment) {
    let begun = ApiState { access_log: Some(log("arn:of:theirs", "theirs")), ..api() };
    made(&begun, &Attachment::default(), &planned(&begun, true), false, usize::MAX)
}

#[test]
fn detaching_leaves_what_others_changed_since_then() {
    let (mut api, record) = attached();
    api.access_log = Some(log("arn:of:another", "theirs"));
    api.routes.push(route("GET /parcels", Authorization::Meter));
    let plan = detach(&api, &record, &[]);
    let mut opened = api.routes[0].clone();
    opened.authorization = Authorization::Meter;
    assert_eq!(plan.changes, [Change::Open(opened), Change::Deploy]);
    assert!(has_note(&plan, "the access log was changed since then"), "{:?}", plan.notes);
    assert!(has_note(&plan, "the authorizer m1 is left for 1 route"), "{:?}", plan.notes);
    let (api, _) = attached();
    assert_eq!(detach(&api, &Attachment::default(), &[]).changes, []);
    let several = ApiState { has_other_stages: true, ..api };
    let plan = detach(&several, &record, &[]);
    assert_eq!(plan.changes.last(), Some(&Change::Deploy));
    assert!(has_note(&plan, "deployment of another stage"), "{:?}", plan.notes);
}

#[test]
fn the_routes_are_left_to_another_attached_stage() {
    let (api, record) = attached();
    let plan = detach(&api, &record, &["v2".to_owned()]);
    assert_eq!(plan.changes, [Change::AccessLog(Some(log("arn:of:theirs", "theirs")))]);
    assert!(has_note(&plan, "another stage is attached: v2"), "{:?}", plan.notes);
    let of_other = Attachment { routes: vec!["r9".to_owned()], is_deployed: true, ..Attachment::default() };
    let taken_over = with_routes_of(of_other, &record);
    assert_eq!(taken_over.routes, ["r9", &*record.routes[0]]);
    assert!(taken_over.creates_authorizer && taken_over.is_deployed);
}

#[test]
fn an_access_log_that_was_changed_between_two_runs_is_restored_as_it_was_last() {
    let (mut api, mut record) = attached();
    let theirs = log("arn:of:another", "theirs");
    api.access_log = Some(theirs.clone());
    let change = Change::AccessLog(Some(log(DESTINATION, "theirs")));
    assert!(remember(&mut record, &change, &api));
    assert_eq!(record.access_log_before, Some(Some(theirs.clone())));
    api.access_log = Some(log(DESTINATION, "theirs"));
    let format = Change::AccessLog(Some(log(DESTINATION, "documented")));
    assert!(!remember(&mut record, &format, &api), "the meter itself wrote what is there");
    assert_eq!(record.access_log_before, Some(Some(theirs)));
}
