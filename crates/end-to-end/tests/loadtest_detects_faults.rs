//! The load test has to detect faults: these tests put a faulty gateway in front of
//! the stack, and the load test has to report exactly its fault.

use std::time::Duration;

use end_to_end::load::{CallFault, MACHINE, profile, run_with_faults};
use loadtest::exit_status;
use loadtest::harness::verdict::Failure;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_stalls_is_seen_in_the_percentiles() {
    let _machine = MACHINE.lock().await;
    // For two of ten seconds no call is answered. A client that waited for its 16 calls
    // before it sent more would have 16 slow calls of 2,000, and a good 99th percentile.
    let more =
        "[client]\ncalls_in_flight = 8\n[objectives]\nresponse = [{ percentile = 95, seconds = 0.9 }]\n";
    let fault_of =
        |number| if number == 1_000 { CallFault::Stall(Duration::from_secs(2)) } else { CallFault::None };
    let (status, _, outcome) = run_with_faults(&profile(200, 10, 10, more), fault_of).await;
    let response = &outcome.tally.response;
    assert!(
        response.seconds_at(95.0) > 0.9,
        "400 calls are due in the stall, 220 of them in its first 1.1 s"
    );
    assert!(response.seconds_at(100.0) >= 2.0);
    assert_eq!(outcome.tally.answers(), 2_000);
    assert_ne!(status, 0);
    assert!(outcome.failures.iter().any(|failure| matches!(failure, Failure::ObjectiveMissed(_))));
    assert_eq!((outcome.counts.missing, outcome.counts.surplus), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_call_in_a_hundred_thousand_is_found() {
    let _machine = MACHINE.lock().await;
    let fault_of = |number| if number == 54_321 { CallFault::Lost } else { CallFault::None };
    let (status, text, outcome) = run_with_faults(&profile(2_500, 40, 0, FEW_PROBES), fault_of).await;
    assert_eq!(outcome.tally.answers(), 100_000);
    assert_eq!((outcome.counts.missing, outcome.counts.surplus), (1, 0), "{text}");
    assert_eq!((status, outcome.counts.differences.len()), (i32::from(exit_status::COUNTS_DIFFER), 1));
    assert!(text.contains("COUNTS DIFFER"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_that_is_counted_twice_is_found() {
    let _machine = MACHINE.lock().await;
    let fault_of = |number| if number == 1_234 { CallFault::Twice } else { CallFault::None };
    let (status, text, outcome) = run_with_faults(&profile(500, 6, 0, FEW_PROBES), fault_of).await;
    assert_eq!((outcome.counts.missing, outcome.counts.surplus), (0, 1), "{text}");
    assert_eq!(status, i32::from(exit_status::COUNTS_DIFFER));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_faults_has_no_difference() {
    let _machine = MACHINE.lock().await;
    let (_, text, outcome) = run_with_faults(&profile(300, 5, 10, ""), |_| CallFault::None).await;
    assert!(!text.contains("COUNTS DIFFER"), "{text}");
    assert_eq!(outcome.counts.client_calls, outcome.counts.ledger_calls);
    assert!(outcome.counts.client_calls > 1_200 && outcome.tally.answered[&404] > 50, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_test_that_is_too_slow_reports_itself() {
    let _machine = MACHINE.lock().await;
    // No worker can send a call without any lateness.
    let more = "[client]\nmax_send_lateness_ms = 0\n";
    let (status, text, outcome) = run_with_faults(&profile(200, 3, 10, more), |_| CallFault::None).await;
    assert_eq!(status, i32::from(exit_status::HARNESS_TOO_SLOW), "{text}");
    assert!(text.contains("HARNESS TOO SLOW") && !text.contains("COUNTS DIFFER"), "{text}");
    assert!(matches!(outcome.failures[0], Failure::HarnessTooSlow(_)));
}

/// A setting with which nearly all calls are those of the workers.
const FEW_PROBES: &str = "[probes]\ncalls_per_s = 1\n";
