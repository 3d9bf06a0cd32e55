//! Puts records on the stream of a stack.

use std::collections::HashMap;

use anyhow::{Context, bail};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use local_stack::stack::{LocalStack, STREAM};
use md5::{Digest, Md5};

/// Puts records on the stream.
///
/// # Errors
/// When the stream does not take them all.
pub async fn put(stack: &LocalStack, records: Vec<Vec<u8>>) -> anyhow::Result<()> {
    let mut request = stack.kinesis_client.put_records().stream_name(STREAM);
    for record in records {
        let hash = Md5::digest(&record);
        let partition_key = hash.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let entry =
            PutRecordsRequestEntry::builder().partition_key(partition_key).data(Blob::new(record)).build()?;
        request = request.records(entry);
    }
    let reply = request.send().await.context("the stream does not take the records")?;
    let failures: HashMap<_, _> = reply
        .records
        .iter()
        .filter_map(|result| Some((result.error_code()?, result.error_message())))
        .collect();
    if !failures.is_empty() {
        bail!("the stream refused records: {failures:?}");
    }
    Ok(())
}
