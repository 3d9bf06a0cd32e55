use std::path::Path;

use output_schema::problems;
use serde_json::Value;

use super::files;
use crate::harness::client_counts::ClientCounts;
use crate::harness::faults::Recovery;
use crate::harness::find_rate::Step;
use crate::harness::identities::IdentityCheck;
use crate::harness::interval::Interval;
use crate::harness::outcome::{CountDifference, Counts, Outcome, PricedLine};
use crate::harness::probe::{ProbeResults, ProbeSample, RecordPosition};
use crate::harness::verdict::Failure;
use crate::profile::{Keys, Profile};
use crate::simulation::{SimulationSettings, simulate};

fn schema(name: &str) -> Value {
    let (_, text) = files().into_iter().find(|(path, _)| path.ends_with(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn assert_valid(name: &str, value: &Value) {
    assert_eq!(problems(&schema(name), value), [""; 0]);
}

fn outcome() -> Outcome {
    let profile = format!(
        "{}\n[stack]\ncanary = {{ weight = 0.1 }}\ndelivery_lag = {{ median_ms = 5, p99_ms = 6 }}\n[[fault]]\nkind = 'kill'\nper_s = 1\nat_s = 1",
        include_str!("../../profiles/smoke.toml")
    );
    let profile: Profile = toml::from_str(&profile).unwrap();
    let mut client_counts = ClientCounts::default();
    client_counts.record_success(0, 0, 1);
    client_counts.record_unanswered(1, 0, 1);
    let record = RecordPosition { shard_id: "shardId-000000000000".into(), sequence_number: "1".into() };
    let sample =
        ProbeSample { due_s: 0.0, answered_ms: 1, shown_ms: Some(2), freshness_us: 1, record: Some(record) };
    let not_shown = ProbeSample { shown_ms: None, record: None, ..sample.clone() };
    let difference = CountDifference {
        api_key_id: "key".to_owned(),
        customer_id: None,
        hour_start_ms: 0,
        client_calls: 2,
        ledger_calls: 1,
    };
    let mut tally = crate::harness::worker::Tally::default();
    tally.answered.insert(200, 1);
    Outcome {
        recoveries: vec![Recovery {
            fault: profile.faults[0],
            began_s: 1.0,
            ended_s: 2.0,
            effects: 1,
            failed_calls: 1,
            answered_after_s: 1.0,
            max_freshness_s: 1.0,
            recovered_after_s: 1.0,
        }],
        profile,
        environment: "local".to_owned(),
        started_ms: 0,
        planned_calls: 1,
        is_interrupted: false,
        took_s: 1.0,
        settled_after_s: 1.0,
        tally,
        intervals: vec![Interval::default()],
        freshness: crate::histogram::LatencyHistogram::new(),
        latency_breakdown: crate::harness::latency_breakdown::LatencyBreakdown::default(),
        probes: ProbeResults { samples: vec![sample, not_shown], client_counts, ..ProbeResults::default() },
        counts: Counts { differences: vec![difference], ..Counts::default() },
        identities: Some(IdentityCheck::default()),
        consumption: vec![PricedLine { what: "x".to_owned(), per_million_calls: 1.0, dollars: 1.0 }],
        baseline: Some(crate::harness::baseline::BaselineWrites::default()),
        memory_growth: vec![crate::harness::memory::MemoryGrowth {
            name: "local stack".to_owned(),
            second_quarter_mib: 1.0,
            last_quarter_mib: 1.0,
            max_mib: 1.0,
        }],
        failures: vec![Failure::CountsDiffer("detail".to_owned())],
    }
}

#[test]
fn outputs_are_valid() {
    assert_valid("loadtest-result.json", &serde_json::to_value(outcome()).unwrap());
    let step = Step {
        calls_per_s: 1.0,
        duration_s: 1.0,
        answered_per_s: 1.0,
        freshness_p999_s: 1.0,
        response_p99_ms: 1.0,
        verdict: "passed".to_owned(),
    };
    assert_valid("loadtest-steps.json", &serde_json::to_value(vec![step]).unwrap());
    let keys = Keys { count: 10, zipf_exponent: None };
    let settings = SimulationSettings { measured_s: 20.0, ..SimulationSettings::deployed(10.0, keys, 1) };
    assert_valid("loadtest-simulation.json", &serde_json::to_value(simulate(&settings).unwrap()).unwrap());
}

#[test]
fn a_wrong_output_is_not_valid() {
    let schema = schema("loadtest-result.json");
    let valid = serde_json::to_value(outcome()).unwrap();
    let mut wrong = valid.clone();
    wrong["took_s"] = "1".into();
    assert_eq!(problems(&schema, &wrong), ["$.took_s: not of type number"]);
    let mut wrong = valid.clone();
    wrong["recoveries"][0]["fault"]["per_s"] = Value::Null;
    assert_eq!(problems(&schema, &wrong), ["$.recoveries[0].fault.per_s: not of type number"]);
    let mut wrong = valid;
    wrong["counts"]["seen"] = 1.into();
    assert_eq!(problems(&schema, &wrong), ["$.counts.seen: not declared"]);
}

#[test]
fn the_documented_schemas_are_those_of_the_types() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, text) in files() {
        let documented = std::fs::read_to_string(repository.join(path)).unwrap_or_default();
        assert!(documented == text, "{path} differs from the types; run: cargo run -p dev -- generate");
    }
}
