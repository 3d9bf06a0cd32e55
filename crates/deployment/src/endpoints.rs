//! The URLs and names of a running local stack.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The name of the file in the data folder.
const FILE: &str = "endpoints.json";

/// The URLs and names of a running local stack, which are also in `endpoints.json` of its data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// URL of the API.
    pub gateway: String,
    /// URL of the dashboard.
    pub dashboard: String,
    /// URL of the usage page of customers; empty in a folder of a version without it.
    #[serde(default)]
    pub portal: String,
    /// URL at which a load test changes faults and kills processes.
    pub control: String,
    /// URL of the AWS services, the value of `AWS_ENDPOINT_URL`.
    pub aws_endpoint_url: String,
    pub quarantine_queue_url: String,
    /// Bucket of the records that Lambda gave up.
    pub on_failure_bucket: String,
    /// Table of the ledger.
    pub usage_table: String,
    pub stream: String,
    /// Log group of the API's access log.
    pub access_log_group: String,
    pub keys_table: String,
    /// Table of the invalidation log.
    pub invalidations_table: String,
    /// Topic of invalidation messages.
    pub invalidations_topic_arn: String,
    /// Topic of alerts about limits.
    pub alerts_topic_arn: String,
    /// The statuses with which calls are billed.
    pub billed_statuses: String,
    /// Maximum age of the authorizer's last invalidation-log read, in milliseconds.
    pub sync_interval_ms: u64,
}

impl Endpoints {
    /// Reads the endpoints of the stack that was last started in a data folder.
    ///
    /// # Errors
    /// Returns an error if no stack was started there.
    pub fn read(data_folder: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(data_folder.join(FILE))?;
        serde_json::from_str(&text).map_err(std::io::Error::other)
    }

    /// Writes the endpoints to a data folder.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(&self, data_folder: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        std::fs::write(data_folder.join(FILE), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Endpoints::read(folder.path()).unwrap_err().kind(), std::io::ErrorKind::NotFound);
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let endpoints = Endpoints {
            gateway: url(1),
            dashboard: url(2),
            portal: url(5),
            control: url(3),
            aws_endpoint_url: url(4),
            quarantine_queue_url: format!("{}/quarantine", url(4)),
            on_failure_bucket: "given-up".to_owned(),
            usage_table: "usage".to_owned(),
            stream: "stream".to_owned(),
            access_log_group: "log".to_owned(),
            keys_table: "keys".to_owned(),
            invalidations_table: "invalidations".to_owned(),
            invalidations_topic_arn: "arn:invalidations".to_owned(),
            alerts_topic_arn: "arn:alerts".to_owned(),
            billed_statuses: "200-299".to_owned(),
            sync_interval_ms: 250,
        };
        endpoints.write(folder.path()).unwrap();
        assert_eq!(Endpoints::read(folder.path()).unwrap(), endpoints);
    }
}
