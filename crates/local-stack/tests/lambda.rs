//! The event source mapping of the local stack: bisecting, retries and given-up records.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::start_aws_endpoint;
use local_stack::cloudwatch::metrics::MetricSink;
use local_stack::lambda::event_source_mapping::{Checkpoints, MappingSettings};
use local_stack::lambda::invocation_record::OnFailureDestination;
use local_stack::lambda::{EventSourceMapping, Function, FunctionSpec};
use local_stack::s3::S3Store;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use serde_json::Value;

struct Mapping {
    client: Client,
    checkpoints: Arc<Checkpoints>,
    settings: MappingSettings,
    function: Arc<Function>,
}

const STREAM: &str = "picky";
const BUCKET: &str = "given-up";

fn example(name: &str) -> PathBuf {
    // Cargo builds examples next to the folder of the test binaries.
    let test = std::env::current_exe().unwrap();
    let example = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(example.is_file(), "build it with: cargo build -p local-stack --examples");
    example
}

impl Mapping {
    async fn over(folder: &Path, records: &[&str]) -> Self {
        let client = Client::new(&load_local(&start_aws_endpoint(folder).await, COMMAND_RETRY_POLICY).await);
        client.create_stream().stream_name(STREAM).shard_count(1).send().await.unwrap();
        for record in records {
            let put = client.put_record().stream_name(STREAM).partition_key("p").data(Blob::new(*record));
            put.send().await.unwrap();
        }
        let spec = FunctionSpec {
            name: "picky".to_owned(),
            version: "1".to_owned(),
            binary: example("picky_function"),
            environment: Vec::new(),
            timeout_ms: 10_000,
            max_environments: 1,
            spreads: false,
            memory_mib: 256,
            limits_memory: true,
        };
        let function = Arc::new(Function::new(spec, Arc::new(MetricSink::open(folder).unwrap())));
        let settings = MappingSettings {
            stream: STREAM.to_owned(),
            batch_size: 100,
            batch_window_ms: 0,
            poll_interval_ms: 5,
            bisect_on_error: true,
            max_retries: Some(1),
            max_record_age_ms: None,
            on_failure: OnFailureDestination {
                store: Arc::new(S3Store::open(&folder.join("s3"), &[BUCKET]).unwrap()),
                bucket: BUCKET.to_owned(),
                mapping_uuid: "mapping".to_owned(),
            },
        };
        let checkpoints = Arc::new(Checkpoints::open(&folder.join("checkpoints.sqlite")).unwrap());
        Self { client, checkpoints, settings, function }
    }

    /// Runs the mapping until it has passed the last record, and returns the texts of the given-up
    /// records, per object.
    async fn run(self) -> Vec<Vec<String>> {
        let last = {
            let iterator =
                self.client.get_shard_iterator().stream_name(STREAM).shard_id("shardId-000000000000");
            let iterator =
                iterator.shard_iterator_type(aws_sdk_kinesis::types::ShardIteratorType::TrimHorizon);
            let iterator = iterator.send().await.unwrap().shard_iterator.unwrap();
            let read = self.client.get_records().shard_iterator(iterator).send().await.unwrap();
            read.records().last().unwrap().sequence_number().to_owned()
        };
        let mut changes = self.checkpoints.changes();
        let store = self.settings.on_failure.store.clone();
        let mapping = EventSourceMapping::start(
            self.client,
            self.function.clone(),
            self.settings,
            self.checkpoints.clone(),
        );
        while self.checkpoints.get("shardId-000000000000").unwrap().as_deref() != Some(&*last) {
            changes.changed().await.unwrap();
        }
        mapping.stop().await;
        self.function.shut_down();
        let objects = store.list(BUCKET, "aws/lambda/mapping/shardId-000000000000/", "", 1_000).unwrap();
        objects.iter().map(|object| texts(&store.get(BUCKET, &object.key).unwrap().0)).collect()
    }
}

fn texts(invocation_record: &[u8]) -> Vec<String> {
    let record: Value = serde_json::from_slice(invocation_record).unwrap();
    let event: Value = serde_json::from_str(record["payload"].as_str().unwrap()).unwrap();
    let data =
        event["Records"].as_array().unwrap().iter().map(|record| record["kinesis"]["data"].as_str().unwrap());
    data.map(|data| String::from_utf8(STANDARD.decode(data).unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bisecting_gives_up_exactly_the_record_that_fails_and_keeps_its_payload() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = vec!["good"; 40];
    records[17] = "poison 17";
    records[33] = "poison 33";
    let mut given_up = Mapping::over(folder.path(), &records).await.run().await;
    given_up.sort();
    assert_eq!(given_up, [["poison 17"], ["poison 33"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_bisecting_the_whole_batch_is_given_up_after_its_retries() {
    let folder = tempfile::tempdir().unwrap();
    let mut mapping = Mapping::over(folder.path(), &["good", "poison", "good"]).await;
    mapping.settings.bisect_on_error = false;
    mapping.settings.max_retries = Some(2);
    assert_eq!(mapping.run().await, [["good", "poison", "good"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_a_failure_gives_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let given_up = Mapping::over(folder.path(), &["good"; 250]).await.run().await;
    assert!(given_up.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_with_its_window_although_records_keep_coming() {
    let folder = tempfile::tempdir().unwrap();
    let Mapping { client, checkpoints, settings, function } = Mapping::over(folder.path(), &["good"]).await;
    let settings = MappingSettings { batch_size: 10_000, batch_window_ms: 300, ..settings };
    let producer = async {
        for _ in 0..4_000 {
            let put = client.put_record().stream_name(STREAM).partition_key("p").data(Blob::new("good"));
            put.send().await.unwrap();
            // A shard accepts 1,000 records a second.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let mut changes = checkpoints.changes();
    let mapping = EventSourceMapping::start(client.clone(), function.clone(), settings, checkpoints.clone());
    tokio::select! {
        changed = changes.changed() => changed.unwrap(),
        () = producer => panic!("no batch was delivered while records kept coming"),
    }
    mapping.stop().await;
    function.shut_down();
}
