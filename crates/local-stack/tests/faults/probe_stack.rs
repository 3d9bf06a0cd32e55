//! A stack whose functions are all the probe.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;
use deployment::FUNCTIONS;
use flate2::read::GzDecoder;
use local_stack::lambda::Function;
use local_stack::stack::{LocalOptions, LocalStack, STREAM};
use serde_json::{Value, json};
use system_clock::now_ms;

/// Returns the path of an example of this crate. Cargo builds examples next to the folder of the
/// tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(example.is_file(), "build it with: cargo build -p local-stack --examples");
    example
}

/// Creates a folder in which every function is the probe.
pub fn probes(folder: &Path) -> PathBuf {
    functions(folder, "probe_function")
}

/// Creates a folder in which every function is this example.
pub fn functions(folder: &Path, name: &str) -> PathBuf {
    let binaries = folder.join(name);
    std::fs::create_dir_all(&binaries).unwrap();
    for (function, _) in FUNCTIONS {
        // The file exists if a stack is started again in its folder.
        if !binaries.join(function).exists() {
            std::os::unix::fs::symlink(example(name), binaries.join(function)).unwrap();
        }
    }
    binaries
}

/// Returns the options of such a stack.
pub fn options(folder: &Path) -> LocalOptions {
    let mut options = LocalOptions::new(folder.join("data"), probes(folder));
    options.demo_keys = 0;
    options.batch_window_ms = 0;
    options.poll_interval_ms = 5;
    options.delivery_delay_ms = 1;
    options
}

/// Returns the numbers of the log lines in each record of the stream, by shard, in the order of the
/// shard.
pub async fn records(stack: &LocalStack) -> BTreeMap<String, Vec<Vec<u64>>> {
    let client = &stack.kinesis_client;
    let shards = client.list_shards().stream_name(STREAM).send().await.unwrap().shards.unwrap();
    let mut found = BTreeMap::new();
    for shard in shards {
        let iterator = client.get_shard_iterator().stream_name(STREAM).shard_id(shard.shard_id());
        let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
        let read =
            client.get_records().shard_iterator(iterator.shard_iterator.unwrap()).send().await.unwrap();
        let numbers = read.records().iter().map(|record| numbers(record.data().as_ref()));
        found.insert(shard.shard_id, numbers.filter(|numbers| !numbers.is_empty()).collect());
    }
    found
}

/// Returns the numbers of the lines in a record. A control message has none.
fn numbers(data: &[u8]) -> Vec<u64> {
    let mut text = String::new();
    GzDecoder::new(data).read_to_string(&mut text).unwrap();
    let envelope: Value = serde_json::from_str(&text).unwrap();
    let events = envelope["logEvents"].as_array().unwrap().iter();
    let lines = events.filter_map(|event| serde_json::from_str::<Value>(event["message"].as_str()?).ok());
    lines.filter_map(|line| line["number"].as_u64()).collect()
}

/// Logs lines with these numbers, which the subscription delivers.
pub async fn log(stack: &LocalStack, numbers: std::ops::Range<u64>) {
    let line = |number| json!({"status": "200", "number": number}).to_string();
    stack.log_group.append("one", now_ms(), numbers.map(line).collect()).await.unwrap();
}

/// Invokes a probe, which returns its environment.
pub async fn ask(function: &Function) -> Value {
    serde_json::from_slice(&function.invoke(Bytes::from("{}")).await.unwrap()).unwrap()
}
