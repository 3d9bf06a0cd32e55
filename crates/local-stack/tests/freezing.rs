//! Execution environments are frozen while they have no invocation, and only then.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use deployment::environment::variables;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use local_stack::cloudwatch::metrics::MetricSink;
use local_stack::lambda::{Function, FunctionSpec, InvocationError};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

fn function(folder: &Path, max_environments: usize) -> Function {
    function_with(folder, max_environments, Vec::new())
}

fn function_with(folder: &Path, max_environments: usize, environment: Vec<(String, String)>) -> Function {
    let spec = FunctionSpec {
        name: "probe".to_owned(),
        version: "1".to_owned(),
        binary: example("probe_function"),
        environment,
        timeout_ms: 10_000,
        max_environments,
        spreads: false,
        memory_mib: 128,
        limits_memory: true,
    };
    Function::new(spec, Arc::new(MetricSink::open(folder).unwrap()))
}

fn example(name: &str) -> PathBuf {
    // Cargo builds examples next to the folder of the test binaries.
    let test = std::env::current_exe().unwrap();
    let example = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(example.is_file(), "build it with: cargo build --workspace --example {name}");
    example
}

fn event(take_mib: u64) -> Bytes {
    Bytes::from(json!({"takeMib": take_mib}).to_string())
}

fn taken_mib(response: &Result<Bytes, InvocationError>) -> u64 {
    let response: Value = serde_json::from_slice(response.as_ref().unwrap()).unwrap();
    response["takenMib"].as_u64().unwrap()
}

/// Waits until every process is stopped (state `T`). Source: proc_pid_stat(5).
///
/// A process stops a moment after it was sent SIGSTOP. If a process was never sent it, this never
/// returns.
async fn wait_until_stopped(function: &Function) {
    for process_id in function.process_ids() {
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap();
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            if state == Some('T') {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_environment_is_frozen_between_invocations() {
    let folder = tempfile::tempdir().unwrap();
    let function = function(folder.path(), 4);
    function.prepare().await.unwrap();
    wait_until_stopped(&function).await;
    assert_eq!(function.kill_busy(), None, "a frozen environment is not busy");
    for number in 1..=5 {
        assert_eq!(taken_mib(&function.invoke(event(number)).await), number);
        wait_until_stopped(&function).await;
        assert_eq!(
            function.freezes(),
            1 + number,
            "frozen once after its start and once after each invocation"
        );
    }
    assert_eq!(function.process_ids().len(), 1);
    function.shut_down();
}

#[tokio::test]
async fn an_environment_is_not_frozen_while_invocations_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let function = function(folder.path(), 2);
    let responses = join_all((0..50).map(|number| function.invoke(event(number % 8)))).await;
    for (number, response) in (0..50).zip(&responses) {
        assert_eq!(taken_mib(response), number % 8, "each response belongs to its event");
    }
    wait_until_stopped(&function).await;
    assert_eq!(
        (function.process_ids().len(), function.freezes()),
        (2, 2),
        "each is frozen after its last invocation"
    );
    function.shut_down();
}

#[tokio::test]
async fn an_environment_comes_back_where_its_caller_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let function = function(folder.path(), 1);
    // Poll once, so that the first invocation runs and the second waits.
    let gone = join_all([function.invoke(event(1)), function.invoke(event(2))]);
    assert!(gone.now_or_never().is_none());
    assert_eq!(taken_mib(&function.invoke(event(3)).await), 3);
    wait_until_stopped(&function).await;
    assert_eq!(function.process_ids().len(), 1);
    function.shut_down();
}

#[tokio::test]
async fn after_a_crash_the_next_invocation_has_a_new_environment() {
    let folder = tempfile::tempdir().unwrap();
    let function = function(folder.path(), 1);
    let responses = join_all([event(1), event(4_096), event(2)].map(|event| function.invoke(event))).await;
    assert_eq!(taken_mib(&responses[0]), 1);
    assert!(matches!(responses[1], Err(InvocationError::Crashed)), "{:?}", responses[1]);
    assert_eq!(taken_mib(&responses[2]), 2);
    function.shut_down();
}

#[tokio::test]
async fn a_caller_has_its_answer_while_the_function_goes_on_and_the_next_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let environment = vec![(variables::PROBE_PIPE.name.to_owned(), pipe.to_str().unwrap().to_owned())];
    let function = function_with(folder.path(), 4, environment);
    // Writes to the pipe. Returns when the function has read it.
    let release = || {
        tokio::task::spawn_blocking({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, "").unwrap()
        })
    };
    assert_eq!(taken_mib(&function.invoke(event(1)).await), 1);
    assert_eq!(function.freezes(), 0, "the function has not asked for the next event yet");
    let mut next = Box::pin(function.invoke(event(2)));
    assert!((&mut next).now_or_never().is_none());
    release().await.unwrap();
    assert_eq!(taken_mib(&next.await), 2);
    assert_eq!((function.process_ids().len(), function.freezes()), (1, 0));
    release().await.unwrap();
    wait_until_stopped(&function).await;
    function.shut_down();
}
