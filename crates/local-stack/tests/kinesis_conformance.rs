//! Properties of a stream on which the meter relies.
//!
//! The tests use only the Kinesis API. They run against the local stream or, with
//! `KINESIS_ENDPOINT=http://HOST:PORT`, against the service there.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

mod common;

use deployment::environment::variables;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ScalingType, Shard, ShardIteratorType, StreamStatus};
use common::start_aws_endpoint;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use metering_core::sequence_number::SequenceNumber;

struct Stream {
    client: Client,
    name: String,
    _folder: tempfile::TempDir,
}

static STREAMS: AtomicU32 = AtomicU32::new(0);

impl Stream {
    async fn create(shards: i32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = match std::env::var_os(variables::KINESIS_ENDPOINT.name) {
            Some(endpoint) => endpoint.into_string().unwrap(),
            None => start_aws_endpoint(folder.path()).await,
        };
        let client = Client::new(&load_local(&endpoint, COMMAND_RETRY_POLICY).await);
        let name = format!("conformance-{}-{}", std::process::id(), STREAMS.fetch_add(1, Ordering::Relaxed));
        client.create_stream().stream_name(&name).shard_count(shards).send().await.unwrap();
        let stream = Self { client, name, _folder: folder };
        stream.active().await;
        stream
    }

