//! The data folders that earlier versions left under load, in `releases`, are taken over without a difference.
//!
//! `scripts/keep-release.sh` writes them. The stack runs with the time of day two hours after the end of the
//! earlier version, so that a folder of any age is the same.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use access_log::envelope_writer::{EnvelopeHeader, log_event};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use end_to_end::clock::write_shifted_binaries;
use end_to_end::meter::{Local, meter_from, stdout};
use local_stack::stack::STREAM;
use metering_aws::connection::{COMMAND_RETRY_POLICY, load_local};
use serde_json::{Value, json};
use system_clock::now_ms;

/// Time between the end of the earlier version and the start of this one: its route classes and weights are in
/// force, a secret has expired, the month is the same.
const STOPPED_FOR_S: i64 = 2 * 3_600;

/// The data of an earlier version, and what it has to hold.
struct Earlier {
    folder: tempfile::TempDir,
    /// Time at which the earlier version was killed, in seconds since 1970.
    killed_at_s: i64,
}

impl Earlier {
    fn unpack(archive: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let unpack = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()).status();
        assert!(unpack.unwrap().success(), "{}", archive.display());
        let killed_at_s =
            std::fs::read_to_string(folder.path().join("kept/killed-at-s")).unwrap().trim().parse().unwrap();
        Self { folder, killed_at_s }
    }

    fn kept(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("kept").join(name)).unwrap()
    }

    fn start(&self) -> Local {
        let binaries = self.folder.path().join("binaries");
        write_shifted_binaries(&binaries, self.killed_at_s + STOPPED_FOR_S - now_ms() / 1_000);
        Local::start_from(&binaries, &self.folder.path().join("data"), &["--response-length"])
    }

    /// Returns the successful calls of each key that the clients of the earlier version saw.
    fn successful_calls(&self) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::from([("limited".to_owned(), 3)]);
        for line in ["before.csv", "under-load.csv"].iter().flat_map(|name| lines(&self.kept(name))) {
            let columns: Vec<&str> = line.split(',').collect();
            if columns[0] != "api_key_id" {
                *calls.entry(columns[0].to_owned()).or_default() += columns[1].parse::<u64>().unwrap();
            }
        }
        calls
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Runs a command at the time of the stack.
fn run(local: &Local, words: &str) -> String {
    let arguments: Vec<&str> = words.split(' ').chain(["--data", local.data.to_str().unwrap()]).collect();
    stdout(&meter_from(&local.data.with_file_name("binaries"), &arguments))
}

