use access_log::log_format::ApiKind;

use super::*;

const DESTINATION: &str = "arn:aws:logs:r:1:log-group:/aws/api-gateway/usage-prod";

fn log(destination_arn: &str, format: &str) -> AccessLog {
    AccessLog { destination_arn: destination_arn.to_owned(), format: format.to_owned() }
}

fn route(name: &str, authorization: Authorization) -> Route {
    Route { id: format!("id of {name}"), name: name.to_owned(), authorization }
}

fn api() -> ApiState {
    ApiState {
        id: "a1".to_owned(),
        name: "orders".to_owned(),
        kind: ApiKind::Rest,
        stage: "v1".to_owned(),
        has_other_stages: false,
        access_log: None,
        authorizer_id: None,
        routes: vec![
            route("GET /orders", Authorization::Open),
            route("OPTIONS /orders", Authorization::Open),
            route("POST /orders", Authorization::Other("AWS_IAM".to_owned())),
        ],
        deploys_changes: false,
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
        was_attached: true,
    }
}

fn has_note(plan: &Plan, part: &str) -> bool {
    plan.notes.iter().any(|note| note.contains(part))
}

#[test]
fn an_api_without_an_access_log_gets_the_documented_one() {
    let plan = attach(&api(), &wishes(false));
    assert_eq!(plan.changes, [Change::AccessLog(Some(log(DESTINATION, "documented")))]);
    assert!(has_note(&plan, "1 of 3 routes need no key"), "{:?}", plan.notes);
}

#[test]
fn a_format_is_kept_if_it_can_be_read_and_replaced_with_a_note_otherwise() {
    let metered = ApiState { access_log: Some(log(DESTINATION, "theirs")), ..api() };
    assert_eq!(attach(&metered, &wishes(false)).changes, []);
    let elsewhere = ApiState { access_log: Some(log("arn:of:theirs", "theirs")), ..api() };
    let plan = attach(&elsewhere, &wishes(false));
    assert_eq!(plan.changes, [Change::AccessLog(Some(log(DESTINATION, "theirs")))]);
    assert!(has_note(&plan, "writes its access log to arn:of:theirs"), "{:?}", plan.notes);
    let unreadable = Wishes { problems_of_format: vec!["no status".to_owned()], ..wishes(false) };
    let plan = attach(&metered, &unreadable);
    assert_eq!(plan.changes, [Change::AccessLog(Some(log(DESTINATION, "documented")))]);
    assert!(has_note(&plan, "theirs is replaced: no status"), "{:?}", plan.notes);
}

#[test]
fn open_routes_get_the_authorizer_and_the_api_is_deployed() {
    let metered = ApiState { access_log: Some(log(DESTINATION, "theirs")), ..api() };
    let plan = attach(&metered, &wishes(true));
    let authorized = Change::Authorize(metered.routes[0].clone());
    assert_eq!(plan.changes, [Change::CreateAuthorizer, authorized.clone(), Change::Deploy]);
    assert!(has_note(&plan, "POST /orders is left to its authorization AWS_IAM"), "{:?}", plan.notes);
    assert!(has_note(&plan, "not deployed yet") && !has_note(&plan, "preflights"), "{:?}", plan.notes);

    let known = ApiState { authorizer_id: Some("m1".to_owned()), deploys_changes: true, ..metered.clone() };
    assert_eq!(attach(&known, &wishes(true)).changes, [authorized]);

    let mut done = known;
    done.routes[0].authorization = Authorization::Meter;
    assert_eq!(attach(&done, &wishes(true)).changes, []);
    done.deploys_changes = false;
    assert_eq!(attach(&done, &wishes(true)).changes, []);
    let first = Wishes { was_attached: false, ..wishes(true) };
    assert_eq!(attach(&done, &first).changes, [Change::Deploy], "another stage was attached before");
    let any = ApiState { routes: vec![route("$default", Authorization::Open)], ..metered };
    assert!(has_note(&attach(&any, &wishes(true)), "preflights"));
}

#[test]
fn who_else_manages_the_api_and_what_is_missing_is_noted() {
    let of_stack = ApiState { created_by: Some("orders-stack".to_owned()), can_log: false, ..api() };
    let plan = attach(&of_stack, &wishes(false));
    assert!(has_note(&plan, "CloudFormation stack orders-stack") && has_note(&plan, "no role for logs"));
}

fn attached() -> (ApiState, Attachment) {
    let mut api = ApiState {
        access_log: Some(log(DESTINATION, "documented")),
        authorizer_id: Some("m1".to_owned()),
        ..api()
    };
    api.routes[0].authorization = Authorization::Meter;
    let attachment = Attachment {
        access_log_before: Some(Some(log("arn:of:theirs", "theirs"))),
        routes: vec![api.routes[0].id.clone()],
        authorizer_id: Some("m1".to_owned()),
    };
    (api, attachment)
}

#[test]
fn detaching_undoes_what_attaching_did() {
    let (api, attachment) = attached();
    let plan = detach(&api, &attachment, DESTINATION);
    assert_eq!(
        plan.changes,
        [
            Change::AccessLog(Some(log("arn:of:theirs", "theirs"))),
            Change::Open(api.routes[0].clone()),
            Change::Deploy,
            Change::DeleteAuthorizer("m1".to_owned()),
        ]
    );
    let without_log = Attachment { access_log_before: Some(None), ..attachment };
    assert_eq!(detach(&api, &without_log, DESTINATION).changes[0], Change::AccessLog(None));
}

#[test]
fn detaching_leaves_what_others_changed_since_then() {
    let (mut api, attachment) = attached();
    api.access_log = Some(log("arn:of:another", "theirs"));
    api.routes.push(route("GET /parcels", Authorization::Meter));
    let plan = detach(&api, &attachment, DESTINATION);
    assert_eq!(plan.changes, [Change::Open(api.routes[0].clone()), Change::Deploy]);
    assert!(has_note(&plan, "the access log was changed since then"), "{:?}", plan.notes);
    assert!(has_note(&plan, "the authorizer m1 is left, because 1 routes use it"), "{:?}", plan.notes);

    let (api, attachment) = attached();
    let several = ApiState { has_other_stages: true, ..api.clone() };
    let plan = detach(&several, &attachment, DESTINATION);
    assert_eq!(plan.changes.last(), Some(&Change::Deploy));
    assert!(has_note(&plan, "deployment of another stage"), "{:?}", plan.notes);
    assert_eq!(detach(&api, &Attachment::default(), DESTINATION).changes, []);
}
