//! A run in which each kind of fault happens once: the orchestrator of the profile `chaos`, in a short
//! form. Clock faults need libfaketime.

use end_to_end::load::{MACHINE, profile, run};
use loadtest::exit_status::{COUNTS_DIFFER, FAULT_NOT_INJECTED};

/// Every kind of fault with which the profile `chaos` disturbs a stack.
const FAULTS: &str = "
[[chaos.fault]]
kind = 'kill'
per_s = 4
for_s = 5
[[chaos.fault]]
kind = 'kill'
function = 'authorizer'
per_s = 4
for_s = 1
[[chaos.fault]]
kind = 'stop'
for_s = 2
[[chaos.fault]]
kind = 'stop'
function = 'authorizer'
for_s = 2
[[chaos.fault]]
kind = 'slow'
delay_ms = 300
for_s = 2
[[chaos.fault]]
kind = 'throttle'
share = 0.9
for_s = 2
[[chaos.fault]]
kind = 'outage'
service = 'dynamodb'
for_s = 2
[[chaos.fault]]
kind = 'outage'
service = 'kinesis'
for_s = 2
[[chaos.fault]]
kind = 'delay'
delay_ms = 1000
for_s = 1
[[chaos.fault]]
kind = 'duplicate'
share = 1.0
for_s = 1
[[chaos.fault]]
kind = 'clock'
jump_s = 90
for_s = 4
[[chaos.fault]]
kind = 'clock'
jump_s = -90
for_s = 4
[[chaos.fault]]
kind = 'clock'
function = 'authorizer'
jump_s = 90
for_s = 4
[[chaos.fault]]
kind = 'clock'
function = 'authorizer'
jump_s = -90
for_s = 4
[[chaos.fault]]
kind = 'disk'
for_s = 2
[[chaos.fault]]
kind = 'crash'
for_s = 1
";

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_counted_once_whatever_breaks() {
    let _machine = MACHINE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let more = format!(
        "[stack]\nbatch_window_ms = 500\npoll_interval_ms = 250\n\
         [client]\nmax_send_lateness_ms = 60000\n\
         [objectives]\nfreshness = []\nunexpected_answers = 100000\n\
         [chaos]\nfirst_at_s = 5\ngap_s = 2.5\n{FAULTS}"
    );
    // A part of the calls has a route class.
    let profile = profile(100, 90, 10, &more).replace("[{", "[{ status = 201, weight = 30 }, {");
    let text = format!("compares_identities = true\n{profile}");
    let (status, text, outcome) = run(folder.path(), &text, &[]).await;
    assert_eq!((outcome.counts.missing, outcome.counts.surplus), (0, 0), "{text}");
    let identities = outcome.identities.as_ref().unwrap();
    assert!(identities.is_exact() && identities.answered > 5_000, "{text}");
    assert!(outcome.tally.answered[&201] > 1_000, "a part of the calls has a class: {text}");
    // Each round of the schedule has each fault once, and a second round may have begun.
    assert!(outcome.recoveries.len() >= FAULTS.matches("kind").count(), "{text}");
    assert!(outcome.recoveries.iter().all(|recovery| recovery.effects > 0), "{text}");
    assert!(![COUNTS_DIFFER, FAULT_NOT_INJECTED].map(i32::from).contains(&status), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_without_an_effect_is_a_failure() {
    let _machine = MACHINE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let fault = "[[fault]]\nkind = 'throttle'\nshare = 0.0\nat_s = 1\nfor_s = 1\n";
    let (status, text, _) = run(folder.path(), &profile(20, 3, 10, fault), &[]).await;
    assert_eq!(status, i32::from(FAULT_NOT_INJECTED), "{text}");
    assert!(text.contains("FAULT NOT INJECTED: Throttle"), "{text}");
}
