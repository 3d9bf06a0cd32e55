//! Two versions of the consumer behind a weighted alias.

use deployment::environment::variables;
use local_stack::stack::{Canary, LocalStack};

use crate::probe_stack::{ask, options};

#[tokio::test(flavor = "multi_thread")]
async fn invocations_go_to_either_version_by_weight_with_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    let setting = |value: &str| (variables::PROBE_SETTING.name.to_owned(), value.to_owned());
    options.consumer_environment = vec![setting("main")];
    options.canary = Some(Canary { weight: 0.3, environment: [setting("canary")].into(), binaries: None });
    let stack = LocalStack::start(options.clone()).await.unwrap();
    stack.settled().await.unwrap();
    let mut to_canary = 0;
    for _ in 0..100 {
        let response = ask(&stack.consumer).await;
        match (response["version"].as_str().unwrap(), response["setting"].as_str().unwrap()) {
            ("1", "main") => {}
            ("2", "canary") => to_canary += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((10..=60).contains(&to_canary), "{to_canary} of 100 went to the canary");
    stack.shut_down().await;

    options.canary = None;
    let stack = LocalStack::start(options).await.unwrap();
    for _ in 0..10 {
        assert_eq!(ask(&stack.consumer).await["version"], "1");
    }
    stack.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_can_have_a_binary_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    let missing = folder.path().join("nowhere");
    options.canary = Some(Canary { weight: 1.0, environment: [].into(), binaries: Some(missing.clone()) });
    let error = LocalStack::start(options.clone()).await.err().unwrap().to_string();
    assert!(error.contains(&*missing.join("usage-consumer").to_string_lossy()), "{error}");

    let binaries = crate::probe_stack::functions(folder.path(), "picky_function");
    options.canary = Some(Canary { weight: 1.0, environment: [].into(), binaries: Some(binaries) });
    let stack = LocalStack::start(options).await.unwrap();
    assert!(
        ask(&stack.consumer).await.get("version").is_none(),
        "the other binary does not return a version"
    );
    stack.shut_down().await;
}
