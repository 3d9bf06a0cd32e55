//! Puts records on the stream of a local stack.

use std::time::Duration;

use anyhow::{Context, bail};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use local_stack::stack::{LocalStack, STREAM};
use md5::{Digest, Md5};

/// Error code of a record that exceeds the throughput of its shard. Source: Kinesis API Reference,
/// `PutRecords`.
const THROTTLED: &str = "ProvisionedThroughputExceededException";
/// Delay before such records are put again.
const THROTTLE_DELAY: Duration = Duration::from_millis(100);

/// Puts records until the stream has accepted all of them. Records that exceed the throughput of a shard are
/// put again.
///
/// # Errors
/// When the stream refuses a record.
pub async fn put(stack: &LocalStack, mut records: Vec<Vec<u8>>) -> anyhow::Result<()> {
    while !records.is_empty() {
        let mut request = stack.kinesis_client.put_records().stream_name(STREAM);
        for record in &records {
            let entry = PutRecordsRequestEntry::builder().partition_key(partition_key(record));
            request = request.records(entry.data(Blob::new(record.clone())).build()?);
        }
        let reply = request.send().await.context("the stream does not accept the records")?;
        let refused =
            reply.records.iter().find(|result| !matches!(result.error_code(), None | Some(THROTTLED)));
        if let Some(refused) = refused {
            bail!("the stream refused a record: {refused:?}");
        }
        let mut results = reply.records.iter();
        records.retain(|_| results.next().is_some_and(|result| result.error_code().is_some()));
        if !records.is_empty() {
            tokio::time::sleep(THROTTLE_DELAY).await;
        }
    }
    Ok(())
}

/// Distributes records over the shards. Equal records go to the same shard.
fn partition_key(record: &[u8]) -> String {
    Md5::digest(record).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
