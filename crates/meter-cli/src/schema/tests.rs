//! Checks of the schemas and of the documents that the output types produce.

use std::path::Path;

use metering_core::api_key::{KeyDigest, KeyRecord, PreviousSecret};
use metering_core::customer::CustomerRecord;
use output_schema::problems;

use super::*;

fn schema_file(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn assert_valid(name: &str, document: &impl Serialize) {
    let document = serde_json::to_value(document).unwrap();
    assert_eq!(problems(&schema_file(name), &document), [""; 0], "{document:#}");
}

#[test]
fn each_field_is_documented_and_in_snake_case() {
    for output in OUTPUTS {
        check_fields(&output.schema(), output.command);
    }
}

fn check_fields(schema: &Value, place: &str) {
    if !schema.is_object() {
        return;
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{place}: {name}");
        assert!(member["description"].is_string(), "{place} has no description");
        let is_snake_case = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        assert!(is_snake_case, "{place} is not in snake case");
        check_fields(member, &place);
    }
    for inner in ["items", "additionalProperties"] {
        check_fields(&schema[inner], place);
    }
    for alternative in ["anyOf", "oneOf"].iter().filter_map(|keyword| schema[keyword].as_array()).flatten() {
        check_fields(alternative, place);
    }
}

#[test]
fn a_key_matches_its_schemas() {
    let digest = KeyDigest::of_secret("um_secret").unwrap();
    let full = KeyRecord {
        key_id: "key-1".to_owned(),
        monthly_limit: Some(10),
        expires_at_ms: Some(20),
        labels: [("team".to_owned(), "a".to_owned())].into(),
        digest: Some(digest),
        previous: Some(PreviousSecret { digest, valid_until_ms: 30 }),
        deleted_at_ms: Some(50),
        ..KeyRecord::default()
    };
    let bare = KeyRecord { key_id: "key-2".to_owned(), ..KeyRecord::default() };
    for key in [full, bare] {
        assert_valid("meter-keys-list.json", &keys::Key::new(&key));
        assert_valid("meter-keys-show.json", &keys::Key::new(&key));
        assert_valid("meter-keys-export.json", &keys::ExportedKey::new(&key, &digest));
        let created = keys::CreatedKey { key: keys::Key::new(&key), api_key: "um_secret".to_owned() };
        assert_valid("meter-keys-create.json", &created);
    }
    assert_valid("meter-keys-import.json", &keys::ImportSummary::default());
    let customer = || {
        customers::Customer::new(&CustomerRecord {
            customer_id: "acme".to_owned(),
            ..CustomerRecord::default()
        })
    };
    for name in ["create", "list", "update"] {
        assert_valid(&format!("meter-customers-{name}.json"), &customer());
    }
    let keys = vec![keys::Key::new(&KeyRecord::default())];
    assert_valid("meter-customers-show.json", &customers::CustomerWithKeys { customer: customer(), keys });
    let check = customers::MergeCheck {
        from: customer(),
        into: customer(),
        keys_to_replace: vec!["key-1".to_owned()],
        keys_that_stay: 0,
        different_labels: vec!["tier".to_owned()],
    };
    assert_valid("meter-customers-merge-check.json", &check);
    let check = |raised_from| keys::LogCheck { head: 1, highest_version: 2, is_behind: true, raised_from };
    assert_valid("meter-keys-check-log.json", &check(None));
    assert_valid("meter-keys-check-log.json", &check(Some(1)));
}

#[test]
fn usage_and_graphs_match_their_schemas() {
    let usage = usage::UsageReport {
        customer_id: None,
        api_key_id: "key-1".to_owned(),
        from: "2026-11-01".to_owned(),
        to: "2026-11-30".to_owned(),
        time_zone: "UTC".to_owned(),
        calls: 3,
        credits: None,
        response_bytes: 2_104,
        as_of: Some("2026-11-25T10:00:00Z".to_owned()),
        billed: true,
        usage: vec![usage::PeriodUsage {
            period: "2026-11-25".to_owned(),
            calls: 3,
            credits: Some("7.5".to_owned()),
            response_bytes: 2_104,
        }],
    };
    assert_valid("meter-usage.json", &usage);
    let group = usage::GroupUsage {
        customer_id: Some("acme"),
        api_key_id: None,
        route_class: Some("search"),
        period: "2026-11",
        calls: 3,
        credits: None,
        response_bytes: 0,
    };
    assert_valid("meter-usage-groups.json", &group);
    let weights = vec!["search 2.5".to_owned()];
    let list = weights::WeightList { from: "2026-12-01T00:00:00Z".to_owned(), applies: false, weights };
    assert_valid("meter-weights-show.json", &list);
    assert_valid("meter-weights-apply.json", &dated_lists::Added { applied: true, list });
    let classes = vec!["search GET /search".to_owned()];
    let list = classes::ClassList { from: "2026-12-01T00:00:00Z".to_owned(), applies: false, classes };
    assert_valid("meter-classes-show.json", &list);
    assert_valid("meter-classes-apply.json", &dated_lists::Added { applied: true, list });
    assert_valid("meter-classes-test.json", &classes::ClassCalls { route_class: None, calls: 1 });
    let line =
        |latest| status::Line { label: "p99".to_owned(), latest, highest: latest, is_above_limit: false };
    let graph = status::Graph { title: "Freshness".to_owned(), lines: vec![line(Some(1.5)), line(None)] };
    assert_valid("meter-status.json", &[graph]);
}

#[test]
fn comparisons_and_findings_match_their_schemas() {
    let difference = reconcile::Difference {
        customer_id: Some("acme".to_owned()),
        api_key_id: "key-1".to_owned(),
        hour: "2026-11-25T10:00Z".to_owned(),
        logged: 2,
        counted: 1,
    };
    let mut comparison = reconcile::Comparison {
        logged: 2,
        counted: 1,
        missing: 1,
        surplus: 0,
        differences: vec![difference],
        identities: None,
        backfill: None,
    };
    assert_valid("meter-reconcile.json", &comparison);
    comparison.backfill = Some(reconcile::BackfillSummary::default());
    let (api_key_id, day) = ("key-1".to_owned(), "2026-11-25".to_owned());
    let other_calls = vec![reconcile::identities::KeyDay { customer_id: None, api_key_id, day }];
    comparison.identities =
        Some(reconcile::identities::IdentityComparison { other_calls, ..Default::default() });
    assert_valid("meter-reconcile.json", &comparison);
    let verdicts =
        [doctor::Verdict::Ok, doctor::Verdict::False, doctor::Verdict::Unknown, doctor::Verdict::Skipped];
    let checks = verdicts.map(|verdict| doctor::CheckOutput {
        check: "clock_difference".to_owned(),
        assumption: "the clocks agree".to_owned(),
        verdict,
        found: "1 ms".to_owned(),
        advice: String::new(),
    });
    assert_valid("meter-doctor.json", &checks);
}

#[test]
fn documents_of_other_forms_are_refused() {
    let schema = schema_file("meter-usage.json");
    let document =
        serde_json::json!({"api_key_id": 1, "from": "a", "to": "b", "calls": -1, "billed": true, "more": 0});
    let mut found = problems(&schema, &document);
    found.sort();
    assert_eq!(
        found,
        [
            "$.api_key_id: not of type string",
            "$.as_of: missing",
            "$.calls: less than 0",
            "$.credits: missing",
            "$.customer_id: missing",
            "$.more: not declared",
            "$.response_bytes: missing",
            "$.time_zone: missing",
            "$.usage: missing"
        ]
    );
}
