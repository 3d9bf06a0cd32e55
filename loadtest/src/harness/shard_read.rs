//! Reading a shard within the throughput that it has.

use std::time::Duration;

use aws_sdk_kinesis::operation::get_records::{GetRecordsError, GetRecordsOutput};

use anyhow::Context;

use crate::harness::target::Target;

/// The wait after a read that a shard refuses. Source: Kinesis API Reference,
/// `GetRecords`: "we recommend that you wait 1 second between calls".
const REFUSED_WAIT: Duration = Duration::from_secs(1);

/// Reads from an iterator; where the shard gives no more now, it waits.
///
/// # Errors
/// When the shard cannot be read.
pub async fn read_page(target: &Target, iterator: &str) -> anyhow::Result<GetRecordsOutput> {
    loop {
        match target.kinesis.get_records().shard_iterator(iterator).send().await {
            Ok(output) => return Ok(output),
            Err(error) => {
                let is_throttle = error
                    .as_service_error()
                    .is_some_and(GetRecordsError::is_provisioned_throughput_exceeded_exception);
                if !is_throttle {
                    return Err(error).context("a shard cannot be read");
                }
                tokio::time::sleep(REFUSED_WAIT).await;
            }
        }
    }
}