/// Returns the documents that a command prints, one on each line.
fn documents(local: &Local, words: &str) -> Vec<Value> {
    run(local, &format!("{words} --json")).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the usage of all keys or classes in the days around the change of the version.
fn usage(local: &Local, earlier: &Earlier, group: &str) -> BTreeMap<String, (u64, Value)> {
    let day = |days: i64| {
        let time = jiff::Timestamp::from_second(earlier.killed_at_s + days * 86_400).unwrap();
        time.strftime("%Y-%m-%d").to_string()
    };
    let words = format!("usage --all --by total --group-by {group} --from {} --to {}", day(-1), day(1));
    let name = if group == "key" { "api_key_id" } else { "route_class" };
    documents(local, &words)
        .iter()
        .map(|line| {
            let group = line[name].as_str().unwrap_or_default().to_owned();
            (group, (line["calls"].as_u64().unwrap(), line["credits"].clone()))
        })
        .collect()
}

fn calls_by_key(local: &Local, earlier: &Earlier) -> BTreeMap<String, u64> {
    usage(local, earlier, "key").into_iter().map(|(key, (calls, _))| (key, calls)).collect()
}

/// Waits until the ledger has at least as many calls, and compares them.
fn expect_calls(local: &Local, earlier: &Earlier, expected: &BTreeMap<String, u64>) {
    let wanted: u64 = expected.values().sum();
    let enough = (0..2_000).any(|_| calls_by_key(local, earlier).values().sum::<u64>() >= wanted);
    assert!(enough, "all calls are counted: {:?} instead of {expected:?}", calls_by_key(local, earlier));
    assert_eq!(&calls_by_key(local, earlier), expected);
}

/// Checks that the lists of a command have the documents that the earlier version printed. A member that has been
/// added since then is no difference, nor is one in `changing`.
fn expect_list(local: &Local, earlier: &Earlier, words: &str, changing: &[&str]) {
    let present = documents(local, words);
    let kept = lines(&earlier.kept(&format!("{}.json", words.replace(' ', "-"))));
    assert!(!kept.is_empty());
    for line in kept {
        let Value::Object(mut document) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        document.retain(|name, _| !changing.contains(&name.as_str()));
        let same = |now: &Value| document.iter().all(|(name, value)| &now[name] == value);
        assert!(present.iter().any(same), "{words}: {line} is not among {present:#?}");
    }
}

/// Returns the records of the whole stream with the hash keys at which their shards begin.
async fn records(client: &Client) -> Vec<(String, Vec<Record>)> {
    let shards = client.list_shards().stream_name(STREAM).send().await.unwrap();
    let mut all = Vec::new();
    for shard in shards.shards() {
        let first = client.get_shard_iterator().stream_name(STREAM).shard_id(shard.shard_id());
        let first = first.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
        let read = client.get_records().shard_iterator(first.shard_iterator.unwrap()).send().await.unwrap();
        assert_eq!(read.millis_behind_latest, Some(0), "one read has all records of a shard");
        let begin = shard.hash_key_range().unwrap().starting_hash_key().to_owned();
        all.push((begin, read.records));
    }
    all
}

/// Puts everything that is on the stream on it once more, and behind it a call of a new key on each shard.
async fn deliver_again(local: &Local, earlier: &Earlier) -> BTreeMap<String, u64> {
    let config = load_local(&local.endpoint("aws_endpoint_url"), COMMAND_RETRY_POLICY).await;
    let client = Client::new(&config);
    let mut markers = BTreeMap::new();
    for (begin, records) in records(&client).await {
        assert!(!records.is_empty(), "the earlier version has put records on each shard");
        let key = format!("marker-{begin}");
        let time = (earlier.killed_at_s + STOPPED_FOR_S) * 1_000;
        let line = json!({"id": key, "key": key, "time": time, "status": "200"}).to_string();
        let marker = EnvelopeHeader::default().write(&log_event(&key, time, &line));
        let data = records.into_iter().map(|record| record.data).chain([Blob::new(marker)]);
        for data in data {
            let put = client.put_record().stream_name(STREAM).partition_key("p").explicit_hash_key(&begin);
            put.data(data).send().await.unwrap();
        }
        markers.insert(key, 1);
    }
    markers
}

fn archives() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("releases");
    let archives: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!archives.is_empty());
    archives
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_of_each_earlier_version_is_taken_over() {
    for archive in archives() {
        let earlier = Earlier::unpack(&archive);
        let local = earlier.start();
        let mut expected = earlier.successful_calls();
        expect_calls(&local, &earlier, &expected);
        for list in ["customers list", "keys list", "classes show", "weights show", "quarantine list"] {
            expect_list(&local, &earlier, list, &["applies"]);
        }
        expect_list(&local, &earlier, "usage limited", &["as_of", "from", "to"]);

        let secrets: Value = serde_json::from_str(&earlier.kept("secrets.json")).unwrap();
        for admitted in ["rotated", "rotated_to"] {
            assert_eq!(local.call("/status/200", secrets[admitted].as_str()), 200, "{admitted}");
        }
        for (denied, reason) in [("limited", "over_quota"), ("expiring", "expired"), ("deleted", "deleted")] {
            let response = local.json("/status/200", secrets[denied].as_str().unwrap());
            assert_eq!(response["reason"], reason, "{denied}: {response}");
        }
        expected.insert("rotated".into(), 2);
        expect_calls(&local, &earlier, &expected);
        let classes = usage(&local, &earlier, "class");
        assert_eq!(
            classes["status"],
            (2, json!("6")),
            "the classes and weights of the earlier version apply"
        );

        let markers = deliver_again(&local, &earlier).await;
        expected.extend(markers);
        expect_calls(&local, &earlier, &expected);
    }
}
