//! Reads of a shard within its throughput limit.

use std::time::Duration;

use anyhow::Context;
use aws_sdk_kinesis::operation::get_records::{GetRecordsError, GetRecordsOutput};

use crate::harness::system_under_test::SystemUnderTest;

/// Wait after a throttled read. Source: Kinesis API Reference, `GetRecords`: "we
/// recommend that you wait 1 second between calls".
const THROTTLED_WAIT: Duration = Duration::from_secs(1);

/// Reads one page of records, and waits while the shard throttles.
///
/// # Errors
/// Returns an error if the shard cannot be read for another reason.
pub async fn read_page(system: &SystemUnderTest, iterator: &str) -> anyhow::Result<GetRecordsOutput> {
    loop {
        match system.kinesis.get_records().shard_iterator(iterator).send().await {
            Ok(output) => return Ok(output),
            Err(error) => {
                let is_throttle = error
                    .as_service_error()
                    .is_some_and(GetRecordsError::is_provisioned_throughput_exceeded_exception);
                if !is_throttle {
                    return Err(error).context("cannot read a shard");
                }
                tokio::time::sleep(THROTTLED_WAIT).await;
            }
        }
    }
}
