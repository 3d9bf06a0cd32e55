//! Memory limits of functions.

use bytes::Bytes;
use deployment::FUNCTIONS;
use local_stack::stack::{LocalStack, UsageCanary};
use serde_json::{Value, json};

use crate::probe_stack::{ask, options};

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn a_function_gets_the_memory_that_it_is_deployed_with_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.usage_canary = Some(UsageCanary { interval_ms: 3_600_000, ..UsageCanary::AS_DEPLOYED });
    let take = |mib: u64| Bytes::from(json!({"takeMib": mib}).to_string());
    let stack = LocalStack::start(options.clone()).await.unwrap();
    let mut expected = Vec::new();
    for function in stack.functions() {
        let memory_mib: u64 = ask(function).await["memoryMib"].as_str().unwrap().parse().unwrap();
        expected.push((function.name().to_owned(), memory_mib));
        let fits = function.invoke(take(memory_mib / 2)).await.unwrap();
        let fits: Value = serde_json::from_slice(&fits).unwrap();
        assert_eq!(fits["takenMib"], memory_mib / 2);
        let error = function.invoke(take(memory_mib)).await.unwrap_err().to_string();
        assert!(error.contains("the function's process ended"), "{error}");
        // The next invocation runs in a new environment.
        assert_eq!(ask(function).await["takenMib"], 0);
    }
    assert_eq!(expected, FUNCTIONS.map(|(name, limits)| (name.to_owned(), u64::from(limits.memory_mib))));
    stack.shut_down().await;

    options.limits_memory = false;
    let stack = LocalStack::start(options).await.unwrap();
    let response: Value = serde_json::from_slice(&stack.consumer.invoke(take(300)).await.unwrap()).unwrap();
    assert_eq!(response["takenMib"], 300);
    stack.shut_down().await;
}
