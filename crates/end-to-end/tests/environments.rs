//! Execution environments of a function, which Lambda freezes between invocations.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use bytes::Bytes;
use end_to_end::calls::options;
use local_stack::stack::LocalStack;

/// Returns the state of a process: `T` if it is stopped.
fn state_of(process: i32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("State:")).unwrap().trim()[..1].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_frozen_between_invocations_and_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), 1);
    options.max_environments = 1;
    let stack = LocalStack::start(options).await.unwrap();
    stack.settled().await.unwrap();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let answer = stack.consumer.invoke(Bytes::from(r#"{"Records":[]}"#)).await.unwrap();
        assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
        processes.push(stack.consumer.process_ids());
        // The signal was sent; the kernel stops the process when it delivers it.
        let frozen = (0..1_000_000).any(|_| state_of(processes[0][0]) == "T");
        assert!(frozen, "the process is stopped");
    }
    assert!(processes.iter().all(|ids| ids.len() == 1 && *ids == processes[0]));
    stack.shut_down().await;
}
