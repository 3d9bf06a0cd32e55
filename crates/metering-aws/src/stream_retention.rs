//! The retention of the stream.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use metering_core::ports::{PortError, StreamRetention};

use crate::error::port_error;

/// The retention once the consumer is far behind, in hours: seven days.
pub const RAISED_HOURS: i32 = 168;

/// The retention of streams in Kinesis.
#[derive(Debug, Clone)]
pub struct KinesisRetention {
    client: Client,
}

impl KinesisRetention {
    /// Returns the port for the streams of the client's account and region.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl StreamRetention for KinesisRetention {
    /// Raises the retention to [`RAISED_HOURS`]. It takes effect at once,
    /// including for records that are in the stream already.
    ///
    /// Source: Kinesis API Reference, `IncreaseStreamRetentionPeriod`.
    async fn raise(&self, stream_arn: &str) -> Result<bool, PortError> {
        let operation =
            || format!("raising the retention of the stream {stream_arn} to {RAISED_HOURS} hours");
        let summary = self.client.describe_stream_summary().stream_arn(stream_arn).send().await;
        let summary = summary.map_err(|error| port_error(operation(), error))?;
        let present = summary.stream_description_summary.map_or(0, |summary| summary.retention_period_hours);
        if present >= RAISED_HOURS {
            return Ok(false);
        }
        let request = self.client.increase_stream_retention_period().stream_arn(stream_arn);
        match request.retention_period_hours(RAISED_HOURS).send().await {
            Ok(_) => Ok(true),
            // Another instance has raised it in the meantime.
            Err(error) if error.code() == Some("InvalidArgumentException") => Ok(false),
            Err(error) => Err(port_error(operation(), error)),
        }
    }
}
