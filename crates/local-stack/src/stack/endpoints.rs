//! Where a running stack is found.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// Where a running stack is found; also written to `endpoints.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// The gateway, as a URL.
    pub gateway: String,
    /// The web page of the dashboard, as a URL.
    pub dashboard: String,
    /// Where its faults and processes are controlled, as a URL.
    pub control: String,
    /// What `AWS_ENDPOINT_URL` is set to.
    pub aws_endpoint_url: String,
    /// The URL of the quarantine queue.
    pub quarantine_queue_url: String,
    /// The bucket of records that Lambda gave up.
    pub on_failure_bucket: String,
    /// The ledger.
    pub usage_table: String,
    /// The stream.
    pub stream: String,
    /// The log group of the gateway's access log.
    pub access_log_group: String,
    /// The keys.
    pub keys_table: String,
    /// The log of their changes.
    pub invalidations_table: String,
    /// The topic of their changes.
    pub invalidations_topic_arn: String,
    /// The topic of alerts about limits.
    pub alerts_topic_arn: String,
    /// How old the authorizer's last look at the log may be, in milliseconds.
    pub sync_interval_ms: u64,
}

impl Endpoints {
    /// Reads where the stack with this data folder is found.
    ///
    /// # Errors
    /// When no stack was started there.
    pub fn of_folder(data_folder: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(data_folder.join("endpoints.json"))?;
        serde_json::from_str(&text).map_err(std::io::Error::other)
    }
}