    /// Waits until the stream is `ACTIVE`.
    async fn active(&self) {
        loop {
            let reply = self.client.describe_stream_summary().stream_name(&self.name).send().await.unwrap();
            if reply.stream_description_summary().unwrap().stream_status() == &StreamStatus::Active {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    async fn shards(&self) -> Vec<Shard> {
        self.client.list_shards().stream_name(&self.name).send().await.unwrap().shards.unwrap()
    }

    async fn put(&self, data: &str, hash_key: u128) -> (String, String) {
        let put = self.client.put_record().stream_name(&self.name).partition_key("p").data(Blob::new(data));
        let reply = put.explicit_hash_key(hash_key.to_string()).send().await.unwrap();
        (reply.shard_id, reply.sequence_number)
    }

    async fn iterator(&self, shard: &str, kind: ShardIteratorType, sequence: Option<&str>) -> String {
        let request = self
            .client
            .get_shard_iterator()
            .stream_name(&self.name)
            .shard_id(shard)
            .shard_iterator_type(kind);
        let reply = request.set_starting_sequence_number(sequence.map(str::to_owned)).send().await.unwrap();
        reply.shard_iterator.unwrap()
    }

    async fn get(&self, iterator: &str) -> GetRecordsOutput {
        self.get_at_most(iterator, 10_000).await
    }

    /// Reads up to `limit` records. Retries as long as the shard throttles the read, after the
    /// client's own retries.
    async fn get_at_most(&self, iterator: &str, limit: i32) -> GetRecordsOutput {
        loop {
            match self.client.get_records().shard_iterator(iterator).limit(limit).send().await {
                Ok(output) => return output,
                Err(error) => {
                    let error = error.into_service_error();
                    assert!(error.is_provisioned_throughput_exceeded_exception(), "{error:?}");
                }
            }
        }
    }

    async fn read(&self, iterator: &str) -> Vec<String> {
        data_of(&self.get(iterator).await)
    }
}

fn data_of(output: &GetRecordsOutput) -> Vec<String> {
    output
        .records()
        .iter()
        .map(|record| String::from_utf8(record.data().as_ref().to_vec()).unwrap())
        .collect()
}

fn entry(data: Vec<u8>, partition_key: &str) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder().data(Blob::new(data)).partition_key(partition_key).build().unwrap()
}

const LOW: u128 = 0;
const HIGH: u128 = u128::MAX;

#[tokio::test]
async fn sequence_numbers_rise_within_a_shard_and_records_come_back_in_order() {
    let stream = Stream::create(2).await;
    let mut last: Option<SequenceNumber> = None;
    for number in 0..30 {
        let (shard, digits) = stream.put(&number.to_string(), LOW).await;
        assert_eq!(shard, "shardId-000000000000");
        let sequence = SequenceNumber::parse(&digits).unwrap();
        assert!(digits.len() > 20, "{digits} is not a sequence number of Kinesis");
        assert!(last.is_none_or(|last| last < sequence));
        last = Some(sequence);
    }
    let iterator = stream.iterator("shardId-000000000000", ShardIteratorType::TrimHorizon, None).await;
    assert_eq!(stream.read(&iterator).await, (0..30).map(|number| number.to_string()).collect::<Vec<_>>());
    let other = stream.iterator("shardId-000000000001", ShardIteratorType::TrimHorizon, None).await;
    assert!(stream.read(&other).await.is_empty());
}

#[tokio::test]
async fn every_iterator_type_begins_where_it_says() {
    let stream = Stream::create(1).await;
    let shard = "shardId-000000000000";
    let (_, first) = stream.put("1", LOW).await;
    let (_, second) = stream.put("2", LOW).await;
    let latest = stream.iterator(shard, ShardIteratorType::Latest, None).await;
    stream.put("3", LOW).await;
    let at = async |kind, sequence| stream.read(&stream.iterator(shard, kind, sequence).await).await;
    assert_eq!(at(ShardIteratorType::TrimHorizon, None).await, ["1", "2", "3"]);
    assert_eq!(at(ShardIteratorType::AtSequenceNumber, Some(&*second)).await, ["2", "3"]);
    assert_eq!(at(ShardIteratorType::AfterSequenceNumber, Some(&*second)).await, ["3"]);
    assert_eq!(at(ShardIteratorType::AfterSequenceNumber, Some(&*first)).await, ["2", "3"]);
    assert_eq!(stream.read(&latest).await, ["3"]);
    let from = |seconds| {
        let request = stream.client.get_shard_iterator().stream_name(&stream.name).shard_id(shard);
        request
            .shard_iterator_type(ShardIteratorType::AtTimestamp)
            .timestamp(DateTime::from_secs(seconds))
            .send()
    };
    assert_eq!(stream.read(&from(1).await.unwrap().shard_iterator.unwrap()).await, ["1", "2", "3"]);
    let tomorrow = system_clock::now_ms() / 1000 + 86_400;
    // For a time in the future, AWS returns an error or no records. Both are correct.
    if let Ok(reply) = from(tomorrow).await {
        assert!(stream.read(&reply.shard_iterator.unwrap()).await.is_empty());
    }
}

#[tokio::test]
async fn reading_page_by_page_loses_and_repeats_nothing_and_tells_how_far_behind_it_is() {
    let stream = Stream::create(1).await;
    for number in 0..25 {
        stream.put(&number.to_string(), LOW).await;
    }
    let mut iterator = stream.iterator("shardId-000000000000", ShardIteratorType::TrimHorizon, None).await;
    let mut found = Vec::new();
    let mut behind = None;
    while found.len() < 25 {
        let reply = stream.get_at_most(&iterator, 7).await;
        assert!(reply.records().len() <= 7);
        found.extend(data_of(&reply));
        behind = reply.millis_behind_latest;
        iterator = reply.next_shard_iterator.expect("an open shard has a next iterator");
    }
    assert_eq!(found, (0..25).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(behind, Some(0), "at the end of the shard");
    assert!(stream.read(&iterator).await.is_empty());
    stream.put("later", LOW).await;
    assert_eq!(stream.read(&iterator).await, ["later"], "an iterator at the end finds later records");
}

#[tokio::test]
async fn a_split_closes_the_parent_and_its_records_end_with_its_children() {
    let stream = Stream::create(1).await;
    let parent = "shardId-000000000000";
    let (_, last) = stream.put("before", LOW).await;
    let middle = HIGH / 2 + 1;
    let split = stream.client.split_shard().stream_name(&stream.name).shard_to_split(parent);
    split.new_starting_hash_key(middle.to_string()).send().await.unwrap();
    stream.active().await;
    let shards = stream.shards().await;
    assert_eq!(shards.len(), 3);
    let ending =
        shards[0].sequence_number_range().unwrap().ending_sequence_number().expect("the parent is closed");
    assert!(SequenceNumber::parse(ending).unwrap() >= SequenceNumber::parse(&last).unwrap());
    for child in &shards[1..] {
        assert_eq!(child.parent_shard_id(), Some(parent));
        assert!(child.sequence_number_range().unwrap().ending_sequence_number().is_none());
    }
    let (low, low_sequence) = stream.put("low", LOW).await;
    let (high, _) = stream.put("high", HIGH).await;
    assert_eq!(HashSet::from([&*low, &*high]), shards[1..].iter().map(Shard::shard_id).collect());
    assert!(SequenceNumber::parse(&low_sequence).unwrap() > SequenceNumber::parse(&last).unwrap());

    let iterator = stream.iterator(parent, ShardIteratorType::TrimHorizon, None).await;
    let mut reply = stream.get(&iterator).await;
    assert_eq!(data_of(&reply), ["before"]);
    while let Some(next) = &reply.next_shard_iterator {
        reply = stream.get(next).await;
        assert!(reply.records().is_empty());
    }
    let children: HashSet<&str> =
        reply.child_shards().iter().map(aws_sdk_kinesis::types::ChildShard::shard_id).collect();
    assert_eq!(children, HashSet::from([&*low, &*high]));
}

#[tokio::test]
async fn a_merge_has_two_parents_and_takes_all_their_keys() {
    let stream = Stream::create(2).await;
    let merge = stream.client.merge_shards().stream_name(&stream.name).shard_to_merge("shardId-000000000000");
    merge.adjacent_shard_to_merge("shardId-000000000001").send().await.unwrap();
    stream.active().await;
    let shards = stream.shards().await;
    let child = shards.last().unwrap();
    let parents =
        HashSet::from([child.parent_shard_id().unwrap(), child.adjacent_parent_shard_id().unwrap()]);
    assert_eq!(parents, HashSet::from(["shardId-000000000000", "shardId-000000000001"]));
    for hash_key in [LOW, HIGH] {
        assert_eq!(stream.put("x", hash_key).await.0, child.shard_id());
    }
    let closed = stream.client.split_shard().stream_name(&stream.name).shard_to_split("shardId-000000000000");
    assert!(closed.new_starting_hash_key("5").send().await.is_err(), "a closed shard cannot be split");
}

#[tokio::test]
async fn the_shard_count_is_changed_by_splits_and_merges_of_like_width() {
    let stream = Stream::create(2).await;
    let update = |target| {
        let request = stream.client.update_shard_count().stream_name(&stream.name).target_shard_count(target);
        request.scaling_type(ScalingType::UniformScaling).send()
    };
    let open = async || {
        stream.active().await;
        let mut shards = stream.shards().await;
        let is_open =
            |shard: &Shard| shard.sequence_number_range().unwrap().ending_sequence_number().is_none();
        shards.retain(is_open);
        shards
    };
    let key = |digits: &str| digits.parse::<u128>().unwrap();
    assert_eq!(update(4).await.unwrap().current_shard_count(), Some(2));
    let shards = open().await;
    assert_eq!(shards.len(), 4);
    for range in shards.iter().map(|shard| shard.hash_key_range().unwrap()) {
        let width = key(range.ending_hash_key()) - key(range.starting_hash_key());
        assert!(width.abs_diff(u128::MAX / 4) < 1 << 64, "{width} is not a quarter of all hash keys");
    }
    assert!(update(9).await.is_err(), "more than double the shards");
    assert!(update(1).await.is_err(), "less than half of the shards");
    update(2).await.unwrap();
    assert_eq!(open().await.len(), 2);
}

#[tokio::test]
async fn shards_that_are_not_adjacent_cannot_be_merged() {
    let stream = Stream::create(3).await;
    let merge = stream.client.merge_shards().stream_name(&stream.name).shard_to_merge("shardId-000000000000");
    let error = merge.adjacent_shard_to_merge("shardId-000000000002").send().await.unwrap_err();
    assert_eq!(error.into_service_error().code(), Some("InvalidArgumentException"));
    assert_eq!(stream.shards().await.len(), 3);
}

#[tokio::test]
async fn put_records_answers_for_each_record_and_keeps_to_its_limits() {
    let stream = Stream::create(4).await;
    let put = |records: Vec<PutRecordsRequestEntry>| {
        stream.client.put_records().stream_name(&stream.name).set_records(Some(records)).send()
    };
    let many = (0..500).map(|number| entry(vec![b'x'; 10], &number.to_string())).collect();
    let reply = put(many).await.unwrap();
    assert_eq!((reply.failed_record_count, reply.records().len()), (Some(0), 500));
    let shards: HashSet<_> = reply.records().iter().filter_map(|record| record.shard_id()).collect();
    assert_eq!(shards.len(), 4, "partition keys are distributed over the shards");
    let sequences: HashSet<_> =
        reply.records().iter().filter_map(|record| record.sequence_number()).collect();
    assert_eq!(sequences.len(), 500);

    assert!(put((0..501).map(|_| entry(vec![1], "p")).collect()).await.is_err(), "501 records");
    assert!(put(Vec::new()).await.is_err(), "no records");
    assert!(put(vec![entry(vec![0; (1 << 20) + 1], "p")]).await.is_err(), "a record above 1 MiB");
    assert!(put(vec![entry(vec![0; (1 << 20) - 1], "p")]).await.is_ok(), "a record of 1 MiB with its key");
    assert!(put(vec![entry(vec![1], &"p".repeat(257))]).await.is_err(), "a partition key of 257 characters");
    assert!(put(vec![entry(vec![1], "")]).await.is_err(), "an empty partition key");
    assert!(put((0..12).map(|_| entry(vec![0; (1 << 20) - 1], "p")).collect()).await.is_err(), "12 MiB");
}

#[tokio::test]
async fn what_does_not_exist_is_said_by_its_code() {
    let stream = Stream::create(1).await;
    let nowhere =
        stream.client.put_record().stream_name("no-such-stream").partition_key("p").data(Blob::new("x"));
    assert_eq!(
        nowhere.send().await.unwrap_err().into_service_error().code(),
        Some("ResourceNotFoundException")
    );
    let iterator =
        stream.client.get_shard_iterator().stream_name(&stream.name).shard_id("shardId-000000000009");
    let error = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap_err();
    assert_eq!(error.into_service_error().code(), Some("ResourceNotFoundException"));
    let again =
        stream.client.create_stream().stream_name(&stream.name).shard_count(1).send().await.unwrap_err();
    assert_eq!(again.into_service_error().code(), Some("ResourceInUseException"));
    assert!(stream.client.get_records().shard_iterator("nonsense").send().await.is_err());
}

#[tokio::test]
async fn the_retention_period_is_increased_and_decreased_within_its_bounds() {
    let stream = Stream::create(1).await;
    let described = async || {
        stream.active().await;
        let summary = stream.client.describe_stream_summary().stream_name(&stream.name).send().await.unwrap();
        let stream = stream.client.describe_stream().stream_name(&stream.name).send().await.unwrap();
        let hours = summary.stream_description_summary.unwrap().retention_period_hours;
        assert_eq!(stream.stream_description.unwrap().retention_period_hours, hours);
        hours
    };
    let increase = async |hours| {
        stream.active().await;
        let request = stream.client.increase_stream_retention_period().stream_name(&stream.name);
        let result = request.retention_period_hours(hours).send().await;
        result.map(drop).map_err(|error| error.into_service_error().code().unwrap_or("").to_owned())
    };
    let decrease = async |hours| {
        stream.active().await;
        let request = stream.client.decrease_stream_retention_period().stream_name(&stream.name);
        let result = request.retention_period_hours(hours).send().await;
        result.map(drop).map_err(|error| error.into_service_error().code().unwrap_or("").to_owned())
    };
    let invalid = Err("InvalidArgumentException".to_owned());
    stream.put("kept", LOW).await;
    let iterator =
        async || stream.iterator("shardId-000000000000", ShardIteratorType::TrimHorizon, None).await;
    let before = stream.get(&iterator().await).await;
    assert_eq!(described().await, 24);
    assert_eq!(increase(8_761).await, invalid, "more than a year");
    assert_eq!(decrease(23).await, invalid, "less than a day");
    assert_eq!(decrease(48).await, invalid, "not a decrease");
    assert_eq!(increase(168).await, Ok(()));
    assert_eq!(described().await, 168);
    assert_eq!(increase(48).await, invalid, "not an increase");
    assert_eq!(decrease(24).await, Ok(()));
    assert_eq!(described().await, 24);
    let after = stream.get(&iterator().await).await;
    assert_eq!(after.records(), before.records(), "the arrival times are unchanged");
    let elsewhere = stream.client.increase_stream_retention_period().stream_name("no-such-stream");
    let error = elsewhere.retention_period_hours(48).send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("ResourceNotFoundException"));
}
